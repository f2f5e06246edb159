#include "runtime/progress.h"
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum { BAR = 20, BAR_WITHOUT = 60 /* narrower terminals get no bar */ };

static void __attribute__((format(printf, 2, 3)))
append(char text[PROGRESS_TEXT], const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, PROGRESS_TEXT - used, format, args);
    va_end(args);
}

static void
append_span(char text[PROGRESS_TEXT], double seconds)
{
    int64_t s = seconds < 1e9 ? (int64_t)(seconds + 0.5) : (int64_t)1e9;
    if (s >= 3600)
        append(text, "%" PRId64 ":%02d:%02d", s / 3600, (int)(s / 60 % 60), (int)(s % 60));
    else
        append(text, "%d:%02d", (int)(s / 60), (int)(s % 60));
}

char *
progress_line(const struct model_info *model, const struct train_report *r, char text[PROGRESS_TEXT])
{
    text[0] = 0;
    append(text, "epoch %" PRId64 "/%" PRId64 "  loss %.6g", r->epoch, r->epochs, r->loss);
    for (int i = 0; r->trained && i < model->nmetrics; i++)
        append(text, "  %s %.6g", model->metrics[i], r->trained->metrics[i]);
    if (r->valid && model->has_loss)
        append(text, "  valid_loss %.6g", r->valid->loss);
    for (int i = 0; r->valid && i < model->nmetrics; i++)
        append(text, "  valid_%s %.6g", model->metrics[i], r->valid->metrics[i]);
    if (r->lr)
        append(text, "  lr %.4g", *r->lr);
    append(text, "  %.2f s", r->seconds);
    return text;
}

char *
progress_bar(const struct train_report *r, int64_t first_rows, int columns, char text[PROGRESS_TEXT])
{
    text[0] = 0;
    append(text, "epoch %" PRId64 "/%" PRId64 " ", r->epoch, r->epochs);
    if (columns >= BAR_WITHOUT) {
        int full = (int)(r->rows_done * BAR / r->rows);
        append(text, "[%.*s%s%*s] ", full, "====================", full < BAR ? ">" : "",
               full < BAR ? BAR - 1 - full : 0, "");
    }
    append(text, "%d%%  loss %.4g", (int)(r->rows_done * 100 / r->rows), r->loss);
    int64_t done = r->rows_done - first_rows;
    if (done > 0 && r->seconds > 0) {
        double rate = (double)done / r->seconds;
        double left = (double)(r->rows - r->rows_done) + (double)(r->epochs - r->epoch) * (double)r->rows;
        append(text, "  %.0f rows/s  ", rate);
        append_span(text, left / rate);
        append(text, " left");
    }
    if (columns >= 0 && columns < PROGRESS_TEXT)
        text[columns] = 0;
    return text;
}

/* At most ten times a second. */
static bool
is_due(struct progress *p)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t passed = (int64_t)(now.tv_sec - p->shown.tv_sec) * 1000 + (now.tv_nsec - p->shown.tv_nsec) / 1000000;
    if (passed >= 100)
        p->shown = now;
    return passed >= 100;
}

void
progress_clear(struct progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", p->out);
    p->drawn = false;
    fflush(p->out);
}

void
progress_step(void *context, const struct train_report *r)
{
    struct progress *p = context;
    if (!p->columns)
        return;
    if (p->epoch != r->epoch) {
        p->epoch = r->epoch;
        p->first_rows = r->rows_done; /* the first step's time counts, its rows do not: it may have compiled */
        return;
    }
    char text[PROGRESS_TEXT];
    if (!is_due(p))
        return;
    fprintf(p->out, "\r%s\033[K", progress_bar(r, p->first_rows, p->columns - 1, text));
    p->drawn = true;
    fflush(p->out);
}

void
progress_epoch(void *context, const struct train_report *r)
{
    struct progress *p = context;
    char text[PROGRESS_TEXT];
    progress_clear(p);
    fprintf(p->out, "%s\n", progress_line(p->model, r, text));
    fflush(p->out);
}
