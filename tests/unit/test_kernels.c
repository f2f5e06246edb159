/* Every kernel, in every variant of the inner loops that this machine runs, against the scalar reference evaluator. */
#include "tests/unit/kernel_check.h"

/* ---- elementwise ---- */

static const int64_t sizes[] = {1, 2, 3, 15, 16, 17, 31, 33, 100};
enum { SIZES = sizeof sizes / sizeof *sizes };

static bool
takes(enum op op, enum elem e)
{
    return op_info[op].types >> e & 1;
}

static struct node *
map_node(struct check *b, enum op op, enum elem e, const struct type *shapes)
{
    struct node *in[3];
    for (int i = 0; i < op_info[op].nin; i++) {
        struct type t = shapes[i];
        t.elem = op == OP_WHERE && !i ? ELEM_BOOL : (uint8_t)e;
        in[i] = input(b, t);
    }
    return graph_add(b->graph, op, op_info[op].nin, in, NULL, NULL);
}

Test(kernels, map_equal_shapes_and_numbers)
{
    for (int op = 0; op < OP_COUNT; op++)
        for (int e = 0; op_info[op].class == CLASS_MAP && e < ELEM_COUNT; e++) {
            if (!takes((enum op)op, (enum elem)e)) {
                cr_assert_null(row_kernel((enum op)op, (enum elem)e));
                continue;
            }
            struct check b;
            begin(&b);
            for (int s = 0; s < SIZES; s++)
                for (int scalars = 0; scalars < 1 << op_info[op].nin; scalars++) {
                    struct type shapes[3];
                    for (int i = 0; i < 3; i++)
                        shapes[i] = scalars >> i & 1 ? type_scalar(ELEM_F32) : SHAPE(ELEM_F32, sizes[s]);
                    check_node(&b, map_node(&b, (enum op)op, (enum elem)e, shapes), true);
                }
            end(&b);
        }
}

Test(kernels, map_broadcasts)
{
    static const int64_t shapes[][2][4] = {
        {{7, 10}, {1, 10}}, {{7, 10}, {7, 1}}, {{1, 33}, {17, 1}}, {{100, 10}, {100, 1}}, {{3, 300}, {1, 300}}, {{3, 300}, {3, 1}},
        {{2, 1100}, {1, 1100}}, {{2, 5, 7}, {5, 1}}, {{4, 3, 5, 6}, {3, 1, 1}}, {{4, 3, 5, 6}, {4, 1, 5, 1}}, {{4, 1, 5, 1}, {1, 3, 1, 6}},
        {{600, 3, 2}, {600, 1, 2}}, {{9, 200}, {1, 200}}, {{0, 5}, {1, 5}}, {{50, 40, 2}, {40, 1}},
    };
    static const enum op ops[] = {OP_SUB, OP_LT, OP_DIV};
    struct check b;
    begin(&b);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int o = 0; o < 3; o++)
            for (int e = 0; e <= ELEM_U8; e++)
                for (int swap = 0; swap < 2 && takes(ops[o], (enum elem)e); swap++) {
                    struct type t[2];
                    for (int i = 0; i < 2; i++) {
                        int rank = 4;
                        while (!shapes[s][i][rank - 1])
                            rank--;
                        t[i ^ swap] = shape(ELEM_F32, rank, shapes[s][i]);
                    }
                    check_node(&b, map_node(&b, ops[o], (enum elem)e, t), false);
                }
    struct type where[3] = {SHAPE(ELEM_BOOL, 20, 1), SHAPE(ELEM_F32, 10), SHAPE(ELEM_F32, 20, 10)};
    check_node(&b, map_node(&b, OP_WHERE, ELEM_F32, where), false);
    check_node(&b, map_node(&b, OP_FMA, ELEM_F64, where), false);
    struct type to = SHAPE(ELEM_I32, 6, 5, 10);
    check_node(&b, graph_broadcast(b.graph, input(&b, SHAPE(ELEM_I32, 5, 1)), &to), false);
    end(&b);
}

Test(kernels, casts)
{
    struct check b;
    begin(&b);
    for (int from = 0; from < ELEM_COUNT; from++)
        for (int to = 0; to < ELEM_COUNT; to++)
            for (int s = 0; s < SIZES; s++) {
                struct type t = SHAPE((enum elem)to, sizes[s]);
                struct node *x = input(&b, SHAPE((enum elem)from, sizes[s]));
                check_node(&b, graph_add(b.graph, OP_CAST, 1, &x, NULL, &t), true);
            }
    end(&b);
}

Test(kernels, scalar_arithmetic)
{
    const double x[] = {2.25, 0.5, -3};
    cr_assert_eq(scalar_map(OP_ADD, 2, x), 2.75);
    cr_assert_eq(scalar_map(OP_FMA, 3, x), -1.875);
    cr_assert_eq(scalar_map(OP_LT, 2, x), 0);
    cr_assert_eq(scalar_map(OP_LE, 2, x + 1), 0);
    cr_assert_eq(scalar_map(OP_NOT, 1, x), 0);
    cr_assert_eq(scalar_map(OP_AND, 2, x), 1);
    cr_assert_eq(scalar_map(OP_WHERE, 3, x), 0.5);
    cr_assert_eq(scalar_map(OP_FLOORDIV, 2, x), 4);
}

/* ---- reductions ---- */

Test(kernels, reductions)
{
    static const int64_t shapes[][4] = {
        {1}, {15}, {16}, {17}, {100}, {1000}, {40, 10}, {33, 16}, {5, 17}, {3, 130}, {130, 3}, {9, 31, 1}, {4, 5, 6}, {3, 4, 5, 6}, {50, 200}, {1, 7},
        {20, 16, 3}, {1000, 10}, {7, 150},
    };
    static const enum op ops[] = {OP_SUM, OP_PROD, OP_MEAN, OP_MAX_OVER, OP_MIN_OVER, OP_ARGMAX, OP_ARGMIN};
    struct check b;
    begin(&b);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int o = 0; o < 7; o++)
            for (int e = 0; e <= ELEM_U8; e++) {
                int rank = 4;
                while (!shapes[s][rank - 1])
                    rank--;
                for (uint32_t axes = 0; axes < 1u << rank && takes(ops[o], (enum elem)e); axes++) {
                    if (o >= 5 && __builtin_popcount(axes) != 1)
                        continue;
                    struct node *x = input(&b, shape((enum elem)e, rank, shapes[s]));
                    check_node(&b, graph_reduce(b.graph, ops[o], x, axes, axes & 1), (axes + s) % 2);
                }
            }
    end(&b);
}

Test(kernels, sum_of_negative_zeros_is_positive)
{
    struct check b;
    begin(&b);
    for (int64_t n = 1; n < 40; n++) {
        struct node *x = input(&b, SHAPE(ELEM_F32, 17, n));
        struct type t = x->type;
        struct tensor in = tensor_new(&t);
        for (int64_t i = 0; i < 17 * n; i++)
            ((float *)in.data)[i] = -0.0f;
        for (uint32_t axes = 1; axes < 4; axes++)
            check_on(&b, graph_reduce(b.graph, OP_SUM, x, axes, false), &in);
        tensor_free(&in);
    }
    end(&b);
}

/* ---- products ---- */

static void
check_matmul(struct check *b, enum elem e, int64_t m, int64_t n, int64_t k)
{
    for (int t = 0; t < 4; t++) {
        struct node *x = input(b, t & 1 ? SHAPE(e, k, m) : SHAPE(e, m, k)), *y = input(b, t & 2 ? SHAPE(e, n, k) : SHAPE(e, k, n));
        check_node(b, graph_matmul(b->graph, x, y, t & 1, t & 2), false);
    }
}

Test(kernels, matmul)
{
    static const int64_t small[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50};
    struct check b;
    begin(&b);
    for (int e = ELEM_F32; e <= ELEM_F64; e++) {
        for (size_t i = 0; i < sizeof small / sizeof *small; i++)
            for (size_t j = 0; j < sizeof small / sizeof *small; j++)
                check_matmul(&b, (enum elem)e, small[i], small[j], 1 + below(&b, 20));
        check_matmul(&b, (enum elem)e, 20, 40, 500);
        check_matmul(&b, (enum elem)e, 20, 10, 261);
        check_matmul(&b, (enum elem)e, 11, 300, 241);
        check_matmul(&b, (enum elem)e, 5, 6, 0);
        struct node *x = input(&b, SHAPE((enum elem)e, 3, 4, 5)), *y = input(&b, SHAPE((enum elem)e, 3, 5, 6)), *w = input(&b, SHAPE((enum elem)e, 5, 6));
        check_node(&b, graph_matmul(b.graph, x, y, false, false), false);
        check_node(&b, graph_matmul(b.graph, x, w, false, false), false);
    }
    end(&b);
}

Test(kernels, gemm_on_openblas_is_close)
{
    struct diag diag;
    struct check b;
    begin(&b);
    diag_init(&diag, &b.arena);
    if (!blas_load(&diag))
        cr_skip_test("no OpenBLAS here");
    cr_assert_eq(float_enter() & 0x8040, 0x8040, "loading left the floating-point state alone");
    for (int t = 0; t < 4; t++) {
        struct node *x = input(&b, t & 1 ? SHAPE(ELEM_F32, 20, 30) : SHAPE(ELEM_F32, 30, 20));
        struct node *y = input(&b, t & 2 ? SHAPE(ELEM_F32, 40, 20) : SHAPE(ELEM_F32, 20, 40));
        struct node *n = graph_matmul(b.graph, x, y, t & 1, t & 2);
        struct tensor in[2] = {tensor_new(&x->type), tensor_new(&y->type)}, own = tensor_new(&n->type), blas = tensor_new(&n->type);
        fill(&b, &in[0], false);
        fill(&b, &in[1], false);
        const struct tensor *operands[] = {&in[0], &in[1]};
        b.kernels.gemm = GEMM_NNC;
        kernel_run(n, operands, &own, &b.kernels);
        b.kernels.gemm = GEMM_OPENBLAS;
        kernel_run(n, operands, &blas, &b.kernels);
        for (int i = 0; i < 1200; i++)
            cr_assert_float_eq(((float *)own.data)[i], ((float *)blas.data)[i], 1e-4);
        tensor_free(&in[0]);
        tensor_free(&in[1]);
        tensor_free(&own);
        tensor_free(&blas);
    }
    end(&b);
}

/* ---- movement ---- */

Test(kernels, transposes)
{
    struct check b;
    begin(&b);
    static const int64_t dims[][4] = {{3, 4, 5, 6}, {1, 17, 2, 3}, {20, 1, 33, 2}, {2, 2, 40, 50}};
    static const enum elem elems[] = {ELEM_F32, ELEM_F64, ELEM_U8};
    for (int d = 0; d < 4; d++)
        for (int code = 0; code < 256; code++) {
            struct attr attr = {.perm = {{(int8_t)(code & 3), (int8_t)(code >> 2 & 3), (int8_t)(code >> 4 & 3), (int8_t)(code >> 6)}}};
            int seen = 0;
            for (int i = 0; i < 4; i++)
                seen |= 1 << attr.perm.perm[i];
            if (seen == 15)
                check_node(&b, graph_transpose(b.graph, input(&b, shape(elems[d % 3], 4, dims[d])), attr.perm.perm), false);
        }
    end(&b);
}

Test(kernels, pieces)
{
    struct check b;
    begin(&b);
    struct node *x = input(&b, SHAPE(ELEM_F32, DIM_N, 4, 5)), *y = input(&b, SHAPE(ELEM_F32, DIM_N, 2, 5));
    struct attr slice = {.slice = {{0, 1, 2}, {DIM_N, 3, 5}}}, pad = {.slice = {{DIM_N, 0, 2}, {0, 3, 1}}}, concat = {.axis = {1}};
    struct attr whole = {.slice = {{0, 1, 0}, {DIM_N, 3, 5}}};
    check_node(&b, graph_add(b.graph, OP_SLICE, 1, &x, &slice, NULL), false);
    check_node(&b, graph_add(b.graph, OP_SLICE, 1, &x, &whole, NULL), false);
    check_node(&b, graph_add(b.graph, OP_PAD, 1, &x, &pad, NULL), false);
    struct node *parts[] = {x, y, x};
    check_node(&b, graph_add(b.graph, OP_CONCAT, 3, parts, &concat, NULL), false);
    struct type flat = SHAPE(ELEM_F32, DIM_N, 20);
    check_node(&b, graph_reshape(b.graph, x, &flat), false);
    end(&b);
}

Test(kernels, indices)
{
    struct check b;
    begin(&b);
    for (int e = ELEM_I32; e <= ELEM_I64; e++) {
        struct node *table = input(&b, SHAPE(ELEM_F32, 6, 5)), *index = input(&b, SHAPE((enum elem)e, 3, 7)), *rows = input(&b, SHAPE(ELEM_F32, 3, 7, 5));
        struct tensor in[2] = {tensor_new(&table->type), tensor_new(&index->type)}, values = tensor_new(&rows->type);
        fill(&b, &in[0], false);
        fill(&b, &values, false);
        for (int i = 0; i < 21; i++)
            if (e == ELEM_I32)
                ((int32_t *)in[1].data)[i] = below(&b, 6);
            else
                ((int64_t *)in[1].data)[i] = below(&b, 6);
        check_on(&b, graph_add2(b.graph, OP_GATHER, table, index), in);
        struct node *pair[] = {index, rows};
        check_on(&b, graph_add(b.graph, OP_SCATTER_ADD, 2, pair, NULL, &table->type), (struct tensor[]){in[1], values});
        struct type hot = SHAPE(ELEM_F32, 3, 7, 6);
        check_on(&b, graph_add(b.graph, OP_ONE_HOT, 1, &index, NULL, &hot), &in[1]);
        tensor_free(&in[0]);
        tensor_free(&in[1]);
        tensor_free(&values);
    }
    end(&b);
}

Test(kernels, random_numbers)
{
    struct check b;
    begin(&b);
    int64_t numbers[] = {-42, 7};
    struct tensor in[2] = {{type_scalar(ELEM_I64), &numbers[0]}, {type_scalar(ELEM_I64), &numbers[1]}};
    struct node *operands[] = {input(&b, type_scalar(ELEM_I64)), input(&b, type_scalar(ELEM_I64))};
    struct attr attr = {.stream = {0x123456789abcdefu, -0.5, 1.5}};
    for (int64_t n = 1; n < 2200; n = n < 40 ? n + 1 : n * 2 + 1)
        for (int op = OP_RANDOM_BITS; op <= OP_RANDOM_NORMAL; op++)
            for (int e = ELEM_F32; e <= ELEM_I32; e++) {
                struct type t = SHAPE((enum elem)e, n);
                if ((op == OP_RANDOM_BITS) == (e == ELEM_I32))
                    check_on(&b, graph_add(b.graph, (enum op)op, 2, operands, &attr, &t), in);
            }
    /* The known answer of Random123 for a counter and a key of zeros. */
    uint32_t block[4];
    philox_block(0, 0, 0, 0, block);
    cr_assert_eq(block[0], 0x6627e8d5u);
    cr_assert_eq(block[1], 0xe169c58du);
    cr_assert_eq(block[2], 0xbc57ac4cu);
    cr_assert_eq(block[3], 0x9b00dbd8u);
    end(&b);
}

/* Every size around a block's, with rows that lie apart; nothing beside the result is written. */
Test(kernels, transposition)
{
    enum { MOST = 27, ROW = 31 };
    float from[MOST * ROW], to[MOST * ROW];
    for (int i = 0; i < MOST * ROW; i++)
        from[i] = (float)i;
    for (int v = 0; v < isa_count(); v++)
        for (int size = 0; isa_get(v) && size < MOST * MOST; size++) {
            int rows = size / MOST + 1, columns = size % MOST + 1;
            for (int i = 0; i < MOST * ROW; i++)
                to[i] = -1;
            isa_get(v)->transpose_f32(from, ROW, to, ROW, rows, columns);
            for (int i = 0; i < MOST * ROW; i++) {
                int r = i % ROW, c = i / ROW;
                cr_assert_eq(to[i], r < rows && c < columns ? from[r * ROW + c] : -1, "%s, %d x %d: [%d][%d]", isa_get(v)->name,
                             rows, columns, c, r);
            }
        }
}
