/* reference_conv: convolutions and their derivatives, one chain after the other (numerics.md, item 3), and qr. Images of one
 * axis between rows and channels are images of one row. */
#include "tests/reference/reference.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* x [n, rows, columns, c], w [rows, columns, c, f], y [n, rows, columns, f] */
struct conv {
    int64_t x[4], w[4], y[4], stride[2], dilation[2], before[2];
    reference_body *fma;
};

static void
as_images(const struct type *t, int64_t dim[4], int at)
{
    for (int i = 0, k = 0; i < 4; i++)
        dim[i] = t->rank == 3 && i == at ? 1 : t->dim[k++];
}

static struct conv
conv_of(const struct type *x, const struct type *w, const struct type *y, const struct attr *attr)
{
    struct conv c = {.fma = reference_body_of(OP_FMA, (enum elem)x->elem)};
    as_images(x, c.x, 1);
    as_images(w, c.w, 0);
    as_images(y, c.y, 1);
    for (int i = 0; i < 2; i++) {
        int from = x->rank == 3 ? 0 : i;
        bool one = x->rank == 3 && i == 0;
        c.stride[i] = one ? 1 : attr->conv.stride[from];
        c.dilation[i] = one ? 1 : attr->conv.dilation[from];
        c.before[i] = one ? 0 : attr->conv.before[from];
    }
    return c;
}

static char *
at(const struct tensor *t, const int64_t dim[4], int64_t a, int64_t b, int64_t c, int64_t d)
{
    return reference_element(t, ((a * dim[1] + b) * dim[2] + c) * dim[3] + d);
}

/* Whether tap (r, s) of place (p, q) lies inside of the image; then where. */
static bool
tap(const struct conv *c, int64_t p, int64_t q, int64_t r, int64_t s, int64_t *out_row, int64_t *out_column)
{
    *out_row = p * c->stride[0] + r * c->dilation[0] - c->before[0];
    *out_column = q * c->stride[1] + s * c->dilation[1] - c->before[1];
    return *out_row >= 0 && *out_row < c->x[1] && *out_column >= 0 && *out_column < c->x[2];
}

#define EACH(i, count) for (int64_t i = 0; i < (count); i++)

void
reference_CONV(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    struct conv c = conv_of(&in[0]->type, &in[1]->type, &out->type, n->attr);
    int64_t i, j;
    memset(out->data, 0, (size_t)tensor_bytes(out));
    EACH(m, c.y[0]) EACH(p, c.y[1]) EACH(q, c.y[2]) EACH(f, c.y[3]) {
        char *acc = at(out, c.y, m, p, q, f);
        EACH(r, c.w[0]) EACH(s, c.w[1]) EACH(k, c.w[2])
            if (tap(&c, p, q, r, s, &i, &j))
                c.fma(acc, (const void *const[]){at(in[0], c.x, m, i, j, k), at(in[1], c.w, r, s, k, f), acc});
    }
}

/* For each element of the images: over all places in which a tap shows it, kernel row by kernel row. */
void
reference_CONV_INPUT(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    struct conv c = conv_of(&out->type, &in[1]->type, &in[0]->type, n->attr);
    int64_t row, column;
    memset(out->data, 0, (size_t)tensor_bytes(out));
    EACH(m, c.x[0]) EACH(i, c.x[1]) EACH(j, c.x[2]) EACH(k, c.x[3]) {
        char *acc = at(out, c.x, m, i, j, k);
        EACH(r, c.w[0]) EACH(s, c.w[1]) EACH(p, c.y[1]) EACH(q, c.y[2])
            if (tap(&c, p, q, r, s, &row, &column) && row == i && column == j)
                EACH(f, c.w[3])
                    c.fma(acc, (const void *const[]){at(in[0], c.y, m, p, q, f), at(in[1], c.w, r, s, k, f), acc});
    }
}

void
reference_CONV_WEIGHT(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    struct conv c = conv_of(&in[0]->type, &out->type, &in[1]->type, n->attr);
    int64_t i, j;
    memset(out->data, 0, (size_t)tensor_bytes(out));
    EACH(r, c.w[0]) EACH(s, c.w[1]) EACH(k, c.w[2]) EACH(f, c.w[3]) {
        char *acc = at(out, c.w, r, s, k, f);
        EACH(m, c.y[0]) EACH(p, c.y[1]) EACH(q, c.y[2])
            if (tap(&c, p, q, r, s, &i, &j))
                c.fma(acc, (const void *const[]){at(in[0], c.x, m, i, j, k), at(in[1], c.y, m, p, q, f), acc});
    }
}

/* ---- qr, one number after the other ---- */

/* The sum over rows from |j| on of v[i] * column |q| of the matrix. */
static double
dot(const double *v, const double *matrix, int64_t rows, int64_t columns, int64_t j, int64_t q)
{
    double sum = 0;
    for (int64_t i = j; i < rows; i++)
        sum = fma(v[i], matrix[i * columns + q], sum);
    return sum;
}

static void
reflect(const double *v, double tau, double *matrix, int64_t rows, int64_t columns, int64_t j, int64_t q)
{
    double w = tau * dot(v, matrix, rows, columns, j, q);
    for (int64_t i = j; i < rows; i++)
        matrix[i * columns + q] = fma(-v[i], w, matrix[i * columns + q]);
}

void
reference_QR(const struct node *n, const struct tensor *const *in, struct tensor *out, int64_t rows)
{
    int64_t height = out->type.dim[0], width = out->type.dim[1];
    enum elem e = (enum elem)out->type.elem;
    double *a = malloc((size_t)(height * width + 1) * sizeof *a), *q = calloc((size_t)(height * width) + 1, sizeof *q);
    double *v = calloc((size_t)(height * width) + 1, sizeof *v); /* v[j * height + i]: reflection j */
    double *tau = calloc((size_t)width + 1, sizeof *tau), *diagonal = calloc((size_t)width + 1, sizeof *diagonal);
    EACH(i, height * width)
        reference_cast(e, ELEM_F64, &a[i], reference_element(in[0], i));
    EACH(j, width) {
        double *mine = v + j * height;
        for (int64_t i = j; i < height; i++)
            mine[i] = a[i * width + j];
        double squares = dot(mine, a, height, width, j, j);
        diagonal[j] = mine[j] >= 0 ? -sqrt(squares) : sqrt(squares);
        if (squares == 0)
            continue;
        mine[j] -= diagonal[j];
        double length = 0;
        for (int64_t i = j; i < height; i++)
            length = fma(mine[i], mine[i], length);
        tau[j] = 2 / length;
        for (int64_t k = j + 1; k < width && tau[j] != 0; k++)
            reflect(mine, tau[j], a, height, width, j, k);
    }
    EACH(j, width)
        q[j * width + j] = 1;
    for (int64_t j = width - 1; j >= 0; j--)
        for (int64_t k = j; k < width && tau[j] != 0; k++)
            reflect(v + j * height, tau[j], q, height, width, j, k);
    EACH(i, height * width) {
        double x = diagonal[i % width] < 0 ? -q[i] : q[i];
        reference_cast(ELEM_F64, e, reference_element(out, i), &x);
    }
    free(a);
    free(q);
    free(v);
    free(tau);
    free(diagonal);
}
