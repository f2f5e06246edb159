/* NumPy's two generators against numbers that NumPy 2.4.6 gave; f64 as the bits. */
#include "runtime/data/numpy_random.h"
#include <criterion/criterion.h>
#include <string.h>

#define COUNT(a) ((int64_t)(sizeof(a) / sizeof *(a)))

static struct numpy_random
generator(bool legacy, uint64_t seed)
{
    struct numpy_random r;
    if (legacy)
        numpy_random_seed(&r, (uint32_t)seed);
    else
        numpy_rng_seed(&r, seed);
    return r;
}

static uint64_t
bits(double x)
{
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

static void
same_reals(const double *got, const uint64_t *want, int64_t n, const char *what)
{
    for (int64_t i = 0; i < n; i++)
        cr_assert(bits(got[i]) == want[i], "%s: number %d is %a", what, (int)i, got[i]);
}

static void
same_wholes(const int64_t *got, const int64_t *want, int64_t n, const char *what)
{
    for (int64_t i = 0; i < n; i++)
        cr_assert(got[i] == want[i], "%s: number %d is %lld", what, (int)i, (long long)got[i]);
}

static const struct vector {
    bool legacy;
    uint64_t seed;
    uint64_t random[8], normal[8];
    int64_t below_ten[8], permutation[10];
} vectors[] = {
    {true, 0,
     {0x3FE18FE1565F12A8, 0x3FE6E2D4CF608733, 0x3FE349D66B6E894B, 0x3FE16FAEDB6395F5, 0x3FDB1D2904FD0EF6, 0x3FE4AB2A21899B5B,
      0x3FDC016DCA6159D2, 0x3FEC8967883A12F7},
     {0x3FFC398EF3E5CFA5, 0x3FD99C2CFACC8953, 0x3FEF51D25222C9AB, 0x4001ED5969E3314E, 0x3FFDE1847CB13DDA, 0xBFEF45DC42A58C82,
      0x3FEE671FD33295E9, 0xBFC35FAC49D38436},
     {5, 0, 3, 3, 7, 9, 3, 5},
     {2, 8, 4, 9, 1, 6, 7, 3, 0, 5}},
    {true, 42,
     {0x3FD7F8771E5F51EC, 0x3FEE6C4068BBD654, 0x3FE76C7E8F1E6751, 0x3FE32835D6632CB0, 0x3FC3F86B37222184, 0x3FC3F7A0E1997F4C,
      0x3FADBD229D645570, 0x3FEBB7B70955B7B5},
     {0x3FDFCA2A28A9307C, 0xBFC1B2A505DE052A, 0x3FE4B9DD50245E68, 0x3FF85E548E01AA2B, 0xBFCDF8BCDF57A640, 0xBFCDF8332670DB3B,
      0x3FF94474A8407408, 0x3FE88ED346F0D7F3},
     {6, 3, 7, 4, 6, 9, 2, 6},
     {8, 1, 5, 0, 7, 2, 9, 4, 3, 6}},
    {false, 0,
     {0x3FE461FD79FB3850, 0x3FD1442F7E20B674, 0x3FA4FA7B529D9BD0, 0x3F90EC9ED84D0BC0, 0x3FEA064F4F059BCA, 0x3FED354B2F34C803,
      0x3FE3698F6E301DB6, 0x3FE758092BFF1053},
     {0x3FC017ED89DB8441, 0xBFC0E8CFE9BD45CC, 0x3FE47E57A468B06D, 0x3FBADABBEC84D4F0, 0xBFE1243418E643ED, 0x3FD7245F95CED1E6,
      0x3FF4DD2F26BD103C, 0x3FEE4E7CBC69BCA3},
     {8, 6, 5, 2, 3, 0, 0, 0},
     {4, 6, 2, 7, 3, 5, 9, 0, 8, 1}},
    {false, 42,
     {0x3FE8C43F79A2DB24, 0x3FDC16959869E47E, 0x3FEB79A2584DDB42, 0x3FE650D6C1C2C011, 0x3FB81C01B5339380, 0x3FEF384C5DB0D8EA,
      0x3FE85B41A5F78B48, 0x3FE927705476F592},
     {0x3FD3807C1104FC6B, 0xBFF0A3C65FCA9A7E, 0x3FE803B239E77350, 0x3FEE191B2D157F36, 0xBFFF3770AC89D08F, 0xBFF4D5BA2DB7EBC8,
      0x3FC05D13075B0043, 0xBFD43D5191EDF2D2},
     {0, 7, 6, 4, 4, 8, 0, 6},
     {5, 6, 0, 7, 3, 2, 4, 9, 1, 8}},
};

Test(numpy_random, published_vectors)
{
    for (int i = 0; i < COUNT(vectors); i++) {
        const struct vector *v = &vectors[i];
        double real[8];
        int64_t whole[10];
        struct numpy_random r = generator(v->legacy, v->seed);
        numpy_uniform(&r, 0, 1, real, 8);
        same_reals(real, v->random, 8, "random");
        r = generator(v->legacy, v->seed);
        numpy_normal(&r, 0, 1, real, 8);
        same_reals(real, v->normal, 8, "normal");
        r = generator(v->legacy, v->seed);
        numpy_integers(&r, 0, 10, whole, 8);
        same_wholes(whole, v->below_ten, 8, "integers");
        r = generator(v->legacy, v->seed);
        numpy_permutation(&r, whole, 10);
        same_wholes(whole, v->permutation, 10, "permutation");
    }
}

/* One stream through all functions, one after the other: each leaves it where NumPy does. */
static const struct stream {
    bool legacy;
    int64_t shuffled[9], few[6], replaced[6], many[6], wide[4];
    double uniform[3], normal[3];
} streams[] = {
    {true, {2, 7, 0, 8, 5, 3, 6, 1, 4}, {12, 5, 1, 17, 11, 9}, {16, 0, 2, 9, 14, 6}, {15774, 7687, 1062, 14636, 4581, 10696},
     {166344659690, 369673251671, 88557612222, 456029131454},
     {0x1.29f3572aa6360p+0, 0x1.d31ac7afb119cp+0, 0x1.5697e7d7fb258p-2},
     {0x1.c1ca0657a67c4p+0, 0x1.3382e9f58429fp+1, 0x1.162c208828020p+1}},
    {false, {8, 0, 7, 1, 3, 6, 2, 4, 5}, {8, 2, 0, 14, 13, 15}, {6, 5, 14, 5, 19, 8}, {2597, 9787, 2556, 17632, 14886, 3892},
     {143688847829, 89348855969, 996588945084, 296037238201},
     {0x1.28b3ba6f25390p-3, 0x1.ea2f0714235fep+1, 0x1.2b73904132e22p+1},
     {0x1.9806452cdd130p+1, -0x1.8ac72c5db7d5ep+0, 0x1.73137c9e9c6bep-1}},
};

Test(numpy_random, a_stream_goes_on_through_all_functions)
{
    for (int i = 0; i < COUNT(streams); i++) {
        const struct stream *s = &streams[i];
        struct numpy_random r = generator(s->legacy, 7);
        int64_t whole[500];
        double real[3];
        numpy_permutation(&r, whole, 9);
        same_wholes(whole, s->shuffled, 9, "shuffle");
        cr_assert(numpy_choice(&r, 20, 6, whole));
        same_wholes(whole, s->few, 6, "choice");
        numpy_integers(&r, 0, 20, whole, 6);
        same_wholes(whole, s->replaced, 6, "choice with replacement");
        cr_assert(numpy_choice(&r, 20001, 500, whole));
        same_wholes(whole, s->many, 6, "choice of many");
        numpy_integers(&r, -3, (int64_t)1 << 40, whole, 4);
        same_wholes(whole, s->wide, 4, "integers of 64 bits");
        numpy_uniform(&r, -2, 5, real, 3);
        for (int k = 0; k < 3; k++)
            cr_assert(real[k] == s->uniform[k], "uniform %d is %a", k, real[k]);
        numpy_normal(&r, 1, 2, real, 3);
        for (int k = 0; k < 3; k++)
            cr_assert(real[k] == s->normal[k], "normal %d is %a", k, real[k]);
    }
}

/* The branch beyond the last layer, and the layers' edges: default_rng(1).standard_normal(200000). */
Test(numpy_random, ziggurat_tail)
{
    static double z[200000];
    struct numpy_random r = generator(false, 1);
    numpy_normal(&r, 0, 1, z, COUNT(z));
    cr_assert(z[860] == 0x1.e035931978327p+1 && z[3284] == 0x1.dbdba47b03290p+1 && z[4912] == 0x1.f7447f61adda7p+1);
    cr_assert(z[199999] == -0x1.69b84e9339042p-5);
}

/* Seeds of more than 32 bits, and init_by_array (the authors' own test: 0x123 0x234 0x345 0x456). */
Test(numpy_random, seeds)
{
    double x;
    struct numpy_random r = generator(false, (uint64_t)1 << 40);
    numpy_uniform(&r, 0, 1, &x, 1);
    cr_assert(x == 0x1.71781097b0982p-2);
    struct mt19937 m;
    mt19937_seed_words(&m, (const uint32_t[]){0x123, 0x234, 0x345, 0x456}, 4);
    cr_assert(mt19937_next(&m) == 1067595299u && mt19937_next(&m) == 955945823u && mt19937_next(&m) == 477289528u);
}
