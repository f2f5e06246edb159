#include "ir/tails.h"

/* The shape over which |n| loops; NULL if it is not elementwise. */
static const struct type *
domain_of(const struct node *n)
{
    uint8_t class = op_info[n->op].class;
    if (class == CLASS_MAP || class == CLASS_CAST)
        return &n->type;
    if (n->op != OP_FUSED)
        return NULL;
    const struct node *out = n->body->outputs[0].node;
    return op_info[out->op].class == CLASS_REDUCE ? &out->in[0]->type : &out->type;
}

const struct node **
find_tails(const struct graph *g, struct arena *a)
{
    int *uses = ARENA_ARRAY(a, int, g->count + 1);
    const struct node **user = ARENA_ARRAY(a, const struct node *, g->count + 1);
    for (int i = 0; i < g->count; i++)
        for (int k = 0; k < g->nodes[i]->nin; k++) {
            uses[g->nodes[i]->in[k]->id]++;
            user[g->nodes[i]->in[k]->id] = g->nodes[i];
        }
    for (int i = 0; i < g->noutputs; i++)
        uses[g->outputs[i].node->id]++;
    for (int i = 0; i < g->count; i++) {
        const struct node *n = g->nodes[i];
        bool source = n->op == OP_MATMUL || op_info[n->op].class == CLASS_RANDOM;
        const struct type *domain = source && uses[i] == 1 && user[i] ? domain_of(user[i]) : NULL;
        if (!domain || !type_same_shape(domain, &n->type))
            user[i] = NULL;
    }
    return user;
}
