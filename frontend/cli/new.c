/* new: a file to begin with. models: those that came with the program. */
#define _GNU_SOURCE /* asprintf */
#include "frontend/cli/cli.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char start_text[] =
    "# %s: what it learns, from which data.\n"
    "const hidden = 32  # --set hidden=64 replaces it\n"
    "\n"
    "data {\n"
    "    # From a file:  t = csv(\"data.csv\")      then  x = standardize(t.columns(0:4)), y = t[\"price\"]\n"
    "    r = numpy_random(0)  # until there is one: numbers of np.random.seed(0)\n"
    "    x = normal(r, [1000, 4])\n"
    "    y = sin(x[:, 0]) + x[:, 1] * x[:, 2]\n"
    "    split x, y into train, valid by 0.2, seed = 0\n"
    "}\n"
    "\n"
    "model %s {\n"
    "    input x: f32[N, 4]  # N: the rows of a batch\n"
    "    target y: f32[N]\n"
    "    h = relu(dense(x, hidden))\n"
    "    output p = squeeze(dense(h, 1))  # [N, 1] without its last axis\n"
    "    loss mse(p, y)\n"
    "    metric r = pearson(p, y)  # valid_r in the histories\n"
    "}\n"
    "\n"
    "train {\n"
    "    optimizer adam(lr = 0.003)\n"
    "    batch 32\n"
    "    epochs 20\n"
    "    stop patience = 5, on = valid_loss, restore = best\n"
    "}\n";

/* "dir/my-net.nn" is a model my_net. */
static const char *
model_name(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t n = strlen(name);
    if (n > 3 && !strcmp(name + n - 3, ".nn"))
        n -= 3;
    char *text = arena_text(arena, name, n);
    for (char *c = text; *c; c++)
        if (!isascii(*c) || !isalnum((unsigned char)*c))
            *c = '_';
    return isdigit((unsigned char)*text) || !strcmp(text, "_") ? arena_printf(arena, "m%s", text) : text;
}

int
command_new(struct cli *cli)
{
    const char *given = cli->options.operand, *end = strrchr(given, '.');
    const char *path = end && !strcmp(end, ".nn") ? given : arena_printf(cli->arena, "%s.nn", given);
    const char *name = model_name(cli->arena, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f) {
        if (errno == EEXIST)
            diag_subject(cli->diag, NEW_EXISTS, path);
        else
            diag_subject(cli->diag, FILE_NOT_WRITTEN, path, strerror(errno));
        return (int)cli->diag->status;
    }
    fprintf(f, start_text, name, name);
    bool bad = ferror(f);
    if ((fclose(f) || bad)) {
        diag_subject(cli->diag, FILE_NOT_WRITTEN, path, strerror(errno ? errno : EIO));
        unlink(path);
        return (int)cli->diag->status;
    }
    printf("%s\n", path);
    return 0;
}

/* ---- models ---- */

/* PREFIX/share/nnc/models, where the program is PREFIX/bin/nnc. */
static char *
models_folder(void)
{
    static const char below[] = "share/nnc/models";
    char path[4096], *folder;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    for (int up = 0; up < 2 && n > 0; up++) {
        path[n] = 0;
        char *slash = strrchr(path, '/');
        n = slash ? slash - path : 0;
    }
    return n > 0 && asprintf(&folder, "%.*s/%s", (int)n, path, below) >= 0 ? folder : NULL;
}

static int
is_model(const struct dirent *e)
{
    size_t n = strlen(e->d_name);
    return n > 3 && e->d_name[0] != '.' && !strcmp(e->d_name + n - 3, ".nn");
}

/* The file's first line, if it is a comment. */
static void
print_model(const char *folder, const char *name)
{
    char *path, line[512] = "";
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        return;
    FILE *f = fopen(path, "re");
    if (f && !fgets(line, sizeof line, f))
        line[0] = 0;
    if (f)
        fclose(f);
    line[strcspn(line, "\n")] = 0;
    printf("%s\n", path);
    if (line[0] == '#')
        printf("    %s\n", line + 1 + strspn(line + 1, " "));
    free(path);
}

int
command_models(struct cli *cli)
{
    struct dirent **entries = NULL;
    char *folder = models_folder();
    int n = folder ? scandir(folder, &entries, is_model, alphasort) : -1;
    if (n < 0)
        diag_subject(cli->diag, FILE_NOT_READ, folder ? arena_text(cli->arena, folder, strlen(folder)) : "nnc", strerror(errno));
    for (int i = 0; i < n; i++) {
        if (!cli->options.operand || strstr(entries[i]->d_name, cli->options.operand))
            print_model(folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    free(folder);
    return (int)cli->diag->status;
}
