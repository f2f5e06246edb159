/* layout: contractions read their operands as they lie, so that transposes before and behind them are not run.
 *
 * matmul of a transpose that exchanges the last two axes reads the original with transpose_a or transpose_b; a transposed
 * matmul of two matrices is the matmul of the exchanged operands. An output is the same chain of the same products in the same order
 * (numerics.md, item 3), and a product does not depend on the order of its factors. With --gemm openblas the pass is left out: there a
 * contraction's bits depend on how its operands lie. The transposes are left to dce.
 * Needs: nothing. Keeps: order. */
#include "passes/explain.h"

struct layout {
    int operands, results;
    bool *alone; /* by id before the walk, of a TRANSPOSE: it transposes a MATMUL that nothing else reads */
};

static bool
exchanges_last_two(const struct node *n)
{
    int rank = n->type.rank;
    if (n->op != OP_TRANSPOSE || rank < 2)
        return false;
    for (int i = 0; i < rank - 2; i++)
        if (n->attr->perm.perm[i] != i)
            return false;
    return n->attr->perm.perm[rank - 1] == rank - 2;
}

static bool
fits(const struct node *a, const struct node *b, const struct attr *attr, const struct type *want)
{
    const struct type *types[] = {&a->type, &b->type};
    struct type type;
    return op_infer(OP_MATMUL, 2, types, attr, NULL, &type, (struct place){0}, NULL) && type_equal(&type, want);
}

/* matmul of transposed operands. */
static struct node *
read_in_place(struct graph *g, struct node *n, struct layout *l)
{
    struct attr attr = n->attr ? *n->attr : (struct attr){0};
    for (int k = 0; k < 2; k++) {
        if (!exchanges_last_two(n->in[k]))
            continue;
        struct node *in[2] = {n->in[0], n->in[1]};
        struct attr other = attr;
        in[k] = n->in[k]->in[0];
        other.matmul.transpose_a ^= k == 0;
        other.matmul.transpose_b ^= k == 1;
        if (!fits(in[0], in[1], &other, &n->type))
            continue;
        l->operands++;
        return graph_matmul(g, in[0], in[1], other.matmul.transpose_a, other.matmul.transpose_b);
    }
    return NULL;
}

static void
find_alone(const struct graph *g, struct layout *l)
{
    const int *uses = count_uses(g);
    l->alone = ARENA_ARRAY(g->arena, bool, g->count + 1);
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        l->alone[i] = exchanges_last_two(n) && n->type.rank == 2 && n->in[0]->op == OP_MATMUL && uses[n->in[0]->id] == 1;
    }
}

/* transpose of a matmul. */
static struct node *
write_in_place(struct graph *g, struct node *n, struct layout *l)
{
    struct node *m = n->in[0];
    if (n->op != OP_TRANSPOSE || !l->alone[n->id])
        return NULL;
    bool a = m->attr && m->attr->matmul.transpose_a, b = m->attr && m->attr->matmul.transpose_b;
    l->results++;
    return graph_matmul(g, m->in[1], m->in[0], !b, !a);
}

static struct node *
place(struct graph *g, struct node *n, void *context)
{
    return n->op == OP_MATMUL ? read_in_place(g, n, context) : write_in_place(g, n, context);
}

bool
pass_layout(struct graph *g, struct diag *diag)
{
    struct layout l = {0};
    (void)diag;
    find_alone(g, &l);
    graph_rewrite(g, place, &l);
    if (l.operands)
        explain(g, "%d transposed operands are read by the contraction as they lie", l.operands);
    if (l.results)
        explain(g, "%d transposed products are computed transposed", l.results);
    return l.operands + l.results > 0;
}
