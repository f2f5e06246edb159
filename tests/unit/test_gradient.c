/* The derivative rules: every operation in f64, its full Jacobian against central differences of the reference evaluator;
 * then what differences cannot show: ties, zeros, the order of sums, the shape of the nodes. */
#include "passes/gradient.h"
#include "tests/reference/draw.h"
#include "tests/reference/reference.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPERANDS_MAX = 4, TEXT_MAX = 2048 };

/* ---- a graph in an arena ---- */

struct fixture {
    jmp_buf oom;
    struct arena arena;
    struct diag diag;
    struct graph *g;
};

static void
fixture_init(struct fixture *f)
{
    arena_init(&f->arena, &f->oom);
    diag_init(&f->diag, &f->arena);
    f->g = graph_new(&f->arena, "test");
}

static void
fixture_read(struct fixture *f, const char *text)
{
    fixture_init(f);
    struct module *m = module_read(&f->arena, text, strlen(text), 1, &f->diag);
    cr_assert(m && m->ngraphs, "%s\n%s", text, f->diag.first ? f->diag.first->message : "");
    f->g = m->graphs[0];
}

/* ---- the Jacobian, twice ---- */

/* A function of float inputs (those that |with| holds are differentiated by) at one place. */
struct point {
    struct fixture *f;
    int64_t rows;
    int ninputs;
    struct tensor in[OPERANDS_MAX + 1]; /* the last: the gradient of the result */
    struct node *y, *gradient[OPERANDS_MAX];
    bool smooth[OPERANDS_MAX];          /* whether differences say anything about that input */
};

static bool
is_real(const struct tensor *t)
{
    return t->type.elem == ELEM_F64;
}

static struct tensor *
evaluate(const struct point *p)
{
    void *inputs[OPERANDS_MAX + 1];
    for (int i = 0; i <= p->ninputs; i++)
        inputs[i] = p->in[i].data;
    return reference_run(p->f->g, inputs, NULL, p->rows);
}

/* Adds the seed and the backward nodes to the graph, whose first output is the function. */
static void
differentiate(struct point *p)
{
    struct graph *g = p->f->g;
    struct node *wrt[OPERANDS_MAX];
    p->ninputs = g->ninputs;
    p->y = g->outputs[0].node;
    for (int i = 0; i < p->ninputs; i++) {
        struct type type = type_at(&g->inputs[i]->type, p->rows);
        wrt[i] = g->inputs[i];
        p->in[i] = tensor_new(&type);
    }
    struct type type = type_at(&p->y->type, p->rows);
    p->in[p->ninputs] = tensor_new(&type);
    struct node *seed = graph_input(g, "seed", &p->y->type);
    gradient_from(g, p->y, seed, p->ninputs, wrt, p->gradient);
    for (int i = 0; i < p->ninputs; i++)
        if (p->gradient[i])
            cr_assert(type_equal(&p->gradient[i]->type, &wrt[i]->type), "gradient of input %d has another type", i);
    cr_assert(graph_verify(g, &p->f->diag), "%s", p->f->diag.first->message);
}

static void
point_free(struct point *p)
{
    for (int i = 0; i <= p->ninputs; i++)
        tensor_free(&p->in[i]);
    arena_free(&p->f->arena);
}

/* d y / d input |k| by the rules: a row for each element of y. */
static double *
jacobian_by_rules(struct point *p, int k)
{
    int64_t rows = tensor_count(&p->in[p->ninputs]), columns = tensor_count(&p->in[k]);
    double *j = calloc((size_t)(rows * columns) + 1, sizeof *j), *seed = p->in[p->ninputs].data;
    for (int64_t r = 0; r < rows && p->gradient[k]; r++) {
        seed[r] = 1;
        struct tensor *values = evaluate(p);
        memcpy(j + r * columns, values[p->gradient[k]->id].data, (size_t)columns * sizeof *j);
        reference_free(values, p->f->g->count);
        seed[r] = 0;
    }
    return j;
}

static double *
value_of(struct point *p, int64_t count)
{
    double *y = malloc((size_t)(count + 1) * sizeof *y);
    struct tensor *values = evaluate(p);
    memcpy(y, values[p->y->id].data, (size_t)count * sizeof *y);
    reference_free(values, p->f->g->count);
    return y;
}

static double *
jacobian_by_differences(struct point *p, int k)
{
    int64_t rows = tensor_count(&p->in[p->ninputs]), columns = tensor_count(&p->in[k]);
    double *j = calloc((size_t)(rows * columns) + 1, sizeof *j), *x = p->in[k].data;
    for (int64_t c = 0; c < columns; c++) {
        double was = x[c], h = 1e-5;
        x[c] = was + h;
        double *above = value_of(p, rows);
        x[c] = was - h;
        double *below = value_of(p, rows);
        x[c] = was;
        for (int64_t r = 0; r < rows; r++)
            j[r * columns + c] = (above[r] - below[r]) / (2 * h);
        free(above);
        free(below);
    }
    return j;
}

static void
compare(struct point *p, int k, const char *what)
{
    int64_t rows = tensor_count(&p->in[p->ninputs]), columns = tensor_count(&p->in[k]);
    double *rules = jacobian_by_rules(p, k), *differences = jacobian_by_differences(p, k);
    for (int64_t i = 0; i < rows * columns; i++) {
        double size = fmax(fmax(fabs(rules[i]), fabs(differences[i])), 1e-3);
        cr_assert(fabs(rules[i] - differences[i]) <= 1e-6 * size,
                  "%s: d y[%lld] / d input %d [%lld] is %.17g by the rule, %.17g by differences\n%s", what,
                  (long long)(i / columns), k, (long long)(i % columns), rules[i], differences[i],
                  graph_text(p->f->g, &p->f->arena, false));
    }
    free(rules);
    free(differences);
}

static void
compare_all(struct point *p, const char *what)
{
    for (int k = 0; k < p->ninputs; k++)
        if (is_real(&p->in[k]) && p->smooth[k])
            compare(p, k, what);
}

/* ---- elementwise: a row for each operation ---- */

/* What the differences must keep away from. */
enum kink { SMOOTH, NO_ZERO, NO_WHOLE, NO_HALF, NO_TIE, CUT };
struct sample {
    double from, to;   /* of the first operand */
    double from2, to2; /* of the others; both 0: the same */
    enum kink kink;    /* CUT: the derivative is 0 by definition */
};
#define RANGE(a, b) {.from = (a), .to = (b)}
#define RANGES(a, b, c, d) {.from = (a), .to = (b), .from2 = (c), .to2 = (d)}
#define KINKED(a, b, k) {.from = (a), .to = (b), .kink = (k)}
#define SAMPLE_ADD RANGE(-2, 2)
#define SAMPLE_SUB RANGE(-2, 2)
#define SAMPLE_MUL RANGE(-2, 2)
#define SAMPLE_DIV RANGES(-2, 2, 0.5, 2)
#define SAMPLE_FLOORDIV RANGES(0.1, 0.9, 1, 2)
#define SAMPLE_POW RANGES(0.3, 2, -2, 2)
#define SAMPLE_MIN KINKED(-2, 2, NO_TIE)
#define SAMPLE_MAX KINKED(-2, 2, NO_TIE)
#define SAMPLE_FMA RANGE(-2, 2)
#define SAMPLE_NEG RANGE(-2, 2)
#define SAMPLE_ABS KINKED(-2, 2, NO_ZERO)
#define SAMPLE_SIGN KINKED(-2, 2, NO_ZERO)
#define SAMPLE_FLOOR KINKED(-5, 5, NO_WHOLE)
#define SAMPLE_ROUND KINKED(-5, 5, NO_HALF)
#define SAMPLE_SQRT RANGE(0.1, 4)
#define SAMPLE_RSQRT RANGE(0.1, 4)
#define SAMPLE_EXP RANGE(-3, 3)
#define SAMPLE_EXPM1 RANGE(-3, 3)
#define SAMPLE_LOG RANGE(0.1, 4)
#define SAMPLE_LOG1P RANGE(-0.8, 4)
#define SAMPLE_TANH RANGE(-3, 3)
#define SAMPLE_SIGMOID RANGE(-4, 4)
#define SAMPLE_ERF RANGE(-2, 2)
#define SAMPLE_SIN RANGE(-7, 7)
#define SAMPLE_COS RANGE(-7, 7)
#define SAMPLE_EQ RANGE(-2, 2)
#define SAMPLE_NE RANGE(-2, 2)
#define SAMPLE_LT RANGE(-2, 2)
#define SAMPLE_LE RANGE(-2, 2)
#define SAMPLE_AND RANGE(0, 1)
#define SAMPLE_OR RANGE(0, 1)
#define SAMPLE_NOT RANGE(0, 1)
#define SAMPLE_WHERE RANGE(-2, 2)
#define SAMPLE_STOP KINKED(-2, 2, CUT)

#define ROW_MAP(id) [OP_##id] = SAMPLE_##id,
#define ROW_LEAF(id)
#define ROW_CAST(id)
#define ROW_REDUCE(id)
#define ROW_CONTRACT(id)
#define ROW_MOVE(id)
#define ROW_RANDOM(id)
#define ROW_GROUP(id)
#define ROW_EFFECT(id)
static const struct sample samples[OP_COUNT] = {
#define OP(id, text, class, ...) ROW_##class(id)
#include "ir/ops.def"
#undef OP
};

static bool
on_kink(enum kink kink, double x)
{
    double from = kink == NO_ZERO ? x : kink == NO_WHOLE ? x - rint(x) : kink == NO_HALF ? x - floor(x) - 0.5 : 1;
    return fabs(from) < 0.01;
}

static double
draw_smooth(struct draw *d, const struct sample *s, int operand)
{
    bool second = operand > 0 && (s->from2 || s->to2);
    double x;
    do
        x = second ? draw_real(d, s->from2, s->to2) : draw_real(d, s->from, s->to);
    while (on_kink(s->kink, x));
    /* Operands on interleaved grids are never equal. */
    return s->kink == NO_TIE ? rint(x * 10) / 10 + 0.03 * operand : x;
}

static void
fill(struct tensor *t, struct draw *d, const struct sample *s, int operand)
{
    for (int64_t i = 0; i < tensor_count(t); i++)
        if (t->type.elem == ELEM_F64)
            ((double *)t->data)[i] = draw_smooth(d, s, operand);
        else
            *(bool *)reference_element(t, i) = draw_bits(d) & 1;
}

/* Shapes of the three operands; S stands for the size. */
enum { SIZE = -100 };
static const struct type layouts[][3] = {
    {{.rank = 1, .dim = {SIZE}}, {.rank = 1, .dim = {SIZE}}, {.rank = 1, .dim = {SIZE}}},
    {{.rank = 2, .dim = {DIM_N, 3}}, {.rank = 1, .dim = {3}}, {0}},
    {{.rank = 2, .dim = {SIZE, 1}}, {.rank = 2, .dim = {1, 2}}, {.rank = 3, .dim = {2, 1, 2}}},
};
static const int sizes[] = {1, 2, 3, 15, 16, 17, 31, 33};

static struct type
sized(struct type t, enum elem e, int size)
{
    for (int i = 0; i < t.rank; i++)
        t.dim[i] = t.dim[i] == SIZE ? size : t.dim[i];
    t.elem = (uint8_t)e;
    return t;
}

static void
check_map(enum op op, int layout, int size)
{
    struct fixture f;
    struct node *in[3];
    fixture_init(&f);
    for (int i = 0; i < op_info[op].nin; i++) {
        bool condition = op_info[op].types == TYPES_BOOL || (op == OP_WHERE && i == 0);
        struct type type = sized(layouts[layout][i], condition ? ELEM_BOOL : ELEM_F64, size);
        in[i] = graph_input(f.g, arena_printf(&f.arena, "x%d", i), &type);
    }
    graph_output(f.g, "y", graph_add(f.g, op, op_info[op].nin, in, NULL, NULL));
    if (!elem_is_float((enum elem)f.g->outputs[0].node->type.elem)) {
        arena_free(&f.arena);
        return;
    }
    struct point p = {.f = &f, .rows = size};
    struct draw d = {(uint64_t)op * 1000 + (uint64_t)layout * 100 + (uint64_t)size};
    differentiate(&p);
    for (int i = 0; i < p.ninputs; i++) {
        fill(&p.in[i], &d, &samples[op], i);
        p.smooth[i] = samples[op].kink != CUT;
        bool wanted = derivative_of[op] != derivative_none && is_real(&p.in[i]);
        cr_assert((p.gradient[i] != NULL) == wanted, "%s", op_info[op].text);
    }
    compare_all(&p, op_info[op].text);
    point_free(&p);
}

Test(gradient, elementwise_operations_against_differences)
{
    for (int op = 0; op < OP_COUNT; op++) {
        if (op_info[op].class != CLASS_MAP)
            continue;
        cr_assert(samples[op].from != samples[op].to, "no sample for %s", op_info[op].text);
        for (size_t layout = 0; layout < sizeof layouts / sizeof layouts[0]; layout++)
            for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
                check_map((enum op)op, (int)layout, sizes[s]);
    }
}

/* ---- everything else: graphs; S is the size, T is S + 3, U is S + 2, D is 2 S, E is 2 S + 3 ---- */

struct text_case {
    enum op op;
    const char *text;
    double from, to;
    int zeros; /* so many elements of the first input are 0 */
};
static const struct text_case cases[] = {
    {OP_CAST, "graph g(x: f64[S]) { %1 = mul x, x : f64[S] %2 = cast %1 : f64[S] return %2 }", -2, 2, 0},
    {OP_SUM, "graph g(x: f64[S]) { %1 = sum x {axis=[0]} : f64[] return %1 }", -2, 2, 0},
    {OP_SUM, "graph g(x: f64[2,S,3]) { %1 = sum x {axis=[1]} : f64[2,3] return %1 }", -2, 2, 0},
    {OP_SUM, "graph g(x: f64[2,S,3]) { %1 = sum x {axis=[0,2], keep} : f64[1,S,1] return %1 }", -2, 2, 0},
    {OP_SUM, "graph g(x: f64[N,3]) { %1 = sum x {axis=[0]} : f64[3] return %1 }", -2, 2, 0},
    {OP_PROD, "graph g(x: f64[S]) { %1 = prod x {axis=[0]} : f64[] return %1 }", 0.5, 1.5, 0},
    {OP_PROD, "graph g(x: f64[S,3]) { %1 = prod x {axis=[0]} : f64[3] return %1 }", -1.5, 1.5, 0},
    {OP_PROD, "graph g(x: f64[S,3]) { %1 = prod x {axis=[0,1], keep} : f64[1,1] return %1 }", 0.5, 1.5, 1},
    {OP_PROD, "graph g(x: f64[2,S]) { %1 = prod x {axis=[1]} : f64[2] return %1 }", -1.5, 1.5, 1},
    {OP_PROD, "graph g(x: f64[2,S]) { %1 = prod x {axis=[0]} : f64[S] return %1 }", -1.5, 1.5, 2},
    {OP_MEAN, "graph g(x: f64[S]) { %1 = mean x {axis=[0]} : f64[] return %1 }", -2, 2, 0},
    {OP_MEAN, "graph g(x: f64[N,3]) { %1 = mean x {axis=[0]} : f64[3] return %1 }", -2, 2, 0},
    {OP_MEAN, "graph g(x: f64[2N,3]) { %1 = mean x {axis=[0,1], keep} : f64[1,1] return %1 }", -2, 2, 0},
    {OP_MEAN, "graph g(x: f64[N,2,S]) { %1 = mean x {axis=[1]} : f64[N,S] return %1 }", -2, 2, 0},
    {OP_MAX_OVER, "graph g(x: f64[S]) { %1 = max_over x {axis=[0]} : f64[] return %1 }", -2, 2, 0},
    {OP_MAX_OVER, "graph g(x: f64[S,3]) { %1 = max_over x {axis=[0]} : f64[3] return %1 }", -2, 2, 0},
    {OP_MAX_OVER, "graph g(x: f64[2,S,3]) { %1 = max_over x {axis=[0,2]} : f64[S] return %1 }", -2, 2, 0},
    {OP_MAX_OVER, "graph g(x: f64[N,S]) { %1 = max_over x {axis=[0,1], keep} : f64[1,1] return %1 }", -2, 2, 0},
    {OP_MIN_OVER, "graph g(x: f64[2,S]) { %1 = min_over x {axis=[1], keep} : f64[2,1] return %1 }", -2, 2, 0},
    {OP_MIN_OVER, "graph g(x: f64[N,3]) { %1 = min_over x {axis=[0,1]} : f64[] return %1 }", -2, 2, 0},
    {OP_MATMUL, "graph g(a: f64[S,3], b: f64[3,2]) { %1 = matmul a, b : f64[S,2] return %1 }", -2, 2, 0},
    {OP_MATMUL, "graph g(a: f64[3,S], b: f64[3,2]) { %1 = matmul a, b {transpose_a} : f64[S,2] return %1 }", -2, 2, 0},
    {OP_MATMUL, "graph g(a: f64[2,S], b: f64[3,S]) { %1 = matmul a, b {transpose_b} : f64[2,3] return %1 }", -2, 2, 0},
    {OP_MATMUL, "graph g(a: f64[2,3], b: f64[S,2]) { %1 = matmul a, b {transpose_a, transpose_b} : f64[3,S] return %1 }", -2,
     2, 0},
    {OP_MATMUL, "graph g(a: f64[N,2,3], b: f64[3,2]) { %1 = matmul a, b : f64[N,2,2] return %1 }", -2, 2, 0},
    {OP_MATMUL, "graph g(a: f64[2,S,3], b: f64[2,3]) { %1 = matmul a, b {transpose_b} : f64[2,S,2] return %1 }", -2, 2, 0},
    {OP_MATMUL, "graph g(a: f64[2,S,3], b: f64[2,3,2]) { %1 = matmul a, b : f64[2,S,2] return %1 }", -2, 2, 0},
    {OP_MATMUL, "graph g(a: f64[N,2,2], b: f64[N,3,2]) { %1 = matmul a, b {transpose_a, transpose_b} : f64[N,2,3] return %1 }",
     -2, 2, 0},
    {OP_MATMUL, "graph g(a: f64[2,S,3], b: f64[2,S,1]) { %1 = matmul a, b {transpose_a} : f64[2,3,1] return %1 }", -2, 2, 0},
    {OP_RESHAPE, "graph g(x: f64[S,3,2]) { %1 = mul x, x : f64[S,3,2] %2 = reshape %1 : f64[3,D] return %2 }", -2, 2, 0},
    {OP_BROADCAST, "graph g(x: f64[S,1]) { %1 = broadcast x : f64[2,S,3] return %1 }", -2, 2, 0},
    {OP_BROADCAST, "graph g(x: f64[]) { %1 = broadcast x : f64[N,2] return %1 }", -2, 2, 0},
    {OP_TRANSPOSE, "graph g(x: f64[S,2,3]) { %1 = transpose x {perm=[2,0,1]} : f64[3,S,2] return %1 }", -2, 2, 0},
    {OP_SLICE, "graph g(x: f64[T,3]) { %1 = slice x {start=[1,0], stop=[3,2]} : f64[2,2] return %1 }", -2, 2, 0},
    {OP_SLICE, "graph g(x: f64[2N,S]) { %1 = slice x {start=[N,0], stop=[2N,1]} : f64[N,1] return %1 }", -2, 2, 0},
    {OP_PAD, "graph g(x: f64[S,N]) { %1 = pad x {before=[2,N], after=[1,0]} : f64[T,2N] return %1 }", -2, 2, 0},
    {OP_CONCAT, "graph g(a: f64[2,S], b: f64[2,3]) { %1 = concat a, b, a {axis=1} : f64[2,E] return %1 }", -2, 2, 0},
    {OP_CONCAT, "graph g(a: f64[N,2], b: f64[2N,2]) { %1 = concat a, b {axis=0} : f64[3N,2] return %1 }", -2, 2, 0},
    {OP_GATHER, "graph g(x: f64[S,2], i: i32[3]) { %1 = gather x, i : f64[3,2] return %1 }", -2, 2, 0},
    {OP_GATHER, "graph g(x: f64[S], i: i64[N,2]) { %1 = gather x, i : f64[N,2] return %1 }", -2, 2, 0},
    {OP_SCATTER_ADD, "graph g(x: f64[3,2], i: i32[3]) { %1 = scatter_add i, x : f64[S,2] return %1 }", -2, 2, 0},
    {OP_SORT, "graph g(x: f64[S]) { %1 = sort x {axis=0} : f64[S] return %1 }", -2, 2, 0},
    {OP_SORT, "graph g(x: f64[2,S,2]) { %1 = sort x {axis=1} : f64[2,S,2] return %1 }", -2, 2, 0},
    {OP_PERMUTE, "graph g(x: f64[N,3]) { %1 = argsort x {axis=0} : i32[N,3] "
                 "%2 = permute x, %1 {axis=0} : f64[N,3] return %2 }", -2, 2, 0},
    {OP_FLIP, "graph g(x: f64[S,2,3]) { %1 = flip x {axis=1} : f64[S,2,3] return %1 }", -2, 2, 0},
    {OP_FLIP, "graph g(x: f64[N,2]) { %1 = flip x {axis=0} : f64[N,2] return %1 }", -2, 2, 0},
    {OP_CUMSUM, "graph g(x: f64[2,S]) { %1 = cumsum x {axis=1} : f64[2,S] return %1 }", -2, 2, 0},
    {OP_CUMSUM, "graph g(x: f64[N,2]) { %1 = cumsum x {axis=0} : f64[N,2] return %1 }", -2, 2, 0},
    {OP_CONV, "graph g(x: f64[2,T,2], w: f64[3,2,2]) { %1 = conv x, w "
     "{stride=[1], dilation=[1], before=[0], after=[2]} : f64[2,T,2] return %1 }", -2, 2, 0},
    {OP_CONV, "graph g(x: f64[N,5,4,2], w: f64[2,3,2,1]) { %1 = conv x, w "
     "{stride=[2,1], dilation=[1,2], before=[1,2], after=[0,1]} : f64[N,3,3,1] return %1 }", -2, 2, 0},
    {OP_CONV_INPUT, "graph g(y: f64[2,S,2], w: f64[3,1,2]) { %1 = conv_input y, w "
     "{stride=[1], dilation=[1], before=[0], after=[0]} : f64[2,U,1] return %1 }", -2, 2, 0},
    {OP_CONV_INPUT, "graph g(y: f64[N,3,3,1], w: f64[2,3,2,1]) { %1 = conv_input y, w "
     "{stride=[2,1], dilation=[1,2], before=[1,2], after=[0,1]} : f64[N,5,4,2] return %1 }", -2, 2, 0},
    {OP_CONV_WEIGHT, "graph g(x: f64[2,U,2], y: f64[2,S,1]) { %1 = conv_weight x, y "
     "{stride=[1], dilation=[1], before=[0], after=[0]} : f64[3,2,1] return %1 }", -2, 2, 0},
    {OP_CONV_WEIGHT, "graph g(x: f64[N,5,4,2], y: f64[N,3,3,1]) { %1 = conv_weight x, y "
     "{stride=[2,1], dilation=[1,2], before=[1,2], after=[0,1]} : f64[2,3,2,1] return %1 }", -2, 2, 0},
    {OP_CAST, "graph g(x: f64[N,S]) { %1 = cast x : f64[N,S] %2 = mul %1, x : f64[N,S] return %2 }", -2, 2, 0},
    {OP_CAST, "graph g(x: f64[2,S,1]) { %1 = sin x : f64[2,S,1] %2 = cast %1 : f64[2,S,1] return %2 }", -2, 2, 0},
    {OP_MIN_OVER, "graph g(x: f64[S,2]) { %1 = min_over x {axis=[0], keep} : f64[1,2] return %1 }", -2, 2, 0},
    {OP_RESHAPE, "graph g(x: f64[2N,3]) { %1 = sin x : f64[2N,3] %2 = reshape %1 : f64[N,3,2] return %2 }", -2, 2, 0},
    {OP_RESHAPE, "graph g(x: f64[S]) { %1 = reshape x : f64[1,S,1] %2 = mul %1, %1 : f64[1,S,1] return %2 }", -2, 2, 0},
    {OP_BROADCAST, "graph g(x: f64[1,S,1]) { %1 = broadcast x : f64[N,S,2] return %1 }", -2, 2, 0},
    {OP_TRANSPOSE, "graph g(x: f64[N,S]) { %1 = transpose x {perm=[1,0]} : f64[S,N] return %1 }", -2, 2, 0},
    {OP_TRANSPOSE, "graph g(x: f64[2,1,S,2]) { %1 = transpose x {perm=[3,2,1,0]} : f64[2,S,1,2] return %1 }", -2, 2, 0},
    {OP_SLICE, "graph g(x: f64[2,T]) { %1 = slice x {start=[0,1], stop=[2,4]} : f64[2,3] return %1 }", -2, 2, 0},
    {OP_PAD, "graph g(x: f64[S]) { %1 = pad x {before=[0], after=[3]} : f64[T] return %1 }", -2, 2, 0},
    {OP_PAD, "graph g(x: f64[2,S,1]) { %1 = pad x {before=[1,0,0], after=[0,2,1]} : f64[3,U,2] return %1 }", -2, 2, 0},
    {OP_CONCAT, "graph g(a: f64[S], b: f64[3], c: f64[S]) { %1 = concat a, b, c {axis=0} : f64[E] return %1 }", -2, 2, 0},
    {OP_GATHER, "graph g(x: f64[S,2,2], i: i32[2,2]) { %1 = gather x, i : f64[2,2,2,2] return %1 }", -2, 2, 0},
    {OP_SCATTER_ADD, "graph g(x: f64[N], i: i64[N]) { %1 = scatter_add i, x : f64[S] return %1 }", -2, 2, 0},
    {OP_SCATTER_ADD, "graph g(x: f64[2,2,3], i: i32[2,2]) { %1 = scatter_add i, x : f64[S,3] return %1 }", -2, 2, 0},
    {OP_SORT, "graph g(x: f64[N,2]) { %1 = sort x {axis=0} : f64[N,2] return %1 }", -2, 2, 0},
    {OP_PERMUTE, "graph g(x: f64[2,S]) { %1 = argsort x {axis=1} : i32[2,S] "
                 "%2 = permute x, %1 {axis=1} : f64[2,S] return %2 }", -2, 2, 0},
    {OP_PERMUTE, "graph g(x: f64[S,2,2]) { %1 = argsort x {axis=0} : i32[S,2,2] "
                 "%2 = permute x, %1 {axis=0} : f64[S,2,2] return %2 }", -2, 2, 0},
    {OP_FLIP, "graph g(x: f64[2,S]) { %1 = flip x {axis=1} : f64[2,S] return %1 }", -2, 2, 0},
    {OP_CUMSUM, "graph g(x: f64[S,2,2]) { %1 = cumsum x {axis=0} : f64[S,2,2] return %1 }", -2, 2, 0},
    {OP_CONV, "graph g(x: f64[1,T,1], w: f64[2,1,3]) { %1 = conv x, w "
     "{stride=[1], dilation=[1], before=[0], after=[0]} : f64[1,U,3] return %1 }", -2, 2, 0},
    {OP_CONV_INPUT, "graph g(y: f64[N,S,1], w: f64[3,2,1]) { %1 = conv_input y, w "
     "{stride=[1], dilation=[1], before=[0], after=[0]} : f64[N,U,2] return %1 }", -2, 2, 0},
    {OP_CONV_WEIGHT, "graph g(x: f64[1,U,1], y: f64[1,S,2]) { %1 = conv_weight x, y "
     "{stride=[1], dilation=[1], before=[0], after=[0]} : f64[3,1,2] return %1 }", -2, 2, 0},
};

/* Writes |text| with its sizes into |out|. A letter between brackets, or in a list, stands for a size where it is no part
 * of a name. */
static void
write_sizes(const char *text, int size, char out[TEXT_MAX])
{
    size_t at = 0;
    for (const char *p = text; *p; p++) {
        int value = *p == 'S'   ? size
                    : *p == 'T' ? size + 3
                    : *p == 'U' ? size + 2
                    : *p == 'D' ? 2 * size
                    : *p == 'E' ? 2 * size + 3
                                : -1;
        if (value < 0)
            out[at++] = *p;
        else
            at += (size_t)snprintf(out + at, TEXT_MAX - at, "%d", value);
        out[at] = 0;
    }
}

/* Reals that differ by more than differences reach; whole numbers below |size|. */
static void
fill_apart(struct tensor *t, struct draw *d, const struct text_case *c, int size)
{
    int64_t count = tensor_count(t);
    for (int64_t i = 0; i < count; i++)
        if (t->type.elem == ELEM_F64)
            ((double *)t->data)[i] = c->from + (c->to - c->from) * ((double)i + draw_real(d, 0.2, 0.8)) / (double)count;
        else
            reference_cast(ELEM_I64, (enum elem)t->type.elem, reference_element(t, i), &(int64_t){draw_below(d, size)});
    for (int64_t i = count - 1; i > 0 && t->type.elem == ELEM_F64; i--) {
        double *x = t->data, was = x[i];
        int j = draw_below(d, (int)i + 1);
        x[i] = x[j];
        x[j] = was;
    }
}

static void
check_case(const struct text_case *c, int size)
{
    char text[TEXT_MAX];
    struct fixture f;
    write_sizes(c->text, size, text);
    fixture_read(&f, text);
    struct point p = {.f = &f, .rows = size};
    struct draw d = {(uint64_t)size * 7919};
    differentiate(&p);
    for (int i = 0; i < p.ninputs; i++) {
        fill_apart(&p.in[i], &d, c, size);
        p.smooth[i] = true;
    }
    for (int z = 0; z < c->zeros && z < tensor_count(&p.in[0]); z++)
        ((double *)p.in[0].data)[z * 2 % tensor_count(&p.in[0])] = 0;
    compare_all(&p, text);
    point_free(&p);
}

Test(gradient, other_operations_against_differences)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
            check_case(&cases[i], sizes[s]);
}

/* At least twenty shapes each: of eight sizes, three graphs. */
Test(gradient, every_operation_with_a_derivative_has_three_cases)
{
    for (int op = 0; op < OP_COUNT; op++) {
        bool others = op_info[op].class == CLASS_MAP || derivative_of[op] == derivative_none;
        int count = 0;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            count += (int)cases[i].op == op;
        cr_assert(others || count >= 3, "%d cases for %s", count, op_info[op].text);
    }
}

/* ---- values at single places ---- */

/* The gradient of the sum of the first output by input 0, at |x|, against |wanted|. */
static void
check_values(const char *text, const double *x, const double *wanted)
{
    struct fixture f;
    fixture_read(&f, text);
    struct point p = {.f = &f, .rows = 1};
    differentiate(&p);
    int64_t n = tensor_count(&p.in[0]);
    memcpy(p.in[0].data, x, (size_t)n * sizeof *x);
    for (int64_t i = 0; i < tensor_count(&p.in[p.ninputs]); i++)
        ((double *)p.in[p.ninputs].data)[i] = 1;
    struct tensor *values = evaluate(&p);
    const double *g = values[p.gradient[0]->id].data;
    for (int64_t i = 0; i < n; i++)
        cr_assert(g[i] == wanted[i] || (isnan(g[i]) && isnan(wanted[i])), "%s: [%lld] is %.17g, not %.17g", text,
                  (long long)i, g[i], wanted[i]);
    reference_free(values, f.g->count);
    point_free(&p);
}
#define VALUES(...) ((const double[]){__VA_ARGS__})

Test(gradient, ties_and_edges)
{
    check_values("graph g(x: f64[3]) { %1 = max x, 0:f64 : f64[3] return %1 }", VALUES(-1, 0, 1), VALUES(0, 0, 1));
    check_values("graph g(x: f64[3]) { %1 = max 0:f64, x : f64[3] return %1 }", VALUES(-1, 0, 1), VALUES(0, 1, 1));
    check_values("graph g(x: f64[3]) { %1 = min x, 0:f64 : f64[3] return %1 }", VALUES(-1, 0, 1), VALUES(1, 0, 0));
    check_values("graph g(x: f64[3]) { %1 = abs x : f64[3] return %1 }", VALUES(-2, 0, 3), VALUES(-1, 0, 1));
    check_values("graph g(x: f64[4]) { %1 = max_over x {axis=[0]} : f64[] return %1 }",
                 VALUES(1, 2, 2, 0), VALUES(0, 1, 0, 0));
    check_values("graph g(x: f64[2,2]) { %1 = max_over x {axis=[0,1]} : f64[] return %1 }",
                 VALUES(1, 2, 2, 2), VALUES(0, 1, 0, 0));
    check_values("graph g(x: f64[2,2]) { %1 = min_over x {axis=[0,1]} : f64[] return %1 }",
                 VALUES(7, 7, 7, 7), VALUES(1, 0, 0, 0));
    check_values("graph g(x: f64[2,2]) { %1 = min_over x {axis=[0]} : f64[2] return %1 }",
                 VALUES(7, 5, 7, 4), VALUES(1, 0, 0, 1));
    check_values("graph g(x: f64[4]) { %1 = max_over x {axis=[0]} : f64[] return %1 }",
                 VALUES(1, NAN, 9, NAN), VALUES(0, 1, 0, 0));
}

Test(gradient, products_with_zeros)
{
    const char *text = "graph g(x: f64[4]) { %1 = prod x {axis=[0]} : f64[] return %1 }";
    check_values(text, VALUES(2, 4, 1, 8), VALUES(32, 16, 64, 8));
    check_values(text, VALUES(2, 0, 4, 8), VALUES(0, 64, 0, 0));
    check_values(text, VALUES(0, 2, 0, 8), VALUES(0, 0, 0, 0));
}

Test(gradient, powers)
{
    check_values("graph g(x: f64[3]) { %1 = pow x, 2:f64 : f64[3] return %1 }", VALUES(-3, 0, 2), VALUES(-6, 0, 4));
    check_values("graph g(x: f64[3]) { %1 = pow x, 3:f64 : f64[3] return %1 }", VALUES(-3, 0, 2), VALUES(27, 0, 12));
    check_values("graph g(x: f64[3]) { %1 = pow x, 1:f64 : f64[3] return %1 }", VALUES(-3, 0, 2), VALUES(1, 1, 1));
    check_values("graph g(x: f64[2]) { %1 = pow x, 0.5:f64 : f64[2] return %1 }", VALUES(4, -4), VALUES(0.25, NAN));
    /* b = 0: no derivative by a, whatever a; a = 0: none by b >= 0. */
    check_values("graph g(x: f64[3], b: f64[]) { %1 = pow x, b : f64[3] return %1 }", VALUES(-3, 0, 2), VALUES(0, 0, 0));
    check_values("graph g(b: f64[3], x: f64[]) { %1 = pow x, b : f64[3] return %1 }", VALUES(0, 1, 2), VALUES(0, 0, 0));
}

/* Two leading N: no dimension holds N^2, so each has a product of its own. */
Test(gradient, matmul_over_two_axes_of_rows)
{
    struct text_case c = {OP_MATMUL,
                          "graph g(a: f64[N,2], b: f64[2,3]) { %1 = reshape a : f64[N,1,2] %2 = reshape a : f64[1,N,2] "
                          "%3 = sub %1, %2 : f64[N,N,2] %4 = matmul %3, b : f64[N,N,3] return %4 }",
                          -2, 2, 0};
    check_case(&c, 3);
}

/* ---- the order of sums and the shape of the nodes ---- */

static void
check_text(const char *before, const char *after)
{
    struct fixture f;
    fixture_read(&f, before);
    struct node *wrt[OPERANDS_MAX] = {0}, *out[OPERANDS_MAX];
    int count = 0;
    for (int i = 0; i < f.g->count; i++)
        if (f.g->nodes[i]->op == OP_VAR)
            wrt[count++] = f.g->nodes[i];
    gradient(f.g, f.g->outputs[0].node, count, wrt, out);
    for (int i = 0; i < count; i++)
        if (out[i])
            graph_output(f.g, "g", out[i]);
    char *text = graph_text(f.g, &f.arena, false);
    cr_assert(!strcmp(text, after), "%s\nwanted\n%s", text, after);
    arena_free(&f.arena);
}

/* walk.md's model. */
Test(gradient, of_a_dense_layer_with_mse)
{
    check_text("graph tiny.train(x: f32[N,2], y: f32[N]) {\n"
               "  var %h.w: f32[2,1] = \"h.w\"\n"
               "  var %h.b: f32[1] = \"h.b\"\n"
               "  %1 = matmul x, %h.w : f32[N,1]\n"
               "  %2 = add %1, %h.b : f32[N,1]\n"
               "  %3 = reshape %2 : f32[N]\n"
               "  %4 = sub %3, y : f32[N]\n"
               "  %5 = mul %4, %4 : f32[N]\n"
               "  %6 = mean %5 {axis=[0]} : f32[]\n"
               "  return %6 \"loss\"\n"
               "}\n",
               "graph tiny.train(x: f32[N,2], y: f32[N]) {\n"
               "  var %h.w: f32[2,1] = \"h.w\"\n"
               "  var %h.b: f32[1] = \"h.b\"\n"
               "  %1 = matmul x, %h.w : f32[N,1]\n"
               "  %2 = add %1, %h.b : f32[N,1]\n"
               "  %3 = reshape %2 : f32[N]\n"
               "  %4 = sub %3, y : f32[N]\n"
               "  %5 = mul %4, %4 : f32[N]\n"
               "  %6 = mean %5 {axis=[0]} : f32[]\n"
               "  %7 = rows : f64[]\n"
               "  %8 = div 1:f64, %7 : f64[]\n"
               "  %9 = cast %8 : f32[]\n"
               "  %10 = mul %9, %4 : f32[N]\n"
               "  %11 = mul %9, %4 : f32[N]\n"
               "  %12 = add %10, %11 : f32[N]\n"
               "  %13 = reshape %12 : f32[N,1]\n"
               "  %14 = sum %13 {axis=[0]} : f32[1]\n"
               "  %15 = matmul x, %13 {transpose_a} : f32[2,1]\n"
               "  return %6 \"loss\", %15 \"g\", %14 \"g\"\n"
               "}\n");
}

Test(gradient, uses_are_summed_in_their_order)
{
    check_text("graph g() {\n"
               "  var %w: f32[3] = \"w\"\n"
               "  %1 = sin %w : f32[3]\n"
               "  %2 = exp %w : f32[3]\n"
               "  %3 = mul %1, %w : f32[3]\n"
               "  %4 = add %2, %3 : f32[3]\n"
               "  %5 = sum %4 {axis=[0]} : f32[]\n"
               "  return %5 \"loss\"\n"
               "}\n",
               "graph g() {\n"
               "  var %w: f32[3] = \"w\"\n"
               "  %1 = sin %w : f32[3]\n"
               "  %2 = exp %w : f32[3]\n"
               "  %3 = mul %1, %w : f32[3]\n"
               "  %4 = add %2, %3 : f32[3]\n"
               "  %5 = sum %4 {axis=[0]} : f32[]\n"
               "  %6 = cos %w : f32[3]\n"
               "  %7 = mul %w, %6 : f32[3]\n"
               "  %8 = add %7, %2 : f32[3]\n"
               "  %9 = add %8, %1 : f32[3]\n"
               "  return %5 \"loss\", %9 \"g\"\n"
               "}\n");
}

/* Only what leads from the loss to a variable gets nodes; a variable without such a way gets no gradient. */
Test(gradient, stops_where_nothing_is_wanted)
{
    struct fixture f;
    fixture_read(&f, "graph g(x: f32[3]) { var %w: f32[3] = \"w\" var %u: f32[3] = \"u\" "
                     "%1 = exp x : f32[3] %2 = mul %1, %w : f32[3] %3 = stop_gradient %u : f32[3] %4 = mul %2, %3 : f32[3] "
                     "%5 = lt %u, %4 : bool[3] %6 = where %5, %4, x : f32[3] %7 = sum %6 {axis=[0]} : f32[] return %7 }");
    struct node *wrt[2] = {0}, *out[2];
    for (int i = 0; i < f.g->count; i++)
        if (f.g->nodes[i]->op == OP_VAR)
            wrt[f.g->nodes[i]->attr->name.index] = f.g->nodes[i];
    int before = f.g->count;
    gradient(f.g, f.g->outputs[0].node, 2, wrt, out);
    cr_assert(out[0] && !out[1]);
    for (int i = before; i < f.g->count; i++)
        cr_assert(f.g->nodes[i]->op == OP_MUL || f.g->nodes[i]->op == OP_WHERE || f.g->nodes[i]->op == OP_CONST, "%s",
                  op_info[f.g->nodes[i]->op].text);
    arena_free(&f.arena);
}

/* The rules run under a hook that evaluates every node when it is built, and give what the graph gives. */
struct eager {
    struct tensor value[256];
    const struct tensor *x;
};

static void
run_now(void *context, struct node *n)
{
    struct eager *e = context;
    const struct tensor *in[8];
    e->value[n->id] = tensor_new(&n->type);
    for (int i = 0; i < n->nin; i++)
        in[i] = &e->value[n->in[i]->id];
    if (n->op == OP_INPUT)
        memcpy(e->value[n->id].data, e->x->data, (size_t)tensor_bytes(e->x));
    else
        reference_node(n, in, &e->value[n->id], 1);
}

Test(gradient, works_while_a_hook_runs_the_nodes)
{
    struct fixture f;
    struct type type = {.elem = ELEM_F32, .rank = 2, .dim = {5, 3}};
    struct tensor x = tensor_new(&type);
    struct eager e = {.x = &x};
    struct draw d = {1};
    for (int i = 0; i < 15; i++)
        ((float *)x.data)[i] = (float)draw_real(&d, -1, 1);
    fixture_init(&f);
    f.g->on_node = run_now;
    f.g->on_node_context = &e;
    struct node *in = graph_input(f.g, "x", &type), *g;
    struct node *y = graph_add2(f.g, OP_MUL, graph_add1(f.g, OP_TANH, in), in);
    gradient(f.g, graph_reduce(f.g, OP_MEAN, graph_reduce(f.g, OP_MAX_OVER, y, 2, false), 1, false), 1, &in, &g);
    struct tensor *values = reference_run(f.g, &x.data, NULL, 1);
    cr_assert(reference_same(&values[g->id], &e.value[g->id], NULL));
    reference_free(values, f.g->count);
    for (int i = 0; i < f.g->count; i++)
        tensor_free(&e.value[i]);
    tensor_free(&x);
    arena_free(&f.arena);
}
