/* load: finds nnc-codegen.so. Part of the program; knows nothing of LLVM. */
#include "codegen/module.h"
#include "codegen/runtime_calls.h"
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#if NNC_JIT

#define MODULE "nnc-codegen.so"

/* Beside the program, then in the library folder of an installation. */
static const char *const folders[] = {"", "../lib/nnc/"};

const struct runtime_function runtime_functions[] = {
#define RUNTIME(name) {#name, (void *)name},
#include "codegen/runtime.def"
#undef RUNTIME
    {NULL, NULL}};

/* The folder of the program with a closing slash; false if the system does not say. */
static bool
program_folder(char path[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (n <= 0)
        return false;
    path[n] = '\0';
    strrchr(path, '/')[1] = '\0';
    return true;
}

bool
codegen_module_path(char *path, size_t size)
{
    char folder[PATH_MAX];
    if (!program_folder(folder))
        folder[0] = '\0';
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        int length = snprintf(path, size, "%s%s%s", folder, folders[i], MODULE);
        if (length > 0 && (size_t)length < size && !access(path, F_OK))
            return true;
    }
    return false;
}

bool
codegen_load(struct codegen *out, struct diag *diag)
{
    char path[PATH_MAX + 64];
    /* The first module that exists, so that a fault in it is told and not hidden by the next place. */
    *out = (struct codegen){.handle = dlopen(codegen_module_path(path, sizeof path) ? path : MODULE, RTLD_NOW | RTLD_LOCAL)};
    codegen_module_fn *module = out->handle ? (codegen_module_fn *)dlsym(out->handle, CODEGEN_MODULE_NAME) : NULL;
    if (!module) {
        const char *cause = dlerror();
        diag_subject(diag, CODEGEN_MODULE, NULL, cause ? cause : MODULE);
        codegen_unload(out);
        return false;
    }
    module(out);
    return true;
}

void
codegen_unload(struct codegen *c)
{
    if (c->handle)
        dlclose(c->handle);
    *c = (struct codegen){0};
}

#else

const struct runtime_function runtime_functions[] = {{NULL, NULL}};

bool
codegen_module_path(char *path, size_t size)
{
    (void)path;
    (void)size;
    return false;
}

bool
codegen_load(struct codegen *out, struct diag *diag)
{
    *out = (struct codegen){0};
    diag_subject(diag, NO_LLVM, NULL);
    return false;
}

void
codegen_unload(struct codegen *c)
{
    *c = (struct codegen){0};
}

#endif
