#include "runtime/data/csv.h"
#include "runtime/data/decimal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BUFFER = 1 << 18, BLOCK_BYTES = 1 << 20 };

/* A text column that grows. */
struct growing {
    char *bytes;
    int64_t *start;
    int64_t size, room, rows, rows_room;
};

struct cell {
    const char *from;      /* without quotes and the blanks around them */
    int64_t length;
    bool quoted, doubled;  /* doubled: it holds "" for " */
};

struct csv {
    struct data_context *context;
    const struct csv_format *format;
    const char *path;
    struct data_source source;
    struct data_table *table;
    char *buffer;          /* closed by a NUL */
    int64_t room;
    char *at, *end;        /* not yet read; the end of what was read */
    bool last;             /* |end| is that of the file */
    int64_t line;          /* of the row that is read, from 1 */
    int64_t lines_taken;   /* ends of lines in this row */
    int64_t seen;          /* rows of values */
    int ncolumns;          /* 0 before the first row */
    int columns_room;
    bool *is_text;
    bool *becomes_text;    /* found to be text after rows of it were stored as numbers: to be read again */
    bool again;
    double *row;           /* the numbers of this row */
    struct cell *cells;    /* its texts; also the first row's */
    struct growing *texts; /* a column each */
    struct growing name;   /* of the column that is being named */
    int blocks_room;
    double *block;         /* where the next row of numbers goes */
    int64_t block_left;    /* rows */
    int64_t *lines;        /* of the rows, once they are not one after another */
    int64_t lines_room;
};

enum outcome { DONE, MORE, FAILED }; /* MORE: the row reaches beyond the buffer */

/* ---- messages ---- */

const char *
csv_show(const char *text, int64_t length, struct arena *arena)
{
    char shown[4 * 40 + 8];
    int n = 0;
    shown[n++] = '"';
    for (int64_t i = 0; i < length && i < 40; i++) {
        unsigned char b = (unsigned char)text[i];
        if (b < ' ' || b > '~' || b == '"' || b == '\\') {
            static const char digits[] = "0123456789abcdef";
            shown[n++] = '\\';
            if (b == '"' || b == '\\') {
                shown[n++] = (char)b;
            } else {
                shown[n++] = 'x';
                shown[n++] = digits[b >> 4];
                shown[n++] = digits[b & 15];
            }
        } else
            shown[n++] = (char)b;
    }
    shown[n++] = '"';
    const char *quoted = arena_text(arena, shown, (size_t)n);
    return length > 40 ? arena_printf(arena, "%s...", quoted) : quoted;
}

static const char *
place_text(const struct csv *r, int64_t line, int64_t field)
{
    return arena_printf(r->context->arena, "%s:%lld:%lld", r->path, (long long)line, (long long)field);
}

#define FAIL(r, field, code, ...) \
    (diag_subject((r)->context->diag, code, place_text((r), (r)->line, (field)), ##__VA_ARGS__), FAILED)

static bool
out_of_memory(const struct csv *r)
{
    diag_subject(r->context->diag, OUT_OF_MEMORY, r->path);
    return false;
}

/* ---- bytes ---- */

/* Moves what is left to the buffer's start and reads on; a row that fills the buffer makes it larger. */
static bool
refill(struct csv *r)
{
    int64_t left = r->end - r->at, got;
    memmove(r->buffer, r->at, (size_t)left);
    if (left == r->room) {
        if (r->room >= CSV_LINE_MAX) {
            diag_subject(r->context->diag, CSV_LINE, place_text(r, r->line, 1), CSV_LINE_MAX >> 20);
            return false;
        }
        char *larger = realloc(r->buffer, (size_t)(2 * r->room + 1));
        if (!larger)
            return out_of_memory(r);
        r->buffer = larger;
        r->room *= 2;
    }
    if (!source_some(&r->source, r->buffer + left, r->room - left, &got))
        return false;
    r->last = got < r->room - left;
    r->at = r->buffer;
    r->end = r->buffer + left + got;
    *r->end = 0;
    return true;
}

/* ---- cells ---- */

static inline bool
is_blank(char c, char separator)
{
    return (c == ' ' || c == '\t') && c != separator;
}

/* Whether a cell ends at |p|: at a separator, the end of a line or of the file. A NUL before the end is a byte of the file. */
static inline bool
ends_cell(const struct csv *r, const char *p)
{
    return *p == r->format->separator || *p == '\n' || (*p == '\r' && p[1] == '\n') || p == r->end || (*p == '\r' && p + 1 == r->end);
}

/* The rest of a cell in quotes, from behind the first one. */
static enum outcome
take_quoted(struct csv *r, const char **at, int field, struct cell *out)
{
    const char *p = *at, *open = p;
    out->from = p;
    out->quoted = true;
    for (;;) {
        p = memchr(p, '"', (size_t)(r->end - p));
        if (!p) {
            if (!r->last && (r->end - r->at < CSV_LINE_MAX))
                return MORE;
            return FAIL(r, field, CSV_QUOTE);
        }
        if (p + 1 == r->end && !r->last)
            return MORE;
        if (p[1] != '"' || p + 1 == r->end)
            break;
        out->doubled = true;
        p += 2;
    }
    out->length = p - out->from;
    const char *zero = memchr(open, 0, (size_t)out->length);
    if (zero)
        return FAIL(r, field, CSV_NUL);
    for (const char *n = open; (n = memchr(n, '\n', (size_t)(p - n))); n++)
        r->lines_taken++;
    for (p++; is_blank(*p, r->format->separator); p++)
        ;
    if (p >= r->end - 1 && !r->last)
        return MORE;
    if (!ends_cell(r, p))
        return FAIL(r, field, CSV_AFTER_QUOTE, csv_show(p, 1, r->context->arena));
    *at = p;
    return DONE;
}

static enum outcome
take_cell(struct csv *r, const char **at, int field, struct cell *out)
{
    const char *p = *at;
    *out = (struct cell){.from = p};
    if (r->format->quotes) {
        const char *q = p;
        while (is_blank(*q, r->format->separator))
            q++;
        if (*q == '"') {
            *at = q + 1;
            return take_quoted(r, at, field, out);
        }
    }
    while (*p && *p != r->format->separator && *p != '\n' && *p != '\r')
        p++;
    while (!ends_cell(r, p)) { /* a lone CR, or a NUL */
        if (!*p)
            return FAIL(r, field, CSV_NUL);
        p++;
        while (*p && *p != r->format->separator && *p != '\n' && *p != '\r')
            p++;
    }
    if (p >= r->end - 1 && !r->last)
        return MORE;
    out->length = p - out->from;
    *at = p;
    return DONE;
}

/* The cell without the blanks around it. */
static struct cell
trimmed(struct cell c)
{
    while (c.length && is_blank(*c.from, 0)) {
        c.from++;
        c.length--;
    }
    while (c.length && is_blank(c.from[c.length - 1], 0))
        c.length--;
    return c;
}

/* The text of a number that is none: nothing, NA, nan, inf, with a sign or without. */
static bool
is_missing(struct cell c)
{
    static const char *const names[] = {"na", "nan", "inf", "infinity"};
    char low[12];
    c = trimmed(c);
    if (!c.length)
        return true;
    if (*c.from == '-' || *c.from == '+') {
        c.from++;
        c.length--;
    }
    if (!c.length || c.length >= (int64_t)sizeof low)
        return false;
    for (int64_t i = 0; i < c.length; i++)
        low[i] = (char)(c.from[i] >= 'A' && c.from[i] <= 'Z' ? c.from[i] + 32 : c.from[i]);
    low[c.length] = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(low, names[i]))
            return true;
    return false;
}

/* Whether the whole cell is a number. The byte behind it is never part of one. */
static bool
is_number(const struct csv *r, struct cell c, double *out)
{
    c = trimmed(c);
    const char *end = c.length ? decimal_read(c.from, r->format->decimal, out) : NULL;
    return end == c.from + c.length;
}

/* ---- rows ---- */

/* Makes room for the columns of the first row, one by one. */
static bool
grow_columns(struct csv *r, int field)
{
    if (field < r->columns_room)
        return true;
    int n = r->columns_room ? 2 * r->columns_room : 16;
    void *row = realloc(r->row, (size_t)n * sizeof *r->row);
    if (row)
        r->row = row;
    void *cells = realloc(r->cells, (size_t)n * sizeof *r->cells);
    if (cells)
        r->cells = cells;
    void *is_text = realloc(r->is_text, (size_t)n * sizeof *r->is_text);
    if (is_text)
        r->is_text = is_text;
    void *becomes = realloc(r->becomes_text, (size_t)n * sizeof *r->becomes_text);
    if (becomes)
        r->becomes_text = becomes;
    if (!row || !cells || !is_text || !becomes)
        return out_of_memory(r);
    for (int i = r->columns_room; i < n; i++)
        r->is_text[i] = r->becomes_text[i] = false;
    r->columns_room = n;
    return true;
}

/* A cell of a column of numbers that is no plain number. */
static enum outcome
odd_cell(struct csv *r, int field, struct cell c, bool *drop)
{
    double *to = &r->row[field];
    if (is_number(r, c, to))
        return DONE;
    if (is_missing(c) && r->format->missing != MISSING_ERROR) {
        *drop |= r->format->missing == MISSING_DROP;
        *to = r->format->number;
        return DONE;
    }
    if (!r->table->rows) {
        r->is_text[field] = true;
        r->cells[field] = c;
    } else {
        r->becomes_text[field] = r->again = true;
    }
    return DONE;
}

/* One row from |p| on: its numbers into r->row, its texts into r->cells. */
static enum outcome
take_row(struct csv *r, bool names, const char **at, int *out_fields, bool *out_drop)
{
    const char *p = *at;
    const char separator = r->format->separator, decimal = r->format->decimal;
    int field = 0;
    *out_drop = false;
    r->lines_taken = 0;
    for (;; field++) {
        if (!r->ncolumns && (field >= CSV_COLUMNS_MAX || !grow_columns(r, field)))
            return field < CSV_COLUMNS_MAX ? FAILED : FAIL(r, field + 1, CSV_COLUMNS, CSV_COLUMNS_MAX);
        bool known = !r->ncolumns || field < r->ncolumns, number = !names && known && !r->is_text[field];
        const char *q = p;
        if (number) {
            while (is_blank(*q, separator))
                q++;
            q = decimal_read(q, decimal, &r->row[field]);
            while (q && is_blank(*q, separator))
                q++;
        }
        if (number && q && q < r->end - 1 && (*q == separator || *q == '\n' || *q == '\r') && ends_cell(r, q)) {
            p = q;
        } else {
            struct cell c;
            enum outcome o = take_cell(r, &p, field + 1, &c);
            if (o != DONE)
                return o;
            if (number)
                odd_cell(r, field, c, out_drop);
            else if (known)
                r->cells[field] = c;
            if (!number && !names && known && r->format->missing == MISSING_DROP)
                *out_drop |= is_missing(c);
        }
        if (p == r->end || *p != separator)
            break;
        p++;
    }
    p += p < r->end && *p == '\r';
    p += p < r->end && *p == '\n';
    r->lines_taken++;
    *out_fields = field + 1;
    *at = p;
    return DONE;
}

/* ---- storing ---- */

static bool
grow(struct csv *r, void **at, int64_t *room, int64_t wanted, size_t size)
{
    if (wanted <= *room)
        return true;
    int64_t n = *room + *room / 2 > wanted ? *room + *room / 2 : wanted + 1024;
    void *larger = realloc(*at, (size_t)n * size);
    if (!larger)
        return out_of_memory(r);
    *at = larger;
    *room = n;
    return true;
}

static bool
store_text(struct csv *r, struct growing *g, const struct cell *c)
{
    if (!grow(r, (void **)&g->bytes, &g->room, g->size + c->length + 1, 1) ||
        !grow(r, (void **)&g->start, &g->rows_room, g->rows + 1, sizeof *g->start))
        return false;
    g->start[g->rows++] = g->size;
    char *to = g->bytes + g->size;
    for (int64_t i = 0; i < c->length; i++) {
        *to++ = c->from[i];
        i += c->doubled && c->from[i] == '"';
    }
    *to++ = 0;
    g->size = to - g->bytes;
    return true;
}

/* The line of this row, if rows are not one a line. */
static bool
store_line(struct csv *r)
{
    struct data_table *t = r->table;
    if (!t->rows)
        t->first_line = r->line;
    if (!r->lines && r->line == t->first_line + t->rows)
        return true;
    int64_t old = r->lines ? t->rows : 0;
    if (!grow(r, (void **)&r->lines, &r->lines_room, t->rows + 1, sizeof *r->lines))
        return false;
    for (int64_t i = old; i < t->rows; i++)
        r->lines[i] = t->first_line + i;
    r->lines[t->rows] = r->line;
    return true;
}

static bool
new_block(struct csv *r)
{
    struct data_table *t = r->table;
    struct type type = {.elem = ELEM_F64, .rank = 2, .dim = {t->block_rows, t->nnumbers}};
    const struct tensor *b = data_pool_new(&r->context->pool, &type, (struct place){0}, r->context->diag);
    if (!b)
        return false;
    *ARENA_PUSH(r->context->arena, t->blocks, t->nblocks, r->blocks_room) = b;
    r->block = b->data;
    r->block_left = t->block_rows;
    return true;
}

static bool
store_row(struct csv *r)
{
    struct data_table *t = r->table;
    if (!store_line(r))
        return false;
    if (t->nnumbers) {
        if (!r->block_left && !new_block(r))
            return false;
        double *to = r->block;
        if (t->nnumbers == r->ncolumns)
            memcpy(to, r->row, sizeof *to * (size_t)t->nnumbers);
        else
            for (int i = 0, k = 0; i < r->ncolumns; i++)
                if (!r->is_text[i])
                    to[k++] = r->row[i];
        r->block += t->nnumbers;
        r->block_left--;
    }
    for (int i = 0; t->nnumbers < r->ncolumns && i < r->ncolumns; i++)
        if (r->is_text[i] && !store_text(r, &r->texts[i], &r->cells[i]))
            return false;
    t->rows++;
    return true;
}

/* After the first row of values: which columns are numbers. */
static bool
begin_columns(struct csv *r)
{
    struct data_table *t = r->table;
    t->nnumbers = 0;
    for (int i = 0; i < t->ncolumns; i++)
        t->columns[i].number = r->is_text[i] ? -1 : t->nnumbers++;
    t->block_rows = t->nnumbers ? BLOCK_BYTES / ((int64_t)sizeof(double) * t->nnumbers) : 0;
    t->block_rows += !t->block_rows;
    if (!r->texts)
        r->texts = calloc((size_t)t->ncolumns, sizeof *r->texts);
    return r->texts || out_of_memory(r);
}

/* The number of columns, from the first row; their names, if it is the header. */
static bool
take_header(struct csv *r, int fields, bool names)
{
    struct data_table *t = r->table;
    r->ncolumns = t->ncolumns = fields;
    t->columns = ARENA_ARRAY(r->context->arena, struct data_column, fields);
    for (int i = 0; names && i < fields; i++) {
        struct growing *g = &r->name;
        g->size = g->rows = 0;
        if (!store_text(r, g, &r->cells[i]))
            return false;
        t->columns[i].name = arena_text(r->context->arena, g->bytes, (size_t)g->size - 1);
    }
    return true;
}

/* ---- files ---- */

static bool
check_start(struct csv *r)
{
    const unsigned char *p = (const unsigned char *)r->at;
    int64_t n = r->end - r->at;
    if (n >= 2 && ((p[0] == 0xff && p[1] == 0xfe) || (p[0] == 0xfe && p[1] == 0xff))) {
        diag_subject(r->context->diag, CSV_UTF16, r->path);
        return false;
    }
    if (n >= 2 && p[0] == 0x1f && p[1] == 0x8b)
        return source_fail(&r->source, 0, "text", GZIP_FOUND);
    if (n >= 3 && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf)
        r->at += 3;
    return true;
}

/* The empty lines at |r->at|. False if one may be there beyond the buffer. */
static bool
skip_empty(struct csv *r)
{
    for (;;) {
        const char *p = r->at;
        p += p < r->end && *p == '\r';
        if (p == r->end && !r->last)
            return false;
        if (p == r->end || *p != '\n')
            return true;
        r->at += p + 1 - r->at;
        r->line++;
    }
}

static bool
row_fits(struct csv *r, int fields, int64_t first_line)
{
    if (fields == r->ncolumns)
        return true;
    int64_t field = (fields < r->ncolumns ? fields : r->ncolumns) + 1;
    diag_subject(r->context->diag, CSV_RAGGED, place_text(r, r->line, field), r->ncolumns, (long long)first_line, fields);
    return false;
}

/* All rows, or up to the first fault. */
static bool
read_rows(struct csv *r)
{
    bool names = r->format->header && !r->ncolumns, skip = r->format->header && r->ncolumns;
    int64_t first_line = 0;
    for (;;) {
        bool drop;
        int fields;
        const char *p = r->at;
        if (r->at == r->end && r->last)
            return true;
        enum outcome o = skip_empty(r) ? DONE : MORE;
        if (o == DONE && r->at == r->end && r->last)
            return true;
        p = r->at;
        if (o == DONE)
            o = r->at == r->end ? MORE : take_row(r, names || skip, &p, &fields, &drop);
        if (o == FAILED || (o == MORE && !refill(r)))
            return false;
        if (o == MORE)
            continue;
        first_line += first_line ? 0 : r->line;
        if ((!r->ncolumns && !take_header(r, fields, names)) || !row_fits(r, fields, first_line))
            return false;
        r->seen += !names && !skip;
        bool left_out = names || skip || drop || r->again;
        if (!left_out && ((!r->table->rows && !begin_columns(r)) || !store_row(r)))
            return false;
        names = skip = false;
        r->line += r->lines_taken;
        r->at += p - r->at;
    }
}

static bool
read_file(struct csv *r)
{
    r->line = 1;
    r->last = r->again = false;
    r->at = r->end = r->buffer;
    if (!source_open(&r->source, r->path, &r->context->watch, r->context->diag))
        return false;
    bool good = refill(r) && check_start(r) && read_rows(r);
    source_close(&r->source);
    return good;
}

/* Forgets the rows, but not which columns are text. */
static void
begin_again(struct csv *r)
{
    struct data_table *t = r->table;
    for (int i = 0; i < r->ncolumns; i++) {
        r->is_text[i] |= r->becomes_text[i];
        if (r->texts)
            r->texts[i].size = r->texts[i].rows = 0;
    }
    for (int i = 0; i < t->nblocks; i++)
        data_pool_drop(&r->context->pool, t->blocks[i]);
    t->rows = t->nblocks = 0;
    r->block_left = 0;
    free(r->lines);
    r->lines = NULL;
    r->lines_room = 0;
}

/* |memory|, of malloc, as a tensor [n] of the pool; it is taken also on failure. */
static const struct tensor *
adopt(struct csv *r, enum elem elem, void *memory, int64_t n)
{
    struct tensor t = {.type = {.elem = (uint8_t)elem, .rank = 1, .dim = {n}}, .data = memory};
    return data_pool_adopt(&r->context->pool, &t, (struct place){0}, r->context->diag);
}

static bool
finish(struct csv *r)
{
    struct data_table *t = r->table;
    if (!t->rows) {
        if (!r->ncolumns)
            diag_subject(r->context->diag, CSV_EMPTY, r->path);
        else if (!r->seen)
            diag_subject(r->context->diag, CSV_HEADER_ONLY, r->path);
        else
            diag_subject(r->context->diag, CSV_NO_ROWS, r->path, (long long)r->seen);
        return false;
    }
    for (int i = 0; i < t->ncolumns; i++) {
        struct growing *g = &r->texts[i];
        struct data_text *text = &t->columns[i].text;
        if (t->columns[i].number >= 0)
            continue;
        text->bytes = adopt(r, ELEM_U8, g->bytes, g->size);
        g->bytes = NULL;
        text->start = text->bytes ? adopt(r, ELEM_I64, g->start, g->rows) : NULL;
        g->start = text->bytes ? NULL : g->start;
        text->table = t;
        text->column = i;
        if (!text->start)
            return false;
    }
    if (r->lines)
        t->lines = adopt(r, ELEM_I64, r->lines, t->rows);
    bool good = !r->lines || t->lines;
    r->lines = NULL;
    return good;
}

static void
release(void *csv)
{
    struct csv *r = csv;
    source_close(&r->source);
    for (int i = 0; r->texts && i < r->ncolumns; i++) {
        free(r->texts[i].bytes);
        free(r->texts[i].start);
    }
    free(r->texts);
    free(r->name.bytes);
    free(r->name.start);
    free(r->lines);
    free(r->row);
    free(r->cells);
    free(r->is_text);
    free(r->becomes_text);
    free(r->buffer);
}

bool
csv_read(struct data_context *c, const char *path, const struct csv_format *format, struct data_table *out)
{
    struct csv r = {.context = c, .format = format, .path = path, .table = out, .room = BUFFER};
    *out = (struct data_table){.file = path, .decimal = format->decimal};
    struct arena_undo undo;
    arena_guard(c->arena, &undo, release, &r);
    r.buffer = malloc(BUFFER + 1);
    bool good = r.buffer ? read_file(&r) : out_of_memory(&r);
    if (good && r.again) { /* columns that turned out to be text */
        begin_again(&r);
        good = read_file(&r);
        if (good && r.again) {
            diag_subject(c->diag, DATA_CHANGED, path);
            good = false;
        }
    }
    good = good && finish(&r);
    arena_keep(c->arena, &undo);
    release(&r);
    return good;
}
