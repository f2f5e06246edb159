#include "runtime/train.h"
#include "runtime/digest.h"
#include "runtime/history.h"
#include "runtime/kernels.h"
#include "runtime/number_text.h"
#include "runtime/save_file.h"
#include "runtime/shuffle.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct train_callbacks no_callbacks;

struct training {
    const struct model_info *model; /* = &info */
    struct model_info info;     /* the caller's, with |best| */
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

    struct tensor *best;        /* weights and states of the best epoch, by variable; NULL: not to be restored */
    double loss;                /* of the last epoch */
    struct evaluation valid, trained;
    struct table_file history, steps;
    unsigned columns;           /* enum history_columns */
    struct table_start start;
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

static void
begin_saving(struct training *t)
{
    if (t->options->traces)
        t->options->traces->saving = 1;
}

static void
end_saving(struct training *t)
{
    if (t->options->traces) {
        t->options->traces->lock = t->lock.name;
        t->options->traces->saving = 0;
    }
}

static bool
open_target(struct training *t)
{
    const char *path = t->options->save;
    if (!path)
        return true;
    begin_saving(t);
    bool ok = save_file_probe(path, checkpoint_bytes(t->model), t->diag) && save_file_lock(&t->lock, path, t->diag);
    end_saving(t);
    return ok;
}

/* The streams' state to its variable, which checkpoints and copies hold. */
static void
keep_streams(struct training *t)
{
    if (t->options->streams)
        streams_save(t->options->streams, t->model->values[t->options->streams_variable].data);
}

/* And back. */
static bool
take_streams(struct training *t)
{
    if (!t->options->streams)
        return true;
    const struct tensor *state = &t->model->values[t->options->streams_variable];
    return streams_restore(t->options->streams, state->data, (size_t)tensor_bytes(state));
}

/* Who saves or resumes needs it; else it is not computed. */
static uint64_t
data_digest(const struct training *t)
{
    uint64_t h = 0;
    for (int i = 0; (t->options->save || t->options->resume) && i < t->model->ninputs; i++)
        if (t->set->inputs[i].data)
            h = digest_bytes(h, t->set->inputs[i].data, (size_t)tensor_bytes(&t->set->inputs[i]));
    return h;
}

/* Inside an epoch the order must be the one that it began with. */
static bool
resume(struct training *t)
{
    const char *path = t->options->resume;
    t->at = (struct checkpoint_position){.seed = t->options->seed, .rows = t->set->rows, .shuffled = t->shuffled, .data = data_digest(t)};
    if (!path)
        return true;
    struct checkpoint_position at;
    if (!checkpoint_load(path, t->model, CHECKPOINT_RESUME, &at, t->diag))
        return false;
    if (at.rows != t->at.rows) {
        diag_subject(t->diag, TRAIN_OTHER_ROWS, path, (long long)at.rows, (long long)t->at.rows);
        return false;
    }
    if (at.data != t->at.data) {
        char then[DIGEST_TEXT], now[DIGEST_TEXT];
        diag_subject(t->diag, TRAIN_OTHER_DATA, path, digest_hex(at.data, then), digest_hex(t->at.data, now));
        diag_report(t->diag, TRAIN_WEIGHTS_ALONE, (struct place){0}, path);
        return false;
    }
    if (at.epoch_rows && at.shuffled != t->at.shuffled) {
        diag_subject(t->diag, TRAIN_OTHER_ORDER, path);
        return false;
    }
    at.shuffled = t->at.shuffled;
    t->at = at;
    if (take_streams(t))
        return true;
    diag_subject(t->diag, TRAIN_OTHER_STREAMS, path);
    return false;
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
    t->order = calloc(2 * (size_t)t->set->rows, sizeof *t->order); /* the second half is for the sorting */
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
is_over(const struct training *t)
{
    return t->at.epoch >= t->options->epochs || stop_now(&t->options->early, &t->at);
}

static bool
open_tables(struct training *t)
{
    const struct train_options *o = t->options;
    t->columns = (t->valid_set ? HISTORY_VALID : 0) | (t->program->lr ? HISTORY_LR : 0)
               | (o->history_no_time ? 0 : HISTORY_SECONDS) | (o->train_metrics ? HISTORY_TRAINED : 0);
    t->start = (struct table_start){.goes_on = o->follows || t->at.step > 0, .last = t->at.epoch, .several = o->several,
                                    .run = o->run ? o->run : 1, .fold = o->fold ? o->fold : 1, .finished = is_over(t)};
    if (!history_open(&t->history, o->history, t->model, t->columns, &t->start, t->diag))
        return false;
    t->start.last = t->at.step;
    return steps_open(&t->steps, o->steps, &t->start, t->diag);
}

/* What is watched exists before the first step. */
static bool
check_stop(struct training *t)
{
    const struct early_stop *stop = &t->options->early;
    struct stop_sources all = {.model = t->model, .trained = t->options->train_metrics ? &t->trained : NULL,
                               .valid = t->valid_set ? &t->valid : NULL};
    if (!stop->patience || stop_value(stop, &all, NULL))
        return true;
    char text[1024];
    size_t used = (size_t)snprintf(text, sizeof text, "loss%s", t->valid_set && t->model->has_loss ? ", valid_loss" : "");
    for (int k = 0; k < 2; k++)
        for (int i = 0; (k ? t->valid_set != NULL : t->options->train_metrics) && i < t->model->nmetrics; i++)
            if (used < sizeof text)
                used += (size_t)snprintf(text + used, sizeof text - used, ", %s%s", k ? "valid_" : "", t->model->metrics[i]);
    diag_report(t->diag, TRAIN_STOP_NAME, stop->place, stop->on, text);
    if (!t->valid_set && !strncmp(stop->on, "valid_", 6))
        diag_report(t->diag, TRAIN_STOP_VALID, (struct place){0});
    return false;
}

static bool
make_best(struct training *t)
{
    if (!t->options->early.patience || !t->options->early.restore)
        return true;
    t->best = calloc((size_t)t->model->nvars + 1, sizeof *t->best);
    if (!t->best)
        return short_of_memory(t);
    for (int i = 0; i < t->model->nvars; i++)
        if (t->model->vars[i].kind == VARIABLE_WEIGHT || t->model->vars[i].kind == VARIABLE_STATE) {
            t->best[i] = tensor_new(&t->model->vars[i].type);
            if (!t->best[i].data)
                return short_of_memory(t);
        }
    t->info.best = t->best;
    return true;
}

static bool
prepare(struct training *t)
{
    t->shuffled = t->options->shuffle && t->options->batch < t->set->rows;
    return check_rows(t) && check_stop(t) && make_best(t) && open_target(t) && resume(t) && make_buffers(t) && (make_copy(t), true) && open_tables(t);
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
        t->inputs[i] = t->buffers[i];
        gather_rows(t->buffers[i], t->set->inputs[i].data, t->order + at->epoch_rows, rows, bytes);
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
    if (!take_streams(t))
        return false;
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
    keep_streams(t);
    begin_saving(t);
    bool ok = variables_sound(t) && checkpoint_save(t->options->save, t->model, &t->at, t->diag);
    end_saving(t);
    if (!ok)
        return point_at_last_good(t);
    t->saved_step = t->at.step;
    return true;
}

static struct train_report
report_of(struct training *t, int64_t epoch)
{
    return (struct train_report){.epoch = epoch + 1, .epochs = t->options->epochs, .step = t->at.step,
                                 .run = t->start.run, .fold = t->start.fold,
                                 .rows_done = t->at.epoch_rows,
                                 .rows = t->rows, .loss = t->at.loss_sum / t->at.loss_weight, .lr = t->program->lr,
                                 .seconds = seconds_since(&t->epoch_start)};
}

static bool
evaluate(struct training *t)
{
    struct step_numbers numbers = {t->at.step, t->at.epoch, t->at.seed};
    int64_t batch = t->options->eval_batch ? t->options->eval_batch : t->options->batch;
    return (!t->options->train_metrics
            || evaluate_set(t->model, t->program, t->set, batch, &numbers, EVALUATE_METRICS, &t->trained, t->diag))
        && (!t->valid_set || evaluate_set(t->model, t->program, t->valid_set, batch, &numbers,
                                          EVALUATE_LOSS | EVALUATE_METRICS, &t->valid, t->diag));
}

/* Notes what `stop` watches, and keeps the weights if they are the best so far. */
static void
watch_best(struct training *t, const struct train_report *r)
{
    const struct early_stop *stop = &t->options->early;
    struct stop_sources from = {t->model, r->loss, r->trained, r->valid};
    double value;
    if (!stop->patience || !stop_value(stop, &from, &value) || !stop_improves(stop, value, &t->at))
        return;
    for (int i = 0; t->best && i < t->model->nvars; i++)
        if (t->best[i].data)
            memcpy(t->best[i].data, t->model->values[i].data, (size_t)tensor_bytes(&t->best[i]));
}

/* In memory alone: the checkpoint holds both, and a training that goes on needs the last ones. */
static bool
restore_best(struct training *t)
{
    if (!t->best || !t->at.best_epoch)
        return false;
    for (int i = 0; i < t->model->nvars; i++)
        if (t->best[i].data)
            memcpy(t->model->values[i].data, t->best[i].data, (size_t)tensor_bytes(&t->best[i]));
    return true;
}

static void
add_history(struct training *t, const struct train_report *r)
{
    struct epoch_row row = {.run = r->run, .fold = r->fold, .epoch = r->epoch, .step = r->step,
                            .loss = r->loss, .trained = r->trained, .valid = r->valid, .lr = r->lr, .seconds = round(r->seconds * 1e3) / 1e3};
    history_add(&t->history, t->model, t->columns, &row);
}

/* ---- the loop ---- */

static int
signal_seen(const struct training *t)
{
    return t->options->stop ? *t->options->stop : 0;
}

/* The order of the current epoch's rows. */
static bool
begin_order(struct training *t)
{
    struct streams *streams = t->options->streams;
    if (!streams)
        return !t->shuffled || shuffle_order(t->at.seed, t->at.epoch, t->set->rows, t->order + t->set->rows, t->order);
    if (!t->at.epoch_rows)
        stream_epoch(streams, t->options->shuffle);
    return !t->shuffled || stream_order(streams, t->set->rows, t->order);
}

/* The steps that are left of the current epoch, or those up to a signal. */
static bool
run_steps(struct training *t)
{
    clock_gettime(CLOCK_MONOTONIC, &t->epoch_start);
    if (!begin_order(t))
        return short_of_memory(t);
    keep_streams(t);
    keep_copy(t);
    while (t->at.epoch_rows < t->rows && !signal_seen(t)) {
        double loss;
        if (!run_step(t, &t->at, &loss))
            return false;
        steps_add(&t->steps, &t->start, t->at.step + !isfinite(loss), t->model->loss_elem, loss);
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
    report.loss = t->loss = number_round(t->model->loss_elem, report.loss);
    t->at.epoch++;
    t->at.epoch_rows = 0;
    t->at.loss_sum = t->at.loss_weight = 0;
    if (!evaluate(t))
        return false;
    report.trained = t->options->train_metrics ? &t->trained : NULL;
    report.valid = t->valid_set ? &t->valid : NULL;
    report.seconds = seconds_since(&t->epoch_start);
    watch_best(t, &report);
    add_history(t, &report);
    if (!table_flush(&t->history, t->diag) || !table_flush(&t->steps, t->diag) || !save(t))
        return false;
    if (!t->callbacks->on_epoch || t->callbacks->on_epoch(t->callbacks->context, &report))
        return true;
    return point_at_last_good(t);
}

static bool
run_epochs(struct training *t)
{
    while (!is_over(t)) {
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
    for (int i = 0; t->best && i < t->model->nvars; i++)
        tensor_free(&t->best[i]);
    free(t->best);
    free(t->copy);
    free(t->buffers);
    free(t->inputs);
    free(t->order);
    evaluation_free(&t->valid);
    evaluation_free(&t->trained);
    begin_saving(t);
    save_file_unlock(&t->lock);
    end_saving(t);
}

/* What is left of it where memory was short even for a message: rows of the tables are kept as far as they go. */
static void
undo_training(void *training)
{
    struct training *t = training;
    table_close(&t->history, t->diag);
    table_close(&t->steps, t->diag);
    clean_up(t);
}

/* Failures are reported where they are met; a program that fails without a word was short of memory. */
static int
failure(struct training *t, int errors_before)
{
    if (t->diag->errors == errors_before)
        short_of_memory(t);
    return t->diag->status;
}

int
train_run(const struct model_info *model, struct program *program, const struct data_set_view *train,
          const struct data_set_view *valid, const struct train_options *options,
          const struct train_callbacks *callbacks, struct train_result *out_result, struct diag *diag)
{
    struct training t = {.info = *model, .program = program, .set = train, .valid_set = valid, .options = options,
                         .callbacks = callbacks ? callbacks : &no_callbacks, .diag = diag, .saved_step = -1, .loss = NAN};
    int errors = diag->errors;
    struct arena_undo undo;
    unsigned before = float_enter();
    t.model = &t.info;
    arena_guard(diag->arena, &undo, undo_training, &t);
    bool done = prepare(&t) && run_epochs(&t);
    /* Rows of steps before a failure are kept too. */
    bool closed = table_close(&t.history, diag);
    closed &= table_close(&t.steps, diag);
    float_leave(before);
    int signal = done && closed && !is_over(&t) ? signal_seen(&t) : 0;
    int status = !done || !closed ? failure(&t, errors) : signal ? 128 + signal : STATUS_OK;
    bool restored = status == STATUS_OK && restore_best(&t);
    if (out_result)
        *out_result = (struct train_result){.epoch = t.at.epoch, .step = t.at.step, .loss = t.loss, .restored = restored,
                                            .stopped = stop_now(&options->early, &t.at),
                                            .best = t.at.best, .best_epoch = t.at.best_epoch};
    arena_keep(diag->arena, &undo);
    clean_up(&t);
    return status;
}
