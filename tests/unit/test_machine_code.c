/* Machine code as the program makes, keeps and shows it: a warm start loads no LLVM, whoever was killed or wrote beside others or on whatever
 * bad disk leaves the results alone, and debuggers see kernels by name and line. */
#include "tests/unit/run_program.h"

static const char *const MODEL =
    "data {\n    r = numpy_random(5)\n    x = normal(r, [330, 20])\n    train x = x, c = argmax(x[:, 0:5], axis = 1)\n}\n"
    "model wave {\n    input x: f32[N, 20]\n    target c: i32[N]\n"
    "    h = relu(dense(x, 40))\n" /* line 9 */
    "    output z = dense(h, 5)\n    loss softmax_cross_entropy(z, c)\n}\n"
    "train {\n    optimizer adam(lr = 1e-3)\n    batch 32\n    epochs 3\n}\n";

static struct run r;

/* A command of the shell in the test's folder. */
static int __attribute__((format(printf, 1, 2)))
shell(const char *format, ...)
{
    char command[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(command, sizeof command, format, list);
    va_end(list);
    return run_nnc(&r, "help >/dev/null; %s", command);
}

static void
begin(void)
{
    char path[128];
    run_init(&r);
    run_write(&r, "m.nn", MODEL);
    snprintf(path, sizeof path, "%s/cache", r.folder);
    setenv("XDG_CACHE_HOME", path, 1);
    if (run_nnc(&r, "train m.nn --mode jit --epochs 0 --no-cache --quiet") == 2)
        cr_skip_test("built without LLVM");
    cr_assert_eq(run_nnc(&r, "train m.nn --mode graph --quiet --save graph.w --steps graph.csv"), 0, "%s", r.text);
}

static void
end(void)
{
    shell("rm -rf '%s'", r.folder);
}

/* Trains in machine code from the first step on, with or without what lies on disk, and expects graph mode's bytes. */
static void
train(const char *options)
{
    cr_assert_eq(run_nnc(&r, "train m.nn --mode jit --llvm-passes none --quiet --save jit.w --steps jit.csv %s && cmp graph.w jit.w && "
                             "cmp graph.csv jit.csv", options), 0, "%s: %s", options, r.text);
}

/* What the program loaded, as the dynamic linker tells. */
static bool
loads_llvm(const char *options)
{
    cr_assert_eq(shell("LD_DEBUG=files '%s' train m.nn --mode jit --llvm-passes none --quiet %s", NNC_PROGRAM, options), 0,
                 "%.300s", r.text);
    cr_assert(strstr(r.text, "libc.so"), "the linker says nothing");
    return strstr(r.text, "nnc-codegen") || strstr(r.text, "libLLVM");
}

static int
entries(void)
{
    cr_assert_eq(shell("ls cache/nnc | wc -l"), 0);
    return atoi(r.text);
}

Test(machine_code, warm_starts_load_no_llvm)
{
    begin();
    cr_expect(loads_llvm(""), "cold");
    cr_expect_eq(entries(), 1);
    cr_expect_not(loads_llvm(""), "warm");
    cr_expect(loads_llvm("--no-cache"), "--no-cache does not look");
    train("");
    cr_assert_eq(shell("rm -r cache"), 0);
    train("--no-cache");
    cr_expect_eq(shell("test -e cache"), 1, "--no-cache leaves nothing");
    end();
}

Test(machine_code, damaged_files_are_made_anew)
{
    begin();
    train("");
    cr_assert_eq(shell("cp cache/nnc/* whole"), 0);
    static const char *const damages[] = {"truncate -s 100 cache/nnc/*", "truncate -s 0 cache/nnc/*",
                                          "truncate -s +1 cache/nnc/*", "printf XXXX | dd of=$(ls cache/nnc/*) bs=1 seek=2000 conv=notrunc status=none",
                                          "for f in cache/nnc/*; do rm $f; mkdir $f; done"};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        cr_assert_eq(shell("%s", damages[i]), 0, "%s", r.text);
        train("");
        if (i < 4)
            cr_expect_eq(shell("cmp cache/nnc/* whole"), 0, "after %s: %s", damages[i], r.text);
    }
    end();
}

/* Killed at any moment, also while it writes; then several at once. */
Test(machine_code, killed_and_simultaneous_writers)
{
    begin();
    for (int ms = 5; ms < 200; ms += 15)
        shell("timeout -s KILL %d.%03d '%s' train m.nn --mode jit --llvm-passes none --quiet", ms / 1000, ms % 1000, NNC_PROGRAM);
    train("");
    cr_assert_eq(shell("rm -rf cache; for i in 1 2 3 4; do '%s' train m.nn --mode jit --llvm-passes none --quiet --save $i.w & done; "
                             "wait; for i in 1 2 3 4; do cmp graph.w $i.w || exit 1; done", NNC_PROGRAM), 0, "%s", r.text);
    cr_expect_eq(entries(), 1);
    train("");
    end();
}

Test(machine_code, profilers_see_kernels_and_lines)
{
    begin();
    char path[64], line[512];
    cr_assert_eq(shell("sh -c 'echo $$; NNC_PERF_MAP=1 exec \"%s\" train m.nn --mode jit --llvm-passes none --quiet'", NNC_PROGRAM), 0,
                 "%s", r.text);
    snprintf(path, sizeof path, "/tmp/perf-%d.map", atoi(r.text));
    FILE *f = fopen(path, "r");
    cr_assert(f, "%s", path);
    int kernels = 0, here = 0;
    while (fgets(line, sizeof line, f)) {
        unsigned long at, size;
        char name[128], place[128];
        cr_expect_eq(sscanf(line, "%lx %lx %127s %127s", &at, &size, name, place), 4, "%s", line);
        kernels += !strncmp(name, "matmul", 6);
        here += !strncmp(name, "matmul", 6) && !strcmp(place, "m.nn:9");
    }
    fclose(f);
    unlink(path);
    cr_expect(kernels >= 4 && here >= 2, "%d kernels, %d of line 9", kernels, here);
    end();
}

/* The texts that a user reads: kernels named after their nodes, the contract's instructions only, as wide as asked. */
Test(machine_code, dumps)
{
    static const char *const options[] = {"--vector-width 4", "--vector-width 8", "--vector-width 16", "--llvm-passes default"};
    begin();
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(shell("'%s' dump m.nn --stage llvm %s > %d.ll && '%s' dump m.nn --stage asm %s > %d.s", NNC_PROGRAM, options[i], i,
                           NNC_PROGRAM, options[i], i), 0, "%s", r.text);
        cr_expect_eq(shell("grep -q '^define.*@step(' %d.ll && grep -q 'llvm[.]fma[.]' %d.ll && ! grep -E 'fmuladd| fast |reassoc|contract' %d.ll && "
                           "grep -q '^step:' %d.s", i, i, i, i), 0, "%s: %s", options[i], r.text);
        if (i < 3) /* LLVM's optimiser puts kernels into the step */
            cr_expect_eq(shell("grep -q '^define internal.*@matmul[.][0-9]*(' %d.ll && grep -q '^matmul[.][0-9]*:' %d.s", i, i), 0, "%s", options[i]);
    }
    cr_expect_eq(shell("! cmp -s 0.ll 1.ll && ! cmp -s 1.ll 2.ll && ! cmp -s 2.ll 3.ll"), 0);
#ifdef __x86_64__
    cr_expect_eq(shell("! grep -q zmm 0.s && ! grep -q zmm 1.s"), 0);
    cr_expect_eq(shell("grep -q zmm 2.s") == 0, __builtin_cpu_supports("avx512f") != 0);
#endif
    end();
}

/* A breakpoint on a line of the .nn file stops in its kernels. */
Test(machine_code, debuggers_stop_at_lines)
{
    begin();
    if (shell("gdb --version"))
        cr_skip_test("without gdb");
    run_write(&r, "commands", "set breakpoint pending on\nset debuginfod enabled off\nbreak m.nn:9\nrun\nbt\nkill\n");
    shell("gdb -q -batch -x commands --args '%s' train m.nn --mode jit --llvm-passes none --quiet", NNC_PROGRAM);
    if (strstr(r.text, "ptrace"))
        cr_skip_test("gdb may not trace here");
    char *stop = strstr(r.text, "Breakpoint 1.1, ");
    stop = stop ? stop : strstr(r.text, "Breakpoint 1, ");
    cr_assert(stop && strstr(stop, " () at m.nn:9"), "%s", r.text);
    char *step = strstr(stop, "in step ()");
    cr_expect(step && strstr(step, " main ("), "the step calls the kernel, and main the step: %s", r.text);
    end();
}
