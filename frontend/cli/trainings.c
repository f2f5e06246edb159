/* trainings: folds and runs. The program is compiled once; each training begins with new variables and its own rows. */
#include "frontend/cli/trainings.h"
#include "runtime/data/deal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of one number over the trainings. */
struct average {
    double sum, squares;
    int64_t count;
};

struct series {
    struct session *s;
    const struct trainings *t;
    struct program program;
    int64_t folds, runs, seed;
    int32_t *fold_of_row;       /* from 0; NULL without folds */
    struct set train, valid;    /* of the present fold, its own memory; without folds the session's */
    bool has_valid;
    struct ensemble ensemble;   /* of the present fold */
    struct average *each, *together; /* loss, then metrics, of the trainings and of the ensembles */
    struct average last_loss;   /* of the training sets */
    struct evaluation judged;   /* of the training that ended */
};

static void
average_add(struct average *a, double x)
{
    if (!isfinite(x))
        return;
    a->sum += x;
    a->squares += x * x;
    a->count++;
}

static void
print_average(const char *name, const struct average *a)
{
    if (!a->count)
        return;
    double mean = a->sum / (double)a->count;
    printf("  %s %.6g", name, mean);
    if (a->count > 1)
        printf(" +- %.2g", sqrt(fmax(0, (a->squares - mean * a->sum) / (double)(a->count - 1))));
}

static void
print_averages(const struct series *r, const struct average *a)
{
    char name[300];
    print_average("valid_loss", &a[0]);
    for (int i = 0; i < r->s->info.nmetrics; i++) {
        snprintf(name, sizeof name, "valid_%s", r->s->info.metrics[i]);
        print_average(name, &a[1 + i]);
    }
    printf("\n");
}

/* ---- folds ---- */

static bool
fold_classes(struct session *s, int64_t **out)
{
    const struct train_settings *t = &s->x->train;
    *out = NULL;
    if (!t->stratify)
        return true;
    const struct data_value *v = data_name_find(&s->data, t->stratify);
    int64_t rows = s->train.view.rows;
    if (!v)
        diag_report(s->diag, FOLDS_STRATIFY, t->stratify_place, t->stratify);
    else if (!data_classable(v, rows))
        diag_report(s->diag, FOLDS_STRATIFY_ROWS, t->stratify_place, (long long)rows, data_describe(v, s->arena));
    else {
        *out = malloc(sizeof **out * (size_t)rows + 1);
        if (*out && data_classes(v, *out))
            return true;
        free(*out);
        *out = NULL;
        diag_report(s->diag, OUT_OF_MEMORY, (struct place){0});
    }
    return false;
}

static bool
deal(struct series *r)
{
    struct session *s = r->s;
    const struct train_settings *t = &s->x->train;
    int64_t *classes, rows = s->train.view.rows;
    if (s->valid.exists) {
        diag_report(s->diag, FOLDS_VALID, t->folds_place);
        return false;
    }
    if (!fold_classes(s, &classes))
        return false;
    r->fold_of_row = malloc(sizeof *r->fold_of_row * (size_t)rows + 1);
    enum deal d = r->fold_of_row ? folds_deal(rows, (int)t->folds, classes, (uint32_t)t->fold_seed, r->fold_of_row) : DEAL_MEMORY;
    free(classes);
    if (d == DEAL_MEMORY)
        diag_report(s->diag, OUT_OF_MEMORY, (struct place){0});
    else if (d == DEAL_FEW && rows < t->folds)
        diag_report(s->diag, FOLDS_FEW, t->folds_place, (long long)rows, (long long)t->folds);
    else if (d == DEAL_FEW)
        diag_report(s->diag, FOLDS_FEW_CLASS, t->folds_place, t->stratify, (long long)t->folds);
    return d == DEAL_OK;
}

static int64_t
rows_in(const struct series *r, int64_t fold, bool valid)
{
    int64_t n = 0, rows = r->s->train.view.rows;
    if (!r->fold_of_row)
        return valid ? (r->s->valid.exists ? r->s->valid.view.rows : 0) : rows;
    for (int64_t i = 0; i < rows; i++)
        n += (r->fold_of_row[i] == fold) == valid;
    return n;
}

static void
free_set(struct series *r, struct set *set)
{
    for (int i = 0; set->inputs && i < r->s->info.ninputs; i++)
        tensor_free(&set->inputs[i]);
    free(set->inputs);
    *set = (struct set){0};
}

/* The rows of the file's training set that are for this part. */
static bool
take_rows(struct series *r, int64_t fold, bool valid, struct set *out)
{
    const struct session *s = r->s;
    int64_t count = rows_in(r, fold, valid), all = s->train.view.rows;
    free_set(r, out);
    out->inputs = calloc((size_t)s->info.ninputs + 1, sizeof *out->inputs);
    bool ok = out->inputs;
    for (int i = 0; i < s->info.ninputs && ok; i++) {
        size_t bytes = input_row_bytes(&s->info.inputs[i]);
        struct type type = type_at(&s->info.inputs[i].type, count);
        out->inputs[i] = tensor_new(&type);
        ok = out->inputs[i].data;
        char *to = out->inputs[i].data;
        for (int64_t row = 0; row < all && ok; row++)
            if ((r->fold_of_row[row] == fold) == valid) {
                memcpy(to, (const char *)s->train.inputs[i].data + bytes * (size_t)row, bytes);
                to += bytes;
            }
    }
    out->view = (struct data_set_view){out->inputs, count};
    out->exists = ok;
    if (!ok)
        diag_report(s->diag, OUT_OF_MEMORY, (struct place){0});
    return ok;
}

static bool
take_fold(struct series *r, int64_t fold)
{
    if (r->fold_of_row)
        return take_rows(r, fold, false, &r->train) && take_rows(r, fold, true, &r->valid);
    r->train = r->s->train;
    r->valid = r->s->valid;
    return true;
}

/* ---- one training ---- */

/* "w.safetensors" of several trainings: "w.run2.fold3.safetensors". */
static const char *
member_path(const struct series *r, const char *path, int64_t run, int64_t fold)
{
    static const char ending[] = ".safetensors";
    size_t n = path ? strlen(path) : 0, e = sizeof ending - 1;
    bool ends = n > e && !strcmp(path + n - e, ending);
    char which[64] = "";
    if (!path || r->folds * r->runs == 1)
        return path;
    if (r->runs > 1)
        snprintf(which, sizeof which, ".run%lld", (long long)run);
    if (r->folds > 1)
        snprintf(which + strlen(which), sizeof which - strlen(which), ".fold%lld", (long long)fold);
    return arena_printf(r->s->arena, "%.*s%s%s", (int)(ends ? n - e : n), path, which, ends ? ending : "");
}

/* Of several trainings those that had not begun have no file. */
static const char *
resume_path(const struct series *r, int64_t run, int64_t fold)
{
    const char *path = member_path(r, r->t->options.resume, run, fold);
    bool first = run == 1 && fold == 1;
    return path && !first && access(path, F_OK) ? NULL : path;
}

static void
print_stop(const struct series *r, const struct train_result *result)
{
    const struct early_stop *stop = &r->t->options.early;
    if (!stop->patience || r->t->quiet)
        return;
    if (result->stopped)
        printf("stopped after epoch %lld: ", (long long)result->epoch);
    if (result->best_epoch)
        printf("%s was best in epoch %lld: %.6g%s\n", stop->on, (long long)result->best_epoch, result->best,
               result->restored ? "; the weights are those of that epoch" : "");
    else if (result->stopped)
        printf("%s was never a number\n", stop->on);
}

static void
note(struct series *r, const struct evaluation *e, int64_t run, int64_t fold, const struct train_result *result)
{
    const struct model_info *m = &r->s->info;
    average_add(&r->last_loss, result->loss);
    if (r->has_valid)
        average_add(&r->each[0], e->loss);
    for (int i = 0; r->has_valid && i < m->nmetrics; i++)
        average_add(&r->each[1 + i], e->metrics[i]);
    printf("run %lld  fold %lld", (long long)run, (long long)fold);
    if (isfinite(result->loss))
        printf("  loss %.6g", result->loss);
    if (r->has_valid)
        printf("  valid_loss %.6g", e->loss);
    for (int i = 0; r->has_valid && i < m->nmetrics; i++)
        printf("  valid_%s %.6g", m->metrics[i], e->metrics[i]);
    printf("\n");
    fflush(stdout);
}

static bool
evaluate(struct series *r, const struct train_result *result, struct evaluation *e)
{
    struct step_numbers numbers = {result->step, result->epoch, r->s->seed};
    return !r->has_valid || evaluate_set(&r->s->info, &r->program, &r->valid.view, r->t->options.eval_batch, &numbers,
                                         EVALUATE_LOSS | EVALUATE_METRICS | EVALUATE_OUTPUTS, e, r->s->diag);
}

static int
train_one(struct series *r, int64_t run, int64_t fold)
{
    struct session *s = r->s;
    struct train_options o = r->t->options;
    struct train_result result;
    const bool first = run == 1 && fold == 1;
    s->seed = o.seed = r->seed + run - 1;
    o.run = run;
    o.fold = fold;
    o.several = r->folds * r->runs > 1;
    o.follows = o.several && (!first || o.resume);
    o.save = member_path(r, o.save, run, fold);
    o.resume = resume_path(r, run, fold);
    if (!first && !session_initialize(s, s->cli->options.init))
        return s->diag->status;
    o.streams = s->draws.streams;
    o.streams_variable = s->info.nvars - 1;
    if (r->t->on_start && !r->t->on_start(r->t->callbacks.context, run, fold, &r->program))
        return s->diag->status;
    int status = train_run(&s->info, &r->program, &r->train.view, r->has_valid ? &r->valid.view : NULL, &o, &r->t->callbacks,
                           &result, s->diag);
    if (status != STATUS_OK)
        return status;
    struct evaluation *e = &r->judged;
    bool wanted = o.several || r->t->on_end;
    unsigned before = float_enter();
    print_stop(r, &result);
    bool ok = !wanted || (evaluate(r, &result, e) && (r->runs == 1 || !r->has_valid || ensemble_add(&r->ensemble, &s->info, e, s->diag)));
    float_leave(before);
    if (ok && o.several)
        note(r, e, run, fold, &result);
    if (ok && r->t->on_end)
        r->t->on_end(r->t->callbacks.context, run, fold, r->has_valid ? e : NULL, &r->valid);
    evaluation_free(e);
    return ok ? STATUS_OK : (int)s->diag->status;
}

/* ---- all of them ---- */

static bool
judge_ensemble(struct series *r)
{
    const struct model_info *m = &r->s->info;
    double loss, *metrics = ARENA_ARRAY(r->s->arena, double, m->nmetrics + 1);
    if (r->runs == 1 || !r->has_valid)
        return true;
    unsigned before = float_enter();
    bool ok = ensemble_judge(&r->ensemble, r->s, &r->program, &r->valid, &loss, metrics);
    float_leave(before);
    ensemble_free(&r->ensemble);
    if (!ok)
        return false;
    average_add(&r->together[0], loss);
    for (int i = 0; i < m->nmetrics; i++)
        average_add(&r->together[1 + i], metrics[i]);
    return true;
}

static void
print_summary(const struct series *r)
{
    if (r->folds * r->runs == 1)
        return;
    printf("mean of %lld", (long long)(r->folds * r->runs));
    print_average("loss", &r->last_loss);
    print_averages(r, r->each);
    if (r->runs == 1 || !r->has_valid)
        return;
    printf("ensemble of %lld runs", (long long)r->runs);
    if (r->folds > 1)
        printf(", mean of %lld folds", (long long)r->folds);
    print_averages(r, r->together);
}

static int
train_all(struct series *r)
{
    for (int64_t fold = 1; fold <= r->folds; fold++) {
        if (!take_fold(r, fold - 1))
            return r->s->diag->status;
        for (int64_t run = 1; run <= r->runs; run++) {
            int status = train_one(r, run, fold);
            if (status != STATUS_OK)
                return status;
        }
        if (!judge_ensemble(r))
            return r->s->diag->status;
    }
    print_summary(r);
    return STATUS_OK;
}

/* The largest batches of all folds: one program serves them. */
static bool
make_program(struct series *r)
{
    const struct train_options *o = &r->t->options;
    int64_t train = 0, eval = 0;
    for (int64_t f = 0; f < r->folds; f++) {
        int64_t t = rows_in(r, f, false), v = rows_in(r, f, true);
        train = t > train ? t : train;
        eval = v > eval ? v : eval;
    }
    if (o->train_metrics && train > eval)
        eval = train;
    return session_program(r->s, o->batch < train ? o->batch : train, o->eval_batch < eval ? o->eval_batch : eval, false, &r->program);
}

static void
undo_series(void *series)
{
    struct series *r = series;
    ensemble_free(&r->ensemble);
    evaluation_free(&r->judged);
    if (r->fold_of_row) {
        free_set(r, &r->train);
        free_set(r, &r->valid);
    }
    free(r->fold_of_row);
    if (r->program.destroy)
        r->program.destroy(r->program.self);
}

int
trainings_run(struct session *s, const struct trainings *t)
{
    const struct train_settings *settings = &s->x->train;
    struct series r = {.s = s, .t = t, .folds = settings->folds ? settings->folds : 1, .runs = settings->runs ? settings->runs : 1,
                       .seed = s->seed, .has_valid = s->valid.exists || settings->folds,
                       .each = ARENA_ARRAY(s->arena, struct average, s->info.nmetrics + 1),
                       .together = ARENA_ARRAY(s->arena, struct average, s->info.nmetrics + 1)};
    int status = STATUS_INPUT;
    struct arena_undo undo;
    arena_guard(s->arena, &undo, undo_series, &r);
    if ((!settings->folds || deal(&r)) && make_program(&r))
        status = train_all(&r);
    else
        status = s->diag->status;
    arena_keep(s->arena, &undo);
    undo_series(&r);
    return status;
}
