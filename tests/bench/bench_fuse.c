/* Graph mode against itself without the pass fuse, on the training steps of .nn files, with one thread:
 *     bench_fuse FILE... [--data DIR]
 * Both in turn; prints the medians of a step, of the part of it that is not contractions, and of the pairs' ratios of that part. */
#include "frontend/cli/cli.h"
#include "runtime/exec.h"
#include "tests/bench/timing.h"
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 101 };
static const double RUN_US = 4000;

struct candidate {
    struct session session;
    struct cli cli;
    struct program program;
    struct kernel_times times;
    const char *folder, *pass;
    int64_t rows;
    double step[PAIRS], others[PAIRS];  /* microseconds */
};

static bool
candidate_open(struct candidate *c, struct arena *arena, struct diag *diag, const char *file, const char *folder, const char *without)
{
    c->cli = (struct cli){.arena = arena, .diag = diag};
    sources_init(&c->cli.sources, arena);
    struct options *o = &c->cli.options;
    o->operand = file;
    o->epochs = -1;
    o->threads = 1;
    o->mode = "graph";
    c->folder = folder;
    c->pass = without;
    o->data = (struct texts){&c->folder, folder != NULL};
    o->without = (struct texts){&c->pass, without != NULL};
    if (!session_open(&c->session, &c->cli) || !session_data(&c->session, NEEDS_TRAIN) || !session_variables(&c->session, NULL))
        return false;
    int64_t rows = c->session.train.view.rows, batch = c->session.x->train.batch;
    c->rows = batch < rows ? batch : rows;
    return session_program(&c->session, c->rows, 0, false, &c->program) && program_watch(&c->program, &c->times);
}

/* Nanoseconds of one reading of the clock. */
static double
clock_cost(void)
{
    double start = kernel_clock();
    for (int i = 0; i < 10000; i++)
        kernel_clock();
    return (kernel_clock() - start) / 10001;
}

static void
steps(struct candidate *c, int repeat, double clock, double *out_step, double *out_others)
{
    void *inputs[64];
    struct step_numbers numbers = {0};
    double loss;
    c->times = (struct kernel_times){0};
    for (int r = 0; r < repeat; r++, numbers.step++) {
        set_rows_at(&c->session.info, &c->session.train.view, (numbers.step * c->rows) % (c->session.train.view.rows - c->rows + 1), inputs);
        c->program.train_step(c->program.self, inputs, c->rows, &numbers, &loss);
    }
    double readings = clock * (double)c->times.count; /* nearly all lie in kernels that are no contractions */
    *out_others = (c->times.others - readings) / repeat / 1e3;
    *out_step = (c->times.others + c->times.contractions - readings) / repeat / 1e3;
}

static bool
measure(const char *file, const char *folder, struct diag *diag, struct arena *arena)
{
    struct candidate *c = calloc(2, sizeof *c);
    static double ratios[PAIRS];
    double once, others, clock = clock_cost();
    bool ok = candidate_open(&c[0], arena, diag, file, folder, NULL) && candidate_open(&c[1], arena, diag, file, folder, "fuse");
    if (ok) {
        steps(&c[1], 20, clock, &once, &others);
        int repeat = (int)(RUN_US / once) + 1;
        for (int i = 0; i < PAIRS; i++) {
            for (int k = 0; k < 2; k++)
                steps(&c[k], repeat, clock, &c[k].step[i], &c[k].others[i]);
            ratios[i] = c[1].others[i] / c[0].others[i];
        }
        double fused = median(c[0].others, PAIRS), apart = median(c[1].others, PAIRS);
        printf("%s: without fuse a step is %.2f us, %.2f us of it no contractions; with it %.2f and %.2f. That part is %.2f times as fast\n", file,
               median(c[1].step, PAIRS), apart, median(c[0].step, PAIRS), fused, median(ratios, PAIRS));
    } else
        render_diag(diag, &c[0].cli.sources, stderr, false);
    free(c);
    return ok;
}

int
main(int argc, char **argv)
{
    struct arena arena;
    struct diag diag;
    const char *folder = NULL;
    bool ok = argc > 1;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    float_enter();
    for (int i = 1; i + 1 < argc; i++)
        if (!strcmp(argv[i], "--data"))
            folder = argv[i + 1];
    for (int i = 1; ok && i < argc && strcmp(argv[i], "--data"); i++)
        ok = measure(argv[i], folder, &diag, &arena);
    return ok ? 0 : 1;
}
