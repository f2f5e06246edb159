/* linear_program: a program without a graph for the tests of the training loop and the checkpoint: p = x @ w + b by
 * gradient descent with momentum. It notes how it is called and can be told to misbehave. */
#ifndef NNC_TESTS_UNIT_LINEAR_PROGRAM_H
#define NNC_TESTS_UNIT_LINEAR_PROGRAM_H
#include "runtime/train.h"
#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FEATURES = 3, CALLS = 4096, ROWS_MOST = 64 };
enum { VAR_W, VAR_B, VAR_SEEN, VAR_W_M, VAR_B_M, VAR_COUNT };

static const struct variable linear_vars[VAR_COUNT] = {
    {.name = "h.w", .type = {ELEM_F32, 1, {FEATURES}}, .kind = VARIABLE_WEIGHT},
    {.name = "h.b", .type = {ELEM_F32, 0, {0}}, .kind = VARIABLE_WEIGHT},
    {.name = "h.seen", .type = {ELEM_I64, 0, {0}}, .kind = VARIABLE_STATE},
    {.name = "sgd/h.w/m", .type = {ELEM_F64, 1, {FEATURES}}, .kind = VARIABLE_OPTIMIZER},
    {.name = "sgd/h.b/m", .type = {ELEM_F64, 0, {0}}, .kind = VARIABLE_OPTIMIZER},
};
static const struct model_value linear_inputs[] = {{"x", {ELEM_F32, 2, {DIM_N, FEATURES}}}, {"y", {ELEM_F32, 1, {DIM_N}}}};
/* `pair` has its rows in the second dimension, `two` is 7 whatever the rows are. */
static const struct model_value linear_outputs[] = {
    {"p", {ELEM_F32, 1, {DIM_N}}}, {"pair", {ELEM_F32, 2, {2, DIM_N}}}, {"two", {ELEM_I32, 1, {2}}},
    {"y", {ELEM_F32, 1, {DIM_N}}}};
static const char *const linear_metrics[] = {"worst"};

struct linear {
    struct program program;
    struct model_info model;
    struct tensor values[VAR_COUNT];
    struct arena arena;
    struct diag diag;
    double rate;
    float p[ROWS_MOST], pair[2 * ROWS_MOST], y[ROWS_MOST];
    int32_t two[2];
    /* Notes. */
    int calls;
    int64_t rows[CALLS];
    const void *x[CALLS];
    float first[CALLS];             /* of the batch's first row */
    struct step_numbers numbers[CALLS];
    double losses[CALLS];
    /* Misbehaviour. */
    int64_t stop_after;             /* steps; then |stop| is SIGINT */
    volatile sig_atomic_t stop;
    int64_t bad_step;               /* whose loss is NaN, from 1 */
    int64_t spoil_step;             /* that leaves a NaN in h.w */
};

static inline float
linear_row(const struct linear *l, const float *x)
{
    const float *w = l->values[VAR_W].data;
    float sum = *(const float *)l->values[VAR_B].data;
    for (int k = 0; k < FEATURES; k++)
        sum = fmaf(x[k], w[k], sum);
    return sum;
}

static inline bool
linear_train_step(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss)
{
    struct linear *l = self;
    const float *x = inputs[0], *y = inputs[1];
    double g[FEATURES + 1] = {0}, *m = l->values[VAR_W_M].data, *mb = l->values[VAR_B_M].data;
    float loss = 0, *w = l->values[VAR_W].data, *b = l->values[VAR_B].data;
    for (int64_t i = 0; i < rows; i++) {
        float d = linear_row(l, x + i * FEATURES) - y[i];
        loss = fmaf(d, d, loss);
        for (int k = 0; k < FEATURES; k++)
            g[k] += 2.0 * d * x[i * FEATURES + k];
        g[FEATURES] += 2.0 * d;
    }
    l->rate = 0.05 / (1 + 0.01 * (double)numbers->step);
    for (int k = 0; k < FEATURES; k++) {
        m[k] = 0.9 * m[k] + g[k] / (double)rows;
        w[k] -= (float)(l->rate * m[k]);
    }
    *mb = 0.9 * *mb + g[FEATURES] / (double)rows;
    *b -= (float)(l->rate * *mb);
    *(int64_t *)l->values[VAR_SEEN].data += rows;
    *out_loss = numbers->step + 1 == l->bad_step ? NAN : loss / (float)rows;
    if (numbers->step + 1 == l->spoil_step)
        w[1] = NAN;
    if (l->calls < CALLS) {
        int c = l->calls;
        l->rows[c] = rows, l->x[c] = x, l->first[c] = x[0], l->numbers[c] = *numbers, l->losses[c] = *out_loss;
    }
    l->calls++;
    if (numbers->step + 1 == l->stop_after)
        l->stop = SIGINT;
    return true;
}

static inline bool
linear_eval_step(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss,
                 const struct tensor **out_values)
{
    struct linear *l = self;
    static struct tensor given[4];
    const float *x = inputs[0], *y = inputs[1];
    float loss = 0;
    for (int64_t i = 0; i < rows; i++) {
        l->p[i] = l->pair[i] = linear_row(l, x + i * FEATURES);
        l->pair[rows + i] = 2 * l->p[i];
        l->y[i] = y ? y[i] : 0;
        loss += (l->p[i] - l->y[i]) * (l->p[i] - l->y[i]);
    }
    l->two[0] = l->two[1] = 7;
    void *const data[] = {l->p, l->pair, l->two, l->y};
    for (int i = 0; i < 4; i++) {
        given[i] = (struct tensor){type_at(&linear_outputs[i].type, rows), data[i]};
        out_values[i] = &given[i];
    }
    *out_loss = loss / (float)rows;
    return true;
}

static inline bool
linear_metrics_of(void *self, const struct tensor *values, int64_t rows, double *out_metrics)
{
    const float *p = values[0].data, *y = values[3].data;
    float worst = 0;
    for (int64_t i = 0; i < rows; i++)
        worst = fmaxf(worst, fabsf(p[i] - y[i]));
    *out_metrics = worst;
    return true;
}

static inline void
linear_free(struct linear *l)
{
    for (int i = 0; i < VAR_COUNT; i++)
        tensor_free(&l->values[i]);
    arena_free(&l->arena);
}

/* |l| is zeros, or was used before. */
static inline void
linear_init(struct linear *l)
{
    if (l->model.name)
        linear_free(l);
    memset(l, 0, sizeof *l);
    arena_init(&l->arena, NULL);
    diag_init(&l->diag, &l->arena);
    for (int i = 0; i < VAR_COUNT; i++)
        l->values[i] = tensor_new(&linear_vars[i].type);
    for (int k = 0; k < FEATURES; k++)
        ((float *)l->values[VAR_W].data)[k] = 0.25f * (float)(k + 1);
    l->program = (struct program){.self = l, .train_step = linear_train_step, .eval_step = linear_eval_step,
                                  .metrics = linear_metrics_of, .lr = &l->rate};
    l->model = (struct model_info){.name = "linear", .ninputs = 2, .inputs = linear_inputs, .noutputs = 4,
                                   .outputs = linear_outputs, .nshown = 3, .nmetrics = 1, .metrics = linear_metrics,
                                   .has_loss = true, .nvars = VAR_COUNT, .vars = linear_vars, .values = l->values,
                                   .digest = 42};
}

/* Whether a message of |l| holds |text|, in its subject or its words. */
static inline bool
linear_said(const struct linear *l, const char *text)
{
    for (const struct diagnostic *d = l->diag.first; d; d = d->next)
        if (strstr(d->message, text) || (d->subject && strstr(d->subject, text)))
            return true;
    return false;
}

/* A set of |rows| rows whose first feature is the row's number. */
struct linear_set {
    float x[ROWS_MOST * FEATURES], y[ROWS_MOST];
    struct tensor inputs[2];
    struct data_set_view view;
};

static inline void
linear_set_init(struct linear_set *s, int64_t rows)
{
    for (int64_t i = 0; i < rows; i++) {
        float *x = s->x + i * FEATURES;
        x[0] = (float)i;
        x[1] = (float)(i * 7 % 11) / 11;
        x[2] = (float)(i * 5 % 13) / 13;
        s->y[i] = 0.01f * x[0] - x[1] + 0.5f * x[2] + 0.25f;
        x[0] /= 64;
    }
    s->inputs[0] = (struct tensor){type_at(&linear_inputs[0].type, rows), s->x};
    s->inputs[1] = (struct tensor){type_at(&linear_inputs[1].type, rows), s->y};
    s->view = (struct data_set_view){s->inputs, rows};
}

/* A new folder that is the working directory until the end of the test. */
static char scratch_folder[64];

static inline void
scratch_enter(void)
{
    snprintf(scratch_folder, sizeof scratch_folder, "%s/nnc-test-XXXXXX", P_tmpdir);
    if (!mkdtemp(scratch_folder) || chdir(scratch_folder))
        abort();
}

static inline int
scratch_remove(const char *path, const struct stat *s, int kind, struct FTW *at)
{
    (void)s, (void)kind, (void)at;
    return remove(path);
}

static inline void
scratch_leave(void)
{
    if (!chdir(P_tmpdir))
        nftw(scratch_folder, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* What a test reads lies here until it ends. */
static struct arena test_memory;

/* The bytes of a file, followed by a NUL; NULL if there is none. */
static inline char *
file_bytes(const char *path, size_t *out_size)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    if (!f || fstat(fileno(f), &st))
        return NULL;
    size_t size = (size_t)st.st_size;
    char *bytes = arena_alloc(&test_memory, size + 1);
    if (fread(bytes, 1, size, f) != size)
        abort();
    fclose(f);
    if (out_size)
        *out_size = size;
    return bytes;
}

static inline void
file_put(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, size, f) != size || fclose(f))
        abort();
}

static inline bool
files_equal(const char *a, const char *b)
{
    size_t n = 0, m = 1;
    char *x = file_bytes(a, &n), *y = file_bytes(b, &m);
    return x && y && n == m && !memcmp(x, y, n);
}
#endif
