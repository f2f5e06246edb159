/* check: what the files of the checker share. The checker runs a definition's text at compile time: numbers, branches,
 * repeats and shapes are known then, and each operation on tensors becomes a node of the template that is being built. */
#ifndef NNC_FRONTEND_CHECK_H
#define NNC_FRONTEND_CHECK_H
#include "frontend/model.h"
#include "frontend/name_map.h"
#include <string.h>

enum { INPUTS_MAX = 256, OUTPUTS_MAX = 256, WEIGHT_NAME_MAX = 255 };

struct definition {
    const char *name;
    int kind;                   /* AST_FUNCTION ... AST_OPTIMIZER */
    const struct ast *ast;
    int file;
    bool used;                  /* something looked it up */
    bool own;                   /* of the user's file or its includes */
    struct definition *next;    /* in its bucket */
};

enum value_kind {
    VALUE_ERROR,                /* something was reported; gives no further message */
    VALUE_NUMBER,               /* known at compile time */
    VALUE_ROWS,                 /* a multiple of N, known as such: rows is the dimension */
    VALUE_TENSOR,               /* node; is_number: of rank 0, and mixes with tensors as a number does */
    VALUE_FUNCTION,
    VALUE_LIST,
    VALUE_TEXT
};

struct value {
    enum value_kind kind;
    bool is_number;
    struct number number;
    int64_t rows;
    struct node *node;
    const struct closure *function;
    struct value *items;
    int nitems;
    const char *text;
};

/* One evaluated argument of a call. */
struct argument {
    const char *name;           /* NULL: by position */
    struct value value;
    struct place place;         /* of its value */
    struct place start;         /* of its name, if it has one */
    const struct ast *ast;
};

/* A definition or primitive with the arguments given so far. */
struct closure {
    const struct definition *def;
    const struct builtin *builtin;
    const struct argument *args;
    int nargs;
};

struct binding {
    const char *name;
    struct value value;
    struct place place;
    bool partial;               /* bound by one branch of an if only */
    int hidden;                 /* index of the binding of that name before, or -1 */
    int var;                    /* index of the variable that `state` or `weight` made, else -1 */
};

/* A call of a definition; the outermost one is the model. */
struct frame {
    struct frame *caller;
    const struct definition *def;   /* NULL: the model */
    const struct ast *call;         /* NULL: the model */
    struct place place;             /* of the call */
    const struct argument *args;    /* as written at the call, for messages */
    int nargs;
    struct binding *bindings;
    int nbindings, bindings_cap;
    struct name_map latest;         /* the last binding of each name, once there are more than a few */
    struct name_map counts;         /* how often a name was bound, for the names of weights */
    int path_length;                /* of the path of the binding that called it: names of weights in its body stand below */
    const char *iteration;          /* "[2]" inside a repeat, else "" */
    bool returned;
    struct value result;
    /* of weights and constants: the first floating tensor argument's, the model's first floating input's */
    enum elem elem;
    bool has_elem;                  /* the model: such an input was there */
    const char *word;               /* "loss", "metric": the statement being run, for messages */
    const char *owner;              /* optimiser: "adam/h.w/" stands before the names of its states */
};

/* An elementwise operation that spreads the rows of one operand along another axis. */
struct suspect {
    struct node *node;
    struct place place, inner;
    const char *message, *help, *where;
    bool reported;
};

/* What a mixture's judge puts in place of definitions and facts while a statement that it judges is run. */
struct judge {
    struct definition *definitions[256];
    struct facts facts;
    bool holds;                 /* they are in place */
};

enum purpose { FOR_MODEL, FOR_INIT, FOR_METRIC, FOR_OPTIMIZER };

struct checker {
    struct arena *arena;
    struct sources *sources;
    struct diag *diag;
    struct experiment *x;
    struct definition *definitions[256];    /* by name; the file's own before the prelude's */

    struct graph *graph;                    /* the template that nodes go to */
    struct node **vars;                     /* its VAR nodes, by variable */
    int vars_size;
    struct node *step, *epoch, *seed;       /* its INPUT nodes, or NULL */
    enum purpose purpose;
    bool training;
    int draws;                              /* random operations under the present path */

    struct optimizer_template *optimizer;   /* FOR_OPTIMIZER: what is being typed */

    struct frame *frame;
    int depth;
    char *path;                             /* of the bindings around this place */
    int path_length, path_cap;
    bool several;                           /* the right-hand side has several layer calls: each adds its layer's name */
    struct name_map layer_counts;
    struct name_map var_index;              /* of the module's variables, by full name */
    struct name_map made;                   /* the variables that this pass has made */
    struct name_map const_index;
    struct node **updates;                  /* of this pass, by variable: its UPDATE, or NULL */
    int updates_size;
    int64_t statements;                     /* run so far */
    struct suspect *suspects;
    int nsuspects, suspects_cap;

    struct node **imported;                 /* FOR_METRIC: by id of a node of `eval`, its INPUT node here */
    int imported_size;
    struct node **metric_vars;              /* the VAR nodes of the metrics' template */
    int metric_vars_size;
    struct graph *model_graph;              /* FOR_METRIC: the graph that values come from */
    struct graph_output *values;            /* FOR_METRIC: what is imported, in order */
    struct node **metric_inputs;            /* and its INPUT in the metrics' template */
    int nvalues, values_cap, metric_inputs_cap;

    struct node **losses;                   /* of this pass */
    int nlosses, losses_cap;
    struct graph_output *outputs, *metrics;
    int noutputs, outputs_cap, nmetrics, metrics_cap;
    struct place *output_places, *metric_places;
    int output_places_cap, metric_places_cap;
    struct setting *settings;
    int nsettings;
    const struct mixture *mixture;          /* NULL: one convention */
    enum { READING_OWN, READING_OTHER, READING_JUDGE } reading; /* whose convention is being read */
    struct judge *judge;                    /* NULL: the mixture has none */
    struct name_map judged;                 /* names that depend on a target, as the judge sees it */
};

/* -- messages: at the user's call, with a note at the line inside (check_report.c) ----------------- */

/* The place in the user's file that |inner| belongs to. */
struct place user_place(const struct checker *c, struct place inner);
/* The note for a message whose inner place differs from the user's. */
void note_inner(struct checker *c, struct place inner);
#define report(c, code, at, ...) (diag_report((c)->diag, code, user_place((c), (at)), ##__VA_ARGS__), note_inner((c), (at)))
const char *value_text(struct checker *c, const struct value *v); /* "f32[N, 10]", "3.5", "a function" */
const char *expression_text(struct checker *c, const struct ast *e);
/* The source of the statement that begins at |at|, to the end of its line. */
const char *statement_text(struct checker *c, struct place at);
bool mentions(const struct ast *e, const char *name);

/* -- values (check_value.c) ------------------------------------------------------------------------ */

struct value value_error(void);
struct value value_number(struct number n);
struct value value_whole(int64_t n);
struct value value_dim(int64_t dim);
struct value value_tensor(struct node *n);
struct value value_runtime_number(struct node *n);
/* |v| as a node of the present graph with element type |e|; numbers are rounded to it. NULL (reported) if it is neither. */
struct node *value_node(struct checker *c, const struct value *v, enum elem e, struct place at);
/* |v| as a tensor with its own element type; a number known at compile time becomes |otherwise|. */
struct node *value_any(struct checker *c, const struct value *v, enum elem otherwise, struct place at);
/* Appends a node; operands of other graphs are brought over. NULL (reported) if the types do not fit. */
struct node *build(struct checker *c, enum op op, int nin, struct node *const *in, const struct attr *attr,
                   const struct type *given, struct place at);
struct node *localize(struct checker *c, struct node *n, struct place at);
struct node *variable_node(struct checker *c, int var);
struct value binary_values(struct checker *c, int op, const struct value *a, const struct value *b, struct place at);
struct value unary_value(struct checker *c, int op, const struct value *a, struct place at);
struct value where_values(struct checker *c, const struct value *cond, const struct value *a, const struct value *b,
                          struct place at);
/* A MAP operation called by name. */
struct value map_values(struct checker *c, enum op op, int count, const struct value *v, struct place at);
/* A list of dimensions or one dimension; false (reported) if it is none. N is allowed where |rows|. */
bool value_shape(struct checker *c, const struct value *v, enum elem e, bool rows, struct type *out, struct place at);
bool value_count(struct checker *c, const struct value *v, const char *what, int64_t *out, struct place at);
/* A condition known at compile time. */
bool value_truth(struct checker *c, const struct value *v, bool *out, struct place at);

/* -- expressions (check_expression.c) and calls (check_call.c) ------------------------------------- */

struct value evaluate(struct checker *c, const struct ast *e);
struct value evaluate_call(struct checker *c, const struct ast *e);
/* Calls |f| with evaluated arguments. */
struct value apply(struct checker *c, const struct closure *f, const struct argument *args, int nargs,
                   const struct ast *call, struct place at);
struct value call_definition(struct checker *c, const struct definition *def, const struct argument *args, int nargs,
                             const struct ast *call,
                             struct place at);
/* The same, but gives the frame with what the body bound; NULL after a message. */
struct frame *run_definition(struct checker *c, const struct definition *def, const struct argument *args, int nargs,
                             const struct ast *call,
                             struct place at);
const struct definition *definition_find(const struct checker *c, const char *name);
/* The definition or primitive of that name as a value, VALUE_ERROR without a message if there is none. */
struct value function_named(struct checker *c, const char *name);
int count_layer_calls(struct checker *c, const struct ast *e);
/* How many leading parameters of a kind of definition are the compiler's. */
int compiler_parameters(int kind);
struct value lookup(struct checker *c, const char *name, struct place at);

/* -- statements (check_statement.c) ---------------------------------------------------------------- */

void run_block(struct checker *c, const struct ast *block);

/* What a model declares (check_declare.c). */
void run_input(struct checker *c, const struct ast *s);  /* input NAME: TYPE and target NAME: TYPE */
void run_output(struct checker *c, const struct ast *s);
void run_loss(struct checker *c, const struct ast *s);   /* loss and penalty */
void run_metric(struct checker *c, const struct ast *s);

/* -- names and their paths (check_binding.c) ------------------------------------------------------- */

struct binding *bind_name(struct checker *c, const char *name, struct value v, struct place at);
struct binding *find_binding(struct frame *f, const char *name);
/* Lengthens the path by a binding's element and returns the old length, for path_restore. */
int path_push(struct checker *c, const char *element);
void path_restore(struct checker *c, int length);
/* Counts one more binding of an interned name. */
int count_name(struct checker *c, struct name_map *counts, const char *name);

/* What is given back after a binding's right-hand side. */
struct naming {
    int length;
    bool several;
    struct name_map counts;
    int draws;
};
/* Opens the path of a binding of |name|: x, x.2 (bound again), x[1] (in a repeat). */
struct naming open_binding(struct checker *c, const char *name, const struct ast *rhs);
void close_binding(struct checker *c, const struct naming *saved);
/* |rhs| under the path of |name|. */
struct value evaluate_bound(struct checker *c, const char *name, const struct ast *rhs);

/* -- weights and states (check_variable.c) --------------------------------------------------------- */

/* Whether a function's body is being run, which has no weights and states. */
bool in_function(const struct checker *c);
/* Makes or finds the variable of the present path. Its initial value is an output of the init template, which begin_graph
 * turns to. */
int make_variable(struct checker *c, const char *name, const struct type *type, enum variable_kind kind, struct place at);
/* state NAME = INITIAL: in a layer or the model it is a variable of the module, in an optimiser one of each weight. */
void run_state(struct checker *c, const struct ast_arg *a);
/* update NAME = VALUE: below it the name is the new value. */
void run_update(struct checker *c, const struct ast_arg *a);

/* Nodes go to |g| until end_graph. */
struct saved {
    struct graph *graph;
    struct node **vars;
    int vars_size;
    struct node *step, *epoch, *seed;
    enum purpose purpose;
};
struct saved begin_graph(struct checker *c, struct graph *g, enum purpose purpose);
void end_graph(struct checker *c, const struct saved *s);

/* -- conventions (convention.c) -------------------------------------------------------------------- */

void facts_default(struct facts *f);
/* The facts of a section `convention NAME { ... }`. */
void run_convention(struct checker *c, const struct ast *section);
/* Whether a fact or definition of the convention that is being read holds. */
bool convention_holds(const struct checker *c, const char *name);
/* Puts the judge's definitions and facts in place of the others, and back. check.c */
void judge_swap(struct checker *c);
/* The text of a convention that is part of the program; false if there is none of that name. nnc is the prelude itself. */
bool convention_text(const char *name, const char **out_text, size_t *out_length);

/* -- the primitives (builtins.c) ------------------------------------------------------------------- */

const struct builtin *builtin_find(const char *name);
const char *builtin_name(const struct builtin *b);
bool builtin_is_layer(const struct builtin *b);
struct value builtin_call(struct checker *c, const struct builtin *b, const struct argument *args, int nargs,
                          struct place at);
int builtin_names(const char **out, int max);

/* -- the model and train sections (check_model.c, check_train.c) ----------------------------------- */

void check_model(struct checker *c, const struct ast *section);
/* The input of the model whose elements, all of them and nothing else, |n| holds: copies, other shapes, other whole types.
 * NULL if there is none. */
const struct node *model_input(const struct checker *c, const struct node *n);
/* |index| chooses among |dim| rows: if it is an input of the model, its data are held to that. */
void bound_index(struct checker *c, const struct node *index, int64_t dim, struct place at);
/* Runs |body| with the graph's inputs step, epoch, seed as names; the three are the last inputs of a template. */
void add_numbers(struct checker *c);
void check_train(struct checker *c, const struct ast *section);
#endif
