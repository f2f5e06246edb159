/* exec: an array of instructions, made from the planned graph for one number of rows and kept for the last two: a smaller last batch of an
 * epoch costs no preparation. */
#include "runtime/exec.h"
#include "runtime/kernel_impl.h"
#include <stdlib.h>
#include <time.h>

struct instruction {
    struct prepared *prepared;      /* or, if NULL, */
    kernel_fn *kernel;
    const struct node *node;
    const struct tensor **in;
    struct tensor *out;
};

/* A tensor whose address belongs to the caller and may change between calls. */
struct patch {
    struct tensor *tensor;
    int64_t index;
    bool is_input;                  /* else a variable */
};

struct state {
    int64_t rows;                   /* -1: not prepared */
    struct arena arena;
    struct tensor *values;          /* of each node */
    struct instruction *code;
    struct patch *patches;
    int count, npatches, patches_cap;
};

enum { STATES = 2 };

struct exec {
    const struct graph *graph;
    struct tensor *vars;
    void *memory;                   /* the arena, behind it results that nobody reads */
    size_t bytes;
    struct kernel_context kernels;
    struct state states[STATES];
    int current;
    struct kernel_times *times;     /* NULL: nobody watches */
};

/* A RESHAPE of a constant is that constant. */
static const struct node *
constant_of(const struct node *n)
{
    while (n->op != OP_CONST && n->nin)
        n = n->in[0];
    return n;
}

void *
value_address(const struct node *n, void *arena, void *const *inputs, const struct tensor *vars)
{
    switch ((enum storage)n->storage) {
    case STORAGE_ARENA: return (char *)arena + n->offset;
    case STORAGE_VAR: return vars[n->offset].data;
    case STORAGE_INPUT: return inputs[n->offset];
    case STORAGE_CONST:
        n = constant_of(n);
        /* Whoever asks only reads. */
        return node_is_number(n) ? NULL : (void *)n->attr->value.data;
    case STORAGE_NONE: break;
    }
    return NULL;
}

static bool
same_place(const struct node *a, const struct node *b)
{
    if (a->storage != b->storage || a->storage == STORAGE_NONE)
        return false;
    return a->storage == STORAGE_CONST ? constant_of(a) == constant_of(b) : a->offset == b->offset;
}

/* ---- preparation ---- */

static bool
set_address(struct exec *e, struct state *s, const struct node *n, struct tensor *t)
{
    if (n->storage == STORAGE_INPUT || n->storage == STORAGE_VAR) {
        struct patch *p = ARENA_PUSH(&s->arena, s->patches, s->npatches, s->patches_cap);
        *p = (struct patch){t, n->offset, n->storage == STORAGE_INPUT};
    } else if (n->op == OP_CONST || n->storage == STORAGE_CONST) {
        const struct node *constant = constant_of(n);
        if (node_is_number(constant)) {
            if (!(t->data = arena_alloc(&s->arena, 8)))
                return false;
            scalar_store(constant, s->rows, t->data);
        } else
            t->data = (void *)constant->attr->value.data;
    } else if (n->storage == STORAGE_ARENA)
        t->data = (char *)e->memory + n->offset;
    return true;
}

/* The RESULT node that result |index| of |group| is written to: the last one; NULL if nobody reads it. */
static const struct node *
result_node(const struct graph *g, const struct node *group, int index)
{
    for (int i = g->count - 1; i > group->id; i--)
        if (g->nodes[i]->op == OP_RESULT && g->nodes[i]->in[0] == group && g->nodes[i]->attr->axis.axis == index)
            return g->nodes[i];
    return NULL;
}

/* Which value a node only passes on; NULL if it computes. */
static const struct node *
passed_on(const struct graph *g, const struct node *n)
{
    switch (n->op) {
    case OP_RESHAPE:
    case OP_STOP: return n->in[0];
    case OP_UPDATE: return n->in[1];
    case OP_RESULT: return n->in[0]->body->noutputs == 1 ? n->in[0] : result_node(g, n->in[0], n->attr->axis.axis);
    default: return NULL;
    }
}

static bool
is_multiple(const struct node *n)
{
    return n->op == OP_FUSED && n->body->noutputs > 1;
}

/* Bytes behind the arena for results that nobody reads, at most rows. */
static size_t
unread_bytes(const struct graph *g)
{
    size_t bytes = 0;
    for (int i = 0; i < g->count; i++)
        for (int r = 0; is_multiple(g->nodes[i]) && r < g->nodes[i]->body->noutputs; r++)
            if (!result_node(g, g->nodes[i], r))
                bytes += round64((size_t)type_bytes(&g->nodes[i]->body->outputs[r].node->type, g->max_rows));
    return bytes;
}

/* The tensors that a group with several results writes to. */
static struct tensor *
results_of(struct exec *e, struct state *s, const struct node *n, char **unread)
{
    int count = n->body->noutputs;
    struct tensor *out = ARENA_ARRAY(&s->arena, struct tensor, count);
    for (int r = 0; out && r < count; r++) {
        const struct node *result = result_node(e->graph, n, r);
        out[r].type = type_at(&n->body->outputs[r].node->type, s->rows);
        if (!result) {
            out[r].data = *unread;
            *unread += round64(dense_bytes(&out[r].type));
        } else if (!set_address(e, s, result, &out[r]))
            return NULL;
    }
    return out;
}

static bool
add_instruction(struct exec *e, struct state *s, const struct node *n, char **unread)
{
    const struct node *from = passed_on(e->graph, n);
    if (n->op == OP_INPUT || n->op == OP_VAR || n->op == OP_CONST || (from && (from == n || same_place(from, n))))
        return true;
    struct instruction *i = &s->code[s->count++];
    int nin = from ? 1 : n->nin;
    *i = (struct instruction){.kernel = from ? kernel_RESHAPE : kernel_of[n->op], .node = n, .out = &s->values[n->id]};
    i->in = ARENA_ARRAY(&s->arena, const struct tensor *, nin + 1);
    if (!i->in)
        return false;
    for (int k = 0; k < nin; k++)
        i->in[k] = &s->values[from ? from->id : n->in[k]->id];
    if (is_multiple(n) && !(i->out = results_of(e, s, n, unread)))
        return false;
    prepare_fn *prepare = from ? NULL : prepare_of(n->op);
    if (!prepare)
        return true;
    e->kernels.rows = s->rows;
    i->prepared = prepare(n, i->in, i->out, &e->kernels, &s->arena);
    return i->prepared && kernel_scratch(&e->kernels, i->prepared->scratch);
}

static bool
build(struct exec *e, struct state *s, int64_t rows)
{
    const struct graph *g = e->graph;
    char *unread = (char *)e->memory + round64((size_t)g->arena_bytes);
    arena_reset(&s->arena);
    s->count = s->npatches = s->patches_cap = 0;
    s->patches = NULL;
    s->rows = rows;
    s->values = ARENA_ARRAY(&s->arena, struct tensor, g->count);
    s->code = ARENA_ARRAY(&s->arena, struct instruction, g->count);
    if (!s->values || !s->code)
        return false;
    for (int i = 0; i < g->count; i++) {
        s->values[i].type = type_at(&g->nodes[i]->type, rows);
        if (!set_address(e, s, g->nodes[i], &s->values[i]))
            return false;
    }
    for (int i = 0; i < g->count; i++)
        if (!add_instruction(e, s, g->nodes[i], &unread))
            return false;
    return true;
}

static bool
prepare_state(struct exec *e, struct state *s, int64_t rows)
{
    jmp_buf oom;
    s->arena.oom = &oom;
    s->rows = -1;
    bool ok = !setjmp(oom) && build(e, s, rows);
    s->arena.oom = NULL;
    if (!ok)
        s->rows = -1;
    return ok;
}

struct exec *
exec_new_threads(const struct graph *g, struct tensor *vars, enum gemm gemm, struct threads *threads, struct diag *diag)
{
    unsigned before = float_enter();
    struct exec *e = calloc(1, sizeof *e);
    bool ok = e;
    if (e) {
        e->graph = g;
        e->vars = vars;
        e->kernels.gemm = gemm;
        e->kernels.threads = threads;
        e->bytes = round64((size_t)g->arena_bytes) + unread_bytes(g);
        e->memory = aligned_alloc(64, e->bytes + 64);
        ok = e->memory;
        /* Each state twice: an arena that was reset keeps one block, so the second time it is large enough for every time to come. */
        for (int i = 0; ok && i < 2 * STATES; i++)
            ok = prepare_state(e, &e->states[i / 2], g->max_rows);
        e->states[1].rows = -1;
    }
    float_leave(before);
    if (!ok) {
        diag_report(diag, OUT_OF_MEMORY, (struct place){0});
        exec_free(e);
        return NULL;
    }
    return e;
}

struct exec *
exec_new(const struct graph *g, struct tensor *vars, enum gemm gemm, struct diag *diag)
{
    return exec_new_threads(g, vars, gemm, NULL, diag);
}

void
exec_free(struct exec *e)
{
    if (!e)
        return;
    for (int i = 0; i < STATES; i++)
        arena_free(&e->states[i].arena);
    kernel_context_free(&e->kernels);
    free(e->memory);
    free(e);
}

/* ---- running ---- */

static struct state *
state_for(struct exec *e, int64_t rows)
{
    for (int i = 0; i < STATES; i++)
        if (e->states[i].rows == rows) {
            e->current = i;
            return &e->states[i];
        }
    e->current = (e->current + 1) % STATES;
    struct state *s = &e->states[e->current];
    return prepare_state(e, s, rows) ? s : NULL;
}

static bool
run_code(struct exec *e, struct state *s)
{
    for (int i = 0; i < s->count; i++) {
        struct instruction *c = &s->code[i];
        if (c->prepared)
            c->prepared->run(c->prepared, c->in, c->out, &e->kernels);
        else if (!c->kernel(c->node, c->in, c->out, &e->kernels))
            return false;
    }
    return true;
}

double
kernel_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

void
exec_watch(struct exec *e, struct kernel_times *times)
{
    e->times = times;
}

static bool
run_timed(struct exec *e, struct state *s)
{
    struct state one = *s;
    for (int i = 0; i < s->count; i++) {
        one.code = &s->code[i];
        one.count = 1;
        double start = kernel_clock();
        bool ok = run_code(e, &one);
        double end = kernel_clock();
        *(op_info[s->code[i].node->op].class == CLASS_CONTRACT ? &e->times->contractions : &e->times->others) += end - start;
        e->times->count++;
        e->times->readings += 2;
        if (!ok)
            return false;
    }
    return true;
}

bool
exec_run(struct exec *e, void *const *inputs, int64_t rows)
{
    unsigned before = float_enter();
    struct state *s = state_for(e, rows);
    if (s) {
        for (int i = 0; i < s->npatches; i++) {
            struct patch *p = &s->patches[i];
            p->tensor->data = p->is_input ? inputs[p->index] : e->vars[p->index].data;
        }
        e->kernels.rows = rows;
    }
    bool ok = s && (e->times ? run_timed(e, s) : run_code(e, s));
    float_leave(before);
    return ok;
}

struct tensor
exec_output(const struct exec *e, int index)
{
    return e->states[e->current].values[e->graph->outputs[index].node->id];
}

int64_t
exec_bytes(const struct exec *e)
{
    return (int64_t)e->bytes;
}

void *
exec_arena(const struct exec *e)
{
    return e->memory;
}
