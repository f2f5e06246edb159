/* train: the training loop with a terminal around it. */
#include "frontend/cli/explain.h"
#include "frontend/cli/report.h"
#include "runtime/progress.h"
#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static volatile sig_atomic_t stop_signal;
static struct train_traces traces;

/* Asked once, a training ends after its step and saves; asked twice, it ends now, or when what it is saving is whole. Signals come to the thread that
 * trains: all others block them. */
static void
on_signal(int number)
{
    const char *lock = traces.lock;
    if (stop_signal && !traces.saving) {
        if (lock)
            unlink(lock);
        _exit(128 + number);
    }
    stop_signal = number;
}

/* A reader that went away and a file that may not grow are errors of a write, which do not end the training without a word. */
static void
catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction old, new = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        sigemptyset(&new.sa_mask);
        if (!sigaction(numbers[i], NULL, &old) && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &new, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
}

struct watcher {
    struct session *s;
    struct progress progress;
    struct report report;
};

static void
range_of(const struct tensor *t, double *low, double *high)
{
    int64_t n = tensor_count(t);
    *low = INFINITY;
    *high = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double v = t->type.elem == ELEM_F32 ? ((const float *)t->data)[i] : t->type.elem == ELEM_F64 ? ((const double *)t->data)[i] : 0;
        *low = v < *low ? v : *low;
        *high = v > *high ? v : *high;
    }
}

/* Does the step once more, eagerly, from the variables before it, and names the first node that went non-finite. */
static bool
explain_bad_loss(void *context, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double loss)
{
    struct watcher *w = context;
    struct session *s = w->s;
    progress_clear(&w->progress);
    const char *what = isnan(loss) ? "nan" : loss > 0 ? "inf" : "-inf";
    struct eager *e = eager_new(s->model, &s->x->train, s->info.values, chosen_gemm(s->cli), s->arena);
    eager_watch(e);
    double again;
    bool ok = eager_train_step(e, inputs, rows, numbers, &again);
    const struct node *bad = ok ? eager_first_bad(e) : NULL;
    if (bad) {
        diag_report(s->diag, BAD_LOSS_NODE, bad->place, what, (long long)numbers->step + 1, op_info[bad->op].text);
        for (int i = 0; i < bad->nin; i++) {
            const struct tensor *t = eager_value(bad->in[i]);
            char type[TYPE_TEXT];
            double low, high;
            range_of(t, &low, &high);
            if (elem_is_float(t->type.elem))
                diag_report(s->diag, NOTE_OPERAND_RANGE, bad->in[i]->place, i + 1, type_text(&t->type, ", ", type), low, high);
        }
    } else
        diag_subject(s->diag, BAD_LOSS, s->x->path, what, (long long)numbers->step + 1);
    diag_report(s->diag, HELP_BAD_LOSS, (struct place){0});
    eager_free(e);
    return true;
}

static void
after_step(void *context, const struct train_report *report)
{
    struct watcher *w = context;
    report_step(&w->report);
    if (!w->s->cli->options.quiet && w->progress.columns)
        progress_step(&w->progress, report);
}

static bool
after_epoch(void *context, const struct train_report *report)
{
    struct watcher *w = context;
    if (!w->s->cli->options.quiet)
        progress_epoch(&w->progress, report);
    report_epoch(&w->report, report);
    return report->epoch == report->epochs || reading_unchanged(w->s, report->epoch);
}

static bool
before_training(void *context, int64_t run, int64_t fold, const struct program *program)
{
    return report_start(&((struct watcher *)context)->report, run, fold, program);
}

static void
after_training(void *context, int64_t run, int64_t fold, const struct evaluation *valid, const struct set *set)
{
    report_end(&((struct watcher *)context)->report, valid, set);
}

static int
terminal_columns(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return 0;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

/* What `stop` watches if the file does not say: the valid data if there are any. */
static struct early_stop
early_stop_of(const struct session *s)
{
    struct early_stop stop = s->x->train.early;
    if (!stop.on)
        stop.on = s->valid.exists || s->x->train.folds ? "valid_loss" : "loss";
    return stop;
}

static int
run(struct session *s)
{
    const struct options *o = &s->cli->options;
    const struct train_settings *t = &s->x->train;
    struct watcher w = {.s = s, .progress = {.out = stdout, .model = &s->info, .columns = terminal_columns()}};
    struct trainings all = {
        .options = {.epochs = t->epochs, .batch = t->batch, .eval_batch = t->eval_batch, .shuffle = t->shuffle, .drop_last = t->drop_last,
                    .train_metrics = t->train_metrics && s->info.nmetrics, .early = early_stop_of(s), .save = o->save, .resume = o->resume,
                    .loss_by_batch = s->x->facts.epoch_loss == EPOCH_LOSS_BY_BATCH,
                    .history = o->history, .history_no_time = o->history_no_time, .steps = o->steps, .stop = &stop_signal, .traces = &traces},
        .callbacks = {.context = &w, .on_bad_loss = explain_bad_loss, .on_epoch = after_epoch}, .quiet = o->quiet};
    if (o->report || (!o->quiet && w.progress.columns))
        all.callbacks.on_step = after_step;
    all.on_start = before_training;
    all.on_end = o->report ? after_training : NULL;
    int status = STATUS_INPUT;
    if (report_open(&w.report, s, t->folds > 1 || t->runs > 1)) {
        catch_signals();
        status = trainings_run(s, &all);
        progress_clear(&w.progress);
        traces.saving = 1;
        if ((status == STATUS_OK || status > 128) && !report_write(&w.report))
            status = s->diag->status;
        traces.saving = 0;
    }
    report_close(&w.report);
    return status;
}

/* What the options ask for before the first step. */
static bool
before_all(struct session *s)
{
    const struct options *o = &s->cli->options;
    const struct train_settings *t = &s->x->train;
    int64_t rows = t->batch < s->train.view.rows ? t->batch : s->train.view.rows, eval_rows = 0;
    if (s->valid.exists || t->folds)
        eval_rows = !s->valid.exists || t->eval_batch < s->valid.view.rows ? t->eval_batch : s->valid.view.rows;
    if (!memory_allowed(s, rows, eval_rows) || !session_variables(s, o->init))
        return false;
    if (o->explain && !explain_passes(s, rows))
        return false;
    reading_remember(s);
    return !o->check_passes || check_passes(s, rows);
}

int
command_train(struct cli *cli)
{
    struct session s;
    int status = STATUS_INPUT;
    if (cli->options.init && cli->options.resume)
        diag_subject(cli->diag, OPTIONS_TOGETHER, "nnc", "--init", "--resume");
    if (cli->options.names && !cli->options.init)
        diag_subject(cli->diag, OPTION_NEEDS, "nnc", "--names", "--init");
    if (!cli->diag->errors && session_open(&s, cli)) {
        if (session_trains(&s) && session_data(&s, NEEDS_TRAIN) && before_all(&s))
            status = run(&s);
        session_close(&s);
    }
    return status;
}
