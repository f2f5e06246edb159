#include "frontend/cli/draws.h"
#include <stdlib.h>
#include <string.h>

static struct stream_draw
draw_of(const struct draw_site *s, int64_t rows)
{
    struct stream_draw d = {.law = s->law, .elem = (enum elem)s->type.elem, .count = type_count(&s->type, rows), .a = s->a, .b = s->b, .low = s->low, .high = s->high};
    d.rows = s->type.rank ? dim_at(s->type.dim[0], rows) : 1;
    return d;
}

static bool
make_buffers(struct draws *d, int64_t rows, struct arena *arena)
{
    const struct model *m = d->model;
    d->rows = rows;
    d->init = ARENA_ARRAY(arena, void *, m->ninit_draws + 1);
    d->step = ARENA_ARRAY(arena, void *, m->nstep_draws + 1);
    for (int i = 0; i < m->nsites; i++) {
        const struct draw_site *s = &m->sites[i];
        if (s->input < 0 || (!s->weight && !rows))
            continue;
        void *memory = malloc((size_t)type_bytes(&s->type, s->weight ? 1 : rows) + 1);
        if (!memory)
            return false;
        (s->weight ? d->init : d->step)[s->input] = memory;
    }
    return true;
}

/* Every site is made, and every initialiser draws, whether or not its numbers are wanted: the generators of a framework are shared. */
static bool
draw_initial(struct draws *d)
{
    const struct model *m = d->model;
    for (int i = 0; i < m->nsites; i++)
        if (!stream_site(d->streams, m->sites[i].weight ? STREAM_SITE_WEIGHT : STREAM_SITE_STEP, m->sites[i].stream))
            return false;
    for (int i = 0; i < m->nsites; i++) {
        const struct draw_site *s = &m->sites[i];
        if (!s->weight)
            continue;
        struct stream_draw draw = draw_of(s, 1);
        void *out = s->input >= 0 ? d->init[s->input] : malloc((size_t)type_bytes(&s->type, 1) + 1);
        bool ok = out && stream_draw(d->streams, i, &draw, out);
        if (s->input < 0)
            free(out);
        if (!ok)
            return false;
    }
    return true;
}

bool
draws_open(struct draws *d, const struct model *m, const struct facts *facts, int64_t seed, int64_t rows, struct arena *arena, struct diag *diag)
{
    *d = (struct draws){.model = m};
    if (!strcmp(facts->random, "nnc") && !strcmp(facts->shuffle_order, "nnc") && !strcmp(facts->dropout_stream, "nnc"))
        return true;
    int convention[STREAM_PURPOSES];
    convention[STREAM_WEIGHTS] = stream_convention_find(facts->random);
    convention[STREAM_ORDER] = stream_convention_find(facts->shuffle_order);
    convention[STREAM_STEPS] = stream_convention_find(facts->dropout_stream);
    d->streams = streams_open(convention, seed);
    if (!d->streams || !make_buffers(d, rows, arena) || !draw_initial(d)) {
        diag_report(diag, OUT_OF_MEMORY, (struct place){0});
        return false;
    }
    return true;
}

bool
draws_step(struct draws *d, int64_t rows)
{
    const struct model *m = d->model;
    for (int i = 0; d->streams && i < m->nsites; i++) {
        const struct draw_site *s = &m->sites[i];
        if (s->weight)
            continue;
        struct stream_draw draw = draw_of(s, rows);
        void *out = s->input >= 0 ? d->step[s->input] : malloc((size_t)type_bytes(&s->type, rows) + 1);
        bool ok = out && stream_draw(d->streams, i, &draw, out);
        if (s->input < 0)
            free(out);
        if (!ok)
            return false;
    }
    return true;
}

struct drawing {
    struct draws *draws;
    struct program inner;
};

static bool
train_step(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss)
{
    struct drawing *d = self;
    return draws_step(d->draws, rows) && d->inner.train_step(d->inner.self, inputs, rows, numbers, out_loss);
}

static bool
eval_step(void *self, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double *out_loss, const struct tensor **out_values)
{
    struct drawing *d = self;
    return d->inner.eval_step(d->inner.self, inputs, rows, numbers, out_loss, out_values);
}

static bool
metrics(void *self, const struct tensor *values, int64_t rows, double *out_metrics)
{
    struct drawing *d = self;
    return d->inner.metrics(d->inner.self, values, rows, out_metrics);
}

static void
destroy(void *self)
{
    struct drawing *d = self;
    d->inner.destroy(d->inner.self);
}

struct program
draws_program(struct draws *d, struct program p, struct arena *arena)
{
    if (!d->streams)
        return p;
    struct drawing *outer = ARENA_NEW(arena, struct drawing);
    *outer = (struct drawing){d, p};
    return (struct program){outer, train_step, eval_step, p.metrics ? metrics : NULL, p.lr, destroy};
}

const struct program *
draws_inner(const struct program *p)
{
    return p->train_step == train_step ? &((const struct drawing *)p->self)->inner : p;
}

void
draws_close(struct draws *d)
{
    if (d->streams)
        streams_close(d->streams);
    for (int i = 0; d->init && i < d->model->ninit_draws; i++)
        free(d->init[i]);
    for (int i = 0; d->step && i < d->model->nstep_draws; i++)
        free(d->step[i]);
}
