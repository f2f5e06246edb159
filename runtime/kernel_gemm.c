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
static bool
products(const struct gemm_shape *s, int64_t count, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    size_t size = elem_size(out->type.elem);
    const struct isa *isa = kernel_isa(k);
    bool blas = k->gemm == GEMM_OPENBLAS;
    void *scratch = blas ? NULL : kernel_scratch(k, gemm_scratch(s, size));
    if (!blas && !scratch)
        return false;
    for (int64_t i = 0; i < count; i++) {
        const char *a = (const char *)in[0]->data + (size_t)(i * s->m * s->k) * size;
        const char *b = (const char *)in[1]->data + (size_t)(i * s->k * s->n) * size;
        char *c = (char *)out->data + (size_t)(i * s->m * s->n) * size;
        if (out->type.elem == ELEM_F32) {
            if (blas)
                blas_sgemm(s, (const float *)a, (const float *)b, (float *)c);
            else
                isa->gemm_f32(s, (const float *)a, (const float *)b, (float *)c, scratch);
        } else {
            if (blas)
                blas_dgemm(s, (const double *)a, (const double *)b, (double *)c);
            else
                isa->gemm_f64(s, (const double *)a, (const double *)b, (double *)c, scratch);
        }
    }
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
    return products(&s, leading, in, out, k);
}

void
gemm_f32(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a, const float *b, float *c,
         struct kernel_context *x)
{
    struct gemm_shape s = {transpose_a, transpose_b, m, n, k};
    void *scratch = kernel_scratch(x, gemm_scratch(&s, sizeof(float)));
    if (scratch)
        kernel_isa(x)->gemm_f32(&s, a, b, c, scratch);
}
