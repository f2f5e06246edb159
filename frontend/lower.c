/* lower: templates become the graphs that run. In eager mode each node runs as it is copied. */
#include "frontend/model.h"
#include "passes/pass.h"

struct node **
template_copy(struct graph *g, const struct graph *template, const bool *keep, struct node *const *inputs,
              struct node **vars,
              struct arena *scratch)
{
    struct node **map = ARENA_ARRAY(scratch, struct node *, template->count + 1);
    for (int i = 0; i < template->ninputs; i++) {
        const struct node *n = template->inputs[i];
        g->place = n->place;
        map[n->id] = inputs ? inputs[i] : graph_input(g, n->attr->name.name, &n->type);
    }
    struct node *in[64];
    for (int i = 0; i < template->count; i++) {
        const struct node *n = template->nodes[i];
        g->place = n->place;
        g->inner = n->inner;
        if (n->op == OP_INPUT || (keep && !keep[i]))
            continue;
        if (n->op == OP_VAR) {
            int var = n->attr->name.index;
            map[i] = vars[var] ? vars[var] : (vars[var] = graph_var(g, n->attr->name.name, var, &n->type));
        } else if (node_is_number(n)) {
            map[i] = elem_is_float(n->type.elem) ? graph_number(g, (enum elem)n->type.elem, n->attr->value.real)
                                                 : graph_whole(g, (enum elem)n->type.elem, n->attr->value.whole);
        } else {
            struct node **operands = n->nin <= 64 ? in : ARENA_ARRAY(scratch, struct node *, n->nin);
            for (int k = 0; k < n->nin; k++)
                operands[k] = map[n->in[k]->id];
            map[i] = graph_add(g, (enum op)n->op, n->nin, operands, n->attr, &n->type);
        }
    }
    return map;
}

static struct node **
new_vars(const struct model *m, struct graph *g)
{
    return ARENA_ARRAY(g->arena, struct node *, m->module->nvars + 1);
}

static void
copy_outputs(struct graph *g, const struct graph *template, struct node **map)
{
    for (int i = 0; i < template->noutputs; i++)
        graph_output(g, template->outputs[i].name, map[template->outputs[i].node->id]);
}

static void
lower_whole(const struct model *m, const struct graph *template, struct graph *g)
{
    copy_outputs(g, template, template_copy(g, template, NULL, NULL, new_vars(m, g), g->arena));
}

void
lower_forward(const struct model *m, struct graph *g)
{
    lower_whole(m, m->train, g);
}

void
lower_eval(const struct model *m, bool outputs_only, struct graph *g)
{
    if (!outputs_only) {
        lower_whole(m, m->eval, g);
        return;
    }
    const struct graph *t = m->eval;
    bool *keep = ARENA_ARRAY(g->arena, bool, t->count + 1);
    for (int i = 0; i < m->noutputs; i++)
        keep[t->outputs[i].node->id] = true;
    for (int i = t->count - 1; i >= 0; i--)
        for (int k = 0; keep[i] && k < t->nodes[i]->nin; k++)
            keep[t->nodes[i]->in[k]->id] = true;
    struct node **map = template_copy(g, t, keep, NULL, new_vars(m, g), g->arena);
    for (int i = 0; i < m->noutputs; i++)
        graph_output(g, t->outputs[i].name, map[t->outputs[i].node->id]);
}

void
lower_metrics(const struct model *m, struct graph *g)
{
    lower_whole(m, m->metrics, g);
}

/* The optimiser's states of variable |var| begin as its template says, from the initial weight |p|. */
static void
init_states(const struct optimizer_template *t, struct graph *g, struct node *p, struct node **out)
{
    struct node **map = template_copy(g, t->states, NULL, &p, NULL, g->arena);
    for (int i = 0; i < t->nstates; i++)
        out[i] = map[t->states->outputs[i].node->id];
}

void
lower_init(const struct model *m, struct graph *g)
{
    int n = m->module->nvars;
    struct node **values = ARENA_ARRAY(g->arena, struct node *, n + 1);
    struct node **map = template_copy(g, m->init, NULL, NULL, NULL, g->arena);
    for (int i = 0; i < m->nlayer_vars; i++)
        values[i] = map[m->init->outputs[i].node->id];
    for (int i = 0; i < m->nlayer_vars; i++)
        if (m->optimizers && m->optimizers[i])
            init_states(m->optimizers[i], g, values[i], values + m->first_state[i]);
    for (int i = 0; i < n; i++)
        graph_output(g, m->module->vars[i].name, values[i]);
}

/* A gradient, and where an optimiser or a norm may ask for them, the sums of squares and of absolute values of what it was summed from. */
struct gradient {
    struct node *sum, *squares, *sizes;
};

static bool
is_gathered(const struct node *n)
{
    return n->op == OP_SCATTER_ADD || (n->op == OP_ADD && is_gathered(n->in[0]) && is_gathered(n->in[1]));
}

/* Scatters |values| squared, or without their signs. */
static struct node *
apart(struct graph *g, struct node *n, bool squares)
{
    if (n->op == OP_ADD && is_gathered(n))
        return graph_add2(g, OP_ADD, apart(g, n->in[0], squares), apart(g, n->in[1], squares));
    bool gathered = n->op == OP_SCATTER_ADD;
    struct node *each = gathered ? n->in[1] : n, *in[] = {gathered ? n->in[0] : NULL, NULL};
    in[1] = squares ? graph_add2(g, OP_MUL, each, each) : graph_add1(g, OP_ABS, each);
    return gathered ? graph_add(g, OP_SCATTER_ADD, 2, in, NULL, &n->type) : in[1];
}

static bool
is_read(const struct graph *template, int input)
{
    const struct node *n = template->inputs[input];
    for (int i = 0; i < template->count; i++)
        for (int k = 0; k < template->nodes[i]->nin; k++)
            if (template->nodes[i]->in[k] == n)
                return true;
    return false;
}

/* Updates of one weight: p, g, step, epoch and the states go in, the new ones come out. */
static struct node *
update_weight(const struct model *m, struct graph *g, int var, const struct gradient *gradient, struct node *step,
              struct node *epoch, struct node **vars)
{
    const struct optimizer_template *t = m->optimizers[var];
    struct node **in = ARENA_ARRAY(g->arena, struct node *, IN_STATES + t->nstates);
    in[IN_P] = vars[var];
    in[IN_G] = gradient->sum;
    in[IN_STEP] = step;
    in[IN_EPOCH] = epoch;
    in[IN_SQUARES] = gradient->squares;
    in[IN_SIZES] = gradient->sizes;
    for (int i = 0; i < t->nstates; i++) {
        int k = m->first_state[var] + i;
        in[IN_STATES + i] = vars[k] = graph_var(g, m->module->vars[k].name, k, &m->module->vars[k].type);
    }
    struct node **map = template_copy(g, t->update, NULL, in, NULL, g->arena);
    for (int i = 0; i <= t->nstates; i++)
        graph_add2(g, OP_UPDATE, i ? in[IN_STATES - 1 + i] : in[IN_P], map[t->update->outputs[i].node->id]);
    return t->has_rate ? map[t->update->outputs[t->nstates + 1].node->id] : NULL;
}

/* -- clipping: values here, norms by the prelude's length_squared and clip_factor ------------------ */

static struct node *
clip_value(struct graph *g, struct node *x, double limit)
{
    enum elem e = (enum elem)x->type.elem;
    return graph_add2(g, OP_MAX, graph_add2(g, OP_MIN, x, graph_number(g, e, limit)), graph_number(g, e, -limit));
}

/* Where the convention keeps what a gradient was summed from apart, each for itself. */
static struct node *
clip_values(struct graph *g, struct node *n, double limit, bool each)
{
    if (!each || !is_gathered(n))
        return clip_value(g, n, limit);
    if (n->op == OP_ADD)
        return graph_add2(g, OP_ADD, clip_values(g, n->in[0], limit, true), clip_values(g, n->in[1], limit, true));
    return graph_add(g, OP_SCATTER_ADD, 2, (struct node *[]){n->in[0], clip_value(g, n->in[1], limit)}, NULL, &n->type);
}

static struct node *
apply(struct graph *g, const struct graph *template, struct node *const *in)
{
    return template_copy(g, template, NULL, in, NULL, g->arena)[template->outputs[0].node->id];
}

static struct node *
length_squared(struct graph *g, const struct optimizer_template *t, const struct gradient *gradient)
{
    return apply(g, t->length, (struct node *[]){[IN_LENGTH_G] = gradient->sum, [IN_LENGTH_SQUARES] = gradient->squares});
}

static void
clip_norm(struct graph *g, const struct graph *factor, struct node *squares, struct gradient *x)
{
    struct node *norm = graph_cast(g, graph_add1(g, OP_SQRT, squares), (enum elem)x->sum->type.elem);
    *x = (struct gradient){.sum = graph_add2(g, OP_MUL, x->sum, apply(g, factor, &norm))};
}

/* What the template of a weight reads of its gradient. */
static void
add_parts(struct graph *g, const struct optimizer_template *t, struct gradient *x)
{
    if (!x->sum)
        return;
    if (!x->squares && (is_read(t->update, IN_SQUARES) || (t->length && is_read(t->length, IN_LENGTH_SQUARES))))
        x->squares = apart(g, x->sum, true);
    if (!x->sizes && is_read(t->update, IN_SIZES))
        x->sizes = apart(g, x->sum, false);
}

/* The gradients of the variables |var|, clipped as |t| says; gradients[i].sum: NULL where there is none. */
static void
clip(const struct model *m, const struct train_settings *t, struct graph *g, int n, const int *var, struct gradient *gradients)
{
    struct node *total = NULL;
    for (int i = 0; t->clip_norm[CLIP_ALL] > 0 && i < n; i++)
        if (gradients[i].sum) {
            struct node *s = length_squared(g, m->optimizers[var[i]], &gradients[i]);
            total = total ? graph_add2(g, OP_ADD, total, graph_cast(g, s, (enum elem)total->type.elem)) : s;
        }
    for (int i = 0; i < n; i++) {
        struct gradient *x = &gradients[i];
        const struct optimizer_template *o = m->optimizers[var[i]];
        if (x->sum && total)
            clip_norm(g, o->factor[CLIP_ALL], total, x);
        add_parts(g, o, x);
        if (x->sum && t->clip_norm[CLIP_OWN] > 0)
            clip_norm(g, o->factor[CLIP_OWN], length_squared(g, o, x), x);
        if (x->sum && t->clip_value > 0)
            *x = (struct gradient){.sum = clip_values(g, x->sum, t->clip_value, is_read(o->length, IN_LENGTH_SQUARES))};
    }
}

struct node *const *
lower_train(const struct model *m, const struct train_settings *t, struct graph *g)
{
    struct node **of_var = new_vars(m, g), **vars = new_vars(m, g), **map = template_copy(g, m->train, NULL, NULL, vars, g->arena);
    const struct graph_output *loss = &m->train->outputs[0];
    int n = 0;
    int *var = ARENA_ARRAY(g->arena, int, m->nlayer_vars + 1);
    struct node **weights = ARENA_ARRAY(g->arena, struct node *, m->nlayer_vars + 1),
        **grads = ARENA_ARRAY(g->arena, struct node *, m->nlayer_vars + 1);
    struct gradient *gradients = ARENA_ARRAY(g->arena, struct gradient, m->nlayer_vars + 1);
    for (int i = 0; i < m->nlayer_vars; i++)
        if (m->optimizers && m->optimizers[i] && vars[i])
            var[n] = i, weights[n++] = vars[i];
    gradient(g, map[loss->node->id], n, weights, grads);
    g->place = m->optimizer_place;
    g->inner = (struct place){0};
    for (int i = 0; i < n; i++) {
        gradients[i].sum = of_var[var[i]] = grads[i];
        add_parts(g, m->optimizers[var[i]], &gradients[i]);
    }
    clip(m, t, g, n, var, gradients);
    struct node *rate = NULL, *step = g->inputs[m->ninputs], *epoch = g->inputs[m->ninputs + 1];
    for (int i = 0; i < n; i++) {
        add_parts(g, m->optimizers[var[i]], &gradients[i]);
        struct node *r = update_weight(m, g, var[i], &gradients[i], step, epoch, vars);
        rate = rate ? rate : r;
    }
    graph_output(g, loss->name, map[loss->node->id]);
    if (rate)
        graph_output(g, "lr", rate);
    return of_var;
}
