/* blas: OpenBLAS, loaded when --gemm openblas asks for it. Only after blas_load() gave true. */
#ifndef NNC_RUNTIME_BLAS_H
#define NNC_RUNTIME_BLAS_H
#include "runtime/isa.h"

void blas_sgemm(const struct gemm_shape *s, const float *a, const float *b, float *c);
void blas_dgemm(const struct gemm_shape *s, const double *a, const double *b, double *c);
#endif
