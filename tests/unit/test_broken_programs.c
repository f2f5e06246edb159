/* Programs with tokens deleted, doubled and swapped: checked and lowered in this process. Each ends without a fault of nnc,
 * in under two seconds, with graphs that the verifier takes, or with messages that all have a place in the text.
 *
 *     NNC_BROKEN=100000 NNC_SEED=7 tests/test_broken_programs     so many programs, from that seed on
 *
 * A failure names its seed; NNC_BROKEN=1 NNC_SEED=that repeats it, NNC_SHOW=1 prints the program. */
#include "frontend/model.h"
#include "tests/reference/draw.h"
#include "tests/unit/golden_text.h"
#include <signal.h>
#include <time.h>

enum { PROGRAMS = 10000, PARTS = 4, TEXTS_MAX = 128, SECONDS_MAX = 2 };
#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
enum { SLOWER = 10 };
#else
enum { SLOWER = 1 };
#endif

/* ---- tokens ---- */

struct token_text {
    const char *at;
    int length;
};
struct token_list {
    struct token_text *token;
    int count;
};

static bool
word_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The bytes of the token at |p|: blanks, a word or number, a string, a comment, an operator. */
static int
token_length(const char *p)
{
    int n = 1;
    if (word_character(*p))
        while (word_character(p[n]) || (p[n] == '.' && word_character(p[n + 1]) && *p <= '9'))
            n++;
    else if (*p == ' ')
        while (p[n] == ' ')
            n++;
    else if (*p == '#')
        n = (int)strcspn(p, "\n");
    else if (*p == '"')
        n = (int)strcspn(p + 1, "\"\n") + (p[strcspn(p + 1, "\"\n") + 1] == '"') + 1;
    else if (p[1] == '=' || (p[1] == *p && strchr("/.", *p)))
        n = 2;
    return n;
}

static struct token_list
tokens_of(const char *text)
{
    struct token_list t = {malloc(sizeof *t.token * (strlen(text) + 1)), 0};
    for (const char *p = text; *p; p += t.token[t.count++].length)
        t.token[t.count] = (struct token_text){p, token_length(p)};
    return t;
}

/* A token that is more than blanks. */
static int
draw_token(struct draw *d, const struct token_list *t)
{
    int i;
    do
        i = draw_below(d, t->count);
    while (*t->token[i].at == ' ' || *t->token[i].at == '#');
    return i;
}

static char *
joined(const struct token_list *t)
{
    size_t length = 0, at = 0;
    for (int i = 0; i < t->count; i++)
        length += (size_t)t->token[i].length;
    char *text = malloc(length + 1);
    for (int i = 0; i < t->count; at += (size_t)t->token[i++].length)
        memcpy(text + at, t->token[i].at, (size_t)t->token[i].length);
    text[length] = 0;
    return text;
}

/* |text| with one to four faults. */
static char *
broken(struct draw *d, const char *text)
{
    struct token_list t = tokens_of(text);
    t.token = realloc(t.token, sizeof *t.token * (size_t)(t.count + 8));
    for (int faults = 1 + draw_below(d, 4); faults > 0; faults--) {
        int i = draw_token(d, &t), k = draw_token(d, &t);
        struct token_text a = t.token[i];
        switch (draw_below(d, 3)) {
        case 0: t.token[i].length = 0; break;
        case 1: /* doubled, here or elsewhere */
            k = draw_below(d, 2) ? i : k;
            memmove(t.token + k + 1, t.token + k, sizeof a * (size_t)(t.count++ - k));
            t.token[k] = a;
            break;
        default:
            if (draw_below(d, 2)) /* with a near one */
                for (k = i + 1 < t.count ? i + 1 : i; k + 1 < t.count && *t.token[k].at == ' '; k++)
                    ;
            t.token[i] = t.token[k];
            t.token[k] = a;
        }
    }
    char *out = joined(&t);
    free(t.token);
    return out;
}

/* ---- the programs ---- */

static struct {
    char *text[TEXTS_MAX]; /* the models first */
    int models, count;
} programs;

/* What the prelude's definitions are called with. */
static const char uses[] = "model m {\n"
    " input x: f32[N, 4]\n input k: i32[N, 3]\n target y: f32[N, 2]\n target c: i32[N]\n"
    " e = flatten(embedding(k, 9, 2))\n h = gelu(batch_norm(dense(concat([x, e]), 8, he_normal)), approximate = true)\n"
    " h = dropout(selu(layer_norm(dense(h, 8, orthogonal))), 0.5)\n"
    " z = dense(elu(leaky_relu(silu(softplus(h)))), 3, lecun_uniform, constant(0.5))\n output p = softmax(z)\n"
    " loss softmax_cross_entropy(z, c) + cross_entropy(p, c)\n loss near = huber(h[:, 0:2], y) + mae(h[:, 0:2], y)\n"
    " loss bce_with_logits(h[:, 0], y[:, 0]) + kl_divergence(p, p)\n penalty 1e-3 * l2(z.w) + l1(z.b)\n"
    " metric a = accuracy(p, c)\n metric t = top_k(z, c, 2)\n metric r = pearson(h[:, 0], y[:, 0])\n metric q = r2(h[:, 0], "
    "y[:, 0])\n"
    " metric u = auc(h[:, 0], y[:, 0])\n metric f = f1(h[:, 0], y[:, 0])\n metric g = confusion(z, c)[1, 0]\n}\n"
    "train {\n optimizer nadam(lr = cosine(1e-3, steps = 100, warmup = 10))\n batch 8\n epochs 2\n}\n";

static void
add_program(const char *path)
{
    char *text = golden_read(path);
    cr_assert(text && programs.count < TEXTS_MAX, "%s", path);
    programs.text[programs.count++] = text;
}

static void
add_folder(const char *folder)
{
    cr_assert(!chdir(NNC_SOURCE_DIR) && !chdir(folder), "%s", folder);
    struct dirent **entries;
    int n = scandir(".", &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        size_t length = strlen(entries[i]->d_name);
        if (length > 3 && !strcmp(entries[i]->d_name + length - 3, ".nn"))
            add_program(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static void
load_programs(void)
{
    add_folder("models");
    programs.models = programs.count;
    add_folder("tests/golden/check");
    char *prelude = malloc(prelude_nnc_length + sizeof uses);
    memcpy(prelude, prelude_nnc, prelude_nnc_length);
    memcpy(prelude + prelude_nnc_length, uses, sizeof uses);
    for (int i = 0; i < 4 && programs.count < TEXTS_MAX; i++) /* one program in a few is the prelude */
        programs.text[programs.count++] = i < 2 ? prelude : strdup(uses);
}

/* ---- running one ---- */

static uint64_t present_seed;

static void
on_signal(int number)
{
    char text[96];
    int n = snprintf(text, sizeof text, "signal %d: NNC_BROKEN=1 NNC_SEED=%llu\n", number, (unsigned long long)present_seed);
    if (write(STDERR_FILENO, text, (size_t)n) < 0)
        _exit(1);
    signal(number, SIG_DFL);
    raise(number);
}

static void
verify(struct graph *g)
{
    struct diag own;
    diag_init(&own, g->arena);
    cr_assert(graph_verify(g, &own), "seed %llu: %s: %s", (unsigned long long)present_seed, g->name, own.first->message);
}

static void
lower_all(struct experiment *x, struct arena *a)
{
    const struct model *m = &x->model;
    struct graph *g[5];
    for (int i = 0; i < 5; i++)
        g[i] = graph_new(a, "lowered");
    lower_forward(m, g[0]);
    lower_eval(m, false, g[1]);
    lower_init(m, g[2]);
    if (m->metrics)
        lower_metrics(m, g[3]);
    if (m->has_loss && x->train.has_optimizer)
        lower_train(m, &x->train, g[4]);
    for (int i = 0; i < 5; i++)
        verify(g[i]);
}

static int
line_count(const struct source *s)
{
    int n = 1;
    for (size_t i = 0; i < s->length; i++)
        n += s->text[i] == '\n';
    return n;
}

static void
check_messages(const struct diag *d, const struct sources *s)
{
    for (const struct diagnostic *m = d->first; m; m = m->next) {
        cr_assert(*m->message && d->status == (d->errors ? STATUS_INPUT : STATUS_OK), "seed %llu: status %d: %s",
                  (unsigned long long)present_seed, d->status, m->message);
        if (m->severity != SEVERITY_ERROR && m->severity != SEVERITY_WARNING)
            continue;
        cr_assert(m->place.file > 0 && m->place.file <= s->count, "seed %llu: no place: %s",
                  (unsigned long long)present_seed,
                  m->message);
        cr_assert(m->place.line >= 1 && m->place.line <= line_count(&s->source[m->place.file - 1]) && m->place.column >= 1,
                  "seed %llu: no such place: %d:%d: %s", (unsigned long long)present_seed, m->place.line, m->place.column,
                      m->message);
    }
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    render_diag(d, s, out, false);
    fclose(out);
    cr_assert(!!d->first == (length > 0));
    free(text);
}

static void
run_program(uint64_t seed, const char *path)
{
    struct draw d = {seed};
    struct arena a;
    struct diag diag;
    struct sources sources;
    present_seed = seed;
    char *text = broken(&d, programs.text[draw_below(&d, draw_below(&d, 2) ? programs.models : programs.count)]);
    FILE *f = fopen(path, "wb");
    cr_assert(f && fputs(text, f) >= 0 && !fclose(f), "%s", path);
    if (getenv("NNC_SHOW"))
        fprintf(stderr, "%s", text);
    arena_init(&a, NULL);
    diag_init(&diag, &a);
    sources_init(&sources, &a);
    clock_t begun = clock();
    alarm(30 * SLOWER);
    struct experiment *x = experiment_check(&a, &sources, path, NULL, NULL, 0, &diag);
    cr_assert(x || diag.errors, "seed %llu: nothing came and nothing was said", (unsigned long long)seed);
    if (!diag.errors)
        lower_all(x, &a);
    alarm(0);
    double seconds = (double)(clock() - begun) / CLOCKS_PER_SEC;
    cr_assert(seconds < SECONDS_MAX * SLOWER, "seed %llu: took %.1f s", (unsigned long long)seed, seconds);
    check_messages(&diag, &sources);
    arena_free(&a);
    free(text);
}

static void
run_part(int part)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGILL, SIGALRM};
    const char *many = getenv("NNC_BROKEN"), *seed = getenv("NNC_SEED");
    char path[] = P_tmpdir "/nnc-broken-XXXXXX";
    int fd = mkstemp(path), count = many ? atoi(many) : PROGRAMS;
    cr_assert(fd >= 0);
    close(fd);
    load_programs();
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], on_signal);
    for (int i = part; i < count; i += PARTS)
        run_program((seed ? strtoull(seed, NULL, 10) : 1) + (uint64_t)i, path);
    unlink(path);
}

Test(broken_programs, part_1) { run_part(0); }
Test(broken_programs, part_2) { run_part(1); }
Test(broken_programs, part_3) { run_part(2); }
Test(broken_programs, part_4) { run_part(3); }
