/* Bad inputs that only the program as a whole shows: exit codes, no time and memory to speak of, no file made; and what is
 * refused in train only. The messages of single faults are in tests/golden/check and tests/golden/syntax. */
#include "frontend/model.h"
#include "tests/unit/run_program.h"
#include <locale.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
enum { SECONDS = 20, MEGABYTES = 4000 };
#else
enum { SECONDS = 1, MEGABYTES = 64 };
#endif

#define DATA "data {\n r = numpy_random(0)\n x = normal(r, [64, 4])\n train x = x\n valid x = x\n}\n"
#define MODEL(body) "model m {\n input x: f32[N, 4]\n" body "\n output p = h\n}\n"
#define TRAIN "train {\n optimizer sgd()\n epochs 1\n}\n"

/* Each command gives |status| and says |says|. */
static void
expect(struct run *r, const char *text, const char *command, int status, const char *says)
{
    run_write(r, "m.nn", text);
    cr_expect_eq(run_nnc(r, "%s", command), status, "%s: %d, not %d\n%s\n%s", command, r->status, status, r->text, text);
    cr_expect(!says || strstr(r->text, says), "%s: %s\n%s", command, r->text, text);
}

/* No loss, no weights, no optimizer: said by train, and only there. */
Test(bad_programs, what_training_needs)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        {DATA MODEL("h = dense(x, 2)") TRAIN, "the model has no loss"},
        {DATA MODEL("h = x * 2\n loss mean(h)") TRAIN, "the model has no weights"},
        {DATA MODEL("h = dense(x, 2)\n loss mean(h)"), "no optimizer"},
        {MODEL("h = dense(x, 2)\n loss mean(h)") TRAIN, "train"},
    };
    struct run r;
    run_init(&r);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        expect(&r, rows[i].text, "check m.nn", 0, NULL);
        expect(&r, rows[i].text, "train m.nn --save w.safetensors", 1, rows[i].says);
        char *made = run_file(&r, "w.safetensors");
        cr_expect(!made, "a file was made: %s", rows[i].text);
        free(made);
    }
    run_end(&r);
}

/* A weight that no loss reaches: named in every command, and not changed. */
Test(bad_programs, unreached_weights_are_named)
{
    static const char text[] = DATA MODEL("h = dense(x, 2)\n spare = dense(x, 1)\n loss mean(h)") TRAIN;
    static const char *const commands[] = {"check m.nn", "train m.nn --save w.safetensors",
                                           "eval m.nn --weights w.safetensors",
                                           "predict m.nn --weights w.safetensors --on valid --output p=p.npy"};
    struct run r;
    run_init(&r);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        expect(&r, text, commands[i], 0, "warning: no loss reaches the weight spare.w");
    cr_expect(!strstr(r.text, "the weight h.w"), "%s", r.text);
    run_end(&r);
}

/* Class numbers beyond the width of what they are compared with: the row, before the first step. */
Test(bad_programs, classes_beyond_the_width)
{
    static const char text[] = "data {\n r = numpy_random(0)\n c = integers(r, 0, 6, [64])\n train x = normal(r, [64, 4]), "
                               "c = c\n}\n"
                               "model m {\n input x: f32[N, 4]\n target c: i32[N]\n output z = dense(x, 5)\n loss "
                               "softmax_cross_entropy(z, c)\n}\n" TRAIN;
    struct run r;
    run_init(&r);
    expect(&r, text, "check m.nn", 0, NULL);
    expect(&r, text, "train m.nn --save w.safetensors --steps s.csv", 1, "expected indices from 0 to below 5; row ");
    char *steps = run_file(&r, "s.csv");
    cr_expect(!steps || !strchr(steps, '\n') || !strchr(strchr(steps, '\n') + 1, '\n'), "%s", steps);
    free(steps);
    run_end(&r);
}

Test(bad_programs, weights_beyond_the_memory)
{
    struct run r;
    run_init(&r);
    expect(&r, DATA MODEL("w = weight([1000000, 750000], zeros)\n h = x * mean(w)\n loss mean(h)") TRAIN, "train m.nn", 3,
           "needs 3.0 TB, have ");
    expect(&r, DATA MODEL("w = weight([65536, 65536, 65536, 65536], zeros)\n h = x\n loss mean(h)") TRAIN, "train m.nn", 1,
           "size over 2^63");
    run_end(&r);
}

/* |count| times |part| behind |front|, then |back|. */
static void
write_long(const struct run *r, const char *front, const char *part, int count, const char *back)
{
    char path[512];
    snprintf(path, sizeof path, "%s/m.nn", r->folder);
    FILE *f = fopen(path, "wb");
    cr_assert(f);
    fputs(front, f);
    for (int i = 0; i < count; i++)
        fputs(part, f);
    fputs(back, f);
    cr_assert(!fclose(f));
}

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void
refused_at_once(struct run *r, const char *says)
{
    double begun = now();
    cr_expect_eq(run_nnc(r, "check m.nn"), 1, "%.300s", r->text);
    double seconds = now() - begun;
    struct rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    struct stat file;
    char path[512];
    snprintf(path, sizeof path, "%s/m.nn", r->folder);
    long megabytes = stat(path, &file) ? 0 : (long)(file.st_size >> 20);
    cr_expect(strstr(r->text, says), "%s: %.300s", says, r->text);
    cr_expect(seconds < SECONDS, "%s: %.1f s", says, seconds);
    cr_expect(usage.ru_maxrss / 1024 < MEGABYTES + (megabytes < 64 ? megabytes : 0), "%s: %ld MB", says,
              usage.ru_maxrss / 1024);
}

Test(bad_programs, long_and_deep_files)
{
    static const struct {
        const char *front, *part;
        int count;
        const char *back, *says;
    } rows[] = {
        {"model m {\n x = ", "(", 100000, "1\n}\n", "m.nn:2:"},
        {"model m {\n", "if 1 < 2 {\n", 100000, "x = 1\n", "nesting over 256"},
        {"model ", "a", 100000, " {\n}\n", "m.nn:1:7: error: a name of 100000 bytes"},
        {"model ", "a", 256, " {\n}\n", "a name of 256 bytes"},
        {"", "\n", 3, "# only a comment", "m.nn:1:1: error: no model defined"},
        {"\xff\xfe", "m", 1, "", "m.nn: error: the file is UTF-16; convert it to UTF-8"},
        {"model m {\n", "x = nothing(y)\n", 20000, "}\n", "m.nn:2:5: error: 'nothing' is not defined"},
    };
    struct run r;
    run_init(&r);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_long(&r, rows[i].front, rows[i].part, rows[i].count, rows[i].back);
        refused_at_once(&r, rows[i].says);
    }
    run_end(&r);
}

Test(bad_programs, a_source_of_a_gigabyte)
{
    struct run r;
    char path[512];
    run_init(&r);
    run_write(&r, "m.nn", "model m {}\n");
    snprintf(path, sizeof path, "%s/m.nn", r.folder);
    cr_assert(!truncate(path, 1 << 30));
    refused_at_once(&r, "m.nn: error: the file is larger than 64 MiB");
    cr_expect_eq(run_nnc(&r, "check /dev/zero"), 1, "%s", r.text);
    run_end(&r);
}

/* A locale with a decimal comma, made here: no machine need have one. Returns false if it cannot be made. */
static bool
comma_locale(const struct run *r, char path[512])
{
    char command[1024];
    snprintf(path, 512, "%s/comma", r->folder);
    run_write(r, "comma.src", "LC_NUMERIC\ndecimal_point \"<U002C>\"\nthousands_sep \"<U002E>\"\ngrouping 3;3\nEND LC_NUMERIC\n");
    snprintf(command, sizeof command, "cd %s && localedef -c -i comma.src ./comma >/dev/null 2>&1; test -f comma/LC_NUMERIC", r->folder);
    return !system(command) && !setenv("LOCPATH", r->folder, 1) && setlocale(LC_ALL, "comma") && *localeconv()->decimal_point == ',';
}

/* Numbers of files, options and tables under such a locale, in the program and in a process that has set it. */
Test(bad_programs, locale_with_a_decimal_comma)
{
    static const char text[] = "const half = 0.5\ndata {\n t = csv(\"t.csv\")\n train x = t.columns(0:4)\n}\n"
        MODEL("h = dense(x, 2) * half * 1.25e-1\n loss mean(h * h)") TRAIN;
    static const char command[] = "train m.nn --set train.optimizer='sgd(lr = 0.25)' --set half=0.75 --quiet --history h.csv --history-no-time";
    char folder[512];
    struct run r;
    run_init(&r);
    run_write(&r, "t.csv", "a,b,c,d\n0.5,1.5,-2.25,1e-1\n1000.125,0.1,0.2,.5\n");
    expect(&r, text, command, 0, NULL);
    char *wanted = run_file(&r, "h.csv");
    cr_expect(run_last(wanted, "lr") == 0.25, "%s", wanted);
    bool made = comma_locale(&r, folder);
    setenv("LC_ALL", made ? "comma" : "de_DE.UTF-8", 1);
    expect(&r, text, command, 0, NULL);
    char *table = run_file(&r, "h.csv");
    cr_expect_str_eq(table, wanted);
    expect(&r, "model m {\n input x: f32[N, 4]\n output p = dropout(x, 1.5)\n}\n", "check m.nn", 1, "note: rate is 1.5");

    struct arena arena;
    struct diag diag;
    struct sources sources;
    char path[600];
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    sources_init(&sources, &arena);
    snprintf(path, sizeof path, "%s/m.nn", r.folder);
    run_write(&r, "m.nn", text);
    const struct experiment *x = experiment_check(&arena, &sources, path, NULL, NULL, 0, &diag);
    cr_assert(x && !diag.errors);
    cr_expect_eq(x->consts[0].value.real, 0.5);
    const char *lines = graph_text(x->model.eval, &arena, false);
    cr_expect(strstr(lines, "0.125") && !strstr(lines, "0,125"), "%s", lines);
    setlocale(LC_ALL, "C");
    arena_free(&arena);
    free(table);
    free(wanted);
    snprintf(path, sizeof path, "rm -rf %s", folder);
    cr_expect(!system(path));
    run_end(&r);
}

/* The file is read once: another model of the same weights in its place, after the first epoch and long before the last, changes no byte. The
 * checkpoint knows which of the two it is of. */
Test(bad_programs, the_file_is_replaced_during_training)
{
#define DEEP(f) DATA MODEL("h = dense(" f "(dense(x, 1000)), 500)\n loss mean(h * h)") "train {\n optimizer adam()\n batch 1\n epochs 6\n}\n"
    char command[1024];
    struct run r;
    run_init(&r);
    run_write(&r, "m.nn", DEEP("tanh"));
    run_write(&r, "other.nn", DEEP("relu"));
    cr_assert_eq(run_nnc(&r, "train m.nn --quiet --save a.safetensors"), 0, "%s", r.text);
    cr_assert_eq(run_nnc(&r, "train other.nn --quiet --save other.safetensors"), 0, "%s", r.text);
    snprintf(command, sizeof command, "cd %s && { '%s' train m.nn --quiet --save b.safetensors & while ! test -f b.safetensors; do sleep 0.01; done; "
                                      "mv other.nn m.nn; kill -0 $! || exit 9; wait $!; } && cmp a.safetensors b.safetensors", r.folder, NNC_PROGRAM);
    cr_expect_eq(system(command), 0);
    snprintf(command, sizeof command, "cd %s && cmp -s other.safetensors b.safetensors", r.folder);
    cr_expect(system(command), "the two models train alike");
    cr_expect_eq(run_nnc(&r, "train m.nn --quiet --epochs 6 --resume b.safetensors"), 0);
    cr_expect(strstr(r.text, "b.safetensors: warning: "), "%s", r.text);
    run_end(&r);
}

/* A model of f64: data, weights, states and the loss; equal in all modes. */
Test(bad_programs, f64_in_all_modes)
{
    static const char text[] = "data {\n r = numpy_random(0)\n x = normal(r, [64, 3])\n train x = x, y = sum(x * x, axis = "
                               "1)\n valid x = x, y = sum(x * x, axis = 1)\n}\n"
        "model m {\n input x: f64[N, 3]\n target y: f64[N]\n s = weight([3], ones)\n h = dropout(batch_norm(tanh(dense(x * "
        "s, 8))), 0.2)\n"
        " output p = squeeze(dense(h, 1))\n loss mse(p, y)\n penalty 1e-3 * l2(s)\n metric r = pearson(p, y)\n}\n"
        "train {\n optimizer adam(lr = cosine(0.05, steps = 300))\n batch 10\n epochs 40\n}\n";
    static const char *const modes[] = {"eager", "graph", "jit"};
    struct run r;
    char *first = NULL;
    run_init(&r);
    run_write(&r, "m.nn", text);
#ifndef NNC_JIT
    enum { MODES = 2 };
#else
    enum { MODES = 3 };
#endif
    for (int i = 0; i < MODES; i++) {
        cr_assert_eq(run_nnc(&r, "train m.nn --quiet --mode %s --history h.csv --history-no-time", modes[i]), 0, "%s",
                     r.text);
        char *table = run_file(&r, "h.csv");
        cr_expect(!first || !strcmp(first, table), "%s%s", first, table);
        cr_expect(run_last(table, "valid_r") > 0.5 && run_last(table, "loss") != (float)run_last(table, "loss"), "%s",
                  table);
        if (first)
            free(table);
        else
            first = table;
    }
    free(first);
    run_end(&r);
}
