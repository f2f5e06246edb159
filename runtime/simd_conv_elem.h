/* The chains of a convolution in one element type; included by simd_conv.c with E, the suffix of names, and T, the type. */
#define FN(name) ISA_JOIN(name, E)
#define V FN(vec)
#define W FN(WIDTH)
#define ALL FN(VEC_ALL)
#define LOAD FN(VEC_LOAD)
#define STORE FN(VEC_STORE)
#define FMA FN(VEC_FMA)
enum { FN(LANES) = CONV_ROW_BYTES / (int)sizeof(T) };

/* Up to CONV_POSITIONS positions, whose accumulators stay in registers. */
INLINE void
FN(run_tile)(int positions, const struct conv_run *r, const T *x, const T *w, T *out)
{
    V acc[CONV_POSITIONS][CONV_VECTORS];
    T part[FN(LANES)] = {0};
    const int64_t position_step = r->position_step, step = r->step, count = r->count;
    UNROLL
    for (int p = 0; p < positions; p++) {
        if (r->more && r->lanes < FN(LANES))
            memcpy(part, out + p * r->out_step, (size_t)r->lanes * sizeof(T));
        const T *from = r->lanes < FN(LANES) ? part : out + p * r->out_step;
        UNROLL
        for (int v = 0; v < CONV_VECTORS; v++)
            acc[p][v] = r->more ? LOAD(from + v * W) : ALL((T)0);
    }
    for (int64_t s = 0; s < r->nsegments; s++) {
        const T *a = x + r->segments[s].x, *b = w + r->segments[s].w * FN(LANES);
        for (int64_t j = 0; j < count; j++, a += step, b += FN(LANES)) {
            V y[CONV_VECTORS];
            UNROLL
            for (int v = 0; v < CONV_VECTORS; v++)
                y[v] = LOAD(b + v * W);
            UNROLL
            for (int p = 0; p < positions; p++) {
                V all = ALL(a[p * position_step]);
                UNROLL
                for (int v = 0; v < CONV_VECTORS; v++)
                    acc[p][v] = FMA(all, y[v], acc[p][v]);
            }
        }
    }
    UNROLL
    for (int p = 0; p < positions; p++) {
        T *to = r->lanes < FN(LANES) ? part : out + p * r->out_step;
        UNROLL
        for (int v = 0; v < CONV_VECTORS; v++)
            STORE(to + v * FN(WIDTH), acc[p][v]);
        if (r->lanes < FN(LANES))
            memcpy(out + p * r->out_step, part, (size_t)r->lanes * sizeof(T));
    }
}

typedef void FN(tile_fn)(const struct conv_run *r, const T *x, const T *w, T *out);
#define TILE(p)                                                                                     \
    static void FN(tile_##p)(const struct conv_run *r, const T *x, const T *w, T *out)              \
    {                                                                                               \
        FN(run_tile)(p, r, x, w, out);                                                              \
    }
CONV_TILES(TILE)
#define ENTRY(p) [p] = FN(tile_##p),
static FN(tile_fn) *const FN(tiles)[CONV_POSITIONS + 1] = {CONV_TILES(ENTRY)};

void
ISA(FN(conv))(const struct conv_run *r, const T *x, const T *w, T *out)
{
    for (int64_t p = 0; p < r->positions; p += CONV_POSITIONS) {
        int64_t now = r->positions - p < CONV_POSITIONS ? r->positions - p : CONV_POSITIONS;
        FN(tiles)[now](r, x + p * r->position_step, w, out + p * r->out_step);
    }
}

#undef FN
#undef V
#undef W
#undef ALL
#undef LOAD
#undef STORE
#undef FMA
#undef TILE
#undef ENTRY
