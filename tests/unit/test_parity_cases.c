/* Each layer, activation, loss, initialiser, optimiser and schedule of the prelude against the frameworks, with other than default parameters.
 *
 * tests/parity/make.py ran PyTorch 2.13 and Keras 3.15 on TensorFlow 2.21, and wrote cases-torch and cases-keras: NAME.nn, NAME.steps.csv, tolerances.txt
 * (parity_losses.h) and weights.txt, rows `NAME WEIGHT digest`: initial weights are equal to the bit. */
#include "ir/arena.h"
#include "runtime/safetensors.h"
#include "tests/unit/parity_losses.h"
#include <inttypes.h>

TestSuite(parity_cases, .timeout = 300);

/* FNV-1a. */
static uint64_t
digest(const unsigned char *bytes, int64_t count)
{
    uint64_t h = 0xcbf29ce484222325;
    for (int64_t i = 0; i < count; i++)
        h = (h ^ bytes[i]) * 0x100000001b3;
    return h;
}

/* The weights of start.safetensors; gives how many the table has. */
static int
expect_weights(const struct run *r, const char *folder, const char *name)
{
    char path[256], row[64], weight[64];
    uint64_t want;
    int n = 0;
    struct arena arena;
    struct diag diag;
    struct safetensors file;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    snprintf(path, sizeof path, "%s/start.safetensors", r->folder);
    cr_assert(safetensors_open(&file, path, &diag), "%s", path);
    snprintf(path, sizeof path, PARITY "%s/weights.txt", folder);
    FILE *f = fopen(path, "r");
    cr_assert(f, "%s", path);
    for (char line[256]; fgets(line, sizeof line, f);) {
        if (sscanf(line, "%63s %63s %" SCNx64, row, weight, &want) != 3 || strcmp(row, name))
            continue;
        const struct safetensors_entry *e = safetensors_find(&file, weight);
        cr_assert(e, "%s/%s: no %s", folder, name, weight);
        unsigned char *values = malloc((size_t)e->bytes);
        cr_assert(values && safetensors_read(&file, e, ELEM_F32, values, NULL, &diag));
        cr_expect_eq(digest(values, e->bytes), want, "%s/%s: initial %s differs", folder, name, weight);
        free(values);
        n++;
    }
    fclose(f);
    safetensors_close(&file);
    arena_free(&arena);
    return n;
}

static void
check_all(const char *folder, int cases, int weights)
{
    char path[256], name[64];
    int n = 0, w = 0;
    snprintf(path, sizeof path, PARITY "%s", folder);
    DIR *d = opendir(path);
    cr_assert(d, "%s", path);
    for (struct dirent *e; (e = readdir(d));) {
        size_t length = strlen(e->d_name);
        if (length < 4 || length > sizeof name || strcmp(e->d_name + length - 3, ".nn"))
            continue;
        snprintf(name, sizeof name, "%.*s", (int)length - 3, e->d_name);
        struct run r;
        run_init(&r);
        cr_assert_eq(run_nnc(&r, "train " PARITY "%s/%s.nn --mode graph --quiet --epochs 0 --save start.safetensors", folder, name), 0, "%s", r.text);
        w += expect_weights(&r, folder, name);
        cr_assert_eq(run_nnc(&r, "train " PARITY "%s/%s.nn --mode graph --quiet --steps s.csv", folder, name), 0, "%s: %s", name, r.text);
        cr_expect(expect_losses(&r, folder, name) >= 18, "%s/%s", folder, name);
        run_end(&r);
        n++;
    }
    closedir(d);
    cr_expect_eq(n, cases);
    cr_expect_eq(w, weights);
}

Test(parity_cases, keras) { check_all("cases-keras", 61, 378); }
Test(parity_cases, torch) { check_all("cases-torch", 45, 245); }
