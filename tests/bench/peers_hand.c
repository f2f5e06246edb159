/* What plain C on OpenBLAS reaches: the training steps of W1, W3 and W4 written by hand on cblas_sgemm and loops that the compiler makes
 * vectors of. A contender of peers.py, as bench_peer.c:
 *     cc -O3 -march=native -mprefer-vector-width=512 -ffast-math peers_hand.c -o peers_hand -lopenblas -lm; peers_hand W4
 * On CPUs that are newer than OpenBLAS, OPENBLAS_CORETYPE has to name one that it knows, or it takes slow kernels. */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { LAYERS = 4, CLASSES = 10, FIRST_STEPS = 20 };

struct net {
    int layers, width[LAYERS];          /* width[0]: of the input */
    int batch, rows;
    int squares;                        /* the mean squared error of one number, no activation; else relu and softmax cross-entropy */
    float beta2;
    int weight[LAYERS], bias[LAYERS];   /* where they begin in |w| */
    int parameters, step, at;
    float *w, *g, *m, *v;               /* parameters, gradients, Adam's moments */
    float *out[LAYERS], *back[LAYERS];  /* activations and their gradients */
    float *x, *y, *batch_x, *batch_y;
    int *label, *batch_label, *order;
};

static unsigned long long seed = 88172645463325252ull;

static float
uniform(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (float)(seed >> 40) / 16777216.0f;
}

static float
normal(void)
{
    return sqrtf(-2 * logf(uniform() + 1e-7f)) * cosf(6.2831853f * uniform());
}

static void *
zeros(size_t count)
{
    size_t bytes = (count * 4 + 4159) / 64 * 64;
    void *p = aligned_alloc(64, bytes);
    memset(p, 0, bytes);
    return p;
}

static void
adam(struct net *n)
{
    n->step++;
    float rate = 1e-3f / (1 - powf(0.9f, n->step)), second = 1 / (1 - powf(n->beta2, n->step)), b = n->beta2;
    float *w = n->w, *m = n->m, *v = n->v;
    const float *g = n->g;
#pragma GCC ivdep
    for (int i = 0; i < n->parameters; i++) {
        float q = g[i];
        m[i] = 0.9f * m[i] + 0.1f * q;
        v[i] = b * v[i] + (1 - b) * q * q;
        w[i] -= rate * m[i] / (sqrtf(v[i] * second) + 1e-7f);
    }
}

static void
forward(struct net *n, const float *x, int rows)
{
    for (int l = 0; l < n->layers; l++) {
        int i = n->width[l], o = n->width[l + 1];
        float *out = n->out[l + 1];
        for (int r = 0; r < rows; r++)
            memcpy(out + (size_t)r * o, n->w + n->bias[l], sizeof(float) * o);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, o, i, 1, l ? n->out[l] : x, i, n->w + n->weight[l], o, 1, out, o);
        for (int k = 0; !n->squares && l < n->layers - 1 && k < rows * o; k++)
            out[k] = out[k] > 0 ? out[k] : 0;
    }
}

/* The loss, and its gradient in back[layers]. */
static float
loss(struct net *n, const float *y, const int *label, int rows)
{
    int o = n->width[n->layers];
    float sum = 0, share = 1.0f / rows;
    const float *z = n->out[n->layers];
    float *d = n->back[n->layers];
    for (int k = 0; n->squares && k < rows * o; k++) {
        float e = z[k] - y[k];
        sum += e * e;
        d[k] = 2 * e * share / o;
    }
    for (int r = 0; !n->squares && r < rows; r++, z += o, d += o) {
        float most = z[0], all = 0;
        for (int k = 1; k < o; k++)
            most = z[k] > most ? z[k] : most;
        for (int k = 0; k < o; k++) {
            d[k] = expf(z[k] - most);
            all += d[k];
        }
        sum += logf(all) + most - z[label[r]];
        for (int k = 0; k < o; k++)
            d[k] *= share / all;
        d[label[r]] -= share;
    }
    return sum * share;
}

static void
backward(struct net *n, const float *x, int rows)
{
    for (int l = n->layers - 1; l >= 0; l--) {
        int i = n->width[l], o = n->width[l + 1];
        float *d = n->back[l + 1], *bias = n->g + n->bias[l], *before = n->back[l];
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, i, o, rows, 1, l ? n->out[l] : x, i, d, o, 0, n->g + n->weight[l], o);
        memset(bias, 0, sizeof(float) * o);
        for (int r = 0; r < rows; r++)
            for (int k = 0; k < o; k++)
                bias[k] += d[r * o + k];
        if (!l)
            return;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, i, o, 1, d, o, n->w + n->weight[l], o, 0, before, i);
        for (int k = 0; !n->squares && k < rows * i; k++)
            before[k] = n->out[l][k] > 0 ? before[k] : 0;
    }
}

static void
shuffle(struct net *n)
{
    for (int i = n->rows - 1; i > 0; i--) {
        int k = (int)(uniform() * (i + 1)), t = n->order[i];
        n->order[i] = n->order[k];
        n->order[k] = t;
    }
    n->at = 0;
}

static void
step(struct net *n)
{
    int rows = n->batch, i = n->width[0], o = n->width[n->layers];
    const float *x = n->x, *y = n->y;
    const int *label = n->label;
    if (n->rows > n->batch) {
        if (n->at >= n->rows)
            shuffle(n);
        rows = n->at + rows > n->rows ? n->rows - n->at : rows;
        for (int r = 0; r < rows; r++) {
            int from = n->order[n->at + r];
            memcpy(n->batch_x + (size_t)r * i, n->x + (size_t)from * i, sizeof(float) * i);
            if (n->squares)
                memcpy(n->batch_y + (size_t)r * o, n->y + (size_t)from * o, sizeof(float) * o);
            else
                n->batch_label[r] = n->label[from];
        }
        n->at += rows;
        x = n->batch_x;
        y = n->batch_y;
        label = n->batch_label;
    }
    forward(n, x, rows);
    volatile float value = loss(n, y, label, rows);
    (void)value;
    backward(n, x, rows);
    adam(n);
}

/* Normal numbers; the label is which of a row's first ten is the greatest, as in the .nn files, the number the sum of the sines. */
static void
make_data(struct net *n)
{
    int i = n->width[0];
    n->x = zeros((size_t)n->rows * i);
    n->y = zeros(n->rows);
    n->label = zeros(n->rows);
    n->order = zeros(n->rows);
    for (int r = 0; r < n->rows; r++) {
        float *x = n->x + (size_t)r * i;
        n->order[r] = r;
        for (int k = 0; k < i; k++)
            x[k] = normal();
        for (int k = 0; k < CLASSES; k++) {
            n->label[r] = x[k] > x[n->label[r]] ? k : n->label[r];
            n->y[r] += sinf(x[k]) / 15;
        }
    }
}

static void
make_net(struct net *n)
{
    for (int l = 0; l < n->layers; l++) {
        n->weight[l] = n->parameters;
        n->bias[l] = n->parameters + n->width[l] * n->width[l + 1];
        n->parameters = n->bias[l] + n->width[l + 1];
    }
    n->w = zeros(n->parameters);
    n->g = zeros(n->parameters);
    n->m = (float *)zeros(n->parameters + 1024) + 256; /* four arrays at equal places in their pages are slower */
    n->v = (float *)zeros(n->parameters + 2048) + 512;
    for (int l = 0; l < n->layers; l++) {
        float limit = sqrtf(6.0f / (n->width[l] + n->width[l + 1]));
        for (int k = 0; k < n->width[l] * n->width[l + 1]; k++)
            n->w[n->weight[l] + k] = limit * (2 * uniform() - 1);
    }
    for (int l = 0; l <= n->layers; l++) {
        n->out[l] = zeros((size_t)n->batch * n->width[l]);
        n->back[l] = zeros((size_t)n->batch * n->width[l]);
    }
    n->batch_x = zeros((size_t)n->batch * n->width[0]);
    n->batch_y = zeros(n->batch);
    n->batch_label = zeros(n->batch);
    n->at = n->rows;
}

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int
main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    struct net n = {.beta2 = 0.999f, .layers = 2};
    if (!strcmp(name, "W1"))
        n = (struct net){.layers = 2, .width = {100, 128, 10}, .batch = 1000, .rows = 1000, .beta2 = 0.999f};
    else if (!strcmp(name, "W3"))
        n = (struct net){.layers = 2, .width = {10, 100, 1}, .batch = 32, .rows = 7000, .squares = 1, .beta2 = 0.9999f};
    else if (!strcmp(name, "W4"))
        n = (struct net){.layers = 3, .width = {784, 128, 64, 10}, .batch = 32, .rows = 60000, .beta2 = 0.999f};
    else
        return 2;
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040); /* subnormal numbers are zeros */
#endif
    make_data(&n);
    make_net(&n);
    for (int i = 0; i < FIRST_STEPS; i++)
        step(&n);
    puts("ready");
    fflush(stdout);
    for (char line[32]; fgets(line, sizeof line, stdin);) {
        double start = now();
        for (long k = strtol(line, NULL, 10); k > 0; k--)
            step(&n);
        printf("%.9f\n", now() - start);
        fflush(stdout);
    }
    return 0;
}
