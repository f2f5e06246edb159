#include "runtime/blas.h"
#include <dlfcn.h>
#include <stdatomic.h>

/* The constants of cblas.h, whose names differ between makers but not its values. */
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

typedef void sgemm_fn(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
                      const float *b, int ldb, float beta, float *c, int ldc);
typedef void dgemm_fn(int order, int transpose_a, int transpose_b, int m, int n, int k, double alpha, const double *a, int lda,
                      const double *b, int ldb, double beta, double *c, int ldc);

/* Set once for the process: every load finds the same addresses. */
static struct {
    _Atomic(sgemm_fn *) sgemm;
    _Atomic(dgemm_fn *) dgemm;
} blas;

bool
blas_load(struct diag *diag)
{
    if (atomic_load(&blas.sgemm) && atomic_load(&blas.dgemm))
        return true;
    unsigned before = float_enter(); /* a constructor in the library must not change the floating-point state */
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    const char *cause = library ? "cblas_sgemm, cblas_dgemm or openblas_set_num_threads is missing" : dlerror();
    float_leave(before);
    void (*set_threads)(int) = NULL;
    sgemm_fn *sgemm = NULL;
    dgemm_fn *dgemm = NULL;
    if (library) {
        *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
        *(void **)&sgemm = dlsym(library, "cblas_sgemm");
        *(void **)&dgemm = dlsym(library, "cblas_dgemm");
    }
    if (!set_threads || !sgemm || !dgemm) {
        diag_subject(diag, BLAS_MISSING, NULL, cause);
        return false;
    }
    set_threads(1);
    atomic_store(&blas.dgemm, dgemm);
    atomic_store(&blas.sgemm, sgemm);
    return true;
}

/* A dimension of 0 makes leading dimensions that cblas refuses. */
static bool
is_empty(const struct gemm_shape *s)
{
    return !s->m || !s->n || !s->k;
}

void
blas_sgemm(const struct gemm_shape *s, const float *a, const float *b, float *c)
{
    if (is_empty(s)) {
        __builtin_memset(c, 0, (size_t)(s->m * s->n) * sizeof *c);
        return;
    }
    atomic_load_explicit(&blas.sgemm, memory_order_relaxed)(
        ROW_MAJOR, s->transpose_a ? TRANSPOSE : NO_TRANSPOSE, s->transpose_b ? TRANSPOSE : NO_TRANSPOSE, (int)s->m, (int)s->n, (int)s->k, 1,
        a, (int)(s->transpose_a ? s->m : s->k), b, (int)(s->transpose_b ? s->k : s->n), 0, c, (int)s->n);
}

void
blas_dgemm(const struct gemm_shape *s, const double *a, const double *b, double *c)
{
    if (is_empty(s)) {
        __builtin_memset(c, 0, (size_t)(s->m * s->n) * sizeof *c);
        return;
    }
    atomic_load_explicit(&blas.dgemm, memory_order_relaxed)(
        ROW_MAJOR, s->transpose_a ? TRANSPOSE : NO_TRANSPOSE, s->transpose_b ? TRANSPOSE : NO_TRANSPOSE, (int)s->m, (int)s->n, (int)s->k, 1,
        a, (int)(s->transpose_a ? s->m : s->k), b, (int)(s->transpose_b ? s->k : s->n), 0, c, (int)s->n);
}
