/* train: the training loop with a terminal around it. */
#include "frontend/cli/cli.h"
#include "runtime/progress.h"
#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static volatile sig_atomic_t stop_signal;

static void
on_signal(int number)
{
    if (stop_signal) { /* asked twice: now */
        signal(number, SIG_DFL);
        raise(number);
    }
    stop_signal = number;
}

static void
catch_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct sigaction old, new = {.sa_handler = on_signal};
        sigemptyset(&new.sa_mask);
        if (!sigaction(numbers[i], NULL, &old) && old.sa_handler != SIG_IGN)
            sigaction(numbers[i], &new, NULL);
    }
}

struct watcher {
    struct session *s;
    struct progress progress;
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
    struct eager *e = eager_new(s->model, &s->x->train, s->info.values, GEMM_NNC, s->arena);
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
show_step(void *context, const struct train_report *report)
{
    progress_step(&((struct watcher *)context)->progress, report);
}

static void
show_epoch(void *context, const struct train_report *report)
{
    progress_epoch(&((struct watcher *)context)->progress, report);
}

static int
terminal_columns(void)
{
    struct winsize size;
    if (!isatty(STDOUT_FILENO))
        return 0;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static int
run(struct session *s)
{
    const struct options *o = &s->cli->options;
    struct train_settings *t = &s->x->train;
    int64_t train_rows = t->batch < s->train.view.rows ? t->batch : s->train.view.rows;
    int64_t eval_rows = s->valid.exists ? (t->eval_batch < s->valid.view.rows ? t->eval_batch : s->valid.view.rows) : 0;
    struct program program = {0};
    int status = (int)STATUS_INPUT;
    if (session_program(s, train_rows, eval_rows, false, &program)) {
        struct train_options options = {.epochs = t->epochs, .batch = t->batch, .eval_batch = t->eval_batch, .shuffle = t->shuffle,
                                        .drop_last = t->drop_last, .seed = s->seed, .save = o->save, .resume = o->resume, .history = o->history,
                                        .history_no_time = o->history_no_time, .steps = o->steps, .stop = &stop_signal};
        struct watcher w = {.s = s, .progress = {.out = stdout, .model = &s->info, .columns = terminal_columns()}};
        struct train_callbacks callbacks = {.context = &w, .on_bad_loss = explain_bad_loss};
        if (!o->quiet) {
            callbacks.on_epoch = show_epoch;
            if (w.progress.columns)
                callbacks.on_step = show_step;
        }
        catch_signals();
        status = train_run(&s->info, &program, &s->train.view, s->valid.exists ? &s->valid.view : NULL, &options, &callbacks, s->diag);
        progress_clear(&w.progress);
    }
    if (program.destroy)
        program.destroy(program.self);
    return status;
}

int
command_train(struct cli *cli)
{
    struct session s;
    int status = STATUS_INPUT;
    if (cli->options.init && cli->options.resume)
        diag_subject(cli->diag, OPTIONS_TOGETHER, "nnc", "--init", "--resume");
    if (!cli->diag->errors && session_open(&s, cli)) {
        if (!s.x->train.has_optimizer)
            diag_subject(cli->diag, NO_OPTIMIZER, s.x->path);
        else if (!s.model->has_loss)
            diag_subject(cli->diag, NO_LOSS, s.x->path);
        else if (s.info.nvars == 0)
            diag_subject(cli->diag, NO_WEIGHTS, s.x->path);
        else if (session_data(&s, NEEDS_TRAIN) && session_variables(&s, cli->options.init))
            status = run(&s);
        session_close(&s);
    }
    return status;
}
