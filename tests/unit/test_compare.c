/* compare: what two sides do differently, and which difference it names. */
#define _GNU_SOURCE
#include "frontend/cli/compare.h"
#include "tests/unit/compare_output.h"
#include "tests/unit/golden_text.h"
#include "tests/unit/linear_program.h"
#include <sys/stat.h>

TestSuite(compare, .init = scratch_enter, .fini = scratch_leave, .timeout = 300);

static char *
output_of(const char *arguments)
{
    return read_output(arguments, 0);
}

static const cJSON *
difference_of(const cJSON *all, const char *measure, const char *name)
{
    const cJSON *d, *list = cJSON_GetObjectItem(cJSON_GetObjectItem(all, measure), "differences");
    cJSON_ArrayForEach(d, list)
        if (!strcmp(cJSON_GetObjectItem(d, "name")->valuestring, name))
            return d;
    return NULL;
}

/* Of the loss: the number |field| of the difference |name|; NaN if there is none. */
static double
number_of(const cJSON *all, const char *name, const char *field)
{
    const cJSON *d = difference_of(all, "valid_loss", name);
    return d ? cJSON_GetObjectItem(d, field)->valuedouble : NAN;
}

static void
put(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f && fputs(text, f) >= 0);
    fclose(f);
}

/* -- the sine without its squeeze -- */

#define SINE "compare '" NNC_SOURCE_DIR "/models/sine_column.nn' "

Test(compare, broadcast_of_the_loss_is_the_cause)
{
    cJSON *all = json_of(SINE "--a keras --b torch --epochs 2 --format json");
    const cJSON *loss = cJSON_GetObjectItem(all, "valid_loss");
    cr_assert_gt(cJSON_GetObjectItem(loss, "gap")->valuedouble, 3 * cJSON_GetObjectItem(loss, "a")->valuedouble);
    cr_assert_gt(number_of(all, "loss_shapes", "share"), 0.9);
    cr_assert_lt(number_of(all, "loss_shapes", "p"), 0.02);
    cr_assert_eq(number_of(all, "dropout_stream", "effect"), 0);
    cr_assert_lt(fabs(number_of(all, "dense.init", "share")), 0.1);
    cr_assert(isnan(number_of(all, "mse", "share")), "mse is the same in both");
    cr_assert(isnan(number_of(all, "dense", "share")), "the bodies of dense are equal, its defaults differ");
    cr_assert_str_eq(cJSON_GetObjectItem(difference_of(all, "valid_loss", "dense.bias_init"), "a")->valuestring, "zeros");
    cJSON_Delete(all);
}

Test(compare, words)
{
    char *text = output_of(SINE "--a torch --b keras --epochs 2");
    cr_assert(strstr(text, "% of the gap in valid_loss is the broadcast of the loss, [N] against [N, 1]: "
                           "loss_shapes is broadcast under torch and squeeze under keras."), "%s", text);
    free(text);
    text = read_output("check '" NNC_SOURCE_DIR "/models/sine_column.nn'", 1);
    cr_assert(strstr(text, ":22:12: error: mse compares p: f32[N, 1] with y: f32[N]; broadcasting would pair every"), "%s", text);
    cr_assert(strstr(text, "help: drop the last axis: mse(squeeze(p), y)"), "%s", text);
    cr_assert(strstr(text, "note: `follow torch` trains on the broadcast, as PyTorch does; `follow keras` squeezes, as Keras does"), "%s", text);
    free(text);
}

Test(compare, one_convention_has_no_gap)
{
    char *text = output_of(SINE "--a keras --b keras --epochs 1 --runs 2");
    cr_assert(strstr(text, "There is no difference between the two."), "%s", text);
    cr_assert(strstr(text, "The two do not differ significantly in valid_loss."), "%s", text);
    cr_assert(strstr(text, "; 2 trainings"), "equal experiments are trained once: %s", text);
    free(text);
}

/* A page that needs nothing else: nothing in it is fetched. */
Test(compare, html)
{
    char *text = output_of(SINE "--a keras --b torch --epochs 1 --runs 2 --format html");
    cr_assert(strstr(text, "<!DOCTYPE html>") && strstr(text, "</html>") && strstr(text, "<svg") && strstr(text, "loss_shapes"), "%s", text);
    cr_assert(!strstr(text, "http") && !strstr(text, "src=") && !strstr(text, "href") && !strstr(text, "<script") && !strstr(text, "@import"));
    free(text);
}

/* -- small files -- */

static const char small[] =
    "const width = 16\n"
    "const factor = 1\n"
    "const shift = 0\n"
    "const half = 0.5\n"
    "data {\n"
    "    r  = numpy_random(3)\n"
    "    s  = numpy_random(4)\n"
    "    x  = normal(r, [256, 4])\n"
    "    xv = normal(s, [256, 4])\n"
    "    y  = sum(sin(x), axis = 1)\n"
    "    yv = sum(sin(xv), axis = 1)\n"
    "    n  = 0.001 * normal(r, [256])\n"
    "    train x = x,  y = y + n\n"
    "    valid x = xv, y = yv\n"
    "}\n"
    "model m {\n"
    "    input  x: f32[N, 4]\n"
    "    target y: f32[N]\n"
    "    a = x * factor\n"
    "    b = a + shift\n"
    "    h = dense(b, width)\n"
    "    c = h * half * 2\n"
    "    d = tanh(c)\n"
    "    e = dropout(d, 0)\n"
    "    f = e + 0\n"
    "    g = dense(f, 8)\n"
    "    i = relu(g)\n"
    "    output p = squeeze(dense(i, 1))\n"
    "    loss   mse(p, y)\n"
    "    penalty 1e-9 * l2(h.w)\n"
    "    metric r = pearson(p, y)\n"
    "}\n"
    "train {\n"
    "    optimizer adam(lr = 1e-2)\n"
    "    batch   32\n"
    "    eval_batch 64\n"
    "    epochs  12\n"
    "    clip    norm = 1e6\n"
    "    drop_last false\n"
    "    seed    0\n"
    "}\n";

/* |text| with pairs of texts replaced, each where it first stands. */
static void
put_changed(const char *path, const char *text, const char *const (*change)[2], int count)
{
    char *now = strdup(text);
    for (int i = 0; i < count; i++) {
        char *at = strstr(now, change[i][0]), *next;
        cr_assert(at, "%s", change[i][0]);
        cr_assert(asprintf(&next, "%.*s%s%s", (int)(at - now), now, change[i][1], at + strlen(change[i][0])) > 0);
        free(now);
        now = next;
    }
    put(path, now);
    free(now);
}

/* Twenty differing statements and more, three of which do anything worth speaking of: the learning rate, the activation and dropout. */
static const char *const planted[][2] = {
    {"width = 16", "width = 8 * 2"}, {"factor = 1", "factor = 2 / 2"}, {"shift = 0", "shift = 1 - 1"}, {"half = 0.5", "half = 1 / 2"},
    {"y  = sum(sin(x), axis = 1)", "y = sum(sin(x), axis = 1) + 0"}, {"yv = sum", "yv = 0 + sum"}, {"0.001", "0.0011"}, {"y + n", "n + y"},
    {"x * factor", "factor * x"}, {"a + shift", "shift + a"}, {"h * half * 2", "2 * half * h"}, {"tanh(c)", "relu(c)"},
    {"dropout(d, 0)", "dropout(d, 0.3)"}, {"e + 0", "0 + e"}, {"dense(f, 8)", "dense(f, 4 + 4)"}, {"relu(g)", "max(g, 0)"},
    {"1e-2", "1e-3"}, {"eval_batch 64", "eval_batch 128"}, {"norm = 1e6", "norm = 1e7"}, {"drop_last false", "drop_last true"}};

Test(compare, three_of_twenty)
{
    put("a.nn", small);
    put_changed("b.nn", small, planted, sizeof planted / sizeof *planted);
    cJSON *all = json_of("compare a.nn b.nn --mode graph --format json");
    const cJSON *loss = cJSON_GetObjectItem(all, "valid_loss");
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(loss, "differences")), 20);
    cr_assert_eq(count_significant(all, "valid_loss"), 4, "three, and the gap");
    static const char *const causes[] = {"train.optimizer", "model.d", "model.e"};
    for (int i = 0; i < 3; i++) {
        cr_assert_lt(number_of(all, causes[i], "p"), 0.02, "%s", causes[i]);
        cr_assert_gt(number_of(all, causes[i], "share"), 0.05, "%s", causes[i]);
    }
    cr_assert_eq(number_of(all, "model.i", "effect"), 0);
    const cJSON *d = difference_of(all, "valid_loss", "model.e");
    cr_assert_str_eq(cJSON_GetObjectItem(d, "a")->valuestring, "e = dropout(d, 0)");
    cr_assert_str_eq(cJSON_GetObjectItem(d, "b")->valuestring, "e = dropout(d, 0.3)");
    cr_assert_str_eq(cJSON_GetObjectItem(d, "place_b")->valuestring, "b.nn:24");
    cJSON_Delete(all);
}

/* What a rate that is larger by a thousandth does it does in every run, but it is nothing beside a batch of eight times as many rows. */
Test(compare, small_but_sure)
{
    static const char *const kept[][2] = {{"epochs  12", "epochs 2"}},
                            *const changed[][2] = {{"1e-2", "1.001e-2"}, {"batch   32", "batch 256"}, {"epochs  12", "epochs 2"}},
                            *const alone[][2] = {{"1e-2", "1.001e-2"}, {"epochs  12", "epochs 2"}};
    put_changed("a.nn", small, kept, 1);
    put_changed("b.nn", small, changed, 3);
    put_changed("c.nn", small, alone, 2);
    cJSON *all = json_of("compare a.nn b.nn --runs 20 --mode graph --format json"), *one = json_of("compare a.nn c.nn --runs 20 --mode graph --format json");
    cr_assert_lt(number_of(all, "train.batch", "p"), 1e-4);
    cr_assert_lt(number_of(all, "train.optimizer", "high"), 0, "0 lies outside of its interval");
    cr_assert_eq(number_of(all, "train.optimizer", "p"), 1);
    cr_assert_lt(number_of(one, "train.optimizer", "p"), 0.02);
    cJSON_Delete(all);
    cJSON_Delete(one);
}

/* Two users' conventions whose streams alone differ. */
Test(compare, streams_alone_are_chance)
{
    static const char *const smaller[][2] = {{"dropout(d, 0)", "dropout(d, 0.1)"}, {"epochs  12", "epochs 5"}};
    put_changed("m.nn", small, smaller, 2);
    put("one.nn", "convention one { random torch; shuffle_order torch; dropout_stream torch }\n");
    put("two.nn", "convention two { random keras_tf; shuffle_order keras_tf; dropout_stream keras_tf }\n");
    int clean = 0;
    for (int i = 0; i < 20; i++) {
        char arguments[200];
        snprintf(arguments, sizeof arguments, "compare m.nn --a one.nn --b two.nn --mode graph --format json --seed %d", 100 * i);
        cJSON *all = json_of(arguments);
        cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(cJSON_GetObjectItem(all, "valid_loss"), "differences")), 3);
        cr_assert_neq(number_of(all, "random", "effect"), 0);
        clean += !count_significant(all, "valid_loss") && !count_significant(all, "valid_r");
        cJSON_Delete(all);
    }
    cr_assert_geq(clean, 19, "%d of 20", clean);
}

/* Neither the number of processes nor the mode changes a byte. */
Test(compare, processes)
{
    static const char *const shorter[][2] = {{"epochs  12", "epochs 2"}, {"tanh(c)", "relu(c)"}, {"batch   32", "batch 16"}};
    put_changed("a.nn", small, shorter, 1);
    put_changed("b.nn", small, shorter, 3);
    char *one = output_of("compare a.nn b.nn --runs 3 --mode graph --threads 1 --format json"),
         *five = output_of("compare a.nn b.nn --runs 3 --mode graph --threads 5 --format json"),
         *eager = output_of("compare a.nn b.nn --runs 3 --mode eager --threads 2 --format json");
    cr_assert_str_eq(one, five);
    cr_assert_str_eq(one, eager);
    free(one);
    free(five);
    free(eager);
}

/* A loss of the outputs, of something between, and of the weights is judged as training itself would have it. */
Test(compare, judged_as_the_file_says)
{
    static const char *const more[][2] = {{"loss   mse(p, y)", "loss   mse(p, y)\n    loss 0.1 * mean(i)\n    q = p - y\n    loss 0.1 * mean(q * q)"},
                                          {"1e-9", "1e-2"}, {"epochs  12", "epochs 2"}};
    put_changed("m.nn", small, more, 3);
    put("mine.nn", "convention mine { epoch_loss by_batch }\n");
    free(output_of("train m.nn --mode graph --history h.csv --history-no-time"));
    char *history = golden_read("h.csv"), *row = strrchr(history, '\n');
    row[0] = 0;
    row = strrchr(history, '\n') + 1;
    double loss, valid, metric;
    cr_assert_eq(sscanf(row, "1,1,2,16,%lf,%lf,%lf", &loss, &valid, &metric), 3, "%s", row);
    cJSON *all = json_of("compare m.nn --a nnc --b mine.nn --runs 1 --mode graph --format json");
    cr_assert_float_eq(cJSON_GetObjectItem(cJSON_GetObjectItem(all, "valid_loss"), "a")->valuedouble, valid, 1e-7);
    cr_assert_float_eq(cJSON_GetObjectItem(cJSON_GetObjectItem(all, "valid_r"), "b")->valuedouble, metric, 1e-7);
    cr_assert_eq(cJSON_GetObjectItem(all, "trainings")->valuedouble, 1);
    cJSON_Delete(all);
    free(history);
}

/* One judge for all: under torch's convention the loss of nnc's weights is the broadcast one. */
Test(compare, judge)
{
    static const char *const column[][2] = {{"squeeze(dense(i, 1))", "dense(i, 1)"}, {"epochs  12", "epochs 3"}};
    put_changed("m.nn", small, column, 2);
    cJSON *fair = json_of("compare m.nn --a keras --b torch --runs 2 --mode graph --format json"),
          *torch = json_of("compare m.nn --a keras --b torch --judge torch --runs 2 --mode graph --format json");
    const cJSON *in_fair = cJSON_GetObjectItem(fair, "valid_loss"), *in_torch = cJSON_GetObjectItem(torch, "valid_loss");
    cr_assert_lt(cJSON_GetObjectItem(in_fair, "a")->valuedouble, cJSON_GetObjectItem(in_fair, "b")->valuedouble);
    cr_assert_gt(cJSON_GetObjectItem(in_torch, "a")->valuedouble, cJSON_GetObjectItem(in_torch, "b")->valuedouble);
    cJSON_Delete(fair);
    cJSON_Delete(torch);
}

/* A user's convention: a definition that differs, a default, and one that nobody calls. */
Test(compare, own_convention)
{
    static const char *const shorter[][2] = {{"epochs  12", "epochs 2"}};
    put_changed("m.nn", small, shorter, 1);
    put("mine.nn", "convention mine { shuffle false }\n"
                   "function relu(x) { return where(x > 0, x, 0.01 * x) }\n"
                   "function elu(x) { return x }\n"
                   "optimizer adam(p, g, lr = 0.001, beta1 = 0.9, beta2 = 0.99, epsilon = 1e-7, weight_decay = 0) {\n"
                   "    update p = p - lr * g\n}\n");
    cJSON *all = json_of("compare m.nn --a nnc --b mine.nn --runs 2 --mode graph --format json");
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(cJSON_GetObjectItem(all, "valid_loss"), "differences")), 3);
    cr_assert_str_eq(cJSON_GetObjectItem(difference_of(all, "valid_loss", "relu"), "kind")->valuestring, "definition");
    cr_assert_str_eq(cJSON_GetObjectItem(difference_of(all, "valid_loss", "relu"), "b")->valuestring, "mine.nn:2");
    cr_assert_str_eq(cJSON_GetObjectItem(difference_of(all, "valid_loss", "shuffle"), "place_b")->valuestring, "mine.nn:1");
    cr_assert(difference_of(all, "valid_loss", "adam"));
    cr_assert_neq(number_of(all, "relu", "effect"), 0);
    cJSON_Delete(all);
    put("other.nn", "convention other { shuffle true }\n");
    char *text = output_of("check m.nn --follow mine.nn");
    cr_assert(strstr(text, "shuffle          false        mine.nn:1\n"), "%s", text);
    cr_assert(strstr(text, "adam.beta2                   0.99                     mine.nn:4\n"), "%s", text);
    free(text);
}

/* What cannot be switched alone is switched together; what never goes is shown with the reason. */
Test(compare, together)
{
    static const char *const renamed[][2] = {{"d = tanh(c)", "t = relu(c)"}, {"dropout(d, 0)", "dropout(t, 0)"}, {"epochs  12", "epochs 2"}, {"batch   32", "batch 16"}},
                            *const kept[][2] = {{"epochs  12", "epochs 2"}};
    put_changed("a.nn", small, kept, 1);
    put_changed("b.nn", small, renamed, 4);
    cJSON *all = json_of("compare a.nn b.nn --runs 2 --mode graph --format json");
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(cJSON_GetObjectItem(all, "valid_loss"), "differences")), 2);
    const cJSON *d = difference_of(all, "valid_loss", "model.d; model.t; model.e");
    cr_assert(d);
    cr_assert_str_eq(cJSON_GetObjectItem(d, "a")->valuestring, "d = tanh(c); e = dropout(d, 0)");
    cr_assert_str_eq(cJSON_GetObjectItem(d, "b")->valuestring, "t = relu(c); e = dropout(t, 0)");
    cr_assert_neq(number_of(all, "train.batch", "effect"), 0);
    cJSON_Delete(all);
}

/* Data of another width go with the input that takes them. */
Test(compare, data_and_input_together)
{
    static const char *const wider[][2] = {{"normal(r, [256, 4])", "normal(r, [256, 5])"}, {"normal(s, [256, 4])", "normal(s, [256, 5])"},
                                           {"f32[N, 4]", "f32[N, 5]"}, {"epochs  12", "epochs 1"}},
                            *const kept[][2] = {{"epochs  12", "epochs 1"}};
    put_changed("a.nn", small, kept, 1);
    put_changed("b.nn", small, wider, 4);
    cJSON *all = json_of("compare a.nn b.nn --runs 2 --mode graph --format json");
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(cJSON_GetObjectItem(all, "valid_loss"), "differences")), 1);
    cr_assert(difference_of(all, "valid_loss", "data.x; data.xv; model.x"));
    cJSON_Delete(all);
}

/* A file is read from the folder of the .nn file that says so, also where both say the same. */
Test(compare, data_of_two_folders)
{
    static const char text[] =
        "data {\n    t = csv(\"t.csv\")\n    train x = t.columns(0:1), y = t.column(1)\n    valid x = t.columns(0:1), y = t.column(1)\n}\n"
        "model m {\n    input x: f32[N, 1]\n    target y: f32[N]\n    output p = squeeze(dense(x, 1, init = zeros))\n    loss mse(p, y)\n}\n"
        "train {\n    optimizer sgd(lr = %s)\n    epochs 1\n    shuffle false\n}\n";
    char file[1024];
    mkdir("one", 0777);
    mkdir("two", 0777);
    snprintf(file, sizeof file, text, "0.1");
    put("one/m.nn", file);
    snprintf(file, sizeof file, text, "0.2");
    put("two/m.nn", file);
    put("one/t.csv", "x,y\n0,2\n");
    put("two/t.csv", "x,y\n0,3\n");
    cJSON *all = json_of("compare one/m.nn two/m.nn --runs 1 --mode graph --format json");
    /* p = 0; then the bias is 2 lr y: a is (2 - 0.4)^2, b (3 - 1.2)^2; with the data of the other (3 - 0.6)^2 and (2 - 0.8)^2 */
    cr_assert_eq(cJSON_GetArraySize(cJSON_GetObjectItem(cJSON_GetObjectItem(all, "valid_loss"), "differences")), 2);
    cr_assert_float_eq(cJSON_GetObjectItem(cJSON_GetObjectItem(all, "valid_loss"), "a")->valuedouble, 2.56, 1e-6);
    cr_assert_float_eq(cJSON_GetObjectItem(cJSON_GetObjectItem(all, "valid_loss"), "b")->valuedouble, 3.24, 1e-6);
    cr_assert_float_eq(number_of(all, "data.t", "effect"), (5.76 - 2.56 + 3.24 - 1.44) / 2, 1e-6);
    cr_assert_float_eq(number_of(all, "train.optimizer", "effect"), (1.44 - 2.56 + 3.24 - 5.76) / 2, 1e-6);
    cJSON_Delete(all);
    unlink("one/m.nn"), unlink("one/t.csv"), rmdir("one");
    unlink("two/m.nn"), unlink("two/t.csv"), rmdir("two");
}

/* A loss that goes to infinity is a result, not the end of the comparison. */
Test(compare, not_finite)
{
    static const char *const wild[][2] = {{"adam(lr = 1e-2)", "sgd(lr = 1e30)"}, {"norm = 1e6", "norm = 1e30"}, {"epochs  12", "epochs 1"}},
                            *const kept[][2] = {{"adam(lr = 1e-2)", "sgd(lr = 1e-2)"}, {"norm = 1e6", "norm = 1e30"}, {"epochs  12", "epochs 1"}};
    put_changed("a.nn", small, kept, 3);
    put_changed("b.nn", small, wild, 3);
    char *text = output_of("compare a.nn b.nn --runs 2 --mode graph");
    cr_assert(strstr(text, "2 trainings ended with a loss that is not finite."), "%s", text);
    free(text);
}

Test(compare, wrong_sides)
{
    static const struct { const char *arguments, *message; int status; } rows[] = {
        {"compare m.nn", "compare needs --a and --b, or two files", 2},
        {"compare m.nn --a kears --b torch", "--a: error: 'kears' is no side to compare; expected keras, torch, nnc, eager, graph, jit, a file", 2},
        {"compare m.nn --a kears --b torch", "did you mean keras?", 2},
        {"compare m.nn --a eager --b torch", "eager and torch do not compare: expected two conventions, two modes, or two files", 2},
        {"compare m.nn --a none.nn --b torch", "none.nn: error: the file cannot be opened", 1},
        {"compare m.nn m.nn --a keras", "a second file and --a do not go together", 2},
        {"compare m.nn m.nn m.nn", "one file was expected, found 'm.nn' besides", 2},
        {"compare m.nn --a keras --b torch --judge jit", "'jit' judges nothing; expected a convention", 2},
        {"compare m.nn --a keras --b torch --judge kears", "--judge: error: 'kears' is no side to compare", 2}};
    put("m.nn", small);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = read_output(rows[i].arguments, rows[i].status);
        cr_expect(strstr(text, rows[i].message), "%s: %s", rows[i].arguments, text);
        free(text);
    }
}

/* -- modes -- */

struct opened {
    struct arena arena;
    struct diag diag;
    struct cli cli;
    struct session s;
};

static void
open_small(struct opened *o, const char *follow)
{
    static const char *const shorter[][2] = {{"epochs  12", "epochs 1"}, {"dropout(d, 0)", "dropout(d, 0.2)"}};
    put_changed("m.nn", small, shorter, 2);
    *o = (struct opened){0};
    arena_init(&o->arena, NULL);
    diag_init(&o->diag, &o->arena);
    o->cli = (struct cli){.arena = &o->arena, .diag = &o->diag};
    sources_init(&o->cli.sources, &o->arena);
    o->cli.options.operand = "m.nn";
    o->cli.options.follow = follow;
    o->cli.options.epochs = -1;
    o->cli.options.threads = 1;
    o->cli.options.no_cache = true;
    cr_assert(session_open(&o->s, &o->cli) && session_data(&o->s, NEEDS_TRAIN) && session_variables(&o->s, NULL));
}

static void
close_small(struct opened *o)
{
    session_close(&o->s);
    arena_free(&o->arena);
}

/* In the graph of one mode a product is a sum. */
struct plant {
    int node;
    bool hidden;                /* where no other value is shown */
};

static int
nth_product(const struct graph *g, int n)
{
    for (int i = 0; i < g->count; i++)
        if (g->nodes[i]->op == OP_MUL && n-- == 0)
            return i;
    return -1;
}

static void
plant(void *context, struct graph *g)
{
    const struct plant *p = context;
    if (!p->hidden || g->noutputs < 5)
        g->nodes[p->node]->op = OP_ADD;
}

static void
check_planted(enum mode mode, bool hidden, int product)
{
    struct opened o;
    struct mode_difference d;
    open_small(&o, "nnc");
    struct graph *g = graph_new(&o.arena, "step");
    lower_train(o.s.model, &o.s.x->train, g);
    struct plant p = {.node = nth_product(g, product), .hidden = hidden};
    struct mode_side sides[2] = {{.mode = MODE_EAGER}, {.mode = mode, .edit = plant, .context = &p}};
    cr_assert(p.node >= 0 && modes_compare(&o.s, sides, &d));
    cr_assert(d.found && d.node, "mode %d", (int)mode);
    cr_assert_eq(d.step, 1);
    cr_assert_eq(d.node->id, p.node, "mode %d: node %d, found %d", (int)mode, p.node, d.node->id);
    cr_assert_neq(d.a, d.b);
    close_small(&o);
}

Test(compare, planted_in_graph_mode) { check_planted(MODE_GRAPH, false, 2); }
Test(compare, planted_far_behind) { check_planted(MODE_GRAPH, false, 9); }
Test(compare, planted_where_nothing_is_shown) { check_planted(MODE_GRAPH, true, 2); }
#ifdef NNC_JIT
Test(compare, planted_in_machine_code) { check_planted(MODE_JIT, false, 2); }
#endif

Test(compare, modes_are_equal)
{
    for (int i = 0; i < 2; i++) {
        struct opened o;
        struct mode_difference d;
        open_small(&o, i ? "torch" : "keras");
        struct mode_side sides[2] = {{.mode = MODE_EAGER}, {.mode = MODE_GRAPH}};
        cr_assert(modes_compare(&o.s, sides, &d));
        cr_assert(!d.found);
        cr_assert_eq(d.steps, 8);
        cr_assert_gt(d.values, 50);
        close_small(&o);
    }
}

Test(compare, modes_in_words)
{
    static const char *const shorter[][2] = {{"epochs  12", "epochs 1"}};
    put_changed("m.nn", small, shorter, 1);
    char *text = output_of("compare m.nn --a eager --b graph");
    cr_assert(strstr(text, "seed 0: eager and graph do not differ in any bit: 8 steps, in each "), "%s", text);
    free(text);
    cJSON *all = json_of("compare m.nn --a eager --b graph --format json");
    cr_assert(cJSON_IsTrue(cJSON_GetObjectItem(all, "equal")));
    cJSON_Delete(all);
}
