/* What checking costs: files of 1,000, 2,000 and 4,000 layers, three lines each, with branches, states and penalties;
 * milliseconds of processor time (median of 7) and microseconds a layer, which must not grow. */
#include "frontend/model.h"
#include "tests/bench/timing.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 7 };

static void
write_file(const char *path, int layers, bool plain)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        exit(1);
    fprintf(f, "model m {\n    input x: f32[N, 16]\n    target y: f32[N, 16]\n    h = x\n");
    for (int i = 0; i < layers; i++)
        if (plain)
            fprintf(f, "    # layer %d\n    h = relu(dense(h, 16))\n\n", i);
        else
            fprintf(f, "    h%d = batch_norm(dense(h, 16))\n    if training { h = h%d } else { h = h%d * 1 }\n    penalty "
                       "1e-4 * l2(h%d.dense.w)\n", i, i, i, i);
    fprintf(f, "    output p = h\n    loss mse(p, y)\n}\ntrain {\n    optimizer adam()\n}\n");
    fclose(f);
}

static double
check_once(const char *path)
{
    struct arena a;
    struct diag d;
    struct sources s;
    clock_t begun = clock();
    arena_init(&a, NULL);
    diag_init(&d, &a);
    sources_init(&s, &a);
    experiment_check(&a, &s, path, NULL, NULL, 0, &d);
    if (d.errors)
        exit(1);
    arena_free(&a);
    return (double)(clock() - begun) * 1e3 / CLOCKS_PER_SEC;
}

int
main(void)
{
    char path[] = P_tmpdir "/nnc-bench-XXXXXX";
    close(mkstemp(path));
    for (int plain = 1; plain >= 0; plain--)
        for (int layers = 1000; layers <= 4000; layers *= 2) {
            double ms[ROUNDS];
            write_file(path, layers, plain);
            for (int i = 0; i < ROUNDS; i++)
                ms[i] = check_once(path);
            qsort(ms, ROUNDS, sizeof *ms, compare);
            printf("%s %d layers: %.0f ms, %.1f us a layer\n", plain ? "dense, relu" : "dense, batch_norm, if, penalty",
                   layers, ms[ROUNDS / 2],
                   ms[ROUNDS / 2] * 1e3 / layers);
        }
    unlink(path);
    return 0;
}
