/* Folds under each convention: each fold is the very training that its rows, given as train and valid, would have alone.
 * deal.c's own test holds the rows of a fold against those of scikit-learn. */
#include "runtime/data/deal.h"
#include "tests/unit/run_program.h"

enum { ROWS = 30, FOLDS = 3, DEAL_SEED = 7 };

/* Both dropout and the order of the rows draw in training. */
static const char model[] =
    "model m {\n"
    "    input x: f32[N, 3]\n"
    "    target y: f32[N]\n"
    "    h = dropout(relu(dense(x, 6)), 0.25)\n"
    "    output p = squeeze(dense(h, 1))\n"
    "    loss mse(p, y)\n"
    "    metric err = mae(p, y)\n"
    "}\n";
static const char training[] =
    "    optimizer adam(lr = 0.01)\n"
    "    batch 4\n"
    "    epochs 3\n"
    "    seed 5\n"
    "}\n";

/* A row of numbers that are exact in decimals, and its class: 14, 8 and 8 rows of the three. */
static int64_t
put_row(FILE *out, int row)
{
    int64_t class = row < 24 ? row % 3 : 0;
    fprintf(out, "%d.5,%d.25,%d.125,%d\n", row * 7 % 11 - 5, row * 5 % 13 - 6, row * 3 % 7 - 3, (int)class);
    return class;
}

/* The rows of which fold_of_row is |fold|, or is not. Without fold_of_row all of them, and their classes. */
static void
write_rows(const struct run *r, const char *name, const int32_t *fold_of_row, int fold, bool valid, int64_t *out_classes)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (int i = 0; i < ROWS; i++)
        if (!fold_of_row)
            out_classes[i] = put_row(out, i);
        else if ((fold_of_row[i] == fold) == valid)
            put_row(out, i);
    fclose(out);
    run_write(r, name, text);
    free(text);
}

static void
write_programs(const struct run *r)
{
    char text[2048];
    snprintf(text, sizeof text,
             "data {\n    t = csv(\"all.csv\", header = false)\n    k = t.column(3)\n    train x = t.columns(0:3), y = t.column(2)\n}\n"
             "%strain {\n    folds %d, seed = %d, stratify = k\n%s",
             model, FOLDS, DEAL_SEED, training);
    run_write(r, "folds.nn", text);
    snprintf(text, sizeof text,
             "data {\n    t = csv(\"train.csv\", header = false)\n    v = csv(\"valid.csv\", header = false)\n"
             "    train x = t.columns(0:3), y = t.column(2)\n    valid x = v.columns(0:3), y = v.column(2)\n}\n%strain {\n%s",
             model, training);
    run_write(r, "alone.nn", text);
}

/* The lines of a table below its header that begin with |prefix|, without it. */
static char *
lines_of(char *table, const char *prefix)
{
    char *text;
    size_t size, length = strlen(prefix);
    FILE *out = open_memstream(&text, &size);
    cr_assert(strtok(table, "\n"));
    for (char *line; (line = strtok(NULL, "\n"));)
        if (!strncmp(line, prefix, length))
            fprintf(out, "%s\n", line + length);
    fclose(out);
    free(table);
    return text;
}

static void
same_lines(const struct run *r, const char *folds, int fold, const char *alone, const char *alone_prefix, int count)
{
    char prefix[16];
    snprintf(prefix, sizeof prefix, "1,%d,", fold);
    char *a = run_file(r, folds), *b = run_file(r, alone);
    cr_assert(a && b, "%s, %s", folds, alone);
    char *of_folds = lines_of(a, prefix), *of_alone = lines_of(b, alone_prefix);
    int lines = 0;
    for (const char *p = of_folds; *p; p++)
        lines += *p == '\n';
    cr_expect_eq(lines, count, "%d lines of fold %d in %s", lines, fold, folds);
    cr_expect_str_eq(of_folds, of_alone, "fold %d of %s", fold, folds);
    free(of_folds);
    free(of_alone);
}

/* The whole files are equal: weights, states, generators, and where the training stands. */
static void
same_files(const struct run *r, const char *a, const char *b, int expected)
{
    char command[256];
    snprintf(command, sizeof command, "cd %s && cmp -s %s %s", r->folder, a, b);
    int status = system(command);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == expected, "%s, %s", a, b);
}

/* The values behind the headers are: 31 weights, each with two states of Adam. The headers differ in the rows' digests. */
static void
same_values(const struct run *r, const char *a, const char *b)
{
    char command[512];
    snprintf(command, sizeof command, "cd %s && tail -c 372 %s >a.values && tail -c 372 %s >b.values && cmp -s a.values b.values", r->folder, a, b);
    cr_expect(!system(command), "%s, %s", a, b);
}

static void
check_convention(const char *convention)
{
    struct run r;
    int64_t classes[ROWS];
    int32_t fold_of_row[ROWS];
    run_init(&r);
    write_programs(&r);
    write_rows(&r, "all.csv", NULL, 0, false, classes);
    cr_assert_eq(folds_deal(ROWS, FOLDS, classes, DEAL_SEED, fold_of_row), DEAL_OK);
    cr_assert_eq(run_nnc(&r, "train folds.nn --follow %s --quiet --save w.safetensors --steps s.csv --history h.csv --history-no-time",
                         convention), 0, "%s", r.text);
    cr_assert_eq(run_nnc(&r, "train folds.nn --follow %s --quiet --epochs 0 --save i.safetensors", convention), 0, "%s", r.text);
    for (int fold = 1; fold <= FOLDS; fold++) {
        char name[64];
        write_rows(&r, "train.csv", fold_of_row, fold - 1, false, NULL);
        write_rows(&r, "valid.csv", fold_of_row, fold - 1, true, NULL);
        cr_assert_eq(run_nnc(&r, "train alone.nn --follow %s --quiet --save aw.safetensors --steps as.csv --history ah.csv "
                                 "--history-no-time", convention), 0, "%s", r.text);
        cr_assert_eq(run_nnc(&r, "train alone.nn --follow %s --quiet --epochs 0 --save ai.safetensors", convention), 0, "%s", r.text);
        same_lines(&r, "s.csv", fold, "as.csv", "", 15);
        same_lines(&r, "h.csv", fold, "ah.csv", "1,1,", 3);
        snprintf(name, sizeof name, "w.fold%d.safetensors", fold);
        same_files(&r, name, "aw.safetensors", 0);
        snprintf(name, sizeof name, "i.fold%d.safetensors", fold);
        same_files(&r, name, "ai.safetensors", 0);
        same_values(&r, name, "i.fold1.safetensors");
    }
    same_files(&r, "w.fold1.safetensors", "w.fold2.safetensors", 1); /* their rows differ */
    run_end(&r);
}

Test(folds, each_is_a_training_of_its_own_nnc, .timeout = 120) { check_convention("nnc"); }
Test(folds, each_is_a_training_of_its_own_keras, .timeout = 120) { check_convention("keras"); }
Test(folds, each_is_a_training_of_its_own_torch, .timeout = 120) { check_convention("torch"); }
