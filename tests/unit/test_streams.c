/* The sources of random numbers against what PyTorch 2.13.0, TensorFlow 2.21.0, Keras 3.15.1 and CPython 3.11 gave;
 * reals as their bits. */
#include "runtime/digest.h"
#include "runtime/streams/python_random.h"
#include "runtime/streams/tf_random.h"
#include "runtime/streams/torch_random.h"
#include <criterion/criterion.h>
#include <math.h>
#include <string.h>

enum { SEEDS = 2 };
static const uint64_t seed_of[SEEDS] = {0, 42};

static void
same_words(const void *got, const uint32_t *want, int n, const char *what)
{
    uint32_t bits[64];
    memcpy(bits, got, (size_t)n * sizeof *bits);
    for (int i = 0; i < n; i++)
        cr_assert(bits[i] == want[i], "%s: number %d is %08X, not %08X", what, i, bits[i], want[i]);
}

static void
same_wholes(const int64_t *got, const int64_t *want, int n, const char *what)
{
    for (int i = 0; i < n; i++)
        cr_assert(got[i] == want[i], "%s: number %d is %lld, not %lld", what, i, (long long)got[i], (long long)want[i]);
}

static void
same_mask(const uint8_t *got, const char *want, const char *what)
{
    for (int i = 0; want[i]; i++)
        cr_assert(got[i] == want[i] - '0', "%s: element %d", what, i);
}

/* ---- Python ---- */

Test(streams, python)
{
    static const uint64_t reals[SEEDS][8] = {
        {0x3FEB0580F98A7DBE, 0x3FE84129978F9C1A, 0x3FDAEAA51052E978, 0x3FD092178FB945A6, 0x3FE05C5CCDF19707,
         0x3FD9EA70DF588B3C, 0x3FE914E0C751C4F5, 0x3FD36979C7BE0DEC},
        {0x3FE4762F307200C5, 0x3F999C6B5EEB2060, 0x3FD19A1491F589DC, 0x3FCC922B623B8C1C, 0x3FE7912C1468F47E,
         0x3FE5A785AEF6719A, 0x3FEC8CBC2A2E7490, 0x3FB6419F92E55088}};
    static const int64_t between[SEEDS][8] = {
        {906691060, 413654000, 813847340, 955892129, 451585302, 43469774, 278009743, 548977049},
        {686579304, 119540832, 26855093, 796233791, 295310486, 262950629, 239670712, 149827707}};
    static const int64_t shuffled[SEEDS][10] = {{7, 8, 1, 5, 3, 4, 2, 0, 9, 6}, {7, 3, 2, 8, 5, 6, 9, 4, 0, 1}};
    for (int k = 0; k < SEEDS; k++) {
        struct python_random p;
        int64_t got[10];
        python_random_seed(&p, (int64_t)seed_of[k]);
        for (int i = 0; i < 8; i++) {
            double x = python_random_real(&p);
            cr_assert(!memcmp(&x, &reals[k][i], sizeof x), "random %d", i);
        }
        python_random_seed(&p, (int64_t)seed_of[k]);
        for (int i = 0; i < 8; i++)
            got[i] = python_random_between(&p, 1, 1000000000);
        same_wholes(got, between[k], 8, "randint");
        for (int i = 0; i < 10; i++)
            got[i] = i;
        python_random_seed(&p, (int64_t)seed_of[k]);
        python_random_shuffle(&p, got, 10);
        same_wholes(got, shuffled[k], 10, "shuffle");
    }
}

/* ---- PyTorch ---- */

static const struct torch_vector {
    uint32_t words[8], uniform[8], few[8], many[8], many_plain[8], weight[6], bias[2];
    int64_t permutation[10], epoch[2][8];
    const char *mask, *mask_mkl;
} torch_vectors[SEEDS] = {
    {{0x8C7F0AAC, 0x97C4AA2F, 0xB716A675, 0xD821CCC0, 0x9A4EB343, 0xDBA252FB, 0x8B7D76C3, 0xD8E57D67},
     {0x3EFE1558, 0x3F44AA2F, 0x3DB533A8, 0x3E073300, 0x3E9D6686, 0x3F2252FB, 0x3EFAED86, 0x3F657D67},
     {0x3FC53F5C, 0xBE963C50, 0xC00B7149, 0x3F1184B6, 0xBF8AD1A1, 0xBFB3052D, 0x3ECE837A, 0x3F5688E5},
     {0xBF901B85, 0xBF93808A, 0xBE804BD6, 0xBEDE255D, 0x3F594515, 0x3F312783, 0xBEA1CC6D, 0xC0075FC1},
     {0xBF901B85, 0xBF93808A, 0xBE804BD6, 0xBEDE255E, 0x3F594515, 0x3F312784, 0xBEA1CC6D, 0xC0075FC2},
     {0xBB8DA3E8, 0x3E9E9313, 0xBEF34B7E, 0xBED98BC9, 0xBE63B4B1, 0x3E1E8953}, {0xBC3B6B40, 0x3EEA617A},
     {4, 1, 7, 5, 3, 9, 0, 8, 6, 2}, {{2, 0, 5, 3, 1, 4, 7, 6}, {0, 3, 7, 1, 6, 2, 5, 4}},
     "0010001101111011", "1001100111100111"},
    {{0x5FE1DC66, 0xCBEA3DB3, 0xF362035C, 0x2EF5950E, 0xBB63F46A, 0xC799D447, 0x9941AEBC, 0x98CB2C14},
     {0x3F61DC66, 0x3F6A3DB3, 0x3EC406B8, 0x3F75950E, 0x3EC7E8D4, 0x3F19D447, 0x3E835D78, 0x3F4B2C14},
     {0x3EAC62AE, 0x3E03E69D, 0x3E7016E7, 0x3E6BDC6C, 0xBF8FB9C2, 0xBE3ECCD8, 0x400D532C, 0xBF2353C6},
     {0x3FF6A529, 0x3FBE5F53, 0x3F669567, 0xC006C0DB, 0x3F2DACD5, 0xBF9E0591, 0xBD306786, 0xBFCD65BA},
     {0x3FF6A527, 0x3FBE5F54, 0x3F669567, 0xC006C0DD, 0x3F2DACD5, 0xBF9E0592, 0xBD306787, 0xBFCD65BA},
     {0x3EE20009, 0x3EF55A65, 0xBE0A80E2, 0x3F07C5B4, 0xBE018916, 0x3DEE999A}, {0xBE8FEA7D, 0x3EAD9A4B},
     {2, 6, 1, 8, 4, 5, 0, 9, 3, 7}, {{0, 5, 1, 6, 3, 4, 2, 7}, {6, 3, 7, 4, 2, 0, 1, 5}},
     "1111010011110010", "0011111010100011"},
};

Test(streams, torch_vectors)
{
    for (int k = 0; k < SEEDS; k++) {
        const struct torch_vector *v = &torch_vectors[k];
        const uint64_t seed = seed_of[k];
        const double bound = 1 / sqrt(3.0);
        struct torch_random r;
        uint32_t words[8];
        float x[16];
        int64_t order[10];
        uint8_t mask[16];
        torch_random_seed(&r, TORCH_BUILD_FUSED, seed);
        for (int i = 0; i < 8; i++)
            words[i] = torch_random_word(&r);
        same_words(words, v->words, 8, "words");
        torch_random_seed(&r, TORCH_BUILD_FUSED, seed);
        torch_uniform_f32(&r, 0, 1, x, 8);
        same_words(x, v->uniform, 8, "rand");
        torch_random_seed(&r, TORCH_BUILD_FUSED, seed);
        torch_normal_f32(&r, 0, 1, x, 8);
        same_words(x, v->few, 8, "randn(8)");
        torch_random_seed(&r, TORCH_BUILD_FUSED, seed);
        torch_normal_f32(&r, 0, 1, x, 16);
        same_words(x, v->many, 8, "randn(16)");
        torch_random_seed(&r, TORCH_BUILD_PLAIN, seed);
        torch_normal_f32(&r, 0, 1, x, 16);
        same_words(x, v->many_plain, 8, "randn(16), plain");
        torch_random_seed(&r, TORCH_BUILD_FUSED, seed);
        torch_permutation(&r, order, 10);
        same_wholes(order, v->permutation, 10, "randperm");
        torch_random_seed(&r, TORCH_BUILD_FUSED, seed);
        torch_bernoulli(&r, 0.5, mask, 16);
        same_mask(mask, v->mask, "dropout");
        torch_random_seed(&r, TORCH_BUILD_MKL, seed);
        torch_bernoulli(&r, 0.5, mask, 16);
        same_mask(mask, v->mask_mkl, "dropout, MKL");
        torch_random_seed(&r, TORCH_BUILD_FUSED, seed);
        torch_uniform_f32(&r, -bound, bound, x, 6);
        same_words(x, v->weight, 6, "weight");
        torch_uniform_f32(&r, -bound, bound, x, 2);
        same_words(x, v->bias, 2, "bias");
        torch_random_seed(&r, TORCH_BUILD_FUSED, seed);
        for (int e = 0; e < 2; e++) {
            torch_sampler_order(torch_loader_draw(&r, true), order, 8);
            same_wholes(order, v->epoch[e], 8, "DataLoader");
        }
    }
}

/* The second number of a pair waits for the next call, whatever is drawn in between; 17 numbers are a block and a
 * new block over its end. */
Test(streams, torch_normal_is_drawn_in_pairs_or_blocks)
{
    struct torch_random r;
    float all[8], parts[8], x[17], again[33];
    torch_random_seed(&r, TORCH_BUILD_FUSED, 7);
    torch_normal_f32(&r, 0, 1, all, 8);
    torch_random_seed(&r, TORCH_BUILD_FUSED, 7);
    torch_normal_f32(&r, 0, 1, parts, 3);
    struct torch_random before = r;
    torch_uniform_f32(&r, 0, 1, x, 17);
    r.twister = before.twister;
    torch_normal_f32(&r, 0, 1, parts + 3, 5);
    same_words(parts, (const uint32_t *)all, 8, "pairs");
    torch_random_seed(&r, TORCH_BUILD_FUSED, 7);
    torch_normal_f32(&r, 0, 1, x, 17);
    torch_random_seed(&r, TORCH_BUILD_FUSED, 7);
    torch_uniform_f32(&r, 0, 1, again, 33);
    torch_normal_block_f32(TORCH_BUILD_FUSED, again, 0, 1);
    torch_normal_block_f32(TORCH_BUILD_FUSED, again + 17, 0, 1);
    cr_assert(x[0] == again[0]);
    same_words(x + 1, (const uint32_t *)again + 17, 16, "blocks");
}

static void
seeded_between(uint64_t seed, int64_t low, int64_t high, int64_t want)
{
    struct torch_random r;
    torch_random_seed(&r, TORCH_BUILD_FUSED, seed);
    cr_assert_eq(torch_random_between(&r, low, high), want);
}

/* torch.randint; from 2^28 numbers on it takes 64 bits. */
Test(streams, torch_whole_numbers)
{
    seeded_between(0, 0, 10, 0x8C7F0AAC % 10);
    seeded_between(0, -5, 7, -5 + 0x8C7F0AAC % 12);
    seeded_between(0, 0, (1 << 28) - 1, 0x8C7F0AAC % ((1 << 28) - 1));
    seeded_between(0, 0, 1 << 28, 0x97C4AA2F % (1 << 28));
}

/* ---- TensorFlow ---- */

static const struct tf_vector {
    uint32_t key[2];
    uint64_t high;
    uint32_t words[8], uniform[8], normal[8], truncated[8];
    int64_t order[10];
} tf_vectors[SEEDS] = {
    {{0xDD5B9083, 0xDF7A3EF6}, 0xFF2F51A833DA8054,
     {0xE79B028E, 0xA0DA5E89, 0x4DE6687A, 0xABE2A952, 0x2131BD46, 0x5BEF67F0, 0xCBE772B0, 0x8319355C},
     {0x3E581470, 0x3F34BD12, 0x3F4CD0F4, 0x3F4552A4, 0x3EC6F518, 0x3F5ECFE0, 0x3F4EE560, 0x3E49AAE0},
     {0xBFD93869, 0xBEF67702, 0xBF29885C, 0x3DB232EC, 0xBF800551, 0x3F718784, 0x3F1DDFB5, 0x3E5AB0D0},
     {0xBFD93869, 0xBEF67702, 0xBF29885C, 0x3DB232EC, 0xBE8816AB, 0x3DB93D91, 0xBF5A57AB, 0x3F38C4C1},
     {2, 0, 5, 8, 7, 1, 9, 6, 3, 4}},
    {{0x89E74CEF, 0x53939B05}, 0xB2CA7BFA8E9181C6,
     {0x48A426C5, 0x3CBFCC20, 0x715B9425, 0x9E0295FB, 0x9C0A0F81, 0x81503319, 0x6260A3C9, 0x58962B9C},
     {0x3E909B14, 0x3EFF3080, 0x3F37284A, 0x3CA57EC0, 0x3DA0F810, 0x3F206632, 0x3F414792, 0x3E315CE0},
     {0x3C8192D0, 0xBFCB87F8, 0x3DD42955, 0x3F4FCE95, 0xBFCE201D, 0xBFCA2019, 0x3F2A0426, 0x3EB21C91},
     {0x3C8192D0, 0xBFCB87F8, 0x3DD42955, 0x3F4FCE95, 0xBCAF5F84, 0x3DF1D255, 0xBBB76F58, 0xBE1445D5},
     {3, 8, 7, 5, 2, 0, 1, 6, 9, 4}},
};

Test(streams, tf_vectors)
{
    for (int k = 0; k < SEEDS; k++) {
        const struct tf_vector *v = &tf_vectors[k];
        const struct tf_random r = tf_stateless((int64_t)seed_of[k], 0);
        uint32_t words[8];
        float x[8];
        int64_t order[10];
        same_words(r.key, v->key, 2, "key");
        cr_assert(r.high == (int64_t)v->high);
        tf_words(&r, 0, words, 8);
        same_words(words, v->words, 8, "words");
        tf_words(&r, 1, words, 3);
        same_words(words, v->words + 4, 3, "words of the second block");
        tf_uniform_f32(&r, 0, 1, x, 8);
        same_words(x, v->uniform, 8, "uniform");
        tf_normal_f32(&r, 0, 1, x, 8);
        same_words(x, v->normal, 8, "normal");
        tf_truncated_f32(&r, 0, 1, x, 8);
        same_words(x, v->truncated, 8, "truncated normal");
        tf_shuffle((int64_t)seed_of[k], 0, order, 10);
        same_wholes(order, v->order, 10, "shuffle");
    }
}

/* A number depends on its place alone, so that few are the beginning of many, also behind the words that are made at
 * a time. */
Test(streams, tf_prefixes)
{
    enum { MANY = 3000 };
    typedef void fill_fn(const struct tf_random *r, double a, double b, float *out, int64_t n);
    typedef void fill64_fn(const struct tf_random *r, double a, double b, double *out, int64_t n);
    static fill_fn *const fill[] = {tf_uniform_f32, tf_normal_f32, tf_truncated_f32};
    static fill64_fn *const fill64[] = {tf_uniform_f64, tf_normal_f64, tf_truncated_f64};
    static const int64_t few[] = {0, 1, 2, 3, 5, 511, 512, 513, 1023, 1024, 1025, 2999};
    const struct tf_random r = tf_stateless(906691060, 3);
    for (int f = 0; f < 3; f++)
        for (unsigned i = 0; i < sizeof few / sizeof *few; i++) {
            float many[MANY], some[MANY] = {0};
            double many64[MANY], some64[MANY] = {0};
            fill[f](&r, 0.5, 0.75, many, MANY);
            fill[f](&r, 0.5, 0.75, some, few[i]);
            fill64[f](&r, 0.5, 0.75, many64, MANY);
            fill64[f](&r, 0.5, 0.75, some64, few[i]);
            cr_assert(!memcmp(many, some, (size_t)few[i] * sizeof *some), "f32 %d, %d numbers", f, (int)few[i]);
            cr_assert(!memcmp(many64, some64, (size_t)few[i] * sizeof *some64), "f64 %d, %d numbers", f, (int)few[i]);
            cr_assert(some[few[i]] == 0 && some64[few[i]] == 0);
        }
}

/* ---- many numbers ---- */

enum { COUNT = 4099 };
struct pinned {
    const char *what;
    uint64_t digest;    /* of COUNT numbers, which were compared with the framework's */
};

static void
check_pinned(const struct pinned *p, const void *numbers, size_t size)
{
    uint64_t got = digest_bytes(0, numbers, COUNT * size);
    cr_assert(got == p->digest, "%s: %016llX", p->what, (unsigned long long)got);
}

Test(streams, torch_many)
{
    static const struct pinned want[] = {{"uniform f32", 0x94B68697CDE62938}, {"normal f32", 0x99D109407A525AD7},
                                         {"truncated f32", 0x8B4343A2A30B578D}, {"few inside f32", 0x84116EEE60101960},
                                         {"uniform f64", 0x8F20AAC62D9100CE}, {"normal f64", 0xD7DC1FE5BC990CA3},
                                         {"truncated f64", 0x626177A1936D0BE8}};
    struct torch_random r;
    float x[COUNT];
    double y[COUNT];
    torch_random_seed(&r, TORCH_BUILD_FUSED, 1);
    torch_uniform_f32(&r, -0.05, 0.05, x, COUNT);
    check_pinned(&want[0], x, sizeof *x);
    torch_normal_f32(&r, 1.5, 0.3, x, COUNT);
    check_pinned(&want[1], x, sizeof *x);
    cr_assert(torch_truncated_f32(&r, 0, 0.02, -0.04, 0.04, x, COUNT));
    check_pinned(&want[2], x, sizeof *x);
    cr_assert(torch_truncated_f32(&r, 0, 1, 1, 2, x, COUNT));
    check_pinned(&want[3], x, sizeof *x);
    torch_uniform_f64(&r, -0.05, 0.05, y, COUNT);
    check_pinned(&want[4], y, sizeof *y);
    torch_normal_f64(&r, 1.5, 0.3, y, COUNT);
    check_pinned(&want[5], y, sizeof *y);
    cr_assert(torch_truncated_f64(&r, 0, 1, -2, 2, y, COUNT));
    check_pinned(&want[6], y, sizeof *y);
}

Test(streams, tf_many)
{
    static const struct pinned want[] = {{"uniform f32", 0xFD3D4952ABF2364B}, {"normal f32", 0x8AADC209C1071ECB},
                                         {"truncated f32", 0x7C3A8EBC566C944A},
                                         {"uniform f64", 0xEB0265E4352C03E9}, {"normal f64", 0xD6F1BDB591904296},
                                         {"truncated f64", 0x50871D56EE7F9813}};
    const struct tf_random r = tf_stateless(906691060, 7);
    float x[COUNT];
    double y[COUNT];
    tf_uniform_f32(&r, 3, 7.1, x, COUNT);
    check_pinned(&want[0], x, sizeof *x);
    tf_normal_f32(&r, 1.5, 0.3, x, COUNT);
    check_pinned(&want[1], x, sizeof *x);
    tf_truncated_f32(&r, 1.5, 0.3, x, COUNT);
    check_pinned(&want[2], x, sizeof *x);
    tf_uniform_f64(&r, 3, 7.1, y, COUNT);
    check_pinned(&want[3], y, sizeof *y);
    tf_normal_f64(&r, 1.5, 0.3, y, COUNT);
    check_pinned(&want[4], y, sizeof *y);
    tf_truncated_f64(&r, 1.5, 0.3, y, COUNT);
    check_pinned(&want[5], y, sizeof *y);
}
