/* Every rule of simplify.def on special values: the graph with the rewrite and the graph without it give the same bits in
 * graph mode for all pairs of them; and what is no rule stays. What fold evaluates, on the same values. */
#include "passes/explain.h"
#include "runtime/exec.h"
#include "runtime/kernels.h"
#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* |T| in a text stands for the element type. x and y hold all pairs of special values, b and c conditions. */
struct sample {
    const char *lines; /* the last one defines %r */
    uint8_t types;
    const char *rule;  /* of simplify.def, the text; NULL: none may apply */
};

enum { FLT = TYPES_FLT, WHOLE = TYPES_WHOLE, NUM = TYPES_NUM, SIGNED = TYPES_NUM & ~(1 << ELEM_U8), ALL = TYPES_ALL };

static const struct sample samples[] = {
    {"%r = add x, -0:T : T[P]", FLT, "x + -0 is x (whole numbers: x + 0)"},
    {"%r = add 0:T, x : T[P]", WHOLE, "x + -0 is x (whole numbers: x + 0)"},
    {"%r = sub x, 0:T : T[P]", NUM, "x - 0 is x"},
    {"%r = sub -0:T, x : T[P]", FLT, "-0 - x is -x (whole numbers: 0 - x)"},
    {"%r = sub 0:T, x : T[P]", WHOLE, "-0 - x is -x (whole numbers: 0 - x)"},
    {"%1 = neg y : T[P]\n %r = add x, %1 : T[P]", NUM, "x + -y is x - y"},
    {"%1 = neg y : T[P]\n %r = sub x, %1 : T[P]", NUM, "x - -y is x + y"},
    {"%r = mul x, 1:T : T[P]", NUM, "x * 1 is x"},
    {"%1 = broadcast 1:T : T[P]\n %r = mul %1, x : T[P]", NUM, NULL /* spread first */},
    {"%1 = neg x : T[P]\n %2 = neg y : T[P]\n %r = mul %1, %2 : T[P]", NUM, "-x * -y is x * y"},
    {"%1 = neg x : T[P]\n %2 = neg y : T[P]\n %r = div %1, %2 : T[P]", FLT, "-x / -y is x / y"},
    {"%1 = neg x : T[P]\n %r = mul %1, 0.3:T : T[P]", FLT, "-x * c is x * -c"},
    {"%r = div x, 1:T : T[P]", FLT, "x / 1 is x"},
    {"%r = div x, 2:T : T[P]", FLT, "x / 2^k is x * 2^-k"},
    {"%r = div x, -0.125:T : T[P]", FLT, "x / 2^k is x * 2^-k"},
    {"%r = div x, 8.507059173023462e37:T : T[P]", FLT, "x / 2^k is x * 2^-k"},
    {"%r = div x, 1.1754943508222875e-38:T : T[P]", FLT, "x / 2^k is x * 2^-k"},
    {"%r = fma x, y, -0:T : T[P]", FLT, "fma(x, y, -0) is x * y"},
    {"%r = fma x, 1:T, y : T[P]", FLT, "fma(x, 1, y) is x + y"},
    {"%1 = neg x : T[P]\n %r = neg %1 : T[P]", NUM, "--x is x"},
    {"%1 = neg x : T[P]\n %r = abs %1 : T[P]", SIGNED, "|-x| and ||x|| are |x|"},
    {"%1 = abs x : T[P]\n %r = abs %1 : T[P]", FLT, "|-x| and ||x|| are |x|"},
    {"%1 = floor x : T[P]\n %r = round %1 : T[P]", FLT, "floor and round of whole numbers are those numbers"},
    {"%1 = round x : T[P]\n %r = floor %1 : T[P]", FLT, "floor and round of whole numbers are those numbers"},
    {"%1 = cast k : T[P]\n %r = floor %1 : T[P]", FLT, "floor and round of whole numbers are those numbers"},
    {"%r = max x, x : T[P]", NUM, "min, max, and, or of x and x are x"},
    {"%r = min x, x : T[P]", NUM, "min, max, and, or of x and x are x"},
    {"%r = and b, b : bool[P]", 1, "min, max, and, or of x and x are x"},
    {"%r = or b, b : bool[P]", 1, "min, max, and, or of x and x are x"},
    {"%r = and b, true : bool[P]", 1, "and, or with true or false"},
    {"%r = and false, b : bool[P]", 1, "and, or with true or false"},
    {"%r = or b, true : bool[P]", 1, "and, or with true or false"},
    {"%r = or b, false : bool[P]", 1, "and, or with true or false"},
    {"%1 = not b : bool[P]\n %r = not %1 : bool[P]", 1, "not not x is x, not (x == y) is x != y"},
    {"%1 = eq x, y : bool[P]\n %r = not %1 : bool[P]", ALL, "not not x is x, not (x == y) is x != y"},
    {"%1 = ne x, y : bool[P]\n %r = not %1 : bool[P]", ALL, "not not x is x, not (x == y) is x != y"},
    {"%r = where true, x, y : T[P]", ALL, "where of true or false is one of its operands"},
    {"%r = where false, x, y : T[P]", ALL, "where of true or false is one of its operands"},
    {"%r = where b, x, x : T[P]", ALL, "where(c, x, x) is x"},
    {"%1 = not b : bool[P]\n %r = where %1, x, y : T[P]", ALL, "where(not c, x, y) is where(c, y, x)"},
    {"%r = stop_gradient x : T[P]", ALL, "stop_gradient has done its work"},
    {"%1 = broadcast 0.3:T : T[P]\n %r = exp %1 : T[P]", FLT, "elementwise of one number everywhere is done once"},
    {"%1 = reshape x : T[1,P]\n %2 = broadcast %1 : T[2,P]\n %3 = broadcast y : T[2,P]\n %r = add %2, %3 : T[2,P]", NUM, "operands that repeat are read by broadcasting"},
    {"%1 = reshape x : T[1,P]\n %2 = broadcast %1 : T[2,P]\n %r = broadcast %2 : T[3,2,P]", ALL,
     "broadcast of a broadcast, or to the same shape"},
    {"%1 = reshape x : T[1,P]\n %r = reshape %1 : T[P,1]", ALL, "reshape of a reshape, or to the same shape"},
    {"%1 = reshape x : T[Q,Q]\n %2 = transpose %1 {perm=[1,0]} : T[Q,Q]\n %r = transpose %2 {perm=[1,0]} : T[Q,Q]", ALL,
     "transpose of a transpose, or of nothing"},
    {"%1 = reshape x : T[Q,1,Q]\n %r = transpose %1 {perm=[1,0,2]} : T[1,Q,Q]", ALL,
     "a transpose that only moves axes of size 1 is a reshape"},
    {"%r = slice x {start=[0], stop=[P]} : T[P]", ALL, "slice of all"},
    {"%1 = slice x {start=[2], stop=[9]} : T[7]\n %r = slice %1 {start=[1], stop=[5]} : T[4]", ALL, "slice of a slice"},
    {"%r = pad x {before=[0], after=[0]} : T[P]", ALL, "pad by nothing"},
    {"%r = concat x {axis=0} : T[P]", ALL, "concat of one"},
    {"%1 = flip x {axis=0} : T[P]\n %r = flip %1 {axis=0} : T[P]", ALL, "flip of a flip, or of an axis of size 1"},
    {"%1 = reshape x : T[1,P]\n %r = flip %1 {axis=0} : T[1,P]", ALL, "flip of a flip, or of an axis of size 1"},
    {"%1 = reshape x : T[Q,Q]\n %r = sum %1 {axis=[1], keep} : T[Q,1]", NUM,
     "a reduction that keeps its axes is one that does not, reshaped"},
    {"%1 = reshape x : T[P,1]\n %r = max_over %1 {axis=[1]} : T[P]", NUM, "max, min and product of one number are that number"},
    {"%1 = reshape x : T[P,1]\n %r = min_over %1 {axis=[1]} : T[P]", NUM, "max, min and product of one number are that number"},
    {"%1 = reshape x : T[P,1]\n %r = prod %1 {axis=[1]} : T[P]", NUM, "max, min and product of one number are that number"},
    {"%1 = reshape x : T[P,1]\n %r = sum %1 {axis=[1]} : T[P]", WHOLE, "max, min and product of one number are that number"},
    /* No rules. */
    {"%r = add x, 0:T : T[P]", FLT, NULL},
    {"%r = sub x, -0:T : T[P]", FLT, NULL},
    {"%r = sub 0:T, x : T[P]", FLT, NULL},
    {"%r = mul x, 0:T : T[P]", NUM, NULL},
    {"%r = div x, 3:T : T[P]", FLT, NULL},
    {"%r = fma x, y, 0:T : T[P]", FLT, NULL},
    {"%r = pow x, 1:T : T[P]", FLT, NULL},
    {"%1 = sub x, y : T[P]\n %r = neg %1 : T[P]", FLT, NULL},
    {"%1 = lt x, y : bool[P]\n %r = not %1 : bool[P]", NUM, NULL},
    {"%1 = neg x : T[P]\n %r = abs %1 : T[P]", 1 << ELEM_U8, NULL},
    {"%1 = reshape x : T[P,1]\n %r = sum %1 {axis=[1]} : T[P]", FLT, NULL},
    {"%1 = reshape x : T[P,1]\n %r = mean %1 {axis=[1]} : T[P]", FLT, NULL},
    {"%1 = sqrt x : T[P]\n %r = mul %1, %1 : T[P]", FLT, NULL},
};
enum { SAMPLES = sizeof samples / sizeof *samples };

enum { SPECIALS = 16, PAIRS = SPECIALS * SPECIALS };

/* The larger half of f64's values are beyond f32's. */
static double
special(enum elem e, int i)
{
    bool single = e == ELEM_F32;
    double max = single ? (double)FLT_MAX : DBL_MAX, min = single ? (double)FLT_MIN : DBL_MIN;
    const double reals[SPECIALS] = {0, -0.0, 1, -1, INFINITY, -INFINITY, NAN, max, -max, min, -min, min * 1.5, 0.1, -2.5, 3e9, 0.75 * max};
    static const double wholes[SPECIALS] = {0, 1, -1, 2, -2, 3, 127, 128, 255, 256, 65535, -65536, 2147483647, -2147483648.0, 1000, -7};
    if (e == ELEM_F32)
        return (double)(float)reals[i];
    return e == ELEM_F64 ? reals[i] : e == ELEM_BOOL ? i & 1 : e == ELEM_U8 ? (uint8_t)(int64_t)wholes[i] : wholes[i];
}

static void
store(void *data, enum elem e, int i, double v)
{
    switch (e) {
    case ELEM_F32: ((float *)data)[i] = (float)v; break;
    case ELEM_F64: ((double *)data)[i] = v; break;
    case ELEM_I32: ((int32_t *)data)[i] = (int32_t)v; break;
    case ELEM_I64: ((int64_t *)data)[i] = (int64_t)v; break;
    default: ((uint8_t *)data)[i] = (uint8_t)v;
    }
}

static bool
same_bits(const struct tensor *a, const struct tensor *b)
{
    if (!type_equal(&a->type, &b->type))
        return false;
    for (int64_t i = 0; i < tensor_count(a); i++) {
        const char *x = (const char *)a->data + (size_t)i * elem_size(a->type.elem);
        const char *y = (const char *)b->data + (size_t)i * elem_size(a->type.elem);
        bool nan = a->type.elem == ELEM_F32   ? isnan(*(const float *)(const void *)x) && isnan(*(const float *)(const void *)y)
                   : a->type.elem == ELEM_F64 ? isnan(*(const double *)(const void *)x) && isnan(*(const double *)(const void *)y)
                                              : false;
        if (memcmp(x, y, elem_size(a->type.elem)) && !nan)
            return false;
    }
    return true;
}

/* |lines| with the names of types and sizes put in. A number of f32 has no suffix. */
static char *
graph_of(const struct sample *s, enum elem e, struct arena *a)
{
    char *text = arena_alloc(a, 4096), *out = text;
    out += sprintf(out, "graph g(x: %s[%d], y: %s[%d], b: bool[%d], k: i32[%d]) {\n ", elem_name(e), PAIRS, elem_name(e), PAIRS, PAIRS, PAIRS);
    for (const char *p = s->lines; *p; p++)
        if (*p == ':' && p[1] == 'T')
            out += sprintf(out, "%s%s", e == ELEM_F32 ? "" : ":", e == ELEM_F32 ? "" : elem_name(e)), p++;
        else if (*p == 'T' && p[1] == '[')
            out += sprintf(out, "%s", elem_name(e));
        else if (*p == 'P' || *p == 'Q')
            out += sprintf(out, "%d", *p == 'P' ? PAIRS : SPECIALS);
        else
            *out++ = *p;
    sprintf(out, "\n return %%r\n}\n");
    return text;
}

static struct graph *
read(struct arena *a, const char *text, struct diag *diag)
{
    struct module *m = module_read(a, text, strlen(text), 1, diag);
    cr_assert(m, "%s\n%s", diag->first ? diag->first->message : "", text);
    m->graphs[0]->max_rows = 1;
    return m->graphs[0];
}

/* Runs plan and the graph; the result is a copy. */
static struct tensor
run(struct graph *g, void *const *inputs, struct diag *diag)
{
    pass_plan(g, diag);
    cr_assert(graph_verify(g, diag), "%s\n%s", diag->first->message, graph_text(g, g->arena, false));
    struct exec *e = exec_new(g, NULL, GEMM_NNC, diag);
    cr_assert(e && exec_run(e, inputs, 1));
    struct tensor out = exec_output(e, 0), copy = tensor_new(&out.type);
    memcpy(copy.data, out.data, (size_t)tensor_bytes(&out));
    exec_free(e);
    return copy;
}

struct values {
    _Alignas(64) char x[PAIRS * 8], y[PAIRS * 8], b[PAIRS], k[PAIRS * 4];
};

static void
fill(struct values *v, enum elem e)
{
    for (int i = 0; i < PAIRS; i++) {
        store(v->x, e, i, special(e, i / SPECIALS));
        store(v->y, e, i, special(e, i % SPECIALS));
        store(v->b, ELEM_BOOL, i, i % 3 == 0);
        store(v->k, ELEM_I32, i, special(ELEM_I32, i % SPECIALS));
    }
}

static void
check(const struct sample *s, enum elem e)
{
    struct arena a;
    struct diag diag;
    arena_init(&a, NULL);
    diag_init(&diag, &a);
    struct values v;
    void *const inputs[] = {v.x, v.y, v.b, v.k};
    fill(&v, e);
    char *text = graph_of(s, e, &a);
    struct graph *plain = read(&a, text, &diag), *g = read(&a, text, &diag);
    struct remarks remarks = {0};
    g->remarks = &remarks;
    pass_simplify(g, &diag);
    if (s->rule) {
        bool found = false;
        for (int i = 0; i < remarks.count; i++)
            found |= !strncmp(remarks.list[i].text, s->rule, strlen(s->rule));
        cr_assert(found, "the rule '%s' does not apply to\n%s", s->rule, text);
    }
    struct tensor want = run(plain, inputs, &diag), got = run(g, inputs, &diag);
    cr_assert(same_bits(&want, &got), "another value:\n%s\nbecomes\n%s", text, graph_text(g, &a, false));
    tensor_free(&want);
    tensor_free(&got);
    arena_free(&a);
}

Test(simplify, special_values)
{
    for (int i = 0; i < SAMPLES; i++)
        for (int e = 0; e < ELEM_COUNT; e++)
            if (samples[i].types >> e & 1)
                check(&samples[i], (enum elem)e);
}

/* The rows of the table without a rule, but the one that shows two rules in turn. */
Test(simplify, what_is_no_rule)
{
    for (int i = 0; i < SAMPLES; i++)
        for (int e = 0; e < ELEM_COUNT; e++) {
            if (samples[i].rule || !(samples[i].types >> e & 1) || strstr(samples[i].lines, "broadcast"))
                continue;
            struct arena a;
            struct diag diag;
            arena_init(&a, NULL);
            diag_init(&diag, &a);
            struct graph *g = read(&a, graph_of(&samples[i], (enum elem)e, &a), &diag);
            cr_assert(!pass_simplify(g, &diag), "%s", graph_text(g, &a, false));
            arena_free(&a);
        }
}

/* Casts from every type by way of every type to every type. */
Test(simplify, casts)
{
    static char lines[ELEM_COUNT * ELEM_COUNT][96];
    for (int between = 0; between < ELEM_COUNT; between++)
        for (int to = 0; to < ELEM_COUNT; to++) {
            char *text = lines[between * ELEM_COUNT + to];
            snprintf(text, sizeof lines[0], "%%1 = cast x : %s[P]\n %%r = cast %%1 : %s[P]", elem_name((enum elem)between), elem_name((enum elem)to));
            const struct sample s = {text, ALL, NULL};
            for (int from = 0; from < ELEM_COUNT; from++)
                check(&s, (enum elem)from);
        }
}

/* Every rule of the table stands in a sample. (Those for casts are in `casts`.) */
Test(simplify, every_rule_is_here)
{
    static const char *const rules[] = {
#define RULE(op, function, text) text,
#include "passes/simplify.def"
#undef RULE
    };
    for (size_t r = 0; r < sizeof rules / sizeof *rules; r++) {
        bool found = !strncmp(rules[r], "a cast through", 14);
        for (int i = 0; i < SAMPLES; i++)
            found |= samples[i].rule && !strcmp(samples[i].rule, rules[r]);
        cr_expect(found, "no sample for '%s'", rules[r]);
    }
}

/* -- fold -------------------------------------------------------------------------------------------------------------------------- */

/* Operands that are inputs become constants of their values. */
static struct node *
read_constants(struct graph *g, struct node *n, void *context)
{
    void *const *inputs = context;
    for (int k = 0; k < n->nin; k++)
        for (int i = 0; i < g->ninputs; i++)
            if (n->in[k] == g->inputs[i]) {
                struct attr *attr = graph_attr(g, (struct attr){.value = {.data = inputs[i]}});
                n->in[k] = graph_add(g, OP_CONST, 0, NULL, attr, &g->inputs[i]->type);
            }
    return NULL;
}

/* |lines| on constants becomes one constant, of the bits that running it on inputs gives. */
static void
check_fold(const char *lines, enum elem e)
{
    const struct sample s = {lines, ALL, NULL};
    struct arena a;
    struct diag diag;
    arena_init(&a, NULL);
    diag_init(&diag, &a);
    struct values v;
    void *const inputs[] = {v.x, v.y, v.b, v.k};
    fill(&v, e);
    for (int i = 0; i < PAIRS; i++) /* places in y */
        store(v.k, ELEM_I32, i, i * 7 % SPECIALS);
    char *text = graph_of(&s, e, &a);
    struct graph *plain = read(&a, text, &diag), *g = read(&a, text, &diag);
    graph_rewrite(g, read_constants, (void *)inputs);
    cr_assert(pass_fold(g, &diag), "%s", text);
    cr_assert_eq(g->outputs[0].node->op, OP_CONST, "not folded:\n%s", text);
    struct tensor want = run(plain, inputs, &diag), got = run(g, inputs, &diag);
    cr_assert(same_bits(&want, &got), "folded to other bits:\n%s", text);
    tensor_free(&want);
    tensor_free(&got);
    arena_free(&a);
}

/* Every elementwise operation, on all pairs of special values of all types that it takes. */
Test(simplify, fold_elementwise)
{
    static const char *const operands[] = {"", "x", "x, y", "x, y, x"};
    char lines[128];
    for (int op = 0; op < OP_COUNT; op++)
        for (int e = 0; op_info[op].class == CLASS_MAP && e < ELEM_COUNT; e++)
            if (op_info[op].types >> e & 1) {
                snprintf(lines, sizeof lines, "%%r = %s %s : %s", op_info[op].text, op == OP_WHERE ? "b, x, y" : operands[op_info[op].nin],
                         op_info[op].flags & OP_BOOLEAN ? "bool[P]" : "T[P]");
                check_fold(lines, (enum elem)e);
            }
    for (int from = 0; from < ELEM_COUNT; from++)
        for (int to = 0; to < ELEM_COUNT; to++) {
            snprintf(lines, sizeof lines, "%%r = cast x : %s[P]", elem_name((enum elem)to));
            check_fold(lines, (enum elem)from);
        }
}

/* All others that fold evaluates. */
Test(simplify, fold_the_rest)
{
    static const struct sample rest[] = {
        {"%1 = reshape x : T[Q,Q]\n %r = sum %1 {axis=[0]} : T[Q]", NUM, NULL},
        {"%r = sum x {axis=[0]} : T[]", NUM, NULL},
        {"%1 = reshape y : T[Q,Q]\n %r = prod %1 {axis=[1]} : T[Q]", NUM, NULL},
        {"%1 = reshape x : T[Q,Q]\n %r = mean %1 {axis=[0]} : T[Q]", FLT, NULL},
        {"%1 = reshape x : T[Q,Q]\n %r = max_over %1 {axis=[0]} : T[Q]", NUM, NULL},
        {"%1 = reshape y : T[Q,Q]\n %r = max_over %1 {axis=[1]} : T[Q]", NUM, NULL},
        {"%1 = reshape x : T[Q,Q]\n %r = min_over %1 {axis=[0]} : T[Q]", NUM, NULL},
        {"%1 = reshape y : T[Q,Q]\n %r = argmax %1 {axis=[1]} : i32[Q]", NUM, NULL},
        {"%1 = reshape y : T[Q,Q]\n %r = argmin %1 {axis=[1]} : i32[Q]", NUM, NULL},
        {"%1 = reshape x : T[Q,Q]\n %2 = reshape y : T[Q,Q]\n %r = matmul %1, %2 : T[Q,Q]", FLT, NULL},
        {"%1 = reshape y : T[Q,Q]\n %r = matmul %1, %1 {transpose_a} : T[Q,Q]", FLT, NULL},
        {"%1 = reshape y : T[1,P,1]\n %2 = slice x {start=[0], stop=[3]} : T[3]\n %3 = reshape %2 : T[3,1,1]\n %r = conv %1, %3 "
         "{stride=[1], dilation=[1], before=[1], after=[1]} : T[1,P,1]", FLT, NULL},
        {"%r = broadcast x : T[2,P]", ALL, NULL},
        {"%1 = reshape x : T[Q,Q]\n %r = transpose %1 {perm=[1,0]} : T[Q,Q]", ALL, NULL},
        {"%r = slice x {start=[3], stop=[9]} : T[6]", ALL, NULL},
        {"%r = pad x {before=[0], after=[0]} : T[P]", ALL, NULL},
        {"%1 = slice y {start=[0], stop=[Q]} : T[Q]\n %r = pad %1 {before=[3], after=[2]} : T[21]", ALL, NULL},
        {"%1 = reshape x : T[1,P]\n %2 = reshape y : T[1,P]\n %r = concat %1, %2 {axis=0} : T[2,P]", ALL, NULL},
        {"%r = gather y, k : T[P]", ALL, NULL},
        {"%r = scatter_add k, y : T[Q]", FLT, NULL},
        {"%r = one_hot k : f32[P,Q]", 1, NULL},
        {"%r = sort y {axis=0} : T[P]", NUM, NULL},
        {"%r = argsort y {axis=0} : i32[P]", NUM, NULL},
        {"%1 = argsort y {axis=0} : i32[P]\n %r = permute x, %1 {axis=0} : T[P]", NUM, NULL},
        {"%r = flip y {axis=0} : T[P]", ALL, NULL},
        {"%r = cumsum y {axis=0} : T[P]", NUM, NULL},
    };
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        for (int e = 0; e < ELEM_COUNT; e++)
            if (rest[i].types >> e & 1)
                check_fold(rest[i].lines, (enum elem)e);
}
