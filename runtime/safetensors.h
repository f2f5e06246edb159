/* safetensors: reading and laying out files of named tensors (https://huggingface.co/docs/safetensors). The file is read
 * strictly: what the format does not allow is refused before anything is allocated for it. */
#ifndef NNC_RUNTIME_SAFETENSORS_H
#define NNC_RUNTIME_SAFETENSORS_H
#include "ir/diag.h"
#include "ir/types.h"

/* Element types of the format that we can read; more than our own. */
enum safetensors_elem {
#define ELEM(id, text, size) SAFETENSORS_##id,
#include "runtime/safetensors.def"
#undef ELEM
    SAFETENSORS_COUNT
};

struct safetensors_entry {
    const char *name;
    enum safetensors_elem elem;
    int rank;
    int64_t dim[RANK_MAX];
    int64_t from, bytes;        /* of the data, counted from the end of the header */
};

struct safetensors_text {
    const char *key, *value;
};

struct safetensors {
    const char *path;           /* the caller's */
    int fd;
    char *header;               /* the header's text, ended by a NUL */
    int64_t header_size;
    int64_t body;               /* where the data begins in the file */
    int count;
    struct safetensors_entry *entries; /* in the order of names */
    int ntexts;
    struct safetensors_text *texts;    /* __metadata__, in the order of keys */
    void *tree;                 /* owner of the names and texts */
    struct arena *arena;        /* that may jump while the file is open */
    struct arena_undo undo;
};

/* Opens PATH and reads its header. Reports with the file's name (exit 1) and returns false if it cannot be read or is
 * damaged. */
bool safetensors_open(struct safetensors *s, const char *path, struct diag *diag);
/* The same of the open file |fd| of |size| bytes, which becomes |s|'s also on failure; |path| is for messages. */
bool safetensors_open_descriptor(struct safetensors *s, const char *path, int fd, int64_t size, struct diag *diag);
void safetensors_close(struct safetensors *s);
/* NULL if there is none. */
const struct safetensors_entry *safetensors_find(const struct safetensors *s, const char *name);
const char *safetensors_text(const struct safetensors *s, const char *key);

/* Our element type for |e|: half precisions become f32, small integers i32, u32 i64; ELEM_COUNT for u64, which has none. */
enum elem safetensors_nearest(enum safetensors_elem e);
/* Whether safetensors_read can give |from| as |to|: any real number as f32 and f64 (rounded once), an integer as one that
 * holds all its values, bool as bool. */
bool safetensors_converts(enum safetensors_elem from, enum elem to);
enum safetensors_elem safetensors_elem_of(enum elem e);
const char *safetensors_elem_name(enum safetensors_elem e);
int safetensors_elem_size(enum safetensors_elem e);
/* |size| bytes at |offset| of the file. Reports and returns false if they cannot be read. */
bool safetensors_bytes(const struct safetensors *s, int64_t offset, void *out, int64_t size, struct diag *diag);

/* Reads the data of |entry| as |elem| into |out|, which has room for it. Subnormal numbers become zeros of their sign.
 * |out_digest|, if not NULL, gets the digest of the bytes in the file. Reports and returns false if the file is short or
 * memory is. */
bool safetensors_read(const struct safetensors *s, const struct safetensors_entry *entry, enum elem elem, void *out,
                      uint64_t *out_digest, struct diag *diag);

/* "f32[6, 12]" as type_text writes it. */
char *safetensors_type_text(const struct safetensors_entry *entry, char buffer[TYPE_TEXT]);
#endif
