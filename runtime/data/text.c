/* text: functions on columns of text: number, category, words. */
#include "runtime/data/functions.h"
#include "runtime/data/texts.h"
#include <stdlib.h>
#include <string.h>

/* ---- numbers as texts ---- */

static int
show_element(const struct tensor *t, int64_t i, char text[NUMBER_TEXT])
{
    struct number n;
    switch (t->type.elem) {
    case ELEM_F32: return number_text_f32(((const float *)t->data)[i], text);
    case ELEM_F64: return number_text_f64(((const double *)t->data)[i], text);
    case ELEM_I32: n = number_of_whole(((const int32_t *)t->data)[i]); break;
    case ELEM_I64: n = number_of_whole(((const int64_t *)t->data)[i]); break;
    default: n = number_of_whole(((const uint8_t *)t->data)[i]); break;
    }
    return (int)strlen(number_show(n, text));
}

static const struct data_text *
texts_of_numbers(struct data_context *c, const struct tensor *t, struct place place)
{
    char text[NUMBER_TEXT];
    int64_t size = 0, rows = t->type.dim[0];
    for (int64_t i = 0; i < rows; i++)
        size += show_element(t, i, text) + 1;
    struct type bytes = {.elem = ELEM_U8, .rank = 1, .dim = {size}}, start = {.elem = ELEM_I64, .rank = 1, .dim = {rows}};
    struct tensor *b = data_pool_new(&c->pool, &bytes, place, c->diag), *s = b ? data_pool_new(&c->pool, &start, place, c->diag) : NULL;
    if (!s)
        return NULL;
    int64_t at = 0;
    for (int64_t i = 0; i < rows; i++) {
        ((int64_t *)s->data)[i] = at;
        int n = show_element(t, i, text);
        memcpy((char *)b->data + at, text, (size_t)n);
        at += n + 1;
    }
    struct data_text *r = ARENA_NEW(c->arena, struct data_text);
    *r = (struct data_text){.bytes = b, .start = s};
    return r;
}

const struct data_text *
data_texts(struct data_context *c, const struct data_value *v, struct place place)
{
    if (v->kind == DATA_TEXT)
        return v->text;
    if (v->kind == DATA_TENSOR && v->tensor->type.rank == 1)
        return texts_of_numbers(c, v->tensor, place);
    diag_report(c->diag, DATA_TEXTS, place, data_describe(v, c->arena));
    return NULL;
}

const struct data_text *
arg_text(struct data_call *c, int i)
{
    return data_texts(c->context, &c->args[i].value, c->args[i].place);
}

/* ---- number ---- */

bool
data_fn_number(struct data_call *c)
{
    const struct data_value *v = &c->args[0].value;
    if (v->kind != DATA_TEXT) {
        const struct tensor *t = arg_kind(c, 0, DATA_TENSOR) ? data_cast(c->context, v->tensor, ELEM_F64, c->place) : NULL;
        if (t)
            c->out[0] = data_of_tensor(t);
        return t != NULL;
    }
    const int64_t rows = data_text_rows(v->text);
    struct tensor *t = data_result(c, &(struct type){.elem = ELEM_F64, .rank = 1, .dim = {rows}});
    for (int64_t i = 0; t && i < rows; i++)
        if (!data_text_number(v->text, i, (double *)t->data + i)) {
            data_text_fault(v->text, c->context);
            diag_report(c->context->diag, NOTE_USED_HERE, c->place, c->name);
            return false;
        }
    return t != NULL;
}

/* ---- category and words ---- */

/* The texts that are fitted on: argument |i|, or x. */
static const struct data_text *
fitted(struct data_call *c, int i)
{
    return arg_text(c, c->args[i].value.kind == DATA_NONE ? 0 : i);
}

/* |n| texts of the set, in the order |order|, as the fit's. */
static void
keep_texts(struct data_call *c, struct data_fit *fit, const struct text_item *const *order, int64_t n)
{
    const char **texts = ARENA_ARRAY(c->context->arena, const char *, n + 1);
    for (int64_t k = 0; k < n; k++)
        texts[k] = arena_text(c->context->arena, order[k]->text, order[k]->length);
    fit->texts = texts;
    fit->ntexts = n;
}

static int
by_frequency(const void *a, const void *b)
{
    const struct text_item *x = *(const struct text_item *const *)a, *y = *(const struct text_item *const *)b;
    if (x->times != y->times)
        return x->times > y->times ? -1 : 1;
    return x < y ? -1 : x > y; /* items lie in the order of their first appearance */
}

/* Gives the fit its texts: at most |most| of the set's, the most frequent first if |frequent|. */
static bool
fit_texts(struct data_call *c, struct data_fit *fit, const struct texts *s, bool frequent, int64_t most)
{
    const struct text_item **order = malloc((size_t)(s->count + 1) * sizeof *order);
    if (!order)
        return false;
    for (int64_t k = 0; k < s->count; k++)
        order[k] = &s->items[k];
    if (frequent)
        qsort(order, (size_t)s->count, sizeof *order, by_frequency);
    keep_texts(c, fit, order, s->count < most ? s->count : most);
    free(order);
    return true;
}

/* Counts the whole cells, or their words. */
static bool
count_texts(const struct data_text *t, bool words, struct texts *out)
{
    for (int64_t i = 0, n = data_text_rows(t); i < n; i++) {
        const char *p = data_text_cell(t, i), *word = p;
        int64_t length = (int64_t)strlen(p);
        if (!words && texts_add(out, p, (size_t)length) < 0)
            return false;
        while (words && word_next(&p, &word, &length))
            if (texts_add(out, word, (size_t)length) < 0)
                return false;
    }
    return true;
}

static bool
fit_and_apply(struct data_call *c, struct data_fit *fit, int fit_at, bool words)
{
    struct texts s = {0};
    const struct data_text *t = fitted(c, fit_at);
    if (!t)
        return false;
    bool good = count_texts(t, words, &s) && fit_texts(c, fit, &s, words, words ? fit->vocabulary - 2 : INT32_MAX);
    texts_free(&s);
    if (!good) {
        diag_report(c->context->diag, OUT_OF_MEMORY, c->place);
        return false;
    }
    return data_fit_one(c->context, fit, &c->args[0].value, c->args[0].place, &c->out[0]);
}

bool
data_fn_category(struct data_call *c)
{
    struct data_fit *fit = ARENA_NEW(c->context->arena, struct data_fit);
    fit->kind = FIT_CATEGORY;
    return fit_and_apply(c, fit, 1, false);
}

bool
data_fn_words(struct data_call *c)
{
    struct data_fit *fit = ARENA_NEW(c->context->arena, struct data_fit);
    fit->kind = FIT_WORDS;
    return arg_whole(c, 1, 2, INT32_MAX, &fit->vocabulary) && arg_whole(c, 2, 1, 1 << 20, &fit->length) && fit_and_apply(c, fit, 3, true);
}
