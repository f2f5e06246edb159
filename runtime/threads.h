/* threads: a pool that computes the parts of one kernel at a time. Who computes a part never changes a bit: parts are fixed by the caller, and no
 * sum crosses the border between two. */
#ifndef NNC_RUNTIME_THREADS_H
#define NNC_RUNTIME_THREADS_H
#include <stdbool.h>
#include <stdint.h>

enum {
    THREADS_MAX = 64,
    THREADS_PART_NS = 10000 /* a part of less is not worth the call of a thread, which takes one to three microseconds: with this much to do it gains, on a
                             * busy machine too */
};

struct threads;
/* Part |part| of |parts|. It neither allocates nor fails; memory that it needs is its caller's. */
typedef void threads_fn(void *context, int part, int parts);

/* The processors that this process may run on, at least 1 and at most THREADS_MAX. */
int threads_available(void);

/* A pool for |count| threads, the calling one among them: 1 to THREADS_MAX. Starts none: they start with the first work, and those that the system
 * does not grant are done without. NULL if memory is short. */
struct threads *threads_new(int count);
void threads_free(struct threads *t);

/* 1 if |t| is NULL. */
int threads_count(const struct threads *t);

/* Runs all parts, at most threads_count(t), and returns when the last one is done: part 0 in the calling thread, which also takes those that no
 * other thread has begun meanwhile. Called by one thread at a time, and never by a part. Each thread is between float_enter and float_leave. */
void threads_run(struct threads *t, int parts, threads_fn *fn, void *context);

/* Within a part: waits until |*turn| is |part|, for what parts do one after the other; |*turn| is 0 at first. It does not wait in vain, since the calling
 * thread begins with part 0 and takes the others in their order. threads_next lets the next part go on. */
void threads_turn(_Atomic int *turn, int part);
void threads_next(_Atomic int *turn);
/* Waits until |*count| is |least| or more, which a part before this one sees to. */
void threads_until(_Atomic int64_t *count, int64_t least);

/* From now on a part is worth a thread if it takes |ns| nanoseconds, and not THREADS_PART_NS; tests set 0. */
void threads_least(struct threads *t, double ns);

/* In how many parts to cut work that takes about |ns| nanoseconds and consists of |units| pieces: a part is worth the call of a thread. */
int threads_parts(const struct threads *t, double ns, int64_t units);

/* Where part |part| of |parts| begins among |units| pieces; it ends where the next begins. */
static inline int64_t
threads_begin(int64_t units, int part, int parts)
{
    return units / parts * part + units % parts * part / parts;
}
#endif
