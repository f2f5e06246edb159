/* command_run: tests that run the program nnc in a scratch folder, and compare the whole of what it says with texts of
 * tests/golden/commands. */
#ifndef NNC_TESTS_UNIT_COMMAND_RUN_H
#define NNC_TESTS_UNIT_COMMAND_RUN_H
#include "tests/unit/golden_text.h"
#include "tests/unit/linear_program.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const char model_text[] =
    "data {\n"
    "    r = numpy_random(0)\n"
    "    x = normal(r, [40, 3])\n"
    "    y = x[:, 0] - x[:, 1]\n"
    "    split x, y into train, valid by 0.25\n"
    "}\n"
    "model m {\n"
    "    input x: f32[N, 3]\n"
    "    target y: f32[N]\n"
    "    h = %s\n"
    "    output p = squeeze(dense(h, 1))\n"
    "    loss mse(p, y)\n"
    "}\n"
    "train {\n"
    "    optimizer %s\n"
    "    batch 8\n"
    "    epochs 2\n"
    "    %s\n"
    "}\n";

static inline void
put_model(const char *path, const char *hidden, const char *optimizer, const char *more)
{
    char *text;
    cr_assert(asprintf(&text, model_text, hidden, optimizer, more) > 0);
    file_put(path, text, strlen(text));
    free(text);
}

/* What surrounds a run; zeroed: nothing special. */
struct run {
    const char *out, *mode;         /* the standard output; graph unless said */
    rlim_t file_limit, memory_limit;
    rlim_t process_limit;
    bool no_home;                   /* HOME, TZ and caches unset, variables of libraries odd */
    bool no_folder;                 /* the working folder is deleted */
    bool no_code;                   /* the system forbids memory that is executed */
    bool no_reader;                 /* the standard output is a pipe that nobody reads */
    const char *in;                 /* the standard input */
    int signal;                     /* sent once |until| exists */
    int again;                      /* how often it is sent after that */
    const char *until;
    bool in_save;                   /* and once it is being saved again */
};

static struct { int status; char *err, *out; } last;

/* From now on pages cannot be made executable, as where the system's policy says so; false if that cannot be had here. */
static inline bool
forbid_code(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mprotect, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) && !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static inline void
child(const struct run *r, char **words)
{
    int pipe_ends[2], out = open(r->out ? r->out : "OUT", O_WRONLY | O_CREAT | O_TRUNC, 0666), err = open("ERR", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (r->no_reader && !pipe(pipe_ends)) {
        close(pipe_ends[0]);
        out = pipe_ends[1];
    }
    if (r->in)
        dup2(open(r->in, O_RDONLY), 0);
    dup2(out, 1);
    dup2(err, 2);
    for (int s = 1; s < 16; s++)
        signal(s, SIG_DFL);
    if (r->file_limit)
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){r->file_limit, r->file_limit});
    if (r->memory_limit)
        setrlimit(RLIMIT_AS, &(struct rlimit){r->memory_limit, r->memory_limit});
    if (r->process_limit)
        setrlimit(RLIMIT_NPROC, &(struct rlimit){r->process_limit, r->process_limit});
    setenv("XDG_CACHE_HOME", scratch_folder, 1);
    if (r->no_home) {
        unsetenv("HOME");
        unsetenv("XDG_CACHE_HOME");
        unsetenv("TZ");
        setenv("OMP_NUM_THREADS", "what", 1);
        setenv("OPENBLAS_NUM_THREADS", "-3", 1);
        setenv("MALLOC_ARENA_MAX", "1", 1);
        setenv("MALLOC_PERTURB_", "165", 1);
        setenv("LC_ALL", "de_DE.UTF-8", 1);
    }
    if (r->no_folder && (mkdir("gone", 0777) || chdir("gone") || rmdir("../gone")))
        _exit(98);
    if (r->no_code && !forbid_code())
        _exit(97);
    execv(NNC_PROGRAM, words);
    _exit(99);
}

/* Runs nnc with the words of |line|, which are separated by blanks. */
static inline int
nnc_in(const struct run *r, const char *line)
{
    char copy[1024], *words[48] = {"nnc"}, *save = NULL;
    int n = 1, status;
    snprintf(copy, sizeof copy, "%s", line);
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        words[n++] = w;
        if (n == 2 && strstr("train eval predict", w) && !strstr(line, "--mode")) {
            words[n++] = "--mode";
            words[n++] = (char *)(r->mode ? r->mode : "graph");
        }
    }
    pid_t pid = fork();
    if (!pid)
        child(r, words);
    for (int i = 0; r->until && access(r->until, F_OK) && i < 20000; i++)
        usleep(1000);
    char saving[256];
    snprintf(saving, sizeof saving, "%s.tmp.%ld", r->until ? r->until : "", (long)pid);
    for (int i = 0; r->in_save && access(saving, F_OK) && i < 200000; i++)
        usleep(100);
    for (int i = 0; r->signal && i <= r->again; i++, usleep(r->again ? 1 : 0))
        kill(pid, r->signal);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    last.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    last.err = file_bytes("ERR", NULL);
    last.out = r->out ? "" : file_bytes("OUT", NULL);
    return last.status;
}

static inline int
nnc(const char *line)
{
    return nnc_in(&(struct run){0}, line);
}

/* Each number that stands behind |word| in |text| becomes |sign|. */
static inline void
hide_number(char *text, const char *word, const char *sign)
{
    for (char *at = text; (at = strstr(at, word));) {
        at += strlen(word);
        size_t n = strspn(at, "0123456789");
        if (!n || strlen(sign) > n)
            continue;
        memcpy(at, sign, strlen(sign));
        memmove(at + strlen(sign), at + n, strlen(at + n) + 1);
    }
}

/* |line|, which fails with |status|, says what tests/golden/commands/NAME.txt holds. Numbers of processes read PID. */
static inline void
expect(const char *name, const struct run *r, int status, const char *line)
{
    char path[512], pid[32], *text, *at;
    nnc_in(r, line);
    cr_expect_eq(last.status, status, "%s: exit %d: %s", line, last.status, last.err);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    cr_assert(asprintf(&text, "nnc %s\nexit %d\n%s", line, last.status, last.err) > 0);
    while ((at = strstr(text, pid))) {
        memcpy(at, "process PID", 11);
        memmove(at + 11, at + strlen(pid), strlen(at + strlen(pid)) + 1);
    }
    snprintf(path, sizeof path, NNC_SOURCE_DIR "/tests/golden/commands/%s.txt", name);
    golden_compare(path, text);
    free(text);
}

static inline void
refused(const char *name, int status, const char *line)
{
    expect(name, &(struct run){0}, status, line);
}

/* A model and a checkpoint of it, twice saved. */
static inline size_t
begin(char **out_bytes)
{
    size_t size = 0;
    put_model("m.nn", "tanh(dense(x, 4))", "adam()", "");
    cr_assert_eq(nnc("train m.nn --save w.safetensors"), 0, "%s", last.err);
    char *bytes = file_bytes("w.safetensors", &size);
    if (out_bytes)
        *out_bytes = bytes;
    return size;
}
#endif
