/* compare_runs: the trainings, in as many processes as there are processors. A process takes the next jobs from a counter that all share, and
 * leaves their results in memory that all share: nothing of a result depends on who made it. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "frontend/cli/compare.h"
#include "runtime/threads.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In shared memory, the values and the marks of the jobs behind it. */
struct board {
    atomic_int next, done, failed;
};

struct worker {
    struct comparison *c;
    struct board *board;
    int chunk;                  /* jobs that are taken at a time */
    bool alone;                 /* no other process: shows how far it is */
    time_t shown;
    int variant;                /* whose training is open; -1: none */
    struct session *s, judged;
    struct program program, judging;
    struct tensor *trained;     /* the judged session's variables: those of |s| */
};

static void
show_progress(const struct comparison *c, const struct board *b, time_t *shown)
{
    if (c->cli->options.quiet || time(NULL) < *shown + 2)
        return;
    *shown = time(NULL);
    fprintf(stderr, "%d of %d trainings\n", atomic_load(&b->done), c->njobs);
}

/* -- one training ------------------------------------------------------------------------------------------------------------------ */

/* The judged evaluation reads the weights and states of the training. */
static bool
share_variables(struct worker *w)
{
    const struct model_info *from = &w->s->info;
    struct model_info *to = &w->judged.info;
    bool all = true;
    arena_keep(w->judged.arena, &w->judged.undo); /* its variables are the training's, which gives them back */
    to->values = w->trained = ARENA_ARRAY(w->s->arena, struct tensor, to->nvars + 1);
    for (int i = 0; i < to->nvars; i++) {
        for (int k = 0; k < from->nvars && !to->values[i].data; k++)
            if (!strcmp(from->vars[k].name, to->vars[i].name) && type_equal(&from->vars[k].type, &to->vars[i].type))
                to->values[i] = from->values[k];
        all &= to->values[i].data || to->vars[i].kind == VARIABLE_OPTIMIZER;
    }
    return all;
}

static void
close_variant(struct worker *w)
{
    if (w->variant < 0)
        return;
    if (w->judging.destroy)
        w->judging.destroy(w->judging.self);
    if (w->program.destroy)
        w->program.destroy(w->program.self);
    w->judged.info.values = NULL; /* are the training's */
    session_close(&w->judged);
    session_close(w->s);
    w->variant = -1;
}

static const struct set *
judging_set(const struct worker *w)
{
    return w->c->on_valid ? w->s->valid.exists ? &w->s->valid : NULL : &w->s->train;
}

static int64_t
at_most(int64_t batch, int64_t rows)
{
    return batch < rows ? batch : rows;
}

/* All are judged in batches of the same size: those of the first side. */
static int64_t
judging_batch(const struct worker *w)
{
    return at_most(w->c->variants[0].judged.x->train.eval_batch, judging_set(w)->view.rows);
}

static bool
open_variant(struct worker *w, int variant)
{
    struct variant *v = &w->c->variants[variant];
    const struct train_settings *t = &v->s.x->train;
    w->variant = variant;
    w->s = &v->s;
    w->judged = v->judged;
    w->program = w->judging = (struct program){0};
    w->s->diag = w->judged.diag = w->c->cli->diag;
    if (!session_data(w->s, NEEDS_TRAIN) || !session_variables(w->s, NULL))
        return false;
    int64_t rows = at_most(t->batch, w->s->train.view.rows), valid = w->s->valid.exists ? at_most(t->eval_batch, w->s->valid.view.rows) : 0;
    if (!session_program(w->s, rows, t->early.patience ? valid : 0, false, &w->program))
        return false;
    return !judging_set(w) || !share_variables(w) || session_program(&w->judged, 0, judging_batch(w), false, &w->judging);
}

/* Without a set, or without all of the judged variables, there is nothing to judge: NaN. */
static bool
judge(struct worker *w, const struct train_result *result, double *out)
{
    const struct set *set = judging_set(w);
    struct evaluation e = {0};
    struct step_numbers numbers = {result->step, result->epoch, w->s->seed};
    if (!w->judging.self)
        return true;
    unsigned before = float_enter();
    bool ok = evaluate_set(&w->judged.info, &w->judging, &set->view, judging_batch(w), &numbers, EVALUATE_LOSS | EVALUATE_METRICS, &e, w->s->diag);
    float_leave(before);
    if (ok)
        out[0] = e.loss;
    for (int i = 1; ok && i < w->c->measures; i++)
        out[i] = e.metrics[i - 1];
    evaluation_free(&e);
    return ok;
}

static bool
went_to_infinity(const struct diag *d)
{
    bool found = false;
    for (const struct diagnostic *p = d->first; p; p = p->next)
        found |= p->code == DIAG_TRAIN_LOSS_NOT_FINITE;
    return found;
}

static bool
train(struct worker *w, int job)
{
    struct comparison *c = w->c;
    struct session *s = w->s;
    const struct train_settings *t = &s->x->train;
    struct train_callbacks none = {0};
    struct train_result result;
    double *out = c->values + job * c->measures;
    struct diag before = *s->diag;
    for (int i = 0; i < c->measures; i++)
        out[i] = NAN;
    s->seed = c->jobs[job].seed;
    if (!session_initialize(s, NULL))
        return false;
    struct train_options o = {.epochs = t->epochs, .batch = t->batch, .eval_batch = t->eval_batch, .shuffle = t->shuffle,
                              .drop_last = t->drop_last, .seed = s->seed, .early = t->early, .streams = s->draws.streams,
                              .streams_variable = s->info.nvars - 1, .loss_by_batch = s->x->facts.epoch_loss == EPOCH_LOSS_BY_BATCH};
    if (!o.early.on)
        o.early.on = s->valid.exists ? "valid_loss" : "loss";
    bool ok = train_run(&s->info, &w->program, &s->train.view, o.early.patience && s->valid.exists ? &s->valid.view : NULL, &o, &none, &result,
                        s->diag) == STATUS_OK;
    if (!ok && went_to_infinity(s->diag)) { /* is a result, too */
        c->diverged[job] = true;
        *s->diag = before;
        if (before.last)
            before.last->next = NULL;
        return true;
    }
    return ok && judge(w, &result, out);
}

/* -- processes --------------------------------------------------------------------------------------------------------------------- */

static bool
do_job(struct worker *w, int job)
{
    int variant = w->c->jobs[job].variant;
    if (variant != w->variant) {
        close_variant(w);
        if (!open_variant(w, variant))
            return false;
    }
    return train(w, job);
}

/* Takes jobs until there are none. False if one failed. */
static bool
work(struct worker *w)
{
    const struct comparison *c = w->c;
    bool ok = true;
    for (int first; ok && !atomic_load(&w->board->failed) && (first = atomic_fetch_add(&w->board->next, w->chunk)) < c->njobs;)
        for (int i = first; ok && i < first + w->chunk && i < c->njobs; i++) {
            ok = do_job(w, i);
            atomic_fetch_add(&w->board->done, 1);
            if (w->alone)
                show_progress(c, w->board, &w->shown);
        }
    close_variant(w);
    return ok;
}

/* A process of its own. The first that fails tells why. */
static void
be_child(struct worker *w)
{
    struct cli *cli = w->c->cli;
    struct diag *own = ARENA_NEW(cli->arena, struct diag);
    diag_init(own, cli->arena);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    cli->diag = own;
    cli->options.threads = 1;
    bool ok = work(w);
    if (!ok && !atomic_exchange(&w->board->failed, 1))
        render_diag(own, &cli->sources, stderr, use_color(&cli->options, STDERR_FILENO));
    _exit(ok ? STATUS_OK : own->errors ? (int)own->status : STATUS_MACHINE);
}

/* Waits for |count| processes and shows how far they are. The worst of their exit codes. */
static int
wait_for(struct comparison *c, struct board *b, const pid_t *pids, int count)
{
    int status = STATUS_OK, left = count;
    bool *ended = ARENA_ARRAY(c->cli->arena, bool, count + 1);
    time_t shown = time(NULL);
    while (left) {
        for (int i = 0; i < count; i++) {
            int how = 0;
            if (ended[i] || waitpid(pids[i], &how, WNOHANG) != pids[i])
                continue;
            ended[i] = true;
            left--;
            int code = WIFEXITED(how) ? WEXITSTATUS(how) : STATUS_MACHINE;
            if (!WIFEXITED(how) && !atomic_exchange(&b->failed, 1))
                diag_subject(c->cli->diag, COMPARE_KILLED, "nnc", WTERMSIG(how));
            status = code > status ? code : status;
        }
        if (left)
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        show_progress(c, b, &shown);
    }
    return status;
}

/* The board, the values and the marks in one piece of memory that children share. */
static struct board *
make_board(struct comparison *c, size_t *out_size)
{
    size_t values = ((sizeof(struct board) + 63) & ~(size_t)63), marks = values + sizeof(double) * (size_t)(c->njobs * c->measures + 1);
    *out_size = marks + (size_t)c->njobs + 1;
    char *memory = mmap(NULL, *out_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    c->values = (double *)(void *)(memory + values);
    c->diverged = (bool *)(memory + marks);
    return (struct board *)(void *)memory;
}

bool
compare_run(struct comparison *c, int *out_status)
{
    size_t size;
    struct board *board = make_board(c, &size);
    if (!board) {
        diag_report(c->cli->diag, OUT_OF_MEMORY, (struct place){0});
        *out_status = STATUS_MACHINE;
        return false;
    }
    int wanted = c->cli->options.threads > 0 ? (int)at_most(c->cli->options.threads, THREADS_MAX) : threads_available(), count = 0;
    wanted = wanted < c->njobs ? wanted : c->njobs;
    /* A process that keeps to one variant compiles it once. */
    struct worker w = {.c = c, .board = board, .chunk = c->njobs >= 4 * wanted * c->runs ? c->runs : 1, .variant = -1, .shown = time(NULL)};
    pid_t *pids = ARENA_ARRAY(c->cli->arena, pid_t, wanted + 1);
    fflush(NULL);
    for (int i = 0; wanted > 1 && i < wanted; i++) {
        pid_t pid = fork();
        if (!pid)
            be_child(&w);
        if (pid < 0)
            break; /* fewer processes, or this one alone */
        pids[count++] = pid;
    }
    w.alone = true;
    int64_t threads = c->cli->options.threads;
    c->cli->options.threads = 1;
    if (count)
        *out_status = wait_for(c, board, pids, count);
    else
        *out_status = work(&w) ? STATUS_OK : (int)c->cli->diag->status;
    c->cli->options.threads = threads;
    return *out_status == STATUS_OK && !c->cli->diag->errors;
}
