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

/* Whose norm `clip` limits: a weight's own gradient's, or that of all gradients together. */
enum { CLIP_OWN, CLIP_ALL, CLIPS };

/* Inputs of an optimiser's template; the states follow. SQUARES, SIZES: the sums of squares and of absolute values of what g was summed from, where g is
 * the gradient of a table whose rows were gathered; else g * g and |g|. */
enum { IN_P, IN_G, IN_STEP, IN_EPOCH, IN_SQUARES, IN_SIZES, IN_STATES };
enum { IN_LENGTH_G, IN_LENGTH_SQUARES };

/* The optimiser's definition typed for weights of one type. Outputs of the template: the new p (named "p"), then the new states. */
struct optimizer_template {
    struct type type;
    struct graph *update;
    struct graph *states;       /* inputs: p; outputs: the initial states in order */
    const char **names;         /* of the states */
    struct type *types;
    int nstates;
    bool has_rate;              /* the last output of `update` is the learning rate, "lr", f64 */
    struct graph *length;       /* where train clips, the prelude's length_squared. Inputs: IN_LENGTH_... */
    struct graph *factor[CLIPS]; /* the prelude's clip_factor, or NULL. Input: a norm */
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
    double clip_norm[CLIPS], clip_value; /* 0: none */
    struct place clip_place;
    struct early_stop early;    /* on: NULL if the file does not say */
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
    int line[16];               /* where the convention's file says fact i; 0: it does not, and the fact is nnc's */
};

/* Fact |i|, the value in words, and the line that says it (0: none, the value is nnc's); false behind the last. convention.c */
bool fact_row(const struct facts *f, int i, const char **out_name, const char **out_value, int *out_line);
/* What fact |i| decides, in words that go on after "is the cause: ". */
const char *fact_means(int i);

/* A parameter that a call left to its default. */
struct default_taken {
    const struct ast *definition;
    const struct ast_arg *parameter;
    int file;                   /* where the definition stands */
};

/* A loss that looks for what went into a softmax or sigmoid: where it is called, and whether it found and took it. */
struct shortcut {
    struct place place;
    bool taken;
};

/* What two sides do differently: the unit that compare switches. */
struct difference {
    enum { DIFFERS_FACT, DIFFERS_DEFINITION, DIFFERS_DEFAULT, DIFFERS_STATEMENT } kind;
    /* of a fact; of a definition, its body and defaults together: "adam"; of a default, where bodies are equal: "adam.epsilon"; of a
     * statement: "model.h", "train.batch" */
    const char *name;
    const char *a, *b;          /* a fact's words, a default's or statement's text ("-": there is none), where a definition stands */
    const char *place_a, *place_b; /* "torch.nn:24", "nnc": a fact that its convention does not say, "-": a statement that is not there */
    const char *means;          /* a fact: what it decides, in words */
    const char *definition, *parameter; /* a default: whose */
    const struct ast *value_a, *value_b; /* and what it is */
};

/* One thing that a mixture takes from its other convention: a definition or a fact, or one default of a definition. */
struct taken {
    const char *name, *parameter; /* parameter: NULL: the whole definition */
    const struct ast *value;    /* of the parameter */
};

/* How a check departs from its file and convention. Zeroed: in nothing. */
struct mixture {
    const char *other;          /* a convention: nnc, keras, torch or the path of a file; NULL: nothing is taken */
    const struct taken *taken;
    int ntaken;
    const struct ast_file *file; /* the file as it was read before, or statements of two files; NULL: it is read */
    /* Whose loss_shapes, definitions and other facts hold in what losses, penalties, metrics and all that depends on a target say: one
     * judge for outputs that different conventions gave. What it would refuse, [N] against [N, 1], it squeezes. NULL: no other ones. */
    const char *judge;
    const struct ast *judge_block; /* a file whose definitions hold there, too; NULL: the file's own alone */
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
    struct default_taken *defaults; /* each once, in the order of the calls */
    int ndefaults, defaults_cap;
    const struct ast *train_block; /* of the section train, or NULL */
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
/* The differences between two checks of one file: facts, and the definitions that either uses, or their defaults. In |arena|; gives
 * their number. difference.c */
int experiment_differences(const struct experiment *a, const struct experiment *b, struct arena *arena,
                           struct difference **out);

/* The statements of two files side by side: those of one place in both, and those that only one has. statements.c */
struct merged;
/* Stores the statements that differ in |out| and gives their number. Statements of the sections data, model and train are compared one
 * by one, definitions whole. */
int statements_differ(struct sources *sources, const struct ast_file *a, const struct ast_file *b, struct arena *arena,
                      struct merged **out_merged, struct difference **out);
/* The file that has statement |i| of the differences from b where from_b[i]; |judged|: its losses, penalties and metrics are a's. */
struct ast *statements_merge(const struct merged *m, const bool *from_b, bool judged, struct arena *arena);
/* Whether a statement of the data block reads a file, whose path is relative to the folder of its own .nn file. */
bool statement_reads(const struct ast *s);
/* Whether statement |i| decides about data: whether a mixture of them can be used is known only after the data are read. */
bool statement_touches_data(const struct merged *m, int i);

/* Lowering: each builds into |g|, which is empty and may carry a hook. Inputs are those of the template. lower.c */

/* Copies the nodes of |template| into |g|, those that |keep| holds by id (NULL: all; inputs always). inputs[i] stands for
 * input i (NULL: inputs are made anew); vars[k] is the VAR node of variable k of the module and is filled in where it is
 * made. Returns the copy of each node by its id, in |scratch|. Outputs are not copied. */
struct node **template_copy(struct graph *g, const struct graph *template, const bool *keep, struct node *const *inputs,
                            struct node **vars,
                            struct arena *scratch);

/* One training step: forward, loss, gradients, clipping, updates. Outputs: "loss", "lr" (f64; absent if the optimiser has
 * none). Returns the loss's gradient by each variable, before clipping, in |g|'s arena; NULL for those that are not trained. */
struct node *const *lower_train(const struct model *m, const struct train_settings *t, struct graph *g);
/* Only the forward part and its loss, for dump. */
void lower_forward(const struct model *m, struct graph *g);
/* Outputs as the template's; |outputs_only|: the model's outputs and what they need, without the loss. */
void lower_eval(const struct model *m, bool outputs_only, struct graph *g);
void lower_metrics(const struct model *m, struct graph *g);
/* Initial values; input: seed. Outputs: one a variable, the optimiser's states too. */
void lower_init(const struct model *m, struct graph *g);
#endif
