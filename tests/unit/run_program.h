/* run_program: tests that start the program nnc itself, in a folder of their own below the temporary one. */
#ifndef NNC_TESTS_RUN_PROGRAM_H
#define NNC_TESTS_RUN_PROGRAM_H
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef NNC_PROGRAM
#define NNC_PROGRAM "nnc" /* found by PATH */
#endif

struct run {
    char folder[64];        /* the current folder of what is run */
    char *text;             /* both outputs of the last command */
    int status;             /* its exit code, or 128 + signal */
};

static inline void
run_init(struct run *r)
{
    *r = (struct run){.folder = P_tmpdir "/nnc-run-XXXXXX"};
    cr_assert(mkdtemp(r->folder), "%s", r->folder);
}

/* Runs `nnc ARGUMENTS` as a shell would. */
static inline int __attribute__((format(printf, 2, 3)))
run_nnc(struct run *r, const char *format, ...)
{
    char command[4096];
    int n = snprintf(command, sizeof command, "cd %s && '%s' ", r->folder, NNC_PROGRAM);
    va_list list;
    va_start(list, format);
    n += vsnprintf(command + n, sizeof command - (size_t)n, format, list);
    va_end(list);
    snprintf(command + n, sizeof command - (size_t)n, " 2>&1");
    FILE *p = popen(command, "r");
    cr_assert(p, "%s", command);
    free(r->text);
    size_t length = 0, size;
    r->text = NULL;
    FILE *out = open_memstream(&r->text, &size);
    for (char part[4096]; (length = fread(part, 1, sizeof part, p)) > 0;)
        fwrite(part, 1, length, out);
    fclose(out);
    int status = pclose(p);
    return r->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* The file NAME of the folder; free it. NULL if it is not there. */
static inline char *
run_file(const struct run *r, const char *name)
{
    char path[512], *text = NULL;
    size_t size;
    snprintf(path, sizeof path, "%s/%s", r->folder, name);
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    FILE *out = open_memstream(&text, &size);
    for (int c; (c = getc(f)) != EOF;)
        putc(c, out);
    fclose(f);
    fclose(out);
    return text;
}

static inline void
run_write(const struct run *r, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", r->folder, name);
    FILE *f = fopen(path, "wb");
    cr_assert(f && fputs(text, f) >= 0 && !fclose(f), "%s", path);
}

/* The last number of the column of a table with commas; NAN if there is none such. */
static inline double
run_last(const char *table, const char *column)
{
    if (!table)
        return __builtin_nan("");
    int at = 0;
    size_t length = strlen(column), end = strcspn(table, "\n");
    const char *p = table;
    for (; strncmp(p, column, length) || (p[length] != ',' && p[length] != '\n'); at++) {
        p += strcspn(p, ",\n");
        if ((size_t)(p - table) >= end)
            return __builtin_nan("");
        p++;
    }
    const char *last = table + strlen(table);
    while (last > table && last[-1] == '\n')
        last--;
    while (last > table && last[-1] != '\n')
        last--;
    for (; at > 0; at--)
        last += strcspn(last, ",") + 1;
    return strtod(last, NULL);
}

/* Removes the folder, which holds files only. */
static inline void
run_end(struct run *r)
{
    DIR *d = opendir(r->folder);
    for (struct dirent *e; d && (e = readdir(d));)
        unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    rmdir(r->folder);
    free(r->text);
}
#endif
