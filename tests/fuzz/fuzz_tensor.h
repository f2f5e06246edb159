/* fuzz_tensor: a reader of files that hold one tensor. */
#ifndef NNC_TESTS_FUZZ_TENSOR_H
#define NNC_TESTS_FUZZ_TENSOR_H
#include "runtime/data/readers.h"
#include "tests/fuzz/fuzz.h"

/* Reads the input behind its first byte, which is 1 for a compressed file. */
static inline void
fuzz_tensor(const uint8_t *data, size_t size, bool (*read)(struct data_source *, struct tensor *))
{
    char name[256];
    struct arena arena;
    struct diag diag;
    struct data_source s;
    struct tensor t = {.data = NULL};
    if (!size)
        return;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    bool good = source_open(&s, fuzz_file(data + 1, size - 1, data[0] == 1, name), NULL, &diag);
    if (good) {
        good = read(&s, &t);
        source_close(&s);
    }
    if (good != (t.data != NULL))
        abort();
    fuzz_told(good, &diag);
    tensor_free(&t);
    unlink(name);
    arena_free(&arena);
}
#endif
