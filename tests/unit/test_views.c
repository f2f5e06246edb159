/* What the program shows of graphs, passes and memory: dump, opt, check and the options that go with them, on a small model; whole texts lie in
 * tests/golden/views. */
#define _GNU_SOURCE
#include "frontend/cli/cli.h"
#include "frontend/cli/explain.h"
#include "runtime/data/npy.h"
#include "tests/unit/command_run.h"
#include <cjson/cJSON.h>

TestSuite(views, .init = scratch_enter, .fini = scratch_leave, .timeout = 120);

static void
put(void)
{
    put_model("m.nn", "relu(dense(x, 4))", "sgd(lr = 0.1)", "");
}

/* nnc's standard output and messages are what tests/golden/views/NAME.txt holds. */
static void
shows(const char *name, const char *line)
{
    char path[512], *text;
    cr_expect_eq(nnc(line), 0, "%s: %s", line, last.err);
    cr_assert(asprintf(&text, "nnc %s\n%s%s", line, last.out, last.err) > 0);
    snprintf(path, sizeof path, NNC_SOURCE_DIR "/tests/golden/views/%s.txt", name);
    golden_compare(path, text);
    free(text);
}

static int
count_of(const char *text, const char *what)
{
    int n = 0;
    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

/* ---- dump ---- */

Test(views, pictures)
{
    put();
    shows("graph_dot", "dump m.nn --stage optimized --format dot");
    cr_expect_eq(nnc("dump m.nn --stage optimized --format svg"), 0, "%s", last.err);
    cr_expect(strstr(last.out, "<svg") && strstr(last.out, "</svg>") && strstr(last.out, "update"), "%s", last.out);
    cr_expect_eq(count_of(last.out, "class=\"cluster\""), 6);
    shows("plan", "dump m.nn --stage plan");
    char *values = strstr(last.out, "\n# ");
    int lines = count_of(values, "\n# ") - 2; /* the sum, the head */
    cr_expect_eq(nnc("dump m.nn --stage plan --format svg"), 0, "%s", last.err);
    cr_expect_eq(count_of(last.out, "<rect"), lines + 1, "a rectangle a value, and the paper");
    cr_expect(strstr(last.out, "peak: ") && strstr(last.out, "</svg>"));
}

/* Each layer of a large graph is a box for each phase; graphviz draws them at once. */
Test(views, picture_of_a_large_graph)
{
    enum { LAYERS = 20 };
    char *text = NULL, *more;
    cr_assert(asprintf(&text, "model m {\n    input x: f32[N, 4]\n    target y: f32[N, 4]\n    h0 = x\n") > 0);
    for (int i = 1; i <= LAYERS; i++, free(text), text = more)
        cr_assert(asprintf(&more, "%s    h%d = relu(batch_norm(dense(h%d, 4)))\n", text, i, i - 1) > 0);
    cr_assert(asprintf(&more, "%s    loss mse(h%d, y)\n}\ntrain {\n    optimizer adam()\n    batch 8\n}\n", text, LAYERS) > 0);
    file_put("large.nn", more, strlen(more));
    free(text);
    free(more);
    cr_assert_eq(nnc("dump large.nn --stage gradient --format dot"), 0, "%s", last.err);
    cr_expect_eq(count_of(last.out, "subgraph"), 0);
    cr_expect_eq(count_of(last.out, "nodes: each line of the file is a box"), 1);
    cr_expect_eq(count_of(last.out, ", forward"), LAYERS + 1, "and the loss");
    cr_expect_eq(count_of(last.out, ", update"), 1);
    for (int i = 1; i <= LAYERS; i++) {
        char title[64];
        snprintf(title, sizeof title, "label=\"h%d: line %d, backward", i, i + 4);
        cr_expect_eq(count_of(last.out, title), 1, "%s", title);
    }
    cr_expect_eq(nnc("dump large.nn --stage gradient --format svg"), 0, "%s", last.err);
    cr_expect_eq(count_of(last.out, "class=\"cluster\""), 0);
}

Test(views, pictures_without_dot)
{
    put();
    setenv("PATH", "/nowhere", 1);
    refused("no_dot", 3, "dump m.nn --stage graph --format svg");
    cr_expect_eq(nnc("dump m.nn --stage plan --format svg"), 0, "the plan's picture needs no dot");
}

static void
check_nodes(const cJSON *nodes, const cJSON *outputs, const char **known, int count)
{
    const cJSON *node, *operand, *output;
    cr_assert(cJSON_GetArraySize(nodes) > 0);
    cJSON_ArrayForEach(node, nodes) {
        const char *value = cJSON_GetStringValue(cJSON_GetObjectItem(node, "value"));
        cr_assert(value && cJSON_GetStringValue(cJSON_GetObjectItem(node, "op")) && cJSON_GetStringValue(cJSON_GetObjectItem(node, "type")));
        cJSON_ArrayForEach(operand, cJSON_GetObjectItem(node, "operands")) {
            const char *name = cJSON_GetStringValue(operand);
            bool found = name[0] != '%';
            for (int i = 0; i < count; i++)
                found |= !strcmp(name, known[i]);
            cr_expect(found, "%s reads %s, which is not there yet", value, name);
        }
        cJSON *body = cJSON_GetObjectItem(node, "body");
        if (body) {
            const char *inside[256];
            check_nodes(cJSON_GetObjectItem(body, "nodes"), cJSON_GetObjectItem(body, "outputs"), inside, 0);
        }
        known[count++] = value;
    }
    cJSON_ArrayForEach(output, outputs)
        cr_expect(cJSON_GetStringValue(cJSON_GetObjectItem(output, "value")));
    cr_expect(cJSON_GetArraySize(outputs) > 0);
}

Test(views, json)
{
    static const char *const stages[] = {"graph", "gradient", "fold", "fuse", "optimized", "plan"};
    put();
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        char line[128];
        const char *known[512];
        snprintf(line, sizeof line, "dump m.nn --format json --stage %s", stages[i]);
        cr_assert_eq(nnc(line), 0, "%s", last.err);
        cJSON *j = cJSON_Parse(last.out);
        cr_assert(j, "%s is no JSON: %s", stages[i], last.out);
        check_nodes(cJSON_GetObjectItem(j, "nodes"), cJSON_GetObjectItem(j, "outputs"), known, 0);
        cr_expect_eq(cJSON_GetObjectItem(j, "arena_bytes") != NULL, i == 5);
        cJSON_Delete(j);
    }
}

Test(views, explain)
{
    put();
    shows("explain", "check m.nn --explain --mode graph");
}

/* ---- opt ---- */

static void
put_array(const char *path, int64_t rows, int64_t columns, const float *numbers)
{
    struct diag diag;
    struct arena arena;
    struct tensor t = {.type = {ELEM_F32, 2, {rows, columns}}, .data = (void *)numbers};
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    cr_assert(npy_write(path, &t, &diag));
    arena_free(&arena);
}

/* A dumped graph whose text was changed by hand runs: as it is, and planned. */
Test(views, edited_text_runs)
{
    static const char model[] = "model m {\n    input x: f32[N, 2]\n    output p = max(x, 0) * 3\n}\n";
    put_array("x.npy", 2, 2, (const float[]){1, -2, 0.5f, 4});
    file_put("m.nn", model, strlen(model));
    cr_assert_eq(nnc("dump m.nn --stage graph"), 0, "%s", last.err);
    char *text = last.out, *three = strstr(text, ", 3");
    cr_assert(three && strstr(text, "= max x"), "%s", text);
    three[2] = '5';
    memcpy(strstr(text, "= max x"), "= min x", 7);
    file_put("g.ir", text, strlen(text));
    cr_assert_eq(nnc("opt g.ir --run x=x.npy"), 0, "%s", last.err);
    cr_expect_str_eq(last.out, "p: f32[2, 2]\n0 -10\n0 0\n");
    cr_assert_eq(nnc("opt g.ir --passes fold,simplify,cse,dce,fuse,schedule,plan --run x=x.npy"), 0, "%s", last.err);
    cr_expect_str_eq(last.out, "p: f32[2, 2]\n0 -10\n0 0\n");
    cr_assert_eq(nnc("opt g.ir --run x=x.npy --output p=p.npy"), 0, "%s", last.err);
    cr_expect_str_eq(last.out, "");
    struct run from_input = {.in = "g.ir"};
    cr_assert_eq(nnc_in(&from_input, "opt --run x=x.npy"), 0, "%s", last.err);
    cr_expect_str_eq(last.out, "p: f32[2, 2]\n0 -10\n0 0\n");
}

Test(views, what_opt_refuses)
{
    static const char text[] = "graph g(x: f32[N,2]) {\n  %1 = exp x : f32[N,2]\n  return %1 \"p\"\n}\n";
    put_array("x.npy", 2, 2, (const float[]){1, -2, 0.5f, 4});
    put_array("y.npy", 2, 3, (const float[]){1, -2, 0.5f, 4, 5, 6});
    file_put("g.ir", text, strlen(text));
    refused("opt_pass", 2, "opt g.ir --passes fuze");
    refused("opt_input", 1, "opt g.ir --run z=x.npy");
    refused("opt_shape", 1, "opt g.ir --run x=y.npy");
    refused("opt_output", 1, "opt g.ir --run x=x.npy --output q=q.npy");
}

/* A graph that is not planned holds its values and copies of its outputs; a planned one its arena. A byte less is refused. */
Test(views, max_memory_of_opt)
{
    static const char plain[] = "graph g(x: f32[N,2]) {\n  %1 = exp x : f32[N,2]\n  return %1 \"p\"\n}\n";
    static const char planned[] = "graph g(x: f32[N,2]) rows=3 arena=128 live=128 {\n  var %w: f32[2] = \"w\"\n  %1 = exp x : f32[N,2] at arena+0\n"
                                  "  %2 = add %1, %w : f32[N,2] at arena+64\n  return %2 \"p\"\n}\n";
    put_array("x.npy", 2, 2, (const float[]){0, 0, 0, 0});
    file_put("g.ir", plain, strlen(plain));
    refused("opt_memory", 3, "opt g.ir --run x=x.npy --max-memory 31");
    cr_expect_eq(nnc("opt g.ir --run x=x.npy --max-memory 32"), 0, "%s", last.err);
    file_put("g.ir", planned, strlen(planned));
    cr_expect_eq(nnc("opt g.ir --run x=x.npy --max-memory 135"), 3, "%s", last.err);
    cr_expect_eq(nnc("opt g.ir --run x=x.npy --max-memory 136"), 0, "%s", last.err);
}

/* ---- leaving passes out, watching them ---- */

Test(views, without_in_all_commands)
{
    static const char *const lines[] = {"train m.nn", "eval m.nn --weights w.safetensors", "predict m.nn --weights w.safetensors --output p=p.npy",
                                        "check m.nn", "dump m.nn --stage plan", "opt g.ir", "bench m.nn --mode graph", "compare m.nn --a keras --b torch"};
    put();
    cr_assert_eq(nnc("train m.nn --save w.safetensors --history h.csv --history-no-time"), 0, "%s", last.err);
    cr_assert_eq(nnc("dump m.nn --stage gradient"), 0, "%s", last.err);
    file_put("g.ir", last.out, strlen(last.out));
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char line[256];
        snprintf(line, sizeof line, "%s --without fuze", lines[i]);
        cr_expect_neq(nnc(line), 0, "%s", line);
        cr_expect(strstr(last.err, "there is no pass 'fuze'") && strstr(last.err, "did you mean fuse?"), "%s: %s", line, last.err);
        snprintf(line, sizeof line, "%s --without fuse --without cse", lines[i]);
        cr_expect_eq(nnc(line), 0, "%s: %s", line, last.err);
    }
    cr_assert_eq(nnc("opt g.ir --passes dce,fuse,schedule"), 0, "%s", last.err);
    cr_expect(strstr(last.out, "fused("));
    cr_assert_eq(nnc("opt g.ir --passes dce,fuse,schedule --without fuse"), 0, "%s", last.err);
    cr_expect(!strstr(last.out, "fused("));
    cr_assert_eq(nnc("dump m.nn --stage plan --without fuse"), 0, "%s", last.err);
    cr_expect(!strstr(last.out, "fused("));
}

Test(views, check_passes)
{
    put();
    cr_assert_eq(nnc("train m.nn --check-passes --history h.csv --history-no-time --quiet"), 0, "%s", last.err);
    cr_expect_str_eq(last.err, "");
    char *checked = file_bytes("h.csv", NULL);
    cr_assert_eq(nnc("train m.nn --history h.csv --history-no-time --quiet"), 0, "%s", last.err);
    cr_expect_str_eq(file_bytes("h.csv", NULL), checked);
}

/* ---- memory ---- */

/* The program's memory after a step and an evaluation is the figure that was told before. */
static void
check_memory(const char *mode)
{
    struct arena arena;
    struct diag diag;
    struct cli cli = {.arena = &arena, .diag = &diag};
    struct session s;
    struct program p;
    struct memory_need need;
    const struct tensor *values[8];
    void *inputs[8];
    double loss;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    sources_init(&cli.sources, &arena);
    cli.options.operand = "m.nn";
    cli.options.mode = mode;
    cli.options.epochs = -1;
    cli.options.no_cache = true;
    unsigned before = float_enter();
    cr_assert(session_open(&s, &cli) && session_data(&s, NEEDS_TRAIN) && session_variables(&s, NULL), "%s", diag.first ? diag.first->message : "");
    cr_assert(memory_need(&s, 8, 7, &need));
    cr_assert(session_program(&s, 8, 7, false, &p), "%s", diag.first ? diag.first->message : "");
    for (int i = 0; i < 2; i++) {
        set_rows_at(&s.info, &s.train.view, 0, inputs);
        cr_assert(p.train_step(p.self, inputs, 8, &(struct step_numbers){.step = i}, &loss));
        cr_assert(p.eval_step(p.self, inputs, 7, &(struct step_numbers){0}, &loss, values));
        cr_expect_eq(program_memory(&p), need.values, "%s, step %d: %lld bytes, not %lld", mode, i, (long long)program_memory(&p), (long long)need.values);
    }
    p.destroy(p.self);
    session_close(&s);
    float_leave(before);
    arena_free(&arena);
}

Test(views, memory_is_what_was_told)
{
    put();
    check_memory("eager");
    check_memory("graph");
#ifdef NNC_JIT
    check_memory("jit");
#endif
}

/* What `nnc check` prints as the sum is allowed; a byte less is not. */
Test(views, max_memory)
{
    put();
    shows("memory", "check m.nn --mode graph");
    shows("memory_eager", "check m.nn --mode eager");
    refused("memory_graph", 3, "train m.nn --mode graph --max-memory 500");
    refused("memory_eager", 3, "train m.nn --mode eager --max-memory 500");
    refused("memory_form", 2, "train m.nn --max-memory 1Q");
    cr_assert_eq(nnc("train m.nn --mode graph --max-memory 1G --quiet"), 0, "%s", last.err);
    cr_assert_eq(nnc("check m.nn --mode graph"), 0);
    long long arena, variables = (3 * 4 + 4 + 4 + 1) * 4;
    char *line, *at = strstr(last.out, "  arena ");
    cr_assert(at && sscanf(strchr(at, '(') + 1, "%lld", &arena) == 1, "%s", last.out);
    for (int less = 0; less < 2; less++) {
        cr_assert(asprintf(&line, "train m.nn --mode graph --quiet --max-memory %lld", arena + variables - less) > 0);
        cr_expect_eq(nnc(line), less ? 3 : 0, "%s: %s", line, last.err);
        free(line);
    }
}
