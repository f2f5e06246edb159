/* kernel_qr: qr nodes: into binary64, the factor, rounded once to the element type. */
#include "runtime/kernel_impl.h"

bool
kernel_QR(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    const struct isa *isa = kernel_isa(k);
    int64_t rows = out->type.dim[0], columns = out->type.dim[1], count = rows * columns;
    enum elem e = out->type.elem;
    static const uint8_t step = 1;
    double *a = kernel_scratch(k, (size_t)(2 * count + 3 * columns) * sizeof *a), *q = a + count;
    if (!a)
        return false;
    isa->cast[e][ELEM_F64](a, (const void *const[]){in[0]->data}, &step, count);
    isa->qr(rows, columns, a, q, q + count);
    isa->cast[ELEM_F64][e](out->data, (const void *const[]){q}, &step, count);
    return true;
}
