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

/* What a convention says that is no function, each with the line that says it. */
static void
print_facts(const struct experiment *x)
{
    const char *name, *value, *slash = strrchr(x->follow, '/'), *file = slash ? slash + 1 : x->follow;
    const char *ending = strchr(file, '.') ? "" : ".nn";
    int line;
    printf("%-16s %-12s from\n", "convention", "");
    for (int i = 0; fact_row(&x->facts, i, &name, &value, &line); i++) {
        printf("%-16s %-12s ", name, value);
        if (line)
            printf("%s%s:%d\n", file, ending, line);
        else
            printf("nnc\n");
    }
    for (int i = 0; i < x->nshortcuts; i++)
        printf("line %d: the shortcut to the logits is %s\n", x->shortcuts[i].place.line,
               x->shortcuts[i].taken ? "taken: the loss takes what went into softmax or sigmoid" : "not taken: the loss takes the probabilities");
    printf("\n");
}

/* Whether the section train, or --set, has a statement of that word. */
static bool
train_says(const struct session *s, const char *word)
{
    const struct ast *block = s->x->train_block;
    for (int i = 0; block && i < block->nbody; i++)
        if (block->body[i]->kind == AST_WORD && !strcmp(block->body[i]->text, word))
            return true;
    size_t length = strlen(word);
    for (int i = 0; i < s->cli->options.set.count; i++) {
        const char *set = s->cli->options.set.text[i];
        if (!strncmp(set, "train.", 6) && !strncmp(set + 6, word, length) && set[6 + length] == '=')
            return true;
    }
    return false;
}

static void
print_default(const char *of, const char *name, const char *value, const char *from)
{
    char left[300];
    snprintf(left, sizeof left, "%s.%s", of, name);
    printf("%-28s %-24s %s\n", left, value, from);
}

/* What the file does not say, and who says it instead: parameters of what it calls, statements of train. */
static void
print_defaults(const struct session *s)
{
    const struct experiment *x = s->x;
    char whole[32];
    printf("%-28s %-24s from\n", "default", "");
    for (int i = 0; i < x->ndefaults; i++) {
        const struct default_taken *d = &x->defaults[i];
        print_default(d->definition->names[0].text, d->parameter->name, ast_text(d->parameter->value, s->arena),
                      arena_printf(s->arena, "%s:%d", x->sources->source[d->file - 1].path, d->parameter->place.line));
    }
    const char *name, *value;
    int line;
    for (int i = 0; x->train_block && fact_row(&x->facts, i, &name, &value, &line); i++)
        if (!strcmp(name, "shuffle") && !train_says(s, name))
            print_default("train", name, value, "the convention's shuffle");
        else if (!strcmp(name, "valid_batch") && !train_says(s, "eval_batch"))
            print_default("train", "eval_batch", value, "the convention's valid_batch");
    const struct { const char *name; long long value; bool given; } rows[] = {
        {"batch", x->train.batch, false}, {"epochs", x->train.epochs, s->cli->options.epochs >= 0}, {"seed", s->seed, s->cli->options.seed}};
    for (size_t i = 0; x->train_block && i < sizeof rows / sizeof *rows; i++)
        if (!rows[i].given && !train_says(s, rows[i].name)) {
            snprintf(whole, sizeof whole, "%lld", rows[i].value);
            print_default("train", rows[i].name, whole, "the language");
        }
    printf("\n");
}

/* What training will need, in batches of the file; whether that is allowed; what the passes do. */
static void
check_memory(const struct session *s)
{
    int64_t rows = s->x->train.batch, eval_rows = s->x->train.eval_batch < INT32_MAX ? s->x->train.eval_batch : rows; /* INT32_MAX: the whole set */
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
        if (strcmp(s.x->follow, "nnc") || cli->options.follow) {
            print_facts(s.x);
            print_defaults(&s);
        }
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
