#include "runtime/train.h"
#include "runtime/history.h"
#include "runtime/kernels.h"
#include "runtime/number_text.h"
#include "runtime/save_file.h"
#include "runtime/shuffle.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct train_callbacks no_callbacks;

struct training {
    const struct model_info *model;
    struct program *program;
    const struct data_set_view *set, *valid_set;
    const struct train_options *options;
    const struct train_callbacks *callbacks;
    struct diag *diag;

    struct checkpoint_position at;
    int64_t rows;               /* of an epoch: without those that drop_last leaves out */
    int64_t saved_step;         /* -1: nothing saved yet */
    struct save_lock lock;      /* on the checkpoint */

    bool shuffled;
    int64_t *order;             /* of the current epoch, if shuffled */
    void **inputs;              /* of the current batch: into the set, or the buffers */
    void **buffers;             /* a batch of each input, if shuffled */

    void **copy;                /* variables at copy_at, by variable; NULL: none are kept */
    struct checkpoint_position copy_at;

    struct evaluation valid;
    struct table_file history, steps;
    unsigned columns;           /* enum history_columns */
    struct timespec epoch_start;
};

static bool
short_of_memory(struct training *t)
{
    diag_report(t->diag, OUT_OF_MEMORY, (struct place){0});
    return false;
}

static double
seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + 1e-9 * (double)(now.tv_nsec - start->tv_nsec);
}

/* ---- preparation ---- */

static bool
check_rows(struct training *t)
{
    int64_t rows = t->set->rows, batch = t->options->batch;
    t->rows = t->options->drop_last ? rows - rows % batch : rows;
    if (rows < 1)
        diag_report(t->diag, TRAIN_NO_ROWS, (struct place){0});
    else if (t->rows < 1)
        diag_report(t->diag, TRAIN_NO_BATCH, (struct place){0}, (long long)rows, (long long)batch);
    return t->rows >= 1;
}

static bool
open_target(struct training *t)
{
    const char *path = t->options->save;
    if (!path)
        return true;
    if (!save_file_probe(path, checkpoint_bytes(t->model), t->diag))
        return false;
    return save_file_lock(&t->lock, path, t->diag);
}

/* Inside an epoch the order must be the one that it began with. */
static bool
resume(struct training *t)
{
    const char *path = t->options->resume;
    t->at = (struct checkpoint_position){.seed = t->options->seed, .rows = t->set->rows, .shuffled = t->shuffled};
    if (!path)
        return true;
    struct checkpoint_position at;
    if (!checkpoint_load(path, t->model, CHECKPOINT_RESUME, &at, t->diag))
        return false;
    if (at.rows != t->at.rows) {
        diag_subject(t->diag, TRAIN_OTHER_ROWS, path, (long long)at.rows, (long long)t->at.rows);
        return false;
    }
    if (at.epoch_rows && at.shuffled != t->at.shuffled) {
        diag_subject(t->diag, TRAIN_OTHER_ORDER, path);
        return false;
    }
    at.shuffled = t->at.shuffled;
    t->at = at;
    return true;
}

static bool
make_buffers(struct training *t)
{
    size_t count = (size_t)t->model->ninputs + 1;
    t->inputs = calloc(count, sizeof *t->inputs);
    t->buffers = calloc(count, sizeof *t->buffers);
    if (!t->inputs || !t->buffers)
        return short_of_memory(t);
    if (!t->shuffled)
        return true;
    t->order = calloc((size_t)t->set->rows, sizeof *t->order);
    for (int i = 0; i < t->model->ninputs; i++) {
        size_t bytes = input_row_bytes(&t->model->inputs[i]) * (size_t)t->options->batch;
        t->buffers[i] = aligned_alloc(64, (bytes + 64) / 64 * 64);
        if (!t->buffers[i])
            return short_of_memory(t);
    }
    return t->order || short_of_memory(t);
}

/* The copy only serves to explain a loss that is not finite: without memory for it there is no explanation. */
static void
make_copy(struct training *t)
{
    t->copy = t->callbacks->on_bad_loss ? calloc((size_t)t->model->nvars + 1, sizeof *t->copy) : NULL;
    for (int i = 0; t->copy && i < t->model->nvars; i++) {
        t->copy[i] = malloc((size_t)tensor_bytes(&t->model->values[i]) + 1);
        if (t->copy[i])
            continue;
        while (i-- > 0)
            free(t->copy[i]);
        free(t->copy);
        t->copy = NULL;
    }
}

static bool
open_tables(struct training *t)
{
    const struct train_options *o = t->options;
    t->columns = (t->valid_set ? HISTORY_VALID : 0) | (t->program->lr ? HISTORY_LR : 0)
               | (o->history_no_time ? 0 : HISTORY_SECONDS);
    return history_open(&t->history, o->history, t->model, t->columns, t->at.epoch, t->diag)
        && steps_open(&t->steps, o->steps, t->at.step, t->diag);
}

static bool
prepare(struct training *t)
{
    t->shuffled = t->options->shuffle && t->options->batch < t->set->rows;
    return check_rows(t) && open_target(t) && resume(t) && make_buffers(t) && (make_copy(t), true) && open_tables(t);
}

/* ---- one step ---- */

/* The rows from |at->epoch_rows| on of the epoch's order: in place if they lie together in the set, else gathered. Returns
 * their number. */
static int64_t
take_batch(struct training *t, const struct checkpoint_position *at)
{
    int64_t left = t->rows - at->epoch_rows, rows = left < t->options->batch ? left : t->options->batch;
    if (!t->shuffled) {
        set_rows_at(t->model, t->set, at->epoch_rows, t->inputs);
        return rows;
    }
    for (int i = 0; i < t->model->ninputs; i++) {
        size_t bytes = input_row_bytes(&t->model->inputs[i]);
        const char *from = t->set->inputs[i].data;
        char *to = t->inputs[i] = t->buffers[i];
        for (int64_t r = 0; r < rows; r++, to += bytes)
            memcpy(to, from + bytes * (size_t)t->order[at->epoch_rows + r], bytes);
    }
    return rows;
}

/* One step from |at|, which goes on only if the loss is finite. Returns false if the program failed. */
static bool
run_step(struct training *t, struct checkpoint_position *at, double *out_loss)
{
    int64_t rows = take_batch(t, at);
    struct step_numbers numbers = {at->step, at->epoch, at->seed};
    if (!t->program->train_step(t->program->self, t->inputs, rows, &numbers, out_loss))
        return false;
    if (isfinite(*out_loss)) {
        double weight = t->options->loss_by_batch ? 1 : (double)rows;
        at->step++;
        at->epoch_rows += rows;
        at->loss_sum += *out_loss * weight;
        at->loss_weight += weight;
    }
    return true;
}

/* ---- a loss that is not finite ---- */

static void
keep_copy(struct training *t)
{
    for (int i = 0; t->copy && i < t->model->nvars; i++)
        memcpy(t->copy[i], t->model->values[i].data, (size_t)tensor_bytes(&t->model->values[i]));
    t->copy_at = t->at;
}

/* Goes back to before the step at |t->at|: to the copy, and on from there. The program is deterministic, so that this
 * arrives at the same bits. */
static bool
rewind_to_step(struct training *t)
{
    struct checkpoint_position at = t->copy_at;
    double loss;
    if (!t->copy)
        return false;
    for (int i = 0; i < t->model->nvars; i++)
        memcpy(t->model->values[i].data, t->copy[i], (size_t)tensor_bytes(&t->model->values[i]));
    while (at.step < t->at.step)
        if (!run_step(t, &at, &loss) || !isfinite(loss))
            return false;
    return true;
}

static const char *
non_finite_name(double x)
{
    return isnan(x) ? "nan" : x > 0 ? "inf" : "-inf";
}

static bool
point_at_last_good(struct training *t)
{
    if (t->saved_step >= 0)
        diag_report(t->diag, TRAIN_LAST_GOOD, (struct place){0}, t->options->save);
    return false;
}

static bool
report_bad_loss(struct training *t, double loss)
{
    bool told = false;
    if (rewind_to_step(t)) {
        int64_t rows = take_batch(t, &t->at);
        struct step_numbers numbers = {t->at.step, t->at.epoch, t->at.seed};
        told = t->callbacks->on_bad_loss(t->callbacks->context, t->inputs, rows, &numbers, loss);
    }
    int64_t end = t->at.epoch_rows + t->options->batch;
    if (!told)
        diag_report(t->diag, TRAIN_LOSS_NOT_FINITE, (struct place){0}, non_finite_name(loss), (long long)t->at.step + 1,
                    (long long)t->at.epoch + 1, (long long)t->at.epoch_rows + 1, (long long)(end < t->rows ? end : t->rows));
    return point_at_last_good(t);
}

/* ---- results ---- */

/* What cannot be loaded again is not saved over what can. */
static bool
variables_sound(struct training *t)
{
    for (int i = 0; i < t->model->nvars; i++) {
        int64_t element;
        const char *fault = checkpoint_fault(&t->model->vars[i], &t->model->values[i], &element);
        if (fault) {
            diag_report(t->diag, TRAIN_VALUE_NOT_FINITE, (struct place){0}, t->model->vars[i].name, fault,
                        (long long)t->at.step, (long long)element);
            return false;
        }
    }
    return true;
}

static bool
save(struct training *t)
{
    if (!t->options->save || t->saved_step == t->at.step)
        return true;
    if (!variables_sound(t) || !checkpoint_save(t->options->save, t->model, &t->at, t->diag))
        return point_at_last_good(t);
    t->saved_step = t->at.step;
    return true;
}

static struct train_report
report_of(struct training *t, int64_t epoch)
{
    return (struct train_report){.epoch = epoch + 1, .epochs = t->options->epochs, .step = t->at.step,
                                 .rows_done = t->at.epoch_rows,
                                 .rows = t->rows, .loss = t->at.loss_sum / t->at.loss_weight, .lr = t->program->lr,
                                 .seconds = seconds_since(&t->epoch_start)};
}

static bool
evaluate(struct training *t)
{
    if (!t->valid_set)
        return true;
    struct step_numbers numbers = {t->at.step, t->at.epoch, t->at.seed};
    int64_t batch = t->options->eval_batch ? t->options->eval_batch : t->options->batch;
    return evaluate_set(t->model, t->program, t->valid_set, batch, &numbers, EVALUATE_LOSS | EVALUATE_METRICS, &t->valid,
                        t->diag);
}

static void
add_history(struct training *t, const struct train_report *r)
{
    const struct train_options *o = t->options;
    struct epoch_row row = {.run = o->run ? o->run : 1, .fold = o->fold ? o->fold : 1, .epoch = r->epoch, .step = r->step,
                            .loss = r->loss, .valid = r->valid, .lr = r->lr, .seconds = round(r->seconds * 1e3) / 1e3};
    history_add(&t->history, t->model, t->columns, &row);
}

/* ---- the loop ---- */

static int
signal_seen(const struct training *t)
{
    return t->options->stop ? *t->options->stop : 0;
}

/* The steps that are left of the current epoch, or those up to a signal. */
static bool
run_steps(struct training *t)
{
    clock_gettime(CLOCK_MONOTONIC, &t->epoch_start);
    if (t->shuffled && !shuffle_order(t->at.seed, t->at.epoch, t->set->rows, t->order))
        return short_of_memory(t);
    keep_copy(t);
    while (t->at.epoch_rows < t->rows && !signal_seen(t)) {
        double loss;
        if (!run_step(t, &t->at, &loss))
            return false;
        steps_add(&t->steps, t->at.step + !isfinite(loss), t->model->loss_elem, loss);
        if (!isfinite(loss))
            return report_bad_loss(t, loss);
        if (t->callbacks->on_step) {
            struct train_report report = report_of(t, t->at.epoch);
            t->callbacks->on_step(t->callbacks->context, &report);
        }
    }
    return true;
}

/* After the last step of an epoch. The position moves on first: evaluation and checkpoint see the epoch as done. */
static bool
finish_epoch(struct training *t)
{
    struct train_report report = report_of(t, t->at.epoch);
    report.loss = number_round(t->model->loss_elem, report.loss);
    t->at.epoch++;
    t->at.epoch_rows = 0;
    t->at.loss_sum = t->at.loss_weight = 0;
    if (!evaluate(t))
        return false;
    report.valid = t->valid_set ? &t->valid : NULL;
    report.seconds = seconds_since(&t->epoch_start);
    add_history(t, &report);
    if (!table_flush(&t->history, t->diag) || !table_flush(&t->steps, t->diag) || !save(t))
        return false;
    if (t->callbacks->on_epoch)
        t->callbacks->on_epoch(t->callbacks->context, &report);
    return true;
}

static bool
run_epochs(struct training *t)
{
    while (t->at.epoch < t->options->epochs) {
        if (!run_steps(t))
            return false;
        if (t->at.epoch_rows < t->rows)
            break;
        if (!finish_epoch(t))
            return false;
    }
    return save(t);
}

static void
clean_up(struct training *t)
{
    for (int i = 0; t->buffers && i < t->model->ninputs; i++)
        free(t->buffers[i]);
    for (int i = 0; t->copy && i < t->model->nvars; i++)
        free(t->copy[i]);
    free(t->copy);
    free(t->buffers);
    free(t->inputs);
    free(t->order);
    evaluation_free(&t->valid);
    save_file_unlock(&t->lock);
}

/* Failures are reported where they are met; a program that fails without a word is at fault itself. */
static int
failure(struct training *t, int errors_before)
{
    if (t->diag->errors == errors_before)
        diag_report(t->diag, INTERNAL, (struct place){0}, "the program failed without a report");
    return t->diag->status;
}

int
train_run(const struct model_info *model, struct program *program, const struct data_set_view *train,
          const struct data_set_view *valid, const struct train_options *options,
          const struct train_callbacks *callbacks, struct diag *diag)
{
    struct training t = {.model = model, .program = program, .set = train, .valid_set = valid, .options = options,
                         .callbacks = callbacks ? callbacks : &no_callbacks, .diag = diag, .saved_step = -1};
    int errors = diag->errors;
    unsigned before = float_enter();
    bool done = prepare(&t) && run_epochs(&t);
    /* Rows of steps before a failure are kept too. */
    bool closed = table_close(&t.history, diag);
    closed &= table_close(&t.steps, diag);
    float_leave(before);
    int signal = done && closed && t.at.epoch < options->epochs ? signal_seen(&t) : 0;
    int status = !done || !closed ? failure(&t, errors) : signal ? 128 + signal : STATUS_OK;
    clean_up(&t);
    return status;
}
