/* fold: evaluates what depends on constants alone.
 *
 * By the kernels that run it otherwise, under the same rounding and flushing (numerics.md, items 1 and 10). So there is no
 * second arithmetic that could differ. A result of more than LARGEST bytes, or of more bytes than its operands if those are
 * more than a number, is computed at run time: the graph and the object file stay small. Nothing that depends on N, no random
 * numbers.
 * Needs: nothing. Keeps: order. */
#include "passes/explain.h"
#include "runtime/kernels.h"
#include <string.h>

enum { LARGEST = 1 << 16 };

struct fold {
    struct kernel_context kernels;
    int folded;
};

static bool
is_evaluated(const struct node *n)
{
    uint8_t class = op_info[n->op].class;
    if (class != CLASS_MAP && class != CLASS_CAST && class != CLASS_REDUCE && class != CLASS_CONTRACT && class != CLASS_MOVE)
        return false;
    int64_t bytes = type_bytes(&n->type, 1), most = 0;
    if (type_has_rows(&n->type) || bytes > LARGEST || !n->nin)
        return false;
    for (int k = 0; k < n->nin; k++) {
        if (n->in[k]->op != OP_CONST)
            return false;
        int64_t operand = type_bytes(&n->in[k]->type, 1);
        most = operand > most ? operand : most;
    }
    return n->type.rank == 0 || bytes <= most || most > 8;
}

/* The value of a constant as a tensor; |number|: memory for one of rank 0. */
static struct tensor
value_of(const struct node *n, int64_t *number)
{
    struct tensor t = {n->type, number};
    if (n->type.rank)
        t.data = (void *)n->attr->value.data; /* only read */
    else if (n->type.elem == ELEM_F32)
        *(float *)(void *)number = (float)n->attr->value.real;
    else if (n->type.elem == ELEM_F64)
        memcpy(number, &n->attr->value.real, sizeof *number);
    else
        *number = n->attr->value.whole; /* the low bytes of all whole numbers */
    return t;
}

static struct node *
number_node(struct graph *g, enum elem e, const void *data)
{
    switch (e) {
    case ELEM_F32: return graph_number(g, e, (double)*(const float *)data);
    case ELEM_F64: return graph_number(g, e, *(const double *)data);
    case ELEM_I32: return graph_whole(g, e, *(const int32_t *)data);
    case ELEM_I64: return graph_whole(g, e, *(const int64_t *)data);
    default: return graph_whole(g, e, *(const uint8_t *)data);
    }
}

static struct node *
constant_node(struct graph *g, const struct tensor *t)
{
    if (!t->type.rank)
        return number_node(g, (enum elem)t->type.elem, t->data);
    struct attr *attr = graph_attr(g, (struct attr){.value = {.data = t->data}});
    return graph_add(g, OP_CONST, 0, NULL, attr, &t->type);
}

static struct node *
evaluate(struct graph *g, struct node *n, void *context)
{
    struct fold *f = context;
    if (!is_evaluated(n))
        return NULL;
    struct tensor *operands = ARENA_ARRAY(g->arena, struct tensor, n->nin);
    const struct tensor **in = ARENA_ARRAY(g->arena, const struct tensor *, n->nin);
    int64_t *numbers = ARENA_ARRAY(g->arena, int64_t, n->nin);
    for (int k = 0; k < n->nin; k++) {
        operands[k] = value_of(n->in[k], &numbers[k]);
        in[k] = &operands[k];
    }
    struct tensor out = {n->type, arena_alloc(g->arena, (size_t)type_bytes(&n->type, 1) + 64)};
    if (!kernel_run(n, in, &out, &f->kernels))
        return NULL;
    f->folded++;
    return constant_node(g, &out);
}

bool
pass_fold(struct graph *g, struct diag *diag)
{
    struct fold f = {.kernels = {.rows = 1}};
    struct diag quiet;
    diag_init(&quiet, g->arena);
    (void)diag;
    if (!cpu_check(&quiet))
        return false; /* nothing runs here; the text can still be looked at */
    unsigned before = float_enter();
    graph_rewrite(g, evaluate, &f);
    float_leave(before);
    kernel_context_free(&f.kernels);
    if (f.folded)
        explain(g, "%d nodes depend on constants alone", f.folded);
    return f.folded > 0;
}
