/* check: the table of layers, the weights, what is trained. */
#include "frontend/cli/cli.h"
#include "frontend/cli/explain.h"
#include <string.h>

static void
print_number(int64_t n, char *out, size_t size)
{
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)n), at = 0;
    for (int i = 0; i < length && at + 2 < (int)size; i++) {
        if (i && (length - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = 0;
}

static int
width_of(const struct model *m)
{
    int width = 5;
    for (int i = 0; i < m->nlayers; i++) {
        int w = (int)strlen(m->layers[i].path) + 2 * m->layers[i].depth;
        width = w > width ? w : width;
    }
    for (int i = 0; i < m->module->nvars; i++) {
        int w = (int)strlen(m->module->vars[i].name);
        width = w > width ? w : width;
    }
    return width > 60 ? 60 : width;
}

static void
print_layers(const struct model *m, int width)
{
    char type[TYPE_TEXT], count[32];
    if (!m->nlayers)
        return;
    printf("%-*s  %-12s %-18s %12s\n", width, "layer", "kind", "result", "weights");
    for (int i = 0; i < m->nlayers; i++) {
        const struct layer_row *r = &m->layers[i];
        print_number(r->weights, count, sizeof count);
        printf("%*s%-*s  %-12s %-18s %12s\n", 2 * r->depth, "", width - 2 * r->depth, r->path, r->layer, type_text(&r->type, ", ", type), count);
    }
    printf("\n");
}

static void
print_variables(const struct model *m, int width)
{
    static const char *const kinds[] = {[VARIABLE_WEIGHT] = "weight", [VARIABLE_STATE] = "state", [VARIABLE_OPTIMIZER] = "optimizer",
                                        [VARIABLE_FITTED] = "fitted"};
    char type[TYPE_TEXT], count[32];
    for (int i = 0; i < m->module->nvars; i++) {
        const struct variable *v = &m->module->vars[i];
        print_number(type_count(&v->type, 1), count, sizeof count);
        printf("%-*s  %-12s %-18s %12s%s\n", width, v->name, kinds[v->kind], type_text(&v->type, ", ", type), count,
               v->kind == VARIABLE_WEIGHT && m->has_loss && !m->trained[i] ? "  not trained" : "");
    }
}

/* What a convention says that is no function, each with the file that says it. */
static void
print_facts(const struct experiment *x)
{
    const char *name, *value, *slash = strrchr(x->follow, '/'), *file = slash ? slash + 1 : x->follow;
    const char *ending = strchr(file, '.') ? "" : ".nn";
    printf("%-16s %-12s from\n", "convention", "");
    for (int i = 0; fact_row(&x->facts, i, &name, &value); i++)
        printf("%-16s %-12s %s%s\n", name, value, x->facts.said >> i & 1 ? file : "nnc", x->facts.said >> i & 1 ? ending : "");
    for (int i = 0; i < x->nshortcuts; i++)
        printf("line %d: the shortcut to the logits is %s\n", x->shortcuts[i].place.line,
               x->shortcuts[i].taken ? "taken: the loss takes what went into softmax or sigmoid" : "not taken: the loss takes the probabilities");
    printf("\n");
}

/* What training will need, in batches of the file; whether that is allowed; what the passes do. */
static void
check_memory(const struct session *s)
{
    int64_t rows = s->x->train.batch, eval_rows = s->x->train.eval_batch;
    struct memory_need need;
    if (!memory_need(s, rows, eval_rows, &need))
        return;
    memory_print(s, &need, rows);
    if (memory_allowed(s, rows, eval_rows) && s->cli->options.explain)
        explain_passes(s, rows);
}

int
command_check(struct cli *cli)
{
    struct session s;
    int status = STATUS_OK;
    if (!session_open(&s, cli))
        status = (int)cli->diag->status;
    else {
        const struct model *m = s.model;
        int64_t weights = 0;
        char type[TYPE_TEXT], count[32];
        printf("model %s, follow %s\n\n", m->name, s.x->follow);
        if (strcmp(s.x->follow, "nnc"))
            print_facts(s.x);
        int width = width_of(m);
        for (int i = 0; i < m->ninputs; i++)
            printf("%-*s  %-12s %s\n", width, m->inputs[i].name, m->is_target[i] ? "target" : "input", type_text(&m->inputs[i].node->type, ", ", type));
        for (int i = 0; i < m->noutputs; i++)
            printf("%-*s  %-12s %s\n", width, m->eval->outputs[i].name, "output", type_text(&m->eval->outputs[i].node->type, ", ", type));
        printf("\n");
        print_layers(m, width);
        print_variables(m, width);
        for (int i = 0; i < m->module->nvars; i++)
            if (m->module->vars[i].kind == VARIABLE_WEIGHT)
                weights += type_count(&m->module->vars[i].type, 1);
        print_number(weights, count, sizeof count);
        printf("\n%s numbers in weights\n", count);
        check_memory(&s);
        status = (int)s.diag->status;
    }
    session_close(&s);
    return status;
}
