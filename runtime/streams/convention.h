/* convention: what a convention of random streams is made of. Outside of this folder use streams.h. */
#ifndef NNC_RUNTIME_STREAMS_CONVENTION_H
#define NNC_RUNTIME_STREAMS_CONVENTION_H
#include "runtime/streams/python_random.h"
#include "runtime/streams/streams.h"
#include "runtime/streams/torch_random.h"

struct site {
    enum stream_site_kind kind;
    uint64_t stream;            /* the digest of its path */
    int64_t seed;               /* keras_tf: drawn when the site was made */
    int64_t draws;              /* done */
};

struct stream_convention;
/* The streams of one convention. */
struct stream_state {
    const struct stream_convention *convention;
    int64_t seed;
    int64_t epoch;              /* the current one, from 0; -1 before the first */
    struct site *sites;
    int nsites, sites_cap;
    struct torch_random torch;      /* torch: the default generator */
    int64_t sampler_seed;           /* torch: of the current epoch */
    struct python_random python;    /* keras_tf: gives the sites' seeds */
    void *scratch;                  /* grows, is kept */
    size_t scratch_size;
};

/* The next draw of |site|, whose |draws| counts those before. False if memory is short. */
typedef bool stream_law_fn(struct stream_state *s, const struct site *site, const struct stream_draw *d, void *out);

struct stream_convention {
    const char *name;
    void (*begin)(struct stream_state *s);                      /* |seed| is set */
    void (*site)(struct stream_state *s, struct site *site);    /* a new one; NULL: nothing to do */
    stream_law_fn *const *law;                                  /* by enum stream_law */
    void (*epoch)(struct stream_state *s, bool shuffle);        /* |epoch| is the new one; NULL: nothing to do */
    bool (*order)(struct stream_state *s, int64_t rows, int64_t *out);
    /* The draws share a generator: each is done, also where its numbers are not wanted. */
    bool sequential;
};

extern const struct stream_convention stream_nnc, stream_keras_tf, stream_torch, stream_torch_plain, stream_torch_mkl;

/* At least |bytes|; NULL if memory is short. */
void *stream_scratch(struct stream_state *s, size_t bytes);
/* Turns normal numbers, a matrix of d->rows rows (|tall|: of the greater of rows and columns), into the orthogonal
 * matrix of d->rows rows that they stand for, times the gain: the orthogonal factor of the matrix, or of its
 * transpose where it is wide. In place. */
bool stream_orthogonal(struct stream_state *s, const struct stream_draw *d, bool tall, void *values);
#endif
