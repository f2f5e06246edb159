/* checkpoint: weights, states and the place of a training in a safetensors file, written whole or not at all.
 *
 * Variables stand under their names; the rest is __metadata__ with keys `nnc.`: position, versions, a digest for each
 * tensor and one over the header itself. Where `stop` restores the best epoch, the names hold that epoch's weights and
 * layer states from its end on, and nnc/now/NAME those that the training goes on from: whoever reads weights gets the best,
 * and the file still depends on the steps done alone. The bytes depend on the model, the data, the seed and the steps done, and on
 * nothing else. */
#ifndef NNC_RUNTIME_CHECKPOINT_H
#define NNC_RUNTIME_CHECKPOINT_H
#include "runtime/program.h"

/* Where a training stands, between two steps. After an epoch's last step the epoch counts as done. */
struct checkpoint_position {
    int64_t step;           /* steps done */
    int64_t epoch;          /* epochs done */
    int64_t epoch_rows;     /* rows of the current epoch that are done */
    double loss_sum;        /* over the steps of the current epoch: loss * weight */
    double loss_weight;     /* and the weights */
    int64_t seed;
    int64_t rows;           /* of the training set; 0: unknown */
    int64_t shuffled;       /* 1: rows in the order of shuffle_order, 0: in the set's own */
    /* What `stop` watches: its best value, and after which epoch that was; 0: none yet. */
    double best;
    int64_t best_epoch;
    uint64_t data;          /* digest of the training set's rows; 0: unknown */
};

enum checkpoint_use {
    /* --weights, --init: every weight is needed; states of layers are taken, the optimiser's ignored */
    CHECKPOINT_WEIGHTS,
    CHECKPOINT_RESUME       /* everything is needed, in the very types */
};

/* Writes PATH, with model->best if there is one and at->best_epoch > 0; what had that name before is PATH.prev afterwards. Reports (exit 3) and returns false on failure, when PATH
 * is as it was. */
bool checkpoint_save(const char *path, const struct model_info *model, const struct checkpoint_position *at,
                     struct diag *diag);
/* Bytes of the file, at most. */
int64_t checkpoint_bytes(const struct model_info *model);

/* Reads PATH into the model's variables and, if it is nnc's, the position into |out_at| (zeros otherwise; may be NULL).
 * Files of other programs serve as weights: real numbers of any width. Reports with the file's name (exit 1) and returns
 * false if it is damaged, does not fit (with a table of what does not) or holds values that are not finite; the variables
 * are then in no defined state. To resume, the best epoch's values go to model->best if there is one. */
bool checkpoint_load(const char *path, const struct model_info *model, enum checkpoint_use use,
                     struct checkpoint_position *out_at, struct diag *diag);

/* How a file calls our variables, where it calls them otherwise. */
struct checkpoint_names {
    struct checkpoint_name {
        const char *ours, *theirs;
        bool turned;            /* our axis i is the file's axis axes[i]; else they are the same */
        uint8_t axes[RANK_MAX];
    } *pair;
    int count;
};
/* Reads such names from a JSON object {"name in the model": "name in the file", ...}, with {"name": "name in the file", "axes": [1, 0]} where the
 * axes of the two lie otherwise; they live in |arena|. Reports with the file's name (exit 1) and returns false if it is something else, or
 * names what the model does not have. */
bool checkpoint_names_read(const char *path, const struct model_info *model, struct arena *arena,
                           struct checkpoint_names *out, struct diag *diag);
/* checkpoint_load as CHECKPOINT_WEIGHTS, of a file that calls the variables by |names|. */
bool checkpoint_load_named(const char *path, const struct model_info *model, const struct checkpoint_names *names,
                           struct diag *diag);

/* "nan" or "infinite" if the variable holds a value that cannot be saved: NaN, or an infinite weight; with the element.
 * NULL if it is sound. */
const char *checkpoint_fault(const struct variable *v, const struct tensor *value, int64_t *out_element);

/* What both directions share. The header of nnc's files begins with CHECKPOINT_PREFIX, followed by the digest of all that
 * comes after it. */
#define CHECKPOINT_PREFIX "{\"__metadata__\":{\"nnc.digest\":\""
enum position_kind { POSITION_WHOLE, POSITION_REAL, POSITION_DIGEST };
struct position_field {
    const char *key;
    int offset;
    enum position_kind kind; /* decimal digits, or the bits of an f64 or a digest in hexadecimal */
};
enum { POSITION_FIELDS = 11 };
#define CHECKPOINT_NOW "nnc/now/"
extern const struct position_field position_fields[POSITION_FIELDS];
/* Of names, types and model->digest. */
uint64_t checkpoint_model_digest(const struct model_info *model);
#endif
