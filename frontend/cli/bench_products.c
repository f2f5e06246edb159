/* bench_products: what can be said of a step's graph without running it, and its contractions alone. */
#include "frontend/cli/bench.h"
#include "ir/tails.h"
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/* ---- counting ---- */

static bool
is_leaf(const struct node *n)
{
    return n->op == OP_INPUT || n->op == OP_VAR || n->op == OP_CONST || n->op == OP_ROWS || n->op == OP_RESULT;
}

/* Whether a node costs a kernel: graph mode runs one for it, or copies. */
static bool
is_kernel(const struct node *n)
{
    const struct node *from = n->op == OP_UPDATE ? n->in[1] : n->op == OP_RESHAPE || n->op == OP_STOP ? n->in[0] : NULL;
    if (is_leaf(n))
        return false;
    return !from || (n->storage ? n->storage != from->storage || n->offset != from->offset : n->op == OP_UPDATE);
}

static int64_t
count_kernels(const struct graph *g)
{
    int64_t count = 0;
    for (int i = 0; i < g->count; i++)
        count += is_kernel(g->nodes[i]);
    return count;
}

/* What the group itself stands for, if it has several results. */
static bool
is_first_result(const struct node *n)
{
    return n->op == OP_RESULT && n->in[0]->body->noutputs > 1 && !n->attr->axis.axis;
}

/* Bytes that the kernels read and write. */
static int64_t
count_moved(const struct graph *g, int64_t rows)
{
    int64_t bytes = 0;
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        if (n->op == OP_RESULT || is_kernel(n)) /* a group's own type is that of one result; the others have their nodes */
            bytes += is_first_result(n) ? 0 : type_bytes(&n->type, rows);
        for (int k = 0; is_kernel(n) && k < n->nin; k++)
            if (!node_is_number(n->in[k]))
                bytes += type_bytes(&n->in[k]->type, rows);
    }
    return bytes;
}

/* All values of a step together: eager mode keeps them until its end. */
static int64_t
count_values(const struct graph *g, int64_t rows)
{
    int64_t bytes = 0;
    for (int i = 0; i < g->count; i++)
        if (is_kernel(g->nodes[i]) && g->nodes[i]->op != OP_UPDATE)
            bytes += (type_bytes(&g->nodes[i]->type, rows) + 63) / 64 * 64;
    return bytes;
}

/* Machine code computes what has a tail in that tail's kernel, and stores it nowhere. (The code generator leaves out a few, for reasons of its own:
 * on mlp, mlp_bn, sine and digits one to four.) */
static void
count_tails(struct bench_mode *m, struct graph *g, int64_t rows)
{
    const struct node **tails = find_tails(g, g->arena);
    for (int i = 0; i < g->count; i++)
        if (tails[i]) {
            m->kernels--;
            m->moved_bytes -= 2 * type_bytes(&g->nodes[i]->type, rows);
        }
}

static struct graph *
training_graph(struct bench *b, uint32_t without, bool plan)
{
    struct session *s = b->s;
    struct graph *g = graph_new(s->arena, s->model->train->name);
    lower_train(s->model, &s->x->train, g);
    g->max_rows = b->rows;
    return !plan || passes_run(g, without, PASS_PLAN, false, s->diag) ? g : NULL;
}

/* ---- products ---- */

static struct bench_product
product_of(const struct node *n, int64_t rows)
{
    const struct type a = type_at(&n->in[0]->type, rows), b = type_at(&n->in[1]->type, rows), c = type_at(&n->type, rows);
    struct bench_product p = {.elem = (enum elem)n->type.elem, .count = 1, .time = NAN, .blas = NAN};
    p.transpose_a = n->attr && n->attr->matmul.transpose_a;
    p.transpose_b = n->attr && n->attr->matmul.transpose_b;
    bool batched = b.rank > 2;
    p.batch = batched ? type_span(&c, 0, c.rank - 2, rows) : 1;
    p.k = a.dim[p.transpose_a ? a.rank - 2 : a.rank - 1];
    p.n = c.dim[c.rank - 1];
    p.m = type_span(&c, batched ? c.rank - 2 : 0, c.rank - 1, rows);
    return p;
}

static bool
same_product(const struct bench_product *a, const struct bench_product *b)
{
    return a->batch == b->batch && a->m == b->m && a->n == b->n && a->k == b->k && a->transpose_a == b->transpose_a &&
           a->transpose_b == b->transpose_b && a->elem == b->elem;
}

static void
add_product(struct bench *b, const struct node *n)
{
    struct bench_product p = product_of(n, b->rows);
    b->flop += 2.0 * (double)p.batch * (double)p.m * (double)p.n * (double)p.k;
    for (int i = 0; i < b->nproducts; i++)
        if (same_product(&b->product[i], &p)) {
            b->product[i].count++;
            return;
        }
    if (b->nproducts < BENCH_PRODUCTS)
        b->product[b->nproducts++] = p;
}

/* Two operations an element of the result and of the kernel's window, in each of the three contractions. */
static double
conv_flop(const struct node *n, int64_t rows)
{
    const struct type *w = n->op == OP_CONV_WEIGHT ? &n->type : &n->in[1]->type, *y = n->op == OP_CONV ? &n->type : NULL;
    if (!y)
        y = n->op == OP_CONV_WEIGHT ? &n->in[1]->type : &n->in[0]->type;
    return 2.0 * (double)type_count(y, rows) * (double)type_span(w, 0, w->rank - 1, rows);
}

void
bench_count(struct bench *b)
{
    uint32_t without = 0;
    chosen_without(b->s->cli, &without);
    struct graph *raw = training_graph(b, 0, false), *planned = training_graph(b, without, true);
    struct graph *unfused = training_graph(b, without | 1u << PASS_FUSE, true);
    if (!planned || !unfused)
        return;
    for (int i = 0; i < BENCH_MODES; i++) {
        struct bench_mode *m = &b->mode[i];
        const struct graph *g = i == BENCH_EAGER ? raw : planned;
        m->nodes = g->count;
        m->kernels = count_kernels(g);
        m->kernels_unfused = count_kernels(i == BENCH_EAGER ? raw : unfused);
        m->moved_bytes = count_moved(g, b->rows);
        m->live_bytes = i == BENCH_EAGER ? count_values(g, b->rows) : g->live_bytes;
        m->arena_bytes = i == BENCH_EAGER ? m->live_bytes : g->arena_bytes;
    }
    count_tails(&b->mode[BENCH_JIT], planned, b->rows);
    for (int i = 0; i < planned->count; i++) {
        const struct node *n = planned->nodes[i];
        if (n->op == OP_MATMUL)
            add_product(b, n);
        else if (n->op == OP_CONV || n->op == OP_CONV_INPUT || n->op == OP_CONV_WEIGHT)
            b->flop += conv_flop(n, b->rows);
    }
}

/* ---- the machine ---- */

/* Enough independent chains to hide the latency of two units; unrolled, so that they are registers. */
enum { CHAINS = 12, TURNS = 2000 };
#define IN_REGISTERS _Pragma("GCC unroll 12")

#if defined(__x86_64__)
__attribute__((target("avx512f"))) static double
multiply_add_512(void)
{
    __m512 x[CHAINS], a = _mm512_set1_ps(0.5f), c = _mm512_set1_ps(0.25f);
    IN_REGISTERS for (int i = 0; i < CHAINS; i++)
        x[i] = _mm512_set1_ps((float)i);
    for (int t = 0; t < TURNS; t++)
        IN_REGISTERS for (int i = 0; i < CHAINS; i++)
            x[i] = _mm512_fmadd_ps(x[i], a, c);
    IN_REGISTERS for (int i = 1; i < CHAINS; i++)
        x[0] = _mm512_add_ps(x[0], x[i]);
    volatile float sink = _mm512_reduce_add_ps(x[0]);
    (void)sink;
    return 16;
}

__attribute__((target("avx2,fma"))) static double
multiply_add_256(void)
{
    __m256 x[CHAINS], a = _mm256_set1_ps(0.5f), c = _mm256_set1_ps(0.25f);
    IN_REGISTERS for (int i = 0; i < CHAINS; i++)
        x[i] = _mm256_set1_ps((float)i);
    for (int t = 0; t < TURNS; t++)
        IN_REGISTERS for (int i = 0; i < CHAINS; i++)
            x[i] = _mm256_fmadd_ps(x[i], a, c);
    IN_REGISTERS for (int i = 1; i < CHAINS; i++)
        x[0] = _mm256_add_ps(x[0], x[i]);
    volatile float sink = _mm256_cvtss_f32(x[0]);
    (void)sink;
    return 8;
}

static double
multiply_add(void)
{
    return __builtin_cpu_supports("avx512f") ? multiply_add_512() : multiply_add_256();
}
#elif defined(__aarch64__)
static double
multiply_add(void)
{
    float32x4_t x[CHAINS], a = vdupq_n_f32(0.5f), c = vdupq_n_f32(0.25f);
    IN_REGISTERS for (int i = 0; i < CHAINS; i++)
        x[i] = vdupq_n_f32((float)i);
    for (int t = 0; t < TURNS; t++)
        IN_REGISTERS for (int i = 0; i < CHAINS; i++)
            x[i] = vfmaq_f32(c, x[i], a);
    IN_REGISTERS for (int i = 1; i < CHAINS; i++)
        x[0] = vaddq_f32(x[0], x[i]);
    volatile float sink = vaddvq_f32(x[0]);
    (void)sink;
    return 4;
}
#else
static double
multiply_add(void)
{
    return NAN;
}
#endif

/* The best of 40 pieces: what the machine can do when nobody disturbs it. */
static double
measure_peak(void)
{
    double best = NAN;
    for (int i = 0; i < 40; i++) {
        double start = bench_now(), lanes = 0;
        for (int k = 0; k < 20; k++)
            lanes = multiply_add();
        double gflops = 20.0 * CHAINS * TURNS * 2 * lanes / (bench_now() - start) / 1e3;
        if (!(gflops <= best))
            best = gflops;
    }
    return best;
}

/* ---- contractions alone, in machine code and in OpenBLAS ---- */

static struct tensor
numbers(enum elem e, int64_t count)
{
    struct type type = {.elem = (uint8_t)e, .rank = 1, .dim = {count}};
    struct tensor t = tensor_new(&type);
    for (int64_t i = 0; t.data && i < count; i++) {
        double x = (double)((uint64_t)i * 2654435761u >> 7 & 1023) / 1024 - 0.5;
        if (e == ELEM_F32)
            ((float *)t.data)[i] = (float)x;
        else
            ((double *)t.data)[i] = x;
    }
    return t;
}

static struct graph *
product_graph(struct session *s, const struct bench_product *p)
{
    struct graph *g = graph_new(s->arena, "product");
    bool batched = p->batch > 1;
    int64_t m = p->transpose_a ? p->k : p->m, ka = p->transpose_a ? p->m : p->k, k = p->transpose_b ? p->n : p->k;
    int64_t n = p->transpose_b ? p->k : p->n;
    struct type a = {.elem = (uint8_t)p->elem, .rank = 2, .dim = {m, ka}};
    struct type b = {.elem = (uint8_t)p->elem, .rank = 2, .dim = {k, n}};
    if (batched) {
        a = (struct type){.elem = (uint8_t)p->elem, .rank = 3, .dim = {p->batch, m, ka}};
        b = (struct type){.elem = (uint8_t)p->elem, .rank = 3, .dim = {p->batch, k, n}};
    }
    struct node *left = graph_input(g, "a", &a), *right = graph_input(g, "b", &b);
    graph_output(g, "c", graph_matmul(g, left, right, p->transpose_a, p->transpose_b));
    g->max_rows = 1;
    return passes_run(g, 0, PASS_PLAN, false, s->diag) ? g : NULL;
}

enum { PIECES = 9 };

struct product_run {
    const struct code *code[2];     /* own, OpenBLAS */
    struct code_args args;
    void *inputs[2];
    struct kernel_context kernels[2];
    struct bench_piece pieces[2][PIECES];
};

/* The median of the pieces at full speed. */
static double
median_piece(const struct bench_piece *p, double best_probe, bool *out_disturbed)
{
    double times[PIECES];
    bool disturbed;
    int n = bench_undisturbed(p, PIECES, best_probe, times, &disturbed);
    *out_disturbed |= disturbed;
    return bench_median(times, n);
}

static double
time_product(struct product_run *r, int which, int64_t count)
{
    r->args.kernels = &r->kernels[which];
    double start = bench_now();
    for (int64_t i = 0; i < count; i++)
        code_function(r->code[which], 0)(&r->args);
    return (bench_now() - start) / (double)count;
}

static void
measure_product(struct session *s, const struct codegen *gen, bool blas, double best_probe, struct bench_product *p)
{
    struct product_run r = {.kernels = {{.rows = 1}, {.rows = 1, .gemm = GEMM_OPENBLAS}}};
    const struct graph *g = product_graph(s, p);
    struct code_graphs graphs = {.graph = &g, .count = 1};
    struct code_options options[2] = {chosen_code(s->cli), chosen_code(s->cli)};
    options[1].gemm = GEMM_OPENBLAS;
    for (int i = 0; g && i < 1 + blas; i++)
        r.code[i] = code_compile(gen, &graphs, &options[i], s->diag);
    struct tensor a = numbers(p->elem, p->batch * p->m * p->k), b = numbers(p->elem, p->batch * p->k * p->n);
    struct tensor c = numbers(ELEM_F64, (g ? g->arena_bytes : 0) / 8 + 8);
    if (r.code[0] && (!blas || r.code[1]) && a.data && b.data && c.data) {
        r.inputs[0] = a.data;
        r.inputs[1] = b.data;
        r.args = (struct code_args){c.data, r.inputs, NULL, 1, NULL};
        for (int i = 0; i < 1 + blas; i++)
            time_product(&r, i, 1);
        double once = time_product(&r, 0, 3);
        int64_t count = once > 0 && once < 4e3 ? (int64_t)(4e3 / once) + 1 : 1;
        double before = bench_probe();
        for (int k = 0; k < PIECES; k++)
            for (int i = 0; i < 1 + blas; i++) {
                double time = time_product(&r, i, count), after = bench_probe();
                r.pieces[i][k] = (struct bench_piece){time, fmax(before, after)};
                before = after;
            }
        p->time = median_piece(r.pieces[0], best_probe, &p->disturbed);
        if (blas)
            p->blas = median_piece(r.pieces[1], best_probe, &p->disturbed);
    }
    for (int i = 0; i < 2; i++) {
        code_free((struct code *)r.code[i]);
        kernel_context_free(&r.kernels[i]);
    }
    tensor_free(&a);
    tensor_free(&b);
    tensor_free(&c);
}

/* In a process of its own, which loads LLVM. */
static void
work_products(void *context, int in, int out)
{
    struct bench *b = context;
    struct session *s = b->s;
    struct codegen gen;
    struct diag silent;
    (void)in;
    b->peak = measure_peak();
    bench_write(out, &b->peak, sizeof b->peak);
    diag_init(&silent, s->arena);
    bool blas = program_load_blas(&silent);
    if (!b->mode[BENCH_JIT].measured || !codegen_load(&gen, &silent))
        return;
    for (int i = 0; i < b->nproducts; i++)
        measure_product(s, &gen, blas, b->probe, &b->product[i]);
    bench_write(out, b->product, sizeof b->product);
    codegen_unload(&gen);
}

void
bench_products(struct bench *b)
{
    struct bench_child c;
    struct bench_product product[BENCH_PRODUCTS];
    b->peak = NAN;
    if (bench_fork(&c, work_products, b) && bench_read(c.from, &b->peak, sizeof b->peak) &&
        bench_read(c.from, product, sizeof product))
        memcpy(b->product, product, sizeof product);
    bench_join(&c);
}
