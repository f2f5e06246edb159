/* float_env: the rounding and flushing that numerics.md, item 10, demands of every thread that computes. */
#include "runtime/kernels.h"

#if defined __x86_64__
#include <immintrin.h>

enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x40, ROUNDING = 0x6000, FLAGS = 0x3f };

unsigned
float_enter(void)
{
    unsigned before = _mm_getcsr();
    unsigned now = (before & ~(unsigned)ROUNDING) | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO;
    if (now != before)
        _mm_setcsr(now);
    return before;
}

/* The exception flags that were raised meanwhile are dropped with the state. */
void
float_leave(unsigned before)
{
    if ((_mm_getcsr() & ~(unsigned)FLAGS) != (before & ~(unsigned)FLAGS))
        _mm_setcsr(before);
}

#elif defined __aarch64__

enum { FLUSH_TO_ZERO = 1 << 24, ROUNDING = 3 << 22 };

unsigned
float_enter(void)
{
    unsigned long before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    unsigned long now = (before & ~(unsigned long)ROUNDING) | FLUSH_TO_ZERO;
    __asm__ volatile("msr fpcr, %0" : : "r"(now));
    return (unsigned)before;
}

void
float_leave(unsigned before)
{
    unsigned long state = before;
    __asm__ volatile("msr fpcr, %0" : : "r"(state));
}
#endif
