#include "runtime/data/fit.h"
#include "runtime/data/csv.h"
#include "runtime/data/functions.h"
#include "runtime/data/texts.h"
#include <string.h>

static const char *const names[] = {[FIT_MINMAX] = "minmax",     [FIT_STANDARDIZE] = "standardize", [FIT_CATEGORY] = "category",
                                    [FIT_WORDS] = "words",       [FIT_ONE_HOT] = "one_hot"};

/* ---- minmax and standardize ---- */

/* That the columns of |t| are those that were fitted: a row's type is the end of |t|'s. */
static bool
columns_fit(struct data_context *c, const struct data_fit *fit, const struct tensor *t, struct place place)
{
    const struct type *row = &fit->type;
    char text[2][TYPE_TEXT];
    bool fits = t->type.rank >= row->rank;
    for (int i = 1; fits && i <= row->rank; i++)
        fits = t->type.dim[t->type.rank - i] == row->dim[row->rank - i];
    if (!fits)
        diag_report(c->diag, FIT_COLUMNS, place, names[fit->kind], type_text(row, ", ", text[0]), type_text(&t->type, ", ", text[1]));
    return fits;
}

static const struct tensor *
constant(struct data_context *c, const struct type *type, const double *values, struct place place)
{
    struct tensor *t = data_pool_new(&c->pool, type, place, c->diag);
    if (t)
        memcpy(t->data, values, (size_t)tensor_bytes(t));
    return t;
}

static const struct tensor *
map2(struct data_context *c, enum op op, const struct tensor *a, const struct tensor *b, struct place place)
{
    return a && b ? data_apply(c, op, 2, (const struct tensor *const[]){a, b}, NULL, NULL, place) : NULL;
}

static bool
scale(struct data_context *c, const struct data_fit *fit, const struct data_value *in, struct place place, struct data_value *out)
{
    if (in->kind == DATA_TEXT)
        return data_text_fault(in->text, c);
    if (in->kind != DATA_TENSOR) {
        diag_report(c->diag, DATA_ARGUMENT, place, names[fit->kind], "x", "a tensor", data_describe(in, c->arena));
        return false;
    }
    const struct tensor *t = data_cast(c, in->tensor, ELEM_F64, place);
    if (!t || !columns_fit(c, fit, t, place))
        return false;
    t = map2(c, OP_SUB, t, constant(c, &fit->type, fit->middle, place), place);
    t = map2(c, OP_DIV, t, constant(c, &fit->type, fit->spread, place), place);
    if (t)
        *out = data_of_tensor(t);
    return t != NULL;
}

static const struct tensor *
undo_scale(struct data_context *c, const struct data_fit *fit, const struct tensor *t, struct place place)
{
    t = data_cast(c, t, ELEM_F64, place);
    if (!t || !columns_fit(c, fit, t, place))
        return NULL;
    t = map2(c, OP_MUL, t, constant(c, &fit->type, fit->spread, place), place);
    return map2(c, OP_ADD, t, constant(c, &fit->type, fit->middle, place), place);
}

/* ---- category and words ---- */

static bool
classify(struct data_context *c, const struct data_fit *fit, const struct data_value *in, struct place place, struct data_value *out)
{
    struct texts texts;
    const struct data_text *t = data_texts(c, in, place);
    struct type type = {.elem = ELEM_I32, .rank = 1, .dim = {t ? data_text_rows(t) : 0}};
    struct tensor *r = t ? data_pool_new(&c->pool, &type, place, c->diag) : NULL;
    if (!r)
        return false;
    bool good = texts_of(&texts, fit->texts, fit->ntexts);
    for (int64_t i = 0; good && i < type.dim[0]; i++) {
        const char *cell = data_text_cell(t, i);
        int64_t k = texts_find(&texts, cell, strlen(cell));
        ((int32_t *)r->data)[i] = (int32_t)k;
        if (k < 0) {
            diag_report(c->diag, CLASS_UNKNOWN, place, (long long)i, csv_show(cell, (int64_t)strlen(cell), c->arena));
            texts_free(&texts);
            return false;
        }
    }
    texts_free(&texts);
    if (good)
        *out = data_of_tensor(r);
    else
        diag_report(c->diag, OUT_OF_MEMORY, place);
    return good;
}

/* The numbers of the last words of |cell| into the last places of |row|. */
static void
number_words(const struct texts *texts, const struct data_fit *fit, const char *cell, int32_t *row)
{
    const char *word;
    int64_t length, at = 0, count = 0;
    for (const char *p = cell; word_next(&p, &word, &length);)
        count++;
    for (const char *p = cell; word_next(&p, &word, &length); at++) {
        int64_t place = fit->length - count + at;
        if (place < 0)
            continue;
        int64_t k = texts_find(texts, word, (size_t)length);
        row[place] = k < 0 || k + 2 >= fit->vocabulary ? 1 : (int32_t)(k + 2);
    }
}

static bool
spell(struct data_context *c, const struct data_fit *fit, const struct data_value *in, struct place place, struct data_value *out)
{
    struct texts texts;
    const struct data_text *t = data_texts(c, in, place);
    struct type type = {.elem = ELEM_I32, .rank = 2, .dim = {t ? data_text_rows(t) : 0, fit->length}};
    struct tensor *r = t ? data_pool_new(&c->pool, &type, place, c->diag) : NULL;
    if (!r)
        return false;
    if (!texts_of(&texts, fit->texts, fit->ntexts)) {
        texts_free(&texts);
        diag_report(c->diag, OUT_OF_MEMORY, place);
        return false;
    }
    for (int64_t i = 0; i < type.dim[0]; i++)
        number_words(&texts, fit, data_text_cell(t, i), (int32_t *)r->data + i * fit->length);
    texts_free(&texts);
    *out = data_of_tensor(r);
    return true;
}

/* ---- one_hot ---- */

static bool
spread(struct data_context *c, const struct data_fit *fit, const struct data_value *in, struct place place, struct data_value *out)
{
    const struct tensor *t = in->kind == DATA_TENSOR ? in->tensor : NULL;
    if (!t || !(TYPES_WHOLE >> t->type.elem & 1) || t->type.rank == RANK_MAX) {
        diag_report(c->diag, DATA_ARGUMENT, place, "one_hot", "x", "a tensor of whole numbers",
                    data_describe(in, c->arena));
        return false;
    }
    t = data_cast(c, t, ELEM_I64, place);
    for (int64_t i = 0, n = t ? tensor_count(t) : 0; i < n; i++) {
        int64_t k = ((const int64_t *)t->data)[i];
        if (k < 0 || k >= fit->length) {
            diag_report(c->diag, DATA_CLASS, place, "one_hot", (long long)fit->length, (long long)k, (long long)i);
            return false;
        }
    }
    if (!t)
        return false;
    struct type type = t->type;
    type.elem = ELEM_F64;
    type.dim[type.rank++] = fit->length;
    t = data_apply(c, OP_ONE_HOT, 1, &t, NULL, &type, place);
    if (t)
        *out = data_of_tensor(t);
    return t != NULL;
}

/* ---- all ---- */

bool
data_fit_one(struct data_context *c, const struct data_fit *fit, const struct data_value *in, struct place place, struct data_value *out)
{
    static bool (*const apply[])(struct data_context *c, const struct data_fit *fit, const struct data_value *in, struct place place,
                                 struct data_value *out) = {
        [FIT_MINMAX] = scale, [FIT_STANDARDIZE] = scale, [FIT_CATEGORY] = classify, [FIT_WORDS] = spell, [FIT_ONE_HOT] = spread,
    };
    if (!apply[fit->kind](c, fit, in, place, out))
        return false;
    out->fit = fit;
    return true;
}

bool
data_fit_apply(struct data_context *c, const struct data_fit *fit, const struct data_value *in, struct place place,
               struct data_value *out)
{
    struct data_value before = *in;
    if (fit->before && !data_fit_apply(c, fit->before, in, place, &before))
        return false;
    return data_fit_one(c, fit, &before, place, out);
}

bool
data_fit_undoable(const struct data_fit *fit)
{
    for (; fit; fit = fit->before)
        if (fit->kind != FIT_MINMAX && fit->kind != FIT_STANDARDIZE)
            return false;
    return true;
}

const struct data_fit *
data_fit_anywhere(const struct data_fit *fit)
{
    for (const struct data_fit *f = fit; f; f = f->before)
        if ((f->kind != FIT_MINMAX && f->kind != FIT_STANDARDIZE) || f->type.rank)
            return NULL;
    return fit;
}

const struct tensor *
data_fit_undo(struct data_context *c, const struct data_fit *fit, const struct tensor *t, struct place place)
{
    if (!data_fit_undoable(fit)) {
        diag_report(c->diag, FIT_NOT_UNDONE, place);
        return NULL;
    }
    for (; fit && t; fit = fit->before)
        t = undo_scale(c, fit, t, place);
    return t;
}
