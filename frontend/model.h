/* model: what the checker leaves of a .nn file, and lowering to the graphs that run.
 *
 * The typed form of a definition is a graph made by the builder without a hook: every call is resolved, every compile-time
 * number known, every weight has its name and shape. Such a graph is a *template*: lowering copies it, node by node and
 * through the same builder, into the graph of a step. In eager mode that copy runs as it is made. */
#ifndef NNC_FRONTEND_MODEL_H
#define NNC_FRONTEND_MODEL_H
#include "frontend/number.h"
#include "frontend/sources.h"
#include "ir/graph.h"
#include "runtime/streams/streams.h"
#include "runtime/early_stop.h"

/* The optimiser's definition typed for weights of one type. Inputs of the template: p, g, step, epoch, then the states;
 * outputs: the new p (named "p"), then the new states. */
struct optimizer_template {
    struct type type;
    struct graph *update;
    struct graph *states;       /* inputs: p; outputs: the initial states in order */
    const char **names;         /* of the states */
    struct type *types;
    int nstates;
    bool has_rate;              /* the last output of `update` is the learning rate, "lr", f64 */
};

/* A row of check's table. */
struct layer_row {
    const char *path, *layer;   /* "h", "dense" */
    struct type type;           /* of its result */
    int64_t weights;            /* numbers in the weights that its call made, those of layers inside included */
    int depth;                  /* 0: called by the model */
    struct place place;
};

enum trained { TRAINED_NO, TRAINED_YES };

/* A place that draws random numbers, in the order in which layers are constructed (runtime/streams/streams.h). */
struct draw_site {
    bool weight;                /* an initialiser's, else one that draws in each training step */
    uint64_t stream;            /* nnc's own: the digest of its path */
    enum stream_law law;
    struct type type;
    double a, b;
    double low, high;           /* cut-offs of a truncated normal, as values */
    /* which of the template's draws it is: of `init` or of `train`; -1: an operation of the graph */
    int input;
};

struct model {
    const char *name;
    struct place place;
    /* the variables: weights and layer states in the order of their making, then the optimiser's */
    struct module *module;
    int nlayer_vars;            /* how many are not the optimiser's */
    uint8_t *trained;           /* a variable of kind WEIGHT: whether a loss reaches it */

    int ninputs;
    struct graph_output *inputs; /* names and types (node->type) of inputs and targets, in order */
    bool *is_target;
    int64_t *bound;             /* an integer input used as an index: its values lie in [0, bound); 0: no bound */

    /* Templates. Their inputs are the model's, then step, epoch, seed (i64). Outputs of `eval`: the model's outputs, then
     * what metrics need besides, then the loss (if there is one). Outputs of `train`: the loss; UPDATE nodes give the states
     * their new values. */
    struct graph *train, *eval;
    int noutputs;               /* outputs of the model */
    int nvalues;                /* with what metrics need besides */
    bool has_loss;
    /* an output a metric; NULL without metrics. Its input i is output metric_value[i] of eval, of a whole set */
    struct graph *metrics;
    int *metric_value;
    struct graph *init;         /* input: seed; an output a variable below nlayer_vars: its initial value */

    /* the inputs whose fits inverse(x, y) undoes, each once: its variables hold what undoes them, x * spread + middle */
    struct inverse {
        int input;
        int middle, spread;     /* variables of kind FITTED, f64 and of the shape of the input's rows */
        bool shown;             /* not only metrics use it */
        struct place place;
    } *inverses;
    int ninverses, inverses_cap;

    struct draw_site *sites;
    int nsites, sites_cap;
    /* inputs that the streams of a convention fill: of init behind seed, of train behind seed */
    int ninit_draws, nstep_draws;
    void **step_draws;          /* their memory in a step, set by who runs it */

    struct layer_row *layers;
    int nlayers, layers_cap;

    struct optimizer_template **optimizers; /* a variable below nlayer_vars: its template, or NULL */
    int *first_state;           /* index of its first optimiser state */
    struct place optimizer_place;
};

/* The statements of train, with their defaults. */
struct train_settings {
    struct place place;         /* of the section, of the model if there is none */
    bool has_optimizer;
    const char *optimizer;      /* name of the definition */
    int64_t batch, eval_batch, epochs, seed;
    bool shuffle, drop_last, train_metrics;
    double clip_norm, clip_global_norm, clip_value; /* 0: none */
    struct early_stop early;    /* on: NULL if the file does not say */
    struct place stop_place;
    int64_t folds;              /* 0: none */
    const char *stratify;       /* a name of the data block, or NULL */
    int64_t fold_seed;
    struct place folds_place, stratify_place;
    int64_t runs;               /* 0: one */
};

/* What a convention says that is no function: its block `convention NAME { ... }` (convention.c). */
struct facts {
    enum { LOSS_SHAPES_ERROR, LOSS_SHAPES_SQUEEZE, LOSS_SHAPES_BROADCAST } loss_shapes; /* [N] against [N, 1] in a loss */
    enum { EPOCH_LOSS_BY_SAMPLE, EPOCH_LOSS_BY_BATCH } epoch_loss;
    enum { VALID_PENALTY_INCLUDE, VALID_PENALTY_OMIT } valid_penalty;
    enum { VALID_BATCH_BATCH, VALID_BATCH_WHOLE } valid_batch; /* what eval_batch is unless train says it */
    bool shuffle;               /* unless train says it */
    const char *shuffle_order, *random, *dropout_stream; /* names of streams (runtime/streams) */
    bool logits_shortcut;
    unsigned said;              /* bit i: the convention's file says fact i; the others are nnc's */
};

/* Fact |i|, the value in words; false behind the last. convention.c */
bool fact_row(const struct facts *f, int i, const char **out_name, const char **out_value);

/* A loss that looks for what went into a softmax or sigmoid: where it is called, and whether it found and took it. */
struct shortcut {
    struct place place;
    bool taken;
};

/* A convention in which some definitions and facts are another one's: what compare switches. */
struct mixture {
    const char *other;          /* a convention: nnc, keras, torch or the path of a file; NULL: nothing is taken */
    const char *const *taken;   /* names of definitions and facts that are its own */
    int ntaken;
    /* [N] against [N, 1] in a loss is squeezed where the convention would refuse it: for a judge of outputs */
    bool judge;
};

/* What two conventions do differently for one file. */
struct difference {
    const char *name;           /* of a fact, or of a definition: its body and defaults together */
    const char *a, *b;          /* a fact's words; where a definition stands: "torch.nn:24" */
    bool is_fact;
};

struct setting {
    const char *name, *value;   /* --set NAME=VALUE, as written */
    bool used;
};

struct experiment {
    struct arena *arena;
    struct sources *sources;
    int file;
    const char *path, *folder;  /* of the .nn file */
    const char *follow;         /* nnc, keras, torch or the path of a file */
    struct facts facts;
    struct shortcut *shortcuts; /* of the training model, in order */
    int nshortcuts, shortcuts_cap;
    struct ast_file tree;
    const struct ast *data;     /* the section, or NULL */
    struct const_value { const char *name; struct number value; struct place place; bool faulty; } *consts;
    int nconsts, consts_cap;
    struct model model;
    bool has_model;
    struct train_settings train;
    struct definition *const *definitions; /* the checker's, for experiment_differences */
};

/* Reads and checks |path|. Everything lives in |arena|. Returns NULL if the file cannot be parsed at all; else check
 * diag->errors. check.c */
/* The prelude, a file of the program (prelude/NAME.nn, made into C by the build). prelude.c */
extern const char prelude_nnc[];
extern const unsigned prelude_nnc_length;
extern const char prelude_keras[], prelude_torch[];
extern const unsigned prelude_keras_length, prelude_torch_length;

struct experiment *experiment_check(struct arena *arena, struct sources *sources, const char *path, const char *follow,
                                    struct setting *settings, int nsettings, struct diag *diag);
/* The same under a mixture of |follow| and another convention; NULL: none. */
struct experiment *experiment_check_mixed(struct arena *arena, struct sources *sources, const char *path, const char *follow,
                                          const struct mixture *mixture, struct setting *settings, int nsettings,
                                              struct diag *diag);
/* The differences between two checks of one file: facts, and the definitions that either uses. In |arena|; gives their
 * number. difference.c */
int experiment_differences(const struct experiment *a, const struct experiment *b, struct arena *arena,
                           struct difference **out);

/* Lowering: each builds into |g|, which is empty and may carry a hook. Inputs are those of the template. lower.c */

/* Copies the nodes of |template| into |g|, those that |keep| holds by id (NULL: all; inputs always). inputs[i] stands for
 * input i (NULL: inputs are made anew); vars[k] is the VAR node of variable k of the module and is filled in where it is
 * made. Returns the copy of each node by its id, in |scratch|. Outputs are not copied. */
struct node **template_copy(struct graph *g, const struct graph *template, const bool *keep, struct node *const *inputs,
                            struct node **vars,
                            struct arena *scratch);

/* One training step: forward, loss, gradients, clipping, updates. Outputs: "loss", "lr" (f64; absent if the optimiser has
 * none). */
void lower_train(const struct model *m, const struct train_settings *t, struct graph *g);
/* Only the forward part and its loss, for dump. */
void lower_forward(const struct model *m, struct graph *g);
/* Outputs as the template's; |outputs_only|: the model's outputs and what they need, without the loss. */
void lower_eval(const struct model *m, bool outputs_only, struct graph *g);
void lower_metrics(const struct model *m, struct graph *g);
/* Initial values; input: seed. Outputs: one a variable, the optimiser's states too. */
void lower_init(const struct model *m, struct graph *g);
#endif
