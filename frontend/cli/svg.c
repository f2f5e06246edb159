#include "frontend/cli/svg.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 640, HEIGHT = 300, LEFT = 64, RIGHT = 16, TOP = 34, BOTTOM = 40, TICKS = 5, LEGEND = 130 };

struct axis {
    double low, high;
    bool logarithmic;
    double from, to;        /* pixels of low and high */
};

void
html_text(struct text *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        const char *as = *c == '&' ? "&amp;" : *c == '<' ? "&lt;" : *c == '>' ? "&gt;" : *c == '"' ? "&quot;" : NULL;
        if (as)
            text_printf(out, "%s", as);
        else
            text_bytes(out, c, 1);
    }
}

static double
at(const struct axis *a, double v)
{
    double low = a->low, high = a->high;
    if (a->logarithmic) {
        v = log10(v);
        low = log10(low);
        high = log10(high);
    }
    return a->from + (high > low ? (v - low) / (high - low) : 0.5) * (a->to - a->from);
}

static void
widen(struct axis *a, double v)
{
    if (isfinite(v)) {
        a->low = fmin(a->low, v);
        a->high = fmax(a->high, v);
    }
}

/* 1, 2 or 5 times a power of ten, so that about TICKS of them fit. */
static double
step_of(double span)
{
    double raw = span / TICKS, power = pow(10, floor(log10(raw))), m = raw / power;
    return power * (m < 1.5 ? 1 : m < 3.5 ? 2 : m < 7.5 ? 5 : 10);
}

static void
put_tick(struct text *out, const struct axis *a, double v, bool vertical)
{
    double p = at(a, v);
    if (vertical)
        text_printf(out, "<line class=grid x1=%d x2=%d y1=%.1f y2=%.1f /><text x=%d y=%.1f text-anchor=end>%.4g</text>\n", LEFT,
                    WIDTH - RIGHT, p, p, LEFT - 6, p + 4, v);
    else
        text_printf(out, "<line class=grid x1=%.1f x2=%.1f y1=%d y2=%d /><text x=%.1f y=%d text-anchor=middle>%.4g</text>\n", p, p,
                    TOP, HEIGHT - BOTTOM, p, HEIGHT - BOTTOM + 16, v);
}

static void
put_axis(struct text *out, const struct axis *a, bool vertical, double least)
{
    if (a->logarithmic) {
        for (double v = pow(10, ceil(log10(a->low))); v <= a->high; v *= 10)
            put_tick(out, a, v, vertical);
        return;
    }
    double step = fmax(step_of(a->high > a->low ? a->high - a->low : 1), least);
    for (double v = ceil(a->low / step - 1e-9) * step; v <= a->high + step * 1e-9; v += step)
        put_tick(out, a, fabs(v) < step * 1e-9 ? 0 : v, vertical);
}

static void
put_line(struct text *out, const struct svg_line *l, const struct axis *x, const struct axis *y)
{
    bool open = false;
    text_printf(out, "<path class=\"line c%d\" d=\"", l->color % SVG_COLORS);
    for (int64_t i = 0; i < l->count; i++) {
        if (!isfinite(l->y[i])) {
            open = false;
            continue;
        }
        text_printf(out, "%c%.1f %.1f", open ? 'L' : 'M', at(x, l->x[i]), at(y, l->y[i]));
        open = true;
    }
    text_printf(out, "\"/>\n");
    /* A single point has no line. */
    if (l->count == 1 && isfinite(l->y[0]))
        text_printf(out, "<circle class=\"dot c%d\" r=3 cx=%.1f cy=%.1f />\n", l->color % SVG_COLORS, at(x, l->x[0]), at(y, l->y[0]));
}

static void
put_points(struct text *out, const struct svg_line *l, const struct axis *x, const struct axis *y)
{
    for (int64_t i = 0; i < l->count; i++)
        if (isfinite(l->x[i]) && isfinite(l->y[i]))
            text_printf(out, "<circle class=\"dot c%d\" r=2 cx=%.1f cy=%.1f />\n", l->color % SVG_COLORS, at(x, l->x[i]), at(y, l->y[i]));
}

static void
put_legend(struct text *out, const struct svg_line *lines, int count)
{
    int n = 0;
    for (int i = 0; i < count; i++)
        if (lines[i].name) {
            int left = WIDTH + 6, top = TOP + 18 * n++;
            text_printf(out, "<line class=\"line c%d\" x1=%d x2=%d y1=%d y2=%d /><text x=%d y=%d>", lines[i].color % SVG_COLORS, left,
                        left + 16, top, top, left + 22, top + 4);
            html_text(out, lines[i].name);
            text_printf(out, "</text>\n");
        }
}

void
svg_chart(struct text *out, const char *title, const char *x_name, const struct svg_line *lines, int count, bool points, bool diagonal)
{
    struct axis x = {INFINITY, -INFINITY, false, LEFT, WIDTH - RIGHT}, y = {INFINITY, -INFINITY, false, HEIGHT - BOTTOM, TOP};
    for (int i = 0; i < count; i++)
        for (int64_t k = 0; k < lines[i].count; k++) {
            widen(&x, lines[i].x[k]);
            widen(&y, lines[i].y[k]);
        }
    if (!(x.low <= x.high && y.low <= y.high))
        return;
    y.logarithmic = !points && y.low > 0 && y.high > 100 * y.low;
    if (diagonal) {
        x.low = y.low = fmin(x.low, y.low);
        x.high = y.high = fmax(x.high, y.high);
    }
    if (y.low == y.high) {
        y.low -= fabs(y.low) * 0.1 + 1e-9;
        y.high += fabs(y.high) * 0.1 + 1e-9;
    }
    text_printf(out, "<svg viewBox=\"0 0 %d %d\" role=img><text class=title x=%d y=18>", WIDTH + LEGEND, HEIGHT, LEFT);
    html_text(out, title);
    text_printf(out, "</text>\n");
    put_axis(out, &x, false, points ? 0 : 1); /* lines stand over epochs, which are whole */
    put_axis(out, &y, true, 0);
    text_printf(out, "<text x=%d y=%d text-anchor=middle>", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6);
    html_text(out, x_name);
    text_printf(out, "</text>\n");
    if (diagonal)
        text_printf(out, "<line class=grid x1=%.1f y1=%.1f x2=%.1f y2=%.1f />\n", x.from, y.from, x.to, y.to);
    for (int i = 0; i < count; i++)
        (points ? put_points : put_line)(out, &lines[i], &x, &y);
    put_legend(out, lines, count);
    text_printf(out, "</svg>\n");
}

void
svg_matrix(struct text *out, const char *title, const char *row_name, const char *column_name, const int64_t *count, int size)
{
    int cell = size <= 12 ? 40 : 480 / size, side = LEFT + cell * size;
    text_printf(out, "<svg viewBox=\"0 0 %d %d\" role=img style=\"max-width:%dpx\"><text class=title x=8 y=18>", side + RIGHT, side + 16, side + RIGHT);
    html_text(out, title);
    text_printf(out, "</text>\n<text x=%d y=%d text-anchor=middle>", LEFT + cell * size / 2, 38);
    html_text(out, column_name);
    text_printf(out, "</text>\n<text x=8 y=%d>", LEFT - 2);
    html_text(out, row_name);
    text_printf(out, "</text>\n");
    for (int r = 0; r < size; r++) {
        int64_t sum = 0;
        for (int c = 0; c < size; c++)
            sum += count[r * size + c];
        for (int c = 0; c < size; c++) {
            int64_t n = count[r * size + c];
            double share = sum ? (double)n / (double)sum : 0;
            text_printf(out, "<rect class=\"%s\" x=%d y=%d width=%d height=%d fill-opacity=%.3f><title>%d, %d: %" PRId64 "</title></rect>\n",
                        r == c ? "right" : "wrong", LEFT + c * cell, LEFT + r * cell, cell - 1, cell - 1, 0.08 + 0.72 * share, r, c, n);
            if (cell >= 24)
                text_printf(out, "<text x=%d y=%d text-anchor=middle>%" PRId64 "</text>\n", LEFT + c * cell + cell / 2, LEFT + r * cell + cell / 2 + 4, n);
        }
        if (cell >= 14)
            text_printf(out, "<text x=%d y=%d text-anchor=end>%d</text><text x=%d y=%d text-anchor=middle>%d</text>\n", LEFT - 6,
                        LEFT + r * cell + cell / 2 + 4, r, LEFT + r * cell + cell / 2, LEFT - 4, r);
    }
    text_printf(out, "</svg>\n");
}
