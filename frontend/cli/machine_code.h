/* machine_code: the code of a program's graphs: taken from the cache, made at once, or made in a thread of its own while the
 * program runs in graph mode. */
#ifndef NNC_FRONTEND_CLI_MACHINE_CODE_H
#define NNC_FRONTEND_CLI_MACHINE_CODE_H
#include "codegen/codegen.h"
#include <pthread.h>
#include <stdatomic.h>

struct machine_code {
    /* Set by the caller; the graphs must outlive the making. */
    struct code_graphs graphs;
    struct code_options options;
    bool cache;                 /* objects may be read from disk and written there */
    /* The rest is private. */
    bool has_key;
    struct code_key key;
    struct code *code;          /* NULL: none yet */
    bool running;               /* the thread is there */
    atomic_bool done;           /* it is at its end */
    pthread_t thread;
    struct arena arena;         /* the thread's own */
    struct diag diag;
};

/* The code that lies in the cache, or else NULL. */
struct code *machine_code_find(struct machine_code *m, struct arena *scratch);
/* Makes it now. NULL and a report on failure. */
struct code *machine_code_make(struct machine_code *m, struct diag *diag);
/* Begins to make it in a thread; false if there can be none. */
bool machine_code_start(struct machine_code *m);
/* Whether the thread has ended; costs one load. */
static inline bool
machine_code_done(struct machine_code *m)
{
    return atomic_load_explicit(&m->done, memory_order_acquire);
}
/* Waits for the thread. NULL if it failed: m->diag says why, until machine_code_free. */
struct code *machine_code_take(struct machine_code *m);
void machine_code_free(struct machine_code *m);
#endif
