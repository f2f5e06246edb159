/* emit_fused: elementwise nodes, reductions and groups of them as nests. A node alone is a group of one.
 *
 * Results of one shape and of the same reduced axes share a nest; a group with several kinds has a nest for each, in
 * which only what its results need is computed again. */
#include "codegen/group.h"

static int
add_item(struct group *gr, enum op op, const struct node *n)
{
    gr->items[gr->nitems] = (struct item){.op = op, .node = n, .elem = (enum elem)n->type.elem};
    gr->types[gr->nitems] = &n->type;
    return gr->nitems++;
}

static void
set_operands(struct gen *g, struct item *it, int nin)
{
    it->nin = nin;
    it->in = ARENA_ARRAY(g->arena, int, nin);
}

static bool
is_reduce(const struct node *n)
{
    return op_info[n->op].class == CLASS_REDUCE;
}

static void
alloc_group(struct gen *g, struct group *gr, int items, int outputs)
{
    gr->items = ARENA_ARRAY(g->arena, struct item, items);
    gr->types = ARENA_ARRAY(g->arena, const struct type *, items);
    gr->outputs = ARENA_ARRAY(g->arena, struct output, outputs);
    gr->noutputs = outputs;
}

/* Items of a body: its nodes but the reductions. item.array is the number of the operand. */
static void
group_of_body(struct gen *g, struct group *gr, const struct graph *body)
{
    int *item_of = ARENA_ARRAY(g->arena, int, body->count);
    alloc_group(g, gr, body->count, body->noutputs);
    for (int i = 0, input = 0; i < body->count; i++) {
        const struct node *n = body->nodes[i];
        if (is_reduce(n))
            continue;
        int at = item_of[n->id] = add_item(gr, (enum op)n->op, n);
        if (n->op == OP_INPUT)
            gr->items[at].array = input++;
        set_operands(g, &gr->items[at], n->nin);
        for (int k = 0; k < n->nin; k++)
            gr->items[at].in[k] = item_of[n->in[k]->id];
    }
    for (int i = 0; i < body->noutputs; i++) {
        const struct node *n = body->outputs[i].node;
        bool reduce = is_reduce(n);
        gr->outputs[i] = (struct output){.type = &n->type, .address = gr->operands ? gr->operands->out[i] : NULL};
        gr->outputs[i].reduce = reduce ? n : NULL;
        gr->outputs[i].item = item_of[reduce ? n->in[0]->id : n->id];
    }
}

static void
group_of_node(struct gen *g, struct group *gr, const struct node *n)
{
    alloc_group(g, gr, n->nin + 1, 1);
    for (int k = 0; k < n->nin; k++) {
        int at = add_item(gr, node_is_number(n->in[k]) ? OP_CONST : OP_INPUT, n->in[k]);
        gr->items[at].array = k;
    }
    int value = 0;
    if (!is_reduce(n)) {
        value = add_item(gr, (enum op)n->op, n);
        set_operands(g, &gr->items[value], n->nin);
        for (int k = 0; k < n->nin; k++)
            gr->items[value].in[k] = k;
    }
    gr->outputs[0] = (struct output){.item = value, .type = &n->type};
    gr->outputs[0].address = gr->operands ? gr->operands->out[0] : NULL;
    gr->outputs[0].reduce = is_reduce(n) ? n : NULL;
}

void
group_make(struct gen *g, struct group *gr, const struct node *n, const struct operands *o)
{
    *gr = (struct group){.node = n, .operands = o};
    if (n->op == OP_FUSED)
        group_of_body(g, gr, n->body);
    else
        group_of_node(g, gr, n);
}

void
group_mark(struct group *gr)
{
    for (int i = 0; i < gr->noutputs; i++)
        if (gr->outputs[i].address)
            gr->items[gr->outputs[i].item].needed = true;
    for (int i = gr->nitems - 1; i >= 0; i--)
        for (int k = 0; gr->items[i].needed && k < gr->items[i].nin; k++)
            gr->items[gr->items[i].in[k]].needed = true;
}

static uint32_t
reduced_axes(const struct output *o)
{
    return o->reduce ? o->reduce->attr->axes.axes : 0;
}

/* Whether |o| can be a result of the nest that is made for |first|. */
static bool
fits_nest(const struct group *gr, const struct output *first, const struct output *o)
{
    return !o->done && o->address && type_same_shape(gr->types[first->item], gr->types[o->item]) &&
           (!o->reduce || !first->reduce || reduced_axes(o) == reduced_axes(first));
}

void
output_array(struct array *a, const struct output *o, const struct type *domain)
{
    uint32_t axes = reduced_axes(o);
    struct size stride = {.factor = 1};
    for (int i = domain->rank - 1; i >= 0; i--) {
        bool reduced = axes >> i & 1;
        a->stride[i] = reduced ? (struct size){0} : stride;
        if (!reduced)
            stride = size_times(stride, size_of_dim(domain->dim[i]));
    }
}

struct size
reduced_count(const struct output *o, const struct type *domain)
{
    struct size count = {.factor = 1};
    for (int i = 0; i < domain->rank; i++)
        if (reduced_axes(o) >> i & 1)
            count = size_times(count, size_of_dim(domain->dim[i]));
    return count;
}

static void
add_result(struct nest *n, struct output *o, const struct type *domain)
{
    struct array *a = &n->arrays[n->narrays];
    *a = (struct array){.base = o->address, .elem = (enum elem)o->type->elem};
    output_array(a, o, domain);
    n->results[n->nresults++] = (struct result){.item = o->item, .array = n->narrays++,
                                                .reduce = o->reduce ? (enum op)o->reduce->op : OP_COUNT,
                                                .count = reduced_count(o, domain)};
    o->done = true;
}

/* The nest for |first| and the outputs that fit it. */
static struct nest
make_nest(struct gen *g, struct group *gr, struct output *first)
{
    const struct operands *o = gr->operands;
    const struct type *domain = gr->types[first->item];
    struct nest n = {.rank = domain->rank, .nitems = gr->nitems, .begin = o->begin, .end = o->end};
    n.items = ARENA_ARRAY(g->arena, struct item, gr->nitems);
    n.arrays = ARENA_ARRAY(g->arena, struct array, gr->nitems + gr->noutputs);
    n.results = ARENA_ARRAY(g->arena, struct result, gr->noutputs);
    for (int i = 0; i < n.nitems; i++)
        n.items[i] = gr->items[i];
    for (int i = 0; i < domain->rank; i++)
        n.dim[i] = size_of_dim(domain->dim[i]);
    reduce_kinds(domain, reduced_axes(first), n.kind);
    for (int i = 0; i < gr->noutputs; i++)
        if (fits_nest(gr, first, &gr->outputs[i]))
            add_result(&n, &gr->outputs[i], domain);
    nest_mark(&n);
    for (int i = 0; i < n.nitems; i++) {
        struct item *it = &n.items[i];
        if (!it->needed || it->op != OP_INPUT)
            continue;
        n.arrays[n.narrays] = (struct array){.base = o->in[it->array], .elem = it->elem};
        if (o->product && it->array == o->at) {
            it->op = (enum op)o->product->op;
            it->node = o->product;
            n.arrays[n.narrays].is_index = true;
        }
        array_dense(&n.arrays[n.narrays], gr->types[i], domain);
        it->array = n.narrays++;
    }
    return n;
}

static void
emit_nest(struct gen *g, struct group *gr, struct output *first)
{
    const struct operands *o = gr->operands;
    struct nest n = make_nest(g, gr, first);
    for (int i = 0; i < n.nitems; i++)
        if (n.items[i].needed && o->product && n.items[i].node == o->product)
            n.items[i].stream = random_stream(g, o->product, o->factors);
    nest_emit(g, &n);
}

/* The next output that begins a nest: reductions first, so that what is only stored goes along with one of them. (Outputs
 * that are stored all have the domain's shape, so that a group without reductions is one nest and may write over its
 * operands.) */
static struct output *
next_output(struct group *gr)
{
    struct output *plain = NULL;
    for (int i = 0; i < gr->noutputs; i++) {
        struct output *o = &gr->outputs[i];
        if (o->done || !o->address)
            continue;
        if (o->reduce)
            return o;
        plain = plain ? plain : o;
    }
    return plain;
}

void
emit_group(struct gen *g, const struct node *n, const struct operands *o)
{
    struct group gr;
    group_make(g, &gr, n, o);
    for (struct output *first; (first = next_output(&gr));)
        emit_nest(g, &gr, first);
}

/* Picoseconds of an element of an array, and of an instruction in a register of 16 lanes. */
enum { ARRAY_PS = 30, ITEM_PS = 10, ITEM_LANES = 16 };

/* Each nest has loops of its own, so that only a single one can be cut up. */
struct work
group_work(struct gen *g, const struct node *n, const struct operands *o)
{
    struct group gr;
    group_make(g, &gr, n, o);
    struct output *first = next_output(&gr);
    if (!first)
        return (struct work){.unit = 1};
    struct nest nest = make_nest(g, &gr, first);
    if (next_output(&gr))
        return (struct work){.unit = 1};
    int64_t ps = (int64_t)nest.narrays * ARRAY_PS, each = ITEM_PS * ITEM_LANES / g->width;
    for (int i = 0; i < nest.nitems; i++)
        if (nest.items[i].needed)
            ps += item_cost(&nest.items[i]) * each;
    const struct type *domain = gr.types[first->item];
    struct work work = nest_work(g, &nest);
    work.ps = size_times(size_span(domain, 0, domain->rank), size_fixed(ps));
    return work;
}
