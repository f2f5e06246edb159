#define _GNU_SOURCE
#include "tests/unit/linear_program.h"
#include "runtime/digest.h"
#include "runtime/safetensors.h"
#include "runtime/save_file.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

TestSuite(checkpoint, .init = scratch_enter, .fini = scratch_leave);

static struct linear a, b;
static const struct checkpoint_position here = {.step = 7, .epoch = 2, .epoch_rows = 4, .loss_sum = 0.1, .loss_weight = 4,
                                                .seed = -3, .rows = 10, .shuffled = 1};

static void
fill(struct linear *l)
{
    linear_init(l);
    for (int k = 0; k < FEATURES; k++) {
        ((float *)l->values[VAR_W].data)[k] = 1.5f - 0.3f * (float)k;
        ((double *)l->values[VAR_W_M].data)[k] = 0.1 * k;
    }
    *(float *)l->values[VAR_B].data = -0.0f;
    *(int64_t *)l->values[VAR_SEEN].data = INT64_MIN + 5;
    *(double *)l->values[VAR_B_M].data = INFINITY; /* a state may be infinite */
}

static bool
same_values(const struct linear *x, const struct linear *y, int count)
{
    for (int i = 0; i < count; i++)
        if (memcmp(x->values[i].data, y->values[i].data, (size_t)tensor_bytes(&x->values[i])))
            return false;
    return true;
}

static bool
load(struct linear *l, const char *path, enum checkpoint_use use, struct checkpoint_position *at)
{
    linear_init(l);
    return checkpoint_load(path, &l->model, use, at, &l->diag);
}

/* A safetensors file of |header|, its size as given or the true one, and |data| bytes of zeros. */
static void
put(const char *path, const char *header, int64_t size, size_t data)
{
    char bytes[4096] = {0};
    size_t length = strlen(header);
    uint64_t stored = size < 0 ? length : (uint64_t)size;
    memcpy(bytes, &stored, 8);
    memcpy(bytes + 8, header, length);
    file_put(path, bytes, 8 + length + data);
}

static int
files_here(void)
{
    int count = 0;
    DIR *d = opendir(".");
    for (struct dirent *e; (e = readdir(d)); )
        count += e->d_name[0] != '.';
    closedir(d);
    return count;
}

Test(checkpoint, what_is_saved_comes_back)
{
    fill(&a);
    linear_init(&b);
    cr_assert(checkpoint_save("w", &a.model, &here, &a.diag));
    struct checkpoint_position at;
    cr_assert(load(&b, "w", CHECKPOINT_RESUME, &at));
    cr_expect(same_values(&a, &b, VAR_COUNT));
    cr_expect(!memcmp(&at, &here, sizeof at));
    cr_expect_eq(b.diag.warnings, 0);
    cr_assert(checkpoint_save("again", &b.model, &at, &b.diag));
    cr_expect(files_equal("w", "again"));
    cr_assert(load(&b, "w", CHECKPOINT_WEIGHTS, NULL));
    cr_expect(same_values(&a, &b, VAR_SEEN + 1));
    cr_expect_eq(*(double *)b.values[VAR_B_M].data, 0, "states of the optimiser are left alone");
    size_t size = 0;
    char *bytes = file_bytes("w", &size);
    uint64_t header;
    memcpy(&header, bytes, 8);
    cr_expect_eq(header % 8, 0);
    cr_expect_leq((int64_t)size, checkpoint_bytes(&a.model));
}

Test(checkpoint, the_generation_before_is_kept_and_offered)
{
    fill(&a);
    linear_init(&b);
    cr_assert(checkpoint_save("w", &a.model, &here, &a.diag));
    ((float *)a.values[VAR_W].data)[0] = 9;
    cr_assert(checkpoint_save("w", &a.model, &here, &a.diag));
    cr_expect_eq(files_here(), 2);
    cr_assert(load(&b, "w.prev", CHECKPOINT_RESUME, NULL));
    cr_expect_eq(((float *)b.values[VAR_W].data)[0], 1.5f);
    cr_assert_eq(truncate("w", 100), 0);
    cr_assert(!load(&b, "w", CHECKPOINT_RESUME, NULL));
    cr_expect(linear_said(&b, "w.prev"));
    cr_expect(!load(&b, "none", CHECKPOINT_WEIGHTS, NULL));
    cr_expect(linear_said(&b, "none") && linear_said(&b, "No such file"));
    cr_expect_eq(b.diag.status, STATUS_INPUT);
}

Test(checkpoint, every_truncation_is_refused)
{
    fill(&a);
    linear_init(&b);
    cr_assert(checkpoint_save("w", &a.model, &here, &a.diag));
    size_t size = 0;
    char *bytes = file_bytes("w", &size);
    for (size_t cut = 0; cut < size; cut++) {
        file_put("bad", bytes, cut);
        cr_assert(!load(&b, "bad", CHECKPOINT_WEIGHTS, NULL), "cut to %zu bytes", cut);
        cr_assert(b.diag.status == STATUS_INPUT && linear_said(&b, "bad"));
    }
    bytes[size] = 0;
    file_put("bad", bytes, size + 1);
    cr_expect(!load(&b, "bad", CHECKPOINT_WEIGHTS, NULL) && linear_said(&b, "1 bytes after"));
}

/* Refused, or (where the damage hides that the file is nnc's own) the very same tensors. */
Test(checkpoint, flipped_bits_are_found)
{
    fill(&a);
    linear_init(&b);
    cr_assert(checkpoint_save("w", &a.model, &here, &a.diag));
    size_t size = 0;
    char *bytes = file_bytes("w", &size);
    uint64_t header;
    memcpy(&header, bytes, 8);
    for (size_t i = 0; i < size; i++)
        for (int bit = i < 200 ? 0 : (int)(i % 8), last = i < 200 ? 7 : bit; bit <= last; bit++) {
            bytes[i] ^= (char)(1 << bit);
            file_put("bad", bytes, size);
            bool loaded = load(&b, "bad", CHECKPOINT_RESUME, NULL);
            cr_assert(loaded ? same_values(&a, &b, VAR_COUNT) : b.diag.status == STATUS_INPUT && linear_said(&b, "bad"),
                      "bit %d of byte %zu", bit, i);
            cr_assert(!loaded, "bit %d of byte %zu", bit, i);
            if (i >= 8 + header)
                cr_assert(linear_said(&b, "digest mismatch in tensor "));
            bytes[i] ^= (char)(1 << bit);
        }
    bytes[size - 1] ^= 1; /* narrow elements stand last: h.b */
    file_put("bad", bytes, size);
    cr_expect(!load(&b, "bad", CHECKPOINT_WEIGHTS, NULL) && linear_said(&b, "digest mismatch in tensor h.b"));
}

Test(checkpoint, bad_headers_are_refused)
{
    static const struct { const char *header; int64_t size; size_t data; const char *says; } rows[] = {
        {"{}", INT64_MAX, 0, "does not fit"},
        {"{}", 1, 0, "does not fit"},
        {"[]", -1, 0, "begin with {"},
        {"{ ", -1, 0, "JSON"},
        {"{} x", -1, 0, "JSON"},
        {"{\"a\":[[[[[[[[[[]]]]]]]]]]}", -1, 0, "nested"},
        {"{\"h.w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
         "\"h.w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[12,24]}}",
         -1, 24, "two of this name"},
        {"{\"h.w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
         "\"h.b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[8,12]}}",
         -1, 12, "overlap"},
        {"{\"h.w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[4,16]}}", -1, 16, "hole"},
        {"{\"h.w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}", -1, 8, "ends before"},
        {"{\"h.w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}", -1, 16, "4 bytes after"},
        {"{\"h.w\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,12]}}", -1, 12, "do not fit the shape"},
        {"{\"h.w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[12,0]}}", -1, 12, "do not fit the shape"},
        {"{\"h.w\":{\"dtype\":\"F32\",\"shape\":[3.5],\"data_offsets\":[0,12]}}", -1, 12, "no whole number"},
        {"{\"h.w\":{\"dtype\":\"F32\",\"shape\":[-3],\"data_offsets\":[0,12]}}", -1, 12, "no whole number"},
        {"{\"h.w\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", -1, 0, "size over"},
        {"{\"h.w\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,3],\"data_offsets\":[0,12]}}", -1, 12, "8 dimensions"},
        {"{\"h.w\":{\"dtype\":\"F31\",\"shape\":[3],\"data_offsets\":[0,12]}}", -1, 12, "dtype"},
        {"{\"h.w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12],\"dtype\":\"F32\"}}", -1, 12, "doubled"},
        {"{\"h.w\":{\"dtype\":\"F32\",\"data_offsets\":[0,12]}}", -1, 12, "missing"},
        {"{\"h.w\":3}", -1, 0, "missing"},
        {"{\"\\u001b[2J\":3}", -1, 0, "bad name"},
        {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}", -1, 0, "doubled"},
        {"{\"__metadata__\":{\"a\":1}}", -1, 0, "no string"},
        {"{\"__metadata__\":{\"nnc.x\":\"1\"}}", -1, 0, "nnc.format"},
        {"{\"__metadata__\":{\"nnc.version\":\"3.1\",\"nnc.format\":\"2\",\"nnc.contract\":\"1\"}}", -1, 0,
         "made by nnc 3.1"},
        {"{\"__metadata__\":{\"nnc.version\":\"3.1\",\"nnc.format\":\"1\",\"nnc.contract\":\"7\"}}", -1, 0,
         "numerical contract 7"},
        {"{\"__metadata__\":{\"nnc.format\":\"1\",\"nnc.contract\":\"1\"}}", -1, 0, "in the header"},
    };
    linear_init(&b);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put("bad", rows[i].header, rows[i].size, rows[i].data);
        cr_expect(!load(&b, "bad", CHECKPOINT_WEIGHTS, NULL), "%s", rows[i].header);
        cr_expect(linear_said(&b, rows[i].says), "%s: %s", rows[i].header,
                  b.diag.first ? b.diag.first->message : "no message");
        cr_expect_eq(b.diag.status, STATUS_INPUT);
    }
    char *deep = arena_alloc(&test_memory, 1000001);
    memset(deep, '[', 1000000);
    memcpy(deep, "{\"a\":", 5);
    uint64_t size = 1000000;
    FILE *f = fopen("bad", "wb");
    fwrite(&size, 8, 1, f);
    fwrite(deep, 1, 1000000, f);
    fclose(f);
    cr_expect(!load(&b, "bad", CHECKPOINT_WEIGHTS, NULL) && linear_said(&b, "nested"));
    for (int i = 5; i < 1000000; i++)
        deep[i] = i % 2 ? '1' : ',';
    f = fopen("bad", "wb");
    fwrite(&size, 8, 1, f);
    fwrite(deep, 1, 1000000, f);
    fclose(f);
    cr_expect(!load(&b, "bad", CHECKPOINT_WEIGHTS, NULL));
    cr_assert(mkfifo("fifo", 0666) == 0 && mkdir("folder", 0777) == 0);
    cr_expect(!load(&b, "fifo", CHECKPOINT_WEIGHTS, NULL) && linear_said(&b, "no regular file"));
    cr_expect(!load(&b, "folder", CHECKPOINT_WEIGHTS, NULL) && linear_said(&b, "directory"));
}

/* The header's digest is not the only one that looks: a file changed with care is still held against its own tensors. */
Test(checkpoint, another_models_file_is_shown_as_a_table)
{
    fill(&a);
    cr_assert(checkpoint_save("w", &a.model, &here, &a.diag));
    struct variable vars[VAR_COUNT];
    memcpy(vars, linear_vars, sizeof vars);
    vars[VAR_W].type.dim[0] = 4;
    vars[VAR_B].name = "h.c";
    linear_init(&b);
    tensor_free(&b.values[VAR_W]);
    b.values[VAR_W] = tensor_new(&vars[VAR_W].type);
    b.model.vars = vars;
    cr_assert(!checkpoint_load("w", &b.model, CHECKPOINT_WEIGHTS, NULL, &b.diag));
    cr_expect(linear_said(&b, "1 tensors missing, 1 extra, 1 of another"));
    cr_expect(linear_said(&b, "h.w: f32[3] in the file; f32[4] in the model"));
    cr_expect(linear_said(&b, "h.c: missing") && linear_said(&b, "h.b: f32"));
    b.model.vars = linear_vars;
    b.model.nvars = VAR_W_M;
    cr_expect(!checkpoint_load("w", &b.model, CHECKPOINT_RESUME, NULL, &b.diag),
              "the optimiser of the file is not the model's");
    cr_expect(linear_said(&b, "sgd/h.w/m: f64[3] in the file"));
}

Test(checkpoint, resuming_without_a_position_or_an_optimiser)
{
    fill(&a);
    linear_init(&b);
    a.model.nvars = VAR_W_M;
    cr_assert(checkpoint_save("w", &a.model, &here, &a.diag));
    cr_expect(!load(&b, "w", CHECKPOINT_RESUME, NULL));
    cr_expect(linear_said(&b, "the optimizer's states are missing") && linear_said(&b, "--init w"));
    cr_expect(load(&b, "w", CHECKPOINT_WEIGHTS, NULL));
    put("foreign",
        "{\"h.w\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},"
         "\"h.b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[12,16]}}",
        -1, 16);
    cr_expect(!load(&b, "foreign", CHECKPOINT_RESUME, NULL) && linear_said(&b, "--init foreign"));
}

Test(checkpoint, weights_of_other_programs_are_taken)
{
    static const char header[] =
        "{\"h.b\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[6,8]},"
        "\"adam/h.w/m\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[8,16]},"
        "\"h.w\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[0,6]}}";
    const uint16_t data[8] = {0x3c00, 0xb555, 0x0001, 0xc049}; /* 1, -0.33325195, 2^-24; -3.140625 */
    char bytes[512];
    uint64_t size = sizeof header - 1;
    memcpy(bytes, &size, 8);
    memcpy(bytes + 8, header, size);
    memcpy(bytes + 8 + size, data, sizeof data);
    file_put("w", bytes, 8 + size + sizeof data);
    linear_init(&b);
    *(int64_t *)b.values[VAR_SEEN].data = 3;
    cr_assert(checkpoint_load("w", &b.model, CHECKPOINT_WEIGHTS, NULL, &b.diag));
    const float *w = b.values[VAR_W].data;
    cr_expect(w[0] == 1 && w[1] == -0.333251953125f && w[2] == 0x1p-24f);
    cr_expect_eq(*(float *)b.values[VAR_B].data, -3.140625f);
    cr_expect_eq(*(int64_t *)b.values[VAR_SEEN].data, 3, "a state that the file does not know keeps its value");
    const uint16_t odd[8] = {0x7c00, 0, 0, 0};
    memcpy(bytes + 8 + size, odd, sizeof odd);
    file_put("w", bytes, 8 + size + sizeof data);
    cr_expect(!load(&b, "w", CHECKPOINT_WEIGHTS, NULL) && linear_said(&b, "h.w holds a value that is infinite: element 0"));
}

Test(checkpoint, conversions)
{
    static const char header[] =
        "{\"x\":{\"dtype\":\"F64\",\"shape\":[4],\"data_offsets\":[0,32]},"
        "\"i\":{\"dtype\":\"I16\",\"shape\":[2],\"data_offsets\":[32,36]}}";
    const double reals[4] = {0.1, -1e-310, 1e-40, NAN};
    const int16_t whole[2] = {-7, 300};
    char bytes[512];
    uint64_t size = sizeof header - 1;
    memcpy(bytes, &size, 8);
    memcpy(bytes + 8, header, size);
    memcpy(bytes + 8 + size, reals, 32);
    memcpy(bytes + 40 + size, whole, 4);
    file_put("t", bytes, 44 + size);
    linear_init(&b);
    struct safetensors s;
    cr_assert(safetensors_open(&s, "t", &b.diag));
    const struct safetensors_entry *x = safetensors_find(&s, "x"), *i = safetensors_find(&s, "i");
    cr_assert(x && i && !safetensors_find(&s, "y") && s.count == 2);
    float f[4];
    double d[4];
    int64_t n[2];
    cr_assert(safetensors_read(&s, x, ELEM_F32, f, NULL, &b.diag) && safetensors_read(&s, x, ELEM_F64, d, NULL, &b.diag)
              && safetensors_read(&s, i, ELEM_I64, n, NULL, &b.diag));
    cr_expect(f[0] == 0.1f && f[1] == 0 && signbit(f[1]) && f[2] == 0 && isnan(f[3]));
    cr_expect(d[0] == 0.1 && d[1] == 0 && signbit(d[1]) && d[2] == 1e-40 && isnan(d[3]),
              "subnormal numbers are flushed, each in its own type");
    cr_expect(n[0] == -7 && n[1] == 300);
    cr_expect(!safetensors_converts(SAFETENSORS_F32, ELEM_I32) && !safetensors_converts(SAFETENSORS_I64, ELEM_I32));
    safetensors_close(&s);
}

Test(checkpoint, values_that_are_nan_are_named)
{
    fill(&a);
    linear_init(&b);
    ((double *)a.values[VAR_W_M].data)[2] = NAN;
    cr_assert(checkpoint_save("w", &a.model, &here, &a.diag));
    cr_expect(!load(&b, "w", CHECKPOINT_RESUME, NULL) && linear_said(&b, "sgd/h.w/m holds a value that is nan: element 2"));
    cr_expect(load(&b, "w", CHECKPOINT_WEIGHTS, NULL));
    ((float *)a.values[VAR_W].data)[1] = -NAN;
    cr_assert(checkpoint_save("w", &a.model, &here, &a.diag));
    cr_expect(!load(&b, "w", CHECKPOINT_WEIGHTS, NULL) && linear_said(&b, "h.w holds a value that is nan: element 1"));
}

static bool
probed(const char *path, const char *says)
{
    struct diag d;
    linear_init(&b);
    d = b.diag;
    bool fits = save_file_probe(path, 1000, &d);
    b.diag = d;
    return fits ? !says : says && d.status == STATUS_MACHINE && linear_said(&b, says) && linear_said(&b, path);
}

Test(checkpoint, targets_are_probed)
{
    linear_init(&b);
    cr_assert(mkdir("folder", 0777) == 0 && mkdir("closed", 0555) == 0 && symlink("w", "link") == 0
              && mkfifo("fifo", 0666) == 0);
    file_put("old", "old", 3);
    file_put("fixed", "old", 3);
    cr_assert_eq(chmod("fixed", 0444), 0);
    cr_expect(probed("new", NULL));
    cr_expect(probed("old", NULL));
    cr_expect(probed("folder/new", NULL));
    cr_expect(probed("folder", "a directory"));
    cr_expect(probed("link", "a symbolic link"));
    cr_expect(probed("fifo", "no regular file"));
    cr_expect(probed("fixed", "read-only"));
    cr_expect(probed("closed/new", "its folder is read-only"));
    cr_expect(probed("missing/new", "No such file"));
    cr_expect_eq(files_here(), 6);
    cr_assert_eq(chmod("closed", 0777), 0);
}

/* A disk that fills up: the size limit gives EFBIG in the middle of the data. */
Test(checkpoint, an_interrupted_save_leaves_the_old_file)
{
    fill(&a);
    linear_init(&b);
    cr_assert(checkpoint_save("w", &a.model, &here, &a.diag));
    cr_assert(checkpoint_save("whole", &a.model, &here, &a.diag));
    size_t size = 0;
    file_bytes("w", &size);
    ((float *)a.values[VAR_W].data)[0] = 9;
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, limit;
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    for (size_t room = 0; room < size; room += 97) {
        limit = (struct rlimit){room, old.rlim_max};
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
        bool saved = checkpoint_save("w", &a.model, &here, &a.diag), fits = save_file_probe("w", (int64_t)size, &b.diag);
        setrlimit(RLIMIT_FSIZE, &old);
        cr_assert(!saved && !fits);
        cr_assert_eq(a.diag.status, STATUS_MACHINE);
        cr_assert(files_equal("w", "whole"));
        cr_assert_eq(files_here(), 2);
    }
}

Test(checkpoint, two_processes_do_not_save_to_one_path)
{
    linear_init(&a);
    struct save_lock lock;
    int status;
    cr_assert(save_file_lock(&lock, "w", &a.diag));
    char words[64];
    snprintf(words, sizeof words, "locked by process %ld", (long)getpid());
    pid_t child = fork();
    if (!child) {
        bool refused = !save_file_lock(&lock, "w", &a.diag) && a.diag.status == STATUS_MACHINE && linear_said(&a, words);
        _exit(refused ? 7 : 8);
    }
    waitpid(child, &status, 0);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    save_file_unlock(&lock);
    cr_expect_eq(files_here(), 0);
    child = fork();
    if (!child)
        _exit(save_file_lock(&lock, "w", &a.diag) ? 7 : 8); /* ends without unlocking */
    waitpid(child, &status, 0);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 7);
    cr_expect(save_file_lock(&lock, "w", &a.diag), "the lock of a process that is gone holds nobody up");
    save_file_unlock(&lock);
}

Test(checkpoint, digests_see_every_bit)
{
    unsigned char bytes[100];
    for (int i = 0; i < 100; i++)
        bytes[i] = (unsigned char)(i * 37);
    for (size_t n = 0; n <= 100; n++) {
        uint64_t whole = digest_bytes(0, bytes, n);
        cr_expect_neq(whole, digest_bytes(1, bytes, n));
        cr_expect(n == 100 || whole != digest_bytes(0, bytes, n + 1));
        for (size_t i = 0; i < n * 8; i++) {
            bytes[i / 8] ^= (unsigned char)(1 << i % 8);
            cr_assert_neq(whole, digest_bytes(0, bytes, n));
            bytes[i / 8] ^= (unsigned char)(1 << i % 8);
        }
    }
}
