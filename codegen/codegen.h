/* codegen: from planned graphs to machine code.
 *
 * A module of its own, nnc-codegen.so, makes object files with LLVM; the program itself maps them, keeps them on disk and
 * calls them. So a process that finds its code on disk never loads LLVM. */
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
 * different memory and contexts; it uses the threads of its context. */
typedef bool code_fn(const struct code_args *args);

/* All that decides about the code besides the graphs and the machine. */
struct code_options {
    enum gemm gemm;
    int vector_width;           /* f32 lanes: 4, 8, 16; 0: the host's */
    bool llvm_passes;           /* LLVM's own default pipeline besides */
    bool cut_small;             /* kernels that are never worth two threads can be cut up too; for tests */
};

/* The graphs of one program, which become one object file and share kernels. plan has run on each. */
struct code_graphs {
    const struct graph *const *graph;
    int count;
    const char *const *files;   /* for debuggers: the name of file number i + 1 of the nodes' places; NULL: none */
    int nfiles;
};

/* An object file in memory; |bytes| is of malloc. */
struct code_object {
    void *bytes;
    size_t size;
};

/* The module's functions. */
struct codegen {
    void *handle;               /* of dlopen */
    /* Compiles |graphs| into |out|. False and a report on failure. May run in several threads. */
    bool (*object)(const struct code_graphs *graphs, const struct code_options *options, struct code_object *out,
                   struct diag *diag);
    /* LLVM IR or assembly of one graph as text in |arena|; NULL and a report on failure. */
    char *(*text)(const struct graph *g, const struct code_options *options, bool assembly, struct arena *arena,
                  struct diag *diag);
};

/* Loads the module: beside the program, or in the installed library folder. Reports and returns false if it cannot be
 * loaded. load.c */
bool codegen_load(struct codegen *out, struct diag *diag);
void codegen_unload(struct codegen *c);

struct code;                    /* compiled graphs; owns their machine code */

/* Compiles |graphs|. NULL and a report on failure. The code refers to nothing of the graphs afterwards. code.c */
struct code *code_compile(const struct codegen *c, const struct code_graphs *graphs, const struct code_options *options,
                          struct diag *diag);
/* The function of graph |index|. */
code_fn *code_function(const struct code *c, int index);
size_t code_bytes(const struct code *c);
void code_free(struct code *c);
/* Whether this process may make code; reports (exit 3) if the system refuses executable pages. */
bool code_allowed(struct diag *diag);

/* -- cache.c: objects on disk ----------------------------------------------------------------------------------------------- */

/* Names one object: a digest of all that decides about it. */
struct code_key {
    uint64_t half[2];
};
/* False if there is no module whose code the cache could hold. Scratch memory is taken from |scratch|. */
bool code_key(const struct code_graphs *graphs, const struct code_options *options, struct arena *scratch,
              struct code_key *out);
/* The code that lies in the cache under |key|, or NULL. */
struct code *code_load(const struct code_key *key, const struct code_graphs *graphs, struct diag *diag);
/* Compiles, and leaves the object in the cache, silently without if that cannot be written. */
struct code *code_compile_and_save(const struct codegen *c, const struct code_key *key, const struct code_graphs *graphs,
                                   const struct code_options *options, struct diag *diag);
#endif
