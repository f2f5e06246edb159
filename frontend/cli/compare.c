/* compare: trains under two conventions, or two files, then with one difference at a time switched, both ways. */
#include "frontend/cli/compare.h"
#include "runtime/digest.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* -- the two sides ----------------------------------------------------------------------------------------------------------------- */

enum side_kind { SIDE_UNKNOWN, SIDE_MODE, SIDE_CONVENTION, SIDE_FILE };

static const char *const side_names[] = {"eager", "graph", "jit", "nnc", "keras", "torch"};
enum { SIDE_NAMES = sizeof side_names / sizeof *side_names, SIDE_MODES = 3 };

/* A .nn file with a model is a side of its own; one without is a convention. SIDE_UNKNOWN after a message. */
static enum side_kind
kind_of_file(struct cli *cli, const char *path)
{
    int file = source_read(&cli->sources, path, cli->diag);
    struct ast_file tree = file ? parse_file(&cli->sources, file, cli->diag) : (struct ast_file){0};
    if (!tree.block || cli->diag->errors)
        return SIDE_UNKNOWN;
    for (int i = 0; i < tree.block->nbody; i++)
        if (tree.block->body[i]->kind == AST_SECTION && !strcmp(tree.block->body[i]->text, "model"))
            return SIDE_FILE;
    return SIDE_CONVENTION;
}

static enum side_kind
kind_of_side(struct cli *cli, const char *option, const char *name)
{
    size_t length = strlen(name);
    for (int i = 0; i < SIDE_NAMES; i++)
        if (!strcmp(name, side_names[i]))
            return i < SIDE_MODES ? SIDE_MODE : SIDE_CONVENTION;
    if (length > 3 && !strcmp(name + length - 3, ".nn"))
        return kind_of_file(cli, name);
    diag_subject(cli->diag, COMPARE_SIDE, option, name);
    const char *near = nearest_name(name, side_names, SIDE_NAMES);
    if (near)
        diag_report(cli->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
    return SIDE_UNKNOWN;
}

/* --seed random is drawn once, for all trainings. */
static void
keep_seed(struct comparison *c)
{
    if (c->cli->options.seed)
        c->cli->options.seed = arena_printf(c->cli->arena, "%lld", (long long)c->a.seed);
}

/* What one side has been told about is not said again of the other. */
static void
drop_repeated(struct diag *d, const struct diagnostic *last)
{
    struct diagnostic **link = last ? (struct diagnostic **)(uintptr_t)&last->next : &d->first;
    bool dropped = false;
    while (*link) {
        struct diagnostic *now = *link;
        bool follows = now->severity == SEVERITY_NOTE || now->severity == SEVERITY_HELP;
        if (!follows) {
            dropped = false;
            for (const struct diagnostic *p = d->first; last && p != last->next && !dropped; p = p->next)
                dropped = p->code == now->code && !strcmp(p->message, now->message) && p->place.line == now->place.line;
            d->warnings -= dropped;
        }
        if (dropped)
            *link = now->next;
        else
            link = &now->next;
    }
    d->last = (struct diagnostic *)(uintptr_t)last;
    for (struct diagnostic *p = last ? last->next : d->first; p; p = p->next)
        d->last = p;
}

static bool
open_sides(struct comparison *c)
{
    struct cli *cli = c->cli;
    bool files = c->path_b;
    if (!session_open_mixed(&c->a, cli, cli->options.operand, files ? cli->options.follow : c->name_a, NULL))
        return false;
    keep_seed(c);
    const struct diagnostic *last = cli->diag->last;
    if (!session_open_mixed(&c->b, cli, files ? c->path_b : cli->options.operand, files ? cli->options.follow : c->name_b, NULL))
        return false;
    drop_repeated(cli->diag, last);
    if (files)
        c->ndifferences = statements_differ(&cli->sources, &c->a.x->tree, &c->b.x->tree, cli->arena, &c->merged, &c->differences);
    else
        c->ndifferences = experiment_differences(c->a.x, c->b.x, cli->arena, &c->differences);
    return session_trains(&c->a) && session_trains(&c->b);
}

/* -- a side with something from the other ------------------------------------------------------------------------------------------ */

/* What is taken of the differences in |members|, by the side that |from_b| says, as conventions have it. */
static void
mix_conventions(const struct comparison *c, bool from_b, const int *members, int count, struct mixture *m)
{
    struct taken *taken = ARENA_ARRAY(c->cli->arena, struct taken, count + 1);
    for (int i = 0; i < count; i++) {
        const struct difference *d = &c->differences[members[i]];
        taken[i] = (struct taken){.name = d->parameter ? d->definition : d->name, .parameter = d->parameter, .value = from_b ? d->value_a : d->value_b};
    }
    m->other = count ? from_b ? c->name_a : c->name_b : NULL;
    m->taken = taken;
    m->ntaken = count;
}

/* Who judges: nobody, what is checked is trained; the first file's losses, penalties and metrics; those that the mixture has itself. */
enum judged { JUDGED_NOT, JUDGED_BY_FIRST, JUDGED_BY_OWN };

/* The statements of one file with those of |members| from the other. */
static struct ast_file
mix_files(const struct comparison *c, bool from_b, const int *members, int count, enum judged judged)
{
    struct ast_file tree = from_b ? c->b.x->tree : c->a.x->tree;
    bool *statements = ARENA_ARRAY(c->cli->arena, bool, c->ndifferences + 1);
    for (int i = 0; i < c->ndifferences; i++)
        statements[i] = from_b;
    for (int i = 0; i < count; i++)
        statements[members[i]] = !from_b;
    tree.block = statements_merge(c->merged, statements, judged == JUDGED_BY_FIRST, c->cli->arena);
    return tree;
}

static bool
open_mixed(struct comparison *c, bool from_b, const int *members, int count, enum judged judged, struct session *s)
{
    struct ast_file tree = c->path_b ? mix_files(c, from_b, members, count, judged) : c->a.x->tree;
    struct mixture m = {.file = &tree, .judge = judged ? c->judge : NULL};
    const char *path = from_b && c->path_b ? c->path_b : c->cli->options.operand, *follow = from_b ? c->name_b : c->name_a;
    if (c->path_b) {
        follow = c->cli->options.follow;
        m.judge_block = judged == JUDGED_BY_FIRST ? c->a.x->tree.block : NULL;
    } else
        mix_conventions(c, from_b, members, count, &m);
    return session_open_mixed(s, c->cli, path, follow, &m) && session_trains(s);
}

/* Whether the data can be read and bound: what a mixture of two files may not be able to. */
static bool
try_data(struct session *s)
{
    bool ok = session_data(s, NEEDS_TRAIN);
    session_close(s);
    s->data = (struct data_result){0};
    s->train = s->valid = (struct set){0};
    s->data_ran = false;
    return ok;
}

static uint64_t
digest_graph(uint64_t d, const struct graph *g, struct arena *arena)
{
    return g ? digest_text(d, graph_text(g, arena, false)) : d;
}

static uint64_t
digest_sites(uint64_t d, const struct model *m, struct arena *arena)
{
    char type[TYPE_TEXT];
    for (int i = 0; i < m->nsites; i++) {
        const struct draw_site *s = &m->sites[i];
        d = digest_text(d, arena_printf(arena, "site %d %llx %d %s %a %a %a %a %d\n", s->weight, (unsigned long long)s->stream, (int)s->law,
                                        type_text(&s->type, ",", type), s->a, s->b, s->low, s->high, s->input));
    }
    return d;
}

static bool
draws_in_steps(const struct model *m)
{
    bool draws = false;
    for (int i = 0; i < m->nsites; i++)
        draws |= !m->sites[i].weight;
    return draws;
}

/* Of all that decides about a training and its judgement but the seed. */
static uint64_t
digest_variant(const struct variant *v, struct arena *arena)
{
    const struct experiment *x = v->s.x;
    const struct model *m = &x->model;
    const struct train_settings *t = &x->train;
    struct graph *g = graph_new(arena, "train");
    lower_train(m, t, g);
    uint64_t d = digest_graph(0, g, arena);
    d = digest_graph(d, m->init, arena);
    for (int i = 0; m->optimizers && i < m->nlayer_vars; i++)
        if (m->optimizers[i])
            d = digest_graph(d, m->optimizers[i]->states, arena);
    d = digest_graph(d, v->judged.model->eval, arena);
    d = digest_graph(d, v->judged.model->metrics, arena);
    d = digest_sites(d, m, arena);
    for (int i = 0; i < v->s.info.nvars; i++)
        d = digest_text(d, v->s.info.vars[i].name);
    d = digest_text(d, arena_printf(arena, "%s %s %s %lld %lld %d %d\n", x->facts.shuffle_order, x->facts.random,
                                    draws_in_steps(m) ? x->facts.dropout_stream : "", (long long)t->batch, (long long)t->epochs, t->shuffle,
                                    t->drop_last));
    if (t->early.patience) /* watches the loss of the side itself */
        d = digest_text(digest_graph(d, m->eval, arena), arena_printf(arena, "%d %lld %lld %s %d %d\n", (int)x->facts.epoch_loss, (long long)t->eval_batch,
                        (long long)t->early.patience, t->early.on ? t->early.on : "", t->early.restore, (int)t->early.goal));
    for (int i = 0; i < x->nconsts; i++)
        d = digest_text(d, arena_printf(arena, "%s %a %lld\n", x->consts[i].name, x->consts[i].value.real, (long long)x->consts[i].value.whole));
    const struct ast *data = x->data ? x->data->child[0] : NULL;
    for (int i = 0; data && i < data->nbody; i++) {
        bool reads = statement_reads(data->body[i]);
        d = digest_text(digest_text(d, ast_text(data->body[i], arena)), reads ? source_folder(x->sources, data->body[i]->place.file, arena) : "");
    }
    return d;
}

/* Opens a variant's training and its judgement. A name that the first file's loss uses may be another one in the second: then the mixture's own
 * loss judges. What is wrong with a variant is no fault of the user's: |out_fault| says it. */
static bool
open_variant(struct comparison *c, bool from_b, const int *members, int count, bool with_data, struct variant *v, const char **out_fault)
{
    struct diag *shown = c->cli->diag, *own = ARENA_NEW(c->cli->arena, struct diag);
    diag_init(own, c->cli->arena);
    c->cli->diag = own;
    *v = (struct variant){.from_b = from_b};
    bool ok = open_mixed(c, from_b, members, count, JUDGED_NOT, &v->s) && (!with_data || try_data(&v->s));
    if (ok && !(ok = open_mixed(c, from_b, members, count, JUDGED_BY_FIRST, &v->judged)) && c->path_b) {
        diag_init(own, c->cli->arena);
        v->own_judge = ok = open_mixed(c, from_b, members, count, JUDGED_BY_OWN, &v->judged);
    }
    *out_fault = own->first ? own->first->message : "its metrics are not those of the other side";
    if (ok) { /* the measures are those of the first side */
        const struct model_info *m = &v->judged.info, *first = &c->variants[0].judged.info;
        ok = m->nmetrics == first->nmetrics;
    }
    if (ok)
        v->digest = digest_variant(v, c->cli->arena);
    c->cli->diag = shown;
    return ok;
}

/* -- units ------------------------------------------------------------------------------------------------------------------------- */

/* Whether a and b can each be had with |u| switched; then the two variants are added. */
static bool
add_unit(struct comparison *c, struct unit *u)
{
    bool with_data = false;
    for (int i = 0; c->merged && i < u->count; i++)
        with_data |= statement_touches_data(c->merged, u->members[i]);
    struct variant *v = &c->variants[c->nvariants];
    if (!open_variant(c, false, u->members, u->count, with_data, &v[0], &u->fault) ||
        !open_variant(c, true, u->members, u->count, with_data, &v[1], &u->fault))
        return false;
    u->fault = NULL;
    c->nvariants += 2;
    c->units[c->nunits++] = *u;
    return true;
}

/* Those that cannot be switched alone are switched with their neighbours that cannot either, until it goes. */
static void
add_groups(struct comparison *c, const int *failing, const char *const *faults, int count)
{
    int first = 0;
    for (int i = 0; i < count; i++) {
        struct unit u = {.members = failing + first, .count = i - first + 1};
        if (u.count > 1 && add_unit(c, &u))
            first = i + 1;
    }
    for (int i = first; i < count; i++) { /* shown without an effect */
        c->units[c->nunits++] = (struct unit){.members = failing + i, .count = 1, .fault = faults[i]};
        c->variants[c->nvariants] = c->variants[c->nvariants + 1] = (struct variant){0};
        c->nvariants += 2;
    }
}

/* "a; b" of the texts of the members; "-", what one of them does not have, is left out. */
static const char *
joined(const struct comparison *c, const struct unit *u, size_t field)
{
    const char *text = NULL;
    for (int i = 0; i < u->count; i++) {
        const char *one = *(const char *const *)(const void *)((const char *)&c->differences[u->members[i]] + field);
        if (u->count == 1 || strcmp(one, "-"))
            text = text ? arena_printf(c->cli->arena, "%s; %s", text, one) : one;
    }
    return text ? text : "-";
}

static void
describe_unit(const struct comparison *c, struct unit *u)
{
    u->name = joined(c, u, offsetof(struct difference, name));
    u->a = joined(c, u, offsetof(struct difference, a));
    u->b = joined(c, u, offsetof(struct difference, b));
    u->place_a = joined(c, u, offsetof(struct difference, place_a));
    u->place_b = joined(c, u, offsetof(struct difference, place_b));
    u->effects = ARENA_ARRAY(c->cli->arena, struct effect, c->measures);
}

static bool
open_variants(struct comparison *c)
{
    int n = c->ndifferences, nfailing = 0, *numbers = ARENA_ARRAY(c->cli->arena, int, n + 1), *failing = ARENA_ARRAY(c->cli->arena, int, n + 1);
    const char **faults = ARENA_ARRAY(c->cli->arena, const char *, n + 1), *fault;
    c->variants = ARENA_ARRAY(c->cli->arena, struct variant, 2 * n + 2);
    c->units = ARENA_ARRAY(c->cli->arena, struct unit, n + 1);
    for (int side = 0; side < 2; side++) {
        if (!open_variant(c, side, NULL, 0, false, &c->variants[side], &fault)) {
            diag_subject(c->cli->diag, COMPARE_JUDGE, side ? c->name_b : c->name_a, c->judge, fault);
            return false;
        }
    }
    c->nvariants = 2;
    for (int i = 0; i < n; i++) {
        struct unit u = {.members = &numbers[i], .count = 1};
        numbers[i] = i;
        if (!add_unit(c, &u)) {
            faults[nfailing] = u.fault;
            failing[nfailing++] = i;
        }
    }
    add_groups(c, failing, faults, nfailing);
    return true;
}

/* -- trainings and what they say --------------------------------------------------------------------------------------------------- */

static int
find_job(struct comparison *c, int variant, int64_t seed)
{
    struct variant *v = &c->variants[variant];
    for (int i = 0; i < c->njobs; i++)
        if (c->jobs[i].digest == v->digest && c->jobs[i].seed == seed)
            return i;
    c->jobs[c->njobs] = (struct job){variant, seed, v->digest};
    return c->njobs++;
}

/* No training is done twice. */
static void
make_jobs(struct comparison *c)
{
    struct arena *arena = c->cli->arena;
    const struct model_info *judged = &c->variants[0].judged.info;
    c->jobs = ARENA_ARRAY(arena, struct job, c->nvariants * c->runs + 1);
    for (int i = 0; i < c->nvariants; i++) {
        int *jobs = ARENA_ARRAY(arena, int, c->runs);
        for (int run = 0; c->variants[i].s.x && run < c->runs; run++)
            jobs[run] = find_job(c, i, c->variants[i].s.seed + run);
        c->variants[i].jobs = c->variants[i].s.x ? jobs : NULL;
    }
    c->measures = 1 + judged->nmetrics;
    c->measure_names = ARENA_ARRAY(arena, const char *, c->measures);
    for (int i = 0; i < c->measures; i++)
        c->measure_names[i] = arena_printf(arena, "%s_%s", c->on_valid ? "valid" : "train", i ? judged->metrics[i - 1] : "loss");
}

double
compare_value(const struct comparison *c, int variant, int run, int measure)
{
    const int *jobs = c->variants[variant].jobs;
    return jobs ? c->values[jobs[run] * c->measures + measure] : NAN;
}

/* What |of| gives for the values of a run, or for their logarithms: of a, b, a with the unit, b without it; unit -1: of a and b alone. */
static struct effect
effect_over_runs(const struct comparison *c, int unit, int measure, bool logarithms, double (*of)(const double v[4]))
{
    double *x = ARENA_ARRAY(c->cli->arena, double, c->runs);
    for (int r = 0; r < c->runs; r++) {
        double v[4];
        for (int k = 0; k < 4; k++) {
            v[k] = compare_value(c, k < 2 || unit < 0 ? k % 2 : 2 * unit + k, r, measure);
            v[k] = logarithms ? log(v[k]) : v[k];
        }
        x[r] = of(v);
    }
    return effect_of(x, c->runs);
}

static double of_first(const double v[4]) { return v[0]; }
static double of_second(const double v[4]) { return v[1]; }
static double of_gap(const double v[4]) { return v[1] - v[0]; }
/* The mean of what a unit does to a and what taking it back does to b. */
static double of_unit(const double v[4]) { return (v[2] - v[0] + v[1] - v[3]) / 2; }

/* Whether nothing of a measure is 0 or less. */
static bool
is_positive(const struct comparison *c, int measure)
{
    bool positive = true;
    for (int i = 0; i < c->njobs; i++)
        positive &= !(c->values[i * c->measures + measure] <= 0);
    return positive;
}

/* The gap and the units of a measure, into |family|. Whether an effect is chance is asked of logarithms where all values are above 0: losses vary from seed
 * to seed in proportion to their size, and differences multiply them. What is less than a hundredth of the largest of them is no effect. */
static void
assess_measure(struct comparison *c, int m, struct effect **family)
{
    struct effect *tested = ARENA_ARRAY(c->cli->arena, struct effect, c->nunits + 1);
    bool logarithms = is_positive(c, m);
    double largest = 0;
    for (int i = 0; i <= c->nunits; i++) {
        double (*of)(const double v[4]) = i ? of_unit : of_gap;
        family[i] = i ? &c->units[i - 1].effects[m] : &c->sides[2][m];
        *family[i] = effect_over_runs(c, i - 1, m, false, of);
        tested[i] = effect_over_runs(c, i - 1, m, logarithms, of);
        largest = fmax(largest, fabs(tested[i].mean));
    }
    for (int i = 0; i <= c->nunits; i++) {
        family[i]->p = effect_chance(&tested[i], c->runs, EFFECT_SMALL * largest);
        if (i)
            family[i]->share = family[i]->mean / family[0]->mean;
    }
}

static void
assess(struct comparison *c)
{
    struct arena *arena = c->cli->arena;
    int n = c->nunits + 1;
    struct effect **family = ARENA_ARRAY(arena, struct effect *, n * c->measures);
    for (int i = 0; i < 3; i++)
        c->sides[i] = ARENA_ARRAY(arena, struct effect, c->measures);
    for (int m = 0; m < c->measures; m++) {
        c->sides[0][m] = effect_over_runs(c, -1, m, false, of_first);
        c->sides[1][m] = effect_over_runs(c, -1, m, false, of_second);
        assess_measure(c, m, family + m * n);
    }
    effects_holm(family, n * c->measures);
}

static int
compare_sides(struct comparison *c)
{
    int status = STATUS_OK;
    if (!open_sides(c) || !open_variants(c))
        return (int)c->cli->diag->status;
    struct session data = c->a; /* a file without valid data is judged on what it is trained on */
    c->on_valid = session_data(&data, NEEDS_TRAIN) && data.valid.exists;
    session_close(&data);
    if (c->cli->diag->errors)
        return (int)c->cli->diag->status;
    make_jobs(c);
    for (int i = 0; i < c->nunits; i++)
        describe_unit(c, &c->units[i]);
    if (!compare_run(c, &status))
        return status;
    assess(c);
    compare_print(c);
    return STATUS_OK;
}

int
command_compare(struct cli *cli)
{
    const struct options *o = &cli->options;
    struct comparison c = {.cli = cli, .name_a = o->side_a, .name_b = o->side_b, .judge = o->judge ? o->judge : "nnc",
                           .runs = o->runs > 0 ? (int)o->runs : 5};
    if (o->other && (c.name_a || c.name_b))
        diag_subject(cli->diag, OPTIONS_TOGETHER, "nnc", "a second file", c.name_a ? "--a" : "--b");
    else if (o->other) {
        c.name_a = o->operand;
        c.name_b = o->other;
    } else if (!c.name_b || (!c.name_a && kind_of_side(cli, "--b", c.name_b) != SIDE_FILE))
        diag_subject(cli->diag, OPTION_NEEDS, "nnc", "compare", "--a and --b, or two files");
    if (cli->diag->errors)
        return (int)cli->diag->status;
    if (!c.name_a)
        c.name_a = o->operand;
    enum side_kind a = kind_of_side(cli, o->side_a ? "--a" : "nnc", c.name_a), b = a ? kind_of_side(cli, o->side_b ? "--b" : "nnc", c.name_b) : a;
    if (a && b && a != b)
        diag_subject(cli->diag, COMPARE_KINDS, "nnc", c.name_a, c.name_b);
    else if (a && b && o->judge && kind_of_side(cli, "--judge", o->judge) != SIDE_CONVENTION && !cli->diag->errors)
        diag_subject(cli->diag, COMPARE_JUDGE_KIND, "--judge", o->judge);
    if (cli->diag->errors)
        return (int)cli->diag->status;
    if (a == SIDE_MODE)
        return compare_modes(cli);
    if (a == SIDE_FILE) {
        cli->options.operand = c.name_a;
        c.path_b = c.name_b;
    }
    return compare_sides(&c);
}
