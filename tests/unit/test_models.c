/* The models that are installed: each trains as it stands, to the figure that stands here, in all modes to the same bits. */
#include "tests/unit/run_program.h"

#define MODELS NNC_SOURCE_DIR "/models/"

#ifdef NNC_JIT
static const char *const modes[] = {"eager", "graph", "jit"};
#else
static const char *const modes[] = {"eager", "graph"};
#endif
enum { MODES = sizeof modes / sizeof *modes };

/* Trains in each mode; |column| of the last epoch lies in [from, to]. */
static void
expect_figure(const char *model, const char *arguments, const char *column, double from, double to)
{
    struct run r;
    char *first = NULL;
    run_init(&r);
    for (int i = 0; i < MODES; i++) {
        cr_assert_eq(run_nnc(&r, "train %s%s.nn --mode %s --quiet --history h.csv --history-no-time %s", MODELS, model,
                             modes[i], arguments), 0,
                     "%s, %s: %s", model, modes[i], r.text);
        char *table = run_file(&r, "h.csv");
        double figure = run_last(table, column);
        cr_expect(figure >= from && figure <= to, "%s, %s: %s is %g\n%s", model, modes[i], column, figure, table);
        cr_expect(!first || !strcmp(first, table), "%s: %s differs from %s\n%s%s", model, modes[i], modes[0], first, table);
        if (first)
            free(table);
        else
            first = table;
    }
    free(first);
    run_end(&r);
}

Test(models, mlp_bn, .timeout = 120) { expect_figure("mlp_bn", "", "valid_accuracy", 0.25, 0.35); }
Test(models, logistic, .timeout = 120) { expect_figure("logistic", "", "valid_auc", 0.97, 0.985); }
Test(models, autoencoder, .timeout = 120) { expect_figure("autoencoder", "", "valid_r2", 0.98, 1); }
Test(models, custom, .timeout = 120) { expect_figure("custom", "", "valid_r2", 0.99, 1); }
Test(models, mlp, .timeout = 240) { expect_figure("mlp", "", "valid_accuracy", 0.35, 0.5); }
Test(models, sine, .timeout = 240) { expect_figure("sine", "--epochs 100", "valid_r", 0.88, 0.93); }

/* The message of the language's description, and the line that it points to. */
Test(models, sine_column_is_refused)
{
    static const char *const parts[] = {
        "sine_column.nn:22:12: error: mse compares p: f32[N, 1] with y: f32[N]; broadcasting would pair every\n",
        "prediction with every target (f32[N, N])\n",
        "   22 |     loss   mse(p, y)\n      |            ^~~~~~~~~\n"
        "  help: drop the last axis: mse(squeeze(p), y)\n"
        "  note: `follow torch` trains on the broadcast, as PyTorch does; `follow keras` squeezes, as Keras does\n"
        "  nnc.nn:",
        ": note: in mse, here\n",
    };
    static const char *const commands[] = {"check", "train", "eval", "predict"};
    struct run r;
    run_init(&r);
    for (size_t k = 0; k < sizeof commands / sizeof *commands; k++) {
        cr_expect_eq(run_nnc(&r, "%s %ssine_column.nn", commands[k], MODELS), 1, "%s", r.text);
        const char *at = r.text;
        for (size_t i = 0; i < sizeof parts / sizeof *parts && at; i++)
            at = strstr(at, parts[i]);
        cr_expect(at, "%s: %s", commands[k], r.text);
    }
    run_end(&r);
}
