/* Where eager mode's values lie: no value is read after its memory was left to another, whatever the graph. */
#include "frontend/cli/lives.h"
#include "tests/reference/random_graph.h"
#include <criterion/criterion.h>
#include <limits.h>

enum { GRAPHS = 400, OLD = -1, GONE = -2 };

/* What lies where while a step runs: places are those of the nodes, then of the variables. */
struct memory {
    const struct graph *g;
    const struct life *life;
    int *place;         /* of a node's value */
    int *holds;         /* a place: the node whose value it is; OLD: a variable's before the step; GONE */
    int nplaces, reused, ended;
};

static const struct node *
computed(const struct node *n)
{
    while (n->op == OP_RESHAPE || n->op == OP_STOP || n->op == OP_UPDATE)
        n = n->op == OP_UPDATE ? n->in[1] : n->in[0];
    return n;
}

static void
read_value(const struct memory *m, const struct node *n, const struct node *reader)
{
    const struct node *from = computed(n);
    if (from->op == OP_INPUT)
        return;
    int place = m->place[from->id], wanted = from->op == OP_VAR ? OLD : from->id;
    cr_assert_eq(m->holds[place], wanted, "%%%d reads %%%d, but %%%d lies there", reader ? reader->id : -1, from->id, m->holds[place]);
}

static void
write_value(struct memory *m, const struct node *n)
{
    int place = m->life[n->id].place;
    m->place[n->id] = place < LIFE_NEW ? m->g->count - 2 - place : place > LIFE_NEW ? m->place[place] : n->id;
    for (int k = 0; k < n->nin; k++) {
        const struct node *from = computed(n->in[k]);
        if (from->op != OP_INPUT && m->place[from->id] == m->place[n->id])
            cr_assert(op_info[n->op].class == CLASS_MAP && type_equal(&n->in[k]->type, &n->type), "%%%d overwrites what it still reads", n->id);
    }
    m->holds[m->place[n->id]] = n->id;
    m->reused += place != LIFE_NEW;
}

static void
run_node(struct memory *m, const struct node *n)
{
    if (n->op == OP_VAR)
        m->place[n->id] = m->g->count + n->attr->name.index;
    else if (n->op != OP_INPUT && computed(n) == n) {
        for (int k = 0; k < n->nin; k++)
            read_value(m, n->in[k], n);
        write_value(m, n);
    }
    for (int i = m->life[n->id].ends; i >= 0; i = m->life[i].next, m->ended++) {
        cr_assert_eq(m->holds[m->place[i]], i, "%%%d ends twice, or is another's place", i);
        cr_assert_lt(m->place[i], m->g->count, "a variable's memory was given away");
        m->holds[m->place[i]] = GONE;
    }
}

static void
end_step(const struct memory *m)
{
    for (int i = 0; i < m->g->noutputs; i++)
        read_value(m, m->g->outputs[i].node, NULL);
    for (int i = 0; i < m->g->count; i++)
        if (m->g->nodes[i]->op == OP_UPDATE) {
            const struct node *from = computed(m->g->nodes[i]->in[1]);
            int var = m->g->count + m->g->nodes[i]->in[0]->attr->name.index;
            if (from->op == OP_INPUT || from->op == OP_VAR)
                continue;
            read_value(m, from, NULL);
            cr_assert(m->holds[var] == OLD || m->holds[var] == from->id, "another value lies in the variable");
        }
}

static void
check_graph(const struct graph *g, int nvars, struct arena *arena, int *reused, int *ended)
{
    struct memory m = {.g = g, .life = lives_of(g, arena), .nplaces = g->count + nvars};
    m.place = ARENA_ARRAY(arena, int, g->count);
    m.holds = ARENA_ARRAY(arena, int, m.nplaces);
    for (int i = 0; i < m.nplaces; i++)
        m.holds[i] = i < g->count ? GONE : OLD;
    for (int i = 0; i < g->count; i++)
        run_node(&m, g->nodes[i]);
    end_step(&m);
    *reused += m.reused;
    *ended += m.ended;
}

Test(lives, random_graphs)
{
    int reused = 0, ended = 0, nodes = 0;
    for (uint64_t seed = 0; seed < GRAPHS; seed++) {
        struct arena arena;
        arena_init(&arena, NULL);
        struct random_graph r = random_graph_new(&arena, seed, OP_COUNT, NULL, NULL);
        nodes += r.g->count;
        check_graph(r.g, r.nvars, &arena, &reused, &ended);
        arena_free(&arena);
    }
    cr_assert_gt(reused, nodes / 20);
    cr_assert_gt(ended, nodes / 4);
}

/* m = m + (g - m) * c; p = p - m: all lies in the variables and in the memory of one value. */
Test(lives, optimizer)
{
    struct arena arena;
    arena_init(&arena, NULL);
    struct graph *g = graph_new(&arena, "step");
    struct type type = {.elem = ELEM_F32, .rank = 1, .dim = {100}};
    struct node *x = graph_input(g, "x", &type), *p = graph_var(g, "p", 0, &type), *m = graph_var(g, "m", 1, &type);
    struct node *d = graph_add2(g, OP_SUB, x, m), *e = graph_add2(g, OP_MUL, d, graph_number(g, ELEM_F32, 0.1));
    struct node *m2 = graph_add2(g, OP_ADD, m, e), *p2 = graph_add2(g, OP_SUB, p, m2);
    graph_add2(g, OP_UPDATE, p, p2);
    graph_add2(g, OP_UPDATE, m, m2);
    const struct life *life = lives_of(g, &arena);
    cr_expect_eq(life[d->id].place, LIFE_NEW);
    cr_expect_eq(life[e->id].place, d->id);
    cr_expect_eq(life[m2->id].place, -3);
    cr_expect_eq(life[p2->id].place, -2);
    cr_expect_eq(life[m2->id].ends, e->id);
    arena_free(&arena);
}

/* The old value is read after the new one was made, by more than its elements, or by a second update: it stays. */
Test(lives, old_values_stay)
{
    struct arena arena;
    arena_init(&arena, NULL);
    struct graph *g = graph_new(&arena, "step");
    struct type type = {.elem = ELEM_F32, .rank = 2, .dim = {4, 4}};
    struct node *a = graph_var(g, "a", 0, &type), *b = graph_var(g, "b", 1, &type), *c = graph_var(g, "c", 2, &type);
    struct node *a2 = graph_add2(g, OP_ADD, a, a), *again = graph_add2(g, OP_MUL, a, a2);
    struct node *b2 = graph_matmul(g, b, b, false, false), *c2 = graph_add2(g, OP_ADD, c, c), *c3 = graph_add2(g, OP_MUL, c2, c2);
    graph_add2(g, OP_UPDATE, a, a2);
    graph_add2(g, OP_UPDATE, b, b2);
    graph_add2(g, OP_UPDATE, c, c2);
    graph_add2(g, OP_UPDATE, c, c3);
    graph_output(g, "again", again);
    const struct life *life = lives_of(g, &arena);
    struct node *all[] = {a2, again, b2, c2, c3};
    for (int i = 0; i < 5; i++)
        cr_expect_eq(life[all[i]->id].place, LIFE_NEW, "value %d", i);
    arena_free(&arena);
}
