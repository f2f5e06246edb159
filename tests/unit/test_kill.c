/* kill -9 at fifty moments of a training that saves after every epoch, chosen at random over its whole length, resumed from wherever it
 * stood: the checkpoint is always whole, and in the end it is that of the training that nobody killed. */
#define _GNU_SOURCE
#include "tests/unit/command_run.h"
#include <time.h>

TestSuite(kill, .init = scratch_enter, .fini = scratch_leave, .timeout = 300);

enum { KILLS = 50, EPOCHS = 60 };

static double
seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static pid_t
start(bool resumed)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    char epochs[16], *words[] = {"nnc", "train", "m.nn", "--mode", "graph", "--quiet", "--epochs", epochs, "--save", "w.safetensors",
                                 resumed ? "--resume" : NULL, "w.safetensors", NULL};
    snprintf(epochs, sizeof epochs, "%d", EPOCHS);
    execv(NNC_PROGRAM, words);
    _exit(99);
}

Test(kill, at_fifty_moments)
{
    int killed = 0, resumed = 0, status;
    uint64_t draw = 12345;
    put_model("m.nn", "dropout(tanh(dense(x, 4)), 0.1)", "adam()", "");
    double from = seconds();
    cr_assert_eq(nnc("train m.nn --epochs 60 --save whole.safetensors --quiet"), 0, "%s", last.err);
    double length = seconds() - from;
    while (killed < KILLS) {
        bool goes_on = !access("w.safetensors", F_OK);
        pid_t pid = start(goes_on);
        draw = draw * 6364136223846793005u + 1442695040888963407u;
        usleep((useconds_t)(1e6 * length * (double)(draw >> 40) / (1 << 24) / (goes_on ? 2 : 1)));
        kill(pid, SIGKILL);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        cr_assert(WIFSIGNALED(status) || WEXITSTATUS(status) == 0, "exit %d", WEXITSTATUS(status));
        killed += WIFSIGNALED(status);
        resumed += goes_on;
        if (access("w.safetensors", F_OK))
            continue;
        cr_assert_eq(nnc("eval m.nn --weights w.safetensors"), 0, "after %d kills: %s", killed, last.err);
        if (WIFSIGNALED(status))
            continue;
        cr_assert(files_equal("w.safetensors", "whole.safetensors"), "after %d kills", killed);
        unlink("w.safetensors");
    }
    cr_expect(resumed > 0);
    if (access("w.safetensors", F_OK))
        cr_assert_eq(nnc("train m.nn --epochs 60 --save w.safetensors --quiet"), 0, "%s", last.err);
    else
        cr_assert_eq(nnc("train m.nn --epochs 60 --resume w.safetensors --save w.safetensors --quiet"), 0, "%s", last.err);
    cr_expect(files_equal("w.safetensors", "whole.safetensors"));
    DIR *d = opendir(".");
    for (struct dirent *e; (e = readdir(d));)
        cr_expect(!strstr(e->d_name, ".tmp.") && !strstr(e->d_name, ".lock"), "%s", e->d_name);
    closedir(d);
}
