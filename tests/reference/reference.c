/* reference: a graph node by node. */
#include "tests/reference/reference.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- places in a tensor ---- */

void
reference_unravel(const struct type *t, int64_t index, int64_t at[RANK_MAX])
{
    for (int i = t->rank - 1; i >= 0; i--) {
        at[i] = index % t->dim[i];
        index /= t->dim[i];
    }
}

int64_t
reference_ravel(const struct type *t, const int64_t at[RANK_MAX])
{
    int64_t index = 0;
    for (int i = 0; i < t->rank; i++)
        index = index * t->dim[i] + at[i];
    return index;
}

int64_t
reference_broadcast_at(const struct type *part, const struct type *whole, const int64_t at[RANK_MAX])
{
    int64_t mine[RANK_MAX] = {0};
    int missing = whole->rank - part->rank;
    for (int i = 0; i < part->rank; i++)
        mine[i] = part->dim[i] == 1 ? 0 : at[i + missing];
    return reference_ravel(part, mine);
}

/* ---- comparison ---- */

static bool
same_element(enum elem e, const void *a, const void *b)
{
    if (e == ELEM_F32) {
        float x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        if (x != x || y != y)
            return x != x && y != y;
    } else if (e == ELEM_F64) {
        double x, y;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        if (x != x || y != y)
            return x != x && y != y;
    }
    return !memcmp(a, b, elem_size(e));
}

bool
reference_same(const struct tensor *a, const struct tensor *b, int64_t *out_at)
{
    if (!type_equal(&a->type, &b->type)) {
        if (out_at)
            *out_at = -1;
        return false;
    }
    for (int64_t i = 0; i < tensor_count(a); i++)
        if (!same_element((enum elem)a->type.elem, reference_element(a, i), reference_element(b, i))) {
            if (out_at)
                *out_at = i;
            return false;
        }
    return true;
}

/* ---- leaves, groups, effects ---- */

static void
reference_CONST(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    if (n->type.rank)
        memcpy(out->data, n->attr->value.data, (size_t)tensor_bytes(out));
    else if (elem_is_float((enum elem)n->type.elem))
        reference_cast(ELEM_F64, (enum elem)n->type.elem, out->data, &n->attr->value.real);
    else
        reference_cast(ELEM_I64, (enum elem)n->type.elem, out->data, &n->attr->value.whole);
}

static void
reference_ROWS(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    *(double *)out->data = (double)rows;
}

static void
reference_UPDATE(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    memcpy(out->data, in[1]->data, (size_t)tensor_bytes(out));
}

/* A group is what its body is. */
static void
reference_FUSED(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    void **inputs = calloc((size_t)n->nin + 1, sizeof *inputs);
    for (int i = 0; i < n->nin; i++)
        inputs[i] = in[i]->data;
    struct tensor *values = reference_run(n->body, inputs, NULL, rows);
    for (int i = 0; i < n->body->noutputs; i++)
        memcpy(out[i].data, values[n->body->outputs[i].node->id].data, (size_t)tensor_bytes(&out[i]));
    reference_free(values, n->body->count);
    free(inputs);
}

static void
given_by_the_caller(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    fprintf(stderr, "reference: %s is not computed\n", op_info[n->op].text);
    abort();
}
#define reference_INPUT given_by_the_caller
#define reference_VAR given_by_the_caller
#define reference_RESULT given_by_the_caller

/* ---- dispatch ---- */

#define RULE_MAP(id) reference_map
#define RULE_LEAF(id) reference_##id
#define RULE_CAST(id) reference_##id
#define RULE_REDUCE(id) reference_##id
#define RULE_CONTRACT(id) reference_##id
#define RULE_MOVE(id) reference_##id
#define RULE_RANDOM(id) reference_##id
#define RULE_GROUP(id) reference_##id
#define RULE_EFFECT(id) reference_##id
static reference_fn *const reference_of[OP_COUNT] = {
#define OP(id, text, class, ...) [OP_##id] = RULE_##class(id),
#include "ir/ops.def"
#undef OP
};

void
reference_node(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    reference_of[n->op](n, in, out, rows);
}

static struct tensor
allocate(const struct type *type, int64_t rows)
{
    struct type concrete = type_at(type, rows);
    struct tensor t = tensor_new(&concrete);
    if (!t.data) {
        fprintf(stderr, "reference: out of memory\n");
        abort();
    }
    return t;
}

/* All results of a group; RESULT nodes take theirs from there. */
static struct tensor *
run_group(const struct node *n, const struct tensor *const *in, int64_t rows)
{
    struct tensor *out = calloc((size_t)n->body->noutputs, sizeof *out);
    for (int i = 0; i < n->body->noutputs; i++)
        out[i] = allocate(&n->body->outputs[i].node->type, rows);
    reference_FUSED(n, in, out, rows);
    return out;
}

static void
run_node(const struct node *n, struct tensor *values, struct tensor **groups, int64_t rows)
{
    const struct tensor **in = calloc((size_t)n->nin + 1, sizeof *in);
    for (int i = 0; i < n->nin; i++)
        in[i] = &values[n->in[i]->id];
    if (n->op == OP_FUSED) {
        groups[n->id] = run_group(n, in, rows);
        memcpy(values[n->id].data, groups[n->id][0].data, (size_t)tensor_bytes(&values[n->id]));
    } else if (n->op == OP_RESULT) {
        memcpy(values[n->id].data, groups[n->in[0]->id][n->attr->axis.axis].data, (size_t)tensor_bytes(&values[n->id]));
    } else {
        reference_node(n, in, &values[n->id], rows);
    }
    free(in);
}

static void
free_groups(const struct graph *g, struct tensor **groups)
{
    for (int id = 0; id < g->count; id++)
        if (groups[id])
            reference_free(groups[id], g->nodes[id]->body->noutputs);
    free(groups);
}

struct tensor *
reference_run(const struct graph *g, void *const *inputs, const struct tensor *vars, int64_t rows)
{
    struct tensor *values = calloc((size_t)g->count + 1, sizeof *values);
    struct tensor **groups = calloc((size_t)g->count + 1, sizeof *groups);
    for (int id = 0; id < g->count; id++) {
        const struct node *n = g->nodes[id];
        values[id] = allocate(&n->type, rows);
        size_t bytes = (size_t)tensor_bytes(&values[id]);
        if (n->op == OP_INPUT)
            memcpy(values[id].data, inputs[n->attr->name.index], bytes);
        else if (n->op == OP_VAR)
            memcpy(values[id].data, vars[n->attr->name.index].data, bytes);
        else
            run_node(n, values, groups, rows);
    }
    free_groups(g, groups);
    return values;
}

void
reference_free(struct tensor *values, int count)
{
    for (int i = 0; i < count; i++)
        tensor_free(&values[i]);
    free(values);
}
