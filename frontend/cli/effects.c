#define _GNU_SOURCE /* M_PI */
#include "frontend/cli/effects.h"
#include <math.h>
#include <stdlib.h>

double
student_beyond(double t, int n)
{
    double angle = atan(fabs(t) / sqrt(n)), c = cos(angle) * cos(angle), term = n % 2 ? cos(angle) : 1, sum = n == 1 ? 0 : term;
    for (int k = n % 2 ? 3 : 2; k < n; k += 2)
        sum += term *= c * (k - 1) / k;
    return 1 - (n % 2 ? 2 / M_PI * (angle + sin(angle) * sum) : sin(angle) * sum);
}

/* What |t| exceeds by chance in 5 of 100 cases. */
static double
student_critical(int n)
{
    double low = 0, high = 1000;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        *(student_beyond(middle, n) > 0.05 ? &low : &high) = middle;
    }
    return low;
}

struct effect
effect_of(const double *x, int n)
{
    struct effect e = {.half = NAN, .error = NAN, .p = NAN, .share = NAN};
    double squares = 0;
    for (int i = 0; i < n; i++)
        e.mean += x[i] / n;
    for (int i = 0; i < n; i++)
        squares += (x[i] - e.mean) * (x[i] - e.mean);
    if (n < 2 || !isfinite(e.mean))
        return e;
    e.error = sqrt(squares / (n - 1) / n);
    e.half = student_critical(n - 1) * e.error;
    e.p = effect_chance(&e, n, 0);
    return e;
}

double
effect_chance(const struct effect *e, int n, double least)
{
    double beyond = fmax(0, fabs(e->mean) - least);
    if (isnan(e->error))
        return NAN;
    return e->error > 0 ? student_beyond(beyond / e->error, n - 1) : beyond > 0 ? 0 : 1;
}

static bool
counts(const struct effect *e)
{
    return !isnan(e->p) && (e->mean != 0 || e->half > 0);
}

static int
by_p(const void *a, const void *b)
{
    const struct effect *x = *(struct effect *const *)a, *y = *(struct effect *const *)b;
    return (x->p > y->p) - (x->p < y->p);
}

void
effects_holm(struct effect **e, int n)
{
    int count = 0;
    double least = 0;
    for (int i = 0; i < n; i++)
        if (counts(e[i])) {
            struct effect *swapped = e[count];
            e[count++] = e[i];
            e[i] = swapped;
        }
    if (count)
        qsort(e, (size_t)count, sizeof *e, by_p);
    for (int i = 0; i < count; i++)
        e[i]->p = least = fmax(least, fmin(1, e[i]->p * (count - i)));
}
