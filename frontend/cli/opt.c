/* opt: the IR as text: read, passed through passes, printed or run. */
#include "frontend/cli/cli.h"
#include "frontend/cli/explain.h"
#include "passes/check.h"
#include "passes/explain.h"
#include "runtime/data/npy.h"
#include "runtime/exec.h"
#include "runtime/number_text.h"
#include <stdlib.h>
#include <string.h>

/* All of the standard input. */
static int
read_input(struct cli *cli)
{
    size_t length = 0, cap = 1 << 16;
    char *text = arena_alloc(cli->arena, cap);
    for (size_t got; (got = fread(text + length, 1, cap - length - 1, stdin)) > 0;) {
        length += got;
        if (length + 1 == cap) {
            if (cap > (size_t)64 << 20) {
                diag_subject(cli->diag, SOURCE_LARGE, "standard input");
                return 0;
            }
            char *more = arena_alloc(cli->arena, cap * 2);
            memcpy(more, text, length);
            text = more;
            cap *= 2;
        }
    }
    return source_add(&cli->sources, "standard input", text, length);
}

static bool
run_pass(struct cli *cli, struct graph *g, enum pass p)
{
    struct remarks remarks = {.pass = p};
    g->remarks = cli->options.explain ? &remarks : NULL;
    bool changed = pass_info[p].run(g, cli->diag);
    g->remarks = NULL;
    if (cli->options.explain)
        fprintf(stderr, "%s: %s\n", pass_info[p].name, changed ? "changed" : "nothing to do");
    for (int i = 0; i < remarks.count; i++)
        fprintf(stderr, "    %s\n", remarks.list[i].text);
    return !cli->diag->errors && graph_verify(g, cli->diag);
}

/* The passes that "a,b" names, but for those that --without names; "" names none. */
static bool
run_passes(struct cli *cli, struct graph *g, const char *list, uint32_t without)
{
    while (*list) {
        size_t length = strcspn(list, ",");
        const char *name = arena_text(cli->arena, list, length), *names[PASS_COUNT];
        enum pass p = pass_from_name(name);
        if (p == PASS_COUNT) {
            for (int i = 0; i < PASS_COUNT; i++)
                names[i] = pass_info[i].name;
            diag_subject(cli->diag, NO_PASS, "--passes", name);
            const char *near = nearest_name(name, names, PASS_COUNT);
            if (near)
                diag_report(cli->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
            return false;
        }
        if (!(without >> p & 1) && !run_pass(cli, g, p))
            return false;
        list += length + (list[length] == ',');
    }
    return true;
}

/* ---- --run ---- */

struct run {
    struct cli *cli;
    struct graph *g;
    struct tensor *arrays;      /* one an input; data is NULL where none is given */
    void **inputs;
    struct tensor *vars;
    int nvars;
    int64_t rows;
};

/* "NAME" of NAME=FILE; NULL after a message. */
static const char *
name_of(struct run *r, const char *option, const char *text, const char **out_path)
{
    const char *equal = strchr(text, '=');
    if (!equal || equal == text || !equal[1]) {
        diag_subject(r->cli->diag, NAME_FILE_FORM, option, text);
        return NULL;
    }
    *out_path = equal + 1;
    return arena_text(r->cli->arena, text, (size_t)(equal - text));
}

static int
find_input(const struct run *r, const char *name)
{
    for (int i = 0; i < r->g->ninputs; i++)
        if (!strcmp(r->g->inputs[i]->attr->name.name, name))
            return i;
    diag_subject(r->cli->diag, NO_SUCH_INPUT, "--run", name);
    return -1;
}

/* Values of another element type are converted as the data block's are; the rows are those of the first input that has N. */
static bool
take_array(struct run *r, int i, struct tensor *t)
{
    const struct node *n = r->g->inputs[i];
    struct data_binding b = {.name = n->attr->name.name, .place = n->place, .value = *t};
    char want[TYPE_TEXT], found[TYPE_TEXT];
    int64_t rows = r->rows;
    bool fits = t->type.rank == n->type.rank;
    for (int k = 0; fits && k < n->type.rank; k++) {
        int64_t dim = n->type.dim[k], got = t->type.dim[k];
        if (dim < 0 && rows <= 0 && got % -dim == 0)
            rows = got / -dim;
        fits = dim_at(dim, rows) == got;
    }
    if (!fits) {
        diag_subject(r->cli->diag, RUN_INPUT_TYPE, "--run", b.name, type_text(&n->type, ", ", want), type_text(&t->type, ", ", found));
        return false;
    }
    r->rows = rows;
    struct type type = type_at(&n->type, rows > 0 ? rows : 1);
    return data_convert(&b, &type, &r->arrays[i], r->cli->diag);
}

static bool
read_inputs(struct run *r)
{
    const struct texts *given = &r->cli->options.run;
    for (int i = 0; i < given->count; i++) {
        const char *path, *name = name_of(r, "--run", given->text[i], &path);
        int at = name ? find_input(r, name) : -1;
        struct tensor t;
        if (at < 0 || !npy_read(path, &t, r->cli->diag))
            return false;
        bool ok = take_array(r, at, &t);
        tensor_free(&t);
        if (!ok)
            return false;
    }
    for (int i = 0; i < r->g->ninputs; i++) {
        const struct node *n = r->g->inputs[i];
        if (!r->arrays[i].data && n->type.rank) {
            diag_subject(r->cli->diag, RUN_INPUT_MISSING, "nnc", n->attr->name.name, n->attr->name.name);
            return false;
        }
        if (!r->arrays[i].data) /* step, epoch, seed: 0 */
            r->arrays[i] = tensor_new(&n->type);
        r->inputs[i] = r->arrays[i].data;
    }
    return true;
}

/* Zeros, or those of --weights. */
static bool
make_variables(struct run *r, const struct module *m)
{
    r->nvars = m->nvars;
    r->vars = ARENA_ARRAY(r->cli->arena, struct tensor, m->nvars + 1);
    for (int i = 0; i < m->nvars; i++) {
        r->vars[i] = tensor_new(&m->vars[i].type);
        if (!r->vars[i].data) {
            diag_report(r->cli->diag, OUT_OF_MEMORY, (struct place){0});
            return false;
        }
    }
    struct model_info info = {.name = r->g->name, .nvars = m->nvars, .vars = m->vars, .values = r->vars};
    return !r->cli->options.weights || checkpoint_load(r->cli->options.weights, &info, CHECKPOINT_WEIGHTS, NULL, r->cli->diag);
}

static double
element(const struct tensor *t, int64_t i)
{
    switch ((enum elem)t->type.elem) {
    case ELEM_F32: return (double)((const float *)t->data)[i];
    case ELEM_F64: return ((const double *)t->data)[i];
    case ELEM_I32: return ((const int32_t *)t->data)[i];
    case ELEM_I64: return (double)((const int64_t *)t->data)[i];
    default: return ((const uint8_t *)t->data)[i];
    }
}

/* A row of the last axis a line. */
static void
print_output(const char *name, const struct tensor *t)
{
    char type[TYPE_TEXT], number[NUMBER_TEXT];
    int64_t count = tensor_count(t), row = t->type.rank ? t->type.dim[t->type.rank - 1] : 1;
    printf("%s: %s\n", name, type_text(&t->type, ", ", type));
    for (int64_t i = 0; i < count; i++) {
        if (t->type.elem == ELEM_I64)
            snprintf(number, sizeof number, "%lld", (long long)((const int64_t *)t->data)[i]);
        else
            number_text((enum elem)t->type.elem, element(t, i), number);
        printf("%s%s", number, (i + 1) % row ? " " : "\n");
    }
}

static const char *
output_name(const struct run *r, int i)
{
    const char *name = r->g->outputs[i].name;
    return name ? name : arena_printf(r->cli->arena, "%d", i);
}

/* To the files of --output; without any, all are printed. */
static bool
deliver(struct run *r, const struct tensor *outputs)
{
    const struct texts *files = &r->cli->options.output;
    for (int i = 0; !files->count && i < r->g->noutputs; i++)
        print_output(output_name(r, i), &outputs[i]);
    for (int k = 0; k < files->count; k++) {
        const char *path, *name = name_of(r, "--output", files->text[k], &path);
        int i = 0;
        while (name && i < r->g->noutputs && strcmp(output_name(r, i), name))
            i++;
        if (name && i == r->g->noutputs)
            diag_subject(r->cli->diag, NO_SUCH_OUTPUT, "--output", name);
        if (!name || i == r->g->noutputs || !npy_write(path, &outputs[i], r->cli->diag))
            return false;
    }
    return true;
}

static bool
run_planned(struct run *r, struct tensor *outputs)
{
    struct exec *e = exec_new(r->g, r->vars, chosen_gemm(r->cli), r->cli->diag);
    bool ok = e && exec_run(e, r->inputs, r->rows);
    for (int i = 0; ok && i < r->g->noutputs; i++) {
        struct tensor out = exec_output(e, i);
        outputs[i] = tensor_new(&out.type);
        if ((ok = outputs[i].data))
            memcpy(outputs[i].data, out.data, (size_t)tensor_bytes(&out));
    }
    if (e && !ok)
        diag_report(r->cli->diag, OUT_OF_MEMORY, (struct place){0});
    exec_free(e);
    return ok;
}

/* Whether --max-memory allows it. */
static bool
run_is_allowed(const struct run *r, const struct module *m)
{
    struct graph *g = r->g;
    bool planned = graph_is_planned(g);
    int64_t variables = 0;
    for (int i = 0; i < m->nvars; i++)
        variables += type_bytes(&m->vars[i].type, 1);
    if (!planned)
        g->max_rows = r->rows;
    const char *what = arena_printf(r->cli->arena, "a run of %s for %lld rows", g->name, (long long)r->rows);
    return memory_held(r->cli, "nnc opt", what, g, variables, planned ? g->arena_bytes : graph_interpret_bytes(g, r->rows));
}

/* A planned graph runs in the places that it has, for as many rows as it was planned for; another one node by node. */
static void
run_graph(struct cli *cli, struct module *m)
{
    struct graph *g = m->ngraphs ? m->graphs[m->ngraphs - 1] : NULL;
    struct run r = {.cli = cli, .g = g};
    if (!g) {
        diag_subject(cli->diag, RUN_NO_GRAPH, "--run");
        return;
    }
    r.arrays = ARENA_ARRAY(cli->arena, struct tensor, g->ninputs + 1);
    r.inputs = ARENA_ARRAY(cli->arena, void *, g->ninputs + 1);
    struct tensor *outputs = ARENA_ARRAY(cli->arena, struct tensor, g->noutputs + 1);
    bool planned = graph_is_planned(g), blas = chosen_gemm(cli) == GEMM_OPENBLAS;
    bool ok = graph_verify(g, cli->diag) && (!blas || program_load_blas(cli->diag)) && cpu_check(cli->diag) && read_inputs(&r);
    if (r.rows < 1)
        r.rows = 1;
    if (ok && planned && r.rows > g->max_rows) {
        diag_subject(cli->diag, RUN_ROWS, "--run", (long long)r.rows, (long long)g->max_rows);
        ok = false;
    }
    ok = ok && run_is_allowed(&r, m) && make_variables(&r, m);
    if (ok)
        ok = planned ? run_planned(&r, outputs) : graph_interpret(g, r.inputs, r.vars, r.rows, chosen_gemm(cli), outputs, cli->diag);
    if (ok)
        deliver(&r, outputs);
    for (int i = 0; i < g->noutputs; i++)
        tensor_free(&outputs[i]);
    for (int i = 0; i < g->ninputs; i++)
        tensor_free(&r.arrays[i]);
    for (int i = 0; i < r.nvars; i++)
        tensor_free(&r.vars[i]);
}

int
command_opt(struct cli *cli)
{
    const char *path = cli->options.operand;
    int file = path ? source_read(&cli->sources, path, cli->diag) : read_input(cli);
    if (!file)
        return (int)cli->diag->status;
    const struct source *s = &cli->sources.source[file - 1];
    struct module *m = module_read(cli->arena, s->text, s->length, file, cli->diag);
    uint32_t without;
    bool ok = m && chosen_without(cli, &without), run = cli->options.run.count > 0;
    for (int i = 0; ok && i < m->ngraphs; i++) {
        ok = run_passes(cli, m->graphs[i], cli->options.passes ? cli->options.passes : "", without);
        if (!ok || run)
            continue;
        if (i)
            putchar('\n');
        fputs(graph_text(m->graphs[i], cli->arena, cli->options.places), stdout);
    }
    if (ok && run)
        run_graph(cli, m);
    return (int)cli->diag->status;
}
