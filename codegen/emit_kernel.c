/* emit_kernel: the kernels of nodes, internal functions that equal nodes share, and their calls.
 *
 * A kernel that may be worth several threads gets the addresses of its results and operands and N in memory, and which
 * places of its work it shall compute; `step` has it called by code_parts, which decides for the rows of the call. All
 * others get the same in registers, and do all their work. */
#include "codegen/emit.h"
#include "codegen/runtime_calls.h"
#include "runtime/threads.h"

struct kernel {
    const struct node *node, *product;  /* the contraction it computes besides; NULL: none */
    int at;                     /* as which operand */
    uint64_t read;              /* set of results that somebody reads */
    LLVMValueRef function;
    LLVMTypeRef type;
    int64_t scratch;            /* bytes that it needs, for each part */
    bool counted;               /* the call brings `columns` */
    bool parts;                 /* it can be cut up: */
    struct work work;
    struct kernel *next;
};

static bool
same_operand(const struct node *a, const struct node *b)
{
    if (!type_equal(&a->type, &b->type) || node_is_number(a) != node_is_number(b))
        return false;
    return !node_is_number(a) || attr_equal(ATTRS_VALUE, &a->type, a->attr, b->attr);
}

static bool
same_attr(const struct node *a, const struct node *b)
{
    enum op_attrs kind = (enum op_attrs)op_info[a->op].attrs;
    return kind == ATTRS_NONE || kind == ATTRS_NAME || kind == ATTRS_BODY || a->attr == b->attr ||
           (a->attr && b->attr && attr_equal(kind, &a->type, a->attr, b->attr));
}

static bool
same_body(const struct graph *a, const struct graph *b)
{
    if (a->count != b->count || a->noutputs != b->noutputs)
        return false;
    for (int i = 0; i < a->count; i++) {
        const struct node *x = a->nodes[i], *y = b->nodes[i];
        if (x->op != y->op || x->nin != y->nin || !type_equal(&x->type, &y->type) || !same_attr(x, y))
            return false;
        for (int k = 0; k < x->nin; k++)
            if (x->in[k]->id != y->in[k]->id)
                return false;
    }
    for (int i = 0; i < a->noutputs; i++)
        if (a->outputs[i].node->id != b->outputs[i].node->id)
            return false;
    return true;
}

/* Whether the kernel of |a| is that of |b|. */
static bool
same_kernel(const struct node *a, const struct node *b)
{
    if (a->op != b->op || a->nin != b->nin || !type_equal(&a->type, &b->type) || !same_attr(a, b))
        return false;
    for (int i = 0; i < a->nin; i++)
        if (!same_operand(a->in[i], b->in[i]))
            return false;
    return a->op != OP_FUSED || same_body(a->body, b->body);
}

/* The addresses of a call in the order of the parameters: results, operands, factors. */
static unsigned
addresses(const struct node *n, int nout, const struct operands *o, LLVMValueRef *out)
{
    unsigned count = 0;
    for (int i = 0; i < nout; i++)
        if (o->out[i])
            out[count++] = o->out[i];
    for (int i = 0; i < n->nin; i++)
        if (o->in[i])
            out[count++] = o->in[i];
    for (int i = 0; i < FACTORS; i++)
        if (o->factors[i])
            out[count++] = o->factors[i];
    return count;
}

int
kernel_places(const struct graph *g)
{
    int most = 0;
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        int places = n->nin + (n->op == OP_FUSED ? n->body->noutputs : 1) + FACTORS + 2;
        most = places > most ? places : most;
    }
    return most;
}

/* |o| with the addresses |given| in that order. */
static struct operands
given_operands(struct gen *g, const struct node *n, int nout, const struct operands *o, const LLVMValueRef *given)
{
    struct operands mine = *o;
    mine.out = ARENA_ARRAY(g->arena, LLVMValueRef, nout);
    mine.in = ARENA_ARRAY(g->arena, LLVMValueRef, n->nin + 1);
    for (int i = 0; i < nout; i++)
        mine.out[i] = o->out[i] ? *given++ : NULL;
    for (int i = 0; i < n->nin; i++)
        mine.in[i] = o->in[i] ? *given++ : NULL;
    for (int i = 0; i < FACTORS; i++)
        mine.factors[i] = o->factors[i] ? *given++ : NULL;
    return mine;
}

/* Place |i| of the memory in which a kernel finds its addresses, and behind them N and columns. */
static LLVMValueRef
place(struct gen *g, LLVMValueRef memory, unsigned i)
{
    LLVMValueRef at = whole(g, i);
    return LLVMBuildInBoundsGEP2(g->b, g->pointer, memory, &at, 1, "");
}

static LLVMTypeRef
kernel_type(struct gen *g, const struct kernel *k, unsigned count)
{
    if (k->parts)
        return LLVMFunctionType(g->nothing, (LLVMTypeRef[]){g->pointer, g->pointer, g->i64, g->i64, g->pointer}, 5, false);
    LLVMTypeRef *types = ARENA_ARRAY(g->arena, LLVMTypeRef, count + 3);
    count += k->scratch != 0;
    for (unsigned i = 0; i < count; i++)
        types[i] = g->pointer;
    types[count] = types[count + 1] = g->i64;
    return LLVMFunctionType(g->nothing, types, count + 1 + k->counted, false);
}

/* The parameters of the function that was begun; sets g->rows and g->columns. */
static struct operands
parameters(struct gen *g, const struct kernel *k, const struct node *n, int nout, const struct operands *o, unsigned count)
{
    LLVMValueRef *given = ARENA_ARRAY(g->arena, LLVMValueRef, count + 1), memory = LLVMGetParam(k->function, 0);
    for (unsigned i = 0; i < count; i++)
        given[i] = k->parts ? LLVMBuildLoad2(g->b, g->pointer, place(g, memory, i), "") : LLVMGetParam(k->function, i);
    struct operands mine = given_operands(g, n, nout, o, given);
    mine.scratch = k->scratch ? LLVMGetParam(k->function, k->parts ? 1 : count) : NULL;
    if (k->parts) {
        mine.begin = LLVMGetParam(k->function, 2);
        mine.end = LLVMGetParam(k->function, 3);
        mine.chain = LLVMGetParam(k->function, 4);
        g->rows = LLVMBuildLoad2(g->b, g->i64, place(g, memory, count), "");
        g->columns = k->counted ? LLVMBuildLoad2(g->b, g->i64, place(g, memory, count + 1), "") : NULL;
    } else {
        count += k->scratch != 0;
        g->rows = LLVMGetParam(k->function, count);
        g->columns = k->counted ? LLVMGetParam(k->function, count + 1) : NULL;
    }
    return mine;
}

static bool
is_tail(const struct operands *o)
{
    return o->product && o->product->op == OP_MATMUL;
}

/* Emits the kernel of |n|; |o| says which results are read and which operands have addresses. */
static void
emit_kernel(struct gen *g, struct kernel *k, const struct node *n, int nout, const struct operands *o)
{
    LLVMValueRef *values = ARENA_ARRAY(g->arena, LLVMValueRef, nout + n->nin + FACTORS);
    unsigned count = addresses(n, nout, o, values);
    k->type = kernel_type(g, k, count);
    const struct node *named = is_tail(o) ? o->product : n;
    char *name = arena_printf(g->arena, "%s%s.%d", g->prefix, op_info[named->op].text, (int)named->id);
    struct function_state back = function_begin(g, name, k->type);
    k->function = g->function;
    struct operands mine = parameters(g, k, n, nout, o, count);
    (is_tail(o) ? emit_tail : kernel_emitter((enum op)n->op))(g, n, &mine);
    LLVMBuildRetVoid(g->b);
    function_end(g, &back);
}

static struct work
work_of(struct gen *g, const struct node *n, const struct operands *o)
{
    if (n->op == OP_MATMUL || is_tail(o))
        return matmul_work(g, is_tail(o) ? o->product : n, is_tail(o) ? n : NULL);
    return kernel_emitter((enum op)n->op) == emit_group ? group_work(g, n, o) : (struct work){.unit = 1};
}

/* Whether a call can ever be worth two threads. */
static bool
is_worth_threads(struct gen *g, const struct work *w)
{
    if (w->count.factor == 0 || likely(g, w->count) <= w->unit)
        return false;
    return g->options->cut_small || likely(g, w->ps) >= INT64_C(2000) * CODE_PART_NS;
}

/* A kernel that another graph shares was made for that graph's rows: what memory it needs and where it is cut is the
 * kernel's to say. */
static struct kernel *
find_kernel(struct gen *g, const struct node *n, const struct operands *o, uint64_t read, bool parts)
{
    for (struct kernel *k = g->functions; k; k = k->next)
        if (k->read == read && (k->parts || !parts) && same_kernel(k->node, n) && !k->product == !o->product &&
            (!k->product || (k->at == o->at && same_kernel(k->product, o->product))))
            return k;
    return NULL;
}

static struct kernel *
kernel_for(struct gen *g, const struct shared *s, int nout)
{
    const struct node *n = s->node;
    const struct operands *o = &s->operands;
    const struct node *product = o->product ? o->product : n;
    struct work work = work_of(g, n, o);
    bool parts = is_worth_threads(g, &work);
    uint64_t read = 0;
    for (int i = 0; i < nout; i++)
        read |= (uint64_t)(o->out[i] != NULL) << (i & 63);
    struct kernel *k = nout <= 64 ? find_kernel(g, n, o, read, parts) : NULL;
    if (k)
        return k;
    k = ARENA_NEW(g->arena, struct kernel);
    *k = (struct kernel){.node = n, .product = o->product, .at = o->at, .read = read, .counted = s->counted,
                         .parts = parts, .work = work};
    k->scratch = product->op == OP_MATMUL ? matmul_scratch(g, product, is_tail(o) ? n : NULL) : 0;
    k->next = g->functions;
    emit_kernel(g, k, n, nout, o);
    g->functions = k;
    return k;
}

/* |bytes| that the kernel of the next call may use. */
static LLVMValueRef
scratch_memory(struct gen *g, int64_t bytes)
{
    LLVMValueRef there = LLVMGetNamedFunction(g->module, "code_scratch"), args[] = {g->kernels, whole(g, bytes)};
    LLVMTypeRef type = LLVMFunctionType(g->pointer, (LLVMTypeRef[]){g->pointer, g->i64}, 2, false);
    if (!there)
        there = LLVMAddFunction(g->module, "code_scratch", type);
    LLVMValueRef memory = LLVMBuildCall2(g->b, type, there, args, 2, "");
    LLVMValueRef done = LLVMBuildICmp(g->b, LLVMIntNE, memory, LLVMConstNull(g->pointer), "");
    check_call(g, LLVMBuildZExt(g->b, done, g->i32, ""));
    return memory;
}

/* A call by code_parts. */
static void
call_in_parts(struct gen *g, const struct kernel *k, const LLVMValueRef *args, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        LLVMBuildStore(g->b, args[i], place(g, g->places, i));
    LLVMBuildStore(g->b, g->rows, place(g, g->places, count));
    if (k->counted)
        LLVMBuildStore(g->b, g->columns, place(g, g->places, count + 1));
    LLVMValueRef operands[] = {g->kernels, k->function, g->places, whole(g, k->scratch), size_value(g, k->work.count),
                               whole(g, k->work.unit), size_value(g, k->work.ps)};
    LLVMValueRef done = call_runtime(g, "code_parts", 7, operands);
    if (k->scratch)
        check_call(g, done);
}

void
call_kernel(struct gen *g, const struct node *n, int nout, const struct operands *o)
{
    struct shared s = share_node(g, n, o);
    g->columns = s.counted ? size_value(g, s.columns) : NULL;
    g->likely_columns = likely(g, s.columns);
    struct kernel *k = kernel_for(g, &s, nout);
    LLVMValueRef *args = ARENA_ARRAY(g->arena, LLVMValueRef, nout + n->nin + FACTORS + 3);
    unsigned count = addresses(n, nout, o, args);
    if (k->parts) {
        call_in_parts(g, k, args, count);
        return;
    }
    if (k->scratch)
        args[count++] = scratch_memory(g, k->scratch);
    args[count++] = g->rows;
    if (k->counted)
        args[count++] = g->columns;
    LLVMBuildCall2(g->b, k->type, k->function, args, count, "");
}
