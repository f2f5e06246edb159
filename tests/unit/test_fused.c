/* Fused groups with drawn bodies: equal to the bit with the reference evaluator, also where results take over operands' memory. */
#include "tests/unit/kernel_check.h"

enum { VALUES = 40, GROUPS = 3000 };

struct body {
    struct check *check;
    struct graph *graph;
    struct type domain;
    struct node *value[VALUES];
    int count;
};

/* The domain with some axes of size 1, perhaps without the leading ones. */
static struct type
draw_shape(struct body *b, enum elem e)
{
    struct type t = b->domain;
    t.elem = (uint8_t)e;
    for (int i = 0; i < t.rank; i++)
        if (below(b->check, 4) == 0)
            t.dim[i] = 1;
    while (t.rank && below(b->check, 5) == 0) {
        memmove(t.dim, t.dim + 1, sizeof t.dim[0] * (size_t)(t.rank - 1));
        t.dim[--t.rank] = 0;
    }
    return t;
}

static struct node *
pick(struct body *b, enum elem e)
{
    int start = below(b->check, b->count);
    for (int i = 0; i < b->count; i++) {
        struct node *n = b->value[(start + i) % b->count];
        if (n->type.elem == e)
            return n;
    }
    return graph_cast(b->graph, b->value[start], e);
}

static struct node *
draw_node(struct body *b)
{
    static const enum op ops[] = {OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MAX, OP_MIN, OP_FMA, OP_NEG, OP_EXP, OP_SQRT, OP_LT, OP_WHERE, OP_STOP, OP_AND};
    enum elem elems[] = {ELEM_F32, ELEM_F32, ELEM_F32, ELEM_F64, ELEM_I32, ELEM_U8, ELEM_BOOL};
    enum op op = ops[below(b->check, sizeof ops / sizeof *ops)];
    enum elem e = elems[below(b->check, 7)];
    struct node *in[3];
    if (below(b->check, 10) == 0) {
        struct node *x = pick(b, ELEM_F32);
        struct type t = b->domain;
        t.elem = ELEM_F32;
        for (int k = 1; k <= t.rank; k++)
            if (below(b->check, 3) == 0 && (k > x->type.rank || x->type.dim[x->type.rank - k] == 1))
                t.dim[t.rank - k] = 1;
        return graph_broadcast(b->graph, x, &t);
    }
    if (!(op_info[op].types >> e & 1))
        e = op_info[op].types == TYPES_BOOL ? ELEM_BOOL : ELEM_F32;
    for (int i = 0; i < op_info[op].nin; i++)
        in[i] = pick(b, op == OP_WHERE && !i ? ELEM_BOOL : e);
    return graph_add(b->graph, op, op_info[op].nin, in, NULL, NULL);
}

/* A FUSED node; its operands are inputs of the test's graph. */
static struct node *
draw_group(struct check *c, bool reductions)
{
    static const int64_t dims[] = {1, 2, 3, 4, 7, 10, 16, 33, 100, 257, 513, 1030};
    struct body b = {.check = c, .graph = graph_new(&c->arena, "body")};
    struct node *operands[OPERANDS];
    int noperands = 1 + below(c, 5), nodes = 1 + below(c, 12), results = 1 + below(c, 4);
    b.domain.rank = (uint8_t)below(c, 5);
    for (int i = 0, budget = 4000; i < b.domain.rank; i++) {
        int64_t d = dims[below(c, sizeof dims / sizeof *dims)];
        b.domain.dim[i] = d <= budget ? d : 1;
        budget /= (int)b.domain.dim[i];
        if (below(c, 20) == 0)
            b.domain.dim[i] = DIM_N;
    }
    for (int i = 0; i < noperands; i++) {
        enum elem e = below(c, 4) ? ELEM_F32 : (enum elem)below(c, ELEM_COUNT);
        struct type t = i ? draw_shape(&b, e) : b.domain;
        t.elem = (uint8_t)e;
        b.value[b.count++] = graph_input(b.graph, "x", &t);
        operands[i] = graph_input(c->graph, "x", &t);
    }
    b.value[b.count++] = graph_number(b.graph, ELEM_F32, 0.375);
    b.value[b.count++] = graph_add(b.graph, OP_ROWS, 0, NULL, NULL, NULL);
    for (int i = 0; i < nodes; i++) {
        struct node *drawn = draw_node(&b);
        b.value[b.count++] = drawn;
    }
    for (int r = 0; r < results; r++) {
        struct node *n = below(c, 3) ? b.value[b.count - 1 - below(c, nodes)] : b.value[below(c, b.count)];
        static const enum op sums[] = {OP_SUM, OP_PROD, OP_MEAN, OP_MAX_OVER, OP_MIN_OVER};
        enum op op = sums[below(c, 5)];
        if (reductions && below(c, 2) && op_info[op].types >> n->type.elem & 1)
            n = graph_reduce(b.graph, op, n, (uint32_t)below(c, 1 << n->type.rank), below(c, 2));
        graph_output(b.graph, "r", n);
    }
    struct node *n = graph_add(c->graph, OP_FUSED, noperands, operands, NULL, &b.graph->outputs[0].node->type);
    n->body = b.graph;
    return n;
}

/* Results that are no reductions take over the memory of operands of their types. */
static void
check_in_place(struct check *c, const struct node *n)
{
    struct tensor in[OPERANDS], moved[OPERANDS], want[OPERANDS], got[OPERANDS];
    const struct tensor *operands[OPERANDS], *moved_operands[OPERANDS];
    bool taken[OPERANDS] = {false};
    int results = n->body->noutputs;
    int64_t at;
    for (int i = 0; i < n->nin; i++) {
        struct type t = type_at(&n->in[i]->type, c->kernels.rows);
        in[i] = tensor_new(&t);
        moved[i] = tensor_new(&t);
        fill(c, &in[i], false);
        operands[i] = &in[i];
        moved_operands[i] = &moved[i];
    }
    for (int r = 0; r < results; r++) {
        struct type t = type_at(&n->body->outputs[r].node->type, c->kernels.rows);
        want[r] = tensor_new(&t);
        got[r] = tensor_new(&t);
        bool reduced = op_info[n->body->outputs[r].node->op].class == CLASS_REDUCE;
        for (int i = 0; i < n->nin; i++)
            if (!reduced && !taken[i] && type_equal(&moved[i].type, &t)) {
                taken[i] = true;
                tensor_free(&got[r]);
                got[r] = (struct tensor){t, moved[i].data};
                break;
            }
    }
    reference_node(n, operands, want, c->kernels.rows);
    for (int v = 0; v < 2 * isa_count(); v++) {
        if (!(c->kernels.isa = isa_get(v / 2)))
            continue;
        c->kernels.threads = v % 2 ? c->pools[c->turn++ % 3] : NULL;
        for (int i = 0; i < n->nin; i++)
            memcpy(moved[i].data, in[i].data, (size_t)tensor_bytes(&in[i]));
        cr_assert(kernel_run(n, moved_operands, got, &c->kernels));
        for (int r = 0; r < results; r++)
            if (!reference_same(&want[r], &got[r], &at))
                fail_at(n, &c->kernels, &got[r], at, "in place");
    }
    for (int r = 0; r < results; r++) {
        tensor_free(&want[r]);
        bool shared = false;
        for (int i = 0; i < n->nin; i++)
            shared |= got[r].data == moved[i].data;
        if (!shared)
            tensor_free(&got[r]);
    }
    for (int i = 0; i < n->nin; i++) {
        tensor_free(&in[i]);
        tensor_free(&moved[i]);
    }
}

Test(fused, drawn_bodies)
{
    struct check c;
    begin(&c);
    for (int i = 0; i < GROUPS; i++)
        check_node(&c, draw_group(&c, true), false);
    end(&c);
}

Test(fused, drawn_bodies_in_place)
{
    struct check c;
    begin(&c);
    for (int i = 0; i < GROUPS; i++)
        check_in_place(&c, draw_group(&c, i % 2));
    end(&c);
}
