/* torch_truncated_elem: trunc_normal_ for one element type, REAL; NAME(x) is x_f32 or x_f64. */

/* Whole tensors of normal numbers, until each place had one that fits. |more| has room for another tensor. */
static void
NAME(redraw)(struct torch_random *r, double mean, double deviation, REAL low, REAL high, REAL *out, REAL *more, int64_t n)
{
    NAME(torch_normal)(r, mean, deviation, out, n);
    for (bool outside = n > 0; outside;) {
        outside = false;
        for (int64_t i = 0; i < n && !outside; i++)
            outside = out[i] < low || out[i] > high;
        if (outside)
            NAME(torch_normal)(r, mean, deviation, more, n);
        for (int64_t i = 0; i < n && outside; i++)
            if (out[i] < low || out[i] > high)
                out[i] = more[i];
    }
}

/* Uniform numbers, each accepted by a second one below the density; again whole tensors for the places that are
 * pending. |more| has room for two tensors. */
static void
NAME(accept)(struct torch_random *r, double mean, double deviation, double low, double high, REAL *out, REAL *more,
             uint8_t *pending, int64_t n)
{
    const REAL peak = (REAL)log_peak(mean, deviation, low, high);
    for (int64_t i = 0; i < n; i++)
        pending[i] = true;
    for (bool any = n > 0; any;) {
        any = false;
        NAME(torch_uniform)(r, low, high, more, n);
        for (int64_t i = 0; i < n; i++)
            out[i] = pending[i] ? more[i] : out[i];
        NAME(torch_uniform)(r, 0, 1, more + n, n);
        for (int64_t i = 0; i < n; i++) {
            const REAL z = (more[i] - (REAL)mean) / (REAL)deviation, density = z * z * (REAL)-0.5 - peak;
            pending[i] = pending[i] && NAME(logarithm)(more[n + i]) > density;
            any |= pending[i];
        }
    }
}

bool
NAME(torch_truncated)(struct torch_random *r, double mean, double deviation, double low, double high, REAL *out, int64_t n)
{
    REAL *more = calloc((size_t)n + 1, 2 * sizeof *more + 1);
    if (!more)
        return false;
    if (mostly_inside(mean, deviation, low, high))
        NAME(redraw)(r, mean, deviation, (REAL)low, (REAL)high, out, more, n);
    else
        NAME(accept)(r, mean, deviation, low, high, out, more, (uint8_t *)(more + 2 * n), n);
    free(more);
    return true;
}
