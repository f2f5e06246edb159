/* Values of expressions and statements of the language, computed by the reference evaluator: what language.md says they are.
 * The model's input is x: f32[N, 3], two rows; also c: i32[N] and y: f64[N, 2]. */
#include "frontend/model.h"
#include "tests/reference/reference.h"
#include "tests/unit/golden_text.h"
#include <math.h>

enum { ROWS = 2, VALUES_MAX = 16 };
static const float x_data[] = {0.5f, -1.25f, 2, -0.75f, 3.5f, 0};
static const int32_t c_data[] = {2, 0};
static const double y_data[] = {0.1, -2, 1e-20, 5};

struct row {
    const char *text;               /* the value of output p; statements before it end with ; */
    const char *type;
    double want[VALUES_MAX];
};

static struct experiment *
check_text(struct arena *a, struct diag *d, const char *text)
{
    static char path[] = P_tmpdir "/nnc-language-XXXXXX";
    struct sources *s = ARENA_NEW(a, struct sources);
    char name[sizeof path];
    memcpy(name, path, sizeof path);
    int fd = mkstemp(name);
    cr_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && !close(fd));
    sources_init(s, a);
    struct experiment *x = experiment_check(a, s, name, NULL, NULL, 0, d);
    unlink(name);
    if (d->errors)
        render_diag(d, s, stderr, false);
    cr_assert(x && !d->errors, "%s", text);
    return x;
}

static double
element(const struct tensor *t, int64_t i)
{
    double v;
    reference_cast((enum elem)t->type.elem, ELEM_F64, &v, reference_element(t, i));
    return v;
}

/* The output p, or with |training| the first loss, at step 2 of epoch 1. */
static void
expect(const struct row *r, const char *before, bool training)
{
    struct arena a;
    struct diag d;
    char text[2048], type[TYPE_TEXT];
    const char *cut = strrchr(r->text, ';');
    int length = cut ? (int)(cut - r->text) + 1 : 0;
    snprintf(text, sizeof text, "%s\nmodel m {\n input x: f32[N, 3]\n input c: i32[N]\n input y: f64[N, 2]\n %.*s\n %s p = "
                                "%s\n}\n", before, length, r->text,
             training ? "loss" : "output", r->text + length);
    arena_init(&a, NULL);
    diag_init(&d, &a);
    struct experiment *x = check_text(&a, &d, text);
    int64_t step = 2, epoch = 1, seed = 3;
    void *inputs[] = {(void *)(uintptr_t)x_data, (void *)(uintptr_t)c_data, (void *)(uintptr_t)y_data, &step, &epoch, &seed};
    struct graph *g = graph_new(&a, "g");
    if (training)
        lower_forward(&x->model, g);
    else
        lower_eval(&x->model, true, g);
    const struct module *m = x->model.module;
    struct tensor *vars = ARENA_ARRAY(&a, struct tensor, m->nvars + 1);
    for (int i = 0; i < m->nvars; i++)
        vars[i] = (struct tensor){m->vars[i].type, ARENA_ARRAY(&a, double, type_count(&m->vars[i].type, 1))};
    struct tensor *values = reference_run(g, inputs, vars, ROWS);
    const struct tensor *p = &values[g->outputs[0].node->id];
    cr_expect_str_eq(type_text(&g->outputs[0].node->type, ",", type), r->type, "%s is %s", r->text, type);
    for (int64_t i = 0; i < tensor_count(p) && i < VALUES_MAX; i++) {
        double got = element(p, i), want = r->want[i];
        cr_expect(got == want || (isnan(got) && isnan(want)), "%s: [%lld] is %.17g, not %.17g", r->text, (long long)i, got,
                  want);
    }
    reference_free(values, g->count);
    arena_free(&a);
}

static void
expect_all(const struct row *rows, size_t count, const char *before)
{
    for (size_t i = 0; i < count; i++)
        expect(&rows[i], before, false);
}
#define EXPECT(before, ...) \
    do { \
        static const struct row rows[] = {__VA_ARGS__}; \
        expect_all(rows, sizeof rows / sizeof *rows, before); \
    } while (0)

/* Whole numbers are i64, others f64; what meets a tensor is rounded once, to its element type. */
Test(language, numbers)
{
    EXPECT("const k = 3, half = k / 2",
        {"x * k", "f32[N,3]", {1.5, -3.75, 6, -2.25, 10.5, 0}},
        {"zeros([1]) + half", "f32[1]", {1.5}},
        {"zeros([1]) + 7 // 2", "f32[1]", {3}},
        {"zeros([1]) + -7 // 2", "f32[1]", {-4}},
        {"zeros([1]) + 7 / 2", "f32[1]", {3.5}},
        {"zeros([1]) + (1 - 0.9999)", "f32[1]", {(float)(1 - 0.9999)}},
        {"zeros([1]) + (1 - f32(0.9999))", "f32[1]", {1 - 0.9999f}},
        {"zeros([1]) + 2 ^ 3 ^ 2", "f32[1]", {512}},
        {"zeros([1]) + -2 ^ 2", "f32[1]", {-4}},
        {"zeros([1]) + 9007199254740993", "f32[1]", {9007199254740992.0}},
        {"y[0:N, 0:1] * 0 + 1 / 3", "f64[N,1]", {1.0 / 3, 1.0 / 3}},
        {"zeros([1]) + (true ? 4 : 1 / 0)", "f32[1]", {4}},
        {"zeros([1]) + (1 < 2 and 2 <= 2 and not (3 == 4) or 1 / 0 > 0 ? 1 : 2)", "f32[1]", {1}});
}

/* step counts the steps done, epoch the epochs; N is the number of rows. Numbers of a step are f64 of rank 0. */
Test(language, numbers_of_the_step)
{
    EXPECT("const beta2 = 0.999",
        {"zeros([1]) + step", "f32[1]", {2}},
        {"zeros([1]) + epoch * 10 + step // 2", "f32[1]", {11}},
        {"zeros([1]) + step / 4", "f32[1]", {0.5}},
        {"zeros([1]) + N", "f32[1]", {2}},
        {"zeros([1]) + 3 * N / 4", "f32[1]", {1.5}},
        {"sum(x, axis = 0) / N", "f32[3]", {-0.125, 1.125, 1}},
        {"zeros([1]) + (step < 2 ? 10 : 20)", "f32[1]", {20}},
        {"zeros([1]) + max(step - 1, 0) + min(epoch, 0.5)", "f32[1]", {1.5}},
        {"zeros([1]) + (1 - beta2 ^ (step + 1))", "f32[1]", {(float)(1 - 0.997002999)}},
        {"sum(f32(step) * zeros([1]) + f32(0.5) ^ f32(step + 1))", "f32[]", {0.125}});
}

Test(language, tensors_and_their_types)
{
    EXPECT("",
        {"c + 1", "i32[N]", {3, 1}},
        {"c + 0.5", "f32[N]", {2.5, 0.5}},
        {"c / 4", "f32[N]", {0.5, 0}},
        {"c // 2", "i32[N]", {1, 0}},
        {"(c - 3) // 2", "i32[N]", {-1, -2}},
        {"c ^ 3", "i32[N]", {8, 0}},
        {"x ^ 3", "f32[N,3]", {0.125, -1.953125, 8, -0.421875, 42.875, 0}},
        {"x[:, 1] ^ 5", "f32[N]", {-3.0517578125, 525.21875}},
        {"x[:, 0:2] ^ -1", "f32[N,2]", {2, -0.8f, -1.33333337306976318, 0.285714298486709595}},
        {"x > 0", "bool[N,3]", {1, 0, 1, 0, 1, 0}},
        {"x > 0 ? 1 : 0", "f32[N,3]", {1, 0, 1, 0, 1, 0}},
        {"x > 0 ? x : -x", "f32[N,3]", {0.5, 1.25, 2, 0.75, 3.5, 0}},
        {"x > 0 and x < 3 or not (x != 0)", "bool[N,3]", {1, 0, 1, 0, 0, 1}},
        {"x > 1 ? 2 : x < 0 ? -2 : x", "f32[N,3]", {0.5, -2, 2, -2, 2, 0}},
        {"f64(x[:, 0]) + y[:, 0]", "f64[N]", {0.6, -0.75}},
        {"i32(x)", "i32[N,3]", {0, -1, 2, 0, 3, 0}},
        {"bool(x)", "bool[N,3]", {1, 1, 1, 1, 1, 0}},
        {"fma(x, x, -1)", "f32[N,3]", {-0.75, 0.5625, 3, -0.4375, 11.25, -1}},
        {"tensor([1, 2.5])", "f32[2]", {1, 2.5}},
        {"tensor([[1, 2], [3, 4], [5, 6]])", "f32[3,2]", {1, 2, 3, 4, 5, 6}},
        {"f64(tensor([0.1, 1e-310])) + y * 0", "f64[N,2]", {0.1, 0, 0.1, 0}},
        {"t = tensor([16777217, 0.1]); i32(t)", "i32[2]", {16777217, 0}},
        {"f64(f32(tensor([0.1])))", "f64[1]", {0.1f}},
        {"x @ tensor([[1, 0], [0, 1], [1, 1]])", "f32[N,2]", {2.5, 0.75, -0.75, 3.5}},
        {"x[:, 0] * tensor([2, 3])[1]", "f32[N]", {1.5, -2.25}});
}

Test(language, slices_and_shapes)
{
    EXPECT("",
        {"x[:, 1]", "f32[N]", {-1.25, 3.5}},
        {"x[:, -1]", "f32[N]", {2, 0}},
        {"x[:, 1:]", "f32[N,2]", {-1.25, 2, 3.5, 0}},
        {"x[:, :-1]", "f32[N,2]", {0.5, -1.25, -0.75, 3.5}},
        {"x[:, -2:-1]", "f32[N,1]", {-1.25, 3.5}},
        {"reshape(x, [-1])", "f32[3N]", {0.5, -1.25, 2, -0.75, 3.5, 0}},
        {"sum(reshape(x, [N, -1, 1]), axis = [1, 2])", "f32[N]", {1.25, 2.75}},
        {"transpose(x)", "f32[3,N]", {0.5, -0.75, -1.25, 3.5, 2, 0}},
        {"concat([x[:, 0:1], x[:, 2:3]], axis = -1)", "f32[N,2]", {0.5, 2, -0.75, 0}},
        {"pad(x[:, 0:1], [[0, 0], [1, 1]])", "f32[N,3]", {0, 0.5, 0, 0, -0.75, 0}},
        {"squeeze(x[:, 0:1])", "f32[N]", {0.5, -0.75}},
        {"flip(x, axis = 1)", "f32[N,3]", {2, -1.25, 0.5, 0, 3.5, -0.75}},
        {"one_hot(c, 3)", "f32[N,3]", {0, 0, 1, 1, 0, 0}},
        {"gather(tensor([[1, 2], [3, 4], [5, 6]]), c)", "f32[N,2]", {5, 6, 1, 2}},
        {"scatter_add(c, x[:, 0], 3)", "f32[3]", {-0.75, 0, 0.5}},
        {"tensor(shape_of(x)[1:])", "f32[1]", {3}});
}

Test(language, reductions)
{
    EXPECT("",
        {"sum(x)", "f32[]", {4}},
        {"sum(x, axis = 1, keep = true)", "f32[N,1]", {1.25, 2.75}},
        {"prod(x[:, 0:2], axis = 1)", "f32[N]", {-0.625, -2.625}},
        {"mean(x, axis = 0)", "f32[3]", {-0.125, 1.125, 1}},
        {"max(x)", "f32[]", {3.5}},
        {"max(x, axis = 1)", "f32[N]", {2, 3.5}},
        {"max(x, 1)", "f32[N,3]", {1, 1, 2, 1, 3.5, 1}},
        {"min(x, axis = 0)", "f32[3]", {-0.75, -1.25, 0}},
        {"min_over(x, axis = -1, keep = true)", "f32[N,1]", {-1.25, -0.75}},
        {"argmax(x, axis = 1)", "i32[N]", {2, 1}},
        {"argmin(x, axis = 1)", "i32[N]", {1, 0}},
        {"sort(x, axis = 1)", "f32[N,3]", {-1.25, 0.5, 2, -0.75, 0, 3.5}},
        {"argsort(x, axis = 1)", "i32[N,3]", {1, 0, 2, 0, 2, 1}},
        {"cumsum(x, axis = 1)", "f32[N,3]", {0.5, -0.75, 1.25, -0.75, 2.75, 2.75}},
        {"variance(x, axis = 0)", "f32[3]", {0.390625, 5.640625, 1}});
}

Test(language, definitions)
{
    EXPECT("function twice(f, x) { return f(f(x)) }\nfunction double(x) { return 2 * x }\n"
           "function affine(v, a = 1, b = a + 1) {\n w = v * a\n return w + b\n}\n"
           "function both(a: [N, D], b: [D]) { return a + b * D }\n"
           "function rows(a: [..., D]) { return D }\n"
           "function sum_of(list) { return list[0] + list[-1] }\n"
           "function power(x, n) {\n repeat i in 1..n { x = x * x }\n return x\n}\n"
           "function signed(x, up) {\n if up {\n return x\n } else if not up and 1 < 2 {\n return -x\n }\n}\n",
        {"twice(double, x[:, 0])", "f32[N]", {2, -3}},
        {"f = leaky_relu; f(x[:, 0], slope = 0.5)", "f32[N]", {0.5, -0.375}},
        {"affine(x[:, 0])", "f32[N]", {2.5, 1.25}},
        {"affine(b = 3, a = 2, v = x[:, 0])", "f32[N]", {4, 1.5}},
        {"affine(x[:, 0], 2)", "f32[N]", {4, 1.5}},
        {"both(x[:, 0:2], tensor([1, 2]))", "f32[N,2]", {2.5, 2.75, 1.25, 7.5}},
        {"zeros([1]) + rows(x)", "f32[1]", {3}},
        {"sum_of([x[:, 0], x[:, 1], x[:, 2]])", "f32[N]", {2.5, -0.75}},
        {"power(x[:, 0], 2)", "f32[N]", {0.0625, 0.31640625}},
        {"signed(x[:, 0], true)", "f32[N]", {0.5, -0.75}},
        {"signed(x[:, 0], 1 > 2)", "f32[N]", {-0.5, 0.75}},
        {"a = x[:, 0]; if 1 < 2 { a = a + 1 }; a", "f32[N]", {1.5, 0.25}},
        {"a = x[:, 0]; repeat i in 0..3 { a = a * i + 1 }; a", "f32[N]", {16, 16}},
        {"a = x[:, 0]; repeat i in 3..2 { a = a * 0 }; a", "f32[N]", {0.5, -0.75}},
        {"x[:, 0] * (training ? 0 : 1)", "f32[N]", {0.5, -0.75}});
}

/* Names that are free: statement words, and what a primitive is called. */
Test(language, names)
{
    EXPECT("",
        {"loss = x[:, 0]; step = 5; input = loss * step; input", "f32[N]", {2.5, -3.75}},
        {"sum = sum(x); sum(x) + sum", "f32[]", {8}},
        {"a = x; x = x * 2; x = x + a; x[:, 0]", "f32[N]", {1.5, -2.25}});
}

/* A state is what it was in evaluation, and its new value below `update` in training. */
Test(language, states_and_losses)
{
    static const struct row rows[] = {
        {"state n = ones([3]); update n = n * 0 + 5; update_sees = n; sum(update_sees)", "f32[]", {15}},
        {"loss fit = mean(x[:, 0]); penalty sum(x[:, 1]) * 2; fit * 4", "f32[]", {-0.125 + 4.5 - 0.5}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect(&rows[i], "", true);
}
