/* isa: the inner loops, compiled once for each level of the machine's instruction set, and the choice between them.
 *
 * The simd_*.c files are compiled several times with ISA_SUFFIX set (CMakeLists.txt) and hold loops only; everything that decides
 * lies in files that are compiled once. All variants give the same bits: lanes run only across independent outputs. */
#ifndef NNC_RUNTIME_ISA_H
#define NNC_RUNTIME_ISA_H
#include "runtime/kernels.h"

/* The reductions that are built from one binary operation of math.def. */
enum reduce { REDUCE_SUM, REDUCE_PROD, REDUCE_MAX, REDUCE_MIN, REDUCE_COUNT };

enum { REDUCE_LANES = 16, REDUCE_LANES_BYTES = 16 * 8 };

/* The inner loops of one reduction of one element type; |x| and |out| point to elements. numerics.md, item 4. */
struct reduce_fns {
    /* |count| times the neutral element: +0, 1, the lowest, the highest value. */
    void (*start)(void *out, int64_t count);
    /* out[o] for o < outer: the lanes and the tree over x[o * length ...]. */
    void (*rows)(void *out, const void *x, int64_t outer, int64_t length);
    /* Goes on with the 16 |lanes|: |n| more elements, the first of which has position |at| on its axis. */
    void (*lanes)(void *lanes, const void *x, int64_t n, int64_t at);
    void (*tree)(void *out, const void *lanes);
    /* acc[j] = op(acc[j], x[r * stride + j]) for r ascending to |rows|, j < inner <= stride. */
    void (*columns)(void *acc, const void *x, int64_t rows, int64_t inner, int64_t stride);
};

struct gemm_shape {
    bool transpose_a, transpose_b;
    int64_t m, n, k;
};
/* The part of a product's rows and columns that one call computes. */
struct gemm_part {
    int64_t row, row_end, column, column_end;
};

struct conv_run;
struct isa {
    const char *name;
    row_fn *const (*row)[ELEM_COUNT];               /* [op][elem] */
    row_fn *const (*cast)[ELEM_COUNT];              /* [from][to] */
    const struct reduce_fns (*reduce)[ELEM_COUNT];  /* [enum reduce][elem]; bool has none */
    /* |scratch| holds gemm_scratch bytes, aligned to 64. */
    void (*gemm_f32)(const struct gemm_shape *s, const struct gemm_part *p, const float *a, const float *b, float *c, void *scratch);
    void (*gemm_f64)(const struct gemm_shape *s, const struct gemm_part *p, const double *a, const double *b, double *c, void *scratch);
    /* The chains of a convolution: conv_run.h. */
    void (*conv_f32)(const struct conv_run *r, const float *x, const float *w, float *out);
    void (*conv_f64)(const struct conv_run *r, const double *x, const double *w, double *out);
    /* to[c * to_row + r] = from[r * from_row + c]; they do not overlap. */
    void (*transpose_f32)(const float *from, int64_t from_row, float *to, int64_t to_row, int64_t rows, int64_t columns);
    /* a [m, k] -> q [m, k], m >= k: the orthogonal factor (simd_qr.c). |a| is used up, |w| holds 3 k numbers. */
    void (*qr)(int64_t m, int64_t k, double *a, double *q, double *w);
    /* out[i] for i < count; |words| per element as in simd_random.c. */
    void (*uniform_f32)(const uint32_t *words, float *out, int64_t count, float scale, float from);
    void (*uniform_f64)(const uint32_t *words, double *out, int64_t count, double scale, double from);
    void (*normal_f32)(const uint32_t *words, float *out, int64_t count, float scale, float mean);
    void (*normal_f64)(const uint32_t *words, double *out, int64_t count, double scale, double mean);
    /* |count| blocks from block number |first| on: out[4 * count]. */
    void (*philox)(const uint32_t key[2], int64_t step, uint64_t first, int64_t count, uint32_t *out);
};

/* What a gemm of this shape, or of a part of it, needs of scratch memory. */
size_t gemm_scratch(const struct gemm_shape *s, size_t elem_size);

/* The variants of this build, worst first; the last one that this machine can run. A pure function of the machine. */
int isa_count(void);
const struct isa *isa_get(int index);   /* NULL if this machine cannot run it */
const struct isa *isa_host(void);

#define ISA_JOIN2(a, b) a##_##b
#define ISA_JOIN(a, b) ISA_JOIN2(a, b)
#define ISA(name) ISA_JOIN(name, ISA_SUFFIX)

/* X(variant, condition) for each variant that CMakeLists.txt builds. */
#if defined __x86_64__
#define ISA_VARIANTS(X) \
    X(v3, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) \
    X(v4, __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && \
          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
#else
#define ISA_VARIANTS(X) X(base, true)
#endif

#define ISA_DECLARE(v, condition)                                                                                              \
    extern row_fn *const rows_##v[OP_COUNT][ELEM_COUNT];                                                                       \
    extern row_fn *const casts_##v[ELEM_COUNT][ELEM_COUNT];                                                                    \
    extern const struct reduce_fns reduces_##v[REDUCE_COUNT][ELEM_COUNT];                                                      \
    void gemm_f32_##v(const struct gemm_shape *s, const struct gemm_part *p, const float *a, const float *b, float *c, void *scratch);    \
    void gemm_f64_##v(const struct gemm_shape *s, const struct gemm_part *p, const double *a, const double *b, double *c, void *scratch); \
    void conv_f32_##v(const struct conv_run *r, const float *x, const float *w, float *out);                                   \
    void conv_f64_##v(const struct conv_run *r, const double *x, const double *w, double *out);                                \
    void transpose_f32_##v(const float *from, int64_t from_row, float *to, int64_t to_row, int64_t rows, int64_t columns);     \
    void qr_##v(int64_t m, int64_t k, double *a, double *q, double *w);                                                        \
    void uniform_f32_##v(const uint32_t *words, float *out, int64_t count, float scale, float from);                           \
    void uniform_f64_##v(const uint32_t *words, double *out, int64_t count, double scale, double from);                        \
    void normal_f32_##v(const uint32_t *words, float *out, int64_t count, float scale, float mean);                            \
    void normal_f64_##v(const uint32_t *words, double *out, int64_t count, double scale, double mean);                         \
    void philox_##v(const uint32_t key[2], int64_t step, uint64_t first, int64_t count, uint32_t *out);
ISA_VARIANTS(ISA_DECLARE)
#endif
