/* module: what load.c and nnc-codegen.so know of each other. */
#ifndef NNC_CODEGEN_MODULE_H
#define NNC_CODEGEN_MODULE_H
#include "codegen/codegen.h"

/* A row of runtime.def, as the program that loads the module gives it; the last one has no name. */
struct runtime_function {
    const char *name;
    void *address;
};

/* The module's one visible function: sets the functions of |out|. |functions| must outlive the module. */
typedef void codegen_module_fn(struct codegen *out, const struct runtime_function *functions);
__attribute__((visibility("default"))) codegen_module_fn nnc_codegen_module;
#define CODEGEN_MODULE_NAME "nnc_codegen_module"
#endif
