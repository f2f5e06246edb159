/* sort, argsort, permute, flip, cumsum, conv and its derivatives, qr, truncated normal numbers: kernels against the
 * reference evaluator in every variant of the inner loops, and what the operations promise; their shapes, messages and
 * text. */
#include "ir/text.h"
#include "tests/unit/kernel_check.h"
#include <math.h>
#include <stdio.h>

static struct attr
axis(int i)
{
    return (struct attr){.axis = {i}};
}

/* ---- along one axis ---- */

static const int64_t shapes[][3] = {
    {1}, {2}, {15}, {16}, {17}, {33}, {100}, {1000}, {3, 40}, {40, 3}, {70, 1}, {4, 33, 5}, {2, 3, 100}, {5, 0, 2},
};

Test(primitives, along_one_axis)
{
    static const enum op ops[] = {OP_SORT, OP_ARGSORT, OP_FLIP, OP_CUMSUM};
    struct check b;
    begin(&b);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int rank = s < 8 ? 1 : s < 11 ? 2 : 3;
        for (int a = 0; a < rank; a++)
            for (int o = 0; o < 4; o++)
                for (int e = 0; e < ELEM_COUNT; e++)
                    for (int special = 0; special < 2; special++) {
                        struct node *x = input(&b, shape((enum elem)e, rank, shapes[s]));
                        struct attr attr = axis(a);
                        if (op_info[ops[o]].types >> e & 1)
                            check_node(&b, graph_add(b.graph, ops[o], 1, &x, &attr, NULL), special);
                    }
    }
    end(&b);
}

/* Values at single places: NaN last, zeros equal and in their order. */
Test(primitives, order)
{
    struct check b;
    begin(&b);
    struct node *x = input(&b, SHAPE(ELEM_F32, 8));
    struct attr attr = axis(0);
    float values[8] = {2, NAN, 0.0f, -INFINITY, -0.0f, INFINITY, -NAN, 0.0f}, sorted[8];
    static const int32_t wanted[8] = {3, 2, 4, 7, 0, 5, 1, 6};
    int32_t index[8];
    struct tensor in = {x->type, values}, places = {SHAPE(ELEM_I32, 8), index}, out = {x->type, sorted};
    const struct tensor *operand[] = {&in};
    cr_assert(kernel_run(graph_add(b.graph, OP_ARGSORT, 1, &x, &attr, NULL), operand, &places, &b.kernels));
    cr_assert(kernel_run(graph_add(b.graph, OP_SORT, 1, &x, &attr, NULL), operand, &out, &b.kernels));
    for (int i = 0; i < 8; i++) {
        cr_assert_eq(index[i], wanted[i], "place %d is %d", i, index[i]);
        cr_assert(!memcmp(&sorted[i], &values[wanted[i]], sizeof(float)), "element %d", i);
    }
    end(&b);
}

Test(primitives, permute_undoes_sort)
{
    struct check b;
    begin(&b);
    for (int a = 0; a < 3; a++)
        for (int e = 0; e <= ELEM_U8; e++) {
            struct node *x = input(&b, SHAPE((enum elem)e, 4, 33, 5)), *order = input(&b, SHAPE(ELEM_I32, 4, 33, 5));
            struct attr attr = axis(a);
            struct tensor t[2] = {tensor_new(&x->type), tensor_new(&order->type)};
            struct tensor sorted = tensor_new(&x->type), back = tensor_new(&x->type);
            const struct tensor *operand[] = {&t[0]};
            fill(&b, &t[0], true);
            reference_node(graph_add(b.graph, OP_ARGSORT, 1, &x, &attr, NULL), operand, &t[1], 1);
            reference_node(graph_add(b.graph, OP_SORT, 1, &x, &attr, NULL), operand, &sorted, 1);
            struct node *in[2] = {x, order}, *n = graph_add(b.graph, OP_PERMUTE, 2, in, &attr, NULL);
            check_on(&b, n, (struct tensor[]){sorted, t[1]});
            cr_assert(kernel_run(n, (const struct tensor *const[]){&sorted, &t[1]}, &back, &b.kernels));
            cr_assert(reference_same(&back, &t[0], NULL));
            for (int i = 0; i < 2; i++)
                tensor_free(&t[i]);
            tensor_free(&sorted);
            tensor_free(&back);
        }
    end(&b);
}

/* An index that is no permutation writes nowhere else. */
Test(primitives, permute_stays_inside)
{
    struct check b;
    begin(&b);
    struct node *in[2] = {input(&b, SHAPE(ELEM_F32, 4)), input(&b, SHAPE(ELEM_I32, 4))};
    struct attr attr = axis(0);
    float x[4] = {1, 2, 3, 4}, y[6] = {9, 9, 9, 9, 9, 9};
    int32_t index[4] = {-1, 4, 2, INT32_MIN};
    struct tensor operands[2] = {{in[0]->type, x}, {in[1]->type, index}}, out = {in[0]->type, y + 1};
    struct node *n = graph_add(b.graph, OP_PERMUTE, 2, in, &attr, NULL);
    cr_assert(kernel_run(n, (const struct tensor *const[]){&operands[0], &operands[1]}, &out, &b.kernels));
    static const float wanted[6] = {9, 0, 0, 3, 0, 9};
    cr_assert(!memcmp(y, wanted, sizeof y));
    end(&b);
}

/* ---- convolutions ---- */

/* Of each of the three operations, on drawn data, with the shapes of y = conv x, w. */
static void
check_conv(struct check *b, struct type tx, struct type tw, const struct attr *attr, bool special)
{
    struct node *x = input(b, tx), *w = input(b, tw);
    struct node *y = graph_add(b->graph, OP_CONV, 2, (struct node *[]){x, w}, attr, NULL);
    check_node(b, y, special);
    struct node *g = input(b, y->type);
    check_node(b, graph_add(b->graph, OP_CONV_INPUT, 2, (struct node *[]){g, w}, attr, &tx), special);
    check_node(b, graph_add(b->graph, OP_CONV_WEIGHT, 2, (struct node *[]){x, g}, attr, &tw), special);
}

Test(primitives, convolutions_of_one_axis)
{
    static const int64_t channels[] = {1, 3, 15, 16, 17, 33};
    struct check b;
    begin(&b);
    for (int e = ELEM_F32; e <= ELEM_F64; e++)
        for (int c = 0; c < 6; c++)
            for (int f = 0; f < 6; f++)
                for (int round = 0; round < 3; round++) {
                    int64_t stride = 1 + below(&b, 3), dilation = 1 + below(&b, 3), width = 1 + below(&b, 4);
                    int64_t before = below(&b, 4), after = below(&b, 4), length = (width - 1) * dilation + 1 + below(&b, 20);
                    struct attr attr = {.conv = {{stride}, {dilation}, {before}, {after}}};
                    struct type images = SHAPE((enum elem)e, DIM_N, length, channels[c]);
                    check_conv(&b, images, SHAPE((enum elem)e, width, channels[c], channels[f]), &attr, round == 2);
                }
    end(&b);
}

Test(primitives, convolutions_of_two_axes)
{
    struct check b;
    begin(&b);
    for (int e = ELEM_F32; e <= ELEM_F64; e++)
        for (int round = 0; round < 150; round++) {
            struct attr attr;
            int64_t width[2], size[2], c = 1 + below(&b, 5), f = 1 + below(&b, 20);
            for (int i = 0; i < 2; i++) {
                attr.conv.stride[i] = 1 + below(&b, 3);
                attr.conv.dilation[i] = 1 + below(&b, 3);
                attr.conv.before[i] = below(&b, 5);
                attr.conv.after[i] = below(&b, 5);
                width[i] = 1 + below(&b, 4);
                int64_t least = (width[i] - 1) * attr.conv.dilation[i] + 1 - attr.conv.before[i] - attr.conv.after[i];
                size[i] = (least < 1 ? 1 : least) + below(&b, 12);
            }
            struct type images = SHAPE((enum elem)e, 1 + below(&b, 3), size[0], size[1], c);
            check_conv(&b, images, SHAPE((enum elem)e, width[0], width[1], c, f), &attr, round % 3 == 0);
        }
    end(&b);
}

/* More images than a panel of conv_weight holds, and none. */
Test(primitives, convolutions_of_many_images)
{
    struct check b;
    begin(&b);
    struct attr attr = {.conv = {{1, 1}, {1, 1}, {1, 1}, {1, 1}}};
    check_conv(&b, SHAPE(ELEM_F32, 7, 28, 28, 3), SHAPE(ELEM_F32, 3, 3, 3, 18), &attr, false);
    check_conv(&b, SHAPE(ELEM_F32, 0, 5, 5, 3), SHAPE(ELEM_F32, 3, 3, 3, 2), &attr, false);
    end(&b);
}

/* A tap outside of the image is skipped, not multiplied by 0. */
Test(primitives, taps_outside_are_skipped)
{
    struct check b;
    begin(&b);
    struct node *in[2] = {input(&b, SHAPE(ELEM_F32, 1, 2, 1)), input(&b, SHAPE(ELEM_F32, 3, 1, 1))};
    struct attr attr = {.conv = {{1}, {1}, {1}, {1}}};
    float x[2] = {1, 2}, w[3] = {INFINITY, 3, 4}, y[2];
    struct tensor operands[2] = {{in[0]->type, x}, {in[1]->type, w}}, out = {SHAPE(ELEM_F32, 1, 2, 1), y};
    struct node *n = graph_add(b.graph, OP_CONV, 2, in, &attr, NULL);
    cr_assert(kernel_run(n, (const struct tensor *const[]){&operands[0], &operands[1]}, &out, &b.kernels));
    cr_assert_eq(y[0], 11);
    cr_assert_eq(y[1], INFINITY);
    end(&b);
}

/* ---- qr ---- */

static double
column_product(const struct tensor *a, int64_t j, const struct tensor *b, int64_t k)
{
    double sum = 0;
    for (int64_t i = 0; i < a->type.dim[0]; i++)
        sum += ((double *)a->data)[i * a->type.dim[1] + j] * ((double *)b->data)[i * b->type.dim[1] + k];
    return sum;
}

/* Columns of length 1, at right angles; R = Q^T A is upper triangular with a diagonal that is not negative. */
static void
check_factor(struct check *b, int64_t rows, int64_t columns)
{
    struct node *x = input(b, SHAPE(ELEM_F64, rows, columns));
    struct tensor a = tensor_new(&x->type), q = tensor_new(&x->type);
    fill(b, &a, false);
    cr_assert(kernel_run(graph_add1(b->graph, OP_QR, x), (const struct tensor *const[]){&a}, &q, &b->kernels));
    for (int64_t j = 0; j < columns; j++)
        for (int64_t k = 0; k < columns; k++) {
            cr_assert_float_eq(column_product(&q, j, &q, k), j == k, 1e-13);
            double r = column_product(&q, j, &a, k);
            cr_assert(j <= k || fabs(r) < 1e-12);
            cr_assert(j != k || r >= 0);
        }
    tensor_free(&a);
    tensor_free(&q);
}

Test(primitives, qr)
{
    static const int64_t sizes[][2] = {{1, 1}, {2, 1}, {2, 2}, {5, 3}, {16, 16}, {33, 17}, {40, 1}, {50, 31}, {3, 0}};
    struct check b;
    begin(&b);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_factor(&b, sizes[i][0], sizes[i][1]);
        for (int e = ELEM_F32; e <= ELEM_F64; e++)
            for (int special = 0; special < 2; special++) {
                struct node *x = input(&b, SHAPE((enum elem)e, sizes[i][0], sizes[i][1]));
                check_node(&b, graph_add1(b.graph, OP_QR, x), special);
            }
    }
    end(&b);
}

/* A column of zeros leaves its diagonal of R at 0, and so its column of Q as it is. */
Test(primitives, qr_of_zeros)
{
    struct check b;
    begin(&b);
    struct node *n = graph_add1(b.graph, OP_QR, input(&b, SHAPE(ELEM_F32, 3, 2)));
    float a[6] = {0}, q[6];
    static const float wanted[6] = {1, 0, 0, 1, 0, 0};
    struct tensor in = {n->type, a}, out = {n->type, q};
    check_on(&b, n, &in);
    cr_assert(kernel_run(n, (const struct tensor *const[]){&in}, &out, &b.kernels));
    for (int i = 0; i < 6; i++)
        cr_assert_eq(q[i], wanted[i]);
    end(&b);
}

/* ---- truncated normal numbers ---- */

static struct tensor
draw_truncated(struct check *b, enum elem e, int64_t count, double mean, double deviation)
{
    struct node *in[2] = {input(b, type_scalar(ELEM_I64)), input(b, type_scalar(ELEM_I64))};
    struct attr *attr = graph_attr(b->graph, (struct attr){.stream = {77, mean, deviation}});
    struct type t = SHAPE(e, count);
    int64_t numbers[2] = {5, 9};
    struct tensor operands[2] = {{in[0]->type, &numbers[0]}, {in[1]->type, &numbers[1]}}, out = tensor_new(&t);
    struct node *n = graph_add(b->graph, OP_RANDOM_TRUNCATED_NORMAL, 2, in, attr, &t);
    check_on(b, n, operands);
    cr_assert(kernel_run(n, (const struct tensor *const[]){&operands[0], &operands[1]}, &out, &b->kernels));
    return out;
}

static double
at(const struct tensor *t, int64_t i)
{
    return t->type.elem == ELEM_F32 ? (double)((float *)t->data)[i] : ((double *)t->data)[i];
}

/* Within two deviations, with the moments of the distribution (deviation 0.8796 of the other's); an element does not depend
 * on how many there are. */
Test(primitives, truncated_normal_numbers)
{
    struct check b;
    begin(&b);
    for (int e = ELEM_F32; e <= ELEM_F64; e++) {
        int64_t count = 100000;
        struct tensor t = draw_truncated(&b, (enum elem)e, count, 3, 0.5);
        struct tensor few = draw_truncated(&b, (enum elem)e, 300, 3, 0.5);
        double sum = 0, squares = 0, most = 0;
        for (int64_t i = 0; i < count; i++) {
            double z = (at(&t, i) - 3) / 0.5;
            sum += z;
            squares += z * z;
            most = fmax(most, fabs(z));
        }
        cr_assert(most <= 2.000001 && most > 1.99, "%g", most);
        cr_assert_float_eq(sum / (double)count, 0, 0.012);
        cr_assert_float_eq(sqrt(squares / (double)count), 0.87962566103423978, 0.008);
        for (int64_t i = 0; i < 300; i++)
            cr_assert_eq(at(&t, i), at(&few, i));
        tensor_free(&t);
        tensor_free(&few);
    }
    for (int64_t n = 1; n < 600; n = n * 2 + 1)
        for (int e = ELEM_F32; e <= ELEM_F64; e++) {
            struct tensor t = draw_truncated(&b, (enum elem)e, n, 0, 1);
            tensor_free(&t);
        }
    end(&b);
}

/* ---- shapes, messages, text ---- */

struct line_case {
    char inputs[96], line[128], type[32], message[192];
};
#define WINDOW(s, d, p, q) " {stride=[" s "], dilation=[" d "], before=[" p "], after=[" q "]}"
static const struct line_case lines[] = {
    {"a: f32[N,4]", "sort a {axis=1}", "f32[N,4]", ""},
    {"a: i64[N,4]", "argsort a {axis=0}", "i32[N,4]", ""},
    {"a: bool[N,4]", "flip a {axis=0}", "bool[N,4]", ""},
    {"a: u8[N,4]", "cumsum a {axis=0}", "u8[N,4]", ""},
    {"a: f32[N,4], b: i32[N,4]", "permute a, b {axis=0}", "f32[N,4]", ""},
    {"a: f32[N,10,3], b: f32[3,3,8]", "conv a, b" WINDOW("2", "2", "1", "0"), "f32[N,4,8]", ""},
    {"a: f64[2,9,9,3], b: f64[3,1,3,8]", "conv a, b" WINDOW("1,3", "1,1", "0,0", "0,0"), "f64[2,7,3,8]", ""},
    {"a: f32[N,4,8], b: f32[3,3,8]", "conv_input a, b" WINDOW("2", "2", "1", "0"), "f32[N,11,3]", ""},
    {"a: f32[N,10,3], b: f32[N,4,8]", "conv_weight a, b" WINDOW("2", "2", "1", "0"), "f32[3,3,8]", ""},
    {"a: f32[4,3]", "qr a", "f32[4,3]", ""},
    {"a: i64[], b: i64[]", "random_truncated_normal a, b {stream=0x1, from=0, to=1}", "f32[N]", ""},

    {"a: f32[N,4]", "sort a {axis=2}", "f32[N,4]", "sort: an attribute is out of range"},
    {"a: bool[N,4]", "sort a {axis=1}", "bool[N,4]", "sort: takes numbers, not bool[N, 4]"},
    {"a: f32[N,4], b: i64[N,4]", "permute a, b {axis=0}", "f32[N,4]",
     "permute: f32[N, 4] needs an index of i32 and its shape, not i64[N, 4]"},
    {"a: f32[N,4], b: f32[3,4,8]", "conv a, b" WINDOW("1", "1", "0", "0"), "f32[N,2,8]",
     "conv: takes [N, L, C] and a kernel [K, C, F], or [N, H, W, C] and [K, K, C, F], not f32[N, 4] and f32[3, 4, 8]"},
    {"a: f32[N,9,4], b: f32[3,3,8]", "conv a, b" WINDOW("1", "1", "0", "0"), "f32[N,7,8]",
     "conv: 4 channels of f32[N, 9, 4] meet a kernel for 3: f32[3, 3, 8]"},
    {"a: f32[N,3,4], b: f32[2,4,8]", "conv a, b" WINDOW("1", "3", "0", "0"), "f32[N,1,8]",
     "conv: the kernel, 2 wide with dilation 3, is larger than the padded input, 3 wide, along axis 1 of f32[N, 3, 4]"},
    {"a: f32[N,3,4], b: f32[2,4,8]", "conv a, b" WINDOW("0", "1", "0", "0"), "f32[N,2,8]",
     "conv: the stride is a whole number from 1 on, not 0"},
    {"a: f32[N,3,4], b: f32[2,4,8]", "conv a, b" WINDOW("1", "0", "0", "0"), "f32[N,2,8]",
     "conv: the dilation is a whole number from 1 on, not 0"},
    {"a: f32[N,3,4], b: f32[0,4,8]", "conv a, b" WINDOW("1", "1", "0", "0"), "f32[N,2,8]",
     "conv: axis 1 of f32[N, 3, 4] and of the kernel need a size of their own, at least 1"},
    {"a: f32[4,N,4], b: f32[2,4,8]", "conv a, b" WINDOW("1", "1", "0", "0"), "f32[4,N,8]",
     "conv: axis 1 of f32[4, N, 4] and of the kernel need a size of their own, at least 1"},
    {"a: f32[N,3,4], b: f64[2,4,8]", "conv a, b" WINDOW("1", "1", "0", "0"), "f32[N,2,8]",
     "conv: f32[N, 3, 4] and f64[2, 4, 8] have different element types"},
    {"a: f32[N,4,8], b: f32[3,3,8]", "conv_input a, b" WINDOW("2", "2", "1", "0"), "f32[N,12,3]",
     "conv_input: cannot give f32[N, 12, 3]"},
    {"a: f32[3,4]", "qr a", "f32[3,4]", "qr: takes a matrix with at least as many rows as columns, not f32[3, 4]"},
};

Test(primitives, shapes_and_text)
{
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const struct line_case *c = &lines[i];
        struct arena arena;
        struct diag diag;
        arena_init(&arena, NULL);
        diag_init(&diag, &arena);
        char *text = arena_printf(&arena, "graph g(%s) {\n  %%1 = %s : %s\n  return %%1\n}\n", c->inputs, c->line, c->type);
        struct module *m = module_read(&arena, text, strlen(text), 1, &diag);
        const char *message = diag.first ? diag.first->message : "";
        cr_expect_str_eq(message, c->message, "%s\n%s", c->line, message);
        cr_expect_eq(m != NULL, !*c->message);
        if (m)
            cr_expect_str_eq(graph_text(m->graphs[0], &arena, false), text);
        arena_free(&arena);
    }
}
