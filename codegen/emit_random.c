/* emit_random: Philox4x32-10 in lanes (numerics.md, item 9; runtime/simd_random.c), as a value of a nest.
 *
 * A block a 64-bit lane, the words in the low halves: what is above them is cut off where a word is multiplied. Lane i of a
 * register holds block i / 2 if i is even, else block (width + i) / 2, so that unpacking pairs of words brings the elements
 * into their order. */
#include "codegen/emit.h"

enum { ROUNDS = 10, WORDS = 4 };

struct stream {
    LLVMValueRef keys;          /* two of each round, as i64 in memory */
    LLVMValueRef step;
};

static LLVMValueRef
low_half(struct gen *g, LLVMValueRef v, int lanes)
{
    return LLVMBuildAnd(g->b, v, splat(g, whole(g, 0xffffffff), lanes), "");
}

static LLVMValueRef
high_half(struct gen *g, LLVMValueRef v, int lanes)
{
    return LLVMBuildLShr(g->b, v, splat(g, whole(g, 32), lanes), "");
}

struct stream *
random_stream(struct gen *g, const struct node *n, const LLVMValueRef from[3])
{
    static const int64_t bumps[2] = {0x9E3779B9, 0xBB67AE85};
    struct stream *s = ARENA_NEW(g->arena, struct stream);
    LLVMValueRef key = LLVMBuildMul(g->b, load(g, ELEM_I64, from[0], 1, NULL), whole(g, (int64_t)UINT64_C(0x9E3779B97F4A7C15)), "");
    LLVMValueRef which = from[2] ? load(g, ELEM_I64, from[2], 1, NULL) : whole(g, (int64_t)n->attr->stream.stream);
    key = LLVMBuildXor(g->b, key, which, "");
    LLVMValueRef half[2] = {low_half(g, key, 1), high_half(g, key, 1)};
    s->keys = LLVMBuildAlloca(g->b, LLVMArrayType2(g->i64, 2 * ROUNDS), "keys");
    s->step = load(g, ELEM_I64, from[1], 1, NULL);
    for (int i = 0; i < 2 * ROUNDS; i++) {
        LLVMValueRef k = LLVMBuildAdd(g->b, half[i % 2], whole(g, i / 2 * bumps[i % 2]), "");
        store(g, ELEM_I64, element(g, s->keys, ELEM_I64, whole(g, i)), k, 1, NULL);
    }
    return s;
}

/* One round of a register of blocks. */
static void
philox_round(struct gen *g, const LLVMValueRef k[2], int lanes, LLVMValueRef c[WORDS])
{
    LLVMValueRef a = LLVMBuildMul(g->b, low_half(g, c[0], lanes), splat(g, whole(g, 0xD2511F53), lanes), "");
    LLVMValueRef b = LLVMBuildMul(g->b, low_half(g, c[2], lanes), splat(g, whole(g, 0xCD9E8D57), lanes), "");
    c[0] = LLVMBuildXor(g->b, LLVMBuildXor(g->b, high_half(g, b, lanes), c[1], ""), k[0], "");
    c[1] = b;
    c[2] = LLVMBuildXor(g->b, LLVMBuildXor(g->b, high_half(g, a, lanes), c[3], ""), k[1], "");
    c[3] = a;
}

/* The words of a register in the order of the elements: in two registers. */
static void
ordered(struct gen *g, const LLVMValueRef c[WORDS], int lanes, LLVMValueRef out[2])
{
    LLVMValueRef pair[2], low[2 * REDUCE_LANES], high[2 * REDUCE_LANES];
    for (int i = 0; i < lanes; i++) {
        low[i] = LLVMConstInt(g->i32, (unsigned)(i % 2 ? lanes + i - 1 : i), false);
        high[i] = LLVMConstInt(g->i32, (unsigned)(i % 2 ? lanes + i : i + 1), false);
    }
    for (int i = 0; i < 2; i++) {
        LLVMValueRef second = LLVMBuildShl(g->b, c[2 * i + 1], splat(g, whole(g, 32), lanes), "");
        pair[i] = LLVMBuildOr(g->b, low_half(g, c[2 * i], lanes), second, "");
    }
    for (int i = 0; i < 2; i++) {
        LLVMValueRef mask = LLVMConstVector(i ? high : low, (unsigned)lanes);
        out[i] = LLVMBuildShuffleVector(g->b, pair[0], pair[1], mask, "");
        out[i] = LLVMBuildBitCast(g->b, out[i], vector_of(g->i32, 2 * lanes), "");
    }
}

/* The words of two registers of |lanes| blocks from |first| on, in the order of the elements, in four registers. The rounds
 * are a loop: unrolled they take four times as long to compile and run no faster. */
static void
philox(struct gen *g, const struct stream *s, LLVMValueRef first, int lanes, LLVMValueRef out[4])
{
    LLVMValueRef order[REDUCE_LANES], c[2][WORDS], carried[2][WORDS], k[2];
    for (int i = 0; i < lanes; i++)
        order[i] = whole(g, i % 2 ? (lanes + i) / 2 : i / 2);
    for (int r = 0; r < 2; r++) {
        LLVMValueRef start = splat(g, LLVMBuildAdd(g->b, first, whole(g, r * lanes), ""), lanes);
        c[r][0] = LLVMBuildAdd(g->b, start, LLVMConstVector(order, (unsigned)lanes), "");
        c[r][1] = high_half(g, c[r][0], lanes);
        c[r][2] = splat(g, s->step, lanes);
        c[r][3] = high_half(g, c[r][2], lanes);
    }
    struct loop l;
    loop_begin(g, &l, whole(g, 0), whole(g, 2 * ROUNDS), 2);
    for (int r = 0; r < 2; r++)
        for (int w = 0; w < WORDS; w++)
            c[r][w] = carried[r][w] = loop_carry(g, &l, c[r][w]);
    LLVMValueRef keys = element(g, s->keys, ELEM_I64, l.index);
    for (int j = 0; j < 2; j++)
        k[j] = splat(g, load(g, ELEM_I64, element(g, keys, ELEM_I64, whole(g, j)), 1, NULL), lanes);
    for (int r = 0; r < 2; r++) {
        philox_round(g, k, lanes, c[r]);
        for (int w = 0; w < WORDS; w++)
            loop_next(g, &l, carried[r][w], c[r][w]);
    }
    loop_end(g, &l);
    for (int r = 0; r < 2; r++)
        ordered(g, c[r], lanes, out + 2 * r);
}

/* Two vectors of |lanes| as one. */
static LLVMValueRef
joined(struct gen *g, LLVMValueRef a, LLVMValueRef b, int lanes)
{
    LLVMValueRef index[WORDS * REDUCE_LANES];
    for (int i = 0; i < 2 * lanes; i++)
        index[i] = LLVMConstInt(g->i32, (unsigned)i, false);
    return LLVMBuildShuffleVector(g->b, a, b, LLVMConstVector(index, (unsigned)(2 * lanes)), "");
}

int
random_lanes(const struct gen *g)
{
    return WORDS * g->width;
}

bool
random_in_lanes(const struct gen *g, const struct node *n)
{
    struct size count = size_span(&n->type, 0, n->type.rank);
    if (n->op != OP_RANDOM_UNIFORM || n->type.elem != ELEM_F32 || (size_constant(count) && count.factor < random_lanes(g)))
        return false;
    return g->masks || count.factor % random_lanes(g) == 0;
}

/* Elements [index, index + lanes) of |n|; index is a multiple of 4. */
LLVMValueRef
random_value(struct gen *g, const struct node *n, const struct stream *s, LLVMValueRef index)
{
    int blocks = g->width / 2, lanes = random_lanes(g);
    LLVMValueRef part[4];
    philox(g, s, LLVMBuildLShr(g->b, index, whole(g, 2), ""), blocks, part);
    LLVMValueRef words = joined(g, joined(g, part[0], part[1], 2 * blocks), joined(g, part[2], part[3], 2 * blocks), 4 * blocks);
    words = LLVMBuildLShr(g->b, words, number(g, ELEM_I32, 0, 8, lanes), "");
    LLVMValueRef x = LLVMBuildSIToFP(g->b, words, vector_of(g->elem[ELEM_F32], lanes), "");
    x = emit_map(g, OP_MUL, ELEM_F32, (LLVMValueRef[]){x, number(g, ELEM_F32, 0x1p-24, 0, lanes)}, lanes);
    float scale = (float)(n->attr->stream.to - n->attr->stream.from), from = (float)n->attr->stream.from;
    LLVMValueRef fma[] = {x, number(g, ELEM_F32, (double)scale, 0, lanes), number(g, ELEM_F32, (double)from, 0, lanes)};
    return emit_map(g, OP_FMA, ELEM_F32, fma, lanes);
}

bool
random_fits(struct gen *g, const struct node *random, const struct node *n, int at)
{
    const struct type *t = &random->type;
    int uses = 0;
    if (!random_in_lanes(g, random) || t->rank == 0 || t->dim[t->rank - 1] <= 0 || t->dim[t->rank - 1] % random_lanes(g))
        return false;
    if (n->op != OP_FUSED)
        return false;
    for (int i = 0; i < n->body->noutputs; i++)
        if (!type_same_shape(&n->body->outputs[i].node->type, t) || op_info[n->body->outputs[i].node->op].class == CLASS_REDUCE)
            return false;
    for (int i = 0; i < n->nin; i++)
        uses += i == at || n->in[i] == random;
    return uses == 1;
}

/* All elements as one axis. */
void
emit_uniform(struct gen *g, const struct node *n, const struct operands *o)
{
    struct item items[1] = {{.op = (enum op)n->op, .node = n, .elem = ELEM_F32, .array = 1}};
    struct array arrays[2] = {{.base = o->out[0], .elem = ELEM_F32, .stride = {{.factor = 1}}},
                              {.is_index = true, .elem = ELEM_F32, .stride = {{.factor = 1}}}};
    struct result results[1] = {{.item = 0, .array = 0, .reduce = OP_COUNT}};
    struct nest nest = {.rank = 1, .items = items, .nitems = 1, .arrays = arrays, .narrays = 2, .results = results,
                        .nresults = 1};
    nest.dim[0] = size_span(&n->type, 0, n->type.rank);
    items[0].stream = random_stream(g, n, (LLVMValueRef[]){o->in[0], o->in[1], NULL});
    nest_emit(g, &nest);
}
