/* verify: whether a graph is what every pass and every mode relies on: order, types, attributes, updates, bodies; storage is
 * verify_storage.c's. The first fault ends the search. Nothing here repairs anything. */
#include "ir/verify.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool
verify_fault(const struct check *c, const struct node *n, const char *format, ...)
{
    char what[256], text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    const char *op = n && n->op < OP_COUNT ? op_info[n->op].text : "?";
    if (n)
        snprintf(text, sizeof text, "graph %s, node %d (%s): %s", c->g->name, n->id, op, what);
    else
        snprintf(text, sizeof text, "graph %s: %s", c->g->name, what);
    if (c->diag)
        diag_report(c->diag, INTERNAL, n ? n->place : (struct place){0}, text);
    return false;
}
#define FAULT verify_fault

/* ---- any node ---- */

static bool
in_list(const struct check *c, const struct node *n, int before)
{
    return n && n->id >= 0 && n->id < before && c->g->nodes[n->id] == n;
}

static bool
check_order(const struct check *c, const struct node *n, int at)
{
    if (n->op >= OP_COUNT || n->id != at)
        return FAULT(c, n, "stands at position %d", at);
    if (op_info[n->op].nin >= 0 && op_info[n->op].nin != n->nin)
        return FAULT(c, n, "%d operands instead of %d", n->nin, op_info[n->op].nin);
    for (int i = 0; i < n->nin; i++)
        if (!in_list(c, n->in[i], at))
            return FAULT(c, n, "operand %d is not defined before", i);
    return true;
}

static bool
check_type(const struct check *c, const struct node *n)
{
    if (n->type.elem >= ELEM_COUNT || n->type.rank > RANK_MAX)
        return FAULT(c, n, "has no type");
    const struct type **in = ARENA_ARRAY(c->g->arena, const struct type *, n->nin);
    for (int i = 0; i < n->nin; i++)
        in[i] = &n->in[i]->type;
    struct type type;
    if (!attr_fits(n->op, n->nin, in, n->attr))
        return FAULT(c, n, "an attribute is missing or out of range");
    if (!op_infer(n->op, n->nin, in, n->attr, &n->type, &type, n->place, NULL))
        return FAULT(c, n, "its operands do not fit");
    return type_equal(&type, &n->type) || FAULT(c, n, "has another type than its operands give");
}

/* ---- leaves, updates ---- */

static bool
check_input(const struct check *c, const struct node *n)
{
    int i = n->attr->name.index;
    return (i >= 0 && i < c->g->ninputs && c->g->inputs[i] == n) || FAULT(c, n, "is not input %d of its graph", i);
}

static bool
check_var(const struct check *c, const struct node *n)
{
    for (int i = 0; i < n->id; i++)
        if (c->g->nodes[i]->op == OP_VAR && c->g->nodes[i]->attr->name.index == n->attr->name.index)
            return FAULT(c, n, "its variable has node %d already", i);
    return n->attr->name.index >= 0 || FAULT(c, n, "has no variable");
}

static bool
check_const(const struct check *c, const struct node *n)
{
    if (type_has_rows(&n->type))
        return FAULT(c, n, "a constant cannot depend on the rows");
    return !n->type.rank || n->attr->value.data || FAULT(c, n, "has no data");
}

static bool
check_update(const struct check *c, const struct node *n)
{
    if (n->in[0]->op != OP_VAR)
        return FAULT(c, n, "operand 0 is no variable");
    if (c->updates[n->in[0]->id])
        return FAULT(c, n, "the variable has update %d already", c->updates[n->in[0]->id]->id);
    c->updates[n->in[0]->id] = (struct node *)n;
    return true;
}

/* ---- groups ---- */

static bool verify_graph(const struct graph *g, struct diag *diag, bool body);

static bool
check_fused(const struct check *c, const struct node *n)
{
    const struct graph *b = n->body;
    if (!b || b->ninputs != n->nin || b->noutputs < 1)
        return FAULT(c, n, "its body has another number of operands, or no result");
    if (n->nin + b->noutputs > FUSED_VALUES_MAX || b->count > FUSED_NODES_MAX)
        return FAULT(c, n, "is too large: %d operands and results, %d nodes", n->nin + b->noutputs, b->count);
    if (!verify_graph(b, c->diag, true))
        return false;
    for (int i = 0; i < n->nin; i++)
        if (!type_equal(&b->inputs[i]->type, &n->in[i]->type))
            return FAULT(c, n, "operand %d has another type in the body", i);
    if (!type_equal(&n->type, &b->outputs[0].node->type))
        return FAULT(c, n, "has another type than its first result");
    if (b->noutputs > 1)
        c->results[n->id] = ARENA_ARRAY(c->g->arena, struct node *, b->noutputs);
    return true;
}

static bool
check_result(const struct check *c, const struct node *n)
{
    const struct node *group = n->in[0];
    struct node **results = c->results[group->id];
    int i = n->attr->axis.axis;
    if (!results || i >= group->body->noutputs)
        return FAULT(c, n, "its operand has no result %d", i);
    if (results[i])
        return FAULT(c, n, "result %d is taken by node %d already", i, results[i]->id);
    results[i] = (struct node *)n;
    return type_equal(&n->type, &group->body->outputs[i].node->type) || FAULT(c, n, "has another type than its result");
}

/* ---- what a node and its op need ---- */

static bool
allowed_in_body(const struct node *n)
{
    switch ((enum op_class)op_info[n->op].class) {
    case CLASS_MAP:
    case CLASS_CAST: return true;
    case CLASS_LEAF: return n->op == OP_INPUT || n->op == OP_ROWS || node_is_number(n);
    case CLASS_MOVE: return n->op == OP_BROADCAST;
    case CLASS_REDUCE: return op_info[n->op].flags & OP_TAIL;
    default: return false;
    }
}

static bool
check_node(const struct check *c, const struct node *n, int at)
{
    static bool (*const check_op[OP_COUNT])(const struct check *, const struct node *) = {
        [OP_INPUT] = check_input,   [OP_VAR] = check_var,     [OP_CONST] = check_const,
        [OP_UPDATE] = check_update, [OP_FUSED] = check_fused, [OP_RESULT] = check_result,
    };
    if (!check_order(c, n, at) || !check_type(c, n))
        return false;
    if (c->body && !allowed_in_body(n))
        return FAULT(c, n, "does not belong in a body");
    return !check_op[n->op] || check_op[n->op](c, n);
}

/* A group with several results has no value of its own. */
static bool
check_group_uses(const struct check *c)
{
    for (int i = 0; i < c->g->count; i++)
        for (int k = 0; k < c->g->nodes[i]->nin; k++)
            if (c->results[c->g->nodes[i]->in[k]->id] && c->g->nodes[i]->op != OP_RESULT)
                return FAULT(c, c->g->nodes[i], "operand %d has several results", k);
    for (int i = 0; i < c->g->count; i++)
        for (int k = 0; c->results[i] && k < c->g->nodes[i]->body->noutputs; k++)
            if (!c->results[i][k])
                return FAULT(c, c->g->nodes[i], "result %d is taken by no node", k);
    for (int i = 0; i < c->g->noutputs; i++)
        if (c->results[c->g->outputs[i].node->id])
            return FAULT(c, c->g->outputs[i].node, "is an output, but has several results");
    return true;
}

static bool
check_signature(const struct check *c)
{
    for (int i = 0; i < c->g->ninputs; i++)
        if (!in_list(c, c->g->inputs[i], c->g->count) || c->g->inputs[i]->op != OP_INPUT)
            return FAULT(c, NULL, "input %d is no input node", i);
    for (int i = 0; i < c->g->noutputs; i++)
        if (!in_list(c, c->g->outputs[i].node, c->g->count))
            return FAULT(c, NULL, "output %d is not in the list", i);
    return true;
}

/* ---- bodies ---- */

/* Joins the shape of |t| to the domain. */
static bool
join_domain(struct type *domain, const struct type *t)
{
    if (t->rank > domain->rank) {
        int more = t->rank - domain->rank;
        memmove(domain->dim + more, domain->dim, sizeof domain->dim[0] * domain->rank);
        for (int i = 0; i < more; i++)
            domain->dim[i] = 1;
        domain->rank = t->rank;
    }
    for (int k = 1; k <= t->rank; k++) {
        int64_t *d = &domain->dim[domain->rank - k], dim = t->dim[t->rank - k];
        if (*d == 1)
            *d = dim;
        else if (dim != 1 && dim != *d)
            return false;
    }
    return true;
}

/* Reductions come last, over one domain and the same axes; what is not reduced and leaves the body has the domain's shape.
 * */
static bool
check_body(const struct check *c)
{
    const struct graph *g = c->g;
    struct type domain = {0};
    const struct node *tail = NULL;
    for (int i = 0; i < g->count; i++)
        if (op_info[g->nodes[i]->op].class != CLASS_REDUCE && !join_domain(&domain, &g->nodes[i]->type))
            return FAULT(c, g->nodes[i], "does not broadcast to the domain");
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        for (int k = 0; k < n->nin; k++)
            if (op_info[n->in[k]->op].class == CLASS_REDUCE)
                return FAULT(c, n, "uses a reduction of its body");
        if (op_info[n->op].class != CLASS_REDUCE)
            continue;
        if (!type_same_shape(&n->in[0]->type, &domain) || (tail && tail->attr->axes.axes != n->attr->axes.axes))
            return FAULT(c, n, "reduces something else than the others, or not the domain");
        tail = n;
    }
    for (int i = 0; i < g->noutputs; i++)
        if (op_info[g->outputs[i].node->op].class != CLASS_REDUCE && !type_same_shape(&g->outputs[i].node->type, &domain))
            return FAULT(c, g->outputs[i].node, "is a result without the domain's shape");
    return true;
}

static bool
is_planned(const struct graph *g)
{
    for (int i = 0; i < g->count; i++)
        if (g->nodes[i]->storage)
            return true;
    return false;
}

static bool
verify_graph(const struct graph *g, struct diag *diag, bool body)
{
    struct check c = {.g = g, .diag = diag, .body = body};
    c.updates = ARENA_ARRAY(g->arena, struct node *, g->count + 1);
    c.results = ARENA_ARRAY(g->arena, struct node **, g->count + 1);
    for (int i = 0; i < g->count; i++)
        if (!check_node(&c, g->nodes[i], i))
            return false;
    if (!check_signature(&c) || !check_group_uses(&c))
        return false;
    if (body)
        return check_body(&c);
    return !is_planned(g) || verify_storage(&c);
}

bool
graph_verify(const struct graph *g, struct diag *diag)
{
    return verify_graph(g, diag, false);
}
