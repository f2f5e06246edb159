/* builtins_random: primitives that draw random numbers.
 *
 * Under nnc's own streams a draw is an operation of the graph, counter-based (numerics.md, item 9). Streams of a framework are sequential: there a draw
 * is an input of the template, which the program fills before the step. Either way each place that draws is a *site*, in the order in which
 * a user of the framework constructs the layers. */
#include "frontend/builtins.h"

/* The stream of a draw: a hash (FNV-1a) of its purpose, path and ordinal, so that an unrelated line changes none. */
static uint64_t
stream_number(struct checker *c)
{
    uint64_t h = 0xcbf29ce484222325;
    const char *purpose = c->purpose == FOR_INIT ? "init/" : "draw/";
    for (const char *p = purpose; *p; p++)
        h = (h ^ (unsigned char)*p) * 0x100000001b3;
    for (int i = 0; i < c->path_length; i++)
        h = (h ^ (unsigned char)c->path[i]) * 0x100000001b3;
    return (h ^ (uint64_t)c->draws++) * 0x100000001b3;
}

/* Records the site; its input in the template, or NULL if nnc's own stream gives the numbers. */
static struct node *
make_site(struct checker *c, const struct draw_site *site, struct place at)
{
    struct model *m = &c->x->model;
    bool weight = c->purpose == FOR_INIT;
    const char *convention = weight ? c->x->facts.random : c->x->facts.dropout_stream;
    if (!c->training)
        return NULL;
    struct draw_site *s = ARENA_PUSH(c->arena, m->sites, m->nsites, m->sites_cap);
    *s = *site;
    s->weight = weight;
    s->input = -1;
    if (!strcmp(convention, "nnc"))
        return NULL;
    c->graph->place = user_place(c, at);
    struct node *n = graph_input(c->graph, arena_printf(c->arena, "draw.%d", m->nsites - 1), &site->type);
    s->input = weight ? m->ninit_draws++ : m->nstep_draws++;
    return n;
}

static struct value
draw(const struct call *x, enum op op, struct draw_site *d)
{
    struct checker *c = x->c;
    struct type *type = &d->type;
    struct attr *attr = &(struct attr){0};
    if (!c->seed) {
        report(c, RANDOM_MISPLACED, x->at, x->b->name);
        return value_error();
    }
    d->stream = stream_number(c);
    attr->stream.stream = d->stream;
    attr->stream.from = d->a;
    attr->stream.to = d->b;
    struct node *site = make_site(c, d, x->at);
    if (site)
        return value_tensor(site);
    if (d->law == STREAM_KEEP) { /* kept where a uniform number is at least the rate */
        struct node *rate = graph_number(c->graph, (enum elem)c->frame->elem, d->a);
        attr->stream.from = 0;
        attr->stream.to = 1;
        type->elem = (uint8_t)c->frame->elem;
        struct node *in[2] = {c->seed, c->step ? c->step : graph_whole(c->graph, ELEM_I64, 0)};
        struct value u = call_node(x, OP_RANDOM_UNIFORM, 2, in, attr, type);
        struct node *le[2] = {rate, u.kind == VALUE_TENSOR ? u.node : NULL};
        return call_node(x, OP_LE, 2, le, NULL, NULL);
    }
    struct node *in[2] = {c->seed, c->step ? c->step : graph_whole(c->graph, ELEM_I64, 0)};
    return call_node(x, op, 2, in, attr, type);
}

struct value
builtin_random(const struct call *x)
{
    static const struct { enum op op; enum stream_law law; } laws[] = {
        {OP_RANDOM_UNIFORM, STREAM_UNIFORM}, {OP_RANDOM_NORMAL, STREAM_NORMAL}, {OP_RANDOM_TRUNCATED_NORMAL, STREAM_TRUNCATED}};
    struct draw_site d = {.law = STREAM_UNIFORM};
    enum elem e = x->c->frame ? x->c->frame->elem : ELEM_F32;
    if (!value_shape(x->c, &x->arg[0]->value, x->b->op == OP_RANDOM_BITS ? ELEM_I32 : e, true, &d.type, argument_place(x, 0)) ||
        !argument_real(x, 1, 0, &d.a) || !argument_real(x, 2, 1, &d.b))
        return value_error();
    for (int i = 0; i < 3; i++)
        if (laws[i].op == x->b->op)
            d.law = laws[i].law;
    double two[2] = {d.a - 2 * d.b, d.a + 2 * d.b};
    if (!argument_real(x, 3, two[0], &d.low) || !argument_real(x, 4, two[1], &d.high))
        return value_error();
    if ((d.low != two[0] || d.high != two[1]) && strcmp(x->c->x->facts.random, "torch")) {
        report(x->c, RANDOM_CUT, x->at, x->b->name);
        return value_error();
    }
    return draw(x, x->b->op, &d);
}

/* random_keep(shape, rate): true for what dropout keeps. */
struct value
builtin_keep(const struct call *x)
{
    struct draw_site d = {.law = STREAM_KEEP, .b = 1};
    if (!value_shape(x->c, &x->arg[0]->value, ELEM_BOOL, true, &d.type, argument_place(x, 0)) || !argument_real(x, 1, 0, &d.a))
        return value_error();
    return draw(x, OP_RANDOM_UNIFORM, &d);
}

/* -- what Keras' losses look for --------------------------------------------------------------------------------------------------- */

/* What went into the sigmoid or softmax whose result |p| is; NULL if it is none. */
static struct node *
logits(const struct node *p)
{
    if (p->op == OP_SIGMOID)
        return p->in[0];
    if (p->op != OP_DIV || p->in[0]->op != OP_EXP || p->in[1]->op != OP_SUM || p->in[1]->in[0] != p->in[0])
        return NULL;
    const struct node *sub = p->in[0]->in[0];
    return sub->op == OP_SUB && sub->in[1]->op == OP_STOP && sub->in[1]->in[0]->op == OP_MAX_OVER && sub->in[1]->in[0]->in[0] == sub->in[0] ? sub->in[0] : NULL;
}

/* The same seen through a squeeze, with |p|'s shape. */
struct value
builtin_logits_of(const struct call *x)
{
    struct node *p = argument_tensor(x, 0);
    if (!p)
        return value_error();
    struct node *z = logits(p->op == OP_RESHAPE ? p->in[0] : p);
    if (!z || type_same_shape(&z->type, &p->type))
        return value_tensor(z ? z : p);
    return call_node(x, OP_RESHAPE, 1, &z, NULL, &p->type);
}

struct value
builtin_has_logits(const struct call *x)
{
    struct node *p = argument_tensor(x, 0);
    if (!p)
        return value_error();
    struct experiment *e = x->c->x;
    bool has = e->facts.logits_shortcut && logits(p->op == OP_RESHAPE ? p->in[0] : p);
    if (x->c->training)
        *ARENA_PUSH(x->c->arena, e->shortcuts, e->nshortcuts, e->shortcuts_cap) = (struct shortcut){user_place(x->c, x->at), has};
    return value_number(number_of_bool(has));
}

/* The input |name| of an optimiser's template that stands beside the gradient |g|; NULL: g is no gradient, or has no such input. */
static struct node *
beside_gradient(const struct call *x, const struct node *g, const char *name)
{
    const struct graph *graph = x->c->graph;
    bool gradient = x->c->purpose == FOR_OPTIMIZER && g->op == OP_INPUT;
    for (int i = 0; gradient && i < graph->ninputs; i++)
        if (graph->inputs[i] == g && !strcmp(g->attr->name.name, "g"))
            for (int k = i + 1; k < graph->ninputs; k++)
                if (!strcmp(graph->inputs[k]->attr->name.name, name))
                    return graph->inputs[k];
    return NULL;
}

/* g * g; of the gradient of a table whose rows were gathered, the sum of the squares of the rows. */
struct value
builtin_squares(const struct call *x)
{
    struct node *g = argument_tensor(x, 0), *in[] = {g, g};
    struct node *given = g ? beside_gradient(x, g, "squares") : NULL;
    return !g ? value_error() : given ? value_tensor(given) : call_node(x, OP_MUL, 2, in, NULL, &g->type);
}

/* |g|; of the gradient of a table whose rows were gathered, the sum of the rows without their signs. */
struct value
builtin_sizes(const struct call *x)
{
    struct node *g = argument_tensor(x, 0);
    struct node *given = g ? beside_gradient(x, g, "sizes") : NULL;
    return !g ? value_error() : given ? value_tensor(given) : call_node(x, OP_ABS, 1, &g, NULL, &g->type);
}

/* How many numbers a tensor has: known, or a number of the running program. */
struct value
builtin_size_of(const struct call *x)
{
    struct node *n = argument_tensor(x, 0);
    struct value size = value_whole(1);
    for (int i = 0; n && i < n->type.rank; i++) {
        struct value d = value_dim(n->type.dim[i]);
        size = binary_values(x->c, '*', &size, &d, x->at);
    }
    return n ? size : value_error();
}
