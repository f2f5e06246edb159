#include "runtime/digest.h"
#include "runtime/isa.h"
#include "runtime/streams/convention.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct stream_convention *const conventions[] = {
    &stream_nnc, &stream_keras_tf, &stream_torch, &stream_torch_plain, &stream_torch_mkl,
};
enum { CONVENTIONS = sizeof conventions / sizeof *conventions };

struct streams {
    struct stream_state state[STREAM_PURPOSES]; /* one a convention that has a purpose */
    int nstates;
    int of[STREAM_PURPOSES];                    /* which of them a purpose follows */
    void *discard;                              /* for numbers that nobody wants; grows, is kept */
    size_t discard_size;
};

int
stream_convention_find(const char *name)
{
    for (int i = 0; i < CONVENTIONS; i++)
        if (!strcmp(name, conventions[i]->name))
            return i;
    return -1;
}

const char *
stream_convention_name(int index)
{
    return index < CONVENTIONS ? conventions[index]->name : NULL;
}

/* ---- making ---- */

/* The state that follows |c|, a new one if there is none. */
static int
state_of(struct streams *s, const struct stream_convention *c, int64_t seed)
{
    for (int i = 0; i < s->nstates; i++)
        if (s->state[i].convention == c)
            return i;
    struct stream_state *state = &s->state[s->nstates];
    *state = (struct stream_state){.convention = c, .seed = seed, .epoch = -1};
    c->begin(state);
    return s->nstates++;
}

struct streams *
streams_open(const int convention[STREAM_PURPOSES], int64_t seed)
{
    struct streams *s = calloc(1, sizeof *s);
    for (int p = 0; s && p < STREAM_PURPOSES; p++)
        s->of[p] = state_of(s, conventions[convention[p]], seed);
    return s;
}

void
streams_close(struct streams *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->nstates; i++) {
        free(s->state[i].sites);
        free(s->state[i].scratch);
    }
    free(s->discard);
    free(s);
}

static bool
add_site(struct stream_state *s, enum stream_site_kind kind, uint64_t stream)
{
    if (s->nsites == s->sites_cap) {
        int cap = s->sites_cap ? 2 * s->sites_cap : 16;
        struct site *more = realloc(s->sites, (size_t)cap * sizeof *more);
        if (!more)
            return false;
        s->sites = more;
        s->sites_cap = cap;
    }
    struct site *site = &s->sites[s->nsites++];
    *site = (struct site){.kind = kind, .stream = stream};
    if (s->convention->site)
        s->convention->site(s, site);
    return true;
}

bool
stream_site(struct streams *s, enum stream_site_kind kind, uint64_t stream)
{
    for (int i = 0; i < s->nstates; i++)
        if (!add_site(&s->state[i], kind, stream))
            return false;
    return true;
}

/* ---- drawing ---- */

/* A buffer of at least |bytes| (and one more, so that 0 is no special case); what it held is lost. */
static void *
grow(void **buffer, size_t *size, size_t bytes)
{
    if (*size <= bytes) {
        free(*buffer);
        *size = (bytes + 64) / 64 * 64;
        *buffer = aligned_alloc(64, *size);
        if (!*buffer)
            *size = 0;
    }
    return *buffer;
}

void *
stream_scratch(struct stream_state *s, size_t bytes)
{
    return grow(&s->scratch, &s->scratch_size, bytes);
}

bool
stream_draw(struct streams *s, int site, const struct stream_draw *d, void *out)
{
    for (int i = 0; i < s->nstates; i++) {
        struct stream_state *state = &s->state[i];
        assert(site >= 0 && site < state->nsites);
        struct site *from = &state->sites[site];
        bool wanted = i == s->of[from->kind == STREAM_SITE_WEIGHT ? STREAM_WEIGHTS : STREAM_STEPS];
        if (wanted || state->convention->sequential) {
            void *to = wanted ? out : grow(&s->discard, &s->discard_size, (size_t)d->count * elem_size(d->elem));
            if (!to || !state->convention->law[d->law](state, from, d, to))
                return false;
        }
        from->draws++;
    }
    return true;
}

void
stream_epoch(struct streams *s, bool shuffle)
{
    for (int i = 0; i < s->nstates; i++) {
        struct stream_state *state = &s->state[i];
        state->epoch++;
        if (state->convention->epoch)
            state->convention->epoch(state, shuffle);
    }
}

bool
stream_order(struct streams *s, int64_t rows, int64_t *out)
{
    struct stream_state *state = &s->state[s->of[STREAM_ORDER]];
    return state->convention->order(state, rows, out);
}

/* ---- orthogonal matrices ---- */

static double
get(enum elem e, const void *values, int64_t i)
{
    return e == ELEM_F32 ? (double)((const float *)values)[i] : ((const double *)values)[i];
}

/* |v| is rounded, then multiplied, as there. */
static void
put(enum elem e, void *values, int64_t i, double v, double gain)
{
    if (e == ELEM_F32)
        ((float *)values)[i] = (float)v * (float)gain;
    else
        ((double *)values)[i] = v * gain;
}

bool
stream_orthogonal(struct stream_state *s, const struct stream_draw *d, bool tall, void *values)
{
    const int64_t rows = d->rows, columns = rows ? d->count / rows : 0;
    const bool wide = rows < columns;
    const int64_t m = wide ? columns : rows, k = wide ? rows : columns;
    double *a = stream_scratch(s, (size_t)(2 * d->count + 3 * k) * sizeof *a), *q = a + d->count;
    if (!a)
        return false;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < k; j++)
            a[i * k + j] = get(d->elem, values, wide && !tall ? j * m + i : i * k + j);
    isa_host()->qr(m, k, a, q, q + d->count);
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < k; j++)
            put(d->elem, values, wide ? j * m + i : i * k + j, q[i * k + j], d->a);
    return true;
}

/* ---- saving ---- */

/* Goes over the bytes of a state: counts, writes or reads them, so that the three cannot differ. */
struct pass {
    enum { PASS_COUNT, PASS_WRITE, PASS_READ } what;
    uint8_t *to;
    const uint8_t *from;
    size_t size;
};

/* The lowest |bytes| bytes of |v|, the lowest first; returns what stands there. */
static uint64_t
field(struct pass *p, uint64_t v, int bytes)
{
    uint64_t there = 0;
    for (int i = 0; i < bytes; i++, p->size++) {
        if (p->what == PASS_WRITE)
            p->to[p->size] = (uint8_t)(v >> (8 * i));
        if (p->what == PASS_READ)
            there |= (uint64_t)p->from[p->size] << (8 * i);
    }
    return p->what == PASS_READ ? there : v;
}

static void
pass_torch(struct pass *p, struct torch_random *r)
{
    uint64_t spare;
    memcpy(&spare, &r->spare, sizeof spare);
    spare = field(p, spare, 8);
    memcpy(&r->spare, &spare, sizeof spare);
    r->has_spare = field(p, r->has_spare, 1) != 0;
    r->twister.at = (int)field(p, (uint64_t)r->twister.at, 2);
    for (int i = 0; i < MT19937_WORDS; i++)
        r->twister.word[i] = (uint32_t)field(p, r->twister.word[i], 4);
}

/* What follows from seed and sites is not there. */
static void
pass_state(struct pass *p, struct stream_state *s)
{
    s->epoch = (int64_t)field(p, (uint64_t)s->epoch, 8);
    for (int i = 0; i < s->nsites; i++)
        s->sites[i].draws = (int64_t)field(p, (uint64_t)s->sites[i].draws, 8);
    if (!s->convention->sequential)
        return;
    s->sampler_seed = (int64_t)field(p, (uint64_t)s->sampler_seed, 8);
    pass_torch(p, &s->torch);
}

/* Of all that a state is made with. */
static uint64_t
identity(const struct streams *s)
{
    uint64_t d = 0;
    for (int p = 0; p < STREAM_PURPOSES; p++)
        d = digest_text(d, s->state[s->of[p]].convention->name);
    const struct stream_state *any = &s->state[0];
    d = digest_bytes(d, &any->seed, sizeof any->seed);
    for (int i = 0; i < any->nsites; i++) {
        uint64_t site[2] = {any->sites[i].kind, any->sites[i].stream};
        d = digest_bytes(d, site, sizeof site);
    }
    return d;
}

static size_t
pass_all(struct streams *s, struct pass p)
{
    field(&p, identity(s), 8);
    for (int i = 0; i < s->nstates; i++)
        pass_state(&p, &s->state[i]);
    return p.size;
}

/* Counting and writing store what was there before. */
size_t
streams_saved_size(const struct streams *s)
{
    return pass_all((struct streams *)s, (struct pass){.what = PASS_COUNT});
}

void
streams_save(const struct streams *s, uint8_t *out)
{
    pass_all((struct streams *)s, (struct pass){.what = PASS_WRITE, .to = out});
}

bool
streams_restore(struct streams *s, const uint8_t *bytes, size_t size)
{
    struct pass first = {.what = PASS_READ, .from = bytes};
    if (size != streams_saved_size(s) || field(&first, 0, 8) != identity(s))
        return false;
    pass_all(s, (struct pass){.what = PASS_READ, .from = bytes});
    for (int i = 0; i < s->nstates; i++)
        if (s->state[i].torch.twister.at > MT19937_WORDS)
            return false;
    return true;
}
