#include "frontend/cli/machine_code.h"
#include <fenv.h>
#include <signal.h>

struct code *
machine_code_find(struct machine_code *m, struct arena *scratch)
{
    struct diag silent;
    diag_init(&silent, scratch); /* a fault of the cache is none of the user's */
    m->has_key = m->cache && code_key(&m->graphs, &m->options, scratch, &m->key);
    if (m->has_key)
        m->code = code_load(&m->key, &m->graphs, &silent);
    return m->code;
}

struct code *
machine_code_make(struct machine_code *m, struct diag *diag)
{
    struct codegen codegen;
    if (!codegen_load(&codegen, diag))
        return NULL;
    m->code = m->has_key ? code_compile_and_save(&codegen, &m->key, &m->graphs, &m->options, diag)
                         : code_compile(&codegen, &m->graphs, &m->options, diag);
    codegen_unload(&codegen);
    return m->code;
}

static void *
run(void *self)
{
    struct machine_code *m = self;
    fesetenv(FE_DFL_ENV); /* LLVM computes constants */
    machine_code_make(m, &m->diag);
    atomic_store_explicit(&m->done, true, memory_order_release);
    return NULL;
}

bool
machine_code_start(struct machine_code *m)
{
    sigset_t all, before;
    arena_init(&m->arena, NULL);
    diag_init(&m->diag, &m->arena);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the main thread's */
    m->running = !pthread_create(&m->thread, NULL, run, m);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return m->running;
}

struct code *
machine_code_take(struct machine_code *m)
{
    if (m->running)
        pthread_join(m->thread, NULL);
    m->running = false;
    return m->code;
}

void
machine_code_free(struct machine_code *m)
{
    machine_code_take(m);
    code_free(m->code);
    m->code = NULL;
    arena_free(&m->arena);
}
