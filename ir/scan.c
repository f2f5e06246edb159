/* scan: the pieces of the IR's text: names, numbers, types.
 *
 * There are no tokens: each function takes what it wants from the front of the text. After a fault the text counts as empty,
 * so that every function ends by itself and only the loops ask. */
#define _GNU_SOURCE /* strtod_l */
#include "ir/text.h"
#include <ctype.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

/* ---- faults ---- */

struct place
scan_place(const struct reader *r, const char *at)
{
    struct place p = {.file = r->file, .line = 1, .column = 1, .length = 1};
    for (const char *c = r->text; c < at; c++)
        if (*c == '\n') {
            p.line++;
            p.column = 1;
        } else
            p.column += ((unsigned char)*c & 0xc0) != 0x80;
    return p;
}

/* What stands at |at|, for a message. */
const char *
scan_found(const struct reader *r, const char *at)
{
    int n = 0;
    while (n < 24 && at + n < r->end && isgraph((unsigned char)at[n]))
        n++;
    if (at >= r->end)
        return "the end of the text";
    return n ? arena_printf(r->arena, "'%.*s'", n, at) : arena_printf(r->arena, "\\x%02x", (unsigned char)*at);
}

void
scan_fault(struct reader *r, const char *what)
{
    scan_space(r);
    FAULT(r, r->at, READ_EXPECTED, what, scan_found(r, r->at));
}

/* ---- pieces of text ---- */

bool
scan_is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '/';
}

void
scan_space(struct reader *r)
{
    while (r->at < r->end)
        if (*r->at == '#')
            while (r->at < r->end && *r->at != '\n')
                r->at++;
        else if (isspace((unsigned char)*r->at))
            r->at++;
        else
            return;
}

/* The next character that is no space; 0 at the end. */
char
scan_next(struct reader *r)
{
    scan_space(r);
    return r->at < r->end ? *r->at : 0;
}

/* Takes |text| if it stands next; a word only if it does not go on. */
bool
scan_accept(struct reader *r, const char *text)
{
    size_t n = strlen(text);
    scan_space(r);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n))
        return false;
    if (scan_is_name(text[n - 1]) && r->at + n < r->end && scan_is_name(r->at[n]))
        return false;
    r->at += n;
    return true;
}

void
scan_expect(struct reader *r, const char *text)
{
    if (!scan_accept(r, text))
        scan_fault(r, text);
}

/* A run of name characters after |prefix| characters; "" and a fault if there is none. */
const char *
scan_name(struct reader *r, int prefix, const char *what)
{
    scan_space(r);
    const char *start = r->at, *p = start + prefix;
    while (p < r->end && scan_is_name(*p))
        p++;
    if (r->end - start <= prefix || p == start + prefix) {
        scan_fault(r, what);
        return "";
    }
    r->at = p;
    return arena_text(r->arena, start, (size_t)(p - start));
}

static int
hex_digit(char c)
{
    int lower = tolower((unsigned char)c);
    return isdigit(lower) ? lower - '0' : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Where the quote that opens at |start| closes; NULL if it does not on its line. */
static const char *
closing_quote(const struct reader *r, const char *start)
{
    for (const char *p = start + 1; p < r->end && *p != '\n'; p++)
        if (*p == '"')
            return p;
        else if (*p == '\\')
            p++;
    return NULL;
}

const char *
scan_quoted(struct reader *r)
{
    scan_space(r);
    const char *p = r->at, *close = NULL;
    if (p == r->end || *p != '"')
        scan_fault(r, "a text in quotes");
    else if (!(close = closing_quote(r, p)) || close >= r->end)
        FAULT(r, p, READ_EXPECTED, "a closing quote", "the end of the line");
    if (r->failed)
        return "";
    char *text = arena_alloc(r->arena, (size_t)(close - p)), *out = text;
    for (p++; p < close; p++)
        if (*p != '\\')
            *out++ = *p;
        else if (close - p > 3 && p[1] == 'x' && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
            *out++ = (char)(hex_digit(p[2]) * 16 + hex_digit(p[3]));
            p += 3;
        } else
            *out++ = *++p;
    r->at = close + 1;
    return text;
}

bool
scan_at_number(struct reader *r)
{
    char c = scan_next(r);
    return isdigit((unsigned char)c) || (c == '-' && r->end - r->at > 1);
}

/* The extent of a number, "-" and "inf" included. */
const char *
scan_number_piece(struct reader *r)
{
    scan_space(r);
    const char *start = r->at, *p = start;
    if (p < r->end && *p == '-')
        p++;
    while (p < r->end && (isalnum((unsigned char)*p) || *p == '.' || ((*p == '-' || *p == '+') && tolower(p[-1]) == 'e')))
        p++;
    r->at = p;
    return arena_text(r->arena, start, (size_t)(p - start));
}

double
text_to_number(const char *text, bool single)
{
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double value = single ? (double)strtof_l(text, NULL, c) : strtod_l(text, NULL, c);
    freelocale(c);
    return value;
}

static bool
is_decimal(const char *p)
{
    p += *p == '-';
    if (!strcmp(p, "inf") || !strcmp(p, "nan"))
        return true;
    const char *digits = p;
    while (isdigit((unsigned char)*p))
        p++;
    if (p == digits)
        return false;
    if (*p == '.')
        for (p++; isdigit((unsigned char)*p); p++)
            ;
    if (*p == 'e' || *p == 'E') {
        p += p[1] == '-' || p[1] == '+' ? 2 : 1;
        if (!isdigit((unsigned char)*p))
            return false;
        while (isdigit((unsigned char)*p))
            p++;
    }
    return !*p;
}

double
scan_real(struct reader *r, bool single)
{
    const char *start = r->at, *text = scan_number_piece(r);
    if (is_decimal(text))
        return text_to_number(text, single);
    FAULT(r, start, READ_EXPECTED, "a number", scan_found(r, start));
    return 0;
}

uint64_t
scan_unsigned(struct reader *r, uint64_t max)
{
    scan_space(r);
    const char *start = r->at;
    uint64_t value = 0;
    bool over = false, hex = r->end - start > 2 && start[0] == '0' && start[1] == 'x';
    r->at += hex ? 2 : 0;
    const char *digits = r->at;
    for (; r->at < r->end && (hex ? hex_digit(*r->at) >= 0 : isdigit((unsigned char)*r->at)); r->at++)
        over |= __builtin_mul_overflow(value, hex ? 16u : 10u, &value) ||
                __builtin_add_overflow(value, (uint64_t)hex_digit(*r->at), &value);
    if (r->at == digits)
        scan_fault(r, "a number");
    else if (over || value > max)
        FAULT(r, start, READ_RANGE, scan_found(r, start));
    return r->failed ? 0 : value;
}

int64_t
scan_whole(struct reader *r, int64_t min, int64_t max)
{
    bool negative = min < 0 && scan_next(r) == '-' && scan_accept(r, "-");
    uint64_t v = scan_unsigned(r, negative ? (uint64_t)0 - (uint64_t)min : (uint64_t)max);
    return negative ? (int64_t)(0 - v) : (int64_t)v;
}

int64_t
scan_dim(struct reader *r)
{
    if (scan_accept(r, "N"))
        return DIM_N;
    int64_t dim = scan_whole(r, 0, INT64_MAX);
    if (r->at < r->end && *r->at == 'N') {
        r->at++;
        return -dim;
    }
    return dim;
}

struct type
scan_type(struct reader *r)
{
    struct type t = {0};
    enum elem e = ELEM_F32;
    const char *start = (scan_space(r), r->at), *name = scan_name(r, 0, "a type");
    if (!elem_from_name(name, strlen(name), &e))
        FAULT(r, start, READ_EXPECTED, "a type", scan_found(r, start));
    t.elem = (uint8_t)e;
    scan_expect(r, "[");
    while (!r->failed && !scan_accept(r, "]")) {
        if (t.rank)
            scan_expect(r, ",");
        if (t.rank == RANK_MAX)
            scan_fault(r, "at most 8 dimensions");
        else
            t.dim[t.rank++] = scan_dim(r);
    }
    return t;
}

bool
text_word(const char *text, size_t length)
{
    static const char *const words[] = {"true", "false", "nan", "inf", "arena"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i]) == length && !memcmp(words[i], text, length))
            return true;
    return false;
}
