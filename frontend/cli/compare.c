/* compare: trains a file under two conventions, then with one difference at a time switched, both ways. */
#include "frontend/cli/trainings.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct comparison {
    struct cli *cli;
    const char *a, *b, *judge_name;
    struct session judge;
    struct program judging;
    int runs, measures;             /* the loss, then the metrics */
    int done, all;                  /* trainings, for the progress */
    time_t shown;
};

struct effect {
    double mean, half, p, share;    /* half the width of the 95 % interval; p by Holm over all differences */
};

/* Student's t with |n| degrees of freedom: the chance of a value beyond -t or t (Abramowitz and Stegun 26.7.3, 26.7.4). */
static double
student_beyond(double t, int n)
{
    double angle = atan(fabs(t) / sqrt(n)), c = cos(angle) * cos(angle), term = n % 2 ? cos(angle) : 1, sum = n == 1 ? 0 : term;
    for (int k = n % 2 ? 3 : 2; k < n; k += 2)
        sum += term *= c * (k - 1) / k;
    return 1 - (n % 2 ? 2 / M_PI * (angle + sin(angle) * sum) : sin(angle) * sum);
}

static struct effect
effect_of(const double *x, int n)
{
    struct effect e = {.half = NAN, .p = NAN};
    double squares = 0, low = 0, high = 1000;
    for (int i = 0; i < n; i++)
        e.mean += x[i] / n;
    for (int i = 0; i < n; i++)
        squares += (x[i] - e.mean) * (x[i] - e.mean);
    if (n < 2)
        return e;
    double error = sqrt(squares / (n - 1) / n);
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        *(student_beyond(middle, n - 1) > 0.05 ? &low : &high) = middle;
    }
    e.half = low * error;
    e.p = error > 0 ? student_beyond(e.mean / error, n - 1) : e.mean != 0 ? 0 : 1;
    return e;
}

static void
holm(struct effect *const *e, int n)
{
    double *raw = calloc((size_t)n + 1, sizeof *raw);
    for (int i = 0; raw && i < n; i++)
        raw[i] = e[i]->p;
    for (int i = 0; raw && i < n; i++)
        for (int k = 0; k < n; k++)
            if (raw[k] <= raw[i]) {
                int behind = 0;
                for (int j = 0; j < n; j++)
                    behind += raw[j] >= raw[k];
                e[i]->p = fmax(e[i]->p, fmin(1, raw[k] * behind));
            }
    free(raw);
}

static void
progress(struct comparison *c)
{
    c->done++;
    if (c->cli->options.quiet || time(NULL) < c->shown + 2)
        return;
    c->shown = time(NULL);
    fprintf(stderr, "%d of %d trainings\n", c->done, c->all);
}

/* Whether the judge sees outputs of the same number and types. */
static bool
judgeable(const struct comparison *c, const struct session *s)
{
    const struct model_info *m = &s->info, *j = &c->judge.info;
    bool same = m->noutputs == j->noutputs;
    for (int i = 0; same && i < m->noutputs; i++)
        same = type_equal(&m->outputs[i].type, &j->outputs[i].type);
    return same;
}

static bool
judge(struct comparison *c, struct session *s, struct program *p, double *out)
{
    for (int i = 0; i < c->measures; i++)
        out[i] = NAN;
    if (!judgeable(c, s))
        return true;
    struct evaluation e = {0};
    struct ensemble one = {0};
    struct step_numbers numbers = {.seed = s->seed};
    int64_t rows = s->valid.view.rows, batch = s->x->train.eval_batch < rows ? s->x->train.eval_batch : rows;
    unsigned before = float_enter();
    bool ok = evaluate_set(&s->info, p, &s->valid.view, batch, &numbers, EVALUATE_LOSS | EVALUATE_METRICS | EVALUATE_OUTPUTS, &e, s->diag) &&
              ensemble_add(&one, &c->judge.info, &e, s->diag) &&
              ensemble_judge(&one, &c->judge, &c->judging, &c->judge.valid, &out[0], out + 1);
    float_leave(before);
    ensemble_free(&one);
    evaluation_free(&e);
    return ok;
}

/* Trains once a seed; out[run * measures + measure]. */
static bool
train_side(struct comparison *c, struct session *s, double *out)
{
    const struct train_settings *t = &s->x->train;
    struct program p = {0};
    int64_t rows = s->train.view.rows, valid = s->valid.view.rows, seed = s->seed;
    bool ok = session_variables(s, NULL) &&
              session_program(s, t->batch < rows ? t->batch : rows, t->eval_batch < valid ? t->eval_batch : valid, false, &p);
    for (int run = 0; ok && run < c->runs; run++) {
        s->seed = seed + run;
        ok = session_initialize(s, NULL);
        struct train_options o = {.epochs = t->epochs, .batch = t->batch, .eval_batch = t->eval_batch, .shuffle = t->shuffle,
                                  .drop_last = t->drop_last, .seed = s->seed, .early = t->early, .streams = s->draws.streams,
                                  .streams_variable = s->info.nvars - 1, .loss_by_batch = s->x->facts.epoch_loss == EPOCH_LOSS_BY_BATCH};
        struct train_callbacks none = {0};
        if (!o.early.on)
            o.early.on = "valid_loss";
        ok = ok && train_run(&s->info, &p, &s->train.view, o.early.patience ? &s->valid.view : NULL, &o, &none, NULL, s->diag) == STATUS_OK &&
             judge(c, s, &p, out + run * c->measures);
        progress(c);
    }
    if (p.destroy)
        p.destroy(p.self);
    return ok;
}

/* Trains under |base| with |taken| from |other|. */
static bool
train_mixed(struct comparison *c, const char *base, const char *other, const char *taken, double *out)
{
    struct mixture m = {.other = other, .taken = &taken, .ntaken = 1};
    struct session s;
    struct diag before = *c->cli->diag;
    bool ok = session_open_mixed(&s, c->cli, base, taken ? &m : NULL) && session_data(&s, NEEDS_TRAIN | NEEDS_VALID) && train_side(c, &s, out);
    session_close(&s);
    if (ok && taken) { /* its warnings are those of the two sides */
        *c->cli->diag = before;
        if (before.last)
            before.last->next = NULL;
    }
    return ok;
}

static const char *
measure_name(const struct comparison *c, int i)
{
    return i ? c->judge.info.metrics[i - 1] : "loss";
}

static void
print_json_number(const char *name, double x)
{
    printf(isfinite(x) ? ", \"%s\": %.9g" : ", \"%s\": null", name, x);
}

static void
print_table(const struct comparison *c, int measure, const struct effect sides[3], const struct difference *d, int n, const struct effect *e)
{
    const char *name = measure_name(c, measure);
    double smaller = fmin(sides[0].mean, sides[1].mean), percent = 100 * fabs(sides[2].mean) / smaller;
    printf("\nvalid_%s: %s %.6g, %s %.6g; gap %+.6g +- %.2g", name, c->a, sides[0].mean, c->b, sides[1].mean, sides[2].mean, sides[2].half);
    printf(smaller > 0 ? " (%.0f %%)\n" : "\n", percent);
    printf("%-18s %-16s %-16s %12s %10s %9s %9s\n", "difference", c->a, c->b, "effect", "+- (95 %)", "share", "p (Holm)");
    int most = -1;
    for (int i = 0; i < n; i++) {
        printf("%-18s %-16s %-16s %+12.4g %10.2g %7.1f %% %9.2g\n", d[i].name, d[i].a, d[i].b, e[i].mean, e[i].half, 100 * e[i].share, e[i].p);
        if (e[i].p < 0.05 && e[i].share > 0 && (most < 0 || e[i].share > e[most].share))
            most = i;
    }
    if (isnan(sides[2].mean))
        printf("valid_%s does not follow from the model's outputs alone, by which both sides are judged.\n", name);
    else if (c->runs < 2)
        printf("One run says nothing about chance: give --runs 2 or more.\n");
    else if (!(sides[2].p < 0.05))
        printf("The two do not differ significantly in valid_%s.\n", name);
    else if (most < 0)
        printf("No single difference is a significant cause of the gap.\n");
    else
        printf("%s is the cause of %.0f %% of the gap%s: %s has %s, %s has %s.\n", d[most].name, 100 * e[most].share,
               strcmp(d[most].name, "loss_shapes") ? "" : " (the shapes of the loss: [N] against [N, 1])", c->a, d[most].a, c->b, d[most].b);
}

static void
print_json(const struct comparison *c, int measure, const struct effect sides[3], const struct difference *d, int n, const struct effect *e)
{
    printf("%s\"valid_%s\": {\"runs\": %d", measure ? ", " : "{", measure_name(c, measure), c->runs);
    print_json_number("a", sides[0].mean);
    print_json_number("b", sides[1].mean);
    print_json_number("gap", sides[2].mean);
    print_json_number("p", sides[2].p);
    printf(", \"differences\": [");
    for (int i = 0; i < n; i++) {
        printf("%s{\"name\": \"%s\", \"fact\": %s", i ? ", " : "", d[i].name, d[i].is_fact ? "true" : "false");
        print_json_number("effect", e[i].mean);
        print_json_number("low", e[i].mean - e[i].half);
        print_json_number("high", e[i].mean + e[i].half);
        print_json_number("share", e[i].share);
        print_json_number("p", e[i].p);
        printf("}");
    }
    printf("]}%s", measure == c->measures - 1 ? "}\n" : "");
}

/* |v|: the runs of a, of b, then for each difference a with it from b, and b with it from a. */
static void
show(const struct comparison *c, const struct difference *d, int n, double *const *v)
{
    struct effect *e = ARENA_ARRAY(c->cli->arena, struct effect, n + 1), **all = ARENA_ARRAY(c->cli->arena, struct effect *, n + 1);
    double *x = ARENA_ARRAY(c->cli->arena, double, 3 * c->runs), *a = x + c->runs, *b = a + c->runs;
    bool json = c->cli->options.format && !strcmp(c->cli->options.format, "json");
    if (!json)
        printf("%d runs a training, judged under %s by the outputs on the valid data\n", c->runs, c->judge_name);
    for (int m = 0; m < c->measures; m++) {
        for (int r = 0; r < c->runs; r++) {
            a[r] = v[0][r * c->measures + m];
            b[r] = v[1][r * c->measures + m];
            x[r] = b[r] - a[r];
        }
        struct effect sides[3] = {effect_of(a, c->runs), effect_of(b, c->runs), effect_of(x, c->runs)};
        for (int i = 0; i < n; i++) {
            for (int r = 0; r < c->runs; r++)
                x[r] = (v[2 + 2 * i][r * c->measures + m] - a[r] + b[r] - v[3 + 2 * i][r * c->measures + m]) / 2;
            e[i] = effect_of(x, c->runs);
            e[i].share = e[i].mean / sides[2].mean;
            all[i] = &e[i];
        }
        holm(all, n);
        (json ? print_json : print_table)(c, m, sides, d, n, e);
    }
}

static bool
run(struct comparison *c, struct session *a, struct session *b)
{
    struct difference *d;
    int n = experiment_differences(a->x, b->x, c->cli->arena, &d);
    double **v = ARENA_ARRAY(c->cli->arena, double *, 2 * n + 2);
    c->measures = 1 + c->judge.info.nmetrics;
    c->all = c->runs * (2 * n + 2);
    for (int i = 0; i < 2 * n + 2; i++) {
        v[i] = ARENA_ARRAY(c->cli->arena, double, c->runs * c->measures);
        bool from_a = i % 2 == 0;
        if (!train_mixed(c, from_a ? c->a : c->b, from_a ? c->b : c->a, i < 2 ? NULL : d[i / 2 - 1].name, v[i]))
            return false;
    }
    show(c, d, n, v);
    return true;
}

int
command_compare(struct cli *cli)
{
    const struct options *o = &cli->options;
    struct comparison c = {.cli = cli, .a = o->side_a, .b = o->side_b, .judge_name = o->judge ? o->judge : "nnc",
                           .runs = o->runs > 0 ? (int)o->runs : 5, .shown = time(NULL)};
    struct mixture lenient = {.judge = true};
    struct session a = {0}, b = {0};
    if (!c.a || !c.b) {
        diag_subject(cli->diag, OPTION_NEEDS, "nnc", "compare", "--a and --b");
        return (int)cli->diag->status;
    }
    struct diag before = *cli->diag;
    if (session_open_mixed(&a, cli, c.a, NULL) && session_open_mixed(&b, cli, c.b, NULL)) {
        *cli->diag = before; /* the trainings of both say it again */
        if (session_trains(&a) && session_open_mixed(&c.judge, cli, c.judge_name, &lenient) && session_data(&c.judge, NEEDS_TRAIN | NEEDS_VALID) &&
                 session_variables(&c.judge, NULL) && session_program(&c.judge, 0, 1, false, &c.judging))
            run(&c, &a, &b);
        session_close(&c.judge);
    }
    if (c.judging.destroy)
        c.judging.destroy(c.judging.self);
    return (int)cli->diag->status;
}
