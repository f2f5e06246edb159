/* svg: plots as text, for pages that need nothing else. Colours are CSS classes c0, c1, ... of the page. */
#ifndef NNC_FRONTEND_CLI_SVG_H
#define NNC_FRONTEND_CLI_SVG_H
#include "runtime/text.h"
#include <stdint.h>

struct svg_line {
    const char *name;       /* for the legend; NULL: shares the one before it */
    int color;              /* of the classes c0 to c7 */
    const double *x, *y;    /* |count| points; those whose y is not finite interrupt the line */
    int64_t count;
};

enum { SVG_COLORS = 8 };

/* A chart of lines; |points|: the points alone. With |diagonal| the line y = x is drawn too. Scales are linear, the y axis is
 * logarithmic if all values are above 0 and span more than a factor of 100. */
void svg_chart(struct text *out, const char *title, const char *x_name, const struct svg_line *lines, int count, bool points,
               bool diagonal);
/* A table of counts, count[row * size + column], shaded by the share of the row. */
void svg_matrix(struct text *out, const char *title, const char *row_name, const char *column_name, const int64_t *count, int size);
/* |text| with & < > " as entities. */
void html_text(struct text *out, const char *text);
#endif
