/* Transposition of f32 in blocks of 8 by 8. */
#include "runtime/isa.h"
#include "runtime/simd_vector.h"

enum { SIDE = 8, HALF = 4 };
typedef float half_row __attribute__((vector_size(16)));
typedef float row __attribute__((vector_size(32)));

/* The halves of two rows as one register: an insertion from memory costs less than a shuffle. */
INLINE row
two_halves(const float *low, const float *high)
{
    half_row a, b;
    memcpy(&a, low, sizeof a);
    memcpy(&b, high, sizeof b);
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7);
}

/* Columns 0 to 3 of 8 rows: each half of the registers is transposed. */
INLINE void
four_columns(const float *from, int64_t from_row, float *to, int64_t to_row)
{
    row x[HALF], out[HALF];
    for (int i = 0; i < HALF; i++)
        x[i] = two_halves(from + i * from_row, from + (i + HALF) * from_row);
    row a = __builtin_shufflevector(x[0], x[1], 0, 8, 1, 9, 4, 12, 5, 13);
    row b = __builtin_shufflevector(x[0], x[1], 2, 10, 3, 11, 6, 14, 7, 15);
    row c = __builtin_shufflevector(x[2], x[3], 0, 8, 1, 9, 4, 12, 5, 13);
    row d = __builtin_shufflevector(x[2], x[3], 2, 10, 3, 11, 6, 14, 7, 15);
    out[0] = __builtin_shufflevector(a, c, 0, 1, 8, 9, 4, 5, 12, 13);
    out[1] = __builtin_shufflevector(a, c, 2, 3, 10, 11, 6, 7, 14, 15);
    out[2] = __builtin_shufflevector(b, d, 0, 1, 8, 9, 4, 5, 12, 13);
    out[3] = __builtin_shufflevector(b, d, 2, 3, 10, 11, 6, 7, 14, 15);
    for (int i = 0; i < HALF; i++)
        memcpy(to + i * to_row, &out[i], sizeof out[i]);
}

/* The last blocks overlap those before, where there are as many rows and columns as a block has. */
void
ISA(transpose_f32)(const float *from, int64_t from_row, float *to, int64_t to_row, int64_t rows, int64_t columns)
{
    if (rows < SIDE || columns < SIDE) {
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < columns; c++)
                to[c * to_row + r] = from[r * from_row + c];
        return;
    }
    for (int64_t i = 0; i < rows; i += SIDE) {
        int64_t r = i < rows - SIDE ? i : rows - SIDE;
        for (int64_t j = 0; j < columns; j += SIDE) {
            int64_t c = j < columns - SIDE ? j : columns - SIDE;
            four_columns(from + r * from_row + c, from_row, to + c * to_row + r, to_row);
            four_columns(from + r * from_row + c + HALF, from_row, to + (c + HALF) * to_row + r, to_row);
        }
    }
}
