/* The prelude where shapes and types are unusual: slopes at the places where two formulas meet, f64 models under each convention,
 * metrics of nothing, batches of one row. What they are compared with comes from formulas, or from the frameworks where it says so. */
#include "tests/unit/run_program.h"
#include <math.h>

TestSuite(prelude, .timeout = 120);

/* The last number of |column| in the history of a training of |text|. */
static double
trained(struct run *r, const char *text, const char *column)
{
    run_write(r, "m.nn", text);
    cr_assert_eq(run_nnc(r, "train m.nn --mode graph --quiet --history h.csv --history-no-time"), 0, "%s\n%s", r->text, text);
    char *table = run_file(r, "h.csv");
    double number = run_last(table, column);
    free(table);
    return number;
}

/* The slope of |expression|, a function of w, at |at|: what one step of gradient descent takes off. */
static double
slope(struct run *r, const char *follow, const char *expression, double at)
{
    char text[1024];
    snprintf(text, sizeof text, "follow %s\ndata {\n x = normal(numpy_random(0), [1, 1])\n train x = x\n valid x = x\n}\n"
             "model m {\n input x: f64[N, 1]\n w = weight([1], constant(%.17g))\n output p = x * w\n loss sum(%s)\n"
             " metric left = sum(w) + mean(x * 0)\n}\ntrain {\n optimizer sgd(lr = 1)\n}\n", follow, at, expression);
    return at - trained(r, text, "valid_left");
}

/* As Keras 3.15.1 (on TensorFlow) and PyTorch 2.13 give them. */
Test(prelude, slopes_where_two_formulas_meet)
{
    static const struct { const char *follow, *expression; double at, want; } rows[] = {
        {"nnc", "relu(w)", 0, 0}, {"nnc", "leaky_relu(w)", 0, 0.2}, {"torch", "leaky_relu(w)", 0, 0.01},
        {"nnc", "elu(w)", 0, 1}, {"nnc", "elu(w, alpha = 0.3)", 0, 0.3}, {"torch", "elu(w, alpha = 0.3)", 0, 0.3},
        {"nnc", "selu(w)", 0, 1.0507009873554805}, {"torch", "selu(w)", 0, 1.7580993408473766},
        {"nnc", "softplus(w)", 0, 0.5}, {"torch", "softplus(w)", 20, 0.9999999979388463}, {"torch", "softplus(w)", 21, 1},
        {"nnc", "mae(w, zeros([1]))", 0, 0}, {"nnc", "huber(w, zeros([1]))", 1, 1}, {"nnc", "huber(w, zeros([1]))", -2, -1},
        {"nnc", "clamp(w, -1, 1)", 1, 1}, {"nnc", "clamp(w, -1, 1)", -1, 1}, {"nnc", "clamp(w, -1, 1)", 1.5, 0},
        {"nnc", "bce(w, zeros([1]))", 0, 0}, {"torch", "bce(w, ones([1]))", 0, -1e12}, {"torch", "bce(w, zeros([1]))", 1, 1e12},
        {"nnc", "bce_with_logits(w, ones([1]))", -800, -1}, {"nnc", "bce_with_logits(w, ones([1]))", 800, 0},
        {"nnc", "gelu(w)", 0, 0.5}, {"nnc", "silu(w)", 0, 0.5}, {"nnc", "max(w, 0 * w)", 0, 0}, {"nnc", "abs(w)", 0, 0},
    };
    struct run r;
    run_init(&r);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double got = slope(&r, rows[i].follow, rows[i].expression, rows[i].at);
        cr_expect(fabs(got - rows[i].want) <= 1e-12 * fmax(1, fabs(rows[i].want)), "%s: the slope of %s at %g is %.17g, not %.17g",
                  rows[i].follow, rows[i].expression, rows[i].at, got, rows[i].want);
    }
    run_end(&r);
}

static const char *const follows[] = {"nnc", "keras", "torch"};

/* The loss after some steps, of a model of element type |elem|. */
static double
loss_of(struct run *r, const char *follow, const char *elem, const char *body, const char *loss, const char *optimizer)
{
    char text[2048];
    snprintf(text, sizeof text, "follow %s\ndata {\n r = numpy_random(1)\n x = normal(r, [24, 4])\n train x = x, y = x[:, 0] * x[:, 1] > "
             "0, c = argmax(x, axis = 1)\n}\nmodel m {\n input x: %s[N, 4]\n target y: %s[N]\n target c: i32[N]\n"
             " w = weight([4, 3], constant(0.25))\n v = weight([3, 4], constant(-0.5))\n h = x @ w\n z = tanh(h + h[:, 0:1] * x[:, 0:3]) @ v\n"
             " %s\n output p = z\n loss %s\n penalty 1e-3 * l2(w) + 1e-3 * l1(v)\n}\n"
             "train {\n optimizer %s\n batch 7\n epochs 3\n shuffle false\n clip global_norm = 5\n}\n", follow, elem, elem, body, loss,
             optimizer);
    return trained(r, text, "loss");
}

/* f64 and f32 models follow one formula; that f32 follows the frameworks' is test_parity's. */
static void
expect_same_in_both(struct run *r, const char *body, const char *loss, const char *optimizer)
{
    for (size_t i = 0; i < sizeof follows / sizeof *follows; i++) {
        double narrow = loss_of(r, follows[i], "f32", body, loss, optimizer);
        double wide = loss_of(r, follows[i], "f64", body, loss, optimizer);
        cr_expect(fabs(narrow - wide) <= 2e-5 * fmax(1, fabs(wide)) && narrow != wide, "%s, %s, %s: f32 %.9g, f64 %.17g", follows[i],
                  loss, optimizer, narrow, wide);
    }
}

Test(prelude, optimizers_in_f64)
{
    static const char *const optimizers[] = {
        "sgd()", "sgd(lr = 0.1, momentum = 0.9)", "sgd(lr = 0.1, momentum = 0.9, nesterov = true, weight_decay = 0.01)",
        "sgd(lr = 0.1, momentum = 0.5, dampening = 0.2)", "adam(lr = 0.01, weight_decay = 0.1)",
        "adam(lr = 0.01, beta1 = 0.8, beta2 = 0.9, epsilon = 1e-4, amsgrad = true)", "adamw(lr = 0.01)",
        "adamw(lr = 0.01, amsgrad = true, weight_decay = 0.1)", "adamax(lr = 0.01, weight_decay = 0.1)", "nadam(lr = 0.01, weight_decay = 0.1)",
        "rmsprop(lr = 0.01, rho = 0.8)", "rmsprop(lr = 0.01, momentum = 0.9, centered = true, weight_decay = 0.1)",
        "adagrad(lr = 0.1, initial = 0.2, lr_decay = 0.1, weight_decay = 0.1)", "adadelta(lr = 1, rho = 0.8, epsilon = 1e-4, weight_decay = 0.1)",
        "adam(lr = cosine(0.01, steps = 8, warmup = 2, end = 1e-3))", "sgd(lr = staircase(0.1, rate = 0.5, steps = 4))",
        "sgd(lr = exponential(0.1, rate = 0.5, steps = 4))", "sgd(lr = polynomial(0.1, steps = 5, end = 0.01, power = 2))",
    };
    struct run r;
    run_init(&r);
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++)
        expect_same_in_both(&r, "", "softmax_cross_entropy(z, c)", optimizers[i]);
    run_end(&r);
}

Test(prelude, losses_and_layers_in_f64)
{
    static const char *const losses[] = {
        "mse(z[:, 0], y)", "mae(z[:, 0], y)", "huber(z[:, 0], y, delta = 0.5)", "bce(sigmoid(z[:, 0]), y)",
        "bce_with_logits(z[:, 0], y)", "cross_entropy(softmax(z), c)", "cross_entropy(softmax(z), one_hot(c, 4))",
        "softmax_cross_entropy(z, one_hot(c, 4))", "kl_divergence(softmax(z), softmax(x))",
    };
    static const char *const bodies[] = {
        "z = leaky_relu(elu(selu(gelu(z))))", "z = gelu(silu(softplus(z)), approximate = true)", "z = log_softmax(relu(z) + sigmoid(z))",
        "n = layer_norm(z); z = n", "n = batch_norm(z); z = n + flatten(reshape(z, [N, 2, 2]))",
    };
    struct run r;
    run_init(&r);
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
        expect_same_in_both(&r, "", losses[i], "sgd(lr = 0.1)");
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        expect_same_in_both(&r, bodies[i], "mse(z[:, 0], y) + mean(z * z)", "sgd(lr = 0.1)");
    run_end(&r);
}

/* Three rows; of a score, a label, and a table of four classes. */
Test(prelude, metrics_of_ties_and_of_nothing)
{
    static const struct { const char *metric; double want; } rows[] = {
        {"accuracy(z, c)", 2.0 / 3}, {"accuracy(s, y)", 2.0 / 3}, {"accuracy(s, y * 0)", 2.0 / 3}, {"top_k(z, c, 1)", 1}, {"top_k(z, c, 3)", 1},
        {"precision(s, y)", 1}, {"recall(s, y)", 0.5}, {"f1(s, y)", 2.0 / 3},
        {"precision(s * 0, y)", 0}, {"recall(s, y * 0)", 0}, {"f1(s * 0, y * 0)", 0}, {"precision(s, y * 0)", 0},
        {"auc(s, y)", 0.75}, {"auc(s * 0, y)", 0.5}, {"auc(s, y * 0)", NAN}, {"pearson(s * 0, y)", NAN}, {"pearson(2 * s + 1, s)", 1},
        {"r2(s, s)", 1}, {"r2(s * 0 + mean(s), s)", 0}, {"confusion(z, c)[1, 1]", 1}, {"confusion(z, c)[1, 0]", 0}, {"confusion(z, c)[2, 1]", 1},
    };
    struct run r;
    run_init(&r);
    for (int wide = 0; wide < 2; wide++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            char text[1024];
            snprintf(text, sizeof text, "data {\n k = csv(\"k.csv\")\n valid s = k[\"s\"], y = k[\"y\"], c = k[\"c\"], z = k.columns(3:7)\n}\n"
                     "model m {\n input s: %s[N]\n input z: %s[N, 4]\n target y: %s[N]\n target c: i32[N]\n output p = s\n"
                     " metric q = %s\n}\n", wide ? "f64" : "f32", wide ? "f64" : "f32", wide ? "f64" : "f32", rows[i].metric);
            run_write(&r, "m.nn", text);
            run_write(&r, "k.csv", "s,y,c,a,b,d,e\n0.5,1,1,0,2,2,-1\n0.75,1,0,3,3,3,3\n0.5,0,2,1,4,4,4\n");
            cr_assert_eq(run_nnc(&r, "eval m.nn --format json"), 0, "%s\n%s", r.text, text);
            const char *at = strstr(r.text, "\"valid_q\":");
            cr_assert(at, "%s: %s", rows[i].metric, r.text);
            double got = strtod(at + strlen("\"valid_q\":"), NULL);
            bool nothing = strstr(at, "null") || strstr(at, "nan") || strstr(at, "NaN");
            cr_expect(isnan(rows[i].want) ? nothing : fabs(got - rows[i].want) < 1e-6, "%s, %s: %s, not %g", wide ? "f64" : "f32",
                      rows[i].metric, r.text, rows[i].want);
        }
    run_end(&r);
}
