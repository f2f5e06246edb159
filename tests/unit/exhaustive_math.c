/* exhaustive_math: every f32 function of one operand, for all 2^32 operands.
 *
 * Checks that each result is within 2 ulp of the value computed in f64 by the C library, and that a hash of all results is
 * the pinned one (of x86-64), so that no compiler, option or edit changes a bit unseen. NaN is one value (numerics.md,
 * item 11). With names as arguments only those functions run. About a minute a function on two cores. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/kernels.h"

#define MATH_ELEM f32
#include "ir/math_c.h"

enum { BLOCK = 1 << 14, MAX_THREADS = 64 };

static const uint64_t BLOCKS = ((uint64_t)1 << 32) / BLOCK;

/* What a thread found. */
struct part {
    pthread_t thread;
    uint64_t first, stride;         /* its blocks */
    const struct function *function;
    uint64_t hash;
    double worst;                   /* ulp */
    uint32_t worst_at;              /* bits of the operand */
};

struct function {
    const char *name;
    void (*compute)(float *out, const float *in);
    double (*reference)(double);
    uint64_t hash;
};

static bool
same_sign(double a, double b)
{
    return !signbit(a) == !signbit(b);
}

static double
reference_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double
reference_sign(double x)
{
    return x > 0 ? 1 : x < 0 ? -1 : x;
}

static double
reference_rsqrt(double x)
{
    return 1 / sqrt(x);
}

/*   ID       reference           hash of all results */
#define FUNCTIONS(F) \
    F(EXP,     exp,               0x2ecd2ba72827819e) \
    F(EXPM1,   expm1,             0x3762970dd9b638b5) \
    F(LOG,     log,               0x003236bef0078cde) \
    F(LOG1P,   log1p,             0x530192c70568258c) \
    F(TANH,    tanh,              0x4b72750665859970) \
    F(SIGMOID, reference_sigmoid, 0x4a023b8b604ff363) \
    F(ERF,     erf,               0xedc2e1f772022012) \
    F(SIN,     sin,               0x445137baffed34a2) \
    F(COS,     cos,               0xa8004165ec9efbe0) \
    F(SQRT,    sqrt,              0x22415a1bc522dba6) \
    F(RSQRT,   reference_rsqrt,   0x8f67746dad0324e1) \
    F(ABS,     fabs,              0x1e39d324f9800000) \
    F(SIGN,    reference_sign,    0x107881f5ff800000) \
    F(FLOOR,   floor,             0x6f3dbc7a51800000) \
    F(ROUND,   rint,              0x68e2f00fcf800000)

#define COMPUTE(ID, reference, hash) \
    static void compute_##ID(float *out, const float *in) \
    { \
        for (int i = 0; i < BLOCK; i++) \
            out[i] = math_##ID##_f32(in[i]); \
    }
FUNCTIONS(COMPUTE)

static const struct function functions[] = {
#define ROW(ID, reference, hash) {#ID, compute_##ID, reference, UINT64_C(hash)},
    FUNCTIONS(ROW)
};

/* The distance of a result from the true value in units of the last place of the latter, f32; a result that is subnormal in
 * truth is 0, or the smallest normal number where it rounds up to it. */
static double
distance(float result, double truth)
{
    if (isnan(truth) || isnan(result))
        return isnan(truth) && isnan(result) ? 0 : INFINITY;
    double size = fabs(truth);
    if (size < 0x1p-126)
        return same_sign(result, truth) && (result == 0 || (fabs(result) == 0x1p-126 && size > 0x1.fffffep-127))
             ? 0 : INFINITY;
    if (isinf(truth))
        return result == truth ? 0 : INFINITY;
    if (isinf(result))
        return size >= 0x1.ffffffp127 && same_sign(result, truth) ? 0 : INFINITY;
    int exponent;
    frexp(size, &exponent);
    return fabs(result - truth) / ldexp(1, exponent - 24);
}

static void
check_block(struct part *p, uint64_t block)
{
    float in[BLOCK], out[BLOCK];

    for (int i = 0; i < BLOCK; i++) {
        uint32_t bits = (uint32_t)(block * BLOCK) + (uint32_t)i;
        if (!(bits & 0x7f800000))
            bits &= 0x80000000;
        in[i] = math_value_f32(bits);
    }
    p->function->compute(out, in);
    for (int i = 0; i < BLOCK; i++) {
        double d = distance(out[i], p->function->reference(in[i]));
        if (d > p->worst) {
            p->worst = d;
            p->worst_at = math_bits_f32(in[i]);
        }
        uint32_t bits = isnan(out[i]) ? 0x7fc00000 : math_bits_f32(out[i]);
        p->hash += (bits + UINT64_C(1)) * ((block * BLOCK + (uint64_t)i) * UINT64_C(0x9e3779b97f4a7c15) | 1);
    }
}

static void *
check_part(void *argument)
{
    struct part *p = argument;

    float_enter();
    for (uint64_t block = p->first; block < BLOCKS; block += p->stride)
        check_block(p, block);
    return NULL;
}

/* Returns true if the function keeps its bound and its hash. */
static bool
check_function(const struct function *f, int threads)
{
    struct part parts[MAX_THREADS] = {0}, all = {0};

    for (int t = 0; t < threads; t++) {
        parts[t].first = (uint64_t)t;
        parts[t].stride = (uint64_t)threads;
        parts[t].function = f;
        if (pthread_create(&parts[t].thread, NULL, check_part, &parts[t]))
            return false;
    }
    for (int t = 0; t < threads; t++) {
        pthread_join(parts[t].thread, NULL);
        all.hash += parts[t].hash;
        if (parts[t].worst > all.worst) {
            all.worst = parts[t].worst;
            all.worst_at = parts[t].worst_at;
        }
    }
    bool good = all.worst <= 2 && all.hash == f->hash;
    printf("%-8s %.3f ulp at %a (0x%08" PRIx32 ")  hash 0x%016" PRIx64 "  %s\n", f->name, all.worst,
           (double)math_value_f32(all.worst_at), all.worst_at, all.hash, good ? "ok" : "WRONG");
    fflush(stdout);
    return good;
}

static bool
wanted(const char *name, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(names[i], name))
            return true;
    return count == 0;
}

int
main(int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int threads = cores < 1 ? 1 : cores > MAX_THREADS ? MAX_THREADS : (int)cores;
    bool good = true;

    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++)
        if (wanted(functions[i].name, argc - 1, argv + 1))
            good &= check_function(&functions[i], threads);
    return good ? 0 : 1;
}
