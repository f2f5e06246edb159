/* torch_truncated: trunc_normal_ of PyTorch 2.13 (torch/nn/init.py, _no_grad_trunc_normal_), for each element type. */
#include "runtime/streams/torch_random.h"
#include <math.h>
#include <stdlib.h>

static double
below(double z)
{
    return (1 + erf(z / sqrt(2.0))) / 2;
}

static bool
mostly_inside(double mean, double deviation, double low, double high)
{
    return below((high - mean) / deviation) - below((low - mean) / deviation) > 0.3;
}

/* The logarithm of the density's greatest value between |low| and |high|, but for a constant. */
static double
log_peak(double mean, double deviation, double low, double high)
{
    double mode = mean < high ? mean : high, z;
    mode = mode > low ? mode : low;
    z = (mode - mean) / deviation;
    return -0.5 * (z * z);
}

#define logarithm_f32 logf
#define logarithm_f64 log
#define REAL float
#define NAME(x) x##_f32
#include "runtime/streams/torch_truncated_elem.h"
#undef REAL
#undef NAME
#define REAL double
#define NAME(x) x##_f64
#include "runtime/streams/torch_truncated_elem.h"
