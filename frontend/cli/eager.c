/* eager: each node runs its kernel as soon as the builder has appended it; the graph is dropped after the step. */
#include "frontend/cli/lives.h"
#include "frontend/cli/program.h"
#include "passes/pass.h"
#include "runtime/exec.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 64, QUARTERS = 4, CLASSES = 40 * QUARTERS };

/* Memory of one step's values: given out in a row, taken back at once, and kept for the next step. What comes back within a step
 * waits in the list of its size for the next value of that size. */
struct pool {
    char *block;
    size_t size, used;
    size_t wanted;              /* by this step in all */
    void **more;                /* blocks for what did not fit in this step */
    int nmore, more_cap;
    void *back[CLASSES];        /* each begins with the address of the next */
};

struct eager {
    const struct model *model;
    const struct train_settings *train;
    struct tensor *values;      /* of the variables */
    struct arena steps;         /* nodes of the present step */
    struct pool pool;
    struct kernel_context kernels;
    struct graph *graph;
    struct arena *arena;        /* lives as long as this */
    struct arena_undo undo;
    struct life *train_lives, *eval_lives; /* NULL: no such step was made yet */
    const struct life *lives;   /* of the present step; NULL: its values keep their memory */
    void *const *inputs;
    bool failed;                /* memory was short */
    bool outputs_only;
    lowered_fn *lowered;
    void *lowered_context;
    bool watch;
    const struct node *bad;
    struct kernel_times *times;
    struct pending { struct tensor *var; const struct tensor *value; } *pending;
    int npending, pending_cap;
    const struct tensor **shown;
    struct tensor *scalars;
    bool has_rate;              /* of the last step: output 1 is the learning rate */
    double rate;
    void **addresses;
};

/* The class of a size, which is rounded up to the end of its class: a quarter of the way from one power of two to the next. */
static int
pool_class(size_t *size)
{
    size_t units = *size ? (*size - 1) / ALIGN : 0;
    int shift = units < QUARTERS ? 0 : 61 - __builtin_clzl(units); /* the quarter is in the two bits behind the first */
    size_t quarter = units >> shift;
    *size = (quarter + 1) * (ALIGN << shift);
    return shift * QUARTERS + (int)quarter;
}

static void *
pool_more(struct pool *p, size_t size)
{
    if (p->nmore == p->more_cap) {
        int cap = p->more_cap ? p->more_cap * 2 : 64;
        void **more = realloc(p->more, sizeof *more * (size_t)cap);
        if (!more)
            return NULL;
        p->more = more;
        p->more_cap = cap;
    }
    void *m = aligned_alloc(ALIGN, size);
    if (m)
        p->more[p->nmore++] = m;
    return m;
}

static void *
pool_alloc(struct pool *p, size_t size)
{
    void **back = &p->back[pool_class(&size)], *m = *back;
    if (m) {
        *back = *(void **)m;
        return m;
    }
    p->wanted += size;
    if (size > p->size - p->used)
        return pool_more(p, size);
    p->used += size;
    return p->block + p->used - size;
}

static void
pool_give(struct pool *p, void *m, size_t size)
{
    void **back = &p->back[pool_class(&size)];
    *(void **)m = *back;
    *back = m;
}

static void
pool_reset(struct pool *p)
{
    for (int i = 0; i < p->nmore; i++)
        free(p->more[i]);
    if (p->nmore) {
        free(p->block);
        p->block = aligned_alloc(ALIGN, p->wanted);
        p->size = p->block ? p->wanted : 0;
    }
    p->nmore = 0;
    p->used = p->wanted = 0;
    memset(p->back, 0, sizeof p->back);
}

static void
pool_free(struct pool *p)
{
    for (int i = 0; i < p->nmore; i++)
        free(p->more[i]);
    free(p->block);
    free(p->more);
    *p = (struct pool){0};
}

static bool
all_finite(const struct tensor *t)
{
    int64_t n = tensor_count(t);
    if (t->type.elem == ELEM_F32) {
        for (int64_t i = 0; i < n; i++)
            if (!isfinite(((const float *)t->data)[i]))
                return false;
    } else if (t->type.elem == ELEM_F64)
        for (int64_t i = 0; i < n; i++)
            if (!isfinite(((const double *)t->data)[i]))
                return false;
    return true;
}

static void
watch(struct eager *e, const struct node *n, const struct tensor *t)
{
    if (!e->bad && t->data && !all_finite(t))
        e->bad = n;
}

static void
add_pending(struct eager *e, struct node *n)
{
    if (e->npending == e->pending_cap) {
        int cap = e->pending_cap ? e->pending_cap * 2 : 64;
        struct pending *p = realloc(e->pending, sizeof *p * (size_t)cap);
        if (!p) {
            e->failed = true;
            return;
        }
        e->pending = p;
        e->pending_cap = cap;
    }
    e->pending[e->npending++] = (struct pending){&e->values[n->in[0]->attr->name.index], n->in[1]->data};
}

/* What a node's value is made from; false: it is computed by its kernel. */
static bool
take_value(struct eager *e, struct node *n, struct tensor *t)
{
    switch (n->op) {
    case OP_INPUT: t->data = e->inputs[n->attr->name.index]; return true;
    case OP_VAR: t->data = e->values[n->attr->name.index].data; return true;
    case OP_RESHAPE:
    case OP_STOP: t->data = ((const struct tensor *)n->in[0]->data)->data; return true;
    case OP_UPDATE:
        t->data = ((const struct tensor *)n->in[1]->data)->data;
        add_pending(e, n);
        return true;
    default: return false;
    }
}

static void
add_times(struct kernel_times *t, const struct node *n, double start, double middle)
{
    t->memory += middle - start;
    *(op_info[n->op].class == CLASS_CONTRACT ? &t->contractions : &t->others) += kernel_clock() - middle;
    t->count++;
    t->readings += 3;
}

static void *
place_of(struct eager *e, const struct node *n, int64_t bytes)
{
    int place = e->lives ? e->lives[n->id].place : LIFE_NEW;
    if (place < LIFE_NEW)
        return e->values[-2 - place].data;
    if (place > LIFE_NEW)
        return ((const struct tensor *)e->graph->nodes[place]->data)->data;
    return bytes < 0 ? NULL : pool_alloc(&e->pool, (size_t)bytes);
}

static void
end_lives(struct eager *e, const struct node *n)
{
    for (int i = e->lives[n->id].ends; i >= 0; i = e->lives[i].next) {
        const struct tensor *t = e->graph->nodes[i]->data;
        pool_give(&e->pool, t->data, (size_t)tensor_bytes(t));
    }
}

static bool
compute(struct eager *e, struct node *n, struct tensor *t)
{
    int64_t bytes = tensor_bytes(t);
    const struct tensor *local[8], **in = local;
    if (n->nin > 8)
        in = ARENA_ARRAY(&e->steps, const struct tensor *, n->nin);
    for (int i = 0; i < n->nin; i++)
        in[i] = n->in[i]->data;
    double start = e->times ? kernel_clock() : 0;
    t->data = place_of(e, n, bytes);
    double middle = e->times ? kernel_clock() : 0;
    bool ok = t->data && kernel_run(n, in, t, &e->kernels);
    if (e->times)
        add_times(e->times, n, start, middle);
    return ok;
}

static void
on_node(void *context, struct node *n)
{
    struct eager *e = context;
    if (e->failed)
        return;
    struct tensor *t = arena_alloc(&e->steps, sizeof *t);
    t->type = n->type;
    for (int i = 0; i < n->type.rank; i++)
        if (t->type.dim[i] < 0)
            t->type.dim[i] *= -e->kernels.rows;
    n->data = t;
    if (!take_value(e, n, t)) {
        if (!compute(e, n, t))
            e->failed = true;
        else if (e->watch && n->op != OP_CONST)
            watch(e, n, t);
    }
    if (e->lives && !e->failed)
        end_lives(e, n);
}

const struct tensor *
eager_value(const struct node *n)
{
    return n->data;
}

double
eager_number(const struct node *n)
{
    const struct tensor *t = n->data;
    return t->type.elem == ELEM_F32 ? *(const float *)t->data : t->type.elem == ELEM_F64 ? *(const double *)t->data : (double)*(const int64_t *)t->data;
}

void
eager_free(struct eager *e)
{
    arena_keep(e->arena, &e->undo);
    arena_free(&e->steps);
    pool_free(&e->pool);
    kernel_context_free(&e->kernels);
    free(e->pending);
    e->pending = NULL;
    e->npending = e->pending_cap = 0;
}

static void
undo_eager(void *self)
{
    eager_free(self);
}

struct eager *
eager_new(const struct model *m, const struct train_settings *t, struct tensor *values, enum gemm gemm, struct arena *arena)
{
    struct eager *e = ARENA_NEW(arena, struct eager);
    *e = (struct eager){.model = m, .train = t, .values = values, .rate = NAN, .arena = arena};
    arena_guard(arena, &e->undo, undo_eager, e);
    e->kernels.gemm = gemm;
    e->shown = ARENA_ARRAY(arena, const struct tensor *, m->nvalues + 1);
    e->addresses = ARENA_ARRAY(arena, void *, m->ninputs + 3 + m->nstep_draws);
    return e;
}

void
eager_threads(struct eager *e, struct threads *threads)
{
    e->kernels.threads = threads;
}

static struct graph *
begin_step(struct eager *e, void *const *inputs, int64_t rows)
{
    arena_reset(&e->steps);
    pool_reset(&e->pool);
    e->npending = 0;
    e->lives = NULL;
    e->failed = false;
    e->inputs = inputs;
    e->kernels.rows = rows;
    e->graph = graph_new(&e->steps, "eager");
    e->graph->on_node = on_node;
    e->graph->on_node_context = e;
    return e->graph;
}

/* The steps do not report: a failure in one is the lack of memory, which their caller reports. */
static bool
end_step(struct eager *e)
{
    for (int i = 0; !e->failed && i < e->npending; i++)
        if (e->pending[i].var->data != e->pending[i].value->data)
            memcpy(e->pending[i].var->data, e->pending[i].value->data, (size_t)tensor_bytes(e->pending[i].var));
    return !e->failed;
}

/* The nodes of |lives|, NULL: of any other graph. Where memory is short for the nodes themselves, the run fails as where it is for their
 * values. */
static bool
run(struct eager *e, void *const *inputs, int64_t rows, struct life *lives, eager_build *build, void *context)
{
    jmp_buf oom;
    if (setjmp(oom))
        e->failed = true;
    else {
        e->steps.oom = &oom;
        struct graph *g = begin_step(e, inputs, rows);
        e->lives = lives;
        build(context, g);
    }
    e->steps.oom = NULL;
    return end_step(e);
}

bool
eager_run(struct eager *e, void *const *inputs, int64_t rows, eager_build *build, void *context)
{
    return run(e, inputs, rows, NULL, build, context);
}

static void
build_train(void *self, struct graph *g)
{
    struct eager *e = self;
    struct node *const *gradients = lower_train(e->model, e->train, g);
    e->has_rate = g->noutputs > 1;
    if (e->lowered && !e->failed)
        e->lowered(e->lowered_context, g, gradients);
}

static void
build_eval(void *self, struct graph *g)
{
    const struct eager *e = self;
    lower_eval(e->model, e->outputs_only, g);
}

static void
build_metrics(void *self, struct graph *g)
{
    lower_metrics(((const struct eager *)self)->model, g);
}

static void
build_init(void *self, struct graph *g)
{
    lower_init(((const struct eager *)self)->model, g);
}

/* A step of a model, whose nodes are the same each time. */
static bool
run_step(struct eager *e, void *const *inputs, const struct step_numbers *numbers, int64_t rows, bool train)
{
    struct life **lives = train ? &e->train_lives : &e->eval_lives;
    if (!run(e, program_inputs(e->model, inputs, numbers, e->addresses), rows, *lives, train ? build_train : build_eval, e))
        return false;
    if (!*lives)
        *lives = lives_of(e->graph, e->arena);
    return true;
}

void
eager_watch(struct eager *e)
{
    e->watch = true;
    e->bad = NULL;
}

int64_t
eager_memory(const struct eager *e)
{
    return (int64_t)(e->pool.size > e->pool.wanted ? e->pool.size : e->pool.wanted);
}

int64_t
eager_value_bytes(int64_t bytes)
{
    size_t size = (size_t)bytes;
    pool_class(&size);
    return (int64_t)size;
}

void
eager_lowered(struct eager *e, lowered_fn *lowered, void *context)
{
    e->lowered = lowered;
    e->lowered_context = context;
}

struct tensor
eager_output(const struct eager *e, int index)
{
    return *(const struct tensor *)e->graph->outputs[index].node->data;
}

void
eager_times(struct eager *e, struct kernel_times *times)
{
    e->times = times;
}

const struct node *
eager_first_bad(const struct eager *e)
{
    return e->bad;
}

void
eager_outputs_only(struct eager *e)
{
    e->outputs_only = true;
}

const double *
eager_rate(const struct eager *e)
{
    return &e->rate;
}

void **
program_inputs(const struct model *m, void *const *inputs, const struct step_numbers *numbers, void **buffer)
{
    for (int i = 0; i < m->ninputs; i++)
        buffer[i] = inputs[i];
    buffer[m->ninputs] = (void *)&numbers->step;
    buffer[m->ninputs + 1] = (void *)&numbers->epoch;
    buffer[m->ninputs + 2] = (void *)&numbers->seed;
    for (int i = 0; m->step_draws && i < m->nstep_draws; i++)
        buffer[m->ninputs + 3 + i] = m->step_draws[i];
    return buffer;
}

bool
eager_train_step(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss)
{
    struct eager *e = self;
    if (!run_step(e, inputs, numbers, rows, true))
        return false;
    const struct graph *g = e->graph;
    *out_loss = eager_number(g->outputs[0].node);
    if (e->has_rate)
        e->rate = eager_number(g->outputs[1].node);
    return true;
}

bool
eager_eval_step(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss, const struct tensor **out_values)
{
    struct eager *e = self;
    if (!run_step(e, inputs, numbers, rows, false))
        return false;
    const struct graph *g = e->graph;
    int values = e->outputs_only ? e->model->noutputs : e->model->nvalues;
    for (int i = 0; i < values; i++)
        out_values[i] = g->outputs[i].node->data;
    if (g->noutputs > values)
        *out_loss = eager_number(g->outputs[values].node);
    return true;
}

bool
eager_metrics(void *self, const struct tensor *values, int64_t rows, double *out_metrics)
{
    struct eager *e = self;
    const struct model *m = e->model;
    void **inputs = calloc((size_t)m->metrics->ninputs + 1, sizeof *inputs);
    if (!inputs)
        return false;
    for (int i = 0; i < m->metrics->ninputs; i++)
        inputs[i] = values[m->metric_value[i]].data;
    bool ran = run(e, inputs, rows, NULL, build_metrics, e);
    free(inputs);
    for (int i = 0; ran && i < e->graph->noutputs; i++)
        out_metrics[i] = eager_number(e->graph->outputs[i].node);
    return ran;
}

bool
eager_initialize(struct eager *e, int64_t seed, void *const *draws, struct diag *diag)
{
    void **inputs = ARENA_ARRAY(diag->arena, void *, e->model->ninit_draws + 1);
    inputs[0] = &seed;
    for (int i = 0; i < e->model->ninit_draws; i++)
        inputs[1 + i] = draws[i];
    if (!run(e, inputs, 1, NULL, build_init, e)) {
        diag_report(diag, OUT_OF_MEMORY, (struct place){0});
        return false;
    }
    const struct graph *g = e->graph;
    for (int i = 0; i < g->noutputs; i++) {
        const struct tensor *t = g->outputs[i].node->data;
        memcpy(e->values[i].data, t->data, (size_t)tensor_bytes(t));
    }
    return true;
}
