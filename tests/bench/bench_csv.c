/* bench_csv FILE [header|text]: reads a csv file whole and prints the rate, the numbers' size and the memory that was used. */
#include "runtime/data/csv.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

int
main(int argc, char **argv)
{
    struct arena arena;
    struct diag diag;
    struct stat s;
    struct timespec a, b;
    struct rusage use;
    struct data_table t;
    if (argc < 2 || stat(argv[1], &s)) {
        fprintf(stderr, "bench_csv FILE [header]\n");
        return 2;
    }
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    struct data_context c = {.arena = &arena, .diag = &diag};
    const struct csv_format format = {.header = argc > 2, .quotes = true, .separator = ',', .decimal = '.'};
    clock_gettime(CLOCK_MONOTONIC, &a);
    bool good = csv_read(&c, argv[1], &format, &t);
    clock_gettime(CLOCK_MONOTONIC, &b);
    if (!good) {
        fprintf(stderr, "%s: %s\n", diag.first->subject, diag.first->message);
        return 1;
    }
    getrusage(RUSAGE_SELF, &use);
    double seconds = (double)(b.tv_sec - a.tv_sec) + 1e-9 * (double)(b.tv_nsec - a.tv_nsec);
    double numbers = 8.0 * (double)t.rows * t.nnumbers;
    printf("%lld rows, %d columns, %d of numbers: %.2f s, %.0f MB/s; numbers %.0f MB, peak memory %.0f MB\n", (long long)t.rows, t.ncolumns,
           t.nnumbers, seconds, (double)s.st_size / seconds * 1e-6, numbers * 1e-6, (double)use.ru_maxrss * 1.024e-3);
    data_pool_free(&c.pool);
    arena_free(&arena);
    return 0;
}
