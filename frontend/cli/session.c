/* session: a file, its data, its variables and its program, as the options ask. */
#include "frontend/cli/cli.h"
#include "passes/pass.h"
#include "runtime/digest.h"
#include "runtime/threads.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

bool
chosen_mode(const struct cli *cli, enum mode *out)
{
    const char *mode = cli->options.mode;
#ifdef NNC_JIT
    *out = MODE_JIT;
#else
    *out = MODE_GRAPH;
#endif
    if (!mode)
        return true;
    *out = !strcmp(mode, "eager") ? MODE_EAGER : !strcmp(mode, "graph") ? MODE_GRAPH : MODE_JIT;
#ifndef NNC_JIT
    if (*out == MODE_JIT) {
        diag_subject(cli->diag, NO_JIT, "--mode jit");
        return false;
    }
#endif
    return true;
}

bool
chosen_without(const struct cli *cli, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < cli->options.without.count; i++) {
        const char *name = cli->options.without.text[i], *names[PASS_COUNT];
        enum pass p = pass_from_name(name);
        if (p == PASS_COUNT || !pass_info[p].optional) {
            int n = 0;
            for (int k = 0; k < PASS_COUNT; k++)
                if (pass_info[k].optional)
                    names[n++] = pass_info[k].name;
            diag_subject(cli->diag, NO_SUCH_PASS, "--without", name);
            const char *near = nearest_name(name, names, n);
            if (near)
                diag_report(cli->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
            return false;
        }
        *out |= 1u << p;
    }
    /* Its bits depend on how the operands lie. */
    if (cli->options.gemm && !strcmp(cli->options.gemm, "openblas"))
        *out |= 1u << PASS_LAYOUT;
    return true;
}

enum gemm
chosen_gemm(const struct cli *cli)
{
    return cli->options.gemm && !strcmp(cli->options.gemm, "openblas") ? GEMM_OPENBLAS : GEMM_NNC;
}

struct code_options
chosen_code(const struct cli *cli)
{
    const struct options *o = &cli->options;
    return (struct code_options){.vector_width = o->vector_width ? atoi(o->vector_width) : 0,
                                 .llvm_passes = o->llvm_passes && !strcmp(o->llvm_passes, "default")};
}

/* --set NAME=VALUE and --epochs N, --seed N, which are short for --set train.epochs=N. */
static bool
collect_settings(struct session *s, struct setting **out, int *count)
{
    const struct options *o = &s->cli->options;
    *out = ARENA_ARRAY(s->arena, struct setting, o->set.count + 2);
    *count = 0;
    for (int i = 0; i < o->set.count; i++) {
        const char *text = o->set.text[i], *equal = strchr(text, '=');
        if (!equal || equal == text || !equal[1]) {
            diag_subject(s->diag, SET_FORM, "--set", text);
            return false;
        }
        (*out)[(*count)++] = (struct setting){.name = arena_text(s->arena, text, (size_t)(equal - text)), .value = equal + 1};
    }
    return true;
}

static bool
choose_seed(struct session *s)
{
    const char *text = s->cli->options.seed;
    s->seed = s->x->train.seed;
    if (!text)
        return true;
    if (!strcmp(text, "random")) {
        uint32_t drawn = 0;
        if (getrandom(&drawn, sizeof drawn, 0) != sizeof drawn) {
            diag_subject(s->diag, NO_RANDOM, "--seed", strerror(errno));
            return false;
        }
        s->seed = drawn;
        printf("seed %lld\n", (long long)s->seed);
        return true;
    }
    char *end;
    errno = 0;
    s->seed = strtoll(text, &end, 10);
    if (*end || end == text || errno || s->seed < 0) {
        diag_subject(s->diag, OPTION_COUNT, "--seed", 0LL, (long long)INT64_MAX, text);
        return false;
    }
    return true;
}

static uint64_t
model_digest(struct session *s)
{
    struct graph *g = graph_new(s->arena, s->model->train->name);
    if (s->model->has_loss)
        lower_train(s->model, &s->x->train, g);
    else
        lower_eval(s->model, false, g);
    return digest_text(0, graph_text(g, s->arena, false));
}

/* What the training loop and the checkpoint see of the model. */
static void
describe(struct session *s)
{
    const struct model *m = s->model;
    struct model_value *inputs = ARENA_ARRAY(s->arena, struct model_value, m->ninputs + 1);
    struct model_value *outputs = ARENA_ARRAY(s->arena, struct model_value, m->nvalues + 1);
    int nmetrics = m->metrics ? m->metrics->noutputs : 0;
    const char **metrics = ARENA_ARRAY(s->arena, const char *, nmetrics + 1);
    enum elem *elems = ARENA_ARRAY(s->arena, enum elem, nmetrics + 1);
    for (int i = 0; i < m->ninputs; i++)
        inputs[i] = (struct model_value){m->inputs[i].name, m->inputs[i].node->type};
    for (int i = 0; i < m->nvalues; i++)
        outputs[i] = (struct model_value){m->eval->outputs[i].name, m->eval->outputs[i].node->type};
    for (int i = 0; i < nmetrics; i++) {
        metrics[i] = m->metrics->outputs[i].name;
        elems[i] = (enum elem)m->metrics->outputs[i].node->type.elem;
    }
    s->info = (struct model_info){.name = m->name, .ninputs = m->ninputs, .inputs = inputs, .noutputs = m->nvalues, .outputs = outputs,
                                  .nshown = m->noutputs, .nmetrics = nmetrics, .metrics = metrics, .metric_elems = elems, .has_loss = m->has_loss,
                                  .nvars = m->module->nvars, .vars = m->module->vars};
    if (m->has_loss)
        s->info.loss_elem = (enum elem)m->train->outputs[0].node->type.elem;
}

bool
session_open(struct session *s, struct cli *cli)
{
    return session_open_mixed(s, cli, cli->options.operand, cli->options.follow, NULL);
}

/* The checked file, with the numbers of the command line. */
static bool
open_checked(struct session *s, const char *path, const char *follow, const struct mixture *mixture)
{
    struct cli *cli = s->cli;
    struct setting *settings;
    int nsettings;
    enum mode mode;
    uint32_t without;
    if (!chosen_mode(cli, &mode) || !chosen_without(cli, &without) || !collect_settings(s, &settings, &nsettings))
        return false;
    s->x = experiment_check_mixed(s->arena, &cli->sources, path, follow, mixture, settings, nsettings, s->diag);
    if (!s->x || s->diag->errors)
        return false;
    s->model = &s->x->model;
    if (cli->options.epochs >= 0)
        s->x->train.epochs = cli->options.epochs;
    describe(s);
    return choose_seed(s);
}

static void
undo_session(void *session)
{
    session_close(session);
}

bool
session_open_mixed(struct session *s, struct cli *cli, const char *path, const char *follow, const struct mixture *mixture)
{
    *s = (struct session){.cli = cli, .arena = cli->arena, .diag = cli->diag};
    arena_guard(s->arena, &s->undo, undo_session, s);
    bool good = open_checked(s, path, follow, mixture);
    if (!good)
        session_close(s);
    return good;
}

/* -- data ---------------------------------------------------------------------------------------------------------------------------- */

static const char *
known_inputs(struct session *s, const char *name)
{
    const char *names[64];
    int n = 0;
    for (int i = 0; i < s->info.ninputs && n < 64; i++)
        names[n++] = s->info.inputs[i].name;
    return nearest_name(name, names, n);
}

static bool
convert_set(struct session *s, const struct data_set *from, const char *name, bool targets_optional, struct set *out)
{
    const struct model_info *m = &s->info;
    bool ok = true;
    for (int i = 0; i < from->count; i++) {
        int k = 0;
        while (k < m->ninputs && strcmp(m->inputs[k].name, from->bindings[i].name))
            k++;
        if (k == m->ninputs) {
            diag_report(s->diag, DATA_NO_SUCH_INPUT, from->bindings[i].place, name, from->bindings[i].name);
            const char *near = known_inputs(s, from->bindings[i].name);
            if (near)
                diag_report(s->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
            ok = false;
        }
    }
    out->inputs = ARENA_ARRAY(s->arena, struct tensor, m->ninputs + 1);
    for (int i = 0; i < m->ninputs; i++) {
        const struct data_binding *b = NULL;
        for (int k = 0; k < from->count; k++)
            if (!strcmp(from->bindings[k].name, m->inputs[i].name))
                b = &from->bindings[k];
        if (b) {
            ok &= data_convert(b, &m->inputs[i].type, &out->inputs[i], s->diag);
            if (ok && s->model->bound[i])
                ok = data_bounded(b, &out->inputs[i], s->model->bound[i], s->diag);
        } else if (!targets_optional || !s->model->is_target[i]) {
            diag_report(s->diag, DATA_MISSING_INPUT, s->x->data->place, name, m->inputs[i].name);
            ok = false;
        }
    }
    out->view = (struct data_set_view){out->inputs, from->rows};
    out->exists = ok;
    return ok;
}

bool
session_trains(struct session *s)
{
    if (!s->x->train.has_optimizer)
        diag_report(s->diag, NO_OPTIMIZER, s->x->train.place);
    else if (!s->model->has_loss)
        diag_report(s->diag, NO_LOSS, s->model->place);
    else if (s->info.nvars == 0)
        diag_report(s->diag, NO_WEIGHTS, s->model->place);
    else
        return true;
    return false;
}

bool
session_data(struct session *s, unsigned needs)
{
    const struct experiment *x = s->x;
    struct data_env env = {.arena = s->arena, .sources = &s->cli->sources, .consts = x->consts, .nconsts = x->nconsts,
                           .files = {x->folder, s->cli->options.data.text, s->cli->options.data.count}, .file = x->file,
                           .watch = reading_watch(s)};
    s->data_ran = true;
    if (!data_run(x->data, &env, &s->data, s->diag))
        return false;
    struct { const struct data_set *from; const char *name; unsigned need; struct set *to; } sets[2] = {
        {&s->data.train, "train", NEEDS_TRAIN, &s->train}, {&s->data.valid, "valid", NEEDS_VALID, &s->valid}};
    bool ok = true;
    for (int i = 0; i < 2; i++) {
        if (sets[i].from->count)
            ok &= convert_set(s, sets[i].from, sets[i].name, needs & TARGETS_OPTIONAL, sets[i].to);
        else if (needs & sets[i].need) {
            diag_subject(s->diag, DATA_MISSING_SET, x->path, sets[i].name, sets[i].name);
            ok = false;
        }
    }
    if (ok)
        session_keep(s);
    return ok;
}

/* Looks for the input that `--input NAME=...` names and begins its binding. */
static bool
begin_input(struct session *s, const char *text, struct data_binding *b)
{
    const struct model_info *m = &s->info;
    const char *equal = strchr(text, '=');
    if (!equal || equal == text || !equal[1]) {
        diag_subject(s->diag, NAME_FILE_FORM, "--input", text);
        return false;
    }
    *b = (struct data_binding){.name = arena_text(s->arena, text, (size_t)(equal - text))};
    int k = 0;
    while (k < m->ninputs && strcmp(m->inputs[k].name, b->name))
        k++;
    if (k == m->ninputs) {
        diag_subject(s->diag, NO_SUCH_INPUT, "--input", b->name);
        const char *near = known_inputs(s, b->name);
        if (near)
            diag_report(s->diag, HELP_DID_YOU_MEAN, (struct place){0}, near);
        return false;
    }
    b->place = s->model->inputs[k].node->place;
    return true;
}

static void
free_results(struct session *s)
{
    for (int i = 0; i < s->nresults; i++)
        data_free(&s->results[i]);
    s->nresults = 0;
}

bool
session_inputs(struct session *s, const struct texts *inputs, struct set *out)
{
    struct data_set set = {.bindings = ARENA_ARRAY(s->arena, struct data_binding, inputs->count + 1)};
    struct data_result *results = s->results = ARENA_ARRAY(s->arena, struct data_result, inputs->count + 1);
    s->nresults = inputs->count;
    bool ok = true;
    for (int i = 0; i < inputs->count && ok; i++) {
        struct data_binding *b = &set.bindings[i];
        if (!(ok = begin_input(s, inputs->text[i], b) && session_input(s, inputs->text[i], b, &results[i])))
            break;
        int64_t rows = b->value.type.dim[0];
        if (set.count++ && rows != set.rows) {
            diag_subject(s->diag, ROWS_DIFFER, "--input", set.bindings[0].name, (long long)set.rows, b->name, (long long)rows);
            ok = false;
        }
        set.rows = rows;
    }
    ok = ok && convert_set(s, &set, "--input", true, out);
    free_results(s);
    return ok;
}

/* "23 GB", "3.0 TB": two digits that count, in powers of 1000. */
static const char *
bytes_text(struct session *s, double bytes)
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB", "EB"};
    int unit = 0;
    for (; bytes >= 999.5 && unit < 6; unit++)
        bytes /= 1000;
    return arena_printf(s->arena, unit && bytes < 9.95 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}

/* Whether the weights and states fit into the memory that the machine has at all. */
static bool
memory_suffices(struct session *s)
{
    double needed = 0, have = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    int largest = 0;
    for (int i = 0; i < s->info.nvars; i++) {
        needed += (double)type_bytes(&s->info.vars[i].type, 1);
        if (type_bytes(&s->info.vars[i].type, 1) > type_bytes(&s->info.vars[largest].type, 1))
            largest = i;
    }
    if (have <= 0 || needed <= have)
        return true;
    diag_report(s->diag, NO_MEMORY_FOR_WEIGHTS, s->model->module->vars[largest].place, bytes_text(s, needed), bytes_text(s, have));
    return false;
}

/* -- variables and program ------------------------------------------------------------------------------------------------------------- */

/* The state of a convention's streams is a variable more: checkpoints hold it, and resuming needs it. */
static bool
add_streams_variable(struct session *s)
{
    struct model_info *m = &s->info;
    struct variable *vars = ARENA_ARRAY(s->arena, struct variable, m->nvars + 1);
    memcpy(vars, m->vars, sizeof *vars * (size_t)m->nvars);
    struct type type = {.elem = ELEM_U8, .rank = 1, .dim = {(int64_t)streams_saved_size(s->draws.streams)}};
    vars[m->nvars] = (struct variable){"nnc/streams", type, VARIABLE_OPTIMIZER, (struct place){0}};
    m->values[m->nvars] = tensor_new(&type);
    if (!m->values[m->nvars].data) {
        diag_report(s->diag, OUT_OF_MEMORY, (struct place){0});
        return false;
    }
    m->vars = vars;
    m->nvars++;
    return true;
}

bool
session_variables(struct session *s, const char *weights)
{
    struct model_info *m = &s->info;
    m->digest = model_digest(s);
    if (!memory_suffices(s))
        return false;
    m->values = ARENA_ARRAY(s->arena, struct tensor, m->nvars + 2);
    for (int i = 0; i < m->nvars; i++) {
        m->values[i] = tensor_new(&m->vars[i].type);
        if (!m->values[i].data) {
            diag_report(s->diag, OUT_OF_MEMORY, (struct place){0});
            return false;
        }
    }
    return session_initialize(s, weights);
}

static bool
load_weights(struct session *s, const char *weights)
{
    const char *file = s->cli->options.names;
    struct checkpoint_names names;
    if (!file)
        return checkpoint_load(weights, &s->info, CHECKPOINT_WEIGHTS, &s->at, s->diag);
    return checkpoint_names_read(file, &s->info, s->arena, &names, s->diag) && checkpoint_load_named(weights, &s->info, &names, s->diag);
}

bool
session_initialize(struct session *s, const char *weights)
{
    int64_t rows = s->train.exists ? (s->x->train.batch < s->train.view.rows ? s->x->train.batch : s->train.view.rows) : 0;
    draws_close(&s->draws);
    s->draws = (struct draws){0};
    if (!draws_open(&s->draws, s->model, &s->x->facts, s->seed, rows, s->arena, s->diag))
        return false;
    s->x->model.step_draws = s->draws.step;
    if (s->draws.streams && s->info.nvars == s->model->module->nvars && !add_streams_variable(s))
        return false;
    struct eager *e = eager_new(s->model, &s->x->train, s->info.values, GEMM_NNC, s->arena);
    unsigned before = float_enter();
    bool ok = eager_initialize(e, s->seed, s->draws.init, s->diag);
    float_leave(before);
    eager_free(e);
    return ok && (!weights || load_weights(s, weights)) && session_inverse(s, weights);
}

static const char *const *
source_paths(struct session *s, int *out_count)
{
    const struct sources *all = &s->cli->sources;
    const char **paths = ARENA_ARRAY(s->arena, const char *, all->count + 1);
    for (int i = 0; i < all->count; i++)
        paths[i] = all->source[i].path;
    *out_count = all->count;
    return paths;
}

/* As many threads as processors, unless --threads says how many. They start with the first kernel that is large enough. */
static bool
choose_threads(struct session *s)
{
    int64_t count = s->cli->options.threads;
    if (count > THREADS_MAX) {
        diag_subject(s->diag, THREADS_CLAMPED, "--threads", (long long)count, threads_available());
        count = threads_available();
    } else if (count < 1)
        count = threads_available();
    if (!s->threads && !(s->threads = threads_new((int)count)))
        diag_report(s->diag, OUT_OF_MEMORY, (struct place){0});
    return s->threads;
}

bool
session_program_options(struct session *s, struct program_options *o)
{
    const struct cli *cli = s->cli;
    *o = (struct program_options){.code = chosen_code(cli), .lowered = s->lowered, .lowered_context = s->lowered_context};
    /* Who asks for these wants to see what machine code does. */
    o->wait = cli->options.vector_width || cli->options.llvm_passes;
    o->no_cache = cli->options.no_cache;
    o->files = source_paths(s, &o->nfiles);
    o->gemm = chosen_gemm(cli);
    if (!chosen_mode(cli, &o->mode) || !chosen_without(cli, &o->without) || !choose_threads(s))
        return false;
    o->threads = s->threads;
    return true;
}

bool
session_program(struct session *s, int64_t train_rows, int64_t eval_rows, bool outputs_only, struct program *out)
{
    struct program_options o;
    if (!session_program_options(s, &o))
        return false;
    o.train_rows = train_rows;
    o.eval_rows = eval_rows;
    o.outputs_only = outputs_only;
    if (!program_new(s->model, &s->x->train, s->info.values, &o, s->arena, out, s->diag))
        return false;
    *out = draws_program(&s->draws, *out, s->arena);
    return true;
}

void
session_close(struct session *s)
{
    if (s->arena)
        arena_keep(s->arena, &s->undo);
    threads_free(s->threads);
    s->threads = NULL;
    if (s->data_ran)
        data_free(&s->data);
    s->data_ran = false;
    free_results(s);
    for (int i = 0; i < s->info.ninputs; i++) {
        if (s->train.inputs)
            tensor_free(&s->train.inputs[i]);
        if (s->given.inputs)
            tensor_free(&s->given.inputs[i]);
        if (s->valid.inputs)
            tensor_free(&s->valid.inputs[i]);
    }
    for (int i = 0; s->info.values && i < s->info.nvars; i++)
        tensor_free(&s->info.values[i]);
    draws_close(&s->draws);
    s->draws = (struct draws){0};
}
