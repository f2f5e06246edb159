/* csv: files of rows of cells (RFC 4180, and what people make of it).
 *
 * Cells are separated by one character; a row ends with LF or CRLF; empty lines are skipped. A cell in double quotes may hold
 * separators, ends of lines and "" for a quote. Blanks around numbers and quoted cells are ignored. A column is one of numbers
 * if all its cells are (missing ones counted as `missing` says), else one of text. */
#ifndef NNC_RUNTIME_DATA_CSV_H
#define NNC_RUNTIME_DATA_CSV_H
#include "runtime/data/values.h"

/* What becomes of cells that hold no number: empty ones, NA, nan, inf. */
enum csv_missing { MISSING_ERROR, MISSING_DROP, MISSING_NUMBER };

struct csv_format {
    bool header, quotes;
    char separator, decimal;
    enum csv_missing missing;
    double number;         /* what stands for them; may be NaN */
};

enum { CSV_LINE_MAX = 16 << 20, CSV_COLUMNS_MAX = 1 << 20 }; /* bytes of a row; columns */

/* Reads |path| into |out|, whose memory is the context's pool and arena. Reports "PATH:LINE:FIELD", both from 1, and returns
 * false if it cannot be read, holds no rows, rows of different lengths, an open quote, a NUL byte or a row over CSV_LINE_MAX. */
bool csv_read(struct data_context *c, const char *path, const struct csv_format *format, struct data_table *out);

/* The cell |length| at |text| for a message: in quotes, cut to 40 characters, escaped. */
const char *csv_show(const char *text, int64_t length, struct arena *arena);
#endif
