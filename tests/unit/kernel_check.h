/* What the tests of kernels share: a graph of a few nodes on drawn data, and the comparison with the reference evaluator in every variant of
 * the inner loops that this machine runs, on one thread and cut up for several. */
#ifndef NNC_TESTS_KERNEL_CHECK_H
#define NNC_TESTS_KERNEL_CHECK_H
#include "runtime/isa.h"
#include "runtime/threads.h"
#include "tests/reference/reference.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct check {
    struct arena arena;
    struct graph *graph;
    uint64_t random;
    unsigned environment;
    struct kernel_context kernels;
    struct threads *pools[3];   /* of 2, 3 and 5 threads, which cut up whatever has more than one piece */
    int turn;                   /* whose turn is next */
};

static __attribute__((unused)) void
begin(struct check *b)
{
    *b = (struct check){.random = 88172645463325252u};
    arena_init(&b->arena, NULL);
    b->graph = graph_new(&b->arena, "test");
    b->environment = float_enter();
    b->kernels.rows = 3;
    for (int i = 0; i < 3; i++) {
        b->pools[i] = threads_new((int[]){2, 3, 5}[i]);
        threads_least(b->pools[i], 0);
    }
}

static __attribute__((unused)) void
end(struct check *b)
{
    float_leave(b->environment);
    kernel_context_free(&b->kernels);
    for (int i = 0; i < 3; i++)
        threads_free(b->pools[i]);
    arena_free(&b->arena);
}

static __attribute__((unused)) uint64_t
next(struct check *b)
{
    b->random ^= b->random << 13;
    b->random ^= b->random >> 7;
    return b->random ^= b->random << 17;
}

static __attribute__((unused)) int
below(struct check *b, int n)
{
    return (int)(next(b) >> 33) % n;
}

static const double specials[] = {0.0, -0.0, 1, -1, __builtin_inf(), -__builtin_inf(), __builtin_nan(""), 0.5, 2, -2, 1e30, -1e30, 1e-30, 3e9, 255.5, -0.75};

static __attribute__((unused)) double
draw(struct check *b, bool special)
{
    if (special && below(b, 4) == 0)
        return specials[below(b, sizeof specials / sizeof *specials)];
    return (double)(int64_t)(next(b) >> 40) / 4194304.0 - 2;
}

static __attribute__((unused)) void
fill(struct check *b, struct tensor *t, bool special)
{
    int64_t n = tensor_count(t);
    for (int64_t i = 0; i < n; i++) {
        double x = draw(b, special);
        switch ((enum elem)t->type.elem) {
        case ELEM_F32: ((float *)t->data)[i] = (float)x; break;
        case ELEM_F64: ((double *)t->data)[i] = x; break;
        case ELEM_I32: ((int32_t *)t->data)[i] = special && below(b, 9) == 0 ? INT32_MIN + below(b, 2) : (int32_t)below(b, 20) - 10; break;
        case ELEM_I64: ((int64_t *)t->data)[i] = special && below(b, 9) == 0 ? INT64_MIN + below(b, 2) : below(b, 20) - 10; break;
        case ELEM_U8: ((uint8_t *)t->data)[i] = (uint8_t)next(b); break;
        default: ((uint8_t *)t->data)[i] = next(b) >> 33 & 1;
        }
    }
}

static __attribute__((unused)) struct type
shape(enum elem e, int rank, const int64_t *dim)
{
    struct type t = {.elem = (uint8_t)e, .rank = (uint8_t)rank};
    memcpy(t.dim, dim, sizeof *dim * (size_t)rank);
    return t;
}
#define SHAPE(e, ...) shape(e, sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t), (int64_t[]){__VA_ARGS__})

static __attribute__((unused)) struct node *
input(struct check *b, struct type t)
{
    return graph_input(b->graph, "x", &t);
}

enum { OPERANDS = 24 };

static __attribute__((unused)) void
fail_at(const struct node *n, const struct kernel_context *k, const struct tensor *got, int64_t at, const char *how)
{
    char text[TYPE_TEXT];
    struct arena arena;
    arena_init(&arena, NULL);
    cr_assert_fail("%s to %s, variant %s, %d threads, %s: element %lld differs\n%s", op_info[n->op].text, type_text(&got->type, ",", text),
                   k->isa->name, threads_count(k->threads), how, (long long)at, n->body ? graph_text(n->body, &arena, false) : "");
}

/* Runs |n| in all variants on |in| and compares each result with the reference; also in place where that is allowed. */
static __attribute__((unused)) void
check_on(struct check *b, const struct node *n, struct tensor *in)
{
    const struct tensor *operands[OPERANDS];
    struct tensor want[OPERANDS], got[OPERANDS];
    int results = n->op == OP_FUSED ? n->body->noutputs : 1;
    int64_t at, rows = b->kernels.rows;
    for (int i = 0; i < n->nin; i++)
        operands[i] = &in[i];
    for (int r = 0; r < results; r++) {
        struct type t = type_at(n->op == OP_FUSED ? &n->body->outputs[r].node->type : &n->type, rows);
        want[r] = tensor_new(&t);
        got[r] = tensor_new(&t);
    }
    reference_node(n, operands, want, rows);
    for (int v = 0; v < 2 * isa_count(); v++) {
        if (!(b->kernels.isa = isa_get(v / 2)))
            continue;
        b->kernels.threads = v % 2 ? b->pools[b->turn++ % 3] : NULL;
        for (int r = 0; r < results; r++)
            memset(got[r].data, 0x5a, (size_t)tensor_bytes(&got[r]));
        cr_assert(kernel_run(n, operands, got, &b->kernels));
        for (int r = 0; r < results; r++)
            if (!reference_same(&want[r], &got[r], &at))
                fail_at(n, &b->kernels, &got[r], at, "");
        bool in_place = op_info[n->op].class == CLASS_MAP || n->op == OP_CAST;
        for (int i = 0; in_place && i < n->nin; i++) {
            if (!type_equal(&in[i].type, &got->type))
                continue;
            struct tensor copy = tensor_new(&in[i].type);
            memcpy(copy.data, in[i].data, (size_t)tensor_bytes(&copy));
            operands[i] = &copy;
            cr_assert(kernel_run(n, operands, &copy, &b->kernels));
            if (!reference_same(want, &copy, &at))
                fail_at(n, &b->kernels, &copy, at, "in place");
            operands[i] = &in[i];
            tensor_free(&copy);
        }
    }
    for (int r = 0; r < results; r++) {
        tensor_free(&want[r]);
        tensor_free(&got[r]);
    }
}

/* The same on drawn operands. */
static __attribute__((unused)) void
check_node(struct check *b, const struct node *n, bool special)
{
    struct tensor in[OPERANDS];
    for (int i = 0; i < n->nin; i++) {
        struct type t = type_at(&n->in[i]->type, b->kernels.rows);
        in[i] = tensor_new(&t);
        fill(b, &in[i], special);
    }
    check_on(b, n, in);
    for (int i = 0; i < n->nin; i++)
        tensor_free(&in[i]);
}
#endif
