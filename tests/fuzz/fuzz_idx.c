/* The first byte of an input is 1 for a compressed file, the rest is the file. */
#include "runtime/data/readers.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[256];
    struct arena arena;
    struct diag diag;
    struct data_source s;
    struct tensor t = {.data = NULL};
    if (!size)
        return 0;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    bool good = source_open(&s, fuzz_file(data + 1, size - 1, data[0] == 1, name), NULL, &diag);
    if (good) {
        good = idx_read(&s, &t);
        source_close(&s);
    }
    if (good != (t.data != NULL))
        abort();
    fuzz_told(good, &diag);
    tensor_free(&t);
    unlink(name);
    arena_free(&arena);
    return 0;
}
