/* threads: each worker has a slot, in which the caller posts a job. A worker looks at its slot for a while and then sleeps. Whoever changes the slot
 * from POSTED to the job's number has taken the part: the worker, or the caller when it is done with its own and finds the part untouched. So a
 * thread that the system does not run at the moment, or never granted, holds nobody up. */
#define _GNU_SOURCE
#include "runtime/threads.h"
#include "runtime/kernels.h"
#include <assert.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum {
    SPIN_NS = 400000,       /* how long a worker looks before it sleeps: longer than what lies between two large kernels of a step. To wake one costs the caller
                             * 5 us on plain hardware and was seen to cost 80 us on a virtual machine */
    LOOKS = 64,             /* between two looks at the clock */
    PATIENCE = 8000,        /* looks at a part that another thread has, before the caller gives its processor away */
    STACK = 1 << 19
};

struct slot {
    _Alignas(64) _Atomic uint64_t posted;   /* 2 * job + 1: to be taken; 2 * job: taken */
    _Atomic uint64_t done;                  /* the last job whose part is finished */
    _Atomic bool asleep;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    struct threads *pool;
    int part;
    bool started;
};

struct threads {
    int count;
    double least;           /* nanoseconds that a part is worth a thread for */
    bool started;
    uint64_t job;
    /* Of the present job; read by those that have taken a part of it. */
    threads_fn *fn;
    void *context;
    int parts;
    atomic_bool stop;
    struct slot slots[];    /* of the workers: parts 1 to count - 1 */
};

static inline void
relax(void)
{
#if defined __x86_64__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#endif
}

int
threads_available(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    return count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : count;
}

struct threads *
threads_new(int count)
{
    count = count < 1 ? 1 : count > THREADS_MAX ? THREADS_MAX : count;
    size_t size = sizeof(struct threads) + (size_t)(count - 1) * sizeof(struct slot);
    struct threads *t = aligned_alloc(_Alignof(struct slot), (size + 63) & ~(size_t)63);
    if (!t)
        return NULL;
    t->count = count;
    t->least = THREADS_PART_NS;
    t->started = false;
    t->job = 0;
    t->fn = NULL;
    t->context = NULL;
    t->parts = 0;
    atomic_init(&t->stop, false);
    for (int i = 0; i < count - 1; i++) {
        struct slot *s = &t->slots[i];
        atomic_init(&s->posted, 0);
        atomic_init(&s->done, 0);
        atomic_init(&s->asleep, false);
        s->pool = t;
        s->part = i + 1;
        s->started = false;
    }
    return t;
}

int
threads_count(const struct threads *t)
{
    return t ? t->count : 1;
}

/* The number of the posted job if the calling thread takes it, else 0. */
static uint64_t
take(struct slot *s)
{
    uint64_t posted = atomic_load_explicit(&s->posted, memory_order_relaxed);
    if (!(posted & 1) || !atomic_compare_exchange_strong_explicit(&s->posted, &posted, posted - 1, memory_order_acq_rel, memory_order_relaxed))
        return 0;
    return posted / 2;
}

static bool
has_work(struct slot *s)
{
    return atomic_load(&s->posted) & 1 || atomic_load(&s->pool->stop);
}

static int64_t
clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Looks at the slot for SPIN_NS at most. */
static bool
spin_until_work(struct slot *s)
{
    int64_t end = clock_ns() + SPIN_NS;
    do {
        for (int i = 0; i < LOOKS; i++) {
            if (has_work(s))
                return true;
            relax();
        }
    } while (clock_ns() < end);
    return false;
}

static void
sleep_until_work(struct slot *s)
{
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->asleep, true);
    while (!has_work(s))
        pthread_cond_wait(&s->wake, &s->lock);
    atomic_store(&s->asleep, false);
    pthread_mutex_unlock(&s->lock);
}

static void
wake(struct slot *s)
{
    if (!atomic_load(&s->asleep))
        return;
    pthread_mutex_lock(&s->lock);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

static void *
work(void *context)
{
    struct slot *s = context;
    struct threads *t = s->pool;
    float_enter();
    while (!atomic_load(&t->stop)) {
        uint64_t job = take(s);
        if (job) {
            t->fn(t->context, s->part, t->parts);
            atomic_store_explicit(&s->done, job, memory_order_release);
            continue;
        }
        if (!spin_until_work(s))
            sleep_until_work(s);
    }
    return NULL;
}

/* Signals are the main thread's. A worker that cannot be started leaves its part to the caller. */
static void
start(struct threads *t)
{
    sigset_t all, before;
    pthread_attr_t attr;
    t->started = true;
    if (pthread_attr_init(&attr))
        return;
    pthread_attr_setstacksize(&attr, STACK > PTHREAD_STACK_MIN ? STACK : PTHREAD_STACK_MIN);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    for (int i = 0; i < t->count - 1; i++) {
        struct slot *s = &t->slots[i];
        if (pthread_mutex_init(&s->lock, NULL))
            break;
        if (pthread_cond_init(&s->wake, NULL)) {
            pthread_mutex_destroy(&s->lock);
            break;
        }
        if (pthread_create(&s->thread, &attr, work, s)) {
            pthread_cond_destroy(&s->wake);
            pthread_mutex_destroy(&s->lock);
            break;
        }
        s->started = true;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
}

void
threads_free(struct threads *t)
{
    if (!t)
        return;
    atomic_store(&t->stop, true);
    for (int i = 0; i < t->count - 1 && t->slots[i].started; i++) {
        struct slot *s = &t->slots[i];
        wake(s);
        pthread_join(s->thread, NULL);
        pthread_cond_destroy(&s->wake);
        pthread_mutex_destroy(&s->lock);
    }
    free(t);
}

static void
wait_for(struct slot *s, uint64_t job)
{
    for (int looks = 0; atomic_load_explicit(&s->done, memory_order_acquire) != job; looks++)
        if (looks < PATIENCE)
            relax();
        else
            sched_yield();
}

void
threads_turn(_Atomic int *turn, int part)
{
    for (int looks = 0; atomic_load_explicit(turn, memory_order_acquire) != part; looks++)
        if (looks < PATIENCE)
            relax();
        else
            sched_yield();
}

void
threads_until(_Atomic int64_t *count, int64_t least)
{
    for (int looks = 0; atomic_load_explicit(count, memory_order_acquire) < least; looks++)
        if (looks < PATIENCE)
            relax();
        else
            sched_yield();
}

void
threads_next(_Atomic int *turn)
{
    atomic_fetch_add_explicit(turn, 1, memory_order_release);
}

void
threads_run(struct threads *t, int parts, threads_fn *fn, void *context)
{
    if (parts <= 1) {
        fn(context, 0, 1);
        return;
    }
    assert(parts <= threads_count(t));
    if (!t->started)
        start(t);
    t->fn = fn;
    t->context = context;
    t->parts = parts;
    uint64_t job = ++t->job;
    for (int i = 1; i < parts; i++)
        if (t->slots[i - 1].started) {
            atomic_store(&t->slots[i - 1].posted, 2 * job + 1);
            wake(&t->slots[i - 1]);
        }
    fn(context, 0, parts);
    for (int i = 1; i < parts; i++) {
        struct slot *s = &t->slots[i - 1];
        if (!s->started || take(s)) {
            fn(context, i, parts);
            atomic_store_explicit(&s->done, job, memory_order_relaxed);
        }
    }
    for (int i = 1; i < parts; i++)
        wait_for(&t->slots[i - 1], job);
}

void
threads_least(struct threads *t, double ns)
{
    t->least = ns;
}

int
threads_parts(const struct threads *t, double ns, int64_t units)
{
    int64_t parts = threads_count(t);
    if (parts == 1 || ns < 2 * t->least)
        return 1;
    if ((double)parts * t->least > ns)
        parts = (int64_t)(ns / t->least);
    return (int)(parts < units ? parts : units < 1 ? 1 : units);
}
