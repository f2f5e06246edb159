/* What it takes until the machine code of a .nn file's training is there, in a process that has made none before: the time that
 * passes and the processors' time, both with and without the graphs and the passes over them.
 *     bench_compile FILE...
 * Prints the medians of 15 processes. */
#include "frontend/cli/cli.h"
#include "tests/bench/timing.h"
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES = 15 };

struct times {
    double wall, cpu;
};

static double
seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct times
times_now(void)
{
    return (struct times){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

/* The milliseconds that making the program of |mode| takes, in a process of its own; it tells them by |to|. */
static void
child(struct session *s, const char *mode, int to)
{
    struct program p;
    struct options *o = &s->cli->options;
    int64_t rows = s->x->train.batch < s->train.view.rows ? s->x->train.batch : s->train.view.rows;
    o->mode = mode;
    o->gemm = "nnc";
    o->no_cache = true;
    o->llvm_passes = "none"; /* waits for the code */
    struct times start = times_now();
    if (!session_program(s, rows, rows, false, &p))
        _exit(1);
    struct times end = times_now(), t = {1e3 * (end.wall - start.wall), 1e3 * (end.cpu - start.cpu)};
    _exit(write(to, &t, sizeof t) != sizeof t);
}

static bool
measure(struct session *s, const char *mode, struct times *out)
{
    double wall[PROCESSES], cpu[PROCESSES];
    for (int i = 0; i < PROCESSES; i++) {
        int ends[2], status;
        struct times t;
        if (pipe(ends))
            return false;
        pid_t pid = fork();
        if (!pid)
            child(s, mode, ends[1]);
        close(ends[1]);
        bool ok = pid > 0 && read(ends[0], &t, sizeof t) == sizeof t;
        close(ends[0]);
        if (pid < 0 || waitpid(pid, &status, 0) < 0 || !ok)
            return false;
        wall[i] = t.wall;
        cpu[i] = t.cpu;
    }
    qsort(wall, PROCESSES, sizeof *wall, compare);
    qsort(cpu, PROCESSES, sizeof *cpu, compare);
    *out = (struct times){wall[PROCESSES / 2], cpu[PROCESSES / 2]};
    return true;
}

static int
measure_file(const char *file)
{
    struct arena arena;
    struct diag diag;
    struct cli cli = {.arena = &arena, .diag = &diag};
    struct session s;
    struct times graph, code;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    sources_init(&cli.sources, &arena);
    cli.options.operand = file;
    cli.options.epochs = -1;
    if (session_open(&s, &cli) && session_data(&s, NEEDS_TRAIN) && session_variables(&s, NULL) && measure(&s, "graph", &graph) &&
        measure(&s, "jit", &code))
        printf("%-32s machine code %6.1f ms, %6.1f ms of processors; with the graphs %6.1f and %6.1f\n", file, code.wall - graph.wall,
               code.cpu - graph.cpu, code.wall, code.cpu);
    else
        printf("%s: failed\n", file);
    fflush(stdout);
    render_diag(&diag, &cli.sources, stderr, false);
    return (int)diag.status;
}

int
main(int argc, char **argv)
{
    int status = 0;
    float_enter();
    for (int i = 1; i < argc && !status; i++)
        status = measure_file(argv[i]);
    return status;
}
