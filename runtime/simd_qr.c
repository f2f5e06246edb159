/* simd_qr: the orthogonal factor of a matrix, in binary64 with a fixed order of operations: Householder's reflections (Golub
 * and Van Loan, Matrix Computations, section 5.2), each applied to the columns behind it; then the product of the
 * reflections.
 *
 * All sums are chains of fma from +0 over ascending rows, columns stand side by side in the lanes. */
#include "runtime/isa.h"
#include <math.h>

/* C = (I - tau v v^T) C for columns [first, k) and rows [j, m), where v is column j of |a|; |w| holds k numbers. */
static void
reflect(int64_t m, int64_t k, int64_t j, const double *a, double tau, double *c, int64_t first, double *w)
{
    for (int64_t q = first; q < k; q++)
        w[q] = 0;
    for (int64_t i = j; i < m; i++) {
        double v = a[i * k + j];
        _Pragma("omp simd")
        for (int64_t q = first; q < k; q++)
            w[q] = __builtin_fma(v, c[i * k + q], w[q]);
    }
    for (int64_t q = first; q < k; q++)
        w[q] = tau * w[q];
    for (int64_t i = j; i < m; i++) {
        double v = -a[i * k + j];
        _Pragma("omp simd")
        for (int64_t q = first; q < k; q++)
            c[i * k + q] = __builtin_fma(v, w[q], c[i * k + q]);
    }
}

static double
square_sum(int64_t m, int64_t k, int64_t j, const double *a)
{
    double s = 0;
    for (int64_t i = j; i < m; i++)
        s = __builtin_fma(a[i * k + j], a[i * k + j], s);
    return s;
}

/* Turns rows [j, m) of column j into the vector of its reflection and gives 2 / v^T v; 0 where the column has nothing to
 * turn. R's diagonal, which is minus the column's norm with the sign of its first element, goes to |diagonal|. */
static double
make_reflection(int64_t m, int64_t k, int64_t j, double *a, double *diagonal)
{
    double s = square_sum(m, k, j, a), first = a[j * k + j], norm = __builtin_sqrt(s);
    *diagonal = first >= 0 ? -norm : norm;
    if (s == 0)
        return 0;
    a[j * k + j] = first - *diagonal;
    return 2 / square_sum(m, k, j, a);
}

/* a [m, k] -> q [m, k], the orthogonal factor with its columns times the sign of R's diagonal; a 0 there leaves the column.
 * |a| is used up; |w| holds 3 k numbers. m >= k. */
void
ISA(qr)(int64_t m, int64_t k, double *a, double *q, double *w)
{
    double *tau = w + k, *diagonal = tau + k;
    for (int64_t j = 0; j < k; j++) {
        tau[j] = make_reflection(m, k, j, a, &diagonal[j]);
        if (tau[j] != 0)
            reflect(m, k, j, a, tau[j], a, j + 1, w);
    }
    for (int64_t i = 0; i < m * k; i++)
        q[i] = i / k == i % k;
    for (int64_t j = k - 1; j >= 0; j--)
        if (tau[j] != 0)
            reflect(m, k, j, a, tau[j], q, j, w);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < k; j++)
            q[i * k + j] = diagonal[j] < 0 ? -q[i * k + j] : q[i * k + j];
}
