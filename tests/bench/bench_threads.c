/* Training steps of a .nn file with several threads against one:
 *     bench_threads FILE [THREADS [graph|eager|jit]]
 * Runs of both in turn; prints the medians, the fastest of each, and the median of the pairs' ratios. Other programs on the machine take from several
 * threads more than from one: the fastest runs are the ones that they left alone. */
#include "frontend/cli/cli.h"
#include "runtime/threads.h"
#include "tests/bench/timing.h"
#include <math.h>
#include <stdlib.h>

enum { PAIRS = 201 };
static const double RUN_US = 3000, /* short enough to find the processors free */
                    WARM_US = 300000; /* machine code is made meanwhile */

struct candidate {
    struct session session;
    struct cli cli;
    struct program program;
    int64_t rows;
    double us[PAIRS];
};

static bool
candidate_open(struct candidate *c, struct arena *arena, struct diag *diag, const char *file, const char *mode, int threads)
{
    c->cli = (struct cli){.arena = arena, .diag = diag};
    sources_init(&c->cli.sources, arena);
    c->cli.options.operand = file;
    c->cli.options.epochs = -1;
    c->cli.options.threads = threads;
    c->cli.options.mode = mode;
    if (!session_open(&c->session, &c->cli) || !session_data(&c->session, NEEDS_TRAIN) || !session_variables(&c->session, NULL))
        return false;
    int64_t rows = c->session.train.view.rows, batch = c->session.x->train.batch;
    c->rows = batch < rows ? batch : rows;
    return session_program(&c->session, c->rows, 0, false, &c->program);
}

/* The time of a step. */
static double
steps(struct candidate *c, int repeat)
{
    void *inputs[64];
    struct step_numbers numbers = {0};
    double loss, t = now();
    for (int r = 0; r < repeat; r++, numbers.step++) {
        set_rows_at(&c->session.info, &c->session.train.view, (numbers.step * c->rows) % (c->session.train.view.rows - c->rows + 1), inputs);
        c->program.train_step(c->program.self, inputs, c->rows, &numbers, &loss);
    }
    return (now() - t) / repeat;
}

/* The time of a step once everything is there. */
static double
warm(struct candidate *c)
{
    double us = 0;
    for (double end = now() + WARM_US; now() < end;)
        us = steps(c, 20);
    return us;
}

int
main(int argc, char **argv)
{
    static struct candidate c[2];
    struct arena arena;
    struct diag diag;
    if (argc < 2)
        return 2;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    const char *mode = argc > 3 ? argv[3] : "graph";
    int threads = argc > 2 ? atoi(argv[2]) : threads_available();
    float_enter();
    if (candidate_open(&c[0], &arena, &diag, argv[1], mode, 1) && candidate_open(&c[1], &arena, &diag, argv[1], mode, threads)) {
        static double ratios[PAIRS];
        int repeat = (int)(RUN_US / fmin(warm(&c[0]), warm(&c[1]))) + 1;
        for (int i = 0; i < PAIRS; i++) {
            for (int k = 0; k < 2; k++)
                c[k].us[i] = steps(&c[k], repeat);
            ratios[i] = c[0].us[i] / c[1].us[i];
        }
        for (int k = 0; k < 2; k++) {
            qsort(c[k].us, PAIRS, sizeof *c[k].us, compare);
            printf("%2d threads: step %9.2f us (median), %9.2f us (fastest)\n", k ? threads : 1, c[k].us[PAIRS / 2], c[k].us[0]);
        }
        qsort(ratios, PAIRS, sizeof *ratios, compare);
        printf("ratio %.2f (median), %.2f (fastest)\n", ratios[PAIRS / 2], c[0].us[0] / c[1].us[0]);
    }
    render_diag(&diag, &c[0].cli.sources, stderr, false);
    return (int)diag.status;
}
