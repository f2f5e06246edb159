/* memory: what a training will need, before anything runs. */
#include "frontend/cli/explain.h"
#include "passes/check.h"
#include "passes/live.h"
#include "passes/pass.h"
#include <stdlib.h>
#include <string.h>

/* Values of the peak that a refusal names. */
enum { NAMED = 8 };

const char *
bytes_text(int64_t bytes, struct arena *arena)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    double n = (double)bytes;
    int unit = 0;
    for (; n >= 1024 && unit < 4; unit++)
        n /= 1024;
    return unit ? arena_printf(arena, "%.2f %s", n, units[unit]) : arena_printf(arena, "%lld bytes", (long long)bytes);
}

static bool
planned_bytes(const struct session *s, struct graph *g, int64_t *out_bytes)
{
    uint32_t without;
    if (!chosen_without(s->cli, &without) || !passes_run(g, without, PASS_PLAN, false, s->diag))
        return false;
    *out_bytes += g->arena_bytes;
    return true;
}

/* In eager mode. 0: it is another's value. */
static int64_t
value_bytes(const struct graph *g, const struct node *n)
{
    int64_t bytes = type_bytes(&n->type, g->max_rows);
    bool other = n->op == OP_INPUT || n->op == OP_VAR || n->op == OP_RESHAPE || n->op == OP_STOP || n->op == OP_UPDATE;
    return other ? 0 : bytes > INT64_MAX / 4 ? INT64_MAX / 4 : eager_value_bytes(bytes);
}

/* The first step of eager mode keeps every value; it has the lives of the next ones from there. */
static int64_t
all_values(const struct graph *g)
{
    int64_t bytes = 0;
    for (int i = 0; i < g->count && bytes < INT64_MAX / 4; i++)
        bytes += value_bytes(g, g->nodes[i]);
    return bytes;
}

static void
add_variables(const struct session *s, struct memory_need *need)
{
    const struct module *m = s->model->module;
    for (int i = 0; i < m->nvars; i++) {
        int64_t bytes = type_bytes(&m->vars[i].type, 1);
        int64_t *to = m->vars[i].kind == VARIABLE_WEIGHT ? &need->weights : m->vars[i].kind == VARIABLE_OPTIMIZER ? &need->optimizer : &need->states;
        *to += bytes;
    }
}

bool
memory_need(const struct session *s, int64_t rows, int64_t eval_rows, struct memory_need *out)
{
    enum mode mode;
    *out = (struct memory_need){0};
    add_variables(s, out);
    if (!chosen_mode(s->cli, &mode))
        return false;
    struct graph *step = session_graph(s, rows), *eval = NULL;
    if (eval_rows && s->model->has_loss) {
        eval = graph_new(s->arena, s->model->eval->name);
        lower_eval(s->model, false, eval);
        eval->max_rows = eval_rows;
    }
    if (mode == MODE_EAGER) {
        int64_t other = eval ? all_values(eval) : 0; /* in the same memory */
        out->values = all_values(step);
        out->values = out->values > other ? out->values : other;
        out->step = step;
        return true;
    }
    out->step = step;
    return planned_bytes(s, step, &out->values) && (!eval || planned_bytes(s, eval, &out->values));
}

int64_t
memory_total(const struct memory_need *need)
{
    return need->weights + need->states + need->optimizer + need->values;
}

void
memory_print(const struct session *s, const struct memory_need *need, int64_t rows)
{
    const char *mode = graph_is_planned(need->step) ? "arena" : "all values of a step";
    printf("\nmemory, batches of %lld rows\n", (long long)rows);
    printf("  %-22s %12s\n", "weights", bytes_text(need->weights, s->arena));
    if (need->states)
        printf("  %-22s %12s\n", "states of layers", bytes_text(need->states, s->arena));
    if (need->optimizer)
        printf("  %-22s %12s\n", "states of optimizer", bytes_text(need->optimizer, s->arena));
    printf("  %-22s %12s  (%lld bytes)\n", mode, bytes_text(need->values, s->arena), (long long)need->values);
    printf("  %-22s %12s\n", "together", bytes_text(memory_total(need), s->arena));
}

/* ---- --max-memory ---- */

static bool
allowed_bytes(struct cli *cli, const char *text, int64_t *out)
{
    static const char units[] = "KMGT";
    char *end;
    double n = strtod(text, &end);
    const char *unit = *end ? strchr(units, *end) : NULL;
    for (int i = 0; unit && i <= unit - units; i++)
        n *= 1024;
    if (end == text || (*end && (!unit || end[1])) || !(n >= 1) || n > 9e18) {
        diag_subject(cli->diag, MEMORY_FORM, "--max-memory", text);
        return false;
    }
    *out = (int64_t)n;
    return true;
}

static int
larger_first(const void *a, const void *b)
{
    const struct live_value *x = a, *y = b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return (x->first > y->first) - (x->first < y->first);
}

static struct live_value *
peak_values(struct arena *arena, const struct graph *g, int *out_count)
{
    struct live l = live_values(g, arena);
    int peak = live_peak(g, &l, arena), count = 0;
    for (int i = 0; i < l.count; i++)
        if (l.values[i].first <= peak && peak <= l.values[i].last)
            l.values[count++] = l.values[i];
    *out_count = count;
    return l.values;
}

static struct live_value *
eager_values(struct arena *arena, const struct graph *g, int *out_count)
{
    struct live_value *values = ARENA_ARRAY(arena, struct live_value, g->count + 1);
    int count = 0;
    for (int i = 0; i < g->count; i++)
        if (value_bytes(g, g->nodes[i]))
            values[count++] = (struct live_value){.node = g->nodes[i], .bytes = type_bytes(&g->nodes[i]->type, g->max_rows), .first = i};
    *out_count = count;
    return values;
}

static void
name_peak(struct cli *cli, const struct graph *g)
{
    int count;
    struct live_value *values = graph_is_planned(g) ? peak_values(cli->arena, g, &count) : eager_values(cli->arena, g, &count);
    qsort(values, (size_t)count, sizeof *values, larger_first);
    for (int i = 0; i < count && i < NAMED; i++) {
        const struct node *n = values[i].node, *w = n->op == OP_RESULT ? n->in[0]->body->outputs[n->attr->axis.axis].node : n;
        char type[TYPE_TEXT];
        diag_report(cli->diag, NOTE_OF_PEAK, n->place, bytes_text(values[i].bytes, cli->arena), op_info[w->op].text, type_text(&n->type, ", ", type));
    }
}

bool
memory_held(struct cli *cli, const char *file, const char *what, const struct graph *g, int64_t variables, int64_t values)
{
    int64_t allowed, total = variables + values;
    if (!cli->options.max_memory)
        return true;
    if (!allowed_bytes(cli, cli->options.max_memory, &allowed))
        return false;
    if (total <= allowed)
        return true;
    diag_subject(cli->diag, OVER_MEMORY, file, what, bytes_text(total, cli->arena), bytes_text(allowed, cli->arena));
    diag_report(cli->diag, NOTE_OF_VARIABLES, (struct place){0}, bytes_text(variables, cli->arena));
    name_peak(cli, g);
    return false;
}

bool
memory_allowed(const struct session *s, int64_t rows, int64_t eval_rows)
{
    struct memory_need need;
    if (!s->cli->options.max_memory)
        return true;
    if (!memory_need(s, rows, eval_rows, &need))
        return false;
    const char *what = arena_printf(s->arena, "a training with batches of %lld rows", (long long)rows);
    return memory_held(s->cli, s->x->path, what, need.step, memory_total(&need) - need.values, need.values);
}
