/* kernel_conv: convolutions and their two derivatives (numerics.md, item 3): sets of chains acc = fma(a, b, acc) from +0:
 *
 *  conv         y[n, q, f] over kernel row, kernel column, channel c: a = x[n, q * s + k * d - before, c],   b = w[k, c, f]
 *  conv_input   x[n, p, c] over kernel row, kernel column, filter f:  a = g[n, (p + before - k * d) / s, f], b = w[k, c, f]
 *  conv_weight  w[k, c, f] over image n, result row, result column q: a = x[n, q * s + k * d - before, c],   b = g[n, q, f]
 *
 * with s the stride and d the dilation. What lies outside of an image, or between the steps of the stride, is skipped. The
 * right operand goes through panels of as many channels as a row of conv_run.h holds; neighbouring places with the same taps
 * are one run. */
#include "runtime/conv_run.h"
#include "runtime/kernel_impl.h"
#include <string.h>

enum { CACHED = 128 * 1024 }; /* bytes of a panel of conv_weight */

/* One axis of the images: places of x, of y, of the kernel. */
struct axis {
    int64_t x, y, k, stride, dilation, before;
};
struct shape {
    int64_t images, channels, filters;
    struct axis row, column;
    size_t size;    /* bytes of an element */
};

static struct axis
axis_of(const struct type *x, const struct type *y, const struct type *w, const struct attr *attr, int i)
{
    return (struct axis){.x = x->dim[i + 1], .y = y->dim[i + 1], .k = w->dim[i], .stride = attr->conv.stride[i],
                         .dilation = attr->conv.dilation[i], .before = attr->conv.before[i]};
}

static struct shape
shape_of(const struct type *x, const struct type *y, const struct type *w, const struct attr *attr)
{
    struct shape s = {.images = x->dim[0], .channels = x->dim[x->rank - 1], .filters = y->dim[y->rank - 1]};
    s.size = elem_size(x->elem);
    s.column = axis_of(x, y, w, attr, x->rank - 3);
    s.row = x->rank == 4 ? axis_of(x, y, w, attr, 0) : (struct axis){1, 1, 1, 1, 1, 0};
    return s;
}

static int64_t
lanes_of(const struct shape *s)
{
    return CONV_ROW_BYTES / (int64_t)s->size;
}

static void
run(const struct shape *s, const struct conv_run *r, const char *x, const char *panel, char *out, const struct isa *isa)
{
    if (s->size == sizeof(float))
        isa->conv_f32(r, (const float *)x, (const float *)panel, (float *)out);
    else
        isa->conv_f64(r, (const double *)x, (const double *)panel, (double *)out);
}

/* Columns [first, first + lanes) of |rows| rows of |width| elements. */
static void
pack_rows(const struct shape *s, char *panel, const char *from, int64_t rows, int64_t width, int64_t first, int64_t lanes)
{
    size_t bytes = (size_t)lanes * s->size, step = (size_t)width * s->size;
    from += (size_t)first * s->size;
    for (int64_t i = 0; i < rows; i++, from += step, panel += CONV_ROW_BYTES) {
        memcpy(panel, from, bytes);
        memset(panel + bytes, 0, CONV_ROW_BYTES - bytes);
    }
}

/* Channels [first, first + lanes) of w [taps, channels, filters], a row for each tap and filter. */
static void
pack_channels(const struct shape *s, char *panel, const char *w, int64_t taps, int64_t first, int64_t lanes)
{
    if (lanes < lanes_of(s))
        memset(panel, 0, (size_t)(taps * s->filters) * CONV_ROW_BYTES);
    for (int64_t t = 0; t < taps; t++)
        for (int64_t l = 0; l < lanes; l++) {
            const char *from = w + (size_t)((t * s->channels + first + l) * s->filters) * s->size;
            char *to = panel + (size_t)(t * s->filters) * CONV_ROW_BYTES + (size_t)l * s->size;
            for (int64_t f = 0; f < s->filters; f++, to += CONV_ROW_BYTES)
                if (s->size == sizeof(float))
                    *(float *)to = ((const float *)from)[f];
                else
                    *(double *)to = ((const double *)from)[f];
        }
}

/* ---- conv and conv_input: a result image from a source image ---- */

/* The place of the source that tap |k| of place |p| of the result shows; false if there is none. |back|: of conv_input. */
static bool
source_at(const struct axis *a, bool back, int64_t p, int64_t k, int64_t *out)
{
    if (!back) {
        *out = p * a->stride + k * a->dilation - a->before;
        return *out >= 0 && *out < a->x;
    }
    int64_t at = p + a->before - k * a->dilation;
    *out = at / a->stride;
    return at >= 0 && at % a->stride == 0 && *out < a->y;
}

static bool
same_taps(const struct axis *a, bool back, int64_t p, int64_t q)
{
    int64_t unused;
    for (int64_t k = 0; k < a->k; k++)
        if (source_at(a, back, p, k, &unused) != source_at(a, back, q, k, &unused))
            return false;
    return true;
}

/* Result columns first, first + step, ... that have the same taps; their sources are neighbours in the same way. */
struct stretch {
    int64_t first, count;
};

static int64_t
find_stretches(const struct axis *a, bool back, struct stretch *out)
{
    int64_t n = 0, step = back ? a->stride : 1, places = back ? a->x : a->y;
    for (int64_t residue = 0; residue < step && residue < places; residue++)
        for (int64_t p = residue; p < places; p += step)
            if (p > residue && same_taps(a, back, out[n - 1].first, p))
                out[n - 1].count++;
            else
                out[n++] = (struct stretch){p, 1};
    return n;
}

/* The taps of result row |p| and the columns of a stretch, kernel row by kernel row. */
static int64_t
find_segments(const struct shape *s, bool back, int64_t p, int64_t column, int64_t depth, struct conv_segment *out)
{
    int64_t n = 0, width = back ? s->column.y : s->column.x, row, at;
    for (int64_t i = 0; i < s->row.k; i++) {
        if (!source_at(&s->row, back, p, i, &row))
            continue;
        for (int64_t j = 0; j < s->column.k; j++)
            if (source_at(&s->column, back, column, j, &at))
                out[n++] = (struct conv_segment){(row * width + at) * depth, (i * s->column.k + j) * depth};
    }
    return n;
}

/* What a call of conv or conv_input works on. */
struct images {
    const struct shape *s;
    bool back;
    const char *source, *panel;
    char *result;
    int64_t depth, width;           /* channels of the source, of the result */
    struct conv_segment *segments;
    struct stretch *stretches;
    int64_t nstretches;
    const struct isa *isa;
};

/* Channels [first, first + lanes) of the result, which |m->panel| is for. */
static void
result_channels(const struct images *m, int64_t first, int64_t lanes)
{
    const struct axis *row = &m->s->row, *column = &m->s->column;
    int64_t source = (m->back ? row->y * column->y : row->x * column->x) * m->depth;
    int64_t rows = m->back ? row->x : row->y, columns = m->back ? column->x : column->y, step = m->back ? column->stride : 1;
    struct conv_run r = {.count = m->depth, .step = 1, .segments = m->segments, .lanes = lanes, .out_step = step * m->width};
    r.position_step = m->back ? m->depth : column->stride * m->depth;
    for (int64_t p = 0; p < rows; p++)
        for (int64_t i = 0; i < m->nstretches; i++) {
            int64_t at = m->stretches[i].first;
            r.positions = m->stretches[i].count;
            r.nsegments = find_segments(m->s, m->back, p, at, m->depth, m->segments);
            for (int64_t n = 0; n < m->s->images; n++)
                run(m->s, &r, m->source + (size_t)(n * source) * m->s->size, m->panel,
                    m->result + (size_t)(((n * rows + p) * columns + at) * m->width + first) * m->s->size, m->isa);
        }
}

static bool
convolve(const struct shape *s, bool back, const struct tensor *source, const struct tensor *w, struct tensor *result,
         struct kernel_context *k)
{
    int64_t taps = s->row.k * s->column.k, columns = back ? s->column.x : s->column.y;
    struct images m = {.s = s, .back = back, .source = source->data, .result = result->data, .isa = kernel_isa(k)};
    m.depth = back ? s->filters : s->channels;
    m.width = back ? s->channels : s->filters;
    size_t panel = (size_t)(taps * m.depth) * CONV_ROW_BYTES, segments = round64((size_t)taps * sizeof *m.segments);
    char *scratch = kernel_scratch(k, panel + segments + (size_t)columns * sizeof *m.stretches);
    if (!scratch)
        return false;
    m.panel = scratch;
    m.segments = (struct conv_segment *)(scratch + panel);
    m.stretches = (struct stretch *)(scratch + panel + segments);
    m.nstretches = find_stretches(&s->column, back, m.stretches);
    for (int64_t first = 0; first < m.width; first += lanes_of(s)) {
        int64_t lanes = m.width - first < lanes_of(s) ? m.width - first : lanes_of(s);
        if (back)
            pack_channels(s, scratch, w->data, taps, first, lanes);
        else
            pack_rows(s, scratch, w->data, taps * m.depth, m.width, first, lanes);
        result_channels(&m, first, lanes);
    }
    return true;
}

bool
kernel_CONV(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    struct shape s = shape_of(&in[0]->type, &out->type, &in[1]->type, n->attr);
    return convolve(&s, false, in[0], in[1], out, k);
}

bool
kernel_CONV_INPUT(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    struct shape s = shape_of(&out->type, &in[0]->type, &in[1]->type, n->attr);
    return convolve(&s, true, in[0], in[1], out, k);
}

/* ---- conv_weight ---- */

/* The columns [*out_first, end) of y whose tap |k| lies inside of the image; returns their number. */
static int64_t
inside(const struct axis *a, int64_t k, int64_t *out_first)
{
    int64_t first = 0, end = a->y, at;
    while (first < end && !source_at(a, false, first, k, &at))
        first++;
    while (end > first && !source_at(a, false, end - 1, k, &at))
        end--;
    *out_first = first;
    return end - first;
}

/* Goes on with the chains of filters [first, first + lanes) over |images| images, whose gradients |panel| holds. */
static void
weight_filters(const struct shape *s, const char *x, const char *panel, char *out, int64_t images, int64_t first,
               int64_t lanes, struct conv_segment *segments, const struct isa *isa)
{
    struct conv_run r = {.positions = s->channels, .position_step = 1, .segments = segments, .lanes = lanes, .more = true};
    r.step = s->column.stride * s->channels;
    r.out_step = s->filters;
    for (int64_t i = 0; i < s->row.k; i++)
        for (int64_t j = 0; j < s->column.k; j++) {
            int64_t column, row, at;
            r.nsegments = 0;
            r.count = inside(&s->column, j, &column);
            if (!r.count || !source_at(&s->column, false, column, j, &at))
                continue;
            for (int64_t n = 0; n < images; n++)
                for (int64_t p = 0; p < s->row.y; p++)
                    if (source_at(&s->row, false, p, i, &row))
                        segments[r.nsegments++] =
                            (struct conv_segment){((n * s->row.x + row) * s->column.x + at) * s->channels,
                                                  (n * s->row.y + p) * s->column.y + column};
            run(s, &r, x, panel, out + (size_t)((i * s->column.k + j) * s->channels * s->filters + first) * s->size, isa);
        }
}

bool
kernel_CONV_WEIGHT(const struct node *n, const struct tensor *const *in, struct tensor *out, struct kernel_context *k)
{
    struct shape s = shape_of(&in[0]->type, &in[1]->type, &out->type, n->attr);
    int64_t places = s.row.y * s.column.y, block = CACHED / CONV_ROW_BYTES / (places + 1) + 1;
    size_t x_image = (size_t)(s.row.x * s.column.x * s.channels) * s.size, g_image = (size_t)(places * s.filters) * s.size;
    size_t panel = (size_t)(block * places) * CONV_ROW_BYTES;
    char *scratch = kernel_scratch(k, panel + (size_t)(block * s.row.y) * sizeof(struct conv_segment));
    if (!scratch)
        return false;
    struct conv_segment *segments = (struct conv_segment *)(scratch + panel);
    memset(out->data, 0, dense_bytes(&out->type));
    for (int64_t i = 0; i < s.images; i += block) {
        int64_t images = s.images - i < block ? s.images - i : block;
        const char *x = (const char *)in[0]->data + (size_t)i * x_image;
        const char *g = (const char *)in[1]->data + (size_t)i * g_image;
        for (int64_t first = 0; first < s.filters; first += lanes_of(&s)) {
            int64_t lanes = s.filters - first < lanes_of(&s) ? s.filters - first : lanes_of(&s);
            pack_rows(&s, scratch, g, images * places, s.filters, first, lanes);
            weight_filters(&s, x, scratch, out->data, images, first, lanes, segments, kernel_isa(k));
        }
    }
    return true;
}
