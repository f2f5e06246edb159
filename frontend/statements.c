/* statements: two files side by side, statement by statement, and the files between them. */
#define _GNU_SOURCE /* realpath */
#include "frontend/model.h"
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* A statement that both have, or one of them only; a section that both have, with what stands in it. */
struct item {
    const struct ast *a, *b;
    int unit;                   /* number of the difference; -1: none */
    struct merged *inner;       /* of a section */
    bool judges;                /* a loss, a penalty or a metric */
};

struct merged {
    struct item *items;
    int count, cap;
    struct difference *differences; /* of the outermost one */
    bool *touches_data;
    int ndifferences, differences_cap, touches_cap;
};

struct pairing {
    struct sources *sources;
    struct arena *arena;
    struct merged *all;
    const char *section;        /* NULL: outside of sections */
    bool apart;                 /* the files lie in different folders */
};

enum { SAME = 4, ALIKE = 2 };   /* what a pair of equal statements is worth, and one of two that say the same word about the same name */

static bool
is_word(const struct ast *s, const char *word)
{
    return s->kind == AST_WORD && !strcmp(s->text, word);
}

/* Words whose first argument is the name that they declare. */
static bool
declares(const struct ast *s)
{
    static const char *const words[] = {"const", "input", "target", "output", "metric", "loss", "penalty", "state", "update"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (is_word(s, words[i]))
            return true;
    return false;
}

/* What a statement is about: the name that it binds or declares, else its word. */
static const char *
subject(const struct ast *s)
{
    if (s->nnames)
        return s->kind == AST_SECTION ? s->text : s->names[0].text;
    if (declares(s) && s->nargs && s->args[0].name)
        return s->args[0].name;
    return s->kind == AST_IF ? "if" : s->text ? s->text : "return";
}

static bool
alike(const struct ast *a, const struct ast *b)
{
    bool words = a->kind != AST_WORD || b->kind != AST_WORD || !strcmp(a->text, b->text);
    return a->kind == b->kind && a->op == b->op && words && !strcmp(subject(a), subject(b));
}

static const char *
name_of(const struct pairing *p, const struct ast *s)
{
    const char *word = is_word(s, "const") || is_word(s, "include") ? s->text : p->section;
    return word && strcmp(word, subject(s)) ? arena_printf(p->arena, "%s.%s", word, subject(s)) : subject(s);
}

static const char *
place_of(const struct pairing *p, const struct ast *s)
{
    const struct place *at = s ? s->nnames ? &s->names[0].place : &s->place : NULL;
    return at ? arena_printf(p->arena, "%s:%d", p->sources->source[at->file - 1].path, at->line) : "-";
}

static int
add_difference(struct pairing *p, const struct ast *a, const struct ast *b)
{
    struct merged *m = p->all;
    const struct ast *either = a ? a : b;
    *ARENA_PUSH(p->arena, m->differences, m->ndifferences, m->differences_cap) =
        (struct difference){.kind = DIFFERS_STATEMENT, .name = name_of(p, either), .a = a ? ast_text(a, p->arena) : "-",
                            .b = b ? ast_text(b, p->arena) : "-", .place_a = place_of(p, a), .place_b = place_of(p, b)};
    int n = m->ndifferences - 1;
    *ARENA_PUSH(p->arena, m->touches_data, n, m->touches_cap) =
        (p->section && !strcmp(p->section, "data")) || is_word(either, "input") || is_word(either, "target") || is_word(either, "const");
    return m->ndifferences - 1;
}

static struct merged *pair(struct pairing *p, const struct ast *a, const struct ast *b);

static void
add_item(struct pairing *p, struct merged *m, const struct ast *a, const struct ast *b, bool same)
{
    struct item item = {.a = a, .b = b, .unit = -1};
    const struct ast *either = a ? a : b;
    item.judges = is_word(either, "loss") || is_word(either, "penalty") || is_word(either, "metric");
    if (a && b && a->kind == AST_SECTION && !p->section) {
        p->section = a->text;
        item.inner = pair(p, a->child[0], b->child[0]);
        p->section = NULL;
    } else if (!same)
        item.unit = add_difference(p, a, b);
    *ARENA_PUSH(p->arena, m->items, m->count, m->cap) = item;
}

bool
statement_reads(const struct ast *s)
{
    static const char *const readers[] = {"csv", "tsv", "npy", "npz", "idx", "safetensors", "bytes"};
    bool reads = false;
    for (size_t i = 0; s->kind == AST_CALL && s->child[0]->kind == AST_NAME && i < sizeof readers / sizeof *readers; i++)
        reads |= !strcmp(s->child[0]->text, readers[i]);
    for (int i = 0; i < 3 && !reads; i++)
        reads = s->child[i] && statement_reads(s->child[i]);
    for (int i = 0; i < s->nargs && !reads; i++)
        reads = s->args[i].value && statement_reads(s->args[i].value);
    for (int i = 0; i < s->nbody && !reads; i++)
        reads = statement_reads(s->body[i]);
    return reads;
}

/* Whether |a| is the same statement as one of the other file with the same text: what reads a file reads another one in another folder. */
static bool
same(const struct pairing *p, const struct ast *a)
{
    return !p->apart || !p->section || strcmp(p->section, "data") != 0 || !statement_reads(a);
}

/* The pairs that keep the order of both and are worth most; statements of one file alone stand where they stood. */
static struct merged *
pair(struct pairing *p, const struct ast *a, const struct ast *b)
{
    int n = a->nbody, k = b->nbody, *worth = ARENA_ARRAY(p->arena, int, (size_t)(n + 1) * (size_t)(k + 1));
    const char **in_a = ARENA_ARRAY(p->arena, const char *, n + 1), **in_b = ARENA_ARRAY(p->arena, const char *, k + 1);
    struct merged *m = ARENA_NEW(p->arena, struct merged);
#define WORTH(i, j) worth[(size_t)(i) * (size_t)(k + 1) + (size_t)(j)]
#define PAIR(i, j) (!strcmp(in_a[i], in_b[j]) && same(p, a->body[i]) ? SAME : alike(a->body[i], b->body[j]) ? ALIKE : 0)
    for (int i = 0; i < n; i++)
        in_a[i] = ast_text(a->body[i], p->arena);
    for (int j = 0; j < k; j++)
        in_b[j] = ast_text(b->body[j], p->arena);
    for (int i = n - 1; i >= 0; i--)
        for (int j = k - 1; j >= 0; j--) {
            int pair = PAIR(i, j) ? PAIR(i, j) + WORTH(i + 1, j + 1) : 0;
            int one = WORTH(i + 1, j) > WORTH(i, j + 1) ? WORTH(i + 1, j) : WORTH(i, j + 1);
            WORTH(i, j) = pair > one ? pair : one;
        }
    for (int i = 0, j = 0; i < n || j < k;) {
        if (i < n && j < k && PAIR(i, j) && WORTH(i, j) == PAIR(i, j) + WORTH(i + 1, j + 1)) {
            add_item(p, m, a->body[i], b->body[j], PAIR(i, j) == SAME);
            i++, j++;
        } else if (j == k || (i < n && WORTH(i + 1, j) >= WORTH(i, j + 1)))
            add_item(p, m, a->body[i++], NULL, false);
        else
            add_item(p, m, NULL, b->body[j++], false);
    }
#undef WORTH
#undef PAIR
    return m;
}

int
statements_differ(struct sources *sources, const struct ast_file *a, const struct ast_file *b, struct arena *arena,
                  struct merged **out_merged, struct difference **out)
{
    struct merged all = {0};
    char folder_a[PATH_MAX] = "", folder_b[PATH_MAX] = "";
    const char *in_a = source_folder(sources, a->file, arena), *in_b = source_folder(sources, b->file, arena);
    bool known = realpath(*in_a ? in_a : ".", folder_a) && realpath(*in_b ? in_b : ".", folder_b);
    struct pairing p = {.sources = sources, .arena = arena, .all = &all, .apart = !known || strcmp(folder_a, folder_b) != 0};
    *out_merged = pair(&p, a->block, b->block);
    (*out_merged)->touches_data = all.touches_data;
    *out = all.differences;
    return all.ndifferences;
}

struct ast *
statements_merge(const struct merged *m, const bool *from_b, bool judged, struct arena *arena)
{
    struct ast *block = ARENA_NEW(arena, struct ast);
    *block = (struct ast){.kind = AST_BLOCK, .body = ARENA_ARRAY(arena, struct ast *, m->count + 1)};
    for (int i = 0; i < m->count; i++) {
        const struct item *item = &m->items[i];
        bool b = item->unit >= 0 && from_b[item->unit] && !(judged && item->judges);
        const struct ast *taken = b ? item->b : item->a;
        if (!taken)
            continue;
        struct ast *s = (struct ast *)(uintptr_t)taken; /* is only read */
        if (item->inner) {
            s = ARENA_NEW(arena, struct ast);
            *s = *taken;
            s->child[0] = statements_merge(item->inner, from_b, judged, arena);
        }
        block->body[block->nbody++] = s;
    }
    return block;
}

bool
statement_touches_data(const struct merged *m, int i)
{
    return m->touches_data[i];
}
