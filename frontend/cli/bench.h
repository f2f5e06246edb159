/* bench: what the files of the command share. Times are in microseconds unless their names say something else; NAN: not
 * known. */
#ifndef NNC_FRONTEND_CLI_BENCH_H
#define NNC_FRONTEND_CLI_BENCH_H
#include "frontend/cli/cli.h"
#include "passes/pass.h"
#include <math.h>

/* One way to run the model. */
struct bench_mode {
    const char *name;               /* "graph" */
    const char *mode, *gemm;        /* as --mode and --gemm name them */
    bool measured;
    double step, low, high;         /* median, first and ninth tenth of the rounds */
    int pieces, slow;               /* pieces that were timed; of them, left out for the processor ran slower than at its best */
    bool disturbed;                 /* too few were left: the slow ones count too */
    double compile_ms;              /* making the program, nothing on disk */
    double warm_ms;                 /* the same with the code on disk; NAN: there is no code */
    double first_step_ms;           /* compile_ms and the first step */
    /* parts of a step */
    double graph;                   /* making the graph anew */
    double memory, data, dispatch;
    double contractions, others;    /* kernels; contractions NAN: all kernels are |others| */
    int64_t nodes, kernels, kernels_unfused, moved_bytes, live_bytes, arena_bytes, peak_rss;
    uint64_t digest;                /* of the variables after the first steps, and of the losses */
};
enum { BENCH_EAGER, BENCH_GRAPH, BENCH_JIT, BENCH_BLAS, BENCH_MODES };

/* Contractions of one shape: out[m, n] of a [m, k] (or [k, m]) and b [k, n] (or [n, k]). */
struct bench_product {
    int64_t batch, m, n, k;
    bool transpose_a, transpose_b;
    enum elem elem;
    int count;                      /* in a step */
    double time, blas;              /* of one */
    bool disturbed;                 /* measured while the processor ran slower than at its best */
};
enum { BENCH_PRODUCTS = 16 };

/* What a pass is worth in machine code: how much longer a step is without it. */
struct bench_pass {
    enum pass pass;
    double gain;
};

struct bench {
    struct session *s;
    int64_t rows;                   /* of a step */
    struct bench_mode mode[BENCH_MODES];
    struct bench_product product[BENCH_PRODUCTS];
    int nproducts;
    struct bench_pass pass[PASS_COUNT];
    int npasses;
    double flop;                    /* of the contractions of a step */
    double peak;                    /* GFLOP/s of fused multiply-adds on one core */
    double probe;                   /* the least that bench_probe gave */
    bool passes_disturbed;
    int threads;                    /* of a step */
    bool equal;
};

double bench_now(void);             /* microseconds */
double bench_median(double *v, int n); /* sorts */

/* The frequency of some machines halves for minutes, and a neighbour may take half of a core. So a loop of a known length is run
 * before and after each piece that is timed: where it takes over BENCH_SLOW times as long as at its best, the piece is
 * left out, and modes are compared at the same speed. */
#define BENCH_SLOW 1.2
enum { BENCH_FEW = 3 };             /* with fewer pieces at full speed all count, and the result is marked */
struct bench_piece {
    /* Microseconds; probe: the longer one of both, longer still by the time that the piece waited for a processor. */
    double time, probe;
};
double bench_probe(void);
/* Copies the times of the pieces at full speed, or of all if these are fewer than BENCH_FEW; returns how many. */
int bench_undisturbed(const struct bench_piece *p, int n, double best_probe, double *out_times, bool *out_disturbed);

/* -- bench_steps.c: training steps, and processes that do them on request --------------------------------------------- */

struct feeder {
    const struct session *s;
    struct program program;
    int64_t *order;                 /* NULL: the set's own */
    void **buffers, **inputs;
    int64_t batch, rows, at, epoch, step;
    uint64_t losses;                /* digest */
};
/* Makes the program for the options of the command line. Reports and returns false on failure. */
bool feeder_open(struct feeder *f, struct session *s);
/* Does |count| steps, or only draws their batches. False if memory is short. */
bool feeder_steps(struct feeder *f, int64_t count, bool draw_only);
void feeder_close(struct feeder *f);

/* The options of the command line from here on: |mode| and |gemm|, waiting for machine code, which is kept off the disk
 * unless |cache|. */
void bench_options(struct session *s, const char *mode, const char *gemm, bool cache);

/* A process that measures, and the two pipes to it. */
struct bench_child {
    long pid;
    int to, from;
};
/* Runs |work| in a copy of this process. False if there can be none. */
bool bench_fork(struct bench_child *c, void (*work)(void *context, int in, int out), void *context);
bool bench_read(int fd, void *out, size_t size);
bool bench_write(int fd, const void *bytes, size_t size);
/* Ends it. False if it failed. */
bool bench_join(struct bench_child *c);

/* Measures all modes in turn. False if none of the three could be measured. */
bool bench_modes(struct bench *b);
/* Measures what the passes are worth. */
void bench_passes(struct bench *b);

/* -- bench_products.c --------------------------------------------------------------------------- */

/* The counts that a mode has from the graph alone; products and flop of a step. */
void bench_count(struct bench *b);
/* The contractions alone, and how fast the machine multiplies and adds. */
void bench_products(struct bench *b);

/* -- bench_print.c ------------------------------------------------------------------------------ */

void bench_print(const struct bench *b, FILE *out, const char *format, bool terminal);
#endif
