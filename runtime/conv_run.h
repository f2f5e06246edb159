/* conv_run: what kernel_conv.c asks of the inner loops of simd_conv.c. */
#ifndef NNC_RUNTIME_CONV_RUN_H
#define NNC_RUNTIME_CONV_RUN_H
#include <stdbool.h>
#include <stdint.h>

/* Rows of the right operand hold so many bytes: numbers of neighbouring channels, each of which is a chain of its own. */
enum { CONV_ROW_BYTES = 64 };

/* Where a part of the chains begins: x[x] and row w of the right operand. */
struct conv_segment {
    int64_t x, w;
};

/* For each position p < positions and lane < lanes, in this order:
 *     for each segment s, for j < count:
 *         acc = fma(x[s.x + p * position_step + j * step], row (s.w + j)[lane], acc)
 * acc starts as +0, or as what |out| holds where |more| says so, and ends in out[p * out_step + lane]. */
struct conv_run {
    int64_t positions, position_step;
    int64_t count, step;
    int64_t nsegments;
    const struct conv_segment *segments;
    int64_t out_step, lanes;
    bool more;
};
#endif
