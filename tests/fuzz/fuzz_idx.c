/* The first byte of an input is 1 for a compressed file, the rest is the file. */
#include "tests/fuzz/fuzz_tensor.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_tensor(data, size, idx_read);
    return 0;
}
