/* fuzz: what the fuzz targets share. Each reads an input as its reader would, looks at all that came out, and must neither crash,
 * leak, nor take memory that the input does not account for. */
#ifndef NNC_TESTS_FUZZ_H
#define NNC_TESTS_FUZZ_H
#include "ir/diag.h"
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file of the temporary folder that holds the input; its name ends in .gz with |packed|. The name is that of a buffer of the
 * caller, the file is to be unlinked. */
static inline const char *
fuzz_file(const uint8_t *data, size_t size, int packed, char name[256])
{
    const char *folder = getenv("TMPDIR");
    snprintf(name, 256, "%s/nnc-fuzz-XXXXXX%s", folder ? folder : P_tmpdir, packed ? ".gz" : "");
    int fd = mkstemps(name, packed ? 3 : 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    close(fd);
    return name;
}

/* Fails unless there is a message exactly where there is no result. */
static inline void
fuzz_told(int good, const struct diag *diag)
{
    if (good ? diag->errors : !diag->errors)
        abort();
    for (const struct diagnostic *d = diag->first; d; d = d->next)
        if (!d->message || !*d->message)
            abort();
}
#endif
