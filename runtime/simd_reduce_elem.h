/* The reductions of one element type; included by simd_reduce.c for each. E: the suffix of names, T: the type, VECTOR: 1 where V (a vector of W
 * elements, at most 16) and VI (integers of the same size) exist, so that accumulators stay in registers. |op| is a constant everywhere. */
#define FN(name) ISA_JOIN(name, E)

static inline __attribute__((always_inline)) T
FN(step)(enum reduce op, T a, T b)
{
    return op == REDUCE_SUM ? FN(math_ADD)(a, b) : op == REDUCE_PROD ? FN(math_MUL)(a, b)
         : op == REDUCE_MAX ? FN(math_MAX)(a, b) : FN(math_MIN)(a, b);
}

static inline __attribute__((always_inline)) T
FN(neutral)(enum reduce op)
{
    return op == REDUCE_SUM ? 0 : op == REDUCE_PROD ? 1 : op == REDUCE_MAX ? LOWEST : HIGHEST;
}

static inline __attribute__((always_inline)) void
FN(start_of)(enum reduce op, T *out, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = FN(neutral)(op);
}

#if VECTOR
/* The bodies of math.def on vectors; a condition is an integer vector of zeros and ones in all bits. */
static inline __attribute__((always_inline)) V
FN(vector_step)(enum reduce op, V a, V b)
{
    if (op == REDUCE_SUM)
        return a + b;
    if (op == REDUCE_PROD)
        return a * b;
    VI second = (op == REDUCE_MAX ? a < b : b < a) | (b != b), same = a == b, i = (VI)a, j = (VI)b;
    VI other = (second & j) | (~second & i), equal = op == REDUCE_MAX ? i & j : i | j;
    return (V)((same & equal) | (~same & other));
}

/* |blocks| times 16 elements into the lanes, each lane in its order. */
static inline __attribute__((always_inline)) void
FN(lane_blocks)(enum reduce op, T *lanes, const T *x, int64_t blocks)
{
    V acc[REDUCE_LANES / W];
    UNROLL
    for (int v = 0; v < REDUCE_LANES / W; v++)
        acc[v] = *(const V *)(lanes + v * W);
    for (int64_t i = 0; i < blocks; i++) {
        UNROLL
        for (int v = 0; v < REDUCE_LANES / W; v++) {
            V b = *(const V *)(x + i * REDUCE_LANES + v * W);
            acc[v] = FN(vector_step)(op, acc[v], b);
        }
    }
    UNROLL
    for (int v = 0; v < REDUCE_LANES / W; v++)
        *(V *)(lanes + v * W) = acc[v];
}

/* |tile| vectors of columns, |rows| rows apart by |inner| elements. */
static inline __attribute__((always_inline)) void
FN(column_tile)(enum reduce op, int tile, T *acc, const T *x, int64_t rows, int64_t inner)
{
    V a[8];
    UNROLL
    for (int v = 0; v < tile; v++)
        a[v] = *(const V *)(acc + v * W);
    for (int64_t r = 0; r < rows; r++) {
        UNROLL
        for (int v = 0; v < tile; v++) {
            V b = *(const V *)(x + r * inner + v * W);
            a[v] = FN(vector_step)(op, a[v], b);
        }
    }
    UNROLL
    for (int v = 0; v < tile; v++)
        *(V *)(acc + v * W) = a[v];
}

/* The last inner % W columns: a vector that reads on into the next row, as long as there is one. */
static inline __attribute__((always_inline)) void
FN(column_rest)(enum reduce op, T *acc, const T *x, int64_t rows, int64_t inner, int64_t width)
{
    T padded[W] = {0};
    for (int64_t j = 0; j < width; j++)
        padded[j] = acc[j];
    int64_t safe = rows - (W - width + inner - 1) / inner;
    if (safe < 0)
        safe = 0;
    FN(column_tile)(op, 1, padded, x, safe, inner);
    for (int64_t r = safe; r < rows; r++)
        for (int64_t j = 0; j < width; j++)
            padded[j] = FN(step)(op, padded[j], x[r * inner + j]);
    for (int64_t j = 0; j < width; j++)
        acc[j] = padded[j];
}

static inline __attribute__((always_inline)) void
FN(vector_columns)(enum reduce op, T *acc, const T *x, int64_t rows, int64_t inner, int64_t stride)
{
    int64_t j = 0;
    for (; j + 8 * W <= inner; j += 8 * W)
        FN(column_tile)(op, 8, acc + j, x + j, rows, stride);
    for (; j + 2 * W <= inner; j += 2 * W)
        FN(column_tile)(op, 2, acc + j, x + j, rows, stride);
    for (; j + W <= inner; j += W)
        FN(column_tile)(op, 1, acc + j, x + j, rows, stride);
    if (j < inner)
        FN(column_rest)(op, acc + j, x + j, rows, stride, inner - j);
}
#endif

static inline __attribute__((always_inline)) void
FN(lanes_of)(enum reduce op, T *lanes, const T *x, int64_t n, int64_t at)
{
    int64_t i = 0;
    for (int64_t lane = at % REDUCE_LANES; lane && lane < REDUCE_LANES && i < n; lane++, i++)
        lanes[lane] = FN(step)(op, lanes[lane], x[i]);
    int64_t blocks = (n - i) / REDUCE_LANES;
#if VECTOR
    if (blocks)
        FN(lane_blocks)(op, lanes, x + i, blocks);
    i += blocks * REDUCE_LANES;
    blocks = 0;
#endif
    for (; blocks > 0; blocks--, i += REDUCE_LANES)
        for (int lane = 0; lane < REDUCE_LANES; lane++)
            lanes[lane] = FN(step)(op, lanes[lane], x[i + lane]);
    for (int lane = 0; lane < REDUCE_LANES && i < n; lane++, i++)
        lanes[lane] = FN(step)(op, lanes[lane], x[i]);
}

static inline __attribute__((always_inline)) void
FN(tree_of)(enum reduce op, T *out, const T *lanes)
{
    T a[8];
    for (int i = 0; i < 8; i++)
        a[i] = FN(step)(op, lanes[i], lanes[i + 8]);
    for (int i = 0; i < 4; i++)
        a[i] = FN(step)(op, a[i], a[i + 4]);
    for (int i = 0; i < 2; i++)
        a[i] = FN(step)(op, a[i], a[i + 2]);
    *out = FN(step)(op, a[0], a[1]);
}

/* 16 rows of at most 16 elements at once, a row a lane. A pair without partner stays: its partner is the neutral element. */
static inline __attribute__((always_inline)) void
FN(short_rows)(enum reduce op, T *out, const T *x, int64_t length)
{
    T at[REDUCE_LANES][REDUCE_LANES];
    for (int64_t i = 0; i < length; i++)
        for (int r = 0; r < REDUCE_LANES; r++)
            at[i][r] = FN(step)(op, FN(neutral)(op), x[r * length + i]);
    for (int64_t half = 8, left = length; half; left = left < half ? left : half, half /= 2)
        for (int64_t i = 0; i + half < left; i++)
            for (int r = 0; r < REDUCE_LANES; r++)
                at[i][r] = FN(step)(op, at[i][r], at[i + half][r]);
    for (int r = 0; r < REDUCE_LANES; r++)
        out[r] = at[0][r];
}

static inline __attribute__((always_inline)) void
FN(rows_of)(enum reduce op, T *out, const T *x, int64_t outer, int64_t length)
{
    int64_t o = 0;
    if (length > 0 && length <= REDUCE_LANES)
        for (; o + REDUCE_LANES <= outer; o += REDUCE_LANES)
            FN(short_rows)(op, out + o, x + o * length, length);
    for (; o < outer; o++) {
        T lanes[REDUCE_LANES];
        FN(start_of)(op, lanes, REDUCE_LANES);
        FN(lanes_of)(op, lanes, x + o * length, length, 0);
        FN(tree_of)(op, out + o, lanes);
    }
}

static inline __attribute__((always_inline)) void
FN(columns_of)(enum reduce op, T *acc, const T *x, int64_t rows, int64_t inner, int64_t stride)
{
#if VECTOR
    FN(vector_columns)(op, acc, x, rows, inner, stride);
#else
    for (int64_t r = 0; r < rows; r++) {
        _Pragma("omp simd")
        for (int64_t j = 0; j < inner; j++)
            acc[j] = FN(step)(op, acc[j], x[r * stride + j]);
    }
#endif
}

#define REDUCTION(id)                                                                                                          \
    static void FN(start_##id)(void *out, int64_t count) { FN(start_of)(REDUCE_##id, out, count); }                            \
    static void FN(rows_##id)(void *out, const void *x, int64_t outer, int64_t length)                                         \
    {                                                                                                                          \
        FN(rows_of)(REDUCE_##id, out, x, outer, length);                                                                       \
    }                                                                                                                          \
    static void FN(lanes_##id)(void *lanes, const void *x, int64_t n, int64_t at) { FN(lanes_of)(REDUCE_##id, lanes, x, n, at); } \
    static void FN(tree_##id)(void *out, const void *lanes) { FN(tree_of)(REDUCE_##id, out, lanes); }                          \
    static void FN(columns_##id)(void *acc, const void *x, int64_t rows, int64_t inner, int64_t stride)                        \
    {                                                                                                                          \
        FN(columns_of)(REDUCE_##id, acc, x, rows, inner, stride);                                                              \
    }
REDUCTION(SUM)
REDUCTION(PROD)
REDUCTION(MAX)
REDUCTION(MIN)
#undef REDUCTION
#undef FN
#undef E
#undef T
#undef LOWEST
#undef HIGHEST
#undef VECTOR
#undef V
#undef VI
#undef W
