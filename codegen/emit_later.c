/* emit_later: a tail with divisions and square roots, Adam's update behind a weight gradient, is done for one tile while the
 * next one is multiplied.
 *
 * A processor has one unit that divides, which takes its time and leaves those that multiply free; but it does not look far
 * enough ahead to overlap a tile with the update behind it. So a tile that is complete goes into a queue, vector by vector
 * with its place, and the loop over k of the next tile takes them out, evenly spread. No column needs a mask: a load that
 * overlaps the masked store of the row before would wait for it. */
#include "codegen/group.h"
#include "codegen/product.h"

/* ---- whether a tail can wait ---- */

enum { CHEAP = 3, /* instructions */ LONG = 128 /* chains beside which the tail's time is little */ };

static bool
is_slow(const struct item *it)
{
    return it->op == OP_DIV || it->op == OP_SQRT;
}

/* Its operands and results lie as the product does, or are single numbers: a place in one is the place in all. */
static bool
same_places(const struct group *gr, const struct type *domain)
{
    for (int i = 0; i < gr->nitems; i++)
        if (gr->items[i].op == OP_INPUT && !type_same_shape(gr->types[i], domain) &&
            !size_is(size_span(gr->types[i], 0, gr->types[i]->rank), 1))
            return false;
    for (int i = 0; i < gr->noutputs; i++)
        if (gr->outputs[i].reduce || !type_same_shape(gr->outputs[i].type, domain))
            return false;
    return true;
}

bool
is_later(struct gen *g, const struct node *product, const struct node *tail)
{
    struct group gr;
    bool slow = false;
    if (registers(g) < 32 || !product->attr || !product->attr->matmul.transpose_a || tail->op != OP_FUSED)
        return false;
    if (product->type.elem != ELEM_F32 || product->type.rank != 2 || product->type.dim[1] < 1 || product->type.dim[1] % g->width)
        return false;
    if (likely(g, size_of_dim(product->in[0]->type.dim[0])) > LONG)
        return false;
    group_make(g, &gr, tail, NULL);
    for (int i = 0; i < gr.nitems; i++) {
        slow |= is_slow(&gr.items[i]);
        if (!is_slow(&gr.items[i]) && item_cost(&gr.items[i]) > CHEAP)
            return false;
    }
    return slow && same_places(&gr, &product->type);
}

/* ---- the queue ---- */

enum { AHEAD = 2, /* tiles from the use of the tail's operands to their prefetching */ IN_CACHE = 8 << 10 };

static LLVMValueRef
memory(struct gen *g, LLVMTypeRef of, int count)
{
    LLVMValueRef v = LLVMBuildAlloca(g->b, LLVMArrayType2(of, (uint64_t)count), "");
    LLVMSetAlignment(v, 64);
    return v;
}

void
queue_open(struct product *p)
{
    struct gen *g = p->g;
    int most = p->rows * p->vectors;
    p->queue = (struct queue){.vectors = memory(g, vector_of(g->elem[p->elem], p->lanes), most), .places = memory(g, g->i64, most),
                              .count = memory(g, g->i64, 1)};
    LLVMBuildStore(g->b, whole(g, 0), p->queue.count);
}

static LLVMValueRef
entry(struct gen *g, LLVMValueRef array, LLVMTypeRef type, LLVMValueRef i)
{
    return LLVMBuildInBoundsGEP2(g->b, type, array, &i, 1, "");
}

void
queue_put(struct product *p, const struct piece *q, LLVMValueRef row, int rows, LLVMValueRef acc[ROWS_MAX][VECTORS_MAX])
{
    struct gen *g = p->g;
    LLVMValueRef corner = LLVMBuildNSWAdd(g->b, times(g, row, p->c_row), q->lane, "");
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < q->vectors; v++) {
            LLVMValueRef i = whole(g, r * q->vectors + v);
            LLVMValueRef at = LLVMBuildNSWAdd(g->b, corner, times(g, whole(g, r), p->c_row), "");
            LLVMBuildStore(g->b, acc[r][v], entry(g, p->queue.vectors, LLVMTypeOf(acc[r][v]), i));
            LLVMBuildStore(g->b, LLVMBuildNSWAdd(g->b, at, whole(g, v * p->lanes), ""), entry(g, p->queue.places, g->i64, i));
        }
    LLVMBuildStore(g->b, whole(g, rows * q->vectors), p->queue.count);
}

/* The tail of vector |i| of the queue. */
static void
take(struct product *p, LLVMValueRef i)
{
    struct gen *g = p->g;
    LLVMValueRef acc[ROWS_MAX][VECTORS_MAX];
    LLVMTypeRef type = vector_of(g->elem[p->elem], p->lanes);
    struct piece q = {.vectors = 1};
    acc[0][0] = LLVMBuildLoad2(g->b, type, entry(g, p->queue.vectors, type, i), "");
    q.lane = LLVMBuildLoad2(g->b, g->i64, entry(g, p->queue.places, g->i64, i), "");
    if (likely(g, size_times(p->m, p->n)) * (int64_t)elem_size(p->elem) > IN_CACHE)
        tail_prefetch(p, LLVMBuildNSWAdd(g->b, q.lane, times(g, whole(g, AHEAD * tile_rows(p)), p->c_row), ""));
    tail_tile(p, &q, whole(g, 0), 1, acc);
}

/* Each turn is worth |count| credits; one vector costs as many as there are turns. */
void
queue_turn(struct product *p, const struct loop *l)
{
    struct gen *g = p->g;
    LLVMValueRef zero = whole(g, 0), credit = loop_carry(g, l, zero), next = loop_carry(g, l, zero);
    LLVMValueRef count = LLVMBuildLoad2(g->b, g->i64, p->queue.count, "");
    LLVMValueRef more = LLVMBuildNSWAdd(g->b, credit, count, "");
    LLVMBasicBlockRef here = LLVMGetInsertBlock(g->b), again = block(g, "again"), one = block(g, "one"), on = block(g, "on");
    LLVMBuildBr(g->b, again);
    LLVMPositionBuilderAtEnd(g->b, again);
    LLVMValueRef left = LLVMBuildPhi(g->b, g->i64, ""), i = LLVMBuildPhi(g->b, g->i64, "");
    LLVMBuildCondBr(g->b, LLVMBuildICmp(g->b, LLVMIntSGE, left, p->length, ""), one, on);
    LLVMPositionBuilderAtEnd(g->b, one);
    take(p, i);
    LLVMValueRef paid = LLVMBuildNSWSub(g->b, left, p->length, ""), after = LLVMBuildNSWAdd(g->b, i, whole(g, 1), "");
    LLVMBasicBlockRef end = LLVMGetInsertBlock(g->b);
    LLVMBuildBr(g->b, again);
    LLVMAddIncoming(left, (LLVMValueRef[]){more, paid}, (LLVMBasicBlockRef[]){here, end}, 2);
    LLVMAddIncoming(i, (LLVMValueRef[]){next, after}, (LLVMBasicBlockRef[]){here, end}, 2);
    LLVMPositionBuilderAtEnd(g->b, on);
    loop_next(g, l, credit, left);
    loop_next(g, l, next, i);
}

/* The last tile. */
void
queue_close(struct product *p)
{
    struct gen *g = p->g;
    struct loop l;
    loop_begin_guarded(g, &l, whole(g, 0), LLVMBuildLoad2(g->b, g->i64, p->queue.count, ""), 1);
    take(p, l.index);
    loop_end(g, &l);
}
