/* Threads: all parts run, each once, in the contract's floating-point state; what cannot be started is done without. The kernels' bits on 1, 2, 3 and
 * 5 threads are compared here for what is large, and by kernel_check.h in the tests of kernels. */
#include "tests/unit/kernel_check.h"
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>

enum { JOBS = 3000 };

struct job {
    atomic_int calls[THREADS_MAX];
    int parts;
    atomic_int bad;
};

static void
count_call(void *context, int part, int parts)
{
    struct job *j = context;
    volatile float smallest = 0x1p-126f;
    if (parts != j->parts || smallest / 2 != 0)
        atomic_fetch_add(&j->bad, 1);
    atomic_fetch_add(&j->calls[part], 1);
}

/* Some jobs follow at once, some when the workers look elsewhere or sleep. */
static void
run_jobs(struct threads *t)
{
    for (int i = 0; i < JOBS; i++) {
        struct job j = {.parts = i % threads_count(t) + 1};
        if (i % 500 == 499)
            usleep(2000);
        threads_run(t, j.parts, count_call, &j);
        cr_assert_eq(j.bad, 0);
        for (int part = 0; part < THREADS_MAX; part++)
            cr_assert_eq(j.calls[part], part < j.parts, "job %d of %d parts, part %d: %d calls", i, j.parts, part, j.calls[part]);
    }
}

Test(threads, each_part_runs_once)
{
    struct threads *pools[6];
    for (int count = 1; count <= 5; count++) { /* they start in a state of their own, not in the one that they were asked in */
        pools[count] = threads_new(count);
        cr_assert_eq(threads_count(pools[count]), count);
        threads_run(pools[count], count, count_call, &(struct job){.parts = count});
    }
    unsigned before = float_enter();
    for (int count = 1; count <= 5; count++) {
        run_jobs(pools[count]);
        threads_free(pools[count]);
    }
    threads_free(threads_new(3)); /* that never had work */
    threads_free(NULL);
    float_leave(before);
}

Test(threads, counts_are_within_bounds)
{
    struct threads *t = threads_new(100000);
    cr_assert_eq(threads_count(t), THREADS_MAX);
    threads_free(t);
    t = threads_new(-3);
    cr_assert_eq(threads_count(t), 1);
    threads_free(t);
    cr_assert_eq(threads_count(NULL), 1);
    cr_assert(threads_available() >= 1 && threads_available() <= THREADS_MAX);
}

Test(threads, parts_cover_the_units)
{
    for (int64_t units = 0; units < 70; units++)
        for (int parts = 1; parts < 9; parts++) {
            cr_assert_eq(threads_begin(units, 0, parts), 0);
            cr_assert_eq(threads_begin(units, parts, parts), units);
            for (int p = 0; p < parts; p++) {
                int64_t n = threads_begin(units, p + 1, parts) - threads_begin(units, p, parts);
                cr_assert(n == units / parts || n == units / parts + 1);
            }
        }
    cr_assert_eq(threads_begin(INT64_MAX, 64, 64), INT64_MAX);
}

Test(threads, small_work_stays_whole)
{
    struct threads *t = threads_new(4);
    cr_assert_eq(threads_parts(t, 1000, 1000), 1);
    cr_assert_eq(threads_parts(t, 1e9, 1000), 4);
    cr_assert_eq(threads_parts(t, 1e9, 3), 3);
    cr_assert_eq(threads_parts(t, 1e9, 0), 1);
    cr_assert_eq(threads_parts(NULL, 1e9, 1000), 1);
    int parts = threads_parts(t, 45000, 1000);
    cr_assert(parts > 1 && parts <= 4);
    threads_least(t, 0);
    cr_assert_eq(threads_parts(t, 0, 1000), 4);
    threads_free(t);
}

/* A limit on memory keeps even the superuser from a thread's stack. */
Test(threads, what_cannot_be_started_is_done_without)
{
#if !defined __SANITIZE_ADDRESS__
    unsigned before = float_enter();
    struct threads *t = threads_new(5);
    struct rlimit limit;
    cr_assert_eq(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = 1 << 20; /* less than there is already */
    cr_assert_eq(setrlimit(RLIMIT_AS, &limit), 0);
    run_jobs(t);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_AS, &limit);
    threads_free(t);
    float_leave(before);
#endif
}

/* ---- kernels that are large enough for several pieces on every axis ---- */

static void
repeat_node(struct check *c, const struct node *n)
{
    for (int i = 0; i < 3; i++) /* each number of threads */
        check_node(c, n, false);
}

Test(threads, products)
{
    struct check c;
    begin(&c);
    static const int64_t shapes[][3] = {{70, 10, 130}, {9, 200, 50}, {100, 100, 30}, {3, 500, 7}, {200, 16, 40}, {130, 3, 20}, {64, 64, 0}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (int e = ELEM_F32; e <= ELEM_F64; e++)
            for (int t = 0; t < 4; t++) {
                int64_t m = shapes[i][0], n = shapes[i][1], k = shapes[i][2];
                struct node *x = input(&c, t & 1 ? SHAPE((enum elem)e, k, m) : SHAPE((enum elem)e, m, k));
                struct node *y = input(&c, t & 2 ? SHAPE((enum elem)e, n, k) : SHAPE((enum elem)e, k, n));
                repeat_node(&c, graph_matmul(c.graph, x, y, t & 1, t & 2));
            }
    struct node *x = input(&c, SHAPE(ELEM_F32, 7, 20, 30)), *y = input(&c, SHAPE(ELEM_F32, 7, 30, 40));
    repeat_node(&c, graph_matmul(c.graph, x, y, false, false));
    end(&c);
}

Test(threads, reductions)
{
    struct check c;
    begin(&c);
    static const enum op ops[] = {OP_SUM, OP_MEAN, OP_MAX_OVER, OP_PROD};
    for (uint32_t axes = 1; axes < 8; axes++)
        for (int i = 0; i < 4; i++) {
            repeat_node(&c, graph_reduce(c.graph, ops[i], input(&c, SHAPE(ELEM_F32, 70, 9, 83)), axes, false));
            repeat_node(&c, graph_reduce(c.graph, ops[i], input(&c, SHAPE(ELEM_F64, 3, 40, 101)), axes, false));
        }
    for (uint32_t axis = 0; axis < 3; axis++)
        repeat_node(&c, graph_reduce(c.graph, OP_ARGMAX, input(&c, SHAPE(ELEM_F32, 20, 30, 40)), 1u << axis, false));
    end(&c);
}

Test(threads, movement_and_random_numbers)
{
    struct check c;
    begin(&c);
    struct node *x = input(&c, SHAPE(ELEM_F32, 40, 50, 6)), *pair[2] = {input(&c, type_scalar(ELEM_I64)), input(&c, type_scalar(ELEM_I64))};
    static const int8_t perms[][RANK_MAX] = {{2, 1, 0}, {0, 2, 1}, {1, 0, 2}, {0, 1, 2}};
    for (int i = 0; i < 4; i++)
        repeat_node(&c, graph_transpose(c.graph, x, perms[i]));
    struct attr attr = {.stream = {77, -1, 2}};
    for (int op = OP_RANDOM_UNIFORM; op <= OP_RANDOM_TRUNCATED_NORMAL; op++)
        for (int e = ELEM_F32; e <= ELEM_F64; e++) {
            struct type t = SHAPE((enum elem)e, 7001);
            repeat_node(&c, graph_add(c.graph, (enum op)op, 2, pair, &attr, &t));
        }
    struct node *index = input(&c, SHAPE(ELEM_I32, 300)), *values = input(&c, SHAPE(ELEM_F32, 300, 20)), *table = input(&c, SHAPE(ELEM_F32, 90, 20));
    struct tensor in[3] = {tensor_new(&table->type), tensor_new(&index->type), tensor_new(&values->type)};
    fill(&c, &in[0], false);
    fill(&c, &in[2], false);
    for (int i = 0; i < 300; i++)
        ((int32_t *)in[1].data)[i] = below(&c, 90);
    struct node *gather = graph_add2(c.graph, OP_GATHER, table, index), *pair_of[] = {index, values};
    struct node *scatter = graph_add(c.graph, OP_SCATTER_ADD, 2, pair_of, NULL, &table->type);
    for (int i = 0; i < 3; i++) {
        check_on(&c, gather, in);
        check_on(&c, scatter, in + 1);
    }
    for (int i = 0; i < 3; i++)
        tensor_free(&in[i]);
    end(&c);
}

/* A group as batch norm has them: rows of weights, a number a row, several sums down the rows. Many columns are cut up if |middle| is 1. */
static struct node *
sums_down(struct check *c, int64_t rows, int64_t middle, int64_t columns, int axes)
{
    struct graph *body = graph_new(&c->arena, "body");
    struct type types[4] = {SHAPE(ELEM_F32, rows, middle, columns), SHAPE(ELEM_F32, columns), SHAPE(ELEM_F32, rows, middle, 1),
                            SHAPE(ELEM_F32, middle, columns)};
    struct node *in[4], *out[4];
    for (int i = 0; i < 4; i++) {
        in[i] = graph_input(body, "x", &types[i]);
        out[i] = input(c, types[i]);
    }
    struct node *a = graph_add2(body, OP_MUL, in[0], in[1]), *b = graph_add2(body, OP_SUB, a, in[2]);
    struct node *d = graph_add2(body, OP_MUL, b, graph_add2(body, OP_ADD, in[3], in[0]));
    graph_output(body, "a", b);
    graph_output(body, "s", graph_reduce(body, OP_SUM, d, (uint32_t)axes, false));
    graph_output(body, "t", graph_reduce(body, OP_MEAN, b, (uint32_t)axes, true));
    graph_output(body, "d", d);
    graph_output(body, "m", graph_reduce(body, OP_MAX_OVER, in[0], (uint32_t)axes, false));
    struct node *n = graph_add(c->graph, OP_FUSED, 4, out, NULL, &body->outputs[0].node->type);
    n->body = body;
    return n;
}

Test(threads, groups)
{
    struct check c;
    begin(&c);
    static const int64_t columns[] = {1, 5, 16, 100, 520, 1500, 2570};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        for (int axes = 1; axes < 8; axes++) {
            repeat_node(&c, sums_down(&c, 9, 1, columns[i], axes));
            repeat_node(&c, sums_down(&c, 9, 2, columns[i], axes));
            repeat_node(&c, sums_down(&c, 41, 2, columns[i] % 600, axes));
        }
    end(&c);
}
