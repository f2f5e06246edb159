/* Runs under a convention: what PyTorch 2.13.0 and Keras 3.15.1 on TensorFlow 2.21.0 drew, in the order in which
 * they draw.
 *
 * tests/parity/inits_*.safetensors: tables of initial values, a tensor INITIALISER.INxUNITS.seedSEED; of 64x300 rows
 * 0, 1 and 63. tests/parity/init_MODEL_*.safetensors: the weights of models before the first step. */
#include "ir/arena.h"
#include "runtime/kernels.h"
#include "runtime/safetensors.h"
#include "runtime/shuffle.h"
#include "runtime/streams/convention.h"
#include "tests/unit/tensor_table.h"
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct streams *
open_all(const char *name, int64_t seed)
{
    int c = stream_convention_find(name);
    struct streams *s = streams_open((const int[]){c, c, c}, seed);
    cr_assert(c >= 0 && s);
    return s;
}

/* ---- tables of initial values ---- */

static void
parity_open(struct table *t, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, NNC_SOURCE_DIR "/tests/parity/%s.safetensors", name);
    table_open(t, path);
}

/* A rule of the frameworks in f64, with the rounding that their formulas have. */
static double torch_default(double in, double out) { return sqrt(3.0) * (sqrt(2.0 / (1 + 5)) / sqrt(in)); }
static double torch_glorot_limit(double in, double out) { return sqrt(3.0) * sqrt(2.0 / (in + out)); }
static double torch_glorot(double in, double out) { return sqrt(2.0 / (in + out)); }
static double torch_he_limit(double in, double out) { return sqrt(3.0) * (sqrt(2.0) / sqrt(in)); }
static double torch_he(double in, double out) { return sqrt(2.0) / sqrt(in); }
static double torch_lecun_limit(double in, double out) { return sqrt(3.0) * (1 / sqrt(in)); }
static double torch_lecun(double in, double out) { return 1 / sqrt(in); }
static double keras_glorot_limit(double in, double out) { return sqrt(3 * (1 / ((in + out) / 2))); }
static double keras_glorot(double in, double out) { return sqrt(1 / ((in + out) / 2)) / 0.87962566103423978; }
static double keras_he_limit(double in, double out) { return sqrt(3 * (2 / in)); }
static double keras_he(double in, double out) { return sqrt(2 / in) / 0.87962566103423978; }
static double keras_lecun_limit(double in, double out) { return sqrt(3 * (1 / in)); }
static double keras_lecun(double in, double out) { return sqrt(1 / in) / 0.87962566103423978; }
static double one(double in, double out) { return 1; }
static double twentieth(double in, double out) { return 0.05; }

static const struct initialiser {
    const char *name;
    enum stream_law law;
    double (*size)(double in, double out);  /* the limit, or the deviation */
} torch_initialisers[] = {
    {"default", STREAM_UNIFORM, torch_default},
    {"normal", STREAM_NORMAL, one},
    {"truncated_normal", STREAM_TRUNCATED, one},
    {"glorot_uniform", STREAM_UNIFORM, torch_glorot_limit},
    {"glorot_normal", STREAM_NORMAL, torch_glorot},
    {"he_uniform", STREAM_UNIFORM, torch_he_limit},
    {"he_normal", STREAM_NORMAL, torch_he},
    {"lecun_uniform", STREAM_UNIFORM, torch_lecun_limit},
    {"lecun_normal", STREAM_NORMAL, torch_lecun},
    {"orthogonal", STREAM_ORTHOGONAL, one},
    {"uniform", STREAM_UNIFORM, NULL},      /* [0, 1) */
    {0},
}, keras_initialisers[] = {
    {"uniform", STREAM_UNIFORM, twentieth},
    {"normal", STREAM_NORMAL, twentieth},
    {"truncated_normal", STREAM_TRUNCATED, twentieth},
    {"glorot_uniform", STREAM_UNIFORM, keras_glorot_limit},
    {"glorot_normal", STREAM_TRUNCATED, keras_glorot},
    {"he_uniform", STREAM_UNIFORM, keras_he_limit},
    {"he_normal", STREAM_TRUNCATED, keras_he},
    {"lecun_uniform", STREAM_UNIFORM, keras_lecun_limit},
    {"lecun_normal", STREAM_TRUNCATED, keras_lecun},
    {"variance_scaling", STREAM_TRUNCATED, keras_lecun},
    {"orthogonal", STREAM_ORTHOGONAL, one},
    {0},
};

static struct stream_draw
draw_of(const struct initialiser *i, int64_t in, int64_t out, int64_t rows)
{
    double size = i->size ? i->size((double)in, (double)out) : 1;
    struct stream_draw d = {.law = i->law, .elem = ELEM_F32, .count = in * out, .rows = rows, .b = size,
                            .low = -2, .high = 2};
    if (i->law == STREAM_UNIFORM)
        d.a = i->size ? -size : 0;
    if (i->law == STREAM_ORTHOGONAL)
        d.a = 1;
    return d;
}

/* [rows, columns] from its transpose. */
static void
transpose(const float *from, float *to, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++)
            to[i * columns + j] = from[j * rows + i];
}

static void
check_initialiser(struct table *t, const struct safetensors_entry *e, const struct initialiser *i, bool torch)
{
    int in, out, seed;
    cr_assert(sscanf(strchr(e->name, '.'), ".%dx%d.seed%d", &in, &out, &seed) == 3);
    struct streams *s = open_all(torch ? "torch" : "keras_tf", seed);
    struct stream_draw d = draw_of(i, in, out, torch ? out : in);
    float *drawn = malloc((size_t)d.count * sizeof *drawn), *got = malloc((size_t)d.count * sizeof *got);
    float *want = table_read(t, e);
    cr_assert(drawn && got && stream_site(s, STREAM_SITE_WEIGHT, 0) && stream_draw(s, 0, &d, drawn));
    if (torch)
        transpose(drawn, got, in, out);
    else
        memcpy(got, drawn, (size_t)d.count * sizeof *got);
    for (int64_t row = 0; row < e->dim[0]; row++)
        for (int64_t j = 0; j < out; j++) {
            float w = want[row * out + j], g = got[(e->dim[0] < in && row == 2 ? in - 1 : row) * out + j];
            bool same = i->law == STREAM_ORTHOGONAL ? fabsf(g - w) <= 3e-6f : g == w;
            cr_assert(same, "%s: [%d, %d] is %a, not %a", e->name, (int)row, (int)j, (double)g, (double)w);
        }
    free(drawn);
    free(got);
    free(want);
    streams_close(s);
}

static void
check_initialisers(const char *file, const struct initialiser *rules, bool torch)
{
    struct table t;
    int found = 0;
    parity_open(&t, file);
    for (int k = 0; k < t.file.count; k++) {
        const struct safetensors_entry *e = &t.file.entries[k];
        for (const struct initialiser *i = rules; i->name; i++)
            if (strlen(i->name) == (size_t)(strchr(e->name, '.') - e->name) && !strncmp(i->name, e->name, strlen(i->name))) {
                check_initialiser(&t, e, i, torch);
                found++;
            }
    }
    cr_assert_eq(found, 88);
    table_close(&t);
}

Test(stream_conventions, torch_initialisers) { check_initialisers("inits_torch", torch_initialisers, true); }
Test(stream_conventions, keras_initialisers) { check_initialisers("inits_keras", keras_initialisers, false); }

/* ---- models ---- */

struct layer { const char *name; int in, out; };    /* a dense layer, or a dropout (no name) */
static const struct layer sine[] = {{"h", 10, 100}, {"o", 100, 1}, {0}},
    bn[] = {{"h1", 8, 32}, {NULL, 1, 0}, {"h2", 32, 16}, {NULL, 1, 0}, {"o", 16, 1}, {0}};

static void
check_weight(struct table *t, struct streams *s, int site, const char *layer, const char *suffix,
             const struct stream_draw *d, bool turned)
{
    char name[32];
    snprintf(name, sizeof name, "%s.%s", layer, suffix);
    const struct safetensors_entry *e = safetensors_find(&t->file, name);
    cr_assert(e && e->bytes == d->count * 4, "%s", name);
    float drawn[4096], got[4096], *want = table_read(t, e);
    cr_assert(stream_draw(s, site, d, drawn));
    if (turned)
        transpose(drawn, got, e->dim[0], e->dim[1]);
    else
        memcpy(got, drawn, (size_t)e->bytes);
    cr_assert(!memcmp(got, want, (size_t)e->bytes), "%s", name);
    free(want);
}

/* PyTorch draws when a layer is made, a bias after its weight; Keras' biases are zeros. */
static void
check_model(const char *file, const char *convention, int64_t seed, const struct layer *layers)
{
    bool torch = !strcmp(convention, "torch");
    struct streams *s = open_all(convention, seed);
    struct table t;
    int sites = 0;
    parity_open(&t, file);
    for (const struct layer *l = layers; l->in; l++) {
        cr_assert(stream_site(s, l->name ? STREAM_SITE_WEIGHT : STREAM_SITE_STEP, 0));
        sites++;
        if (!l->name)
            continue;
        double limit = torch ? 1 / sqrt(l->in) : keras_glorot_limit(l->in, l->out);
        struct stream_draw d = {.law = STREAM_UNIFORM, .elem = ELEM_F32, .count = (int64_t)l->in * l->out,
                                .a = -limit, .b = limit};
        check_weight(&t, s, sites - 1, l->name, "w", &d, torch);
        if (!torch)
            continue;
        cr_assert(stream_site(s, STREAM_SITE_WEIGHT, 0));
        d.count = l->out;
        check_weight(&t, s, sites++, l->name, "b", &d, false);
    }
    table_close(&t);
    streams_close(s);
}

Test(stream_conventions, sine_torch) { check_model("init_sine_torch", "torch", 0, sine); }
Test(stream_conventions, sine_keras) { check_model("init_sine_keras", "keras_tf", 0, sine); }
Test(stream_conventions, bn_torch) { check_model("init_bn_torch", "torch", 3, bn); }
Test(stream_conventions, bn_keras) { check_model("init_bn_keras", "keras_tf", 3, bn); }

/* ---- a training: three dense layers, two dropouts, 668 rows in batches of 100 ---- */

enum { ROWS = 668, BATCH = 100, STEPS = 7, UNITS1 = 32, UNITS2 = 16 };
/* The first 64 elements of a mask, the first in the lowest bit, and how many of all are 1. */
struct mask { uint64_t bits; int kept; };
struct seen { int epoch, step; struct mask mask[2]; };

struct run {
    struct streams *s;
    int dropout[2];
    double rate[2];
    int64_t order[ROWS];
};

static void
make_sites(struct run *r, bool with_biases)
{
    static const int dropout_after[] = {1, 1, 0};
    int site = 0, dropouts = 0;
    for (int l = 0; l < 3; l++) {
        for (int w = 0; w < 1 + with_biases; w++)
            cr_assert(stream_site(r->s, STREAM_SITE_WEIGHT, (uint64_t)site++));
        if (!dropout_after[l])
            continue;
        cr_assert(stream_site(r->s, STREAM_SITE_STEP, (uint64_t)site));
        r->dropout[dropouts++] = site++;
    }
}

static void
draw_weights(struct run *r, bool with_biases)
{
    static const int in[] = {8, 32, 16}, out[] = {32, 16, 1}, first[2][3] = {{0, 2, 4}, {0, 3, 6}};
    float w[512];
    for (int l = 0; l < 3; l++) {
        struct stream_draw d = {.law = STREAM_UNIFORM, .elem = ELEM_F32, .count = (int64_t)in[l] * out[l], .a = -1, .b = 1};
        cr_assert(stream_draw(r->s, first[with_biases][l], &d, w));
        d.count = out[l];
        cr_assert(!with_biases || stream_draw(r->s, first[1][l] + 1, &d, w));
    }
}

static void
draw_step(struct run *r, int step, struct mask out[2])
{
    static const int units[] = {UNITS1, UNITS2};
    uint8_t keep[BATCH * UNITS1];
    for (int k = 0; k < 2; k++) {
        int rows = step == STEPS - 1 ? ROWS % BATCH : BATCH;
        struct stream_draw d = {.law = STREAM_KEEP, .elem = ELEM_BOOL, .count = (int64_t)rows * units[k], .a = r->rate[k]};
        out[k] = (struct mask){0, 0};
        cr_assert(stream_draw(r->s, r->dropout[k], &d, keep));
        for (int64_t i = 0; i < d.count; i++) {
            out[k].kept += keep[i];
            if (i < 64)
                out[k].bits |= (uint64_t)keep[i] << i;
        }
    }
}

static void
check_step(struct run *r, int epoch, int step, const struct seen *seen, int count)
{
    struct mask got[2];
    draw_step(r, step, got);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < 2 && seen[i].epoch == epoch && seen[i].step == step; k++)
            cr_assert(got[k].bits == seen[i].mask[k].bits && got[k].kept == seen[i].mask[k].kept,
                      "epoch %d step %d: %016llX, %d", epoch, step, (unsigned long long)got[k].bits, got[k].kept);
}

static const struct seen torch_seen[] = {
    {0, 0, {{0xB6F7756F8FDEDFF7, 1594}, {0xEBD6E226AE45836E, 829}}},
    {0, 1, {{0x80801E50DDBBA2CE, 1551}, {0xF7A23C07F90D5D7A, 803}}},
    {0, 6, {{0x6FDAF509D01618CE, 1083}, {0x21CD9DBE576F4911, 556}}},
    {1, 0, {{0x593771A64D16D18F, 1581}, {0x3D423CAB568EB189, 788}}},
    {1, 6, {{0x2F4FABD4248905A4, 1076}, {0x973A593506FFEF56, 563}}},
    {2, 0, {{0x594AF64B1D2987FD, 1594}, {0xAC5F29CAC7886688, 790}}},
    {2, 6, {{0x81CFA47F939B71B8, 1109}, {0x2E3CFB1757C4F993, 539}}},
}, keras_seen[] = {
    {0, 0, {{0x1F67436BD8A7E349, 1598}, {0xEA6EFFBF9DF3BC00, 1095}}},
    {0, 1, {{0x1E1C527C8E146701, 1579}, {0xFCEC954DE3EDDE9E, 1142}}},
    {0, 6, {{0x1E5A80F3010BC29F, 1082}, {0x0CF3FF7EFFDB7FDF, 766}}},
    {1, 1, {{0x1D49123804E29CF4, 1599}, {0x08F976EEF1ADE7A1, 1128}}},
};
enum { TORCH_SEEN = sizeof torch_seen / sizeof *torch_seen, KERAS_SEEN = sizeof keras_seen / sizeof *keras_seen };

/* The beginning and the end of each epoch's order. */
static const int64_t torch_order[3][9] = {{658, 418, 579, 171, 3, 26, 236, 243, 44},
                                          {348, 511, 445, 618, 209, 454, 462, 203, 531},
                                          {202, 251, 445, 640, 450, 37, 392, 97, 352}},
                     keras_order[9] = {207, 577, 494, 496, 37, 174, 379, 95, 120};

static void
check_order(struct run *r, const int64_t *want)
{
    cr_assert(stream_order(r->s, ROWS, r->order));
    for (int i = 0; i < 8; i++)
        cr_assert_eq(r->order[i], want[i]);
    cr_assert_eq(r->order[ROWS - 1], want[8]);
}

static void
begin(struct run *r, const char *name)
{
    bool torch = !strcmp(name, "torch");
    *r = (struct run){.s = open_all(name, 3), .rate = {0.5, torch ? 0.5 : 0.3}};
    make_sites(r, torch);
}

Test(stream_conventions, torch_training)
{
    struct run r;
    begin(&r, "torch");
    draw_weights(&r, true);
    for (int epoch = 0; epoch < 3; epoch++) {
        stream_epoch(r.s, true);
        check_order(&r, torch_order[epoch]);
        for (int step = 0; step < STEPS; step++)
            check_step(&r, epoch, step, torch_seen, TORCH_SEEN);
    }
    streams_close(r.s);
}

Test(stream_conventions, keras_training)
{
    struct run r;
    begin(&r, "keras_tf");
    draw_weights(&r, false);
    for (int epoch = 0; epoch < 2; epoch++) {
        stream_epoch(r.s, true);
        check_order(&r, keras_order);
        for (int step = 0; step < STEPS; step++)
            check_step(&r, epoch, step, keras_seen, KERAS_SEEN);
    }
    streams_close(r.s);
}

/* Without shuffling the DataLoader draws its base seed all the same. */
Test(stream_conventions, torch_without_shuffle)
{
    struct streams *s = open_all("torch", 5);
    struct torch_random r;
    uint8_t keep[16], want[16];
    struct stream_draw d = {.law = STREAM_KEEP, .elem = ELEM_BOOL, .count = 16, .a = 0.25};
    cr_assert(stream_site(s, STREAM_SITE_STEP, 0));
    stream_epoch(s, false);
    cr_assert(stream_draw(s, 0, &d, keep));
    torch_random_seed(&r, TORCH_BUILD_FUSED, 5);
    torch_random_long(&r);
    torch_bernoulli(&r, 0.75, want, 16);
    cr_assert(!memcmp(keep, want, sizeof want));
    streams_close(s);
}

/* A seed that is never drawn from moves those of the later sites on. */
Test(stream_conventions, keras_spent_seeds)
{
    struct streams *a = open_all("keras_tf", 0), *b = open_all("keras_tf", 0);
    struct stream_draw d = {.law = STREAM_NORMAL, .elem = ELEM_F32, .count = 8, .b = 1};
    float x[8], y[8];
    cr_assert(stream_site(a, STREAM_SITE_SPENT, 0) && stream_site(a, STREAM_SITE_WEIGHT, 0));
    cr_assert(stream_site(b, STREAM_SITE_STEP, 0) && stream_site(b, STREAM_SITE_WEIGHT, 0));
    cr_assert(stream_draw(a, 1, &d, x) && stream_draw(b, 1, &d, y));
    cr_assert(!memcmp(x, y, sizeof x));
    streams_close(b);
    b = open_all("keras_tf", 0);
    cr_assert(stream_site(b, STREAM_SITE_WEIGHT, 0) && stream_draw(b, 0, &d, y));
    cr_assert(memcmp(x, y, sizeof x));
    streams_close(a);
    streams_close(b);
}

/* ---- one purpose switched ---- */

/* Weights and masks of nnc, rows as PyTorch's whole run has them. */
Test(stream_conventions, purposes_are_independent)
{
    int nnc = stream_convention_find("nnc"), torch = stream_convention_find("torch");
    int keras = stream_convention_find("keras_tf");
    struct run order = {.s = streams_open((const int[]){nnc, torch, nnc}, 3), .rate = {0.5, 0.5}},
               masks = {.s = streams_open((const int[]){keras, nnc, torch}, 3), .rate = {0.5, 0.5}};
    make_sites(&order, true);
    make_sites(&masks, true);
    draw_weights(&order, true);
    draw_weights(&masks, true);
    for (int epoch = 0; epoch < 3; epoch++) {
        stream_epoch(order.s, true);
        stream_epoch(masks.s, true);
        check_order(&order, torch_order[epoch]);
        for (int step = 0; step < STEPS; step++) {
            struct mask unused[2];
            draw_step(&order, step, unused);
            check_step(&masks, epoch, step, torch_seen, TORCH_SEEN);
        }
    }
    streams_close(order.s);
    streams_close(masks.s);
}

/* ---- nnc's own ---- */

Test(stream_conventions, nnc)
{
    struct streams *s = open_all("nnc", 9);
    struct stream_draw keep = {.law = STREAM_KEEP, .elem = ELEM_BOOL, .count = 6, .a = 0.5};
    uint8_t mask[6];
    int64_t order[50], want[50];
    cr_assert(stream_site(s, STREAM_SITE_STEP, 77));
    for (int64_t step = 0; step < 3; step++) {
        uint32_t words[8];
        philox_block(77, 9, step, 0, words);
        philox_block(77, 9, step, 1, words + 4);
        cr_assert(stream_draw(s, 0, &keep, mask));
        for (int i = 0; i < 6; i++)
            cr_assert_eq(mask[i], words[i] >> 31);
    }
    stream_epoch(s, true);
    stream_epoch(s, true);
    cr_assert(stream_order(s, 50, order) && shuffle_order(9, 1, 50, NULL, want));
    cr_assert(!memcmp(order, want, sizeof want));
    streams_close(s);
}

/* ---- going on ---- */

static const char *const names[] = {"torch", "keras_tf", "nnc", "torch_plain", "torch_mkl"};

/* From the bytes at any step the rest is as without the stop; in an epoch its order comes back. */
Test(stream_conventions, saved_and_restored)
{
    for (unsigned c = 0; c < sizeof names / sizeof *names; c++)
        for (int stop = 0; stop <= 2 * STEPS; stop += 3) {
            struct run a, b;
            struct mask got[2], want[2];
            begin(&a, names[c]);
            begin(&b, names[c]);
            draw_weights(&a, !strcmp(names[c], "torch"));
            for (int i = 0; i < stop; i++) {
                if (i % STEPS == 0)
                    stream_epoch(a.s, true);
                draw_step(&a, i % STEPS, want);
            }
            size_t size = streams_saved_size(a.s);
            uint8_t *bytes = malloc(size);
            streams_save(a.s, bytes);
            cr_assert(streams_restore(b.s, bytes, size), "%s", names[c]);
            for (int i = stop; i < 3 * STEPS; i++) {
                if (i % STEPS == 0) {
                    stream_epoch(a.s, true);
                    stream_epoch(b.s, true);
                }
                cr_assert(stream_order(a.s, ROWS, a.order) && stream_order(b.s, ROWS, b.order));
                cr_assert(!memcmp(a.order, b.order, sizeof a.order), "%s: order at %d after %d", names[c], i, stop);
                draw_step(&a, i % STEPS, want);
                draw_step(&b, i % STEPS, got);
                for (int k = 0; k < 2; k++)
                    cr_assert(got[k].bits == want[k].bits && got[k].kept == want[k].kept, "%s: step %d after %d", names[c],
                              i, stop);
            }
            free(bytes);
            streams_close(a.s);
            streams_close(b.s);
        }
}

Test(stream_conventions, other_states_are_refused)
{
    struct run a, b;
    begin(&a, "torch");
    size_t size = streams_saved_size(a.s);
    uint8_t *bytes = malloc(size);
    streams_save(a.s, bytes);
    begin(&b, "torch_mkl");
    cr_assert(!streams_restore(b.s, bytes, size));
    streams_close(b.s);
    begin(&b, "torch");
    cr_assert(!streams_restore(b.s, bytes, size - 1));
    cr_assert(streams_restore(b.s, bytes, size));
    cr_assert(stream_site(b.s, STREAM_SITE_STEP, 0) && !streams_restore(b.s, bytes, size));
    streams_close(b.s);
    b.s = open_all("torch", 4);
    make_sites(&b, true);
    cr_assert(!streams_restore(b.s, bytes, size));
    streams_close(b.s);
    free(bytes);
    streams_close(a.s);
}

Test(stream_conventions, names)
{
    for (int i = 0; stream_convention_name(i); i++)
        cr_assert_eq(stream_convention_find(stream_convention_name(i)), i);
    cr_assert_eq(stream_convention_find("tensorflow"), -1);
}
