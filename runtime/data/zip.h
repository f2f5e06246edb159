/* zip: the directory of a zip archive (PKWARE APPNOTE 6.3), as NumPy writes them in .npz files. Read strictly: nothing that one
 * program reads in one way and another in another way is taken. Nothing is ever written. */
#ifndef NNC_RUNTIME_DATA_ZIP_H
#define NNC_RUNTIME_DATA_ZIP_H
#include "ir/diag.h"

struct zip_entry {
    const char *name;
    int64_t local;         /* offset of its own header */
    int64_t data, packed;  /* offset and size of its bytes */
    int64_t size;          /* unpacked, as announced */
    uint32_t crc;          /* of the unpacked bytes */
    bool deflated;         /* else stored */
};

struct zip {
    const char *name;      /* for messages; the caller's */
    int fd;                /* the caller's */
    int64_t size;
    struct zip_entry *entries; /* in the order of their places in the file; in the arena of the diag */
    int count;
};

/* Reads the directory of the archive |fd|. Reports "NAME:OFFSET" and returns false if it is damaged, or has members that are
 * encrypted, packed in another way than deflate, doubled, overlapping, or have names that lead out of a folder. */
bool zip_open(struct zip *z, const char *name, int fd, int64_t size, struct diag *diag);
#endif
