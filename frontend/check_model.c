/* check_model: the model section. Its body is run twice, for training and for evaluation, into two templates. */
#include "frontend/check.h"
#include "passes/pass.h"

void
add_numbers(struct checker *c)
{
    struct type type = type_scalar(ELEM_I64);
    c->step = graph_input(c->graph, "step", &type);
    c->epoch = graph_input(c->graph, "epoch", &type);
    c->seed = graph_input(c->graph, "seed", &type);
}

const struct node *
model_input(const struct checker *c, const struct node *n)
{
    while (n->op != OP_INPUT) {
        bool moved = n->op == OP_RESHAPE || n->op == OP_TRANSPOSE || n->op == OP_BROADCAST || n->op == OP_STOP ||
            n->op == OP_FLIP;
        bool cast = n->op == OP_CAST && !elem_is_float((enum elem)n->type.elem) &&
            !elem_is_float((enum elem)n->in[0]->type.elem);
        if (!moved && !cast)
            return NULL;
        n = n->in[0];
    }
    if (c->purpose != FOR_METRIC || (n->id < c->model_graph->count && c->model_graph->nodes[n->id] == n))
        return n;
    for (int i = 0; i < c->nvalues; i++) /* a metric's inputs are values of the model */
        if (c->metric_inputs[i] == n)
            return c->values[i].node->op == OP_INPUT ? c->values[i].node : NULL;
    return NULL;
}

void
bound_index(struct checker *c, const struct node *index, int64_t dim, struct place at)
{
    struct model *m = &c->x->model;
    const struct node *n = c->purpose == FOR_MODEL || c->purpose == FOR_METRIC ? model_input(c, index) : NULL;
    for (int i = 0; n && i < m->ninputs; i++)
        if (m->inputs[i].name == n->attr->name.name && (!m->bound[i] || m->bound[i] > dim))
            m->bound[i] = dim;
}

/* Inputs are built while the body runs; step and epoch may be used before. So the three numbers come first and stand behind
 * the model's inputs afterwards, with what the streams of a convention draw behind them. */
static void
order_inputs(struct graph *g, int ninputs)
{
    struct node **order = ARENA_ARRAY(g->arena, struct node *, g->ninputs);
    int n = 0, draws = ninputs + 3;
    for (int i = 3; i < g->ninputs; i++)
        if (g->inputs[i]->type.rank && n < ninputs && strncmp(g->inputs[i]->attr->name.name, "draw.", 5))
            order[n++] = g->inputs[i];
        else
            order[draws++] = g->inputs[i];
    memcpy(order + n, g->inputs, 3 * sizeof *order);
    memcpy(g->inputs, order, sizeof *order * (size_t)g->ninputs);
    for (int i = 0; i < g->ninputs; i++) {
        struct attr attr = *g->inputs[i]->attr;
        attr.name.index = i;
        g->inputs[i]->attr = graph_attr(g, attr);
    }
}

static struct node *
total_loss(struct checker *c)
{
    struct node *sum = NULL;
    for (int i = 0; i < c->nlosses; i++) {
        struct node *in[2] = {sum, c->losses[i]};
        sum = sum ? build(c, OP_ADD, 2, in, NULL, NULL, c->losses[i]->place) : c->losses[i];
        if (!sum)
            return NULL;
    }
    return sum;
}

static void
run_pass(struct checker *c, const struct ast *section, const char *suffix, bool training)
{
    struct frame *f = ARENA_NEW(c->arena, struct frame);
    *f = (struct frame){.iteration = "", .elem = ELEM_F32};
    c->frame = f;
    c->training = training;
    c->graph = graph_new(c->arena, arena_printf(c->arena, "%s.%s", c->x->model.name, suffix));
    c->vars = NULL;
    c->vars_size = 0;
    c->nlosses = c->noutputs = c->nmetrics = c->nvalues = c->nsuspects = 0;
    c->imported = NULL;
    c->imported_size = 0;
    c->made = (struct name_map){0};
    c->updates = NULL;
    c->updates_size = 0;
    c->purpose = FOR_MODEL;
    path_restore(c, 0);
    add_numbers(c);
    run_block(c, section->child[0]);
    order_inputs(c->graph, c->x->model.ninputs);
}

/* What the metrics use besides the model's outputs is an output of the evaluation, too. */
static void
order_values(struct checker *c)
{
    struct model *m = &c->x->model;
    m->metric_value = ARENA_ARRAY(c->arena, int, c->nvalues + 1);
    for (int i = 0; i < c->nvalues; i++) {
        int k = 0;
        while (k < m->eval->noutputs && m->eval->outputs[k].node != c->values[i].node)
            k++;
        if (k == m->eval->noutputs)
            graph_output(m->eval, c->values[i].name, c->values[i].node);
        m->metric_value[i] = k;
    }
    m->nvalues = m->eval->noutputs;
}

/* What reaches a loss: the weights that training changes. */
static void
find_trained(struct checker *c, struct node *loss)
{
    struct model *m = &c->x->model;
    m->trained = ARENA_ARRAY(c->arena, uint8_t, m->nlayer_vars + 1);
    int n = 0;
    struct node **weights = ARENA_ARRAY(c->arena, struct node *, m->nlayer_vars + 1),
        **grads = ARENA_ARRAY(c->arena, struct node *, m->nlayer_vars + 1);
    int *index = ARENA_ARRAY(c->arena, int, m->nlayer_vars + 1);
    for (int i = 0; i < m->train->count; i++) {
        struct node *v = m->train->nodes[i];
        if (v->op == OP_VAR && m->module->vars[v->attr->name.index].kind == VARIABLE_WEIGHT)
            index[n] = v->attr->name.index, weights[n++] = v;
    }
    if (loss && n) {
        struct graph *scratch = graph_new(c->arena, "scratch");
        struct node **vars = ARENA_ARRAY(c->arena, struct node *, m->module->nvars + 1);
        struct node **map = template_copy(scratch, m->train, NULL, NULL, vars, c->arena);
        for (int i = 0; i < n; i++)
            weights[i] = map[weights[i]->id];
        gradient(scratch, map[loss->id], n, weights, grads);
        for (int i = 0; i < n; i++)
            m->trained[index[i]] = grads[i] != NULL;
    }
    for (int i = 0; loss && i < m->nlayer_vars; i++)
        if (m->module->vars[i].kind == VARIABLE_WEIGHT && !m->trained[i]) {
            diag_report(c->diag, NO_LOSS_REACHES, m->module->vars[i].place, m->module->vars[i].name);
        }
}

void
check_model(struct checker *c, const struct ast *section)
{
    struct model *m = &c->x->model;
    *m = (struct model){.name = section->nnames ? section->names[0].text : "model", .place = section->place};
    m->module = ARENA_NEW(c->arena, struct module);
    *m->module = (struct module){.arena = c->arena, .name = m->name};
    m->inputs = ARENA_ARRAY(c->arena, struct graph_output, INPUTS_MAX);
    m->is_target = ARENA_ARRAY(c->arena, bool, INPUTS_MAX);
    m->bound = ARENA_ARRAY(c->arena, int64_t, INPUTS_MAX);
    m->init = graph_new(c->arena, arena_printf(c->arena, "%s.init", m->name));
    struct type seed = type_scalar(ELEM_I64);
    graph_input(m->init, "seed", &seed);
    m->metrics = graph_new(c->arena, arena_printf(c->arena, "%s.metrics", m->name));

    run_pass(c, section, "train", true);
    struct node *loss = c->diag->errors ? NULL : total_loss(c);
    m->train = c->graph;
    if (c->diag->errors)
        return;
    m->has_loss = loss != NULL;
    if (loss)
        graph_output(m->train, "loss", loss);
    m->nlayer_vars = m->module->nvars;

    run_pass(c, section, "eval", false);
    if (c->diag->errors)
        return;
    struct node *eval_loss = total_loss(c);
    m->eval = c->graph;
    m->nlayer_vars = m->module->nvars;
    m->noutputs = c->noutputs;
    for (int i = 0; i < c->noutputs; i++)
        graph_output(m->eval, c->outputs[i].name, c->outputs[i].node);
    order_values(c);
    if (eval_loss)
        graph_output(m->eval, "loss", eval_loss);
    if (!c->nmetrics)
        m->metrics = NULL;
    for (int i = 0; i < c->nmetrics; i++)
        graph_output(m->metrics, c->metrics[i].name, c->metrics[i].node);
    find_trained(c, loss);
}
