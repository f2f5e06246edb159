/* dump: a stage of the compilation, as text, JSON or a drawing. */
#include "frontend/cli/cli.h"
#include "frontend/cli/explain.h"
#include "frontend/cli/graph_view.h"
#include "passes/check.h"
#include <string.h>

/* The rows that plan is made for: the batch of the file. */
static struct graph *
lowered(const struct session *s, bool whole)
{
    struct graph *g = graph_new(s->arena, s->model->has_loss ? s->model->train->name : s->model->eval->name);
    if (!s->model->has_loss)
        lower_eval(s->model, false, g);
    else if (whole)
        lower_train(s->model, &s->x->train, g);
    else
        lower_forward(s->model, g);
    g->max_rows = s->x->train.batch;
    return g;
}

static bool
passes_to(const struct session *s, struct graph *g, enum pass last)
{
    uint32_t without;
    return chosen_without(s->cli, &without) && passes_run(g, without, last, false, s->diag);
}

static bool
print_code(const struct session *s, struct graph *g, bool assembly)
{
    struct codegen codegen;
    struct code_options options = chosen_code(s->cli);
    if (!passes_to(s, g, PASS_PLAN) || !codegen_load(&codegen, s->diag))
        return false;
    char *text = codegen.text(g, &options, assembly, s->arena, s->diag);
    if (text)
        fputs(text, stdout);
    codegen_unload(&codegen);
    return text != NULL;
}

static void
unknown_stage(const struct session *s, const char *stage)
{
    const char *names[6 + PASS_COUNT] = {"ast", "graph", "gradient", "optimized", "llvm", "asm"};
    int n = 6;
    for (int i = 0; i < PASS_COUNT; i++)
        names[n++] = pass_info[i].name;
    diag_subject(s->diag, NO_SUCH_STAGE, "--stage", stage);
    const char *near = nearest_name(stage, names, n);
    if (near)
        diag_report(s->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
}

static void
print_graph(const struct session *s, const struct graph *g)
{
    const char *format = s->cli->options.dump_format ? s->cli->options.dump_format : "text";
    bool planned = graph_is_planned(g);
    if (!strcmp(format, "json"))
        graph_json(stdout, g, s->arena);
    else if (!strcmp(format, "dot"))
        graph_dot(stdout, g, s->model, s->arena);
    else if (!strcmp(format, "svg") && planned)
        plan_svg(stdout, g, s->arena);
    else if (!strcmp(format, "svg"))
        graph_svg(g, s->model, s->arena, s->diag);
    else {
        fputs(graph_text(g, s->arena, s->cli->options.places), stdout);
        if (planned)
            plan_table(stdout, g, s->arena);
    }
}

static bool
has_format(const struct session *s, const char *stage)
{
    const char *format = s->cli->options.dump_format;
    if (!format || !strcmp(format, "text") || (strcmp(stage, "ast") && strcmp(stage, "llvm") && strcmp(stage, "asm")))
        return true;
    diag_subject(s->diag, STAGE_IS_TEXT, "--format", stage);
    return false;
}

static void
dump(const struct session *s, const char *stage)
{
    if (!has_format(s, stage))
        return;
    if (!strcmp(stage, "ast")) {
        ast_print(&s->x->tree, stdout, s->cli->options.places);
        return;
    }
    struct graph *g = lowered(s, strcmp(stage, "graph") != 0);
    enum pass pass = pass_from_name(stage);
    if (!strcmp(stage, "llvm") || !strcmp(stage, "asm")) {
        print_code(s, g, !strcmp(stage, "asm"));
        return;
    }
    if (!strcmp(stage, "optimized"))
        pass = PASS_PLAN - 1;
    else if (pass == PASS_COUNT && strcmp(stage, "graph") && strcmp(stage, "gradient")) {
        unknown_stage(s, stage);
        return;
    }
    if (pass != PASS_COUNT && !passes_to(s, g, pass))
        return;
    print_graph(s, g);
    if (s->cli->options.explain)
        explain_passes(s, g->max_rows);
}

int
command_dump(struct cli *cli)
{
    struct session s;
    if (session_open(&s, cli))
        dump(&s, cli->options.stage ? cli->options.stage : "graph");
    session_close(&s);
    return (int)cli->diag->status;
}
