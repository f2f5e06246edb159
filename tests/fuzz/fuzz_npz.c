/* An input is an archive: its directory and all its members are read. */
#include "runtime/data/readers.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[256];
    struct arena arena;
    struct diag diag;
    struct zip z;
    int64_t bytes;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    int fd = source_descriptor(fuzz_file(data, size, 0, name), NULL, &bytes, &diag);
    if (fd < 0)
        abort();
    bool good = zip_open(&z, name, fd, bytes, &diag);
    fuzz_told(good, &diag);
    for (int i = 0; good && i < z.count && i < 100; i++) {
        struct tensor t;
        diag_init(&diag, &arena);
        fuzz_told(npz_read(&z, &z.entries[i], &t, &diag), &diag);
        tensor_free(&t);
    }
    close(fd);
    unlink(name);
    arena_free(&arena);
    return 0;
}
