/* nnc as one of the contenders of peers.py: training steps of a .nn file, on request.
 *     bench_peer FILE MODE [nnc|openblas] [THREADS]
 * Says "ready" after the first steps; then answers each number of steps, a line, with the seconds they took. */
#include "frontend/cli/bench.h"
#include <stdlib.h>

enum { FIRST_STEPS = 20 };

static int
serve(struct session *s)
{
    struct feeder f;
    char line[32];
    if (!feeder_open(&f, s) || !feeder_steps(&f, FIRST_STEPS, false))
        return 1;
    puts("ready");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        double start = bench_now();
        if (!feeder_steps(&f, strtol(line, NULL, 10), false))
            return 1;
        printf("%.9f\n", (bench_now() - start) / 1e6);
        fflush(stdout);
    }
    feeder_close(&f);
    return 0;
}

int
main(int argc, char **argv)
{
    struct arena arena;
    struct diag diag;
    struct cli cli = {.arena = &arena, .diag = &diag};
    struct session s;
    if (argc < 3)
        return 2;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    sources_init(&cli.sources, &arena);
    cli.options.operand = argv[1];
    cli.options.epochs = -1;
    cli.options.threads = argc > 4 ? atoi(argv[4]) : 1;
    float_enter();
    int status = 1;
    if (session_open(&s, &cli) && session_data(&s, NEEDS_TRAIN) && session_variables(&s, NULL)) {
        bench_options(&s, argv[2], argc > 3 ? argv[3] : "nnc", false);
        status = serve(&s);
    }
    render_diag(&diag, &cli.sources, stderr, false);
    session_close(&s);
    return status;
}
