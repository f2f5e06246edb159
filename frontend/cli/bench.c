/* bench: the modes side by side: time of a step and where it goes, compile time, memory, equality. */
#include "frontend/cli/bench.h"
#include "runtime/threads.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

double
bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double
bench_median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare);
    return n ? v[n / 2] : NAN;
}

double
bench_probe(void)
{
    enum { TRIES = 6, TURNS = 20000 };
    double best = INFINITY;
    for (int k = 0; k < TRIES; k++) {
        double start = bench_now();
        uint64_t x = 1;
        for (int i = 0; i < TURNS; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u; /* each waits for the one before: cycles that no compiler saves */
            __asm__ volatile("" : "+r"(x));
        }
        best = fmin(best, bench_now() - start);
    }
    return best;
}

int
bench_undisturbed(const struct bench_piece *p, int n, double best_probe, double *out_times, bool *out_disturbed)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        if (p[i].probe <= BENCH_SLOW * best_probe)
            out_times[count++] = p[i].time;
    *out_disturbed = count < BENCH_FEW && count < n;
    for (int i = 0; *out_disturbed && i < n; i++)
        out_times[i] = p[i].time;
    return *out_disturbed ? n : count;
}

static void
judge(struct bench *b)
{
    b->equal = true;
    for (int i = BENCH_EAGER; i <= BENCH_JIT; i++)
        if (b->mode[i].measured)
            b->equal &= b->mode[i].digest == b->mode[BENCH_EAGER].digest;
}

static bool
run(struct session *s)
{
    struct bench *b = ARENA_NEW(s->arena, struct bench);
    const struct options *o = &s->cli->options;
    int64_t batch = s->x->train.batch;
    int64_t threads = o->threads > 0 && o->threads <= THREADS_MAX ? o->threads : threads_available();
    *b = (struct bench){.s = s, .threads = (int)threads, .rows = batch < s->train.view.rows ? batch : s->train.view.rows,
                        .mode = {{.name = "eager", .mode = "eager", .gemm = "nnc"},
                                 {.name = "graph", .mode = "graph", .gemm = "nnc"},
                                 {.name = "jit", .mode = "jit", .gemm = "nnc"},
                                 {.name = "jit, openblas", .mode = "jit", .gemm = "openblas"}}};
#ifndef NNC_JIT
    b->mode[BENCH_JIT].mode = NULL;
    b->mode[BENCH_BLAS].name = "graph, openblas";
    b->mode[BENCH_BLAS].mode = "graph";
#endif
    b->probe = bench_probe();
    signal(SIGPIPE, SIG_IGN); /* a process that measures and dies is seen at its pipe's end */
    bench_count(b);
    if (!bench_modes(b))
        return false;
    bench_products(b);
    bench_passes(b);
    judge(b);
    bench_print(b, stdout, o->bench_format ? o->bench_format : "text", isatty(STDOUT_FILENO));
    return b->equal;
}

int
command_bench(struct cli *cli)
{
    struct session s;
    int status = STATUS_INPUT;
    if (session_open(&s, cli)) {
        if (session_trains(&s) && session_data(&s, NEEDS_TRAIN) && session_variables(&s, NULL)) {
            if (run(&s))
                status = STATUS_OK;
            else if (!cli->diag->errors)
                diag_subject(cli->diag, INTERNAL, s.x->path, "the modes differ");
        }
    }
    session_close(&s);
    return status;
}
