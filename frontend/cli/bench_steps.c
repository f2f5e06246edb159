/* bench_steps: training steps as the training loop does them, each mode in a process of its own, which does some on request,
 * so that modes are timed in turn and each has its own peak of memory. */
#include "frontend/cli/bench.h"
#include "runtime/digest.h"
#include "runtime/exec.h"
#include "runtime/shuffle.h"
#include "runtime/threads.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EQUAL_STEPS = 20, ROUNDS_MAX = 25, ROUNDS_MIN = 5, PASS_ROUNDS = 9 };
static const double ROUND = 25e3, BUDGET = 6e6, PASS_STEP_MAX = 3e5; /* microseconds: of a mode in a round, of all rounds */

/* ---- steps ---- */

void
bench_options(struct session *s, const char *mode, const char *gemm, bool cache)
{
    struct options *o = &s->cli->options;
    o->mode = mode;
    o->gemm = gemm;
    o->no_cache = !cache;
    if (!o->llvm_passes)
        o->llvm_passes = "none"; /* who asks for it waits for the code */
}

bool
feeder_open(struct feeder *f, struct session *s)
{
    const struct train_settings *t = &s->x->train;
    int64_t rows = s->train.view.rows, valid = s->valid.exists ? s->valid.view.rows : 0;
    int64_t whole = t->drop_last ? rows - rows % t->batch : 0;
    *f = (struct feeder){.s = s, .batch = t->batch < rows ? t->batch : rows, .rows = whole ? whole : rows};
    f->inputs = ARENA_ARRAY(s->arena, void *, s->info.ninputs + 1);
    f->buffers = ARENA_ARRAY(s->arena, void *, s->info.ninputs + 1);
    f->at = f->rows;
    f->epoch = -1;
    if (t->shuffle && t->batch < rows) {
        f->order = ARENA_ARRAY(s->arena, int64_t, 2 * rows); /* the second half is for the sorting */
        for (int i = 0; i < s->info.ninputs; i++) {
            struct type bytes = {.elem = ELEM_U8, .rank = 1,
                                 .dim = {(int64_t)input_row_bytes(&s->info.inputs[i]) * f->batch}};
            f->buffers[i] = tensor_new(&bytes).data;
            if (!f->buffers[i]) {
                diag_report(s->diag, OUT_OF_MEMORY, (struct place){0});
                return false;
            }
        }
    }
    return session_program(s, f->batch, t->eval_batch < valid ? t->eval_batch : valid, false, &f->program);
}

/* The next batch; returns its rows, 0 if memory is short. */
static int64_t
draw(struct feeder *f)
{
    const struct session *s = f->s;
    if (f->at == f->rows) {
        f->at = 0;
        f->epoch++;
        if (f->order && !shuffle_order(s->seed, f->epoch, s->train.view.rows, f->order + s->train.view.rows, f->order))
            return 0;
    }
    int64_t left = f->rows - f->at, rows = left < f->batch ? left : f->batch;
    if (!f->order)
        set_rows_at(&s->info, &s->train.view, f->at, f->inputs);
    for (int i = 0; f->order && i < s->info.ninputs; i++) {
        size_t bytes = input_row_bytes(&s->info.inputs[i]);
        f->inputs[i] = f->buffers[i];
        gather_rows(f->buffers[i], s->train.view.inputs[i].data, f->order + f->at, rows, bytes);
    }
    f->at += rows;
    return rows;
}

bool
feeder_steps(struct feeder *f, int64_t count, bool draw_only)
{
    for (int64_t i = 0; i < count; i++) {
        int64_t rows = draw(f);
        struct step_numbers numbers = {f->step, f->epoch, f->s->seed};
        double loss = 0;
        if (!rows || (!draw_only && !f->program.train_step(f->program.self, f->inputs, rows, &numbers, &loss)))
            return false;
        if (!draw_only && f->step++ < EQUAL_STEPS)
            f->losses = digest_bytes(f->losses, &loss, sizeof loss);
    }
    return true;
}

void
feeder_close(struct feeder *f)
{
    if (f->program.destroy)
        f->program.destroy(f->program.self);
    for (int i = 0; i < f->s->info.ninputs; i++) {
        struct tensor t = {.data = f->buffers[i]};
        if (t.data)
            tensor_free(&t);
    }
}

static uint64_t
state_digest(const struct feeder *f)
{
    uint64_t digest = f->losses;
    const struct model_info *m = &f->s->info;
    for (int i = 0; i < m->nvars; i++)
        digest = digest_bytes(digest, m->values[i].data, (size_t)tensor_bytes(&m->values[i]));
    return digest;
}

/* ---- processes ---- */

bool
bench_read(int fd, void *out, size_t size)
{
    for (char *at = out; size;) {
        ssize_t n = read(fd, at, size);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return false;
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
    return true;
}

bool
bench_write(int fd, const void *bytes, size_t size)
{
    for (const char *at = bytes; size;) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        }
    }
    return true;
}

bool
bench_fork(struct bench_child *c, void (*work)(void *context, int in, int out), void *context)
{
    int to[2], from[2];
    *c = (struct bench_child){.pid = -1, .to = -1, .from = -1};
    if (pipe(to))
        return false;
    if (pipe(from)) {
        close(to[0]);
        close(to[1]);
        return false;
    }
    fflush(NULL);
    c->pid = fork();
    if (c->pid == 0) {
        close(to[1]);
        close(from[0]);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        float_enter();
        work(context, to[0], from[1]);
        fflush(NULL);
        _exit(0);
    }
    close(to[0]);
    close(from[1]);
    c->to = to[1];
    c->from = from[0];
    return c->pid > 0;
}

bool
bench_join(struct bench_child *c)
{
    int status = 1;
    if (c->to >= 0)
        close(c->to);
    if (c->from >= 0)
        close(c->from);
    if (c->pid > 0 && waitpid((pid_t)c->pid, &status, 0) < 0)
        status = 1;
    c->pid = -1;
    return status == 0;
}

/* ---- one mode ---- */

/* What is asked of a process: steps, or one of these. It answers with a bench_piece, whose time is -1 if it failed. */
enum { ASK_DRAWS = -1, ASK_PARTS = -2, ASK_END = 0 };

struct started {
    double compile_ms, first_step_ms;
    uint64_t digest;
};

/* Of a step, microseconds. */
struct parts {
    double all, graph, memory, contractions, others; /* contractions: NAN where they are among the others */
};

/* The time to build the graph of a step without running it. */
static double
graph_time(struct session *s)
{
    double times[7];
    struct arena arena;
    arena_init(&arena, s->arena->oom);
    for (int i = 0; i < 7; i++) {
        double start = bench_now();
        for (int k = 0; k < 20; k++) {
            arena_reset(&arena);
            lower_train(s->model, &s->x->train, graph_new(&arena, "bench"));
        }
        times[i] = (bench_now() - start) / 20;
    }
    arena_free(&arena);
    return bench_median(times, 7);
}

/* Nanoseconds of a reading, undisturbed. */
static double
clock_cost(void)
{
    enum { TRIES = 20, READINGS = 50 };
    double best = INFINITY;
    for (int k = 0; k < TRIES; k++) {
        double start = kernel_clock(), end = start;
        for (int i = 0; i < READINGS; i++)
            end = kernel_clock();
        best = fmin(best, (end - start) / READINGS);
    }
    return best;
}

/* Where the time of |steps| steps goes, less that of the clock itself. */
static struct parts
measure_parts(struct feeder *f, int64_t steps)
{
    struct kernel_times t = {0};
    bool told = program_watch(&f->program, &t);
    double start = kernel_clock();
    bool ok = feeder_steps(f, steps, false);
    double all = kernel_clock() - start, clock = clock_cost(), each = clock * (double)t.count, count = 1e3 * (double)steps;
    program_watch(&f->program, NULL);
    double kernels = t.contractions + t.others, left = kernels > each ? 1 - each / kernels : 0;
    return (struct parts){.all = ok ? (all - clock * (double)t.readings) / count : NAN,
                          .memory = fmax(0, t.memory - each) / count,
                          .contractions = told ? t.contractions * left / count : NAN,
                          .others = t.others * left / count};
}

struct job {
    struct session *s;
    const struct bench_mode *mode;
};

/* Microseconds that this thread has had a processor. */
static double
own_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static void
serve(struct feeder *f, struct session *s, const struct bench_mode *m, int in, int out)
{
    for (int64_t ask; bench_read(in, &ask, sizeof ask);) {
        if (ask == ASK_END) {
            struct rusage usage;
            int64_t rss = getrusage(RUSAGE_SELF, &usage) ? 0 : (int64_t)usage.ru_maxrss * 1024;
            bench_write(out, &rss, sizeof rss);
            return;
        }
        int64_t count;
        if (!bench_read(in, &count, sizeof count))
            return;
        if (ask == ASK_PARTS) {
            struct parts p = measure_parts(f, count);
            p.graph = strcmp(m->mode, "eager") ? 0 : graph_time(s);
            bench_write(out, &p, sizeof p);
            continue;
        }
        struct bench_piece p = {.time = -1, .probe = bench_probe()};
        double start = bench_now(), own = own_time();
        bool ok = feeder_steps(f, count, ask == ASK_DRAWS);
        double took = bench_now() - start;
        own = own_time() - own;
        p.probe = fmax(p.probe, bench_probe());
        if (threads_count(s->threads) == 1) /* several may wait for each other */
            p.probe *= fmax(1, took / own);
        if (ok)
            p.time = took;
        bench_write(out, &p, sizeof p);
    }
}

static void
work_mode(void *context, int in, int out)
{
    const struct job *job = context;
    struct session *s = job->s;
    struct feeder f;
    struct started started;
    bench_options(s, job->mode->mode, job->mode->gemm, false);
    double start = bench_now();
    if (!feeder_open(&f, s)) {
        if (strcmp(job->mode->gemm, "openblas")) /* that it is not there is no fault */
            render_diag(s->diag, &s->cli->sources, stderr, false);
        _exit(1);
    }
    started.compile_ms = (bench_now() - start) / 1e3;
    if (!feeder_steps(&f, 1, false))
        _exit(1);
    started.first_step_ms = (bench_now() - start) / 1e3;
    if (!feeder_steps(&f, EQUAL_STEPS - 1, false))
        _exit(1);
    started.digest = state_digest(&f);
    bench_write(out, &started, sizeof started);
    serve(&f, s, job->mode, in, out);
    feeder_close(&f);
}

/* Makes the program with the code that lies on disk. */
static void
work_warm(void *context, int in, int out)
{
    const struct job *job = context;
    struct feeder f;
    (void)in;
    bench_options(job->s, job->mode->mode, job->mode->gemm, true);
    double start = bench_now();
    if (!feeder_open(&f, job->s))
        _exit(1);
    start = (bench_now() - start) / 1e3;
    bench_write(out, &start, sizeof start);
    feeder_close(&f);
}

static double
warm_time(struct session *s, const struct bench_mode *m)
{
    double ms = NAN;
    struct job job = {s, m};
    if (s->cli->options.no_cache || !m->mode || strcmp(m->mode, "jit"))
        return NAN;
    for (int i = 0; i < 4; i++) { /* the first one may have to make it */
        struct bench_child c;
        double one = NAN;
        bool ok = bench_fork(&c, work_warm, &job) && bench_read(c.from, &one, sizeof one);
        bench_join(&c);
        if (!ok)
            return NAN;
        if (i && !(ms < one))
            ms = one;
    }
    return ms;
}

/* The time is that of one. */
static struct bench_piece
ask_piece(struct bench_child *c, int64_t what, int64_t count)
{
    struct bench_piece p;
    int64_t words[2] = {what, count};
    if (!bench_write(c->to, words, sizeof words) || !bench_read(c->from, &p, sizeof p) || p.time < 0)
        return (struct bench_piece){-1, INFINITY};
    p.time /= (double)count;
    return p;
}

static double
ask(struct bench_child *c, int64_t what, int64_t count)
{
    return ask_piece(c, what, count).time;
}

static int64_t
steps_for(double each, double time)
{
    double n = each > 0 ? time / each : 1;
    return n < 1 ? 1 : n > 1e6 ? 1000000 : (int64_t)n;
}

/* The parts of a step, in the median of some runs, as shares of the step's time as it was measured without a clock in it. What is left is
 * dispatch. */
static void
take_parts(struct bench_child *c, struct bench_mode *m)
{
    enum { RUNS = 5 };
    struct parts p[RUNS];
    double all[RUNS], data[RUNS];
    int64_t words[2] = {ASK_PARTS, steps_for(m->step, ROUND)};
    for (int i = 0; i < RUNS; i++) {
        data[i] = ask(c, ASK_DRAWS, words[1]);
        if (!bench_write(c->to, words, sizeof words) || !bench_read(c->from, &p[i], sizeof p[i]) || !(p[i].all > 0))
            return;
        all[i] = p[i].all;
    }
    double middle = bench_median(all, RUNS);
    int i = 0;
    while (p[i].all != middle)
        i++;
    double scale = m->step / middle;
    m->graph = scale * p[i].graph;
    m->memory = scale * p[i].memory;
    m->contractions = scale * p[i].contractions;
    m->others = scale * p[i].others;
    m->data = scale * data[i];
    double known = m->graph + m->memory + m->others + m->data + (isnan(m->contractions) ? 0 : m->contractions);
    m->dispatch = fmax(0, m->step - known);
}

static void
start_modes(struct bench *b, struct bench_child child[BENCH_MODES])
{
    for (int i = 0; i < BENCH_MODES; i++) {
        struct bench_mode *m = &b->mode[i];
        struct job job = {b->s, m};
        struct started started;
        child[i] = (struct bench_child){.pid = -1, .to = -1, .from = -1};
        m->warm_ms = m->data = m->graph = m->memory = m->dispatch = m->contractions = m->others = NAN;
        if (!m->mode)
            continue;
        m->measured = bench_fork(&child[i], work_mode, &job) && bench_read(child[i].from, &started, sizeof started);
        if (!m->measured)
            continue;
        m->compile_ms = started.compile_ms;
        m->first_step_ms = started.first_step_ms;
        m->digest = started.digest;
    }
}

/* A piece, once more if the processor ran slower than it can. */
static struct bench_piece
ask_again(struct bench_child *c, int64_t count, double best_probe)
{
    struct bench_piece first = ask_piece(c, 1, count);
    if (first.probe <= BENCH_SLOW * best_probe)
        return first;
    struct bench_piece second = ask_piece(c, 1, count);
    return second.probe < first.probe ? second : first;
}

static void
time_modes(struct bench *b, struct bench_child child[BENCH_MODES])
{
    struct bench_piece pieces[BENCH_MODES][ROUNDS_MAX];
    double times[ROUNDS_MAX], all = 0;
    int64_t count[BENCH_MODES];
    for (int i = 0; i < BENCH_MODES; i++) {
        if (!b->mode[i].measured)
            continue;
        double each[3];
        count[i] = 1;
        for (int k = 0; k < 3; k++) {
            each[k] = ask(&child[i], 1, count[i]);
            count[i] = steps_for(each[k], ROUND / 5);
        }
        double one = bench_median(each, 3);
        count[i] = steps_for(one, ROUND);
        all += one * (double)count[i];
    }
    int rounds = all > 0 && BUDGET / all < ROUNDS_MAX ? (int)(BUDGET / all) : ROUNDS_MAX;
    rounds = rounds < ROUNDS_MIN ? ROUNDS_MIN : rounds;
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < BENCH_MODES; i++)
            if (b->mode[i].measured) {
                pieces[i][r] = ask_again(&child[i], count[i], b->probe);
                b->probe = fmin(b->probe, pieces[i][r].probe);
            }
    for (int i = 0; i < BENCH_MODES; i++) {
        struct bench_mode *m = &b->mode[i];
        if (!m->measured)
            continue;
        int n = bench_undisturbed(pieces[i], rounds, b->probe, times, &m->disturbed);
        m->pieces = rounds;
        m->slow = m->disturbed ? 0 : rounds - n;
        m->step = bench_median(times, n);
        m->low = times[n / 10];
        m->high = times[n - 1 - n / 10];
        m->measured = times[0] > 0;
    }
}

bool
bench_modes(struct bench *b)
{
    struct bench_child child[BENCH_MODES];
    start_modes(b, child);
    time_modes(b, child);
    for (int i = 0; i < BENCH_MODES; i++) {
        struct bench_mode *m = &b->mode[i];
        int64_t end = ASK_END;
        if (m->measured) {
            take_parts(&child[i], m);
            m->measured = bench_write(child[i].to, &end, sizeof end) &&
                          bench_read(child[i].from, &m->peak_rss, sizeof m->peak_rss);
            m->warm_ms = warm_time(b->s, m);
        }
        bench_join(&child[i]);
        if (!m->measured && m->mode && i <= BENCH_JIT)
            return false;
    }
    return true;
}

/* ---- passes ---- */

/* The sets of passes left out: one more pass in each step, in the pipeline's order and in the opposite one. */
static int
chains(const struct bench *b, uint32_t without[2 * PASS_COUNT + 2])
{
    int n = 0;
    for (int order = 0; order < 2; order++) {
        uint32_t set = 0;
        for (int i = 0; i < b->npasses; i++)
            set |= 1u << b->pass[i].pass;
        without[n++] = set;
        for (int i = 0; i < b->npasses; i++) {
            set &= ~(1u << b->pass[order ? b->npasses - 1 - i : i].pass);
            without[n++] = set;
        }
    }
    return n;
}

struct passes_job {
    const struct bench *b;
    int count;
    uint32_t without[2 * PASS_COUNT + 2];
    double time[2 * PASS_COUNT + 2];
    bool disturbed;
};

static void
leave_out(struct session *s, uint32_t set)
{
    struct texts *t = &s->cli->options.without;
    t->text = ARENA_ARRAY(s->arena, const char *, PASS_COUNT);
    t->count = 0;
    for (int i = 0; i < PASS_COUNT; i++)
        if (set >> i & 1)
            t->text[t->count++] = pass_info[i].name;
}

static double
least(const double *v, int n)
{
    double x = v[0];
    for (int i = 1; i < n; i++)
        x = fmin(x, v[i]);
    return x;
}

static void
work_passes(void *context, int in, int out)
{
    struct passes_job *job = context;
    struct session *s = job->b->s;
    int n = job->count;
    struct feeder *f = ARENA_ARRAY(s->arena, struct feeder, n);
    int *same = ARENA_ARRAY(s->arena, int, n);
    double(*times)[PASS_ROUNDS] = arena_alloc(s->arena, sizeof *times * (size_t)n);
    (void)in;
    bench_options(s, "jit", "nnc", false);
    for (int i = 0; i < n; i++) {
        same[i] = 0;
        while (job->without[same[i]] != job->without[i])
            same[i]++;
        leave_out(s, job->without[i]);
        if (same[i] == i && (!feeder_open(&f[i], s) || !feeder_steps(&f[i], 2, false)))
            _exit(1);
    }
    int64_t count = steps_for(job->b->mode[BENCH_JIT].step, ROUND);
    double best = job->b->probe, probes[PASS_ROUNDS];
    for (int r = 0; r < PASS_ROUNDS; r++) {
        probes[r] = bench_probe();
        for (int i = 0; i < n; i++) {
            double start = bench_now();
            if (same[i] == i && !feeder_steps(&f[i], count, false))
                _exit(1);
            times[i][r] = same[i] == i ? (bench_now() - start) / (double)count : times[same[i]][r];
        }
        probes[r] = fmax(probes[r], bench_probe());
    }
    job->disturbed = least(probes, PASS_ROUNDS) > BENCH_SLOW * best;
    for (int i = 0; i < n; i++)
        job->time[i] = least(times[i], PASS_ROUNDS); /* the differences are small: only undisturbed rounds tell them */
    bench_write(out, job->time, sizeof job->time);
    bench_write(out, &job->disturbed, sizeof job->disturbed);
}

void
bench_passes(struct bench *b)
{
    struct passes_job job = {.b = b};
    struct bench_child c;
    for (int i = 0; i < PASS_COUNT; i++)
        if (pass_info[i].optional)
            b->pass[b->npasses++] = (struct bench_pass){(enum pass)i, NAN};
    if (!b->mode[BENCH_JIT].measured || b->mode[BENCH_JIT].step > PASS_STEP_MAX)
        return;
    job.count = chains(b, job.without);
    bool ok = bench_fork(&c, work_passes, &job) && bench_read(c.from, job.time, sizeof job.time) &&
              bench_read(c.from, &job.disturbed, sizeof job.disturbed);
    b->passes_disturbed = job.disturbed;
    bench_join(&c);
    for (int i = 0; ok && i < b->npasses; i++) {
        const double *up = &job.time[i], *down = &job.time[b->npasses + 1 + (b->npasses - 1 - i)];
        b->pass[i].gain = (up[0] - up[1] + down[0] - down[1]) / 2;
    }
}
