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

/* Updates of one weight: p, g, step, epoch and the states go in, the new ones come out. */
static struct node *
update_weight(const struct model *m, struct graph *g, int var, struct node *gradient_node, struct node *step,
              struct node *epoch, struct node **vars)
{
    const struct optimizer_template *t = m->optimizers[var];
    struct node **in = ARENA_ARRAY(g->arena, struct node *, 4 + t->nstates);
    in[0] = vars[var];
    in[1] = gradient_node;
    in[2] = step;
    in[3] = epoch;
    for (int i = 0; i < t->nstates; i++) {
        int k = m->first_state[var] + i;
        in[4 + i] = vars[k] = graph_var(g, m->module->vars[k].name, k, &m->module->vars[k].type);
    }
    struct node **map = template_copy(g, t->update, NULL, in, NULL, g->arena);
    for (int i = 0; i <= t->nstates; i++)
        graph_add2(g, OP_UPDATE, i ? in[3 + i] : in[0], map[t->update->outputs[i].node->id]);
    return t->has_rate ? map[t->update->outputs[t->nstates + 1].node->id] : NULL;
}

/* -- clipping (conventions.md, section 2: Keras' clipnorm, global_clipnorm, clipvalue) ------------- */

static struct node *
clip_value(struct graph *g, struct node *x, double limit)
{
    enum elem e = (enum elem)x->type.elem;
    return graph_add2(g, OP_MAX, graph_add2(g, OP_MIN, x, graph_number(g, e, limit)), graph_number(g, e, -limit));
}

static struct node *
square_sum(struct graph *g, struct node *x)
{
    struct node *square = graph_add2(g, OP_MUL, x, x);
    return x->type.rank ? graph_reduce(g, OP_SUM, square, (1u << x->type.rank) - 1, false) : square;
}

/* x * limit / max(norm, limit) */
static struct node *
clip_norm(struct graph *g, struct node *x, struct node *squares, double limit)
{
    struct node *c = graph_number(g, (enum elem)x->type.elem, limit);
    struct node *norm = graph_cast(g, graph_add1(g, OP_SQRT, squares), (enum elem)x->type.elem);
    return graph_add2(g, OP_DIV, graph_add2(g, OP_MUL, x, c), graph_add2(g, OP_MAX, norm, c));
}

static void
clip(const struct train_settings *t, struct graph *g, int n, struct node **grads)
{
    struct node *total = NULL;
    for (int i = 0; t->clip_global_norm > 0 && i < n; i++)
        if (grads[i]) {
            struct node *s = square_sum(g, grads[i]);
            total = total ? graph_add2(g, OP_ADD, total, graph_cast(g, s, (enum elem)total->type.elem)) : s;
        }
    for (int i = 0; i < n; i++) {
        if (!grads[i])
            continue;
        if (total)
            grads[i] = clip_norm(g, grads[i], total, t->clip_global_norm);
        if (t->clip_norm > 0)
            grads[i] = clip_norm(g, grads[i], square_sum(g, grads[i]), t->clip_norm);
        if (t->clip_value > 0)
            grads[i] = clip_value(g, grads[i], t->clip_value);
    }
}

void
lower_train(const struct model *m, const struct train_settings *t, struct graph *g)
{
    struct node **vars = new_vars(m, g), **map = template_copy(g, m->train, NULL, NULL, vars, g->arena);
    const struct graph_output *loss = &m->train->outputs[0];
    int n = 0;
    int *var = ARENA_ARRAY(g->arena, int, m->nlayer_vars + 1);
    struct node **weights = ARENA_ARRAY(g->arena, struct node *, m->nlayer_vars + 1),
        **grads = ARENA_ARRAY(g->arena, struct node *, m->nlayer_vars + 1);
    for (int i = 0; i < m->nlayer_vars; i++)
        if (m->optimizers && m->optimizers[i] && vars[i])
            var[n] = i, weights[n++] = vars[i];
    gradient(g, map[loss->node->id], n, weights, grads);
    g->place = m->optimizer_place;
    g->inner = (struct place){0};
    clip(t, g, n, grads);
    struct node *rate = NULL, *step = g->inputs[m->ninputs], *epoch = g->inputs[m->ninputs + 1];
    for (int i = 0; i < n; i++) {
        struct node *r = update_weight(m, g, var[i], grads[i], step, epoch, vars);
        rate = rate ? rate : r;
    }
    graph_output(g, loss->name, map[loss->node->id]);
    if (rate)
        graph_output(g, "lr", rate);
}
