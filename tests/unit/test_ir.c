/* ir: shape rules and their messages, the builder, the text form both ways, the verifier. */
#include "ir/graph.h"
#include "ir/text.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct bench {
    struct arena arena;
    struct diag diag;
};

static void
open_bench(struct bench *b)
{
    arena_init(&b->arena, NULL);
    diag_init(&b->diag, &b->arena);
}

/* All messages, a line each. */
static const char *
messages(struct bench *b)
{
    char *text = "";
    for (struct diagnostic *d = b->diag.first; d; d = d->next)
        text = arena_printf(&b->arena, "%s%s%s", text, *text ? "\n" : "", d->message);
    return text;
}

static struct module *
read_text(struct bench *b, const char *text)
{
    return module_read(&b->arena, text, strlen(text), 7, &b->diag);
}

/* ---- shape rules: the line of a node, without its type, and what is said of it ---- */

struct shape_case {
    char inputs[96], line[96], type[32], message[320];
};

static const struct shape_case shapes[] = {
    {"a: f32[N,4], b: f32[4]", "add a, b", "f32[N,4]", ""},
    {"a: f32[N,4], b: f32[N,1]", "mul a, b", "f32[N,4]", ""},
    {"a: f32[2,1,4], b: f32[3,1]", "sub a, b", "f32[2,3,4]", ""},
    {"a: f32[0], b: f32[1]", "add a, b", "f32[0]", ""},
    {"a: i32[N], b: i32[N]", "lt a, b", "bool[N]", ""},
    {"a: bool[N,1], b: f32[3], c: f32[]", "where a, b, c", "f32[N,3]", ""},
    {"a: f32[2,N,4]", "sum a {axis=[0,2]}", "f32[N]", ""},
    {"a: f32[2,N,4]", "mean a {axis=[0,2], keep}", "f32[1,N,1]", ""},
    {"a: f32[2,N,4]", "argmax a {axis=[2]}", "i32[2,N]", ""},
    {"a: f32[N,3,4], b: f32[4,5]", "matmul a, b", "f32[N,3,5]", ""},
    {"a: f32[N,3,4], b: f32[N,5,4]", "matmul a, b {transpose_b}", "f32[N,3,5]", ""},
    {"a: f32[N,4], b: f32[N,5]", "matmul a, b {transpose_a}", "f32[4,5]", ""},
    {"a: f32[N,4]", "reshape a", "f32[2,N,2]", ""},
    {"a: f32[N,0]", "reshape a", "f32[0]", ""},
    {"a: f32[1,4]", "broadcast a", "f32[N,3,4]", ""},
    {"a: f32[N,2,3]", "transpose a {perm=[2,0,1]}", "f32[3,N,2]", ""},
    {"a: f32[2N,5]", "slice a {start=[N,1], stop=[2N,3]}", "f32[N,2]", ""},
    {"a: f32[N,5]", "pad a {before=[0,1], after=[N,3]}", "f32[2N,9]", ""},
    {"a: f32[N,5], b: f32[2N,5]", "concat a, b {axis=0}", "f32[3N,5]", ""},
    {"a: f32[10,6], b: i32[N,3]", "gather a, b", "f32[N,3,6]", ""},
    {"a: i64[N], b: f32[N,6]", "scatter_add a, b", "f32[10,6]", ""},
    {"a: u8[N]", "one_hot a", "f32[N,10]", ""},
    {"a: i64[], b: i64[]", "random_normal a, b {stream=0x1, from=0, to=1}", "f64[N]", ""},

    {"a: f32[N,4], b: f32[5,3]", "matmul a, b", "f32[N,3]",
     "matmul: inner dimensions differ: f32[N, 4] @ f32[5, 3]\n"
     "the last axis of the left side (4) meets the last but one of the right side (5)"},
    {"a: f32[3], b: f32[4]", "add a, b", "f32[3]",
     "add: shapes do not fit: f32[3] and f32[4]\n"
     "axes are compared from the last one backwards; two fit if they are equal or one of them is 1"},
    {"a: f32[N], b: f32[4]", "add a, b", "f32[N]",
     "add: shapes do not fit: f32[N] and f32[4]\nN, the rows of a batch, fits only N and 1"},
    {"a: f32[N], b: f32[2N]", "add a, b", "f32[N]",
     "add: shapes do not fit: f32[N] and f32[2N]\nN, the rows of a batch, fits only N and 1"},
    {"a: f32[3], b: f32[4], c: f32[]", "fma a, b, c", "f32[3]",
     "fma: shapes do not fit: f32[3], f32[4] and f32[]\n"
     "axes are compared from the last one backwards; two fit if they are equal or one of them is 1"},
    {"a: f32[N,4], b: f64[N,4]", "add a, b", "f64[N,4]",
     "add: f32[N, 4] and f64[N, 4] have different element types\nconvert one: f64(x)"},
    {"a: i32[N,4]", "sqrt a", "i32[N,4]", "sqrt: takes f32 or f64, not i32[N, 4]\nconvert it: f32(x)"},
    {"a: bool[4], b: bool[4]", "add a, b", "bool[4]", "add: takes numbers, not bool[4]\nconvert it: f32(x)"},
    {"a: f32[4]", "not a", "f32[4]", "not: takes bool, not f32[4]"},
    {"a: f32[4]", "where a, a, a", "f32[4]", "where: takes a condition (bool) first, not f32[4]"},
    {"a: f32[4]", "matmul a, a", "f32[4]", "matmul: both operands need two axes or more: f32[4] @ f32[4]"},
    {"a: f32[2,3,4], b: f32[5,4,3]", "matmul a, b", "f32[2,3,3]",
     "matmul: leading axes do not fit: f32[2, 3, 4] @ f32[5, 4, 3]\n"
     "the right side has two axes, or as many as the left side with equal leading ones"},
    {"a: f32[3,0]", "max_over a {axis=[1]}", "f32[3]", "max_over: axis 1 of f32[3, 0] has no elements"},
    {"a: f32[3,2]", "argmax a {axis=[0,1]}", "i32[]", "argmax: takes one axis, of f32[3, 2]"},
    {"a: f32[N,4]", "reshape a", "f32[N,5]", "reshape: f32[N, 4] has 4N elements, f32[N, 5] has 5N"},
    {"a: f32[N,4]", "reshape a", "f32[40]", "reshape: f32[N, 4] has 4N elements, f32[40] has 40"},
    {"a: f32[N,N]", "reshape a", "f32[N]", "reshape: f32[N, N] has N^2 elements, f32[N] has N"},
    {"a: f32[2,4]", "broadcast a", "f32[N,4]", "broadcast: f32[2, 4] cannot be stretched to f32[N, 4]"},
    {"a: f32[2,4]", "transpose a {perm=[0,0]}", "f32[2,2]", "transpose: the axes named are not those of f32[2, 4]"},
    {"a: f32[N,4]", "slice a {start=[0,2], stop=[N,5]}", "f32[N,3]", "slice: 2 to 5 does not lie in axis 1 of f32[N, 4]"},
    {"a: f32[N,4]", "slice a {start=[0,0], stop=[3,4]}", "f32[3,4]",
     "slice: 0 to 3 does not lie in axis 0 of f32[N, 4]\n"
     "the number of rows N is known only when a batch comes; only multiples of N can be cut from such an axis"},
    {"a: f32[N,4]", "pad a {before=[1,0], after=[0,0]}", "f32[N,4]", "pad: 1 before and 0 after axis 0 of f32[N, 4]"},
    {"a: f32[N,4], b: f32[2,4]", "concat a, b {axis=0}", "f32[N,4]",
     "concat along axis 0: the sum of N rows and a number has no name: f32[N, 4] and f32[2, 4]"},
    {"a: f32[N,4], b: f32[N,5]", "concat a, b {axis=0}", "f32[2N,4]",
     "concat along axis 0: axis 1 differs: f32[N, 4] and f32[N, 5]"},
    {"a: f32[N,4], b: f32[N]", "concat a, b {axis=0}", "f32[2N,4]",
     "concat: different numbers of axes: f32[N, 4] and f32[N]"},
    {"a: f32[10,6], b: f32[N]", "gather a, b", "f32[N,6]", "gather: the index must be i32 or i64, not f32[N]"},
    {"a: f32[], b: i32[N]", "gather a, b", "f32[N]", "gather: the table needs an axis to choose from: f32[]"},
    {"a: i32[N], b: f32[N,5]", "scatter_add a, b", "f32[10,6]",
     "scatter_add: values f32[N, 5] do not fit index i32[N] and result f32[10, 6]"},
    {"a: f32[65536,65536,1], b: f32[1,65536,65536]", "add a, b", "f32[65536,65536,65536]", ""},
    {"a: f32[65536,65536,1,1], b: f32[1,1,65536,65536]", "add a, b", "f32[1]",
     "add: size over 2^63: f32[65536, 65536, 65536, 65536]"},
    {"a: f32[N,4]", "exp a", "f32[N,5]", "exp gives f32[N, 4], not f32[N, 5]"},
};

Test(ir, shapes)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const struct shape_case *c = &shapes[i];
        struct bench b;
        open_bench(&b);
        char *text = arena_printf(&b.arena, "graph g(%s) {\n  %%1 = %s : %s\n}\n", c->inputs, c->line, c->type);
        struct module *m = read_text(&b, text);
        cr_expect_str_eq(messages(&b), c->message, "%s\n%s", c->line, messages(&b));
        cr_expect_eq(m != NULL, !*c->message);
        arena_free(&b.arena);
    }
}

/* ---- the builder ---- */

Test(ir, constants_are_shared)
{
    struct bench b;
    open_bench(&b);
    struct graph *g = graph_new(&b.arena, "g");
    struct node *one = graph_number(g, ELEM_F32, 1);
    cr_assert_eq(graph_number(g, ELEM_F32, 1), one);
    cr_assert_eq(graph_whole(g, ELEM_F32, 1), one);
    cr_assert_neq(graph_number(g, ELEM_F64, 1), one);
    cr_assert_neq(graph_number(g, ELEM_F32, -0.0), graph_number(g, ELEM_F32, 0));
    cr_assert_eq(graph_number(g, ELEM_F32, NAN), graph_number(g, ELEM_F32, -NAN));
    cr_assert_eq(graph_number(g, ELEM_F32, 0.1), graph_number(g, ELEM_F32, (double)0.1f));
    cr_assert_eq(graph_number(g, ELEM_I64, 3), graph_whole(g, ELEM_I64, 3));
    cr_assert_eq(node_number(graph_whole(g, ELEM_I64, 3)), 3);
    /* No value of a graph is subnormal. */
    cr_assert_eq(graph_number(g, ELEM_F32, -1e-40), graph_number(g, ELEM_F32, -0.0));
    cr_assert_eq(node_number(graph_number(g, ELEM_F64, 1e-40)), 1e-40);
    arena_free(&b.arena);
}

static void
count_node(void *context, struct node *n)
{
    int *count = context;
    cr_assert_eq(n->id, *count);
    ++*count;
}

Test(ir, hook_sees_every_node)
{
    struct bench b;
    int count = 0;
    open_bench(&b);
    struct graph *g = graph_new(&b.arena, "g");
    g->on_node = count_node;
    g->on_node_context = &count;
    g->place = (struct place){1, 4, 9, 1};
    struct node *x = graph_input(g, "x", &(struct type){ELEM_F32, 2, {DIM_N, 4}});
    struct node *y = graph_add2(g, OP_MUL, x, graph_number(g, ELEM_F32, 2));
    cr_assert_eq(graph_cast(g, y, ELEM_F32), y);
    cr_assert_eq(graph_reshape(g, y, &y->type), y);
    cr_assert_eq(graph_broadcast(g, y, &y->type), y);
    cr_assert_eq(y->place.line, 4);
    struct node *z = graph_add2(g, OP_LT, x, x);
    cr_assert_eq(z->type.elem, ELEM_BOOL);
    cr_assert_eq(count, 4);
    cr_assert_eq(g->count, 4);
    arena_free(&b.arena);
}

/* ---- text ---- */

static const char everything[] =
    "graph sine.train(x: f32[N,10], y: f32[N], step: i64[], vtrue: f32[] = \"true\", a_b_: f32[2N] = \"a\\\\b\\\"\") "
    "rows=32 {\n"
    "  var %h.w: f32[10,100] = \"h.w\"\n"
    "  var %adam/h.w/m: f32[10,100] = \"adam/h.w/m\"\n"
    "  var %h.w_: f32[1] = \"h.w\\x01\"\n"
    "  var %h.w__2: f32[1] = \"h.w\\x02\"\n"
    "  var %v9: f32[1] = \"9\"\n"
    "  %1 = matmul x, %h.w : f32[N,100] @12:9\n"
    "  %2 = sum %1 {axis=[0]} : f32[100] @12:9 in 2:33:5\n"
    "  %3 = fused(%1, %2) : f32[N,100] @3:12:9 {\n"
    "    %a = mul $0, $1 : f32[N,100] @4:4\n"
    "    %b = max %a, 0 : f32[N,100]\n"
    "    return %b\n"
    "  }\n"
    "  %4 = const [1, 2.5, -0, nan, 1e-30, -inf] : f32[2,3]\n"
    "  %5 = const [-9223372036854775808] : i64[1]\n"
    "  %6 = const [true, false] : bool[2]\n"
    "  %7 = const [] : u8[3,0]\n"
    "  %8 = mul 0.1:f64, 1e-8:f64 : f64[]\n"
    "  %9 = rows : f64[]\n"
    "  %10 = div %8, %9 : f64[]\n"
    "  %11 = transpose %1 {perm=[1,0]} : f32[100,N]\n"
    "  %12 = slice %11 {start=[3,0], stop=[7,N]} : f32[4,N]\n"
    "  %13 = concat %11, %12 {axis=0} : f32[104,N]\n"
    "  %14 = random_uniform 3:i64, step {stream=0xdeadbeef12345678, from=-0.5, to=0.5} : f32[N,100]\n"
    "  %15 = eq %14, 0.5 : bool[N,100]\n"
    "  %16 = and %15, true : bool[N,100]\n"
    "  %17 = matmul x, %3 {transpose_a} : f32[10,100]\n"
    "  %18 = matmul %3, %11 {transpose_a, transpose_b} : f32[100,100]\n"
    "  %19 = update %h.w, %17 : f32[10,100]\n"
    "  %20 = reshape %3 : f32[N,10,10]\n"
    "  %21 = pad %20 {before=[0,1,0], after=[N,0,2]} : f32[2N,11,12]\n"
    "  %22 = mean %21 {axis=[1,2], keep} : f32[2N,1,1]\n"
    "  return %2 \"loss\", %14 \"p\", 3:i32 \"c\", -inf, nan\n"
    "}\n"
    "graph \"odd name\"() {\n"
    "}\n";

static char *
text_of(struct bench *b, const struct module *m)
{
    char *text = "";
    for (int i = 0; i < m->ngraphs; i++)
        text = arena_printf(&b->arena, "%s%s", text, graph_text(m->graphs[i], &b->arena, true));
    return text;
}

Test(ir, text_is_read_back)
{
    struct bench b;
    open_bench(&b);
    struct module *m = read_text(&b, everything);
    cr_assert(m, "line %d: %s", b.diag.first->place.line, b.diag.first->message);
    cr_assert_str_eq(text_of(&b, m), everything);
    cr_assert_eq(m->ngraphs, 2);
    cr_assert_eq(m->nvars, 5);
    cr_assert_str_eq(m->vars[1].name, "adam/h.w/m");
    cr_assert_str_eq(m->graphs[0]->inputs[4]->attr->name.name, "a\\b\"");
    cr_assert_str_eq(m->graphs[1]->name, "odd name");
    cr_assert(graph_verify(m->graphs[0], &b.diag), "%s", messages(&b));
    arena_free(&b.arena);
}

/* Numbers that a constant stands for are one node, in front of its first use. */
Test(ir, inline_constants_are_shared)
{
    struct bench b;
    open_bench(&b);
    struct module *m = read_text(&b, "graph g(x: f32[4]) {\n  %1 = add x, 2 : f32[4]\n"
                                     "  %2 = mul %1, 2 : f32[4]\n  return %2\n}\n");
    cr_assert(m);
    const struct graph *g = m->graphs[0];
    cr_assert_eq(g->count, 4);
    cr_assert_eq(g->nodes[1]->op, OP_CONST);
    cr_assert_eq(g->nodes[2]->in[1], g->nodes[1]);
    cr_assert_eq(g->nodes[3]->in[1], g->nodes[1]);
    arena_free(&b.arena);
}

/* A variable is the same one in every graph of a text. */
Test(ir, variables_are_shared)
{
    struct bench b;
    open_bench(&b);
    struct module *m = read_text(&b, "graph g() {\n  var %a: f32[4] = \"a\"\n  var %b: f32[4] = \"b\"\n}\n"
                                     "graph h() {\n  var %b: f32[4] = \"b\"\n}\n");
    cr_assert(m && m->nvars == 2);
    cr_assert_eq(m->graphs[1]->nodes[0]->attr->name.index, 1);
    arena_free(&b.arena);
}

static void
expect_number(double value, bool single, const char *text)
{
    char buffer[TEXT_NUMBER];
    cr_expect_str_eq(text_number(value, single, buffer), text, "%s instead of %s", buffer, text);
}

Test(ir, numbers)
{
    expect_number(1, true, "1");
    expect_number(-1200, true, "-1200");
    expect_number(12.5, true, "12.5");
    expect_number((double)0.1f, true, "0.1");
    expect_number((double)0.1f, false, "0.10000000149011612");
    expect_number(0.1, false, "0.1");
    expect_number(1e-5, false, "0.00001");
    expect_number(1.25e-6, false, "1.25e-6");
    expect_number(1e15, false, "1000000000000000");
    expect_number(1.5e16, false, "1.5e16");
    expect_number((double)3.4028235e38f, true, "3.4028235e38");
    expect_number(5e-324, false, "5e-324");
    expect_number(-0.0, false, "-0");
    expect_number(-INFINITY, true, "-inf");
    expect_number(NAN, true, "nan");
    for (uint32_t i = 0, bits = 1; i < 20000; i++, bits = bits * 1664525u + 1013904223u) {
        char buffer[TEXT_NUMBER];
        float x, back;
        memcpy(&x, &bits, 4);
        back = (float)text_to_number(text_number((double)x, true, buffer), true);
        cr_assert(isnan(x) ? isnan(back) : !memcmp(&x, &back, 4), "%s", buffer);
    }
}

/* ---- faults of a text ---- */

struct fault_case {
    char text[200], message[120];
    int line, column;
};

static const struct fault_case faults[] = {
    {"grph g() {}", "expected graph, found 'grph'", 1, 1},
    {"graph g(", "expected an input, found the end of the text", 1, 9},
    {"graph g(x: f32[4) {}", "expected ,, found ')'", 1, 17},
    {"graph g(x: f33[4]) {}", "expected a type, found 'f33[4])'", 1, 12},
    {"graph g(x: f32[1,1,1,1,1,1,1,1,1]) {}", "expected at most 8 dimensions, found '1])'", 1, 32},
    {"graph g(x: f32[99999999999999999999]) {}", "number out of range: '99999999999999999999])'", 1, 16},
    {"graph g(x: f32[9223372036854775807]) {}", "type: size over 2^63: f32[9223372036854775807]", 1, 9},
    {"graph g(x: f32[4], x: f32[4]) {}", "x is defined twice", 1, 20},
    {"graph g(nan: f32[4]) {}", "expected the name of an input, found 'nan:'", 1, 9},
    {"graph g() {\n %1 = foo x : f32[4] }", "unknown operation 'foo'", 2, 7},
    {"graph g() {\n %1 = input : f32[4] }", "unknown operation 'input'", 2, 7},
    {"graph g() {\n %1 = exp x : f32[4] }", "x is not defined before its use", 2, 11},
    {"graph g() {\n %1 = exp %1 : f32[4] }", "%1 is not defined before its use", 2, 11},
    {"graph g(x: f32[4]) {\n %1 = exp x, x : f32[4] }", "exp takes 1 operands, not 2", 2, 2},
    {"graph g(x: f32[4]) {\n %1 = add : f32[4] }", "add takes 2 operands, not 0", 2, 2},
    {"graph g(x: f32[4]) {\n %1 = sum x {axis=[1]} : f32[4] }", "sum: an attribute is out of range", 2, 2},
    {"graph g(x: f32[4]) {\n %1 = sum x : f32[4] }", "expected {, found ':'", 2, 13},
    {"graph g(x: f32[4]) {\n %1 = exp x : f32[4]\n %1 = exp x : f32[4] }", "%1 is defined twice", 3, 2},
    {"graph g(x: f32[4]) {\n %1 = const [1, 2] : f32[3] }", "expected ,, found ']'", 2, 18},
    {"graph g(x: f32[4]) {\n %1 = const [1, 2] : f32[1] }",
     "const: another number of values than f32[1] has elements", 2, 13},
    {"graph g(x: f32[4]) {\n %1 = const [1] : f32[9000000000] }",
     "const: another number of values than f32[9000000000] has elements", 2, 13},
    {"graph g(x: f32[4]) {\n %1 = const [256] : u8[1] }", "number out of range: '256]'", 2, 14},
    {"graph g(x: f32[4]) {\n %1 = add x, 1:f33 : f32[4] }", "expected an element type, found 'f33'", 2, 16},
    {"graph g(x: f32[4]) {\n return y }", "y is not defined before its use", 2, 9},
    {"graph g(x: f32[4]) {\n return x \"p }", "expected a closing quote, found the end of the line", 2, 11},
    {"graph g(x: f32[4]) {\n hello }", "expected %value, var, return or }, found 'hello'", 2, 2},
    {"graph g() {\n var %a: f32[4] = \"a\"\n var %b: f32[4] = \"a\" }", "a is defined twice", 3, 6},
    {"graph g() {\n var %a: f32[4] = \"a\" }\ngraph h() {\n var %a: f32[5] = \"a\" }",
     "variable \"a\" is f32[5] here and f32[4] in another graph", 4, 6},
    {"graph g(x: f32[4]) {\n %1 = fused(x) : f32[4] {\n %a = exp x : f32[4] } }",
     "x is not defined before its use", 3, 11},
    {"graph g(x: f32[4]) {\n %1 = exp x : f32[4] at arena+0 }",
     "expected arena= in the head of a graph whose values have places, found 'arena+0'", 2, 25},
    {"graph g() {\n # comment \xc3\xa4\n \xc3\xa4 }", "expected %value, var, return or }, found \\xc3", 3, 2},
};

Test(ir, faults_of_a_text)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        const struct fault_case *c = &faults[i];
        struct bench b;
        open_bench(&b);
        cr_expect_null(read_text(&b, c->text));
        cr_assert(b.diag.first, "%s: no message", c->text);
        cr_expect_str_eq(b.diag.first->message, c->message, "%s\n%s", c->text, b.diag.first->message);
        struct place p = b.diag.first->place;
        bool there = p.file == 7 && p.line == c->line && p.column == c->column;
        cr_expect(there, "%s\n%s at %d:%d", c->text, c->message, p.line, p.column);
        cr_expect_eq(b.diag.status, STATUS_INPUT);
        arena_free(&b.arena);
    }
}

Test(ir, deep_bodies)
{
    struct bench b;
    open_bench(&b);
    char *text = "graph g() {";
    for (int i = 0; i < 100; i++)
        text = arena_printf(&b.arena, "%s %%1 = fused() : f32[] {", text);
    cr_assert_null(read_text(&b, text));
    cr_assert_str_eq(messages(&b), "bodies are nested over 8 deep");
    arena_free(&b.arena);
}

/* Whatever the bytes are: a graph that can be printed and verified, or one message. */
static void
read_bytes(const char *text, size_t length)
{
    struct bench b;
    open_bench(&b);
    struct module *m = module_read(&b.arena, text, length, 1, &b.diag);
    cr_assert_eq(m != NULL, !b.diag.errors);
    for (int i = 0; m && i < m->ngraphs; i++) {
        graph_text(m->graphs[i], &b.arena, true);
        graph_verify(m->graphs[i], &b.diag);
    }
    arena_free(&b.arena);
}

Test(ir, damaged_texts)
{
    size_t length = sizeof everything - 1;
    char *text = malloc(length);
    for (size_t n = 0; n < length; n++) { /* cut short; of its own size, so that a sanitizer sees reads behind the end */
        char *part = malloc(n + 1);
        memcpy(part, everything, n);
        read_bytes(part, n);
        free(part);
    }
    static const char bytes[] = "%$:{}[]()=,\"\\#0129N.-@xea \n";
    uint32_t r = 12345;
    for (int round = 0; round < 5000; round++) {
        memcpy(text, everything, length);
        for (int k = 0; k < 1 + round % 3; k++) {
            r = r * 1664525u + 1013904223u;
            text[(r >> 8) % length] = bytes[(r >> 3) % (sizeof bytes - 1)];
        }
        read_bytes(text, length);
    }
    free(text);
}

/* ---- the verifier ---- */

struct verify_case {
    char lines[400], message[120];
};

static const struct verify_case rejected[] = {
    {"%1 = update x, x : f32[4]", "node 2 (update): operand 0 is no variable"},
    {"%1 = update %w, x : f32[4]\n%2 = update %w, x : f32[4]", "node 3 (update): the variable has update 2 already"},
    {"%1 = result x {index=0} : f32[4]", "node 2 (result): its operand has no result 0"},
    {"%1 = fused(x) : f32[4] {\n}", "node 2 (fused): its body has another number of operands, or no result"},
    {"%1 = fused(x) : f32[5] {\n%a = exp $0 : f32[4]\nreturn %a\n}",
     "node 2 (fused): has another type than its first result"},
    {"%1 = fused(x) : f32[4] {\n%a = exp $0 : f32[4]\nreturn %a, $0\n}\n%2 = exp %1 : f32[4]",
     "node 3 (exp): operand 0 has several results"},
    {"%1 = fused(x) : f32[4] {\n%a = exp $0 : f32[4]\nreturn %a, $0\n}\n%2 = result %1 {index=0} : f32[4]",
     "node 2 (fused): result 1 is taken by no node"},
    {"%1 = fused(x) : f32[4] {\n%a = exp $0 : f32[4]\nreturn %a, $0\n}\n%2 = result %1 {index=1} : f32[4]\n"
     "%3 = result %1 {index=1} : f32[4]", "node 4 (result): result 1 is taken by node 3 already"},
    {"%1 = fused(x) : f32[4] {\n%a = transpose $0 {perm=[0]} : f32[4]\nreturn %a\n}",
     "node 1 (transpose): does not belong in a body"},
    {"%1 = fused(x) : f32[] {\n%a = sum $0 {axis=[0]} : f32[]\n%b = exp %a : f32[]\nreturn %b\n}",
     "node 2 (exp): uses a reduction of its body"},
    {"%1 = fused(x) : f32[2,4] {\n%a = broadcast $0 : f32[2,4]\n%b = broadcast 0 : f32[3,4]\nreturn %a\n}",
     "node 3 (broadcast): does not broadcast to the domain"},
    {"%1 = fused(x) : f32[2,4] {\n%a = broadcast $0 : f32[2,4]\n%b = exp $0 : f32[4]\nreturn %a, %b\n}",
     "node 2 (exp): is a result without the domain's shape"},
    {"%1 = fused(x) : f32[2] {\n%a = broadcast $0 : f32[2,4]\n%b = sum %a {axis=[1]} : f32[2]\n"
     "%c = sum %a {axis=[0]} : f32[4]\nreturn %b, %c\n}",
     "node 3 (sum): reduces something else than the others, or not the domain"},
};

Test(ir, verifier_rejects)
{
    for (size_t i = 0; i < sizeof rejected / sizeof *rejected; i++) {
        struct bench b;
        open_bench(&b);
        const char *form = "graph g(x: f32[4]) {\nvar %%w: f32[4] = \"w\"\n%s\n}\n";
        struct module *m = read_text(&b, arena_printf(&b.arena, form, rejected[i].lines));
        cr_assert(m, "%s: %s", rejected[i].lines, messages(&b));
        cr_expect(!graph_verify(m->graphs[0], &b.diag), "%s", rejected[i].lines);
        cr_expect(strstr(messages(&b), rejected[i].message), "%s\n%s", rejected[i].lines, messages(&b));
        arena_free(&b.arena);
    }
}

Test(ir, verifier_needs_rows)
{
    struct bench b;
    open_bench(&b);
    struct module *m = read_text(&b, "graph g(x: f32[4]) arena=64 live=64 {\n  %1 = exp x : f32[4] at arena+0\n}\n");
    cr_assert(m && !graph_verify(m->graphs[0], &b.diag));
    cr_assert_str_eq(messages(&b), "internal error: graph g: is planned for no rows");
    arena_free(&b.arena);
}

/* Storage: the graph's lines on rows of 16 bytes. */
static const struct verify_case misplaced[] = {
    {"%1 = exp x : f32[4] at arena+32", "has no proper place"},
    {"%1 = exp x : f32[4] at arena+128", "has no proper place"},
    {"%1 = exp x : f32[4]", "has no proper place"},
    {"%1 = exp x : f32[4] at x", "writes an input"},
    {"%1 = exp x : f32[4] at %w", "lies in a variable without an update"},
    {"%1 = exp x : f32[4] at arena+0\n%2 = sum %1 {axis=[0]} : f32[] at arena+0", "writes over its operand 0"},
    {"%1 = exp x : f32[4] at arena+0\n%2 = broadcast %1 : f32[4,4] at arena+0", "writes over its operand 0"},
    {"%1 = exp x : f32[4] at arena+0\n%2 = lt 0, %1 : bool[4] at arena+0", "writes over its operand 1"},
    {"%1 = exp x : f32[4] at arena+0\n%2 = neg x : f32[4] at arena+0\nreturn %1",
     "is an output, but was overwritten by node"},
    {"%1 = exp x : f32[4] at %w\n%2 = update %w, %1 : f32[4] at %w\nreturn %w",
     "is an output, but was overwritten by node"},
    {"%1 = exp x : f32[4] at %w\n%2 = neg %w : f32[4] at arena+0\n%3 = update %w, %1 : f32[4] at %w",
     "operand 0 was overwritten by node"},
    {"%1 = exp x : f32[4] at %w\n%2 = neg x : f32[4] at arena+0\n%3 = update %w, %2 : f32[4] at %w",
     "lies in a variable whose value it does not become"},
    {"%1 = update %w, x : f32[4] at arena+0", "has no proper place"},
};

Test(ir, verifier_walks_storage)
{
    for (size_t i = 0; i < sizeof misplaced / sizeof *misplaced; i++) {
        struct bench b;
        open_bench(&b);
        const char *form = "graph g(x: f32[4]) rows=1 arena=128 live=128 {\nvar %%w: f32[4] = \"w\"\n%s\n}\n";
        struct module *m = read_text(&b, arena_printf(&b.arena, form, misplaced[i].lines));
        cr_assert(m, "%s: %s", misplaced[i].lines, messages(&b));
        cr_expect(!graph_verify(m->graphs[0], &b.diag), "%s", misplaced[i].lines);
        cr_expect(strstr(messages(&b), misplaced[i].message), "%s\n%s", misplaced[i].lines, messages(&b));
        arena_free(&b.arena);
    }
}

Test(ir, verifier_accepts_places)
{
    struct bench b;
    open_bench(&b);
    struct module *m = read_text(&b, "graph g(x: f32[4]) rows=1 arena=128 live=128 {\n"
                                     "  var %w: f32[4] = \"w\"\n"
                                     "  %1 = exp x : f32[4] at arena+0\n"
                                     "  %2 = neg %1 : f32[4] at arena+0\n"
                                     "  %3 = reshape %2 : f32[2,2] at arena+0\n"
                                     "  %4 = add %w, %2 : f32[4] at %w\n"
                                     "  %5 = sum %3 {axis=[0]} : f32[2] at arena+64\n"
                                     "  %6 = update %w, %4 : f32[4] at %w\n"
                                     "  return %5, %6\n"
                                     "}\n");
    cr_assert(m && graph_verify(m->graphs[0], &b.diag), "%s", messages(&b));
    arena_free(&b.arena);
}
