/* eval: losses and metrics of the valid data. */
#include "frontend/cli/cli.h"
#include <math.h>
#include <string.h>

/* JSON has no word for what is not finite. */
static void
print_json_number(enum elem e, double x)
{
    char text[NUMBER_TEXT];
    if (isfinite(x)) {
        number_text(e, x, text);
        printf("%s", text);
    } else
        printf("null");
}

static void
print_result(const struct session *s, const struct evaluation *e, bool json)
{
    char text[NUMBER_TEXT];
    const char *between = json ? ", " : "\n";
    bool first = true;
    if (json)
        printf("{");
    if (s->info.has_loss) {
        if (json) {
            printf("\"valid_loss\": ");
            print_json_number(s->info.loss_elem, e->loss);
        } else {
            number_text(s->info.loss_elem, e->loss, text);
            printf("valid_loss %s", text);
        }
        first = false;
    }
    for (int i = 0; i < s->info.nmetrics; i++) {
        enum elem elem = s->info.metric_elems[i];
        printf("%s", first ? "" : between);
        first = false;
        if (json) {
            printf("\"valid_%s\": ", s->info.metrics[i]);
            print_json_number(elem, e->metrics[i]);
        } else {
            number_text(elem, e->metrics[i], text);
            printf("valid_%s %s", s->info.metrics[i], text);
        }
    }
    printf(json ? "}\n" : "\n");
}

static bool
needs_weights(const struct session *s)
{
    for (int i = 0; i < s->info.nvars; i++)
        if (s->info.vars[i].kind == VARIABLE_WEIGHT)
            return true;
    return false;
}

bool
session_weights(struct session *s)
{
    const char *weights = s->cli->options.weights;
    if (!weights && needs_weights(s)) {
        diag_subject(s->diag, WEIGHTS_MISSING, "nnc");
        return false;
    }
    return session_variables(s, weights);
}

struct step_numbers
session_numbers(const struct session *s)
{
    if (!s->at.rows)
        return (struct step_numbers){.seed = s->seed};
    return (struct step_numbers){s->at.step, s->at.epoch, s->at.seed};
}

int
command_eval(struct cli *cli)
{
    struct session s;
    if (session_open(&s, cli)) {
        struct program program = {0};
        struct evaluation e = {0};
        if (!s.info.has_loss && !s.info.nmetrics)
            diag_subject(cli->diag, NOTHING_TO_EVALUATE, s.x->path);
        else if (session_data(&s, NEEDS_VALID) && session_weights(&s)) {
            int64_t batch = s.x->train.eval_batch, rows = batch < s.valid.view.rows ? batch : s.valid.view.rows;
            unsigned want = (s.info.has_loss ? EVALUATE_LOSS : 0) | (s.info.nmetrics ? EVALUATE_METRICS : 0);
            struct step_numbers numbers = session_numbers(&s);
            unsigned before = float_enter();
            if (session_program(&s, 0, rows, false, &program) && evaluate_set(&s.info, &program, &s.valid.view, batch, &numbers, want, &e, cli->diag))
                print_result(&s, &e, cli->options.format && !strcmp(cli->options.format, "json"));
            float_leave(before);
        }
        evaluation_free(&e);
        if (program.destroy)
            program.destroy(program.self);
    }
    session_close(&s);
    return (int)cli->diag->status;
}
