/* How long after its process's start the first training step of a .nn file ends, and where the time goes. The machine code is on
 * disk: the first process of each file makes it.
 *     bench_start [--mode MODE] [--data DIR]... FILE...
 * Prints the medians of 15 processes, in milliseconds: until main, the file checked, its data read, its variables made, its program
 * made, and the first step. */
#include "frontend/cli/bench.h"
#include "frontend/cli/cli.h"
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 15, STAGES = 6 };
static const char *const stages[STAGES] = {"main", "file", "data", "variables", "program", "step"};

/* Writes the times of the stages' ends to |to|. */
static int
child(int to, const char *mode, char **data, int ndata, const char *file)
{
    double at[STAGES] = {bench_now()};
    struct arena arena;
    struct diag diag;
    struct cli cli = {.arena = &arena, .diag = &diag};
    struct session s;
    struct feeder f;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    sources_init(&cli.sources, &arena);
    cli.options = (struct options){.operand = file, .mode = mode, .epochs = -1};
    cli.options.data.text = (const char **)data;
    cli.options.data.count = ndata;
    bool good = session_open(&s, &cli);
    at[1] = bench_now();
    good = good && session_data(&s, NEEDS_TRAIN);
    at[2] = bench_now();
    good = good && session_variables(&s, NULL);
    at[3] = bench_now();
    good = good && feeder_open(&f, &s);
    at[4] = bench_now();
    float_enter();
    good = good && feeder_steps(&f, 1, false);
    at[5] = bench_now();
    if (good)
        feeder_close(&f); /* waits for the thread that makes the code, if there is one, so that the next process finds it */
    session_close(&s);
    render_diag(&diag, &cli.sources, stderr, false);
    return !good || write(to, at, sizeof at) != sizeof at;
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One process: the milliseconds of each stage, and of all. */
static bool
start(char **argv, double out[STAGES + 1])
{
    extern char **environ;
    int ends[2], status;
    pid_t pid;
    char to[16];
    double at[STAGES];
    if (pipe(ends))
        return false;
    snprintf(to, sizeof to, "%d", ends[1]);
    argv[2] = to;
    double before = bench_now();
    if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ))
        return false;
    close(ends[1]);
    bool good = read(ends[0], at, sizeof at) == sizeof at;
    close(ends[0]);
    waitpid(pid, &status, 0);
    for (int i = 0; i < STAGES; i++)
        out[i] = (at[i] - (i ? at[i - 1] : before)) / 1e3;
    out[STAGES] = (at[STAGES - 1] - before) / 1e3;
    return good;
}

static bool
measure(char **argv, const char *file)
{
    double all[PROCESSES][STAGES + 1], column[PROCESSES];
    for (int i = -1; i < PROCESSES; i++)
        if (!start(argv, all[i < 0 ? 0 : i]))
            return false;
    printf("%-32s", file);
    for (int k = 0; k <= STAGES; k++) {
        for (int i = 0; i < PROCESSES; i++)
            column[i] = all[i][k];
        qsort(column, PROCESSES, sizeof *column, compare);
        printf(" %s %5.1f", k < STAGES ? stages[k] : "| all", column[PROCESSES / 2]);
    }
    printf(" (%.1f to %.1f)\n", column[0], column[PROCESSES - 1]);
    fflush(stdout);
    return true;
}

int
main(int argc, char **argv)
{
    bool is_child = argc > 3 && !strcmp(argv[1], "--child");
    const char *mode = "jit";
    char *data[64], *files[64], *of_child[72] = {argv[0], "--child", NULL};
    int ndata = 0, nfiles = 0, n = 3;
    for (int i = is_child ? 3 : 1; i < argc && i < 64; i++)
        if (!strcmp(argv[i], "--mode") && i + 1 < argc)
            mode = argv[++i];
        else if (!strcmp(argv[i], "--data") && i + 1 < argc)
            data[ndata++] = argv[++i];
        else
            files[nfiles++] = argv[i];
    if (is_child)
        return child(atoi(argv[2]), mode, data, ndata, files[0]);
    of_child[n++] = "--mode";
    of_child[n++] = (char *)mode;
    for (int i = 0; i < ndata; i++) {
        of_child[n++] = "--data";
        of_child[n++] = data[i];
    }
    for (int i = 0; i < nfiles; i++) {
        of_child[n] = files[i];
        if (!measure(of_child, files[i]))
            return 1;
    }
    return 0;
}
