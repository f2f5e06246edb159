/* builtins_data: inverse(x, y), which undoes what the data block fitted on y. */
#include "frontend/builtins.h"

/* A variable of ones or zeros, until the data or a checkpoint tell. */
static int
fitted_variable(struct checker *c, const char *input, const char *what, const struct type *type, double initial, struct place at)
{
    struct model *m = &c->x->model;
    int var = make_variable(c, arena_printf(c->arena, "nnc/fit/%s/%s", input, what), type, VARIABLE_FITTED, at);
    struct saved s = begin_graph(c, m->init, FOR_INIT);
    struct node *n = graph_number(c->graph, ELEM_F64, initial);
    if (type->rank)
        n = build(c, OP_BROADCAST, 1, &n, NULL, type, at);
    end_graph(c, &s);
    if (n)
        graph_output(m->init, m->module->vars[var].name, n);
    return var;
}

static struct inverse *
inverse_of(struct checker *c, int input, struct place at)
{
    struct model *m = &c->x->model;
    for (int i = 0; i < m->ninverses; i++)
        if (m->inverses[i].input == input)
            return &m->inverses[i];
    struct type row = m->inputs[input].node->type;
    memmove(row.dim, row.dim + 1, sizeof row.dim - sizeof *row.dim);
    row.dim[--row.rank] = 0;
    row.elem = ELEM_F64;
    struct inverse *v = ARENA_PUSH(c->arena, m->inverses, m->ninverses, m->inverses_cap);
    *v = (struct inverse){.input = input, .place = user_place(c, at)};
    v->middle = fitted_variable(c, m->inputs[input].name, "middle", &row, 0, at);
    v->spread = fitted_variable(c, m->inputs[input].name, "spread", &row, 1, at);
    return v;
}

static struct node *
cast(struct checker *c, struct node *n, enum elem elem, struct place at)
{
    struct type type = n->type;
    type.elem = (uint8_t)elem;
    return n->type.elem == elem ? n : build(c, OP_CAST, 1, &n, NULL, &type, at);
}

/* Computed in f64 and rounded once to x's element type. */
struct value
builtin_inverse(const struct call *x)
{
    struct checker *c = x->c;
    struct model *m = &c->x->model;
    const struct value *fitted = &x->arg[1]->value;
    bool placed = c->purpose == FOR_MODEL || c->purpose == FOR_METRIC;
    const struct node *source = placed && fitted->kind == VALUE_TENSOR ? model_input(c, fitted->node) : NULL;
    int input = 0;
    while (input < m->ninputs && (!source || m->inputs[input].name != source->attr->name.name))
        input++;
    if (input == m->ninputs) {
        report(c, INVERSE_INPUT, argument_place(x, 1), value_text(c, fitted));
        return value_error();
    }
    struct node *n = argument_tensor(x, 0);
    if (!n)
        return value_error();
    struct inverse *v = inverse_of(c, input, x->at);
    v->shown |= c->purpose == FOR_MODEL;
    enum elem elem = elem_is_float((enum elem)n->type.elem) ? (enum elem)n->type.elem : ELEM_F32;
    n = cast(c, n, ELEM_F64, x->at);
    struct node *product[2] = {n, variable_node(c, v->spread)};
    n = n ? build(c, OP_MUL, 2, product, NULL, NULL, x->at) : NULL;
    struct node *sum[2] = {n, variable_node(c, v->middle)};
    n = n ? build(c, OP_ADD, 2, sum, NULL, NULL, x->at) : NULL;
    n = n ? cast(c, n, elem, x->at) : NULL;
    return n ? value_tensor(n) : value_error();
}
