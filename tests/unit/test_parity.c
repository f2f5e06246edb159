/* Training under a convention against the frameworks themselves: PyTorch 2.13.0 and Keras 3.15.1 on TensorFlow 2.21.0.
 *
 * tests/parity/FOLDER holds NAME.nn, NAME.steps.csv (the loss of each step), init.safetensors (weights before the first) and
 * tolerances.txt: rows `NAME last-step relative-tolerance`, ten times the drift that the framework shows when its order of summation
 * changes. A loss may be off by three tolerances; initial weights are equal to the bit. losses.nn: below. */
#include "ir/arena.h"
#include "runtime/safetensors.h"
#include "tests/unit/parity_losses.h"
#include "tests/unit/tensor_table.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARED NNC_SOURCE_DIR "/../shared/"

TestSuite(parity, .timeout = 300);

/* -- files of tensors ----------------------------------------------------------------------------------------------------------- */

/* |count| numbers of the tensor |name| of a file, from the one numbered |from|, against |want|, within |tolerance|; 0: to the bit. */
static void
expect_tensor(struct table *t, const char *name, const float *want, int64_t from, int64_t count, double tolerance, const char *said)
{
    const struct safetensors_entry *e = safetensors_find(&t->file, name);
    cr_assert(e && e->bytes >= (from + count) * (int64_t)sizeof *want, "%s: no tensor %s of that size", said, name);
    float *got = table_read(t, e);
    for (int64_t i = 0; i < count; i++) {
        bool same = tolerance > 0 ? fabs((double)got[from + i] - (double)want[i]) <= tolerance : !memcmp(&got[from + i], &want[i], sizeof *want);
        cr_assert(same, "%s: %s[%lld] is %.9g, wanted %.9g", said, name, (long long)(from + i), (double)got[from + i], (double)want[i]);
    }
    free(got);
}

static void
expect_same_weights(const struct run *r, const char *file, const char *want_path, const char *said)
{
    char path[256];
    struct table mine, theirs;
    snprintf(path, sizeof path, "%s/%s", r->folder, file);
    table_open(&mine, path);
    table_open(&theirs, want_path);
    for (int i = 0; i < theirs.file.count; i++) {
        const struct safetensors_entry *e = &theirs.file.entries[i];
        float *want = table_read(&theirs, e);
        expect_tensor(&mine, e->name, want, 0, e->bytes / (int64_t)sizeof *want, 0, said);
        free(want);
    }
    table_close(&theirs);
    table_close(&mine);
}

/* -- training ------------------------------------------------------------------------------------------------------------------- */

static void
train_as_framework(const char *folder, const char *name, const char *initial, const char *data, const char *options, int steps)
{
    struct run r;
    run_init(&r);
    cr_assert_eq(run_nnc(&r, "train " PARITY "%s/%s.nn --mode graph --quiet --epochs 0 %s --save start.safetensors", folder, name, data), 0, "%s", r.text);
    expect_same_weights(&r, "start.safetensors", initial, name);
    cr_assert_eq(run_nnc(&r, "train " PARITY "%s/%s.nn --mode graph --quiet %s %s --steps s.csv", folder, name, data, options), 0, "%s", r.text);
    cr_expect_eq(expect_losses(&r, folder, name), steps, "%s/%s", folder, name);
    run_end(&r);
}

static void
train_all(const char *folder, int cases)
{
    char path[256], name[64];
    int n = 0;
    snprintf(path, sizeof path, PARITY "%s", folder);
    DIR *d = opendir(path);
    cr_assert(d, "%s", path);
    snprintf(path, sizeof path, PARITY "%s/init.safetensors", folder);
    for (struct dirent *e; (e = readdir(d));) {
        size_t length = strlen(e->d_name);
        if (length < 4 || length > sizeof name || strcmp(e->d_name + length - 3, ".nn"))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)length - 3, e->d_name);
        train_as_framework(folder, name, path, "", "", 30);
        n++;
    }
    closedir(d);
    cr_expect_eq(n, cases);
}

Test(parity, optimizers_keras) { train_all("optimizers-keras", 24); }
Test(parity, optimizers_torch) { train_all("optimizers-torch", 24); }

/* One epoch has 219 steps, of which the framework's table holds the first 200. */
Test(parity, sine_keras) { train_as_framework("sine-keras", "sine", PARITY "init_sine_keras.safetensors", "", "--epochs 1", 200); }
Test(parity, sine_torch) { train_as_framework("sine-torch", "sine", PARITY "init_sine_torch.safetensors", "", "--epochs 1", 200); }

/* [N, 1] against [N]. */
Test(parity, sine_torch_column) { train_as_framework("sine-torch-column", "sine", PARITY "init_sine_torch.safetensors", "", "--epochs 1", 200); }

/* Batch norm and dropout; ten epochs of seven batches, the last one smaller. */
Test(parity, bn_keras) { train_as_framework("bn-keras", "bn", PARITY "init_bn_keras.safetensors", "", "", 70); }
Test(parity, bn_torch) { train_as_framework("bn-torch", "bn", PARITY "init_bn_torch.safetensors", "", "", 70); }

/* One epoch on MNIST's test images, which are not kept here, nor the initial weights. */
Test(parity, digits_keras, .timeout = 600)
{
    if (access(SHARED "data/mnist-t10k-images-idx3-ubyte.gz", R_OK) || access(SHARED "reference/digits-keras/init.safetensors", R_OK))
        cr_skip_test("no " SHARED "data");
    train_as_framework("digits-keras", "digits", SHARED "reference/digits-keras/init.safetensors", "--data " SHARED "data", "--epochs 1", 200);
}

/* Three epochs on MNIST's test images, which are not kept here, nor the initial weights. After 240 steps a row lies within 5e-6 of a kink of relu: losses
 * stay those of PyTorch only where the gradient of log_softmax is rounded as there. */
Test(parity, digits_torch, .timeout = 600)
{
    if (access(SHARED "data/mnist-t10k-images-idx3-ubyte.gz", R_OK) || access(SHARED "reference/digits-torch/init.safetensors", R_OK))
        cr_skip_test("no " SHARED "data");
    train_as_framework("digits-torch", "digits", SHARED "reference/digits-torch/init.safetensors", "--data " SHARED "data", "", 750);
}

/* -- initialisers of the prelude ---------------------------------------------------------------------------------------------- */

static const char init_text[] =
    "follow %s\n"
    "data {\n"
    "    r = numpy_random(0)\n"
    "    train x = normal(r, [2, %d]), y = normal(r, [2, %d])\n"
    "}\n"
    "model m {\n"
    "    input x: f32[N, %d]\n"
    "    target y: f32[N, %d]\n"
    "    h = dense(x, %d%s%s)\n"
    "    output p = h\n"
    "    loss mse(p, y)\n"
    "}\n"
    "train {\n"
    "    optimizer sgd()\n"
    "    batch 2\n"
    "    epochs 1\n"
    "    seed %d\n"
    "}\n";

/* A tensor INITIALISER.INxUNITS.seedSEED of the table; of 64x300 it has rows 0, 1 and 63. */
static void
check_initializer(struct run *r, struct table *theirs, const char *framework, const struct safetensors_entry *e)
{
    char kind[64], text[1024], path[256];
    int in, units, seed;
    cr_assert_eq(sscanf(e->name, "%63[^.].%dx%d.seed%d", kind, &in, &units, &seed), 4, "%s", e->name);
    const char *init = !strcmp(kind, "variance_scaling") ? "lecun_normal" : kind; /* Keras' name of it */
    bool own = !strcmp(kind, "default");
    snprintf(text, sizeof text, init_text, framework, in, units, in, units, units, own ? "" : ", init = ", own ? "" : init, seed);
    run_write(r, "m.nn", text);
    cr_assert_eq(run_nnc(r, "train m.nn --mode graph --quiet --epochs 0 --save w.safetensors"), 0, "%s: %s", e->name, r->text);
    struct table mine;
    snprintf(path, sizeof path, "%s/w.safetensors", r->folder);
    table_open(&mine, path);
    float *want = table_read(theirs, e);
    double tolerance = strcmp(kind, "orthogonal") ? 0 : 3e-6;
    bool part = in * units >= 5000;
    expect_tensor(&mine, "h.w", want, 0, part ? 2 * units : in * units, tolerance, e->name);
    if (part)
        expect_tensor(&mine, "h.w", want + 2 * units, (int64_t)(in - 1) * units, units, tolerance, e->name);
    free(want);
    table_close(&mine);
}

static void
check_initializers(const char *framework)
{
    char path[256];
    struct table t;
    struct run r;
    snprintf(path, sizeof path, PARITY "inits_%s.safetensors", framework);
    run_init(&r);
    table_open(&t, path);
    for (int i = 0; i < t.file.count; i++)
        check_initializer(&r, &t, framework, &t.file.entries[i]);
    cr_expect_eq(t.file.count, 88);
    table_close(&t);
    run_end(&r);
}

Test(parity, initializers_keras) { check_initializers("keras"); }
Test(parity, initializers_torch) { check_initializers("torch"); }

/* -- losses ------------------------------------------------------------------------------------------------------------------- */

/* losses-FRAMEWORK/rowsN.nn: the predictions of the framework's table that have N rows are weights (rowsN.init.safetensors). Its one step
 * makes each the gradient of its loss, and a number v the loss: rowsN.gradients.safetensors is what the framework has. nnc has no
 * subnormal numbers: where PyTorch's bce sees one, its loss is that of 0. Losses that the prelude does not have are own.nn's, written
 * as a user would; parity/make_losses.py makes the files from the table; rows.txt is the list of the table's rows. */

enum { LOSS_ROWS = 64 };

static void
check_losses(const char *framework, int rows, bool used[])
{
    char path[256];
    struct table mine, theirs;
    struct run r;
    run_init(&r);
    cr_assert_eq(run_nnc(&r, "train " PARITY "losses-%s/rows%d.nn --mode graph --quiet --init " PARITY "losses-%s/rows%d.init.safetensors --save g.safetensors",
                         framework, rows, framework, rows), 0, "%s", r.text);
    snprintf(path, sizeof path, "%s/g.safetensors", r.folder);
    table_open(&mine, path);
    snprintf(path, sizeof path, PARITY "losses-%s/rows%d.gradients.safetensors", framework, rows);
    table_open(&theirs, path);
    for (int i = 0; i < theirs.file.count; i++) {
        const struct safetensors_entry *e = &theirs.file.entries[i], *m = safetensors_find(&mine.file, e->name);
        cr_assert(m && m->bytes == e->bytes, "%s", e->name);
        float *want = table_read(&theirs, e), *got = table_read(&mine, m);
        int row = atoi(e->name + 1);
        cr_assert(row >= 0 && row < LOSS_ROWS, "%s", e->name);
        used[row] |= e->name[0] == 'w';
        for (int64_t k = 0; k < e->bytes / (int64_t)sizeof *want; k++)
            cr_expect(fabs((double)got[k] - (double)want[k]) <= 2e-6 * fabs((double)want[k]) + 1e-7, "%s, %d rows: %s[%lld] is %.9g, wanted %.9g", framework,
                      rows, e->name, (long long)k, (double)got[k], (double)want[k]);
        free(want);
        free(got);
    }
    cr_expect(theirs.file.count > 0);
    table_close(&theirs);
    table_close(&mine);
    run_end(&r);
}

/* All files of a framework, and that no row of its table (rows.txt: a number and the loss's name each) was left out of them. */
static void
check_all_losses(const char *framework, const int *files, int count, int table_rows)
{
    char path[256], line[256];
    bool used[LOSS_ROWS] = {false};
    int listed = 0;
    for (int i = 0; i < count; i++)
        check_losses(framework, files[i], used);
    snprintf(path, sizeof path, PARITY "losses-%s/rows.txt", framework);
    FILE *f = fopen(path, "r");
    cr_assert(f, "%s", path);
    for (; fgets(line, sizeof line, f); listed++) {
        int row = atoi(line);
        cr_assert(row >= 0 && row < LOSS_ROWS, "%s", line);
        cr_expect(used[row], "%s: no file has the row %s", framework, line);
    }
    fclose(f);
    cr_expect_eq(listed, table_rows);
}

Test(parity, losses_keras) { check_all_losses("keras", (const int[]){1, 6, 8, 10, 15}, 5, 42); }

Test(parity, losses_torch) { check_all_losses("torch", (const int[]){1, 4, 6, 8, 10, 15}, 6, 40); }

/* -- schedules ---------------------------------------------------------------------------------------------------------------- */

/* An epoch is one step: the history has its rate, in f64. own.nn: the schedules that the prelude does not have, as a user would write them. */
static const char schedule_text[] =
    "follow %s\n"
    "include \"own.nn\"\n"
    "data {\n"
    "    r = numpy_random(0)\n"
    "    train x = normal(r, [1, 1])\n"
    "}\n"
    "model m {\n"
    "    input x: f32[N, 1]\n"
    "    output p = x * weight([], zeros)\n"
    "    loss mean(p)\n"
    "}\n"
    "train {\n"
    "    optimizer sgd(lr = %s)\n"
    "    batch 1\n"
    "    epochs 201\n"
    "}\n";

/* A column of the framework's table and what has its rates in nnc. */
struct rates {
    const char *column, *call;
};

static const struct rates keras_rates[] = {
    {"piecewise", "piecewise(a = 50, b = 120, first = 0.1, second = 0.01, third = 0.001)"},
    {"exponential", "exponential(from = 0.1, rate = 0.9, steps = 20)"},
    {"exponential_staircase", "staircase(from = 0.1, rate = 0.9, steps = 20)"},
    {"inverse_time", "inverse_time(from = 0.1, steps = 20, rate = 0.5)"},
    {"inverse_time_staircase", "inverse_time(from = 0.1, steps = 20, rate = 0.5, whole = true)"},
    {"polynomial", "polynomial(from = 0.1, steps = 100)"},
    {"polynomial_square", "polynomial(from = 0.1, steps = 100, end = 0.01, power = 2)"},
    {"polynomial_cycle", "polynomial_cycle(from = 0.1, steps = 60, end = 0.01)"},
    {"cosine", "cosine(from = 0.1, steps = 150)"},
    {"cosine_alpha", "cosine(from = 0.1, steps = 150, end = 0.01)"},
    {"cosine_warmup", "cosine(from = 0.1, steps = 150, warmup = 20)"},
    {"cosine_restarts", "cosine_restarts(from = 0.1, steps = 40)"},
    {NULL, NULL},
};

/* PyTorch's cosine rises again after its last step, the prelude's stays. */
static const struct rates torch_rates[] = {
    {"step", "staircase(from = 0.1, rate = 0.1, steps = 50)"},
    {"multistep", "multistep(from = 0.1, a = 50, b = 120, rate = 0.3)"},
    {"exponential", "exponential(from = 0.1, rate = 0.98, steps = 1)"},
    {"constant", "constant(from = 0.1, steps = 20)"},
    {"linear", "linear(from = 0.1, steps = 20)"},
    {"polynomial", "polynomial(from = 0.1, steps = 100, end = 0, power = 2)"},
    {"cosine", "cosine_wave(from = 0.1, steps = 150)"},
    {"cosine_eta", "cosine_wave(from = 0.1, steps = 150, end = 0.01)"},
    {"cosine_restarts", "cosine_restarts(from = 0.1, steps = 40)"},
    {"one_cycle", "one_cycle(most = 0.1, steps = 201)"},
    {"inverse_time", "inverse_time(from = 0.1, steps = 20, rate = 0.5)"},
    {"warmup_cosine", "warmup_cosine(from = 0.1, steps = 150, warmup = 20, factor = 0.05)"},
    {NULL, NULL},
};

/* Column |name|, not the first, of a table with commas, whose header is |header|. */
static int
column_of(const char *header, const char *name)
{
    size_t length = strlen(name);
    for (int at = 0;; at++) {
        if (at && !strncmp(header, name, length) && strchr(",\r\n", header[length]))
            return at;
        header += strcspn(header, ",");
        cr_assert(*header++, "no column %s", name);
    }
}

static double
number_in(const char *line, int column)
{
    for (int i = 0; i < column; i++)
        line += strcspn(line, ",") + 1;
    return strtod(line, NULL);
}

/* The file |name| of the folder of the framework's schedules in the memory of |text|. */
static void
read_schedules(const char *framework, const char *name, char *text, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, PARITY "schedules-%s/%s", framework, name);
    FILE *f = fopen(path, "r");
    cr_assert(f, "%s", path);
    size_t length = fread(text, 1, size - 1, f);
    cr_assert(feof(f), "%s", path);
    text[length] = 0;
    fclose(f);
}

/* All 201 rates of one column of |table|, within the table's tolerances. */
static void
check_schedule(const char *framework, const char *table, const struct rates *rates, double relative, double absolute)
{
    char text[1024], own[8192], path[256], line[512];
    struct run r;
    run_init(&r);
    read_schedules(framework, "own.nn", own, sizeof own);
    run_write(&r, "own.nn", own);
    snprintf(text, sizeof text, schedule_text, framework, rates->call);
    run_write(&r, "m.nn", text);
    cr_assert_eq(run_nnc(&r, "train m.nn --mode graph --quiet --history h.csv"), 0, "%s: %s", rates->column, r.text);
    snprintf(path, sizeof path, "%s/h.csv", r.folder);
    FILE *f = fopen(path, "r");
    cr_assert(f && fgets(line, sizeof line, f), "%s", path);
    int from = column_of(line, "lr"), to = column_of(table, rates->column);
    for (int i = 0; i < 201; i++) {
        table = strchr(table, '\n') + 1;
        cr_assert(fgets(line, sizeof line, f) && *table, "%s: %d steps", rates->column, i);
        double got = number_in(line, from), want = number_in(table, to);
        cr_expect(fabs(got - want) <= relative * fabs(want) + absolute, "%s %s, step %d: %.17g, wanted %.17g", framework, rates->column, i, got, want);
    }
    fclose(f);
    run_end(&r);
}

/* Every column of the table but the first, the step. */
static void
check_schedules(const char *framework, const struct rates *all, double relative, double absolute)
{
    char table[1 << 16];
    char name[64];
    read_schedules(framework, "schedules.csv", table, sizeof table);
    for (const char *at = table + strcspn(table, ","); *at == ','; at += 1 + strlen(name)) {
        cr_assert_eq(sscanf(at, ",%63[^,\r\n]", name), 1);
        const struct rates *row = all;
        while (row->column && strcmp(row->column, name))
            row++;
        cr_expect(row->column, "no schedule for %s of %s", name, framework);
        if (row->column)
            check_schedule(framework, table, row, relative, absolute);
    }
}

Test(parity, schedules_keras) { check_schedules("keras", keras_rates, 2e-6, 1e-8); }

Test(parity, schedules_torch) { check_schedules("torch", torch_rates, 1e-12, 1e-15); }
