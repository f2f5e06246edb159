/* compare_modes: one training in two modes side by side, down to the first bit in which they differ.
 *
 * The training loop runs a program whose step is a step of both modes. Each mode has two programs: the one that is really run, and one whose
 * graph shows the value of every node as an output, so that no value's memory is used again in the step. */
#include "frontend/cli/compare.h"
#include "frontend/cli/svg.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct side {
    struct mode_side mode;
    struct tensor *values;      /* its own variables: the session's, or copies */
    struct program run, show;   /* |show|: every value is an output */
    double loss;
};

struct lockstep {
    struct session *s;
    struct side side[2];
    struct tensor *before;      /* the variables before the step */
    struct tensor *shown;       /* those that a program that shows its values works on */
    const struct graph *lowered; /* of the step: what the values are of */
    int *nodes, count;          /* which of its nodes have values that are compared, in order */
    int first;                  /* output of the first of them: behind the loss and the learning rate */
    int only;                   /* show this one alone; -1: all */
    struct mode_side const *editing;
    struct mode_difference *out;
    sig_atomic_t stop;
};

/* -- which values there are -------------------------------------------------------------------------------------------------------- */

/* A value that the step computes. What is another name of a variable or an input holds the new value after the step. */
static bool
is_computed(const struct node *n)
{
    if (n->op == OP_UPDATE || n->op == OP_ROWS)
        return false;
    while (n->op == OP_STOP || n->op == OP_RESHAPE)
        n = n->in[0];
    return n->op != OP_VAR && n->op != OP_INPUT && n->op != OP_CONST;
}

static void
list_values(struct lockstep *l)
{
    struct graph *g = graph_new(l->s->arena, "step");
    lower_train(l->s->model, &l->s->x->train, g);
    l->lowered = g;
    l->first = g->noutputs;
    l->nodes = ARENA_ARRAY(l->s->arena, int, g->count + 1);
    for (int i = 0; i < g->count; i++)
        if (is_computed(g->nodes[i]))
            l->nodes[l->count++] = i;
}

/* For struct program_options: every value, or one, becomes an output. */
static void
show_values(void *context, struct graph *g, struct node *const *gradients)
{
    (void)gradients;
    struct lockstep *l = context;
    for (int i = 0; i < l->count; i++)
        if (l->only < 0 || l->only == i)
            graph_output(g, "value", g->nodes[l->nodes[i]]);
    if (l->editing->edit)
        l->editing->edit(l->editing->context, g);
}

static void
edit_alone(void *context, struct graph *g, struct node *const *gradients)
{
    (void)gradients;
    const struct mode_side *side = context;
    side->edit(side->context, g);
}

/* -- memory ------------------------------------------------------------------------------------------------------------------------ */

static bool
new_variables(struct lockstep *l, struct tensor **out)
{
    const struct model_info *m = &l->s->info;
    *out = ARENA_ARRAY(l->s->arena, struct tensor, m->nvars + 1);
    for (int i = 0; i < m->nvars; i++) {
        (*out)[i] = tensor_new(&m->vars[i].type);
        if (!(*out)[i].data) {
            diag_report(l->s->diag, OUT_OF_MEMORY, (struct place){0});
            return false;
        }
    }
    return true;
}

static void
free_variables(struct lockstep *l, struct tensor *values)
{
    for (int i = 0; values && i < l->s->info.nvars; i++)
        tensor_free(&values[i]);
}

static void
copy_variables(const struct lockstep *l, struct tensor *to, const struct tensor *from)
{
    for (int i = 0; i < l->s->info.nvars; i++)
        memcpy(to[i].data, from[i].data, (size_t)tensor_bytes(&from[i]));
}

/* -- comparing --------------------------------------------------------------------------------------------------------------------- */

static double
element_of(const struct tensor *t, int64_t i)
{
    switch (t->type.elem) {
    case ELEM_F32: return ((const float *)t->data)[i];
    case ELEM_F64: return ((const double *)t->data)[i];
    case ELEM_I32: return ((const int32_t *)t->data)[i];
    case ELEM_I64: return (double)((const int64_t *)t->data)[i];
    default: return ((const uint8_t *)t->data)[i];
    }
}

/* Whether all bits are equal; notes the first element that is not. */
static bool
same_bits(struct lockstep *l, const struct tensor *a, const struct tensor *b)
{
    size_t bytes = (size_t)tensor_bytes(a), size = elem_size((enum elem)a->type.elem);
    if (!a->data || !b->data || !memcmp(a->data, b->data, bytes))
        return true;
    int64_t i = 0;
    while (!memcmp((const char *)a->data + (size_t)i * size, (const char *)b->data + (size_t)i * size, size))
        i++;
    l->out->found = true;
    l->out->element = i;
    l->out->a = element_of(a, i);
    l->out->b = element_of(b, i);
    return false;
}

static bool
same_number(struct lockstep *l, const char *name, double a, double b)
{
    struct tensor in_a = {.type = type_scalar(ELEM_F64), .data = &a}, in_b = {.type = type_scalar(ELEM_F64), .data = &b};
    if (!same_bits(l, &in_a, &in_b))
        l->out->name = name;
    return !l->out->found;
}

/* All values that both show, in the order of the graph. */
static bool
same_values(struct lockstep *l, int64_t rows)
{
    for (int i = 0; i < l->count; i++) {
        struct tensor a = program_output(&l->side[0].show, l->first + i, rows), b = program_output(&l->side[1].show, l->first + i, rows);
        if (!same_bits(l, &a, &b)) {
            l->out->node = l->lowered->nodes[l->nodes[i]];
            return false;
        }
    }
    return true;
}

static bool
same_results(struct lockstep *l)
{
    if (!same_number(l, "loss", l->side[0].loss, l->side[1].loss))
        return false;
    for (int i = 0; i < l->s->info.nvars; i++)
        if (!same_bits(l, &l->side[0].values[i], &l->side[1].values[i])) {
            l->out->name = l->s->info.vars[i].name;
            return false;
        }
    return true;
}

/* -- programs ---------------------------------------------------------------------------------------------------------------------- */

static bool
new_program(struct lockstep *l, const struct mode_side *mode, bool shows, struct tensor *values, struct program *out)
{
    struct session *s = l->s;
    const struct train_settings *t = &s->x->train;
    struct program_options o;
    if (!session_program_options(s, &o))
        return false;
    o.mode = mode->mode;
    o.wait = true;              /* that mode and no other, from the first step on */
    o.no_cache |= shows || mode->edit;
    o.train_rows = t->batch < s->train.view.rows ? t->batch : s->train.view.rows;
    o.eval_rows = !shows && s->valid.exists ? t->eval_batch < s->valid.view.rows ? t->eval_batch : s->valid.view.rows : 0;
    o.lowered = shows ? show_values : mode->edit ? edit_alone : NULL;
    o.lowered_context = shows ? (void *)l : (void *)(uintptr_t)mode;
    l->editing = mode;
    return program_new(s->model, t, values, &o, s->arena, out, s->diag);
}

static bool
open_side(struct lockstep *l, int i)
{
    struct side *side = &l->side[i];
    if (i && !new_variables(l, &side->values))
        return false;
    if (!i)
        side->values = l->s->info.values;
    return new_program(l, &side->mode, false, side->values, &side->run) && new_program(l, &side->mode, true, l->shown, &side->show);
}

static void
close_program(struct program *p)
{
    if (p->destroy)
        p->destroy(p->self);
    *p = (struct program){0};
}

/* -- the step of both -------------------------------------------------------------------------------------------------------------- */

/* What is really run differs where what is shown does not: shows one value at a time, which leaves the rest as it is run. */
static bool
find_hidden(struct lockstep *l, void *const *inputs, int64_t rows, const struct step_numbers *numbers)
{
    double loss;
    for (int i = 0; i < l->count; i++)
        for (int k = 0; k < 2; k++) {
            struct program p = {0};
            if (l->side[k].mode.mode == MODE_EAGER)
                continue;
            l->only = i;
            bool ok = new_program(l, &l->side[k].mode, true, l->shown, &p);
            copy_variables(l, l->shown, l->before);
            ok = ok && p.train_step(p.self, inputs, rows, numbers, &loss);
            struct tensor known = ok ? program_output(&l->side[!k].show, l->first + i, rows) : (struct tensor){0};
            struct tensor value = ok ? program_output(&p, l->first, rows) : (struct tensor){0};
            bool same = !ok || same_bits(l, k ? &known : &value, k ? &value : &known);
            close_program(&p);
            l->only = -1;
            if (!ok)
                return false;
            if (!same) {
                l->out->node = l->lowered->nodes[l->nodes[i]];
                return true;
            }
        }
    return true;
}

static bool
run_side(struct lockstep *l, struct side *side, void *const *inputs, int64_t rows, const struct step_numbers *numbers)
{
    double shown_loss;
    copy_variables(l, l->shown, l->before);
    if (!side->show.train_step(side->show.self, inputs, rows, numbers, &shown_loss))
        return false;
    return side->run.train_step(side->run.self, inputs, rows, numbers, &side->loss);
}

static bool
step_both(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss)
{
    struct lockstep *l = self;
    if (!draws_step(&l->s->draws, rows))
        return false;
    copy_variables(l, l->before, l->side[0].values);
    if (l->s->draws.streams) /* the loop keeps their state in the session's variables alone */
        copy_variables(l, l->side[1].values, l->before);
    for (int k = 0; k < 2; k++)
        if (!run_side(l, &l->side[k], inputs, rows, numbers))
            return false;
    *out_loss = l->side[0].loss;
    l->out->steps++;
    bool same = same_values(l, rows);
    if (same && !same_results(l)) {
        struct mode_difference results = *l->out;
        if (!find_hidden(l, inputs, rows, numbers))
            return false;
        if (!l->out->node)
            *l->out = results;
    }
    if (l->out->found) {
        l->out->step = numbers->step + 1;
        l->out->epoch = numbers->epoch + 1;
        l->stop = SIGINT;
    }
    return true;
}

/* -- the whole of it --------------------------------------------------------------------------------------------------------------- */

/* Of the valid data by the final weights. */
static bool
evaluate_both(struct lockstep *l, const struct train_result *result)
{
    struct session *s = l->s;
    struct evaluation e[2] = {{0}};
    struct step_numbers numbers = {result->step, result->epoch, s->seed};
    int64_t batch = s->x->train.eval_batch < s->valid.view.rows ? s->x->train.eval_batch : s->valid.view.rows;
    bool ok = true;
    unsigned before = float_enter();
    for (int k = 0; k < 2 && ok; k++)
        ok = evaluate_set(&s->info, &l->side[k].run, &s->valid.view, batch, &numbers, EVALUATE_LOSS | EVALUATE_METRICS | EVALUATE_OUTPUTS, &e[k],
                          s->diag);
    float_leave(before);
    bool same = ok;
    for (int i = 0; same && i < e[0].nvalues; i++)
        if (!(same = same_bits(l, &e[0].values[i], &e[1].values[i])))
            l->out->name = s->info.outputs[i].name;
    same = same && same_number(l, "valid_loss", e[0].loss, e[1].loss);
    for (int i = 0; same && i < s->info.nmetrics; i++)
        same = same_number(l, s->info.metrics[i], e[0].metrics[i], e[1].metrics[i]);
    evaluation_free(&e[0]);
    evaluation_free(&e[1]);
    return ok;
}

static bool
train_both(struct lockstep *l)
{
    struct session *s = l->s;
    const struct train_settings *t = &s->x->train;
    struct train_callbacks none = {0};
    struct train_result result;
    struct program both = {.self = l, .train_step = step_both};
    struct train_options o = {.epochs = t->epochs, .batch = t->batch, .eval_batch = t->eval_batch, .shuffle = t->shuffle, .drop_last = t->drop_last,
                              .seed = s->seed, .streams = s->draws.streams, .streams_variable = s->info.nvars - 1, .stop = &l->stop};
    int status = train_run(&s->info, &both, &s->train.view, NULL, &o, &none, &result, s->diag);
    if (l->out->found)
        return true;
    return status == STATUS_OK && (!s->valid.exists || evaluate_both(l, &result));
}

bool
modes_compare(struct session *s, const struct mode_side sides[2], struct mode_difference *out)
{
    struct lockstep l = {.s = s, .side = {{.mode = sides[0]}, {.mode = sides[1]}}, .only = -1, .out = out};
    *out = (struct mode_difference){.variables = s->info.nvars};
    list_values(&l);
    out->values = l.count;
    bool ok = new_variables(&l, &l.before) && new_variables(&l, &l.shown) && open_side(&l, 0) && open_side(&l, 1);
    if (ok) {
        copy_variables(&l, l.side[1].values, l.side[0].values);
        ok = train_both(&l);
    }
    for (int k = 0; k < 2; k++) {
        close_program(&l.side[k].run);
        close_program(&l.side[k].show);
    }
    free_variables(&l, l.before);
    free_variables(&l, l.shown);
    free_variables(&l, l.side[1].values);
    return ok;
}

static void
tell(struct text *t, const struct comparison *c, const struct session *s, int64_t seed, const struct mode_difference *d)
{
    char type[TYPE_TEXT];
    text_printf(t, "seed %lld: %s and %s ", (long long)seed, c->name_a, c->name_b);
    if (!d->found) {
        text_printf(t, "do not differ in any bit: %lld steps, in each %d values and %d variables%s\n", (long long)d->steps, d->values, d->variables,
                    s->valid.exists ? ", and the evaluation" : "");
        return;
    }
    if (d->step)
        text_printf(t, "differ first in step %lld (epoch %lld), in ", (long long)d->step, (long long)d->epoch);
    else
        text_printf(t, "train to the same bits in %lld steps and differ in the evaluation, in ", (long long)d->steps);
    if (d->node)
        text_printf(t, "%%%d, %s : %s, %s:%d:%d", d->node->id, op_info[d->node->op].text, type_text(&d->node->type, ", ", type),
                    d->node->place.file ? s->cli->sources.source[d->node->place.file - 1].path : "", d->node->place.line, d->node->place.column);
    else
        text_printf(t, "%s", d->name);
    text_printf(t, ", element %lld: %.9g against %.9g\n", (long long)d->element, d->a, d->b);
}

static void
print_json(const struct comparison *c, const struct session *s, int64_t seed, const struct mode_difference *d, bool more)
{
    printf("{\"seed\": %lld, \"a\": \"%s\", \"b\": \"%s\", \"equal\": %s, \"steps\": %lld, \"values\": %d, \"variables\": %d", (long long)seed, c->name_a,
           c->name_b, d->found ? "false" : "true", (long long)d->steps, d->values, d->variables);
    if (d->found) {
        printf(", \"step\": %lld, \"epoch\": %lld, \"element\": %lld", (long long)d->step, (long long)d->epoch, (long long)d->element);
        printf(", \"name\": ");
        print_json_text(d->node ? op_info[d->node->op].text : d->name);
        if (d->node) {
            printf(", \"node\": %d, \"line\": %d, \"file\": ", d->node->id, d->node->place.line);
            print_json_text(d->node->place.file ? s->cli->sources.source[d->node->place.file - 1].path : "");
        }
    }
    printf("}%s", more ? ",\n " : "]\n");
}

int
compare_modes(struct cli *cli)
{
    const char *format = cli->options.compare_format;
    struct comparison c = {.cli = cli, .name_a = cli->options.side_a, .name_b = cli->options.side_b, .runs = cli->options.runs > 0 ? (int)cli->options.runs : 1};
    struct mode_side sides[2] = {{0}};
    struct session s = {0};
    struct text told = {0}, page = {0};
    bool json = format && !strcmp(format, "json"), html = format && !strcmp(format, "html");
    for (int k = 0; k < 2; k++) {
        cli->options.mode = k ? c.name_b : c.name_a;
        if (!chosen_mode(cli, &sides[k].mode))
            return (int)cli->diag->status;
    }
    bool ok = session_open(&s, cli) && session_trains(&s) && session_data(&s, NEEDS_TRAIN) && session_variables(&s, NULL);
    int64_t first = s.seed;
    for (int run = 0; ok && run < c.runs; run++) {
        struct mode_difference d;
        s.seed = first + run;
        ok = session_initialize(&s, NULL) && modes_compare(&s, sides, &d);
        if (ok && json) {
            printf(run ? "" : "[");
            print_json(&c, &s, s.seed, &d, run + 1 < c.runs);
        } else if (ok)
            tell(&told, &c, &s, s.seed, &d);
    }
    if (ok && html) {
        compare_page_begin(&page, &c);
        text_printf(&page, "<pre>");
        html_text(&page, told.data ? told.data : "");
        text_printf(&page, "</pre>\n");
        compare_page_end(&page, cli->diag);
    } else if (ok && told.data)
        fputs(told.data, stdout);
    free(told.data);
    session_close(&s);
    return (int)cli->diag->status;
}
