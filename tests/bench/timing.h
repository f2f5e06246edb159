/* timing: the clock of the benchmarks, and the median of what they took. */
#ifndef NNC_TESTS_BENCH_TIMING_H
#define NNC_TESTS_BENCH_TIMING_H
#include <stdlib.h>
#include <time.h>

/* Microseconds since some moment. */
static inline double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* For qsort of doubles, ascending. */
static inline int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The upper one of two in the middle; |v| is sorted. */
static inline double
median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, compare);
    return v[n / 2];
}
#endif
