/* predict: the model's outputs for arrays or for the file's own data. */
#include "frontend/cli/cli.h"
#include "runtime/data/npy.h"
#include <string.h>

/* Output |name| of the model, or -1 after a message. */
static int
find_output(const struct session *s, const char *name)
{
    const char *names[64];
    int n = 0;
    for (int i = 0; i < s->info.nshown; i++) {
        if (!strcmp(s->info.outputs[i].name, name))
            return i;
        if (n < 64)
            names[n++] = s->info.outputs[i].name;
    }
    diag_subject(s->diag, NO_SUCH_OUTPUT, "--output", name);
    const char *near = nearest_name(name, names, n);
    if (near)
        diag_report(s->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
    return -1;
}

static bool
parse_outputs(const struct session *s, int *index, const char **path)
{
    const struct texts *o = &s->cli->options.output;
    for (int i = 0; i < o->count; i++) {
        const char *equal = strchr(o->text[i], '=');
        if (!equal || equal == o->text[i] || !equal[1]) {
            diag_subject(s->diag, NAME_FILE_FORM, "--output", o->text[i]);
            return false;
        }
        path[i] = equal + 1;
        for (int k = 0; k < s->cli->options.input.count; k++) {
            const char *input = strchr(s->cli->options.input.text[k], '=');
            if (input && !strcmp(input + 1, path[i])) {
                diag_subject(s->diag, OUTPUT_IS_INPUT, "--output", path[i]);
                return false;
            }
        }
        if ((index[i] = find_output(s, arena_text(s->arena, o->text[i], (size_t)(equal - o->text[i])))) < 0)
            return false;
    }
    if (!o->count)
        diag_subject(s->diag, OUTPUT_MISSING, "nnc");
    return o->count > 0;
}

static bool
choose_set(struct session *s, struct set **out)
{
    const struct options *o = &s->cli->options;
    if (o->raw && !o->weights) {
        diag_subject(s->diag, OPTION_NEEDS, "nnc", "--raw", "--weights");
        return false;
    }
    if (o->input.count) {
        *out = &s->given;
        return session_inputs(s, &o->input, &s->given);
    }
    if (o->raw) {
        diag_subject(s->diag, OPTION_NEEDS, "nnc", "--raw", "--input");
        return false;
    }
    bool train = o->on && !strcmp(o->on, "train");
    *out = train ? &s->train : &s->valid;
    return session_data(s, (train ? NEEDS_TRAIN : NEEDS_VALID) | TARGETS_OPTIONAL);
}

static void
write_outputs(struct session *s, const struct set *set, const int *index, const char *const *path)
{
    struct program program = {0};
    struct evaluation e = {0};
    struct step_numbers numbers = session_numbers(s);
    int64_t batch = s->x->train.eval_batch, rows = batch < set->view.rows ? batch : set->view.rows;
    struct model_info shown = s->info;
    shown.noutputs = shown.nshown;
    unsigned before = float_enter();
    if (session_program(s, 0, rows, true, &program) && evaluate_set(&shown, &program, &set->view, batch, &numbers, EVALUATE_OUTPUTS, &e, s->diag))
        for (int i = 0; i < s->cli->options.output.count; i++)
            if (!npy_write(path[i], &e.values[index[i]], s->diag))
                break;
    float_leave(before);
    evaluation_free(&e);
    if (program.destroy)
        program.destroy(program.self);
}

int
command_predict(struct cli *cli)
{
    struct session s;
    if (session_open(&s, cli)) {
        int *index = ARENA_ARRAY(cli->arena, int, cli->options.output.count + 1);
        const char **path = ARENA_ARRAY(cli->arena, const char *, cli->options.output.count + 1);
        struct set *set;
        if (parse_outputs(&s, index, path) && choose_set(&s, &set) && session_weights(&s))
            write_outputs(&s, set, index, path);
    }
    session_close(&s);
    return (int)cli->diag->status;
}
