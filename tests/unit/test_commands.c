/* The program itself, run as users run it: rows 50 to 77 of bad-inputs.md, each with the whole of what it says
 * (tests/golden/commands), and what a training leaves. */
#define _GNU_SOURCE
#include "runtime/save_file.h"
#include "runtime/kernels.h"
#include "tests/unit/command_run.h"
#include <fenv.h>
#include <sys/socket.h>
#include <sys/un.h>

TestSuite(commands, .init = scratch_enter, .fini = scratch_leave, .timeout = 120);

Test(commands, damaged_checkpoints_rows_50_and_51)
{
    char *bytes;
    size_t size = begin(&bytes);
    refused("50_missing", 1, "eval m.nn --weights none.safetensors");
    file_put("empty.safetensors", "", 0);
    refused("50_empty", 1, "eval m.nn --weights empty.safetensors");
    file_put("w.safetensors", bytes, size - 1);
    refused("50_short", 1, "train m.nn --resume w.safetensors");
    uint64_t header;
    memcpy(&header, bytes, 8);
    bytes[8 + header] ^= 1; /* of the first weight */
    file_put("bit.safetensors", bytes, size);
    refused("51_tensor", 1, "eval m.nn --weights bit.safetensors");
    bytes[8 + header] ^= 1;
    char *step = memmem(bytes, size, "nnc.step\":\"8", 12);
    cr_assert(step);
    step[11] ^= 1;
    file_put("bit.safetensors", bytes, size);
    refused("51_header", 1, "eval m.nn --weights bit.safetensors");
}

static void
put_raw(const char *path, uint64_t length, const char *header, const void *data, size_t size)
{
    static char room[1 << 22];
    size_t n = strlen(header);
    memcpy(room, &length, 8);
    memcpy(room + 8, header, n);
    memcpy(room + 8 + n, data, size);
    file_put(path, room, 8 + n + size);
}

static void
put_header(const char *path, const char *header, const void *data, size_t size)
{
    put_raw(path, strlen(header), header, data, size);
}

Test(commands, files_that_lie_rows_52_and_53)
{
    static char deep[1 << 20];
    begin(NULL);
    put_raw("a.safetensors", UINT64_C(1) << 63, "{}", "", 0);
    refused("52_length", 1, "eval m.nn --weights a.safetensors");
    memset(deep, '[', sizeof deep - 1);
    memcpy(deep, "{\"a\":", 5);
    put_header("a.safetensors", deep, "", 0);
    refused("52_depth", 1, "eval m.nn --weights a.safetensors");
    put_header("a.safetensors", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", "abcdefgh", 8);
    refused("52_twice", 1, "eval m.nn --weights a.safetensors");
    put_header("a.safetensors", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}", "abcdef", 6);
    refused("53_overlap", 1, "eval m.nn --weights a.safetensors");
    put_header("a.safetensors", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}", "abcdefghijkl", 12);
    refused("53_hole", 1, "eval m.nn --weights a.safetensors");
    put_header("a.safetensors", "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,400]}}", "abcd", 4);
    refused("53_outside", 1, "eval m.nn --weights a.safetensors");
}

Test(commands, other_checkpoints_rows_54_to_57)
{
    char *bytes;
    size_t size = begin(&bytes);
    put_model("other.nn", "tanh(dense(dense(x, 5), 4))", "adam()", "");
    refused("54_table", 1, "train other.nn --init w.safetensors --save v.safetensors");
    char *format = memmem(bytes, size, "nnc.format\":\"1", 14);
    cr_assert(format);
    format[13] = '9';
    file_put("new.safetensors", bytes, size);
    refused("55_newer", 1, "eval m.nn --weights new.safetensors");
    put_model("one.nn", "x", "sgd()", "");
    const float nan[4] = {1, 2, NAN, 0};
    put_header("nan.safetensors", "{\"p.w\":{\"dtype\":\"F32\",\"shape\":[3,1],\"data_offsets\":[0,12]},\"p.b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}", nan, 16);
    refused("56_nan", 1, "eval one.nn --weights nan.safetensors");
    refused("57_foreign", 1, "train one.nn --resume nan.safetensors");
    put_model("sgd.nn", "tanh(dense(x, 4))", "sgd()", "");
    cr_assert_eq(nnc("train sgd.nn --save s.safetensors"), 0);
    refused("57_optimizer", 1, "train m.nn --resume s.safetensors");
}

Test(commands, names_of_another_program)
{
    const float given[4] = {1, 2, 3, 4};
    put_model("one.nn", "x", "sgd(lr = 0)", "");
    put_header("a.safetensors", "{\"W\":{\"dtype\":\"F32\",\"shape\":[3,1],\"data_offsets\":[0,12]},\"B\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[12,16]}}", given, 16);
    refused("54_names", 1, "train one.nn --init a.safetensors");
    const char good[] = "{\"p.w\": \"W\", \"p.b\": \"B\"}", bad[] = "{\"p.q\": \"W\"}";
    file_put("n.json", good, strlen(good));
    cr_assert_eq(nnc("train one.nn --init a.safetensors --names n.json --save w.safetensors"), 0, "%s", last.err);
    size_t size = 0;
    char *saved = file_bytes("w.safetensors", &size);
    cr_expect(!memcmp(saved + size - 16, given, 16));
    file_put("n.json", bad, strlen(bad));
    refused("54_names_unknown", 1, "train one.nn --init a.safetensors --names n.json");
    file_put("n.json", "[1]", 3);
    refused("54_names_form", 1, "train one.nn --init a.safetensors --names n.json");
    refused("54_names_alone", 2, "train one.nn --names n.json");
}

/* PyTorch's weight of a layer is [out, in], of a convolution [out, in, ...]. */
Test(commands, names_of_another_program_with_other_axes)
{
    const float want[6] = {1, 4, 2, 5, 3, 6}; /* of [3, 2] */
    put_model("two.nn", "dense(x, 2)", "sgd(lr = 0)", "");
    put_header("a.safetensors", "{}", "", 0);
    const char overlap[] = "{\"h.w\": {\"name\": \"0.weight\", \"axes\": [0, 0]}}", shape[] = "{\"h.w\": {\"name\": \"0.weight\", \"axes\": [1]}}";
    file_put("n.json", overlap, strlen(overlap));
    refused("54_names_axes", 1, "train two.nn --init a.safetensors --names n.json");
    file_put("n.json", shape, strlen(shape));
    refused("54_names_axes_few", 1, "train two.nn --init a.safetensors --names n.json");
    const char good[] = "{\"h.w\": {\"name\": \"0.weight\", \"axes\": [1, 0]}, \"h.b\": \"0.bias\", \"p.w\": {\"name\": \"1.weight\", \"axes\": [1, 0]}, \"p.b\": \"1.bias\"}";
    put_header("b.safetensors", "{\"0.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},"
                                "\"0.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[24,32]},"
                                "\"1.weight\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[32,40]},"
                                "\"1.bias\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[40,44]}}", (float[]){1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50}, 44);
    file_put("n.json", good, strlen(good));
    cr_assert_eq(nnc("train two.nn --init b.safetensors --names n.json --save w.safetensors"), 0, "%s", last.err);
    size_t size = 0;
    char *saved = file_bytes("w.safetensors", &size);
    cr_expect(memmem(saved, size, want, sizeof want), "h.w is not turned");
}

Test(commands, targets_that_cannot_be_written_rows_58_60_and_70)
{
    size_t size = begin(NULL);
    cr_assert(size && !mkdir("dir", 0777) && !symlink("w.safetensors", "link") && !link("w.safetensors", "keep"));
    refused("58_directory", 3, "train m.nn --save dir");
    refused("58_symlink", 3, "train m.nn --save link");
    refused("58_device", 3, "train m.nn --save /dev/full");
    refused("58_folder", 3, "train m.nn --save none/w");
    cr_assert(!chmod("w.safetensors", 0444));
    refused("58_read_only", 3, "train m.nn --save w.safetensors");
    cr_expect(files_equal("w.safetensors", "keep"));
    cr_assert(!chmod("w.safetensors", 0644));
    struct save_lock lock;
    struct linear l = {0};
    linear_init(&l);
    cr_assert(save_file_lock(&lock, "w.safetensors", &l.diag));
    refused("60_locked", 3, "train m.nn --save w.safetensors");
    save_file_unlock(&lock);
    expect("70_file_size", &(struct run){.file_limit = 1000}, 3, "train m.nn --save w.safetensors --quiet");
    cr_expect(files_equal("w.safetensors", "keep"));
    linear_free(&l);
}

Test(commands, wrong_command_lines_rows_61_62_and_65)
{
    begin(NULL);
    refused("61_threads", 2, "train m.nn --threads 0");
    refused("61_epochs", 2, "train m.nn --epochs -1");
    refused("61_letters", 2, "train m.nn --epochs abc");
    refused("61_large", 2, "train m.nn --epochs 99999999999");
    refused("61_set", 1, "train m.nn --set train.batch=0");
    refused("62_flag", 2, "train m.nn --sav w.safetensors");
    refused("62_new", 2, "new other --mode jit");
    refused("62_models", 2, "models --epochs 3");
    refused("62_help", 2, "help train --save w.safetensors");
    refused("62_fmt", 2, "fmt m.nn --threads 2");
    cr_expect(access("other.nn", F_OK));
    refused("62_missing", 2, "train m.nn --save");
    refused("62_empty", 2, "train m.nn --save=");
    refused("65_same", 2, "predict m.nn --weights w.safetensors --input x=x.npy --output p=x.npy");
    cr_assert_eq(nnc("train m.nn --epochs 0 --save zero.safetensors"), 0);
    cr_expect_eq(nnc("eval m.nn --weights zero.safetensors"), 0);
}

/* Fewer rows than a batch are one smaller batch: that of as many rows as there are. */
Test(commands, fewer_rows_than_a_batch_row_36)
{
    put_model("m.nn", "tanh(dense(x, 4))", "adam()", "");
    cr_assert_eq(nnc("train m.nn --set train.batch=64 --history a.csv --history-no-time"), 0, "%s", last.err);
    cr_assert_eq(nnc("train m.nn --set train.batch=30 --history b.csv --history-no-time"), 0, "%s", last.err);
    cr_expect(files_equal("a.csv", "b.csv"));
    put_model("m.nn", "tanh(dense(x, 4))", "adam()", "drop_last true");
    refused("36_drop_last", 1, "train m.nn --set train.batch=64");
}

Test(commands, a_drawn_seed_is_printed_and_saved_row_64)
{
    put_model("m.nn", "tanh(dense(x, 4))", "adam()", "");
    cr_assert_eq(nnc("train m.nn --seed random --save w.safetensors"), 0);
    char seed[64], want[80], line[200];
    size_t size = 0;
    cr_assert_eq(sscanf(last.out, "seed %63[0-9]", seed), 1, "%s", last.out);
    char *bytes = file_bytes("w.safetensors", &size);
    snprintf(want, sizeof want, "nnc.seed\":\"%s\"", seed);
    cr_expect(memmem(bytes, size, want, strlen(want)));
    snprintf(line, sizeof line, "train m.nn --seed %s --save again.safetensors", seed);
    cr_assert_eq(nnc(line), 0);
    cr_expect(files_equal("w.safetensors", "again.safetensors"));
}

Test(commands, inputs_of_another_shape_row_66)
{
    begin(NULL);
    const char npy[] = "\x93NUMPY\x01\x00\x46\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }          \n";
    char file[128] = {0};
    memcpy(file, npy, sizeof npy - 1);
    file_put("x.npy", file, 10 + 0x46 + 8);
    refused("66_shape", 1, "predict m.nn --weights w.safetensors --input x=x.npy --output p=p.npy");
    cr_expect(access("p.npy", F_OK));
}

/* A model whose data are |expression|. */
static void
put_data(const char *expression)
{
    char *text;
    cr_assert(asprintf(&text,
        "data {\n    train x = %s\n}\nmodel m {\n    input x: f32[N, 2]\n    output p = x\n}\n", expression) > 0);
    file_put("d.nn", text, strlen(text));
    free(text);
}

Test(commands, data_that_are_no_files_row_48)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    cr_assert(s >= 0 && !syscall(SYS_bind, s, &name, sizeof name) && !mkfifo("fifo", 0666) && !mkdir("dir", 0777));
    static const struct { const char *name, *data; } cases[] = {
        {"48_fifo", "csv(\"fifo\").columns(0:2)"}, {"48_socket", "csv(\"socket\").columns(0:2)"},
        {"48_directory", "npy(\"dir\")"}, {"48_stdin", "csv(\"/dev/stdin\").columns(0:2)"}, {"48_zip", "npz(\"fifo\", \"x\")"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_data(cases[i].data);
        expect(cases[i].name, &(struct run){.in = "/dev/null"}, 1, "predict d.nn --on train --output p=p.npy");
    }
    close(s);
}

Test(commands, more_threads_than_there_are_row_63)
{
    begin(NULL);
    cr_assert_eq(nnc("train m.nn --threads 1000000 --save a.safetensors"), 0, "%s", last.err);
    hide_number(last.err, "it takes ", "N");
    golden_compare(NNC_SOURCE_DIR "/tests/golden/commands/63_threads.txt", last.err);
    cr_expect(files_equal("w.safetensors", "a.safetensors"));
}

/* The code of the machine is made before the first step here, so that its lack is met at once. */
Test(commands, code_that_is_forbidden_row_71)
{
    begin(NULL);
    struct run r = {.no_code = true, .mode = "jit"};
    expect("71_code", &r, 3, "train m.nn --vector-width 8 --save a.safetensors");
    expect("71_code_waiting", &r, 3, "train m.nn --save a.safetensors");
    cr_expect(access("a.safetensors", F_OK));
    cr_expect_eq(nnc_in(&(struct run){.no_code = true, .mode = "eager"}, "train m.nn --save a.safetensors"), 0, "%s", last.err);
    cr_expect(files_equal("w.safetensors", "a.safetensors"));
}

/* A host program may have any state: within, numbers are rounded to nearest and no value is subnormal; then the host's holds again. */
Test(commands, the_state_of_a_host_program_row_72)
{
    volatile float tiny = 1e-38f, third = 3;
    int before = fegetround();
    cr_assert(!fesetround(FE_DOWNWARD));
    volatile float down = 1 / third;
    unsigned state = float_enter();
    volatile float within = 1 / third, flushed = tiny / 4;
    float_leave(state);
    volatile float after = 1 / third, kept = tiny / 4;
    int now = fegetround();
    fesetround(before);
    cr_expect(down < within && after == down && now == FE_DOWNWARD);
    cr_expect(flushed == 0 && kept != 0);
}

Test(commands, the_machine_fails_rows_68_73_74)
{
    begin(NULL);
    expect("68_full", &(struct run){.out = "/dev/full"}, 3, "eval m.nn --weights w.safetensors");
    cr_expect_eq(nnc_in(&(struct run){.no_reader = true}, "dump m.nn --stage graph"), -SIGPIPE, "as `| head` ends it: %d", last.status);
    cr_expect_str_eq(last.err, "");
    cr_expect_eq(nnc_in(&(struct run){.process_limit = 1}, "train m.nn --threads 4 --save a.safetensors"), 0, "%s", last.err);
    cr_expect(files_equal("w.safetensors", "a.safetensors"));
    char line[400];
    snprintf(line, sizeof line, "train %s/m.nn --save %s/a.safetensors", scratch_folder, scratch_folder);
    unlink("a.safetensors");
    cr_expect_eq(nnc_in(&(struct run){.no_folder = true}, line), 0, "%s", last.err);
    cr_expect(files_equal("w.safetensors", "a.safetensors"));
    cr_expect_eq(nnc_in(&(struct run){.no_home = true}, "train m.nn --save a.safetensors"), 0, "%s", last.err);
    cr_expect(files_equal("w.safetensors", "a.safetensors"));
}

#ifndef __SANITIZE_ADDRESS__ /* whose shadow needs terabytes of addresses */
Test(commands, the_memory_is_short_row_69)
{
    put_model("large.nn", "dense(dense(x, 20000), 20000)", "adam()", "");
    expect("69_memory", &(struct run){.memory_limit = (rlim_t)1 << 29}, 3, "train large.nn --mode eager");
}
#endif

Test(commands, a_loss_that_is_nan_row_75)
{
    put_model("m.nn", "log(dense(x, 4))", "adam()", "");
    refused("75_nan", 1, "train m.nn --save w.safetensors");
    put_model("m.nn", "dense(x, 4)", "sgd(lr = 1e10)", "");
    refused("75_inf", 1, "train m.nn --save w.safetensors --quiet");
}

/* How many files of the folder begin so. */
static int
files_like(const char *front)
{
    int n = 0;
    DIR *d = opendir(".");
    for (struct dirent *e; d && (e = readdir(d)); )
        n += !strncmp(e->d_name, front, strlen(front));
    if (d)
        closedir(d);
    return n;
}

/* Ctrl-C and its like: the step is finished and saved; what is resumed ends at the same bits. Asked twice, it ends at once. */
Test(commands, signals_rows_76_and_77)
{
    static const struct { int number, status; } signals[] = {{SIGINT, 130}, {SIGTERM, 143}, {SIGHUP, 129}};
    put_model("m.nn", "tanh(dense(x, 4))", "adam()", "stop patience = 100000, on = loss, goal = max, restore = best");
    cr_assert_eq(nnc("train m.nn --epochs 150 --save whole.safetensors --quiet"), 0);
    for (int i = 0; i < 3; i++) {
        unlink("w.safetensors");
        struct run r = {.signal = signals[i].number, .until = "w.safetensors", .mode = "eager"};
        cr_expect_eq(nnc_in(&r, "train m.nn --epochs 150 --save w.safetensors --quiet"), signals[i].status, "%s", last.err);
        cr_expect_str_eq(last.err, "");
        cr_expect(access("w.safetensors.lock", F_OK));
        cr_assert_eq(nnc("train m.nn --epochs 150 --resume w.safetensors --save w.safetensors --quiet"), 0, "%s", last.err);
        cr_expect(files_equal("w.safetensors", "whole.safetensors"));
    }
    /* What a killed process left is taken over: its lock and its temporary file, but not that of a process that lives. */
    char dead[64], alive[64];
    pid_t gone = fork();
    if (!gone)
        _exit(0);
    waitpid(gone, NULL, 0);
    snprintf(dead, sizeof dead, "w.safetensors.tmp.%ld", (long)gone);
    snprintf(alive, sizeof alive, "w.safetensors.tmp.%ld", (long)getpid());
    file_put("w.safetensors.lock", "", 0);
    file_put(dead, "x", 1);
    file_put(alive, "x", 1);
    cr_assert_eq(nnc("train m.nn --epochs 150 --save w.safetensors --quiet"), 0, "%s", last.err);
    cr_expect(files_equal("w.safetensors", "whole.safetensors"));
    cr_expect(access("w.safetensors.lock", F_OK) && access(dead, F_OK) && !access(alive, F_OK));
    unlink("w.safetensors");
    struct run twice = {.signal = SIGINT, .until = "w.safetensors", .mode = "eager", .again = 3};
    cr_expect_eq(nnc_in(&twice, "train m.nn --epochs 150 --save w.safetensors --quiet"), 130);
    cr_expect_eq(nnc("eval m.nn --weights w.safetensors"), 0, "%s", last.err);
    cr_expect_eq(files_like("w.safetensors.lock"), 0);
}

/* A table of |rows| rows whose second column holds |value|, and a model that learns it. */
static void
put_table(const char *path, int rows, int value)
{
    FILE *f = fopen(path, "w");
    fprintf(f, "a,b\n");
    for (int i = 0; i < rows; i++)
        fprintf(f, "%d.5,%d\n", i, value);
    cr_assert(f && !fclose(f));
}

static void
put_reader(const char *path)
{
    static const char text[] = "data {\n    t = csv(\"t.csv\")\n    train x = t.columns(0:1), y = t[\"b\"]\n}\n"
        "model m {\n    input x: f32[N, 1]\n    target y: f32[N]\n    loss mse(squeeze(dense(x, 1)), y)\n}\n"
        "train {\n    optimizer sgd(lr = 0.001)\n    batch 4\n    epochs 3\n}\n";
    file_put(path, text, strlen(text));
}

/* Between epochs: what changed and ends the training, and what only looks so. The file is changed once the first epoch is saved. */
Test(commands, data_that_change_row_49)
{
    static const struct { const char *name, *change; int status; } cases[] = {
        {"49_size", "echo 9,9 >> t.csv", 1}, {"49_bytes", "sed -i s/,7/,8/ t.csv", 1}, {"49_replaced", "sed s/,7// t.csv > u.csv; mv u.csv t.csv", 1},
        {NULL, "touch t.csv", 0}, {NULL, "rm t.csv", 0}};
    put_reader("m.nn");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_table("t.csv", 20, 7);
        unlink("w.safetensors");
        pid_t changer = fork();
        if (!changer) {
            for (int k = 0; access("w.safetensors", F_OK) && k < 20000; k++)
                usleep(100);
            _exit(system(cases[i].change) ? 1 : 0);
        }
        nnc("train m.nn --epochs 1500 --save w.safetensors --quiet");
        int changed;
        waitpid(changer, &changed, 0);
        cr_expect(!changed);
        cr_expect_eq(last.status, cases[i].status, "%s: %d %s", cases[i].change, last.status, last.err);
        hide_number(last.err, "after epoch ", "N");
        char path[512];
        snprintf(path, sizeof path, NNC_SOURCE_DIR "/tests/golden/commands/%s.txt", cases[i].name ? cases[i].name : "");
        if (cases[i].name)
            golden_compare(path, last.err);
        else
            cr_expect_str_eq(last.err, "");
    }
    /* And from one training to the next. */
    put_table("t.csv", 20, 7);
    cr_assert_eq(nnc("train m.nn --save w.safetensors"), 0, "%s", last.err);
    put_table("t.csv", 20, 8);
    refused("49_resumed", 1, "train m.nn --epochs 4 --resume w.safetensors --save w.safetensors");
    cr_expect_eq(nnc("train m.nn --init w.safetensors"), 0, "%s", last.err);
    put_table("t.csv", 21, 7);
    refused("49_rows", 1, "train m.nn --epochs 4 --resume w.safetensors");
}

/* Asked twice while it saves, it saves first; whenever that is, nothing is left but what was saved. */
Test(commands, signals_in_a_save_row_76)
{
    struct run twice = {.signal = SIGINT, .until = "w.safetensors", .in_save = true, .again = 5};
    put_model("m.nn", "tanh(dense(dense(x, 2000), 2000))", "sgd()", "");
    for (int i = 0; i < 4; i++) {
        unlink("w.safetensors");
        cr_expect_eq(nnc_in(&twice, "train m.nn --epochs 150 --save w.safetensors --quiet"), 130, "%s", last.err);
        cr_expect_str_eq(last.err, "");
        cr_expect_eq(files_like("w.safetensors.tmp"), 0);
        cr_expect_eq(files_like("w.safetensors.lock"), 0);
        cr_expect_eq(nnc("eval m.nn --weights w.safetensors"), 0, "%s", last.err);
    }
}

/* Folds and runs: files of their own, resumed where they stood; the tables are those of an uninterrupted training. */
Test(commands, several_trainings_are_resumed)
{
    put_model("m.nn", "tanh(dense(x, 4))", "adam()", "runs 2");
    cr_assert_eq(nnc("train m.nn --epochs 4 --save a.safetensors --history a.csv --history-no-time --steps as.csv"), 0, "%s", last.err);
    cr_expect(strstr(last.out, "mean of 2") && strstr(last.out, "ensemble of 2 runs"));
    cr_assert_eq(nnc("train m.nn --epochs 4 --save b.safetensors --history b.csv --history-no-time --steps bs.csv"), 0);
    unlink("b.run2.safetensors");
    cr_assert_eq(rename("b.run1.safetensors.prev", "b.run1.safetensors"), 0);
    cr_assert_eq(nnc("train m.nn --epochs 4 --resume b.safetensors --save b.safetensors --history b.csv --history-no-time --steps bs.csv"), 0, "%s", last.err);
    cr_expect(files_equal("a.run1.safetensors", "b.run1.safetensors") && files_equal("a.run2.safetensors", "b.run2.safetensors"));
    cr_expect(files_equal("a.csv", "b.csv") && files_equal("as.csv", "bs.csv"));
    /* The first is at its end and adds nothing, the second stands before its last epoch. */
    cr_assert_eq(rename("b.run2.safetensors.prev", "b.run2.safetensors"), 0);
    cr_assert_eq(nnc("train m.nn --epochs 4 --resume b.safetensors --save b.safetensors --history b.csv --history-no-time --steps bs.csv"), 0, "%s", last.err);
    cr_expect(files_equal("a.run2.safetensors", "b.run2.safetensors"));
    cr_expect(files_equal("a.csv", "b.csv") && files_equal("as.csv", "bs.csv"));
}

/* A learning rate of 0: both members are equal, and the ensemble is what each of them is. */
Test(commands, an_ensemble_of_equals)
{
    put_model("m.nn", "x", "sgd(lr = 0)", "runs 2");
    char *text = file_bytes("m.nn", NULL), *at = strstr(text, "squeeze(dense(h, 1))"), *whole;
    cr_assert(asprintf(&whole, "%.*ssum(h * weight([1], ones), 1)%s", (int)(at - text), text, at + strlen("squeeze(dense(h, 1))")) > 0);
    file_put("m.nn", whole, strlen(whole));
    free(whole);
    cr_assert_eq(nnc("train m.nn --quiet"), 0, "%s", last.err);
    double mean = NAN, together = NAN;
    cr_assert_eq(sscanf(strstr(last.out, "mean of 2"), "mean of 2 loss %*f +- %*f valid_loss %lf", &mean), 1, "%s", last.out);
    cr_assert_eq(sscanf(strstr(last.out, "ensemble of 2 runs"), "ensemble of 2 runs valid_loss %lf", &together), 1, "%s", last.out);
    cr_expect_eq(mean, together);
}

Test(commands, what_stop_and_folds_refuse)
{
    static const struct { const char *name, *statement; } cases[] = {
        {"stop_name", "stop patience = 3, on = valid_r"}, {"stop_form", "stop patience = 3, restore = worst"}, {"stop_patience", "stop patience = 0"},
        {"folds_form", "folds 3, by = y"}, {"folds_one", "folds 1"}, {"folds_valid", "folds 3"}, {"runs_zero", "runs 0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_model("m.nn", "tanh(dense(x, 4))", "adam()", cases[i].statement);
        refused(cases[i].name, 1, "train m.nn");
    }
}

Test(commands, a_report_and_an_event_file)
{
    put_model("m.nn", "tanh(dense(x, 4))", "adam()", "");
    cr_assert_eq(nnc("train m.nn --report r.html --tensorboard tb"), 0, "%s", last.err);
    char *page = file_bytes("r.html", NULL);
    cr_assert(page);
    cr_expect(strstr(page, "<svg") && strstr(page, "valid_loss") && strstr(page, "h.w") && strstr(page, "p against y"));
    cr_expect(!strstr(page, "src=") && !strstr(page, "href="), "the page needs nothing else");
    DIR *d = opendir("tb");
    int files = 0;
    for (struct dirent *e; d && (e = readdir(d)); )
        files += !strncmp(e->d_name, "events.out.tfevents.", 20);
    cr_expect_eq(files, 1);
    if (d)
        closedir(d);
}

/* The vertical places of the curve that stands |index|-th in the picture of that title. */
static int
curve_of(const char *page, const char *title, int index, double *out, int room)
{
    char head[80];
    snprintf(head, sizeof head, ">%s</text>", title);
    const char *at = strstr(page, head);
    for (int i = 0; at && i <= index; i++)
        at = strstr(at + 1, "<path ");
    cr_assert(at, "no picture %s", title);
    at = strstr(at, "d=\"") + 3;
    int n = 0;
    for (double x; n < room && sscanf(at, "%*1[ML]%lf %lf", &x, &out[n]) == 2; n++)
        at += 1 + strcspn(at + 1, "ML\"");
    return n;
}

/* The gradients cost no bit of the training, and all modes show the same. With a learning rate of 1 and one step an epoch an update is the
 * gradient: so are their curves. */
Test(commands, a_report_of_gradients)
{
    static const char *const modes[] = {"eager", "graph", "jit"};
    put_model("m.nn", "tanh(dense(x, 4))", "adam()", "clip global_norm = 0.1");
    cr_assert_eq(nnc("train m.nn --save w.safetensors"), 0, "%s", last.err);
    for (int i = 0; i < 3; i++) {
        struct run r = {.mode = modes[i]};
        cr_assert_eq(nnc_in(&r, "train m.nn --save a.safetensors --report r.html"), 0, "%s", last.err);
        cr_expect(files_equal("w.safetensors", "a.safetensors"), "%s", modes[i]);
        if (!i)
            rename("r.html", "first.html");
        else
            cr_expect(files_equal("first.html", "r.html"), "%s", modes[i]);
    }
    double gradient[8], update[8];
    put_model("m.nn", "tanh(dense(x, 4))", "sgd(lr = 1)", "");
    cr_assert_eq(nnc("train m.nn --set train.batch=64 --epochs 5 --report r.html"), 0, "%s", last.err);
    const char *page = file_bytes("r.html", NULL);
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(curve_of(page, "Gradients", i, gradient, 8), 5);
        cr_assert_eq(curve_of(page, "Updates", i, update, 8), 5);
        for (int k = 0; k < 5; k++)
            cr_expect(fabs(gradient[k] - update[k]) < 0.15, "weight %d, epoch %d: %g, %g", i, k + 1, gradient[k], update[k]);
        cr_expect(i || update[0] != update[4]);
    }
}

/* Each installed model without its data: which file it wants, and what is in it. Those that make their data train. */
Test(commands, models_without_their_data)
{
    struct dirent **entries;
    int n = scandir(NNC_SOURCE_DIR "/models", &entries, NULL, alphasort);
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    cr_assert(n > 0 && out);
    for (int i = 0; i < n; i++) {
        char path[512];
        size_t length = strlen(entries[i]->d_name);
        if (length < 4 || strcmp(entries[i]->d_name + length - 3, ".nn") || !strcmp(entries[i]->d_name, "sine_column.nn"))
            continue; /* the last is refused, as it is meant to be */
        snprintf(path, sizeof path, NNC_SOURCE_DIR "/models/%s", entries[i]->d_name);
        char *model = file_bytes(path, &size);
        file_put("m.nn", model, size);
        nnc("train m.nn --epochs 0 --quiet");
        fprintf(out, "%s: exit %d\n%s", entries[i]->d_name, last.status, last.err);
    }
    fclose(out);
    golden_compare(NNC_SOURCE_DIR "/tests/golden/commands/models_without_data.txt", text);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    free(text);
}

Test(commands, a_new_file_is_whole)
{
    cr_assert_eq(nnc("new my-net"), 0);
    cr_expect_eq(nnc("fmt my-net.nn --check"), 0, "%s", last.err);
    cr_expect_eq(nnc("train my-net.nn --epochs 1"), 0, "%s", last.err);
    cr_expect(!strcmp(last.err, ""), "%s", last.err);
    refused("new_exists", 1, "new my-net");
    cr_assert_eq(nnc("models iris"), 0, "%s", last.err);
    cr_expect(strstr(last.out, "share/nnc/models/iris.nn") && !strstr(last.out, "digits"));
}
