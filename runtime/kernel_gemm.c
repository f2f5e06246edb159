/* kernel_gemm: matmul nodes: which products, and by whom. */
#include "runtime/blas.h"
#include "runtime/gemm_plan.h"
#include "runtime/kernel_impl.h"

size_t
gemm_scratch(const struct gemm_shape *s, size_t elem_size)
{
    size_t bytes = GEMM_BLOCK * GEMM_PANEL_BYTES;
    if (gemm_exchanged(s))
        bytes += (size_t)(s->m * s->n) * elem_size;
    return bytes;
}

/* |count| products whose operands lie one after the other. */
struct products {
    const struct gemm_shape *shape;
    int64_t count;
    enum elem elem;
    const char *a, *b;
    char *c;
    const struct isa *isa;      /* NULL: OpenBLAS */
    char *scratch;              /* |scratch_each| bytes a part */
    size_t scratch_each;
    enum { BY_PRODUCT, BY_ROW, BY_COLUMN } cut;
};

/* Rows and columns of which a part has some whole number: those of a tile. */
enum { ROWS_UNIT = 8, COLUMN_BYTES = 128 };
static const double SLACK = 1.1;

static void
product(const struct products *p, int64_t i, const struct gemm_part *part, void *scratch)
{
    const struct gemm_shape *s = p->shape;
    size_t size = elem_size(p->elem);
    const char *a = p->a + (size_t)(i * s->m * s->k) * size, *b = p->b + (size_t)(i * s->k * s->n) * size;
    char *c = p->c + (size_t)(i * s->m * s->n) * size;
    if (p->elem == ELEM_F32) {
        if (p->isa)
            p->isa->gemm_f32(s, part, (const float *)a, (const float *)b, (float *)c, scratch);
        else
            blas_sgemm(s, (const float *)a, (const float *)b, (float *)c);
    } else {
        if (p->isa)
            p->isa->gemm_f64(s, part, (const double *)a, (const double *)b, (double *)c, scratch);
        else
            blas_dgemm(s, (const double *)a, (const double *)b, (double *)c);
    }
}

/* The border of a part among |all| places, |unit| of which belong together. */
static int64_t
border(int64_t all, int64_t unit, int part, int parts)
{
    int64_t at = threads_begin((all + unit - 1) / unit, part, parts) * unit;
    return at < all ? at : all;
}

static void
products_part(void *context, int part, int parts)
{
    const struct products *p = context;
    const struct gemm_shape *s = p->shape;
    struct gemm_part range = {0, s->m, 0, s->n};
    int64_t first = 0, end = p->count, columns = COLUMN_BYTES / (int64_t)elem_size(p->elem);
    if (p->cut == BY_ROW) {
        range.row = border(s->m, ROWS_UNIT, part, parts);
        range.row_end = border(s->m, ROWS_UNIT, part + 1, parts);
    } else if (p->cut == BY_COLUMN) {
        range.column = border(s->n, columns, part, parts);
        range.column_end = border(s->n, columns, part + 1, parts);
    } else {
        first = threads_begin(p->count, part, parts);
        end = threads_begin(p->count, part + 1, parts);
    }
    for (int64_t i = first; i < end; i++)
        product(p, i, &range, p->scratch ? p->scratch + (size_t)part * p->scratch_each : NULL);
}

/* How many of |units| the busiest part has, against all. */
static double
largest_share(int64_t units, int parts)
{
    return (double)((units + parts - 1) / parts) / (double)(units ? units : 1);
}

/* Sets the cut that leaves least to the busiest part; returns the number of parts. Between rows and columns alike the one that reads whole
 * rows of A decides: elementwise kernels are cut in rows too, so that each part finds its rows where it wrote them. */
static int
cut_up(struct products *p, const struct threads *t)
{
    const struct gemm_shape *s = p->shape;
    const double NS = p->elem == ELEM_F32 ? 1.0 / 40 : 1.0 / 20; /* of a multiplication and addition, for a small product */
    double cost = NS * (double)p->count * (double)s->m * (double)s->n * (double)s->k;
    int64_t width = COLUMN_BYTES / (int64_t)elem_size(p->elem);
    int64_t rows = (s->m + ROWS_UNIT - 1) / ROWS_UNIT, columns = gemm_exchanged(s) ? 1 : (s->n + width - 1) / width;
    int64_t most = rows > columns ? rows : columns;
    int parts = threads_parts(t, cost, most > p->count ? most : p->count);
    double slack = s->transpose_a ? 1 : SLACK, by_row = largest_share(rows, parts) / slack, by_column = largest_share(columns, parts), by_product = largest_share(p->count, parts);
    p->cut = by_product <= by_row && by_product <= by_column ? BY_PRODUCT : by_row <= by_column ? BY_ROW : BY_COLUMN;
    return parts;
}

static bool
products_run(struct products *p, struct kernel_context *k)
{
    int parts = 1;
    if (k->gemm != GEMM_OPENBLAS) { /* whose bits depend on the shape of its calls */
        p->isa = kernel_isa(k);
        parts = cut_up(p, k->threads);
        p->scratch_each = round64(gemm_scratch(p->shape, elem_size(p->elem)));
        if (!(p->scratch = kernel_scratch(k, (size_t)parts * p->scratch_each)))
            return false;
    }
    threads_run(k->threads, parts, products_part, p);
    return true;
}

bool
kernel_MATMUL(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    const struct type *a = &in[0]->type, *b = &in[1]->type;
    struct gemm_shape s = {.transpose_a = n->attr && n->attr->matmul.transpose_a, .transpose_b = n->attr && n->attr->matmul.transpose_b};
    int64_t leading = 1;
    for (int i = 0; i < a->rank - 2; i++)
        leading *= a->dim[i];
    s.m = a->dim[a->rank - (s.transpose_a ? 1 : 2)];
    s.k = a->dim[a->rank - (s.transpose_a ? 2 : 1)];
    s.n = b->dim[b->rank - (s.transpose_b ? 2 : 1)];
    if (b->rank == 2) {
        s.m *= leading;
        leading = 1;
    }
    struct products p = {.shape = &s, .count = leading, .elem = out->type.elem, .a = in[0]->data, .b = in[1]->data, .c = out->data};
    return products_run(&p, k);
}

void
gemm_f32(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c,
         struct kernel_context *x)
{
    struct gemm_shape s = {transpose_a, transpose_b, m, n, k};
    struct products p = {.shape = &s, .count = 1, .elem = ELEM_F32, .a = (const char *)a, .b = (const char *)b, .c = (char *)c};
    products_run(&p, x);
}
