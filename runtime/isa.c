#include "runtime/isa.h"

#define VARIANT(v, condition)                                                                                                 \
    {#v, rows_##v, casts_##v, reduces_##v, gemm_f32_##v, gemm_f64_##v, conv_f32_##v, conv_f64_##v, transpose_f32_##v, qr_##v,                    \
     uniform_f32_##v, uniform_f64_##v, normal_f32_##v, normal_f64_##v, philox_##v},
static const struct isa isas[] = {ISA_VARIANTS(VARIANT)};
enum { ISAS = sizeof isas / sizeof *isas };

int
isa_count(void)
{
    return ISAS;
}

const struct isa *
isa_get(int index)
{
    int i = 0;
#define RUNS(v, condition)                 \
    if (index == i++)                      \
        return (condition) ? &isas[index] : NULL;
    ISA_VARIANTS(RUNS)
    return NULL;
}

const struct isa *
isa_host(void)
{
    for (int i = ISAS - 1; i > 0; i--)
        if (isa_get(i))
            return isa_get(i);
    return &isas[0];
}

bool
cpu_check(struct diag *diag)
{
    if (isa_get(0))
        return true;
    diag_subject(diag, CPU_TOO_OLD, NULL);
    return false;
}
