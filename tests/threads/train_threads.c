/* Training steps of a .nn file on one thread and on several, in eager and graph mode: the losses and all variables are the same to the bit. A plain
 * program, for ThreadSanitizer (-DNNC_SANITIZE_THREAD=ON, with clang):
 *     train_threads FILE [THREADS] */
#include "frontend/cli/cli.h"
#include "runtime/threads.h"
#include <stdlib.h>
#include <string.h>

enum { STEPS = 3 };

struct run {
    struct session session;
    struct cli cli;
    double loss[STEPS];
};

static bool
train(struct run *r, struct arena *arena, struct diag *diag, const char *file, const char *mode, int threads)
{
    struct program p = {0};
    r->cli = (struct cli){.arena = arena, .diag = diag};
    sources_init(&r->cli.sources, arena);
    r->cli.options.operand = file;
    r->cli.options.epochs = -1;
    r->cli.options.threads = threads;
    r->cli.options.mode = mode;
    struct session *s = &r->session;
    if (!session_open(s, &r->cli) || !session_data(s, NEEDS_TRAIN) || !session_variables(s, NULL))
        return false;
    int64_t rows = s->x->train.batch < s->train.view.rows ? s->x->train.batch : s->train.view.rows;
    bool ok = session_program(s, rows, 0, false, &p);
    for (int i = 0; ok && i < STEPS; i++) {
        void *inputs[64];
        struct step_numbers numbers = {.step = i};
        set_rows_at(&s->info, &s->train.view, 0, inputs);
        ok = p.train_step(p.self, inputs, rows, &numbers, &r->loss[i]);
    }
    if (p.destroy)
        p.destroy(p.self);
    return ok;
}

static bool
same(const struct run *a, const struct run *b)
{
    bool ok = !memcmp(a->loss, b->loss, sizeof a->loss);
    for (int i = 0; i < a->session.info.nvars; i++) {
        const struct tensor *x = &a->session.info.values[i], *y = &b->session.info.values[i];
        ok &= !memcmp(x->data, y->data, (size_t)tensor_bytes(x));
    }
    return ok;
}

int
main(int argc, char **argv)
{
    static const char *const modes[] = {"graph", "eager"};
    static struct run one, many;
    struct arena arena;
    struct diag diag;
    int status = argc < 2 ? 2 : 0;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    float_enter();
    for (int i = 0; !status && i < 2; i++) {
        if (!train(&one, &arena, &diag, argv[1], modes[i], 1) || !train(&many, &arena, &diag, argv[1], modes[i], argc > 2 ? atoi(argv[2]) : 4)) {
            render_diag(&diag, &one.cli.sources, stderr, false);
            status = 1;
        } else if (!same(&one, &many)) {
            fprintf(stderr, "%s: several threads give other bits\n", modes[i]);
            status = 1;
        }
        session_close(&one.session);
        session_close(&many.session);
    }
    arena_free(&arena);
    return status;
}
