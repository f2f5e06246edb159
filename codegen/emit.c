/* emit: the walk over the planned graph.
 *
 * `step` loads the addresses of the call, then holds one thing a node in the graph's order: nothing (leaves, values that
 * lie where they are wanted), a copy, a call of the runtime, arithmetic of single elements, or a call of the node's
 * kernel (emit_kernel.c). */
#include "codegen/emit.h"
#include "codegen/runtime_calls.h"
#include "ir/tails.h"
#include <stddef.h>
#include <string.h>

#define EMIT_LEAF(id) NULL
#define EMIT_MAP(id) emit_group
#define EMIT_CAST(id) emit_group
#define EMIT_REDUCE(id) emit_group
#define EMIT_CONTRACT(id) NULL
#define EMIT_MOVE(id) NULL
#define EMIT_RANDOM(id) NULL
#define EMIT_GROUP(id) NULL
#define EMIT_EFFECT(id) NULL
static emit_fn *const by_class[OP_COUNT] = {
#define OP(id, text, class, ...) [OP_##id] = EMIT_##class(id),
#include "ir/ops.def"
#undef OP
};
/* The operations whose class does not say it. */
static emit_fn *const by_op[OP_COUNT] = {
    [OP_FUSED] = emit_group,     [OP_BROADCAST] = emit_group, [OP_ARGMAX] = emit_arg,  [OP_ARGMIN] = emit_arg,
    [OP_TRANSPOSE] = emit_transpose, [OP_SLICE] = emit_slice, [OP_PAD] = emit_pad,     [OP_CONCAT] = emit_concat,
    [OP_GATHER] = emit_gather,   [OP_SCATTER_ADD] = emit_scatter_add, [OP_ONE_HOT] = emit_one_hot,
    [OP_MATMUL] = emit_matmul,   [OP_RANDOM_UNIFORM] = emit_uniform,
};

emit_fn *
kernel_emitter(enum op op)
{
    return by_op[op] ? by_op[op] : by_class[op];
}

static void
fail(struct gen *g, const char *what)
{
    char *text = arena_printf(g->arena, "code generation: %s (node %d, %s)", what, (int)g->node->id,
                              op_info[g->node->op].text);
    if (!g->failed)
        diag_report(g->diag, INTERNAL, g->node->place, text);
    g->failed = true;
}

/* ---- addresses ---- */

/* A private constant with the value of |n|. */
static LLVMValueRef
constant_global(struct gen *g, const struct node *n)
{
    if (g->consts[n->id])
        return g->consts[n->id];
    LLVMValueRef value;
    if (n->type.rank == 0)
        value = number(g, (enum elem)n->type.elem, n->attr->value.real, n->attr->value.whole, 1);
    else
        value = constant_bytes(g->context, n->attr->value.data, (size_t)type_bytes(&n->type, 0));
    if (n->type.elem == ELEM_BOOL && n->type.rank == 0)
        value = LLVMConstInt(g->i8, n->attr->value.whole != 0, false);
    LLVMValueRef v = LLVMAddGlobal(g->module, LLVMTypeOf(value), arena_printf(g->arena, "const.%d", (int)n->id));
    LLVMSetInitializer(v, value);
    LLVMSetLinkage(v, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(v, true);
    LLVMSetAlignment(v, 64);
    return g->consts[n->id] = v;
}

/* Element |index| of an array of pointers. */
static LLVMValueRef
pointer_at(struct gen *g, LLVMValueRef array, int64_t index)
{
    LLVMValueRef at = whole(g, index);
    return LLVMBuildLoad2(g->b, g->pointer, LLVMBuildInBoundsGEP2(g->b, g->pointer, array, &at, 1, ""), "");
}

static LLVMValueRef
address_of(struct gen *g, const struct node *n)
{
    while (n->storage == STORAGE_CONST && n->op != OP_CONST && n->nin)
        n = n->in[0]; /* RESHAPE of a constant */
    if (n->op == OP_CONST)
        return constant_global(g, n);
    LLVMValueRef offset = whole(g, n->offset);
    switch (n->storage) {
    case STORAGE_ARENA:
        return LLVMBuildInBoundsGEP2(g->b, g->i8, g->arena_base, &offset, 1, "");
    case STORAGE_VAR:
        return pointer_at(g, g->vars, n->offset);
    case STORAGE_INPUT:
        return pointer_at(g, g->inputs, n->offset);
    default:
        fail(g, "a value without storage");
        return LLVMConstNull(g->pointer);
    }
}

static bool
same_place(const struct node *a, const struct node *b)
{
    return a->storage == b->storage && (a->storage == STORAGE_CONST || a->offset == b->offset);
}

/* ---- nodes ---- */

/* Numbers are part of the kernels of these: they need no address. */
static bool
takes_numbers(const struct node *n)
{
    return n->op != OP_FUSED && kernel_emitter((enum op)n->op) == emit_group;
}

static void
add_function_attributes(struct gen *g, LLVMValueRef function)
{
    for (int i = 0; i < g->nattributes; i++)
        LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, g->attributes[i]);
}

void
check_call(struct gen *g, LLVMValueRef done)
{
    LLVMBasicBlockRef failed = block(g, "failed"), on = block(g, "done");
    LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntNE, done, LLVMConstInt(g->i32, 0, false), ""), on, failed);
    LLVMPositionBuilderAtEnd(g->b, failed);
    LLVMBuildRet(g->b, LLVMConstInt(g->i8, 0, false));
    LLVMPositionBuilderAtEnd(g->b, on);
}

static bool
single_element(const struct type *t)
{
    return size_is(size_span(t, 0, t->rank), 1);
}

/* Arithmetic of single elements stands in `step` itself. */
static bool
stands_inline(const struct node *n, int nout, const struct node *const *results)
{
    if (kernel_emitter((enum op)n->op) != emit_group)
        return false;
    for (int i = 0; i < n->nin; i++)
        if (!single_element(&n->in[i]->type))
            return false;
    for (int i = 0; i < nout; i++)
        if (results[i] && !single_element(&results[i]->type))
            return false;
    return true;
}

/* The nodes that hold the results of |n|: itself, or the RESULT nodes of a group; NULL where there is none. */
static const struct node **
result_nodes(struct gen *g, const struct node *n, int *out_count)
{
    int count = n->op == OP_FUSED ? n->body->noutputs : 1;
    const struct node **results = ARENA_ARRAY(g->arena, const struct node *, count);
    *out_count = count;
    if (count == 1) {
        results[0] = n;
        return results;
    }
    for (int i = n->id + 1; i < g->graph->count; i++) {
        const struct node *r = g->graph->nodes[i];
        if (r->op == OP_RESULT && r->in[0] == n)
            results[r->attr->axis.axis] = r;
    }
    return results;
}

/* ---- values that are computed in their users ---- */

static int
operand_number(const struct node *n, const struct node *operand)
{
    for (int i = 0; i < n->nin; i++)
        if (n->in[i] == operand)
            return i;
    return -1;
}

/* Whether a result of |n| lies where |product| reads. */
static bool
overwrites(struct gen *g, const struct node *n, const struct node *product)
{
    int count;
    const struct node **results = result_nodes(g, n, &count);
    for (int i = 0; i < count; i++)
        for (int k = 0; k < product->nin && results[i]; k++)
            if (same_place(results[i], product->in[k]))
                return true;
    return false;
}

static bool
fits(struct gen *g, const struct node *product, const struct node *tail)
{
    int at = operand_number(tail, product);
    if (product->op == OP_MATMUL)
        return g->options->gemm == GEMM_NNC && tail_fits(g, product, tail, at);
    return random_fits(g, product, tail, at);
}

/* Sets g->tail and g->product, by node id: which contractions and random numbers are computed in the elementwise nodes that
 * take them. */
static void
find_products(struct gen *g)
{
    const struct graph *graph = g->graph;
    const struct node **tails = find_tails(graph, g->arena);
    g->tail = ARENA_ARRAY(g->arena, const struct node *, graph->count + 1);
    g->product = ARENA_ARRAY(g->arena, const struct node *, graph->count + 1);
    for (int i = 0; i < graph->count; i++) {
        const struct node *n = graph->nodes[i], *tail = tails[i];
        if (!tail || g->product[tail->id] || overwrites(g, tail, n) || !fits(g, n, tail))
            continue;
        g->tail[i] = tail;
        g->product[tail->id] = n;
    }
}

/* The number of a random node's stream, in memory: kernels that draw from several streams are one. */
static LLVMValueRef
stream_number(struct gen *g, const struct node *n)
{
    LLVMValueRef v = LLVMAddGlobal(g->module, g->i64, arena_printf(g->arena, "stream.%d", (int)n->id));
    LLVMSetInitializer(v, whole(g, (int64_t)n->attr->stream.stream));
    LLVMSetLinkage(v, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(v, true);
    return v;
}

static void
emit_kernel_node(struct gen *g, const struct node *n)
{
    int nout;
    const struct node **results = result_nodes(g, n, &nout);
    struct operands o = {.product = g->product[n->id]};
    o.out = ARENA_ARRAY(g->arena, LLVMValueRef, nout);
    o.in = ARENA_ARRAY(g->arena, LLVMValueRef, n->nin + 1);
    for (int i = 0; i < nout; i++)
        o.out[i] = results[i] ? address_of(g, results[i]) : NULL;
    for (int i = 0; i < n->nin; i++)
        o.in[i] = n->in[i] == o.product || (takes_numbers(n) && node_is_number(n->in[i])) ? NULL : address_of(g, n->in[i]);
    if (o.product) {
        o.at = operand_number(n, o.product);
        o.factors[0] = address_of(g, o.product->in[0]);
        o.factors[1] = address_of(g, o.product->in[1]);
        o.factors[2] = o.product->op == OP_MATMUL ? address_of(g, o.product) : stream_number(g, o.product);
    }
    if (!o.product && stands_inline(n, nout, results))
        emit_group(g, n, &o);
    else
        call_kernel(g, n, nout, &o);
}

static LLVMValueRef
bytes_of_node(struct gen *g, const struct node *n)
{
    struct size each = {.factor = (int64_t)elem_size((enum elem)n->type.elem)};
    return size_value(g, size_times(size_span(&n->type, 0, n->type.rank), each));
}

/* RESHAPE, STOP, UPDATE, and a RESULT that another one stands for: nothing, or a copy. */
static void
emit_copy(struct gen *g, const struct node *n, const struct node *from)
{
    if (!same_place(n, from))
        copy_bytes(g, address_of(g, n), address_of(g, from), bytes_of_node(g, from));
}

static void
emit_result(struct gen *g, const struct node *n)
{
    int count;
    const struct node **results = result_nodes(g, n->in[0], &count);
    const struct node *last = results[count == 1 ? 0 : n->attr->axis.axis];
    if (last != n)
        emit_copy(g, n, last);
}

static void
emit_random(struct gen *g, const struct node *n)
{
    LLVMTypeRef f64 = g->elem[ELEM_F64];
    struct size count = size_span(&n->type, 0, n->type.rank);
    LLVMValueRef operands[] = {
        LLVMConstInt(g->i32, n->op, false), LLVMConstInt(g->i32, n->type.elem, false),
        whole(g, (int64_t)n->attr->stream.stream),
        LLVMConstReal(f64, n->attr->stream.from), LLVMConstReal(f64, n->attr->stream.to), size_value(g, count),
        address_of(g, n->in[0]), address_of(g, n->in[1]), address_of(g, n), g->kernels};
    check_call(g, call_runtime(g, "code_random", 10, operands));
}

/* The same calls of OpenBLAS as in the other modes. */
static void
emit_blas(struct gen *g, const struct node *n)
{
    const struct type *a = &n->in[0]->type, *b = &n->in[1]->type;
    bool ta = n->attr && n->attr->matmul.transpose_a, tb = n->attr && n->attr->matmul.transpose_b, batched = b->rank > 2;
    struct size batch = batched ? size_span(a, 0, a->rank - 2) : size_fixed(1);
    struct size rows = ta ? size_of_dim(a->dim[a->rank - 1]) : size_span(a, batched ? a->rank - 2 : 0, a->rank - 1);
    LLVMValueRef operands[] = {
        LLVMConstInt(g->i32, a->elem, false), LLVMConstInt(g->i32, ta, false), LLVMConstInt(g->i32, tb, false),
        size_value(g, batch),
        size_value(g, rows), size_value(g, size_of_dim(n->type.dim[n->type.rank - 1])),
        size_value(g, size_of_dim(a->dim[ta ? a->rank - 2 : a->rank - 1])),
        address_of(g, n->in[0]), address_of(g, n->in[1]), address_of(g, n), g->kernels};
    check_call(g, call_runtime(g, "code_gemm", 11, operands));
}

/* Operations without an emitter: their kernels, on a description of the node that is part of the code. */
static void
emit_call(struct gen *g, const struct node *n)
{
    struct code_node what;
    memset(&what, 0, sizeof what);
    what.op = n->op;
    what.type = n->type;
    for (int i = 0; i < n->nin; i++)
        what.in[i] = n->in[i]->type;
    if (n->attr)
        what.attr = *n->attr;
    LLVMValueRef value = constant_bytes(g->context, (const char *)&what, sizeof what);
    LLVMValueRef node = LLVMAddGlobal(g->module, LLVMTypeOf(value), arena_printf(g->arena, "node.%d", (int)n->id));
    LLVMSetInitializer(node, value);
    LLVMSetLinkage(node, LLVMPrivateLinkage);
    LLVMSetGlobalConstant(node, true);
    LLVMSetAlignment(node, 64);
    LLVMValueRef second = n->nin > 1 ? address_of(g, n->in[1]) : LLVMConstNull(g->pointer);
    LLVMValueRef operands[] = {node, g->rows, address_of(g, n->in[0]), second, address_of(g, n), g->kernels};
    check_call(g, call_runtime(g, "code_kernel", 6, operands));
}

static void
emit_rows_number(struct gen *g, const struct node *n)
{
    enum elem e = (enum elem)n->type.elem;
    store(g, e, address_of(g, n), emit_cast(g, ELEM_I64, e, g->rows, 1), 1, NULL);
}

static void
emit_node(struct gen *g, const struct node *n)
{
    if (g->tail[n->id])
        return; /* computed there */
    switch (n->op) {
    case OP_INPUT:
    case OP_VAR:
    case OP_CONST:
        return;
    case OP_ROWS:
        emit_rows_number(g, n);
        return;
    case OP_RESHAPE:
    case OP_STOP:
        emit_copy(g, n, n->in[0]);
        return;
    case OP_UPDATE:
        emit_copy(g, n, n->in[1]);
        return;
    case OP_RESULT:
        emit_result(g, n);
        return;
    case OP_MATMUL:
        if (g->options->gemm == GEMM_OPENBLAS) {
            emit_blas(g, n);
            return;
        }
        break;
    default:
        break;
    }
    if (op_info[n->op].class == CLASS_RANDOM && !random_in_lanes(g, n))
        emit_random(g, n);
    else if (kernel_emitter((enum op)n->op))
        emit_kernel_node(g, n);
    else
        emit_call(g, n);
}

static LLVMValueRef
argument(struct gen *g, LLVMTypeRef type, size_t offset)
{
    LLVMValueRef at = whole(g, (int64_t)offset);
    return LLVMBuildLoad2(g->b, type, LLVMBuildInBoundsGEP2(g->b, g->i8, g->args, &at, 1, ""), "");
}

bool
emit_graph(struct gen *g)
{
    LLVMTypeRef type = LLVMFunctionType(g->i8, &g->pointer, 1, false);
    g->function = LLVMAddFunction(g->module, g->entry, type);
    add_function_attributes(g, g->function);
    g->args = LLVMGetParam(g->function, 0);
    g->consts = ARENA_ARRAY(g->arena, LLVMValueRef, g->graph->count);
    find_products(g);
    LLVMPositionBuilderAtEnd(g->b, block(g, "entry"));
    g->places = LLVMBuildAlloca(g->b, LLVMArrayType2(g->pointer, (uint64_t)kernel_places(g->graph)), "places");
    g->arena_base = argument(g, g->pointer, offsetof(struct code_args, arena));
    g->inputs = argument(g, g->pointer, offsetof(struct code_args, inputs));
    g->vars = argument(g, g->pointer, offsetof(struct code_args, vars));
    g->rows = argument(g, g->i64, offsetof(struct code_args, rows));
    g->kernels = argument(g, g->pointer, offsetof(struct code_args, kernels));
    for (int i = 0; i < g->graph->count && !g->failed; i++) {
        g->node = g->graph->nodes[i];
        emit_node(g, g->node);
    }
    LLVMBuildRet(g->b, LLVMConstInt(g->i8, 1, false));
    return !g->failed;
}
