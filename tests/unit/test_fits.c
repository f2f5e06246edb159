/* What a data block fitted: kept in checkpoints, applied to raw inputs by another process, undone by `inverse`. */
#define _GNU_SOURCE
#include "runtime/checkpoint_fit.h"
#include "runtime/data/npy.h"
#include "tests/unit/command_run.h"

TestSuite(fits, .init = scratch_enter, .fini = scratch_leave, .timeout = 120);

/* Every kind of fit, and a chain of two. */
static const char model[] =
    "data {\n"
    "    t = csv(\"rows.csv\")\n"
    "    x = standardize(t.columns(0:2))\n"
    "    k = one_hot(category(t[\"kind\"]), 3)\n"
    "    w = words(t[\"text\"], vocabulary = 6, length = 3)\n"
    "    c = category(t[\"kind\"])\n"
    "    r = t[\"plain\"]\n"
    "    y = minmax(standardize(t.columns(5:7)))\n"
    "    train x = x, k = k, w = w, c = c, r = r, y = y\n"
    "    valid x = x, k = k, w = w, c = c, r = r, y = y\n"
    "}\n"
    "model m {\n"
    "    input x: f32[N, 2], k: f32[N, 3], w: i32[N, 3], c: i32[N], r: f32[N]\n"
    "    target y: f32[N, 2]\n"
    "    e = mean(embedding(w, 6, 2), axis = 1)\n"
    "    output p = dense(tanh(dense(concat([x, k, e, one_hot(c, 3), reshape(r, [N, 1])], axis = 1), 4)), 2)\n"
    "    output q = inverse(p, y)\n"
    "    loss   mse(p, y)\n"
    "    metric off = mean(abs(inverse(p, y) - inverse(y, y)))\n"
    "    metric top = max(inverse(y, y))\n"
    "}\n"
    "train { optimizer adam()\n batch 2\n epochs 3\n }\n";
static const char rows[] =
    "a,b,kind,text,plain,u,v\n"
    "1,10,red,the cat sat,0.5,100,-1\n"
    "2,30,blue,a dog,1.5,200,-2\n"
    "3,20,red,the the cat a long,2.5,400,-4\n"
    "5,25,green,\"\",3.5,1000,-9\n";
static const char raw_inputs[] =
    "--input x=csv(\"rows.csv\").columns(0:2) --input k=csv(\"rows.csv\")[\"kind\"] --input w=csv(\"rows.csv\").column(3) "
    "--input c=csv(\"rows.csv\")[\"kind\"] --input r=csv(\"rows.csv\")[\"plain\"]";

static void
put_all(void)
{
    file_put("m.nn", model, sizeof model - 1);
    file_put("rows.csv", rows, sizeof rows - 1);
    cr_assert_eq(nnc("train m.nn --save w.safetensors --quiet"), 0, "%s", last.err);
}

static struct tensor
array(const char *path)
{
    struct tensor t;
    struct diag d;
    diag_init(&d, &test_memory);
    cr_assert(npy_read(path, &t, &d), "%s: %s", path, d.first ? d.first->message : "");
    return t;
}

Test(fits, raw_inputs_give_the_bits_of_the_data_block)
{
    static const char *const modes[] = {"eager", "graph"};
    char line[600];
    put_all();
    for (int i = 0; i < 2; i++) {
        snprintf(line, sizeof line, "predict m.nn --mode %s --weights w.safetensors --on valid --output p=p.npy --output q=q.npy", modes[i]);
        cr_assert_eq(nnc(line), 0, "%s", last.err);
        snprintf(line, sizeof line, "predict m.nn --mode %s --weights w.safetensors --raw %s --output p=rp.npy --output q=rq.npy", modes[i], raw_inputs);
        cr_assert_eq(nnc(line), 0, "%s", last.err);
        cr_expect(files_equal("p.npy", "rp.npy") && files_equal("q.npy", "rq.npy"), "%s", modes[i]);
    }
    struct tensor p = array("p.npy"), q = array("q.npy");
    for (int64_t i = 0; i < tensor_count(&p); i++) { /* minmax of standardized numbers is minmax of the numbers */
        double low = i % 2 ? -9 : 100, range = i % 2 ? 8 : 900, want = ((double *)p.data)[i] * range + low;
        cr_expect_float_eq(((double *)q.data)[i], want, 1e-4, "%g %g", ((double *)q.data)[i], want);
    }
    tensor_free(&p);
    tensor_free(&q);
}

/* Another file than that which the fits are of: its numbers are scaled by the old ones. */
Test(fits, other_rows_are_scaled_as_those_of_the_training)
{
    static const char plain[] =
        "data {\n x = minmax(csv(\"x.csv\").columns(0:2))\n train x = x, y = x[:, 0]\n }\n"
        "model m {\n input x: f32[N, 2]\n target y: f32[N]\n output p = x * weight([2], ones)\n loss mse(sum(p, axis = 1), y)\n }\n"
        "train {\n optimizer sgd(lr = 0)\n }\n";
    static const char first[] = "a,b\n0,10\n10,20\n", second[] = "a,b\n5,40\n";
    file_put("m.nn", plain, sizeof plain - 1);
    file_put("x.csv", first, sizeof first - 1);
    cr_assert_eq(nnc("train m.nn --save w.safetensors --quiet"), 0, "%s", last.err);
    file_put("new.csv", second, sizeof second - 1);
    unlink("x.csv");
    cr_assert_eq(nnc("predict m.nn --weights w.safetensors --raw --input x=new.csv --output p=p.npy"), 0, "%s", last.err);
    struct tensor p = array("p.npy");
    cr_expect(tensor_count(&p) == 2 && ((double *)p.data)[0] == 0.5 && ((double *)p.data)[1] == 3);
    tensor_free(&p);
    cr_assert_eq(nnc("predict m.nn --weights w.safetensors --input x=new.csv --output p=p.npy"), 0, "%s", last.err);
    p = array("p.npy");
    cr_expect(tensor_count(&p) == 2 && ((double *)p.data)[0] == 5 && ((double *)p.data)[1] == 40);
    tensor_free(&p);
}

Test(fits, inverse_gives_the_units_of_the_data)
{
    static const char *const modes[] = {"eager", "graph"};
    char line[200];
    put_all();
    for (int i = 0; i < 2; i++) {
        snprintf(line, sizeof line, "eval m.nn --mode %s --weights w.safetensors", modes[i]);
        cr_assert_eq(nnc(line), 0, "%s", last.err);
        double off = NAN, top = NAN;
        cr_assert_eq(sscanf(strstr(last.out, "valid_off"), "valid_off %lf valid_top %lf", &off, &top), 2, "%s", last.out);
        cr_expect_float_eq(top, 1000, 1e-3, "%g", top);
        cr_expect(off > 1 && off < 2000, "%g", off);
    }
    /* The variables of inverse are no part of the file: what was fitted is. */
    size_t size = 0;
    const char *bytes = file_bytes("w.safetensors", &size);
    cr_expect(!memmem(bytes, size, "nnc/fit/y/middle", 16) && memmem(bytes, size, "nnc/fit/y/2/middle", 18));
    cr_assert_eq(nnc("train m.nn --resume w.safetensors --epochs 5 --save v.safetensors --quiet"), 0, "%s", last.err);
    cr_assert_eq(nnc("train m.nn --epochs 5 --save u.safetensors --quiet"), 0, "%s", last.err);
    cr_expect(files_equal("u.safetensors", "v.safetensors"));
}

Test(fits, what_is_kept_is_read_back)
{
    const struct data_fit *fit;
    struct diag d;
    bool kept;
    put_all();
    diag_init(&d, &test_memory);
    cr_assert(checkpoint_fit("w.safetensors", "w", &test_memory, &fit, &kept, &d) && kept && fit);
    cr_expect(fit->kind == FIT_WORDS && fit->vocabulary == 6 && fit->length == 3 && !fit->before);
    cr_expect(fit->ntexts >= 4 && !strcmp(fit->texts[0], "the") && !strcmp(fit->texts[1], "cat") && !strcmp(fit->texts[2], "a"));
    cr_assert(checkpoint_fit("w.safetensors", "k", &test_memory, &fit, &kept, &d) && kept && fit);
    cr_expect(fit->kind == FIT_ONE_HOT && fit->length == 3 && fit->before && fit->before->kind == FIT_CATEGORY);
    cr_expect(fit->before->ntexts == 3 && !strcmp(fit->before->texts[2], "green"));
    cr_assert(checkpoint_fit("w.safetensors", "x", &test_memory, &fit, &kept, &d) && kept && fit);
    cr_expect(fit->kind == FIT_STANDARDIZE && fit->type.rank == 1 && fit->type.dim[0] == 2 && fit->middle[0] == 2.75 && fit->middle[1] == 21.25);
    cr_assert(checkpoint_fit("w.safetensors", "y", &test_memory, &fit, &kept, &d) && kept && fit);
    cr_expect(fit->kind == FIT_MINMAX && fit->before && fit->before->kind == FIT_STANDARDIZE && fit->before->middle[0] == 425);
    cr_assert(checkpoint_fit("w.safetensors", "r", &test_memory, &fit, &kept, &d) && kept && !fit);
    cr_assert(checkpoint_fit("w.safetensors", "none", &test_memory, &fit, &kept, &d) && !kept && !fit);
}

static void
replace(const char *from, const char *to)
{
    char *text = arena_text(&test_memory, model, sizeof model - 1), *at = strstr(text, from);
    cr_assert(at);
    file_put("m.nn", arena_printf(&test_memory, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)),
             strlen(text) - strlen(from) + strlen(to));
}

Test(fits, what_is_refused)
{
    const float given[2] = {1, 2};
    put_all();
    refused("raw_alone", 2, "predict m.nn --weights w.safetensors --raw --output p=p.npy");
    refused("raw_weights", 2, "predict m.nn --raw --input x=rows.csv --output p=p.npy");
    refused("raw_columns", 1, "predict m.nn --weights w.safetensors --raw --input x=csv(\"rows.csv\").columns(4:7) --output p=p.npy");
    refused("raw_category", 1, "predict m.nn --weights w.safetensors --raw --input c=csv(\"rows.csv\")[\"a\"] --output p=p.npy");
    refused("raw_text", 1, "predict m.nn --weights w.safetensors --input c=csv(\"rows.csv\")[\"kind\"] --output p=p.npy");
    refused("raw_expression", 1, "predict m.nn --weights w.safetensors --raw --input c=csv(\"rows.csv\")[\"king\"] --output p=p.npy");
    size_t size = 0;
    char *bytes = file_bytes("w.safetensors", &size), *at = memmem(bytes, size, "the\0cat", 7);
    cr_assert(at);
    *at = 'T';
    file_put("bad.safetensors", bytes, size);
    refused("raw_damaged", 1, "predict m.nn --weights bad.safetensors --raw --input w=csv(\"rows.csv\").column(3) --output p=p.npy");
    replace("    output q = inverse(p, y)\n", "");
    replace("inverse(p, y) - inverse(y, y)", "inverse(p, c) - inverse(y, y)");
    refused("inverse_category", 1, "train m.nn");
    replace("inverse(p, y) - inverse(y, y)", "inverse(p, r) - y");
    refused("inverse_nothing", 1, "train m.nn");
    replace("inverse(p, y) - inverse(y, y)", "inverse(p, 3) - inverse(y, p)");
    refused("inverse_input", 1, "train m.nn");
    put_model("one.nn", "x", "sgd()", "");
    const char header[] = "{\"p.w\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[0,4]},\"p.b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
    uint64_t length = sizeof header - 1;
    char file[256];
    memcpy(file, &length, 8);
    memcpy(file + 8, header, length);
    memcpy(file + 8 + length, given, 8);
    file_put("a.safetensors", file, 16 + length);
    refused("raw_foreign", 1, "predict one.nn --weights a.safetensors --raw --input x=csv(\"rows.csv\").columns(0:1) --output p=p.npy");
}
