/* table: csv and tsv as functions, and the columns of tables. */
#include "runtime/data/csv.h"
#include "runtime/data/decimal.h"
#include "runtime/data/readers.h"
#include <math.h>
#include <string.h>
#include <strings.h>

/* ---- reading ---- */

/* A character that may stand between cells, or in a number; not part of both. */
static bool
take_character(struct data_call *c, int i, const char *allowed, const char *expected, char *out)
{
    if (!arg_kind(c, i, DATA_STRING))
        return false;
    const char *text = c->args[i].value.string;
    if (!text[0] || text[1] || (allowed ? !strchr(allowed, *text) : *text < ' ' && *text != '\t') ||
        (!allowed && strchr("0123456789+-.eE\"\177", *text)))
        return arg_wrong(c, i, expected);
    *out = *text;
    return true;
}

static bool
take_missing(struct data_call *c, int i, struct csv_format *f)
{
    const struct data_value *v = &c->args[i].value;
    if (v->kind == DATA_NUMBER && !v->number.is_bool) {
        f->missing = MISSING_NUMBER;
        f->number = v->number.real;
        return true;
    }
    if (v->kind != DATA_STRING || (strcmp(v->string, "error") && strcmp(v->string, "nan") && strcmp(v->string, "drop")))
        return arg_wrong(c, i, "error, nan, drop or a number");
    f->missing = !strcmp(v->string, "error") ? MISSING_ERROR : !strcmp(v->string, "drop") ? MISSING_DROP : MISSING_NUMBER;
    f->number = NAN;
    return true;
}

enum { HEADER = 1, SEPARATOR, DECIMAL, MISSING, QUOTES };

static bool
read_table(struct data_call *c)
{
    struct csv_format f = {.separator = '\t'};
    const char *path = read_path(c);
    if (!path || !arg_bool(c, HEADER, &f.header) || !arg_bool(c, QUOTES, &f.quotes) || !take_missing(c, MISSING, &f) ||
        !take_character(c, DECIMAL, ".,", "\".\" or \",\"", &f.decimal))
        return false;
    if (c->args[SEPARATOR].value.kind != DATA_NONE &&
        !take_character(c, SEPARATOR, NULL, "one character that is no part of a number", &f.separator))
        return false;
    if (f.decimal == f.separator)
        return arg_wrong(c, SEPARATOR, "another character than the decimal one");
    struct data_table *t = ARENA_NEW(c->context->arena, struct data_table);
    if (!csv_read(c->context, path, &f, t))
        return read_failed(c, path);
    c->out[0] = (struct data_value){.kind = DATA_TABLE, .table = t};
    return true;
}

bool
data_fn_csv(struct data_call *c)
{
    return read_table(c);
}

bool
data_fn_tsv(struct data_call *c)
{
    return read_table(c);
}

/* ---- columns ---- */

/* The rows of the columns |from| to below |to|, which are all numbers, row by row. */
static void
copy_columns(const struct data_table *t, int from, int to, double *out)
{
    const int first = t->columns[from].number, width = to - from; /* columns of numbers lie in their order */
    for (int64_t row = 0, b = 0; row < t->rows; row += t->block_rows, b++) {
        const double *in = (const double *)t->blocks[b]->data + first;
        int64_t n = t->rows - row < t->block_rows ? t->rows - row : t->block_rows;
        for (int64_t i = 0; i < n; i++, in += t->nnumbers, out += width)
            memcpy(out, in, sizeof *out * (size_t)width);
    }
}

static bool
one_column(struct data_context *c, const struct data_table *t, int i, struct place place, struct data_value *out)
{
    if (t->columns[i].number < 0) {
        *out = (struct data_value){.kind = DATA_TEXT, .text = &t->columns[i].text};
        return true;
    }
    struct type type = {.elem = ELEM_F64, .rank = 1, .dim = {t->rows}};
    struct tensor *r = data_pool_new(&c->pool, &type, place, c->diag);
    if (!r)
        return false;
    copy_columns(t, i, i + 1, r->data);
    *out = data_of_tensor(r);
    return true;
}

bool
data_table_column(struct data_context *c, const struct data_table *t, const char *name, struct place place, struct data_value *out)
{
    int found = -1;
    if (!t->columns[0].name) {
        diag_report(c->diag, TABLE_NO_NAMES, place, t->file);
        return false;
    }
    for (int i = 0; i < t->ncolumns; i++) {
        if (strcmp(t->columns[i].name, name))
            continue;
        if (found >= 0) {
            diag_report(c->diag, TABLE_NAME_TWICE, place, t->file, name, found, i, found);
            return false;
        }
        found = i;
    }
    if (found >= 0)
        return one_column(c, t, found, place, out);
    diag_report(c->diag, TABLE_NAME, place, t->file, name);
    const char *names = "";
    for (int i = 0; i < t->ncolumns && i < 20; i++)
        names = arena_printf(c->arena, "%s%s%s", names, i ? ", " : "", csv_show(t->columns[i].name, (int64_t)strlen(t->columns[i].name), c->arena));
    diag_report(c->diag, TABLE_NAMES, place, names, t->ncolumns > 20 ? ", ..." : "");
    return false;
}

bool
data_fn_column(struct data_call *c)
{
    int64_t i;
    if (!arg_kind(c, 0, DATA_TABLE) || !arg_whole(c, 1, INT64_MIN, INT64_MAX, &i))
        return false;
    const struct data_table *t = c->args[0].value.table;
    if (i < -t->ncolumns || i >= t->ncolumns) {
        diag_report(c->context->diag, TABLE_NUMBER, c->args[1].place, (long long)i, t->file, t->ncolumns);
        return false;
    }
    return one_column(c->context, t, (int)(i < 0 ? i + t->ncolumns : i), c->place, &c->out[0]);
}

bool
data_fn_columns(struct data_call *c)
{
    if (!arg_kind(c, 0, DATA_TABLE) || !arg_kind(c, 1, DATA_RANGE))
        return false;
    const struct data_table *t = c->args[0].value.table;
    const struct data_value *v = &c->args[1].value;
    int64_t n = t->ncolumns, from = v->range.has_from ? v->range.from : 0, to = v->range.has_to ? v->range.to : n;
    int64_t a = from < 0 ? from + n : from, b = to < 0 ? to + n : to;
    if (a < 0 || a >= b || b > n) {
        diag_report(c->context->diag, TABLE_RANGE, c->args[1].place, (long long)from, (long long)to, t->ncolumns, t->file);
        return false;
    }
    for (int64_t i = a; i < b; i++)
        if (t->columns[i].number < 0) {
            data_text_fault(&t->columns[i].text, c->context);
            diag_report(c->context->diag, NOTE_USED_HERE, c->place, c->name);
            return false;
        }
    struct tensor *r = data_result(c, &(struct type){.elem = ELEM_F64, .rank = 2, .dim = {t->rows, b - a}});
    if (r)
        copy_columns(t, (int)a, (int)b, r->data);
    return r != NULL;
}

/* ---- cells that are no numbers ---- */

/* The cell's place in its file: "FILE:LINE:FIELD". */
static const char *
cell_place(const struct data_text *t, int64_t row, struct arena *arena)
{
    const struct data_table *table = t->table;
    if (!table)
        return arena_printf(arena, "row %lld, counted from 0", (long long)row);
    int64_t line = table->lines ? ((const int64_t *)table->lines->data)[row] : table->first_line + row;
    return arena_printf(arena, "%s:%lld:%d", table->file, (long long)line, t->column + 1);
}

/* Whether a point made of the comma makes a number of it. */
static bool
has_comma(const char *cell)
{
    double v;
    const char *end = decimal_read(cell + strspn(cell, " \t"), ',', &v);
    return end && strchr(cell, ',') && !end[strspn(end, " \t")];
}

bool
data_text_number(const struct data_text *t, int64_t row, double *out)
{
    const char *cell = data_text_cell(t, row), *end = decimal_read(cell + strspn(cell, " \t"), t->table ? t->table->decimal : '.', out);
    return end && !end[strspn(end, " \t")];
}

bool
data_text_fault(const struct data_text *t, struct data_context *c)
{
    double v;
    int64_t row = 0, rows = data_text_rows(t);
    while (row < rows - 1 && data_text_number(t, row, &v))
        row++;
    const char *cell = data_text_cell(t, row), *text = cell + strspn(cell, " \t");
    diag_subject(c->diag, CELL_NUMBER, cell_place(t, row, c->arena), csv_show(cell, (int64_t)strlen(cell), c->arena));
    if (has_comma(cell))
        diag_report(c->diag, CELL_DECIMAL_HELP, (struct place){0});
    else if (!*text || !strcasecmp(text, "NA") || !strcasecmp(text, "nan"))
        diag_report(c->diag, CELL_MISSING_HELP, (struct place){0});
    return false;
}
