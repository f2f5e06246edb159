/* module: what the program and nnc-codegen.so know of each other. */
#ifndef NNC_CODEGEN_MODULE_H
#define NNC_CODEGEN_MODULE_H
#include "codegen/codegen.h"
#include <stdio.h>

/* The module's one visible function: sets the functions of |out|. */
typedef void codegen_module_fn(struct codegen *out);
__attribute__((visibility("default"))) codegen_module_fn nnc_codegen_module;
#define CODEGEN_MODULE_NAME "nnc_codegen_module"

/* The name of the function of graph |index| in an object. */
enum { ENTRY_NAME = 16 };
static inline void
code_entry(int index, char name[ENTRY_NAME])
{
    snprintf(name, ENTRY_NAME, index ? "step.%d" : "step", index);
}

/* A row of runtime.def; the last one has no name. load.c */
struct runtime_function {
    const char *name;
    void *address;
};
extern const struct runtime_function runtime_functions[];

/* Where the module lies, if it does. load.c */
bool codegen_module_path(char *path, size_t size);
#endif
