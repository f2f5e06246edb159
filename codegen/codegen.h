/* codegen: from a planned graph to machine code. The functions of this header other than codegen_load lie in a module of
 * their own, nnc-codegen.so, so that a process which makes no code never loads LLVM. */
#ifndef NNC_CODEGEN_CODEGEN_H
#define NNC_CODEGEN_CODEGEN_H
#include "ir/graph.h"
#include "runtime/kernels.h"

/* What one call of compiled code gets: the addresses of value_address (runtime/exec.h). */
struct code_args {
    void *arena;                /* g->arena_bytes, aligned to 64 */
    void *const *inputs;        /* one address an input of the graph */
    void *const *vars;          /* one address a variable of the module */
    int64_t rows;               /* N: at least 1, at most g->max_rows */
    struct kernel_context *kernels;
};
/* Runs the graph once. The caller has set the thread's float environment (float_enter of runtime/kernels.h). False if a
 * function of the runtime was short of memory; the values are then undefined. Code may run in several threads on
 * different memory. */
typedef bool code_fn(const struct code_args *args);

struct code_options {
    enum gemm gemm;
    int vector_width;           /* f32 lanes: 4, 8, 16; 0: the host's */
    bool llvm_passes;           /* LLVM's own default pipeline besides */
};

struct code;                    /* a compiled graph; owns its machine code */

/* The module's functions; runtime.def's functions are given to it at load time. */
struct codegen {
    void *handle;               /* of dlopen */
    /* Compiles |g|, which plan has run on. NULL and a report on failure. The code refers to nothing of |g| afterwards. */
    struct code *(*compile)(const struct graph *g, const struct code_options *options, struct diag *diag);
    code_fn *(*function)(const struct code *c);
    void (*free)(struct code *c);       /* before codegen_unload */
    /* LLVM IR or assembly of |g| as text in |arena|. */
    char *(*text)(const struct graph *g, const struct code_options *options, bool assembly, struct arena *arena,
                  struct diag *diag);
};

/* Loads the module: beside the program, or in the installed library folder. Reports and returns false if it cannot be
 * loaded. load.c */
bool codegen_load(struct codegen *out, struct diag *diag);
void codegen_unload(struct codegen *c);
#endif
