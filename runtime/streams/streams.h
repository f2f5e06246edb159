/* streams: the sequential random numbers of a training under a convention: initial weights, the order of rows, and
 * what the steps draw.
 *
 * A *site* is a place of the model that draws: an initialiser, a dropout. Sites are made once, in the order in which
 * the framework's user constructs the layers, because Keras draws the seed of a site when its layer is made. Then
 * each site gives its draws: an initialiser one, in the same order; a dropout one a training step, in the order of
 * the forward pass. An epoch begins with stream_epoch.
 *
 * What a run does:
 *     streams_open, stream_site for each site, stream_draw for each initialiser
 *     for each epoch: stream_epoch, stream_order if it shuffles; for each step: stream_draw for each of its sites
 *
 * A resumed run makes the sites, leaves the initialisers' draws out, and calls streams_restore; inside an epoch it
 * goes on with stream_order without stream_epoch. Files of weights (--init) replace values, not draws: the
 * initialisers still draw before.
 *
 * Each of the three purposes may follow a convention of its own. Every convention that has a purpose goes through
 * all sites, draws and epochs, and what is not its own is thrown away: so a purpose's numbers are those of the
 * convention's whole run, and switching one purpose changes nothing of the others. */
#ifndef NNC_RUNTIME_STREAMS_STREAMS_H
#define NNC_RUNTIME_STREAMS_STREAMS_H
#include "ir/types.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum stream_purpose { STREAM_WEIGHTS, STREAM_ORDER, STREAM_STEPS, STREAM_PURPOSES };

enum stream_site_kind {
    STREAM_SITE_WEIGHT, /* an initialiser: one draw */
    STREAM_SITE_STEP,   /* a dropout, noise: a draw in each training step */
    /* Never drawn from, but it has a seed in Keras: copies that Bidirectional drops, the generator of a recurrent layer. */
    STREAM_SITE_SPENT
};

enum stream_law {
    STREAM_UNIFORM,     /* a: low, b: high */
    STREAM_NORMAL,      /* a: mean, b: deviation */
    STREAM_TRUNCATED,   /* the same; only torch takes low and high, the others cut at two deviations */
    STREAM_ORTHOGONAL,  /* a: gain; |rows| by count / rows */
    STREAM_KEEP,        /* a: the rate that is dropped; bool elements, true where a number is kept */
    STREAM_LAWS
};

/* |count| elements in row-major order of the framework's own layout: PyTorch's weight of a dense layer is [units,
 * in], a matrix of [in, units] is the transpose of what is drawn. */
struct stream_draw {
    enum stream_law law;
    enum elem elem;     /* f32 or f64; KEEP: bool */
    int64_t count;
    double a, b;
    double low, high;   /* cut-offs, as values */
    int64_t rows;
};

struct streams;

/* The convention of that name: its index; -1: there is none. "nnc"; "keras_tf"; "torch", with "torch_plain" and
 * "torch_mkl" for other builds of PyTorch (enum torch_build). */
int stream_convention_find(const char *name);
const char *stream_convention_name(int index); /* NULL behind the last */

/* |convention| is an index for each purpose. Returns NULL if memory is short. */
struct streams *streams_open(const int convention[STREAM_PURPOSES], int64_t seed);
void streams_close(struct streams *s);

/* Makes the next site; sites count from 0. |stream| is the digest of the site's path (nnc's own numbers depend on
 * it, and on nothing before them). Returns false if memory is short. */
bool stream_site(struct streams *s, enum stream_site_kind kind, uint64_t stream);
/* The next draw of |site| into |out|. Returns false if memory is short. */
bool stream_draw(struct streams *s, int site, const struct stream_draw *d, void *out);

/* The next epoch begins, which takes the rows in another order (|shuffle|) or in their own. */
void stream_epoch(struct streams *s, bool shuffle);
/* The order of the current epoch of |rows| rows: the same each time it is asked for. Returns false if memory is short. */
bool stream_order(struct streams *s, int64_t rows, int64_t *out);

/* The state as bytes, for a checkpoint. They depend on conventions, seed, sites and what was drawn, and on nothing else. */
size_t streams_saved_size(const struct streams *s);
void streams_save(const struct streams *s, uint8_t *out);
/* Returns false if the bytes are not those of streams with the same conventions, seed and sites; |s| is then in no
 * defined state. */
bool streams_restore(struct streams *s, const uint8_t *bytes, size_t size);
#endif
