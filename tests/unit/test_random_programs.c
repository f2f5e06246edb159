/* Random programs: models of a dozen statements that draw on all primitives and on the prelude, f32 and f64, with a random
 * loss, optimiser, schedule and clipping. Each is checked and trained for two steps by the reference evaluator, node by
 * node, planned, and as machine code: losses, rates, weights, states and outputs are equal to the bit.
 *
 *     NNC_PROGRAMS=5000 NNC_SEED=7 tests/test_random_programs     so many programs, from that seed on
 *
 * A failure shows the program and names its seed. */
#include "frontend/cli/program.h"
#include "frontend/words.h"
#include "passes/pass.h"
#include "runtime/kernels.h"
#include "tests/reference/draw.h"
#include "tests/reference/reference.h"
#include "tests/unit/golden_text.h"
#include <math.h>

enum { PROGRAMS = 300, PARTS = 4, ROWS = 33, LAST_ROWS = 17, POOL_MAX = 32, STATEMENTS = 12 };

#ifdef NNC_JIT
static const enum mode modes[] = {MODE_EAGER, MODE_GRAPH, MODE_JIT};
#else
static const enum mode modes[] = {MODE_EAGER, MODE_GRAPH};
#endif
static const char *const mode_names[] = {"eager", "graph", "jit"};
enum { MODES = sizeof modes / sizeof *modes };

/* ---- writing a program ---- */

/* In a pattern, A B C are matrices [N, d] of one width d, D is the width, E the element type, K a number from 1 to 6, W the
 * width of the result where it is another one. */
struct pattern {
    const char *text;
    char width; /* '=' d, 'K' the number, '1' one, '+' d + 1, '2' 2 d, '3' 3 (d - 1), needs d > 1 */
};
static const struct pattern patterns[] = {
    {"A + B", '='}, {"A - B", '='}, {"A * B", '='}, {"A / (abs(B) + 1)", '='}, {"A // (abs(B) + 1)", '='},
        {"max(A, B)", '='}, {"min(A, B)", '='},
    {"fma(A, B, C)", '='}, {"-A", '='}, {"abs(A)", '='}, {"sign(A)", '='}, {"floor(A * 3)", '='}, {"round(A * 3)", '='},
        {"sqrt(abs(A) + 0.1)", '='},
    {"exp(min(A, 2))", '='}, {"expm1(min(A, 2))", '='}, {"log(abs(A) + 0.1)", '='}, {"log1p(abs(A))", '='},
        {"tanh(A)", '='}, {"sigmoid(A)", '='},
    {"erf(A)", '='}, {"sin(A)", '='}, {"cos(A)", '='}, {"A ^ 2", '='}, {"A ^ 3", '='}, {"tanh(A) ^ 5", '='},
        {"(abs(A) + 0.1) ^ 0.5", '='},
    {"(abs(A) + 0.5) ^ tanh(B)", '='}, {"A > B ? A : C", '='}, {"A > 0 and not (B <= C) or A == B ? 2 * A : B", '='},
        {"where(A != B, A, 0.5)", '='},
    {"E(A > B ? 1 : 0) * C", '='}, {"stop_gradient(A) * B", '='}, {"E(i32(A * 2)) + B", '='},
        {"E(f64(A) * 0.1) + E(f32(B))", '='},
    {"A * (step + 1)", '='}, {"A / (epoch + 2) + 0.25", '='}, {"A * 0.9 ^ (step + 1)", '='},
        {"training ? A : A * 0.5", '='}, {"A / N * 8", '='},
    {"A - mean(A, axis = 0)", '='}, {"A - sum(B, axis = 1, keep = true) / D", '='},
        {"A + max(B, axis = 1, keep = true)", '='},
    {"A + min(B, axis = 1, keep = true)", '='}, {"A - max_over(B, axis = 0)", '='},
        {"tanh(prod(A, axis = 1, keep = true)) + B", '='},
    {"A / (1 + variance(B))", '='}, {"A * E(one_hot(argmax(B, axis = 1), D))", '='},
        {"A - E(one_hot(argmin(B, axis = 1), D))", '='},
    {"sort(A)", '='}, {"sort(A, axis = 0)", '='}, {"A + E(argsort(B, axis = 1)) * 0.1", '='}, {"cumsum(A, axis = 1)", '='},
    {"cumsum(A, axis = 0) / N", '='}, {"flip(A, axis = 0)", '='}, {"flip(A, axis = 1) * B", '='},
        {"transpose(transpose(A) * 0.5)", '='},
    {"A @ (transpose(A) @ B) / N", '='}, {"reshape(reshape(A, [-1]), [N, D])", '='},
        {"gather(scatter_add(c, A, 5), c) * 0.1", '='},
    {"squares(A) - sizes(B)", '='},
    {"relu(A)", '='}, {"leaky_relu(A, 0.1)", '='}, {"elu(A)", '='}, {"selu(A)", '='}, {"gelu(A)", '='},
        {"gelu(A, approximate = true)", '='},
    {"silu(A)", '='}, {"softplus(A)", '='}, {"softmax(A)", '='}, {"log_softmax(A, axis = 1) * 0.5", '='},
        {"softmax(A, axis = 0)", '='},
    {"layer_norm(A)", '='}, {"batch_norm(A)", '='}, {"dropout(A, 0.3)", '='},
        {"training ? A + random_normal(shape_of(A)) * 0.1 : A", '='},
    {"A * (random_uniform([N, 1]) + 0.5)", '='}, {"A * weight([D], uniform(0.5, 1.5))", '='},
        {"A @ weight([D, D], orthogonal)", '='},
    {"dense(A, K)", 'K'}, {"dense(A, K, he_normal, constant(0.1))", 'K'}, {"dense(A, K, init = lecun_uniform)", 'K'},
        {"tanh(dense(A, K, truncated_normal))", 'K'},
    {"A @ weight([D, K], glorot_normal)", 'K'}, {"concat([A, B])", '2'}, {"concat([A, E(one_hot(c, 1))])", '+'},
        {"pad(A, [[0, 0], [1, 0]])", '+'},
    {"A[:, 0:1]", '1'}, {"reshape(A[:, -1], [N, 1])", '1'}, {"mean(A, axis = -1, keep = true)", '1'},
        {"slice(A, [0, 0], [N, 1])", '1'},
    {"gather(weight([5, K], normal(0, 0.5)), c)", 'K'}, {"mean(embedding(k, 9, K), axis = 1) + A[:, 0:1]", 'K'},
    {"reshape(conv(reshape(A, [N, D, 1]), weight([2, 1, 3], glorot_uniform)), [N, 3 * (D - 1)])", '3'},
    {"reshape(conv(reshape(A, [N, D, 1]), weight([2, 1, 1], uniform(-1, 1)), padding = \"same\"), [N, D])", '='},
    {"sum(reshape(A, [N, 1, D]) * reshape(B, [N, D, 1]), axis = 2)", '='},
        {"reshape(reshape(A, [N, D, 1]) @ reshape(B, [N, 1, D]), [N, -1])[:, 0:D]", '='},
    {"flatten(reshape(A, [N, 1, D]))", '='}, {"squeeze(reshape(A, [N, D, 1]), axis = 2)", '='}, {"A * l2(B) / N", '='},
        {"A + E(random_bits([N, 1])) * 1e-9", '='}, {"A * random_truncated_normal([D], 1, 0.1)", '='},
    {"A * E(tensor([0.5]))", '='}, {"A + stop_gradient(A @ qr(weight([D, D], glorot_normal)))", '='},
        {"A * E(bool(B) and B > 0 ? 1 : 0.5)", '='},
    {"A + E(i64(B))", '='}, {"A - E(u8(abs(B)))", '='}, {"A + E(i32(B) ^ 3 // 2)", '='},
        {"A + ones([N, D]) * zeros_like(B)", '='},
    {"matmul(A, transpose(B) @ B) / N", '='}, {"A - min_over(B, axis = 0)", '='}, {"rsqrt(abs(A) + 0.1)", '='}, {"A + zeros([N, D])", '='},
    {"clamp(A, -1, 1)", '='}, {"A * rank(B) / size_of(B)", '='}, {"mean(A, axis = axes_of(A)[1:], keep = true)", '1'},
    {"A / fan_in([D, K]) + fan_out([K, D])", '='}, {"dense(A, K, he_uniform, normal)", 'K'}, {"A @ weight([D, K], lecun_normal)", 'K'},
    {"A * E(count([D, K])) / 8", '='},
};

/* V is a vector [N], M a matrix of 5 columns. */
static const char *const losses[] = {
    "mse(V, y)", "mae(V, y)", "huber(V, y)", "huber(V, y, delta = 0.3)", "bce_with_logits(V, E(y > 0))",
        "bce(sigmoid(V), E(y > 0))",
    "softmax_cross_entropy(M, c)", "softmax_cross_entropy(M, E(one_hot(c, 5)))", "cross_entropy(softmax(M), c)",
        "cross_entropy(softmax(M), E(one_hot(c, 5)))",
    "kl_divergence(softmax(M), softmax(M * 2))", "mean((V - y) ^ 2)",
};
static const char *const metrics[] = {"pearson(V, y)", "r2(V, y)", "accuracy(M, c)", "top_k(M, c, 2)", "auc(V, y)",
                                      "f1(V, y)", "precision(V, y)",
                                      "recall(V, y)", "mean(abs(V))", "max(V)", "confusion(M, c)[1, 2]"};
static const char *const optimizers[] = {
    "sgd()", "sgd(lr = 0.1, momentum = 0.9)", "sgd(lr = 0.1, momentum = 0.9, nesterov = true, weight_decay = 0.01)",
        "sgd(lr = 0.1, momentum = 0.5, dampening = 0.2)",
    "adam()", "adam(lr = 0.01, amsgrad = true)", "adamw()", "adamax()", "nadam()", "rmsprop()",
        "rmsprop(momentum = 0.9, centered = true)", "adagrad()",
    "adagrad(lr = 0.1, lr_decay = 0.1)", "adadelta(lr = 1)", "adam(lr = cosine(0.01, steps = 3, warmup = 1))",
        "sgd(lr = exponential(0.1, rate = 0.5, steps = 2))",
    "adam(lr = staircase(0.1, rate = 0.5, steps = 1))", "sgd(lr = polynomial(0.1, steps = 5, power = 2))",
};
static const char *const clips[] = {"", "", "clip value = 0.01", "clip norm = 0.1", "clip global_norm = 0.1"};
#define PICK(d, list) (list)[draw_below((d), (int)(sizeof(list) / sizeof *(list)))]

struct value {
    char name[8];
    int width;
};
struct writer {
    struct draw d;
    FILE *out;
    const char *elem;
    struct value pool[POOL_MAX];
    int count;
};

static const struct value *
pick(struct writer *w, int width)
{
    const struct value *v;
    do
        v = &w->pool[draw_below(&w->d, w->count)];
    while (width && v->width != width);
    return v;
}

/* |text| with its letters replaced; |k| is K. A letter counts where no other letter stands beside it. */
static void
write_pattern(struct writer *w, const char *text, const struct value *a, int k)
{
    for (const char *p = text; *p; p++) {
        bool word = (p > text && strchr("abcdefghijklmnopqrstuvwxyz_", p[-1])) ||
            (p[1] && strchr("abcdefghijklmnopqrstuvwxyz_", p[1]));
        if (word || !strchr("ABCDEK", *p))
            putc(*p, w->out);
        else if (*p == 'D')
            fprintf(w->out, "%d", a->width);
        else if (*p == 'K')
            fprintf(w->out, "%d", k);
        else
            fputs(*p == 'E' ? w->elem : *p == 'A' ? a->name : pick(w, a->width)->name, w->out);
    }
}

static void
write_statement(struct writer *w, int i)
{
    const struct pattern *p;
    const struct value *a;
    do {
        p = &PICK(&w->d, patterns);
        a = pick(w, 0);
    } while ((p->width == '3' && a->width < 2) || (p->width == '2' && a->width > 12) ||
             (a->width == 1 && strstr(p->text, "softmax")));
    int k = 1 + draw_below(&w->d, 6), d = a->width;
    struct value v = {.width = p->width == 'K' ? k : p->width == '1' ? 1 : p->width == '+' ? d + 1 : p->width == '2' ? 2 * d
                      : p->width == '3' ? 3 * (d - 1) : d};
    snprintf(v.name, sizeof v.name, "h%d", i);
    fprintf(w->out, "    %s = ", v.name);
    write_pattern(w, p->text, a, k);
    fprintf(w->out, "\n");
    w->pool[w->count++] = v;
}

/* V and M of a loss or metric are made of values of the pool. */
static void
write_judgement(struct writer *w, const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p == 'V')
            fprintf(w->out, "mean(%s, axis = 1)", pick(w, 0)->name);
        else if (*p == 'M')
            fputs("m", w->out);
        else if (*p == 'E' && p[1] == '(')
            fputs(w->elem, w->out);
        else
            putc(*p, w->out);
}

static char *
write_program(uint64_t seed)
{
    char *text = NULL;
    size_t length;
    struct writer w = {.d = {seed}, .out = open_memstream(&text, &length)};
    w.elem = draw_below(&w.d, 4) ? "f32" : "f64";
    int width = 1 + draw_below(&w.d, 6);
    fprintf(w.out, "model m {\n    input x: %s[N, %d]\n    input k: i32[N, 3]\n    target y: %s[N]\n    target c: i32[N]\n",
            w.elem, width, w.elem);
    w.pool[w.count++] = (struct value){"x", width};
    for (int i = 0; i < STATEMENTS; i++)
        write_statement(&w, i);
    fprintf(w.out, "    m = dense(%s, 5)\n    output p = %s\n    output q = dense(%s, 2)\n", w.pool[w.count - 1].name,
            pick(&w, 0)->name, pick(&w, 0)->name);
    for (int i = 1 + draw_below(&w.d, 2); i > 0; i--) {
        fprintf(w.out, "    loss ");
        write_judgement(&w, PICK(&w.d, losses));
        fprintf(w.out, "\n");
    }
    fprintf(w.out, "    loss mse(mean(m, axis = 1), y)\n    penalty 1e-3 * %s(m.w)\n", draw_below(&w.d, 2) ? "l1" : "l2");
    for (int i = draw_below(&w.d, 3); i > 0; i--) {
        fprintf(w.out, "    metric r%d = ", i);
        write_judgement(&w, PICK(&w.d, metrics));
        fprintf(w.out, "\n");
    }
    fprintf(w.out, "}\ntrain {\n    optimizer %s\n    %s\n}\n", PICK(&w.d, optimizers), PICK(&w.d, clips));
    fclose(w.out);
    return text;
}

/* ---- running it ---- */

struct trial {
    uint64_t seed;
    const char *text;
    struct arena arena;
    struct diag diag;
    struct sources sources;
    struct experiment *x;
    void **inputs;
    struct tensor *start, *wanted; /* the variables before, and after the steps by the reference */
    double loss[2], rate;
    struct tensor *outputs;        /* of the evaluation afterwards */
    double evaluated;
};

#define FAIL(t, format, ...) \
    cr_assert_fail("NNC_PROGRAMS=1 NNC_SEED=%llu: " format "\n%s", (unsigned long long)(t)->seed, ##__VA_ARGS__, (t)->text)

static void
fill(struct tensor *t, struct draw *d)
{
    for (int64_t i = 0; i < tensor_count(t); i++)
        switch (t->type.elem) {
        case ELEM_F32: ((float *)t->data)[i] = (float)draw_real(d, -2, 2); break;
        case ELEM_F64: ((double *)t->data)[i] = draw_real(d, -2, 2); break;
        default: ((int32_t *)t->data)[i] = draw_below(d, 5); break;
        }
}

static struct tensor
copy(const struct tensor *t)
{
    struct tensor c = tensor_new(&t->type);
    cr_assert(c.data);
    memcpy(c.data, t->data, (size_t)tensor_bytes(t));
    return c;
}

static double
number(const struct tensor *t)
{
    double x;
    reference_cast((enum elem)t->type.elem, ELEM_F64, &x, t->data);
    return x;
}

static bool
same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* The inputs of a template: the model's, then step, epoch, seed. */
static void **
addresses(struct trial *t, const struct step_numbers *n)
{
    int count = t->x->model.ninputs;
    void **all = ARENA_ARRAY(&t->arena, void *, count + 3);
    memcpy(all, t->inputs, sizeof *all * (size_t)count);
    all[count] = (void *)&n->step;
    all[count + 1] = (void *)&n->epoch;
    all[count + 2] = (void *)&n->seed;
    return all;
}

static void
prepare(struct trial *t)
{
    const struct model *m = &t->x->model;
    struct draw d = {t->seed + 1000};
    t->inputs = ARENA_ARRAY(&t->arena, void *, m->ninputs);
    for (int i = 0; i < m->ninputs; i++) {
        struct type type = type_at(&m->inputs[i].node->type, ROWS);
        struct tensor in = tensor_new(&type);
        cr_assert(in.data);
        fill(&in, &d);
        t->inputs[i] = in.data;
    }
    int64_t seed = 3;
    void *inputs[1] = {&seed};
    struct graph *g = graph_new(&t->arena, "init");
    lower_init(m, g);
    struct tensor *values = reference_run(g, inputs, NULL, 1);
    int n = m->module->nvars;
    t->start = ARENA_ARRAY(&t->arena, struct tensor, n);
    t->wanted = ARENA_ARRAY(&t->arena, struct tensor, n);
    for (int i = 0; i < n; i++) {
        t->start[i] = copy(&values[g->outputs[i].node->id]);
        t->wanted[i] = copy(&t->start[i]);
    }
    reference_free(values, g->count);
}

static void
run_reference(struct trial *t)
{
    const struct model *m = &t->x->model;
    struct graph *g = graph_new(&t->arena, "train"), *e = graph_new(&t->arena, "eval");
    lower_train(m, &t->x->train, g);
    lower_eval(m, false, e);
    for (int64_t s = 0; s < 2; s++) {
        struct step_numbers n = {s, s, 3};
        struct tensor *values = reference_run(g, addresses(t, &n), t->wanted, s ? LAST_ROWS : ROWS);
        t->loss[s] = number(&values[g->outputs[0].node->id]);
        t->rate = g->noutputs > 1 ? number(&values[g->outputs[1].node->id]) : 0;
        for (int i = 0; i < g->count; i++)
            if (g->nodes[i]->op == OP_UPDATE) {
                struct tensor *var = &t->wanted[g->nodes[i]->in[0]->attr->name.index];
                memcpy(var->data, values[i].data, (size_t)tensor_bytes(var));
            }
        reference_free(values, g->count);
    }
    struct step_numbers n = {2, 1, 3};
    struct tensor *values = reference_run(e, addresses(t, &n), t->wanted, LAST_ROWS);
    t->outputs = ARENA_ARRAY(&t->arena, struct tensor, m->nvalues + 1);
    for (int i = 0; i < m->nvalues; i++)
        t->outputs[i] = copy(&values[e->outputs[i].node->id]);
    t->evaluated = number(&values[e->outputs[m->nvalues].node->id]);
    reference_free(values, e->count);
}

static void
same(struct trial *t, enum mode mode, const char *name, const struct tensor *got, const struct tensor *want)
{
    int64_t at = 0;
    if (!reference_same(got, want, &at))
        FAIL(t, "%s: %s differs at %lld", mode_names[mode], name, (long long)at);
}

static void
run_mode(struct trial *t, enum mode mode)
{
    const struct model *m = &t->x->model;
    int n = m->module->nvars;
    struct tensor *values = ARENA_ARRAY(&t->arena, struct tensor, n);
    for (int i = 0; i < n; i++)
        values[i] = copy(&t->start[i]);
    struct program p = {0};
    struct program_options o = {.mode = mode, .gemm = GEMM_NNC, .train_rows = ROWS, .eval_rows = LAST_ROWS};
    if (!program_new(m, &t->x->train, values, &o, &t->arena, &p, &t->diag))
        FAIL(t, "%s: %s", mode_names[mode], t->diag.first->message);
    for (int64_t s = 0; s < 2; s++) {
        struct step_numbers numbers = {s, s, 3};
        double loss = 0;
        cr_assert(p.train_step(p.self, t->inputs, s ? LAST_ROWS : ROWS, &numbers, &loss));
        if (!same_number(loss, t->loss[s]))
            FAIL(t, "%s: the loss of step %lld is %.17g, not %.17g", mode_names[mode], (long long)s + 1, loss, t->loss[s]);
    }
    if (p.lr && !same_number(*p.lr, t->rate))
        FAIL(t, "%s: the rate is %.17g, not %.17g", mode_names[mode], *p.lr, t->rate);
    for (int i = 0; i < n; i++)
        same(t, mode, m->module->vars[i].name, &values[i], &t->wanted[i]);
    const struct tensor **out = ARENA_ARRAY(&t->arena, const struct tensor *, m->nvalues + 1);
    struct step_numbers numbers = {2, 1, 3};
    double loss = 0;
    cr_assert(p.eval_step(p.self, t->inputs, LAST_ROWS, &numbers, &loss, out));
    if (!same_number(loss, t->evaluated))
        FAIL(t, "%s: the loss in evaluation is %.17g, not %.17g", mode_names[mode], loss, t->evaluated);
    for (int i = 0; i < m->nvalues; i++)
        same(t, mode, m->eval->outputs[i].name, out[i], &t->outputs[i]);
    p.destroy(p.self);
    for (int i = 0; i < n; i++)
        tensor_free(&values[i]);
}

static void
run_program(uint64_t seed, const char *path)
{
    struct trial t = {.seed = seed};
    char *text = write_program(seed);
    t.text = text;
    FILE *f = fopen(path, "wb");
    cr_assert(f && fputs(text, f) >= 0 && !fclose(f), "%s", path);
    arena_init(&t.arena, NULL);
    diag_init(&t.diag, &t.arena);
    sources_init(&t.sources, &t.arena);
    t.x = experiment_check(&t.arena, &t.sources, path, NULL, NULL, 0, &t.diag);
    if (t.diag.errors) {
        render_diag(&t.diag, &t.sources, stderr, false);
        FAIL(&t, "refused");
    }
    unsigned before = float_enter();
    prepare(&t);
    run_reference(&t);
    for (int i = 0; i < MODES; i++)
        run_mode(&t, modes[i]);
    float_leave(before);
    const struct model *m = &t.x->model;
    for (int i = 0; i < m->module->nvars; i++) {
        tensor_free(&t.start[i]);
        tensor_free(&t.wanted[i]);
    }
    for (int i = 0; i < m->nvalues; i++)
        tensor_free(&t.outputs[i]);
    for (int i = 0; i < m->ninputs; i++)
        tensor_free(&(struct tensor){m->inputs[i].node->type, t.inputs[i]});
    arena_free(&t.arena);
    free(text);
}

static void
run_part(int part)
{
    const char *many = getenv("NNC_PROGRAMS"), *seed = getenv("NNC_SEED");
    char path[] = P_tmpdir "/nnc-random-XXXXXX";
    int fd = mkstemp(path), count = many ? atoi(many) : PROGRAMS;
    cr_assert(fd >= 0);
    close(fd);
    for (int i = part; i < count; i += PARTS)
        run_program((seed ? strtoull(seed, NULL, 10) : 1) + (uint64_t)i, path);
    unlink(path);
}

/* Whether a list of texts has |name| as a word. */
static bool
uses(const char *const *texts, size_t count, size_t stride, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < count; i++)
        for (const char *p = *(const char *const *)((const char *)texts + i * stride); (p = strstr(p, name)); p++)
            if ((p[length] < 'a' || p[length] > 'z') && p[length] != '_' && !(p[length] >= '0' && p[length] <= '9'))
                return true;
    return false;
}
#define USES(list, name) uses((const char *const *)(list), sizeof(list) / sizeof *(list), sizeof *(list), name)

/* A primitive or definition that is added is drawn, or stands here. */
Test(random_programs, draw_on_all_primitives_and_definitions)
{
    static const char *const within[] = { /* other definitions call them, or they need what a model of random numbers has not */
        "weight", "random_keep", "has_logits", "logits_of", "inverse", "class_rows", "decayed", "finite", "hits", "negatives_before",
        "truncated_by_variance", "l1", "l2", "length_squared", "clip_factor" /* by `clip` */};
    const char *names[2 * WORDS_MAX];
    struct arena arena;
    arena_init(&arena, NULL);
    int n = words_of(WORDS_PRIMITIVES, &arena, names, WORDS_MAX);
    n += words_of(WORDS_PRELUDE, &arena, names + n, WORDS_MAX);
    cr_assert(n > 120, "%d names", n);
    for (int i = 0; i < n; i++)
        cr_expect(USES(patterns, names[i]) || USES(losses, names[i]) || USES(metrics, names[i]) || USES(optimizers, names[i]) ||
                  USES(within, names[i]), "%s is never drawn", names[i]);
    arena_free(&arena);
}

Test(random_programs, part_1) { run_part(0); }
Test(random_programs, part_2) { run_part(1); }
Test(random_programs, part_3) { run_part(2); }
Test(random_programs, part_4) { run_part(3); }
