/* The program in jit mode: code that is made while graph mode runs, taken from disk, or not to be had at all gives the bytes
 * of graph mode; bench says so too. */
#include "frontend/cli/bench.h"
#include <cJSON.h>
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

/* Some thousand steps, so that the code comes in the midst of them; the last batch is smaller. */
static const char *const MODEL =
    "data {\n    r = numpy_random(5)\n    x = normal(r, [330, 20])\n    train x = x, c = argmax(x[:, 0:5], axis = 1)\n"
    "    valid x = x, c = argmax(x[:, 0:5], axis = 1)\n}\n"
    "model wave {\n    input x: f32[N, 20]\n    target c: i32[N]\n    h = dropout(relu(batch_norm(dense(x, 40))), 0.3)\n"
    "    output z = dense(tanh(dense(h, 30)), 5)\n    loss softmax_cross_entropy(z, c)\n}\n"
    "train {\n    optimizer adam(lr = 1e-3)\n    batch 32\n    epochs 200\n    shuffle true\n    seed 3\n}\n";

static int
run(const char *format, ...)
{
    char command[1024], inner[768];
    va_list args;
    va_start(args, format);
    vsnprintf(inner, sizeof inner, format, args);
    va_end(args);
    snprintf(command, sizeof command, "cd %s && XDG_CACHE_HOME=%s/cache %s >out.txt 2>err.txt", folder, folder, inner);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The file's text, until the next call. */
static char *
contents(const char *name)
{
    static char text[1 << 20];
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    cr_assert(f, "%s", path);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return text;
}

static void
expect_same(const char *a, const char *b)
{
    cr_expect_eq(run("cmp %s %s", a, b), 0, "%s and %s differ: %s", a, b, contents("err.txt"));
}

static void
begin(void)
{
    char path[96];
    strcpy(folder, "/tmp/nnc-test-tier-up-XXXXXX");
    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/m.nn", folder);
    FILE *f = fopen(path, "w");
    fputs(MODEL, f);
    fclose(f);
    if (run("%s train m.nn --mode jit --epochs 0 --quiet", NNC_PROGRAM) == 2)
        cr_skip_test("built without LLVM");
    cr_assert_eq(run("rm -rf cache"), 0);
}

static void
end(void)
{
    cr_assert_eq(run("rm -rf '%s'", folder), 0);
}

static void
train(const char *program, const char *options, const char *name)
{
    cr_assert_eq(run("%s train m.nn %s --quiet --save %s.safetensors --history %s.csv --history-no-time "
                     "--steps %s.steps.csv", program,
                     options, name, name, name), 0, "%s", contents("err.txt"));
}

Test(tier_up, nobody_sees_the_change)
{
    begin();
    train(NNC_PROGRAM, "--mode graph", "graph");
    static const char *const others[][2] = {{"--mode jit --no-cache", "none"}, {"--mode jit", "cold"},
                                            {"--mode jit", "warm"},
                                            {"--mode jit --llvm-passes none --no-cache", "waits"}};
    for (int i = 0; i < 4; i++) {
        static const char *const ends[] = {"safetensors", "csv", "steps.csv"};
        train(NNC_PROGRAM, others[i][0], others[i][1]);
        cr_expect_str_empty(contents("err.txt"));
        for (int k = 0; k < 3; k++) {
            char a[64], b[64];
            snprintf(a, sizeof a, "graph.%s", ends[k]);
            snprintf(b, sizeof b, "%s.%s", others[i][1], ends[k]);
            expect_same(a, b);
        }
        cr_expect_eq(run("test -d cache/nnc"), i == 0, "after run %d", i);
    }
    end();
}

/* A program whose code generator is missing goes on in graph mode, and says so once. */
Test(tier_up, without_a_code_generator)
{
    begin();
    train(NNC_PROGRAM, "--mode graph", "graph");
    cr_assert_eq(run("cp %s alone", NNC_PROGRAM), 0);
    train("./alone", "--mode jit", "alone");
    char *said = contents("err.txt"), *at = strstr(said, "graph mode goes on");
    cr_expect(strstr(said, "warning") && at && !strstr(at + 1, "graph mode goes on"), "%s", said);
    expect_same("graph.safetensors", "alone.safetensors");
    /* Who asks for what only machine code does gets an error. */
    cr_expect_eq(run("./alone train m.nn --mode jit --vector-width 8 --epochs 1"), 3);
    end();
}

/* Pieces between which the processor ran slower than it can are left out, unless hardly any is left. */
Test(tier_up, bench_compares_like_with_like)
{
    static const struct bench_piece p[] = {{5, 30}, {9, 61}, {6, 31}, {7, 35.9}, {12, 36.1}};
    double times[5];
    bool disturbed;
    cr_assert_eq(bench_undisturbed(p, 5, 30, times, &disturbed), 3);
    cr_assert(times[0] == 5 && times[1] == 6 && times[2] == 7 && !disturbed);
    cr_assert_eq(bench_undisturbed(p, 3, 30, times, &disturbed), 3);
    cr_assert(times[1] == 9 && times[2] == 6 && disturbed);
    cr_assert_eq(bench_undisturbed(p, 1, 30, times, &disturbed), 1);
    cr_assert(!disturbed);
    cr_assert(bench_probe() > 0);
}

Test(tier_up, bench)
{
    begin();
    static const char *const modes[] = {"eager", "graph", "jit"};
    static const char *const keys[] = {"step_us", "first_step_ms", "compile_ms", "kernels", "kernels_unfused", "live_bytes",
                                       "arena_bytes", "peak_rss", "gflops", "of_peak", "pieces"};
    cr_assert_eq(run("%s bench m.nn --format json", NNC_PROGRAM), 0, "%s", contents("err.txt"));
    char *text = contents("out.txt");
    cJSON *j = cJSON_Parse(text);
    cr_assert(j && cJSON_IsTrue(cJSON_GetObjectItem(j, "equal")), "%s", text);
    for (int i = 0; i < 3; i++) {
        const cJSON *m = cJSON_GetObjectItem(cJSON_GetObjectItem(j, "modes"), modes[i]);
        for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
            const cJSON *n = cJSON_GetObjectItem(m, keys[k]);
            cr_expect(cJSON_IsNumber(n) && n->valuedouble > 0, "%s of %s", keys[k], modes[i]);
        }
        cr_expect(cJSON_GetObjectItem(m, "slow_pieces")->valuedouble < cJSON_GetObjectItem(m, "pieces")->valuedouble);
        const cJSON *parts = cJSON_GetObjectItem(m, "parts_us"), *part;
        double sum = 0, step = cJSON_GetObjectItem(m, "step_us")->valuedouble;
        cJSON_ArrayForEach(part, parts) sum += cJSON_IsNumber(part) ? part->valuedouble : 0;
        cr_expect(sum > 0.999 * step, "the parts of %s are %g of %g", modes[i], sum, step); /* dispatch is the rest, and no less than 0 */
        const cJSON *fused = cJSON_GetObjectItem(m, "kernels"), *plain = cJSON_GetObjectItem(m, "kernels_unfused");
        cr_expect(i == 0 ? fused->valuedouble == plain->valuedouble : fused->valuedouble < plain->valuedouble);
    }
    cJSON_Delete(j);
    cr_expect_eq(run("%s bench m.nn --format csv", NNC_PROGRAM), 0);
    cr_expect(!strncmp(contents("out.txt"), "mode,step_us,", 13) && strstr(contents("out.txt"), "\njit,"));
    cr_expect_eq(run("%s bench m.nn --format html", NNC_PROGRAM), 0);
    cr_expect(strstr(contents("out.txt"), "</html>"));
    cr_expect_eq(run("%s bench m.nn --format xml", NNC_PROGRAM), 2);
    end();
}
