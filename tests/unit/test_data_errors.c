/* The whole text that users see for bad data: tests/golden/data/NAME.nn and NAME.err, and the files that they read. */
#include "frontend/data.h"
#include "frontend/model.h"
#include "runtime/kernels.h"
#include "tests/unit/golden_text.h"

/* Converts what |set| gives to the model's inputs, as the commands do. */
static void
convert(const struct experiment *x, const struct data_set *set, struct diag *d)
{
    for (int i = 0; i < x->model.ninputs; i++) {
        struct tensor t = {.data = NULL};
        for (int k = 0; k < set->count; k++)
            if (!strcmp(set->bindings[k].name, x->model.inputs[i].name) &&
                data_convert(&set->bindings[k], &x->model.inputs[i].node->type, &t, d) && x->model.bound[i])
                data_bounded(&set->bindings[k], &t, x->model.bound[i], d);
        tensor_free(&t);
    }
}

static void
check_messages(const char *name)
{
    struct arena a;
    struct diag d;
    struct sources s;
    struct data_result data;
    char path[300], *got = NULL;
    size_t length = 0;
    arena_init(&a, NULL);
    diag_init(&d, &a);
    sources_init(&s, &a);
    snprintf(path, sizeof path, "%s.nn", name);
    const struct experiment *x = experiment_check(&a, &s, path, NULL, NULL, 0, &d);
    cr_assert(x && !d.errors, "%s: %s", name, d.first ? d.first->message : "");
    const struct data_env env = {.arena = &a, .sources = &s, .files = {x->folder, NULL, 0}};
    if (data_run(x->data, &env, &data, &d)) {
        convert(x, &data.train, &d);
        convert(x, &data.valid, &d);
    }
    cr_expect(d.errors > 0, "%s has no fault", name);
    cr_expect(d.status == STATUS_INPUT, "%s", name);
    FILE *out = open_memstream(&got, &length);
    render_diag(&d, &s, out, false);
    fclose(out);
    snprintf(path, sizeof path, "%s.err", name);
    golden_compare(path, got);
    free(got);
    data_free(&data);
    arena_free(&a);
}

Test(data_errors, messages)
{
    golden_each("data", check_messages);
}
