/* The matrix product of one element type; included by simd_gemm.c with E, the suffix of names, and T, the type. */
#include "runtime/gemm_plan.h"
#define FN(name) ISA_JOIN(name, E)
#define V FN(vec)
#define W FN(WIDTH)
#define LOAD FN(VEC_LOAD)
#define STORE FN(VEC_STORE)
#define ALL FN(VEC_ALL)
#define FMA FN(VEC_FMA)
#define LOAD_PART FN(VEC_LOAD_PART)
#define STORE_PART FN(VEC_STORE_PART)

/* How a tile reads and writes: A's element (row, k) is a[row * a_row + k * a_k]; B's is b[k * b_row + column]; |last|: columns in the last vector. */
struct FN(tile) {
    const T *a, *b;
    T *c;
    int64_t a_row, a_k, b_row, c_row, k, last;
    bool first;
};

INLINE void
FN(run_tile)(int rows, int vectors, bool part, bool a_along_k, const struct FN(tile) *t)
{
    V acc[TILE_ROWS][2];
    const int64_t a_row = a_along_k ? t->a_row : 1, a_k = a_along_k ? 1 : t->a_k, b_row = t->b_row, c_row = t->c_row, k = t->k;
    const T *a = t->a, *b = t->b;
    if (t->first) {
        UNROLL
        for (int r = 0; r < rows; r++) {
            UNROLL
            for (int v = 0; v < vectors; v++)
                acc[r][v] = ALL((T)0);
        }
    } else {
        UNROLL
        for (int r = 0; r < rows; r++) {
            UNROLL
            for (int v = 0; v < vectors; v++)
                acc[r][v] = part && v == vectors - 1 ? LOAD_PART(t->c + r * c_row + v * W, t->last) : LOAD(t->c + r * c_row + v * W);
        }
    }
    for (int64_t p = 0; p < k; p++) {
        V y[2];
        UNROLL
        for (int v = 0; v < vectors; v++)
            y[v] = LOAD(b + p * b_row + v * W);
        UNROLL
        for (int r = 0; r < rows; r++) {
            V x = ALL(a[r * a_row + p * a_k]);
            UNROLL
            for (int v = 0; v < vectors; v++)
                acc[r][v] = FMA(x, y[v], acc[r][v]);
        }
    }
    UNROLL
    for (int r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < vectors; v++) {
            if (part && v == vectors - 1)
                STORE_PART(t->c + r * c_row + v * W, acc[r][v], t->last);
            else
                STORE(t->c + r * c_row + v * W, acc[r][v]);
        }
    }
}

typedef void FN(tile_fn)(const struct FN(tile) *t);
#define TILE(rows, vectors, part, along)                                                          \
    static void FN(tile_##rows##_##vectors##_##part##_##along)(const struct FN(tile) *t)          \
    {                                                                                             \
        FN(run_tile)(rows, vectors, part, along, t);                                              \
    }
#define TILE_VARIANTS(rows)                                                                       \
    TILE(rows, 1, 0, 0) TILE(rows, 1, 0, 1) TILE(rows, 1, 1, 0) TILE(rows, 1, 1, 1)               \
    TILE(rows, 2, 0, 0) TILE(rows, 2, 0, 1) TILE(rows, 2, 1, 0) TILE(rows, 2, 1, 1)
TILE_VARIANTS(1)
TILE_VARIANTS(2)
TILE_VARIANTS(3)
TILE_VARIANTS(4)
TILE_VARIANTS(5)
TILE_VARIANTS(6)
#define TILE_NAME(rows, vectors, part, along) FN(tile_##rows##_##vectors##_##part##_##along)
#define TILE_ENTRY(rows)                                                                          \
    [rows] = {{{TILE_NAME(rows, 1, 0, 0), TILE_NAME(rows, 1, 0, 1)}, {TILE_NAME(rows, 1, 1, 0), TILE_NAME(rows, 1, 1, 1)}},   \
              {{TILE_NAME(rows, 2, 0, 0), TILE_NAME(rows, 2, 0, 1)}, {TILE_NAME(rows, 2, 1, 0), TILE_NAME(rows, 2, 1, 1)}}},
#if TILE_ROWS == 8
TILE_VARIANTS(7)
TILE_VARIANTS(8)
#endif
/* [rows][vectors - 1][part][a along k] */
static FN(tile_fn) *const FN(tiles)[TILE_ROWS + 1][2][2][2] = {
    TILE_ENTRY(1) TILE_ENTRY(2) TILE_ENTRY(3) TILE_ENTRY(4) TILE_ENTRY(5) TILE_ENTRY(6)
#if TILE_ROWS == 8
    TILE_ENTRY(7) TILE_ENTRY(8)
#endif
};

/* |width| columns of B from |b| on, |k| rows, into |panel| with |columns| a row; the columns beyond |width| are 0. */
static void
FN(pack)(T *panel, const T *b, bool transposed, int64_t b_row, int64_t k, int64_t width, int64_t columns)
{
    if (!transposed) {
        for (int64_t p = 0; p < k; p++) {
            memcpy(panel + p * columns, b + p * b_row, (size_t)width * sizeof(T));
            if (width < columns)
                memset(panel + p * columns + width, 0, (size_t)(columns - width) * sizeof(T));
        }
        return;
    }
    if (width < columns)
        memset(panel, 0, (size_t)(k * columns) * sizeof(T));
    int64_t j = 0;
    for (; j + 8 <= width; j += 8) {
        const T *column = b + j * b_row;
        for (int64_t p = 0; p < k; p++) {
            T *row = panel + p * columns + j;
            for (int i = 0; i < 8; i++)
                row[i] = column[i * b_row + p];
        }
    }
    for (; j < width; j++)
        for (int64_t p = 0; p < k; p++)
            panel[p * columns + j] = b[j * b_row + p];
}

/* C[m, n] = A B with A's element (i, k) at a[i * a_row + k * a_k], where one of the two strides is 1. B lies with |b_row| elements from row to row
 * ([n, k] if transposed), C with |c_row|. */
static void
FN(product)(const T *a, int64_t a_row, int64_t a_k, const T *b, int64_t b_row, bool transpose_b, T *c, int64_t c_row, int64_t m, int64_t n, int64_t k,
            T *panel)
{
    const int64_t block = a_row == 1 && k > 1 && a_k > 1 ? GEMM_BLOCK_TN : GEMM_BLOCK;
    const int64_t ntiles = (m + TILE_ROWS - 1) / TILE_ROWS;
    const bool along = a_k == 1;
    for (int64_t p = 0; p < k; p += block) {
        struct FN(tile) t = {.a_row = a_row, .a_k = a_k, .c_row = c_row, .k = k - p < block ? k - p : block, .first = p == 0};
        for (int64_t j = 0; j < n; j += 2 * W) {
            const int64_t width = n - j < 2 * W ? n - j : 2 * W;
            const int vectors = width > W ? 2 : 1;
            const bool part = width % W != 0;
            t.last = width - (vectors - 1) * W;
            if (!transpose_b && !part && ((size_t)b_row * sizeof(T) <= 1024 || m <= 2 * TILE_ROWS)) {
                t.b = b + p * b_row + j;
                t.b_row = b_row;
            } else {
                FN(pack)(panel, transpose_b ? b + j * b_row + p : b + p * b_row + j, transpose_b, b_row, t.k, width, vectors * W);
                t.b = panel;
                t.b_row = vectors * W;
            }
            for (int64_t i = 0, tile = 0; tile < ntiles; tile++) {
                const int64_t end = m * (tile + 1) / ntiles;
                t.a = a + i * a_row + p * a_k;
                t.c = c + i * c_row + j;
                FN(tiles)[end - i][vectors - 1][part][along](&t);
                i = end;
            }
        }
    }
}

void
ISA(FN(gemm))(const struct gemm_shape *s, const struct gemm_part *part, const T *a, const T *b, T *c, void *scratch)
{
    const int64_t k = s->k, m = part->row_end - part->row, n = part->column_end - part->column;
    const int64_t a_row = s->transpose_a ? 1 : k, a_k = s->transpose_a ? s->m : 1, b_row = s->transpose_b ? k : s->n;
    T *panel = scratch;
    a += part->row * a_row;
    b += part->column * (s->transpose_b ? b_row : 1);
    c += part->row * s->n + part->column;
    if (k == 0) {
        for (int64_t i = 0; i < m; i++)
            memset(c + i * s->n, 0, (size_t)n * sizeof(T));
        return;
    }
    if (gemm_exchanged(s)) {
        T *flipped = panel + GEMM_BLOCK * GEMM_PANEL_BYTES / sizeof(T);
        /* C^T [n, m] = B^T A: B is read as the left operand, whose element (j, k) lies at b[k * n + j] or b[j * k' + k]. */
        FN(product)(b, s->transpose_b ? k : 1, s->transpose_b ? 1 : b_row, a, a_k, false, flipped, m, n, m, k, panel);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++)
                c[i * s->n + j] = flipped[j * m + i];
        return;
    }
    FN(product)(a, a_row, a_k, b, b_row, s->transpose_b, c, s->n, m, n, k, panel);
}

#undef FN
#undef V
#undef W
#undef LOAD
#undef STORE
#undef ALL
#undef FMA
#undef LOAD_PART
#undef STORE_PART
#undef TILE
#undef TILE_VARIANTS
#undef TILE_NAME
#undef TILE_ENTRY
