/* What the checker makes of files that are right: names of weights, types of results, numbers. */
#include "frontend/model.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct checked {
    struct arena arena;
    struct diag diag;
    struct sources sources;
    struct experiment *x;
};

static void
check_text(struct checked *c, const char *text, struct setting *settings, int nsettings)
{
    char path[] = "/tmp/nnc-check-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    arena_init(&c->arena, NULL);
    diag_init(&c->diag, &c->arena);
    sources_init(&c->sources, &c->arena);
    c->x = experiment_check(&c->arena, &c->sources, path, NULL, settings, nsettings, &c->diag);
    unlink(path);
    if (c->diag.errors)
        render_diag(&c->diag, &c->sources, stderr, false);
    cr_assert_eq(c->diag.errors, 0);
}

/* The names of the variables, each followed by a blank. */
static char *
variable_names(const struct checked *c)
{
    char *out = calloc(1, 4096);
    const struct module *m = c->x->model.module;
    for (int i = 0; i < m->nvars; i++)
        strcat(strcat(out, m->vars[i].name), " ");
    return out;
}

static void
expect_names(const char *text, const char *want)
{
    struct checked c;
    check_text(&c, text, NULL, 0);
    char *names = variable_names(&c);
    cr_expect_str_eq(names, want);
    free(names);
    arena_free(&c.arena);
}

#define MODEL(body) "model m {\n input x: f32[N, 4]\n" body "\n output p = x\n}\n"

Test(names, one_layer_call_adds_nothing)
{
    expect_names(MODEL("h = dense(x, 3)"), "h.w h.b ");
}

Test(names, several_layer_calls_add_their_layers)
{
    expect_names(MODEL("h = dense(dense(x, 3), 2)"), "h.dense.w h.dense.b h.dense.2.w h.dense.2.b ");
}

Test(names, arguments_come_before_the_call)
{
    expect_names(MODEL("h = dense(layer_norm(x), 2)"), "h.layer_norm.gamma h.layer_norm.beta h.dense.w h.dense.b ");
}

Test(names, functions_are_no_layers)
{
    expect_names(MODEL("h = relu(dense(relu(x), 3))"), "h.w h.b ");
}

Test(names, a_second_binding_is_numbered)
{
    expect_names(MODEL("h = dense(x, 3)\n h = dense(h, 2)\n h = dense(h, 2)"), "h.w h.b h.2.w h.2.b h.3.w h.3.b ");
}

Test(names, iterations_are_numbered)
{
    expect_names(MODEL("h = dense(x, 2)\n repeat i in 3..4 { h = dense(h, 2) }"), "h.w h.b h[1].w h[1].b h[2].w h[2].b ");
}

Test(names, layers_nest)
{
    expect_names("layer block(x: [..., D]) {\n a = dense(x, D)\n return dense(a, D)\n}\n" MODEL("h = block(x)"),
                 "h.a.w h.a.b h.return.w h.return.b ");
}

Test(names, weights_and_states_of_the_model)
{
    expect_names(MODEL("w = weight([4, 2], zeros)\n state n = zeros([2])\n output q = x @ w + n"), "w n ");
}

Test(names, states_of_the_optimiser)
{
    expect_names("model m {\n input x: f32[N, 4]\n output p = dense(x, 1)\n spare = dense(x, 2)\n loss mean(p)\n}\ntrain { "
                 "optimizer adam() }\n",
                 "p.w p.b spare.w spare.b adam/p.w/m adam/p.w/v adam/p.b/m adam/p.b/v ");
}

Test(names, an_unrelated_line_changes_none)
{
    expect_names(MODEL("h = dense(x, 3)\n unrelated = x * 2\n h = dense(h, 2)"), "h.w h.b h.2.w h.2.b ");
}

static void
expect_output(const char *expression, const char *want)
{
    struct checked c;
    char text[512], type[TYPE_TEXT];
    snprintf(text, sizeof text, "const k = 3\nmodel m {\n input x: f32[N, 4]\n input c: i32[N]\n output p = %s\n}\n",
             expression);
    check_text(&c, text, NULL, 0);
    cr_expect_str_eq(type_text(&c.x->model.eval->outputs[0].node->type, ",", type), want, "%s is %s", expression, type);
    arena_free(&c.arena);
}

Test(types, of_expressions)
{
    static const char *const rows[][2] = {
        {"x + 1", "f32[N,4]"}, {"x[:, 1:3]", "f32[N,2]"}, {"x[:, -1]", "f32[N]"}, {"x > 0", "bool[N,4]"},
            {"x > 0 ? 1 : 0", "f32[N,4]"},
        {"c + 1", "i32[N]"}, {"c + 0.5", "f32[N]"}, {"c / 2", "f32[N]"}, {"c // 2", "i32[N]"}, {"f64(x)", "f64[N,4]"},
            {"f64(x) * 0.1", "f64[N,4]"},
        {"sum(x)", "f32[]"}, {"sum(x, axis = 0)", "f32[4]"}, {"sum(x, axis = -1, keep = true)", "f32[N,1]"},
            {"argmax(x, axis = 1)", "i32[N]"},
        {"mean(c)", "f32[]"}, {"max(x)", "f32[]"}, {"max(x, 0)", "f32[N,4]"}, {"max(x, axis = 1)", "f32[N]"},
            {"reshape(x, [N, 2, 2])", "f32[N,2,2]"},
        {"reshape(x, [-1])", "f32[4N]"}, {"reshape(x, [N, -1, 2])", "f32[N,2,2]"}, {"transpose(x)", "f32[4,N]"},
            {"transpose(x) @ x", "f32[4,4]"},
        {"one_hot(c, 5)", "f32[N,5]"}, {"gather(tensor([[1, 2], [3, 4]]), c)", "f32[N,2]"}, {"concat([x, x])", "f32[N,8]"},
        {"zeros([N, 2])", "f32[N,2]"}, {"x * k ^ 2", "f32[N,4]"}, {"x / N", "f32[N,4]"},
            {"flatten(reshape(x, [N, 2, 2]))", "f32[N,4]"},
        {"where(x > 0, x, 0)", "f32[N,4]"}, {"pad(x, [[0, 0], [1, 2]])", "f32[N,7]"}, {"softmax(x)", "f32[N,4]"},
            {"variance(x)", "f32[]"},
        {"sum(x, axis = axes_of(x)[0:-1])", "f32[4]"}, {"tensor(shape_of(x)[1:2])", "f32[1]"}, {"x ^ 2", "f32[N,4]"},
            {"not (x > 0)", "bool[N,4]"},
        {"sort(x)", "f32[N,4]"}, {"sort(c, axis = 0)", "i32[N]"}, {"argsort(x, axis = -2)", "i32[N,4]"},
            {"cumsum(c, axis = 0)", "i32[N]"},
        {"flip(x > 0, axis = 1)", "bool[N,4]"}, {"slice(x, [0, 1], [N, 3])", "f32[N,2]"},
            {"qr(tensor([[1], [2]]))", "f32[2,1]"},
        {"conv(reshape(x, [N, 4, 1]), tensor([[[1, 2]], [[3, 4]]]))", "f32[N,3,2]"},
        {"conv(reshape(x, [N, 2, 2, 1]), tensor([[[[1, 2, 3]]]]), stride = [1, 2], padding = [[1, 0], [0, 3]])",
         "f32[N,3,3,3]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_output(rows[i][0], rows[i][1]);
}

/* Of four places and a kernel of two, 'same' needs one zero: behind. With a stride of 3 the second place, the last, needs
 * one too. */
Test(types, padding_of_convolutions)
{
    static const struct { const char *arguments; int64_t before, after, places; } rows[] = {
        {"", 0, 0, 3}, {", padding = \"valid\"", 0, 0, 3}, {", padding = \"same\"", 0, 1, 4},
        {", padding = \"same\", stride = 3", 0, 1, 2}, {", padding = \"same\", dilation = 2", 1, 1, 4},
        {", padding = \"same\", stride = 4", 0, 0, 1}, {", 3, [[2, 5]], 4", 2, 5, 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct checked c;
        char text[512];
        snprintf(text, sizeof text, "model m {\n input x: f32[N, 4, 1]\n output p = conv(x, tensor([[[1]], [[2]]])%s)\n}\n",
                 rows[i].arguments);
        check_text(&c, text, NULL, 0);
        const struct node *n = c.x->model.eval->outputs[0].node;
        cr_expect(n->op == OP_CONV && n->attr->conv.before[0] == rows[i].before && n->attr->conv.after[0] == rows[i].after,
                  "%s", text);
        cr_expect_eq(n->type.dim[1], rows[i].places, "%s", text);
        arena_free(&c.arena);
    }
}

Test(settings, replace_constants_and_train_statements)
{
    struct checked c;
    struct setting set[2] = {{"k", "5", false}, {"train.batch", "7", false}};
    check_text(&c, "const k = 3\nmodel m {\n input x: f32[N, k]\n output p = dense(x, 1)\n loss mean(p)\n}\ntrain {\n "
                   "optimizer sgd()\n batch 3\n}\n", set, 2);
    cr_expect_eq(c.x->model.inputs[0].node->type.dim[1], 5);
    cr_expect_eq(c.x->train.batch, 7);
    arena_free(&c.arena);
}

Test(training, is_known_at_compile_time)
{
    struct checked c;
    check_text(&c, "model m {\n input x: f32[N, 4]\n if training { y = exp(x) } else { y = x }\n output p = y\n loss "
                   "mean(dense(y, 1))\n}\n", NULL, 0);
    int in_train = 0, in_eval = 0;
    for (int i = 0; i < c.x->model.train->count; i++)
        in_train += c.x->model.train->nodes[i]->op == OP_EXP;
    for (int i = 0; i < c.x->model.eval->count; i++)
        in_eval += c.x->model.eval->nodes[i]->op == OP_EXP;
    cr_expect_eq(in_train, 1);
    cr_expect_eq(in_eval, 0);
    arena_free(&c.arena);
}

/* ---- what language.md says, sentence by sentence ---- */

Test(numbers, whole_powers_of_whole_tensors_stay_whole)
{
    static const char *const rows[][2] = {
        {"c ^ 2", "i32[N]"}, {"c ^ 5", "i32[N]"}, {"c ^ 0.5", "f32[N]"}, {"c ^ -1", "f32[N]"}, {"x ^ 5", "f32[N,4]"},
            {"f64(x) ^ 7", "f64[N,4]"},
        {"f32(0.9) ^ f32(step + 1)", "f32[]"}, {"x * 0.9 ^ (step + 1)", "f32[N,4]"}, {"c + N", "f32[N]"},
            {"x[0:N, 1:]", "f32[N,3]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_output(rows[i][0], rows[i][1]);
}

static void
expect_variables(const char *text, const char *want)
{
    struct checked c;
    char type[TYPE_TEXT], got[1024] = "";
    check_text(&c, text, NULL, 0);
    const struct module *m = c.x->model.module;
    for (int i = 0; i < m->nvars; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s %s ", m->vars[i].name,
                 type_text(&m->vars[i].type, ",", type));
    cr_expect_str_eq(got, want);
    arena_free(&c.arena);
}

Test(types, weights_of_a_model_in_f64)
{
    expect_variables("model m {\n input k: i32[N]\n input x: f64[N, 2]\n w = weight([2], ones)\n h = dense(x * w, 1)\n "
                     "output p = h\n loss mean(h)\n}\n"
                     "train { optimizer sgd(momentum = 0.5) }\n",
                     "w f64[2] h.w f64[2,1] h.b f64[1] sgd/w/m f64[2] sgd/h.w/m f64[2,1] sgd/h.b/m f64[1] ");
}

Test(names, dotted_names_are_paths)
{
    expect_names("layer twice(x: [..., D]) {\n a = dense(x, D)\n s = l2(a.w)\n return a * s\n}\n"
                 MODEL("repeat i in 1..2 { h = dense(x, 2) }\n penalty l2(h[2].w)\n k = twice(x)\n penalty l2(k.a.b)\n loss "
                       "l1(h[1].w)"),
                 "h[1].w h[1].b h[2].w h[2].b k.a.w k.a.b ");
}

Test(names, dotted_names_with_ordinals)
{
    struct checked c;
    check_text(&c, MODEL("h = dense(x, 3)\n h = dense(h, 3)\n k = dense(dense(h, 2), 2)\n loss l2(h.2.w)\n loss "
                         "l2(k.dense.2.w)"), NULL, 0);
    const struct module *m = c.x->model.module;
    for (int i = 0; i < m->nvars; i++)
        cr_expect_eq(c.x->model.trained[i], !strcmp(m->vars[i].name, "h.2.w") || !strcmp(m->vars[i].name, "k.dense.2.w"),
                     "%s", m->vars[i].name);
    arena_free(&c.arena);
}

/* In a definition a dotted name is below the call, not below the model. */
Test(names, dotted_names_in_definitions)
{
    struct checked c;
    check_text(&c, "layer twice(x: [..., D]) {\n a = dense(x, D)\n s = l2(a.w)\n return a * s\n}\nmodel m {\n input x: "
                   "f32[N, 4]\n"
               " a = dense(x, 3)\n output p = twice(x)\n loss mean(p)\n}\n", NULL, 0);
    cr_expect(!c.x->model.trained[0] && !c.x->model.trained[1] && c.x->model.trained[2] && c.x->model.trained[3]);
    arena_free(&c.arena);
}

static void
expect_bounds(const char *body, int64_t c_bound, int64_t k_bound)
{
    struct checked c;
    char text[1024];
    snprintf(text, sizeof text, "model m {\n input x: f32[N, 4]\n input c: i32[N]\n target k: i64[N]\n%s\n output p = "
                                "x\n}\n", body);
    check_text(&c, text, NULL, 0);
    cr_expect_eq(c.x->model.bound[1], c_bound, "%s: %lld", body, (long long)c.x->model.bound[1]);
    cr_expect_eq(c.x->model.bound[2], k_bound, "%s: %lld", body, (long long)c.x->model.bound[2]);
    arena_free(&c.arena);
}

Test(bounds, of_inputs_used_as_indices)
{
    expect_bounds(" a = embedding(c, 50, 2)", 50, 0);
    expect_bounds(" a = one_hot(c, 9)\n b = one_hot(c, 7)\n d = one_hot(c, 8)", 7, 0);
    expect_bounds(" a = scatter_add(c, x, 6)", 6, 0);
    expect_bounds(" loss softmax_cross_entropy(x, k)", 0, 4);
    expect_bounds(" a = one_hot(reshape(i32(k), [N, 1]), 5)", 0, 5);
    expect_bounds(" a = one_hot(c + 1, 5)", 0, 0);
    expect_bounds(" metric t = top_k(x, k, 2)", 0, 4);
    expect_bounds(" if not training { a = one_hot(c, 3) }", 3, 0);
    expect_bounds(" metric a = accuracy(x, k)", 0, 0);
}

static int
count_ops(const struct graph *g, enum op op)
{
    int n = 0;
    for (int i = 0; i < g->count; i++)
        n += g->nodes[i]->op == op;
    return n;
}

/* A schedule is a value like any other: given, the default of a parameter, made by another one. */
Test(schedules, where_they_may_stand)
{
    static const char *const rows[] = {
        "optimizer sgd(lr = cosine(1e-3, steps = 10))", "optimizer sgd(lr = mine(0.5))", "optimizer heavy()",
            "optimizer heavy(lr = mine)",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct checked c;
        char text[1024];
        snprintf(text, sizeof text, "schedule mine(step, epoch, from = 1) { return cosine(step, epoch, from, steps = 20) / "
                                    "(epoch + 1) }\n"
                 "optimizer heavy(p, g, lr = mine(0.5)) { update p = p - g * lr }\n"
                 "model m {\n input x: f32[N, 4]\n output p = dense(x, 1)\n loss mean(p)\n}\ntrain {\n %s\n}\n", rows[i]);
        check_text(&c, text, NULL, 0);
        const struct optimizer_template *t = c.x->model.optimizers[0];
        cr_expect(t->has_rate && count_ops(t->update, OP_COS) == 1, "%s", rows[i]);
        arena_free(&c.arena);
    }
}

/* The conditions of require leave nothing in the graph of a step. */
Test(schedules, conditions_are_not_computed)
{
    struct checked c;
    check_text(&c, "model m {\n input x: f32[N, 4]\n output p = dense(x, 1)\n loss mean(p)\n}\n"
               "train {\n optimizer adam(lr = cosine(1e-3, steps = 10))\n}\n", NULL, 0);
    const struct graph *g = c.x->model.optimizers[0]->update;
    cr_expect_eq(count_ops(g, OP_EQ) + count_ops(g, OP_LE), 0);
    arena_free(&c.arena);
}

Test(functions, are_values)
{
    expect_names("function both(f, g, x) { return f(g(x)) }\nlayer act(x: [..., D], f = relu, init = normal(0, 0.1)) {\n w "
                 "= weight([D], init)\n return f(x * w)\n}\n"
                 MODEL("a = both(relu, tanh, x)\n b = act(x, gelu)\n c = act(x, f = sin, init = constant(3))\n f = "
                       "leaky_relu\n d = f(x, slope = 0.1)"),
                 "b.w c.w ");
}

Test(functions, stay_callable_where_a_value_has_their_name)
{
    expect_names(MODEL("dense = dense(x, 3)\n mean = mean(x)\n a = dense(x * mean, 2)\n metric r2 = r2(x, x)\n metric r3 = "
                       "r2(x, x)"),
                 "dense.w dense.b a.w a.b ");
}

Test(statements, names_of_statements_stay_free)
{
    expect_names("const step = 3\nmodel m {\n input loss: f32[N, 4]\n input metric: f32[N]\n update = dense(loss, step)\n "
                 "state = update * 2\n seed = state\n output target = seed\n}\n",
                 "update.w update.b ");
}

Test(statements, losses_and_penalties_have_names)
{
    expect_names("model m {\n input x: f32[N, 4]\n loss mean(dense(x, 1))\n loss fit = mean(dense(x, 1))\n loss "
                 "mean(dense(x, 2))\n penalty mean(dense(x, 1))\n"
                 " output p = x * fit\n metric k = mean(dense(p, 1))\n}\n",
                 "loss.w loss.b fit.w fit.b loss.2.w loss.2.b penalty.w penalty.b k.w k.b ");
}

Test(names, of_255_bytes)
{
    char name[256], text[1024], want[600];
    memset(name, 'a', 253);
    strcpy(name + 253, "");
    snprintf(text, sizeof text, "model m {\n input x: f32[N, 4]\n %s = dense(x, 1)\n output p = x\n}\n", name);
    snprintf(want, sizeof want, "%s.w %s.b ", name, name);
    expect_names(text, want);
}
