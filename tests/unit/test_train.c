#define _GNU_SOURCE
#include "tests/unit/linear_program.h"
#include "runtime/kernels.h"
#include "runtime/number_text.h"
#include "runtime/progress.h"
#include "runtime/shuffle.h"
#include <criterion/criterion.h>
#include <inttypes.h>
#include <sys/stat.h>

TestSuite(train, .init = scratch_enter, .fini = scratch_leave);

static struct linear l, other;
static struct linear_set set, valid;
static struct train_result result;

static int
run(struct linear *who, const struct train_options *options, const struct train_callbacks *callbacks)
{
    return train_run(&who->model, &who->program, &set.view, valid.view.rows ? &valid.view : NULL, options, callbacks,
                     &result, &who->diag);
}

static struct train_options
options_of(int64_t epochs, int64_t batch)
{
    return (struct train_options){.epochs = epochs, .batch = batch, .shuffle = true, .seed = 5, .history_no_time = true,
                                  .stop = &l.stop};
}

static char *
line_of(char *text, int line)
{
    for (; line && text; line--)
        text = strchr(text, '\n') ? strchr(text, '\n') + 1 : NULL;
    return text ? arena_text(&test_memory, text, strcspn(text, "\n")) : arena_text(&test_memory, "", 0);
}

static int
lines_in(const char *text)
{
    int count = 0;
    for (; (text = strchr(text, '\n')); text++)
        count++;
    return count;
}

Test(train, the_last_smaller_batch_is_trained_on_and_weighs_less)
{
    linear_init(&l);
    linear_set_init(&set, 10);
    struct train_options o = options_of(2, 4);
    o.history = "h.csv", o.steps = "s.csv";
    cr_assert_eq(run(&l, &o, NULL), STATUS_OK);
    cr_assert_eq(l.calls, 6);
    double sum = 0;
    for (int i = 0; i < 6; i++) {
        cr_assert_eq(l.rows[i], i % 3 == 2 ? 2 : 4);
        cr_assert_eq(l.numbers[i].step, i);
        cr_assert_eq(l.numbers[i].epoch, i / 3);
        cr_assert_eq(l.numbers[i].seed, 5);
        sum += i >= 3 ? l.losses[i] * (double)l.rows[i] : 0;
    }
    char *history = file_bytes("h.csv", NULL), *steps = file_bytes("s.csv", NULL), want[200], loss[NUMBER_TEXT],
        lr[NUMBER_TEXT];
    number_text(ELEM_F32, sum / 10, loss);
    number_text(ELEM_F64, 0.05 / 1.05, lr);
    snprintf(want, sizeof want, "1,1,2,6,%s,%s", loss, lr);
    cr_expect_str_eq(line_of(history, 0), "run,fold,epoch,step,loss,lr");
    cr_expect_str_eq(line_of(history, 2), want);
    number_text_f32((float)l.losses[5], loss);
    snprintf(want, sizeof want, "6,%s", loss);
    cr_expect_str_eq(line_of(steps, 0), "step,loss");
    cr_expect_str_eq(line_of(steps, 6), want);
    cr_expect_eq(lines_in(history), 3);
    cr_expect_eq(lines_in(steps), 7);
    o.loss_by_batch = true;
    linear_init(&other);
    cr_assert_eq(run(&other, &o, NULL), STATUS_OK);
    history = file_bytes("h.csv", NULL);
    number_text(ELEM_F32, (other.losses[3] + other.losses[4] + other.losses[5]) / 3, loss);
    snprintf(want, sizeof want, "1,1,2,6,%s,%s", loss, lr);
    cr_expect_str_eq(line_of(history, 2), want);
}

Test(train, drop_last)
{
    linear_init(&l);
    linear_set_init(&set, 10);
    struct train_options o = options_of(3, 4);
    o.drop_last = true;
    cr_assert_eq(run(&l, &o, NULL), STATUS_OK);
    cr_expect_eq(l.calls, 6);
    cr_expect(l.rows[1] == 4 && l.rows[5] == 4);
    o.batch = 11;
    cr_expect_eq(run(&l, &o, NULL), STATUS_INPUT);
    cr_expect(linear_said(&l, "drop_last leaves no batch"));
    set.view.rows = 0;
    cr_expect_eq(run(&l, &o, NULL), STATUS_INPUT);
}

Test(train, batches_without_shuffle_and_whole_ones_are_not_copied)
{
    linear_init(&l);
    linear_set_init(&set, 10);
    struct train_options o = options_of(1, 4);
    o.shuffle = false;
    cr_assert_eq(run(&l, &o, NULL), STATUS_OK);
    for (int i = 0; i < 3; i++)
        cr_expect_eq(l.x[i], set.x + i * 4 * FEATURES);
    o.shuffle = true, o.batch = 10;
    cr_assert_eq(run(&l, &o, NULL), STATUS_OK);
    cr_expect_eq(l.x[3], set.x);
}

Test(train, the_order_depends_on_seed_epoch_and_rows)
{
    enum { N = 1000 };
    static int64_t a[N], b[N], c[N];
    cr_assert(shuffle_order(3, 0, N, NULL, a) && shuffle_order(3, 0, N, NULL, b));
    cr_expect(!memcmp(a, b, sizeof a));
    cr_assert(shuffle_order(3, 1, N, NULL, b) && shuffle_order(4, 0, N, NULL, c));
    cr_expect(memcmp(a, b, sizeof a) && memcmp(a, c, sizeof a));
    bool seen[N] = {false};
    int fixed = 0;
    for (int i = 0; i < N; i++) {
        cr_assert(a[i] >= 0 && a[i] < N && !seen[a[i]]);
        seen[a[i]] = true;
        fixed += a[i] == i;
    }
    cr_expect_leq(fixed, 8, "%d rows stay where they are", fixed);
    for (int i = 1; i < N; i++) {
        uint32_t before[4], after[4];
        philox_block(SHUFFLE_STREAM, 3, 0, (uint64_t)a[i - 1] / 4, before);
        philox_block(SHUFFLE_STREAM, 3, 0, (uint64_t)a[i] / 4, after);
        cr_assert_lt(before[a[i - 1] % 4], after[a[i] % 4]);
    }
    linear_init(&l);
    linear_set_init(&set, 40);
    struct train_options o = options_of(2, 1);
    cr_assert_eq(run(&l, &o, NULL), STATUS_OK);
    bool met[2][40] = {{false}};
    int moved = 0;
    for (int i = 0; i < 80; i++) {
        int row = (int)(l.first[i] * 64 + 0.5f);
        cr_expect(!met[i / 40][row]);
        met[i / 40][row] = true;
        moved += i >= 40 && l.first[i] != l.first[i - 40];
    }
    cr_expect_gt(moved, 30);
}

/* Whatever step a signal comes at: what is saved goes on to the bytes of the run that was not stopped. */
Test(train, a_resumed_run_has_the_bits_of_an_uninterrupted_one)
{
    linear_set_init(&set, 10);
    linear_set_init(&valid, 5);
    linear_init(&l);
    struct train_options o = options_of(4, 4);
    o.save = "whole.safetensors", o.history = "whole.csv", o.steps = "whole.steps.csv";
    cr_assert_eq(run(&l, &o, NULL), STATUS_OK);
    for (int step = 0; step <= 12; step++) {
        linear_init(&l);
        l.stop_after = step;
        l.stop = step ? 0 : SIGTERM;
        o.save = "half.safetensors", o.history = "half.csv", o.steps = "half.steps.csv";
        cr_assert_eq(run(&l, &o, NULL), step == 12 ? STATUS_OK : step ? 130 : 143);
        cr_assert_eq(l.calls, step);
        linear_init(&l);
        struct train_options again = o;
        again.resume = "half.safetensors", again.save = "rest.safetensors", again.seed = 77;
        cr_assert_eq(run(&l, &again, NULL), STATUS_OK, "step %d: %s", step, l.diag.first ? l.diag.first->message : "");
        cr_assert_eq(l.calls, 12 - step);
        cr_assert(files_equal("whole.safetensors", "rest.safetensors"), "stopped after step %d", step);
        cr_assert(files_equal("whole.csv", "half.csv"), "stopped after step %d", step);
        cr_assert(files_equal("whole.steps.csv", "half.steps.csv"), "stopped after step %d", step);
    }
}

Test(train, a_checkpoint_does_not_depend_on_epochs_or_folder)
{
    linear_set_init(&set, 10);
    linear_init(&l);
    struct train_options o = options_of(2, 4);
    o.save = "two.safetensors";
    cr_assert_eq(run(&l, &o, NULL), STATUS_OK);
    linear_init(&l);
    cr_assert_eq(mkdir("sub", 0777), 0);
    o.epochs = 9, o.save = "sub/w", l.stop_after = 6;
    cr_assert_eq(run(&l, &o, NULL), 130);
    cr_expect(files_equal("two.safetensors", "sub/w"));
    linear_init(&l);
    o = options_of(1, 4), o.save = "one.safetensors";
    cr_assert_eq(run(&l, &o, NULL), STATUS_OK);
    cr_expect(files_equal("one.safetensors", "two.safetensors.prev"),
              "the end of the training does not save the last epoch again");
    linear_init(&l);
    o.epochs = 0, o.save = "none";
    cr_expect_eq(run(&l, &o, NULL), STATUS_OK);
    cr_expect(!access("none", R_OK) && access("none.lock", F_OK));
}

Test(train, resuming_refuses_another_set_and_order)
{
    linear_set_init(&set, 10);
    linear_init(&l);
    l.stop_after = 2;
    struct train_options o = options_of(2, 4);
    o.save = "w";
    cr_assert_eq(run(&l, &o, NULL), 130);
    o.resume = "w", o.save = NULL, o.shuffle = false, l.stop = 0;
    cr_expect_eq(run(&l, &o, NULL), STATUS_INPUT);
    cr_expect(linear_said(&l, "another order"));
    o.shuffle = true;
    linear_set_init(&set, 11);
    cr_expect_eq(run(&l, &o, NULL), STATUS_INPUT);
    cr_expect(linear_said(&l, "on 10 rows; this training set has 11"));
    linear_set_init(&set, 10);
    linear_init(&l);
    l.model.digest = 43;
    cr_expect_eq(run(&l, &o, NULL), STATUS_OK);
    cr_expect_eq(l.diag.warnings, 1);
    cr_expect_eq(l.calls, 4);
}

struct note {
    int calls, epochs, steps;
    float w[FEATURES], x;
    int64_t step, rows;
    double loss, valid_loss, worst;
};

static bool
bad_loss(void *context, void *const *inputs, int64_t rows, const struct step_numbers *numbers, double loss)
{
    struct note *n = context;
    n->calls++;
    memcpy(n->w, l.values[VAR_W].data, sizeof n->w);
    n->x = *(const float *)inputs[0];
    n->step = numbers->step;
    n->rows = rows;
    n->loss = loss;
    return false;
}

Test(train, a_bad_loss_is_explained_with_the_weights_from_before)
{
    struct note note = {0};
    struct train_callbacks callbacks = {.context = &note, .on_bad_loss = bad_loss};
    float before[FEATURES], x;
    linear_set_init(&set, 10);
    struct train_options o = options_of(9, 4);
    o.save = "good";
    linear_init(&l);
    l.stop_after = 5;
    cr_assert_eq(run(&l, &o, NULL), 130);
    memcpy(before, l.values[VAR_W].data, sizeof before);
    linear_init(&l);
    o.save = "w";
    l.bad_step = 6;
    cr_assert_eq(run(&l, &o, &callbacks), STATUS_INPUT);
    x = l.first[5];
    cr_expect_eq(note.calls, 1);
    cr_expect(isnan(note.loss) && note.step == 5 && note.rows == 2 && note.x == x);
    cr_expect(!memcmp(note.w, before, sizeof before));
    cr_expect(linear_said(&l, "nan at step 6") && linear_said(&l, "w holds the last good checkpoint"));
    linear_init(&other);
    struct checkpoint_position at;
    cr_assert(checkpoint_load("w", &other.model, CHECKPOINT_RESUME, &at, &other.diag));
    cr_expect_eq(at.step, 3, "the checkpoint of the first epoch is kept");
    linear_init(&l);
    l.bad_step = 1;
    cr_expect_eq(run(&l, &o, NULL), STATUS_INPUT);
    cr_expect(linear_said(&l, "step 1 "));
}

Test(train, weights_that_became_nan_are_not_saved)
{
    linear_set_init(&set, 10);
    linear_init(&l);
    struct train_options o = options_of(9, 4);
    o.save = "w";
    l.spoil_step = 6;
    cr_assert_eq(run(&l, &o, NULL), STATUS_INPUT);
    cr_expect(linear_said(&l, "h.w became nan in or before step 6: element 1"));
    linear_init(&l);
    cr_expect(checkpoint_load("w", &l.model, CHECKPOINT_RESUME, NULL, &l.diag));
}

static void
note_step(void *context, const struct train_report *r)
{
    struct note *n = context;
    n->steps++;
    n->rows = r->rows_done;
}

static bool
note_epoch(void *context, const struct train_report *r)
{
    struct note *n = context;
    n->epochs++;
    n->step = r->step;
    n->loss = r->loss;
    n->valid_loss = r->valid ? r->valid->loss : -1;
    n->worst = r->valid ? r->valid->metrics[0] : -1;
    return true;
}

Test(train, evaluation_agrees_with_what_training_reported)
{
    struct note note = {0};
    struct train_callbacks callbacks = {.context = &note, .on_step = note_step, .on_epoch = note_epoch};
    linear_set_init(&set, 10);
    linear_set_init(&valid, 23);
    linear_init(&l);
    struct train_options o = options_of(2, 4);
    o.history = "h.csv", o.eval_batch = 5;
    cr_assert_eq(run(&l, &o, &callbacks), STATUS_OK);
    cr_expect_eq(note.loss, (double)(float)note.loss);
    cr_expect(note.steps == 6 && note.epochs == 2 && note.step == 6 && note.rows == 10);
    struct evaluation e = {0};
    struct step_numbers numbers = {6, 2, 5};
    unsigned all = EVALUATE_LOSS | EVALUATE_METRICS | EVALUATE_OUTPUTS;
    cr_assert(evaluate_set(&l.model, &l.program, &valid.view, 5, &numbers, all, &e, &l.diag));
    cr_expect_eq(e.loss, note.valid_loss);
    cr_expect_eq(e.metrics[0], note.worst);
    char *history = file_bytes("h.csv", NULL), end[200], loss[NUMBER_TEXT], worst[NUMBER_TEXT];
    number_text(ELEM_F32, e.loss, loss);
    number_text(ELEM_F32, e.metrics[0], worst);
    snprintf(end, sizeof end, ",%s,%s,", loss, worst);
    cr_expect_str_eq(line_of(history, 0), "run,fold,epoch,step,loss,valid_loss,valid_worst,lr");
    cr_expect(strstr(line_of(history, 2), end), "%s has no %s", line_of(history, 2), end);
    const float *p = e.values[0].data, *pair = e.values[1].data;
    const int32_t *two = e.values[2].data;
    for (int i = 0; i < 23; i++) {
        cr_expect_eq(p[i], linear_row(&l, valid.x + i * FEATURES));
        cr_expect(pair[i] == p[i] && pair[23 + i] == 2 * p[i]);
    }
    cr_expect(two[0] == 7 && two[1] == 7);
    for (int64_t batch = 1; batch <= 23; batch++) {
        struct evaluation f = {0};
        cr_assert(evaluate_set(&l.model, &l.program, &valid.view, batch, &numbers, all, &f, &l.diag));
        cr_expect_eq(f.metrics[0], e.metrics[0]);
        cr_expect_float_eq(f.loss, e.loss, 1e-6 * fabs(e.loss) + 1e-9);
        cr_expect(!memcmp(f.values[1].data, pair, 2 * 23 * sizeof *pair));
        evaluation_free(&f);
    }
    evaluation_free(&e);
    /* Prediction: no targets, no metrics. */
    valid.inputs[1].data = NULL;
    cr_assert(evaluate_set(&l.model, &l.program, &valid.view, 7, &numbers, EVALUATE_OUTPUTS, &e, &l.diag));
    cr_expect(isnan(e.loss) && !e.metrics && e.nvalues == 3);
    valid.view.rows = 0;
    cr_expect(!evaluate_set(&l.model, &l.program, &valid.view, 7, &numbers, EVALUATE_OUTPUTS, &e, &l.diag));
    evaluation_free(&e);
}

Test(train, targets_that_cannot_be_written_are_refused_before_the_first_step)
{
    linear_set_init(&set, 10);
    cr_assert_eq(mkdir("folder", 0777), 0);
    static const char *const bad[] = {"folder", "missing/w", "folder/../missing/w"};
    for (int k = 0; k < 9; k++) {
        linear_init(&l);
        struct train_options o = options_of(1, 4);
        *(k / 3 == 0 ? &o.save : k / 3 == 1 ? &o.history : &o.steps) = bad[k % 3];
        cr_expect_eq(run(&l, &o, NULL), STATUS_MACHINE);
        cr_expect_eq(l.calls, 0);
        cr_expect(linear_said(&l, bad[k % 3]) && linear_said(&l, "cannot be written"));
    }
    if (!access("/dev/full", W_OK)) {
        linear_init(&l);
        struct train_options o = options_of(1, 4);
        o.history = "/dev/full";
        cr_expect_eq(run(&l, &o, NULL), STATUS_MACHINE);
    }
}

Test(train, progress_texts)
{
    linear_init(&l);
    double lr = 0.001, worst = 0.5;
    struct evaluation e = {.loss = 0.25, .metrics = &worst};
    struct train_report r = {.epoch = 3, .epochs = 10, .step = 99, .rows_done = 450, .rows = 1000, .loss = 0.0123,
                             .valid = &e, .lr = &lr, .seconds = 0.5};
    char text[PROGRESS_TEXT];
    cr_expect_str_eq(progress_line(&l.model, &r, text),
                     "epoch 3/10  loss 0.0123  valid_loss 0.25  valid_worst 0.5  lr 0.001  0.50 s");
    cr_expect_str_eq(progress_bar(&r, 50, 100, text),
                     "epoch 3/10 [=========>          ] 45%  loss 0.0123  800 rows/s  0:09 left");
    cr_expect_str_eq(progress_bar(&r, 50, 20, text), "epoch 3/10 45%  loss");
    char *out;
    size_t size;
    FILE *f = open_memstream(&out, &size);
    struct progress p = {.out = f, .model = &l.model, .columns = 80};
    progress_step(&p, &r);
    progress_step(&p, &r);
    progress_step(&p, &r);
    progress_epoch(&p, &r);
    fclose(f);
    int bars = 0;
    for (char *at = out; (at = strstr(at, "rows/s")); at++)
        bars++;
    cr_expect_leq(bars, 1, "%s", out);
    cr_expect(strstr(out, "valid_worst 0.5  lr 0.001  0.50 s\n"));
    free(out);
}
