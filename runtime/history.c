#define _GNU_SOURCE /* getline */
#include "runtime/history.h"
#include "runtime/number_text.h"
#include "runtime/text.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool
report(const char *path, int error, struct diag *diag)
{
    diag_subject(diag, FILE_NOT_WRITTEN, path, strerror(error ? error : EIO));
    return false;
}

/* The number in field |field| of a CSV line; -1 if there is none. */
static int64_t
field_number(const char *line, int field)
{
    for (; field; field--) {
        line = strchr(line, ',');
        if (!line)
            return -1;
        line++;
    }
    return *line >= '0' && *line <= '9' ? strtoll(line, NULL, 10) : -1;
}

/* Whether the row stays; its number (epoch or step) stands in |field|, behind run and fold if there are these. */
static bool
row_stays(const char *line, int field, const struct table_start *start)
{
    int64_t number = field_number(line, field), run = field_number(line, 0), fold = field_number(line, 1);
    if (number < 0)
        return false;
    if (!start->several || (run == start->run && fold == start->fold))
        return number <= start->last;
    return start->finished || fold < start->fold || (fold == start->fold && run < start->run);
}

/* Where the rows end that stay; 0 if the file has other columns. A line that was not finished is dropped. */
static off_t
kept_size(FILE *f, const char *header, int field, const struct table_start *start)
{
    char *line = NULL;
    size_t room = 0;
    off_t kept = 0;
    for (ssize_t n; (n = getline(&line, &room, f)) > 0 && line[n - 1] == '\n'; kept += n)
        if (kept ? !row_stays(line, field, start) : strcmp(line, header) != 0)
            break;
    free(line);
    return kept;
}

/* Opens a table, keeps the rows that stay, and puts the header where there is none. */
static bool
table_open(struct table_file *t, const char *path, const char *header, int field, const struct table_start *start,
           struct diag *diag)
{
    *t = (struct table_file){.path = path};
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | (start->goes_on ? 0 : O_TRUNC), 0666);
    if (fd < 0)
        return report(path, errno, diag);
    t->file = fdopen(fd, "r+");
    if (!t->file) {
        close(fd);
        return report(path, ENOMEM, diag);
    }
    struct stat st;
    bool regular = !fstat(fd, &st) && S_ISREG(st.st_mode);
    off_t kept = start->goes_on && regular ? kept_size(t->file, header, field, start) : 0;
    if (regular && (fseeko(t->file, kept, SEEK_SET) || ftruncate(fd, kept))) {
        int error = errno;
        fclose(t->file);
        t->file = NULL;
        return report(path, error, diag);
    }
    if (!kept && (regular || !start->goes_on || !start->several))
        fputs(header, t->file);
    return table_flush(t, diag);
}

bool
table_flush(struct table_file *t, struct diag *diag)
{
    return !t->file || (!fflush(t->file) && !ferror(t->file)) || report(t->path, errno, diag);
}

bool
table_close(struct table_file *t, struct diag *diag)
{
    bool flushed = table_flush(t, diag);
    bool closed = !t->file || !fclose(t->file) || !flushed || report(t->path, errno, diag);
    t->file = NULL;
    return flushed && closed;
}

static void
put_number(FILE *f, enum elem e, double x)
{
    char text[NUMBER_TEXT];
    fputc(',', f);
    fwrite(text, 1, (size_t)number_text(e, x, text), f);
}

static void
put_metrics(FILE *f, const struct model_info *model, const struct evaluation *e)
{
    for (int i = 0; i < model->nmetrics; i++)
        put_number(f, model->metric_elems ? model->metric_elems[i] : ELEM_F32, e->metrics[i]);
}

static char *
history_header(const struct model_info *model, unsigned columns)
{
    struct text t = {0};
    text_printf(&t, "run,fold,epoch,step,loss");
    for (int i = 0; columns & HISTORY_TRAINED && i < model->nmetrics; i++)
        text_printf(&t, ",%s", model->metrics[i]);
    if (columns & HISTORY_VALID && model->has_loss)
        text_printf(&t, ",valid_loss");
    for (int i = 0; columns & HISTORY_VALID && i < model->nmetrics; i++)
        text_printf(&t, ",valid_%s", model->metrics[i]);
    text_printf(&t, "%s%s\n", columns & HISTORY_LR ? ",lr" : "", columns & HISTORY_SECONDS ? ",seconds" : "");
    if (t.failed) {
        free(t.data);
        return NULL;
    }
    return t.data;
}

bool
history_open(struct table_file *t, const char *path, const struct model_info *model, unsigned columns,
             const struct table_start *start, struct diag *diag)
{
    *t = (struct table_file){0};
    if (!path)
        return true;
    char *header = history_header(model, columns);
    bool opened = header ? table_open(t, path, header, 2, start, diag) : report(path, ENOMEM, diag);
    free(header);
    return opened;
}

void
history_add(struct table_file *t, const struct model_info *model, unsigned columns, const struct epoch_row *row)
{
    if (!t->file)
        return;
    fprintf(t->file, "%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64, row->run, row->fold, row->epoch, row->step);
    put_number(t->file, model->loss_elem, row->loss);
    if (columns & HISTORY_TRAINED)
        put_metrics(t->file, model, row->trained);
    if (columns & HISTORY_VALID && model->has_loss)
        put_number(t->file, model->loss_elem, row->valid->loss);
    if (columns & HISTORY_VALID)
        put_metrics(t->file, model, row->valid);
    if (columns & HISTORY_LR)
        put_number(t->file, ELEM_F64, *row->lr);
    if (columns & HISTORY_SECONDS)
        put_number(t->file, ELEM_F64, row->seconds);
    fputc('\n', t->file);
}

bool
steps_open(struct table_file *t, const char *path, const struct table_start *start, struct diag *diag)
{
    *t = (struct table_file){0};
    return !path || table_open(t, path, start->several ? "run,fold,step,loss\n" : "step,loss\n", start->several ? 2 : 0, start,
                               diag);
}

void
steps_add(struct table_file *t, const struct table_start *start, int64_t step, enum elem elem, double loss)
{
    if (!t->file)
        return;
    if (start->several)
        fprintf(t->file, "%" PRId64 ",%" PRId64 ",", start->run, start->fold);
    fprintf(t->file, "%" PRId64, step);
    put_number(t->file, elem, loss);
    fputc('\n', t->file);
}
