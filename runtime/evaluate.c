#include "runtime/evaluate.h"
#include "runtime/kernels.h"
#include "runtime/number_text.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

size_t
input_row_bytes(const struct model_value *input)
{
    return (size_t)type_span(&input->type, 1, input->type.rank, 0) * elem_size((enum elem)input->type.elem);
}

void
set_rows_at(const struct model_info *model, const struct data_set_view *set, int64_t row, void **out_inputs)
{
    for (int i = 0; i < model->ninputs; i++) {
        char *data = set->inputs[i].data;
        out_inputs[i] = data ? data + input_row_bytes(&model->inputs[i]) * (size_t)row : NULL;
    }
}

static bool
short_of_memory(struct diag *diag)
{
    diag_report(diag, OUT_OF_MEMORY, (struct place){0});
    return false;
}

/* Which outputs have to be kept: all for metrics, the shown ones for the caller. */
static int
kept_outputs(const struct model_info *model, unsigned want)
{
    return want & EVALUATE_METRICS && model->nmetrics ? model->noutputs : want & EVALUATE_OUTPUTS ? model->nshown : 0;
}

/* The axis along which batches of |t| are joined; -1 if it does not depend on the rows, -2 if it does in two places. */
static int
rows_axis(const struct type *t)
{
    int axis = -1;
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] < 0)
            axis = axis == -1 ? i : -2;
    return axis;
}

static bool
make_values(const struct model_info *model, int count, int64_t rows, bool whole, struct evaluation *e, struct diag *diag)
{
    e->values = calloc((size_t)model->noutputs + 1, sizeof *e->values);
    if (!e->values)
        return short_of_memory(diag);
    e->nvalues = count;
    for (int i = 0; i < count; i++) {
        const struct type *t = &model->outputs[i].type;
        char text[TYPE_TEXT];
        if (rows_axis(t) == -2 && !whole) {
            diag_report(diag, EVALUATE_NO_GATHER, (struct place){0}, model->outputs[i].name, type_text(t, ", ", text));
            return false;
        }
        struct type all = type_at(t, rows);
        if (type_bytes(&all, 0) >= 0)
            e->values[i] = tensor_new(&all);
        if (!e->values[i].data)
            return short_of_memory(diag);
    }
    return true;
}

static bool
prepare(const struct model_info *model, const struct data_set_view *set, int64_t batch, unsigned want, struct evaluation *e,
        struct diag *diag)
{
    int kept = kept_outputs(model, want);
    if (e->rows != set->rows || e->nvalues != kept)
        evaluation_free(e);
    if (!e->metrics && want & EVALUATE_METRICS && model->nmetrics) {
        e->metrics = calloc((size_t)model->nmetrics, sizeof *e->metrics);
        if (!e->metrics)
            return short_of_memory(diag);
    }
    e->rows = set->rows;
    return e->values || !kept || make_values(model, kept, set->rows, set->rows <= batch, e, diag);
}

/* Copies a batch's value to where rows |row| and on lie in |all|. */
static void
gather(const struct model_value *output, const struct tensor *part, int64_t row, struct tensor *all)
{
    const struct type *t = &output->type;
    int axis = rows_axis(t);
    if (axis < 0) {
        memcpy(all->data, part->data, (size_t)tensor_bytes(part));
        return;
    }
    size_t inner = (size_t)type_span(&all->type, axis + 1, t->rank, 0) * elem_size((enum elem)t->elem);
    size_t width = (size_t)all->type.dim[axis] * inner, piece = (size_t)part->type.dim[axis] * inner;
    int64_t outer = type_span(&all->type, 0, axis, 0);
    for (int64_t i = 0; i < outer; i++)
        memcpy((char *)all->data + (size_t)i * width + (size_t)dim_at(t->dim[axis], row) * inner,
               (const char *)part->data + (size_t)i * piece, piece);
}

static bool
run_batches(const struct model_info *model, const struct program *program, const struct data_set_view *set, int64_t batch,
            const struct step_numbers *numbers, struct evaluation *e, double *out_loss)
{
    void *inputs[model->ninputs + 1];
    const struct tensor *values[model->noutputs + 1];
    double sum = 0;
    for (int64_t row = 0, rows; row < set->rows; row += rows) {
        double loss = NAN;
        rows = set->rows - row < batch ? set->rows - row : batch;
        set_rows_at(model, set, row, inputs);
        if (!program->eval_step(program->self, inputs, rows, numbers, &loss, values))
            return false;
        sum += loss * (double)rows;
        for (int i = 0; i < e->nvalues; i++)
            gather(&model->outputs[i], values[i], row, &e->values[i]);
    }
    *out_loss = sum / (double)set->rows;
    return true;
}

bool
evaluate_set(const struct model_info *model, const struct program *program, const struct data_set_view *set, int64_t batch,
             const struct step_numbers *numbers, unsigned want, struct evaluation *e, struct diag *diag)
{
    if (set->rows < 1) {
        diag_report(diag, EVALUATE_NO_ROWS, (struct place){0});
        return false;
    }
    if (!prepare(model, set, batch, want, e, diag))
        return false;
    unsigned before = float_enter();
    int errors = diag->errors;
    double loss = NAN;
    bool done = run_batches(model, program, set, batch, numbers, e, &loss);
    e->loss = want & EVALUATE_LOSS && model->has_loss ? number_round(model->loss_elem, loss) : NAN;
    if (done && e->metrics)
        done = program->metrics(program->self, e->values, set->rows, e->metrics);
    for (int i = 0; done && e->metrics && i < model->nmetrics; i++)
        e->metrics[i] = number_round(model->metric_elems ? model->metric_elems[i] : ELEM_F32, e->metrics[i]);
    float_leave(before);
    return done || diag->errors > errors || short_of_memory(diag);
}

void
evaluation_free(struct evaluation *e)
{
    for (int i = 0; i < e->nvalues; i++)
        tensor_free(&e->values[i]);
    free(e->values);
    free(e->metrics);
    *e = (struct evaluation){0};
}
