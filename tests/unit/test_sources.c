/* Files that are compressed beyond reason, change while they are read, are no files, or hold too much in a line. */
#include "runtime/data/csv.h"
#include "runtime/data/npy.h"
#include "runtime/data/readers.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static char folder[] = "/tmp/nnc-sources-XXXXXX";
static char path[64], packed[64];
static struct arena arena;
static struct diag diag;

static void
setup(void)
{
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/x", folder);
    snprintf(packed, sizeof packed, "%s/x.gz", folder);
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
}

static void
teardown(void)
{
    unlink(path);
    unlink(packed);
    rmdir(folder);
    arena_free(&arena);
}

TestSuite(sources, .init = setup, .fini = teardown);

static void
told(const char *says)
{
    cr_assert(diag.errors == 1 && strstr(diag.first->message, says), "%s: %s", says, diag.first ? diag.first->message : "nothing");
    diag_init(&diag, &arena);
}

/* |size| bytes of zeros behind |head|, compressed. */
static void
write_packed(const void *head, unsigned n, int64_t size)
{
    static const char zeros[1 << 20];
    gzFile f = gzopen(packed, "wb9");
    cr_assert(f && gzwrite(f, head, n) == (int)n);
    for (; size > 0; size -= (int64_t)sizeof zeros)
        cr_assert(gzwrite(f, zeros, sizeof zeros) == sizeof zeros);
    gzclose(f);
}

static struct csv_format plain = {.quotes = true, .separator = ',', .decimal = '.'};

Test(sources, bombs_are_stopped_at_their_limit, .timeout = 60)
{
    struct data_source s;
    struct tensor t;
    struct data_table table;
    struct data_context c = {.arena = &arena, .diag = &diag};
    write_packed("", 0, (int64_t)200 << 20);
    cr_assert(source_open(&s, packed, NULL, &diag) && !bytes_read(&s, &t) && !t.data);
    source_close(&s);
    told("compressed file");
    cr_assert(!csv_read(&c, packed, &plain, &table));
    told("NUL");
    const unsigned char idx[] = {0, 0, 8, 1, 0xff, 0xff, 0xff, 0xff};
    write_packed(idx, sizeof idx, 1 << 20);
    cr_assert(source_open(&s, packed, NULL, &diag) && !idx_read(&s, &t) && !t.data);
    source_close(&s);
    told("4294967295 bytes of data");
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    cr_assert(use.ru_maxrss < 400 << 10, "%ld kB", use.ru_maxrss);
    const char zero = 0;
    FILE *f = fopen(path, "wb");
    fwrite(&zero, 1, 1, f);
    fclose(f);
    int64_t size;
    int fd = source_descriptor(path, NULL, &size, &diag);
    cr_assert(fd >= 0 && !source_open_member(&s, "z/x", fd, 0, 100000, (int64_t)100 << 20, 0, true, &diag));
    close(fd);
    told("at most 500 times the 100000 compressed bytes");
}

Test(sources, several_parts_are_one_file)
{
    struct data_source s;
    struct tensor t;
    for (int i = 0; i < 3; i++) {
        gzFile f = gzopen(packed, i ? "ab" : "wb");
        gzwrite(f, "ab", 2);
        gzclose(f);
    }
    cr_assert(source_open(&s, packed, NULL, &diag) && bytes_read(&s, &t));
    source_close(&s);
    cr_assert(t.type.dim[0] == 6 && !memcmp(t.data, "ababab", 6));
    tensor_free(&t);
    FILE *f = fopen(packed, "ab");
    fwrite("junk", 1, 4, f);
    fclose(f);
    cr_assert(source_open(&s, packed, NULL, &diag) && !bytes_read(&s, &t));
    source_close(&s);
    told("gzip data");
}

/* Replaces |n| bytes of the compressed file. */
static void
patch(long at, int whence, const void *bytes, size_t n)
{
    FILE *f = fopen(packed, "r+b");
    cr_assert(f && !fseek(f, at, whence) && fwrite(bytes, 1, n, f) == n);
    fclose(f);
}

/* The length at its end only helps to read a compressed file faster; every byte of it is checked in any case. */
Test(sources, small_compressed_files_are_checked_to_their_end)
{
    struct data_source s;
    struct tensor t;
    const char text[] = "some bytes";
    const struct {
        long at;
        unsigned char bytes[4];
        const char *says;
    } damages[] = {{-4, {9, 0, 16, 0}, "incorrect length check"}, {-4, {255, 255, 255, 255}, "incorrect length check"},
                   {-4, {0, 0, 0, 0}, "incorrect length check"}, {-8, {1, 2, 3, 4}, "incorrect data check"}};
    for (int i = -1; i < 4; i++) {
        write_packed(text, sizeof text, 1 << 20);
        if (i >= 0)
            patch(damages[i].at, SEEK_END, damages[i].bytes, 4);
        cr_assert(source_open(&s, packed, NULL, &diag));
        bool good = bytes_read(&s, &t);
        source_close(&s);
        if (i >= 0) {
            cr_assert(!good);
            told(damages[i].says);
            continue;
        }
        cr_assert(good && t.type.dim[0] == (1 << 20) + (int)sizeof text && !memcmp(t.data, text, sizeof text));
        for (int64_t k = sizeof text; k < t.type.dim[0]; k++)
            cr_assert(!((const char *)t.data)[k]);
        tensor_free(&t);
    }
}

/* Cut off, lengthened or rewritten while it is open. */
Test(sources, a_file_that_changes_is_refused)
{
    char some[100];
    int64_t got;
    for (int k = 0; k < 3; k++) {
        struct data_source s;
        FILE *f = fopen(path, "wb");
        for (int i = 0; i < 100000; i++)
            putc('1', f);
        fclose(f);
        cr_assert(source_open(&s, path, NULL, &diag) && source_some(&s, some, 100, &got) && got == 100);
        if (k == 0)
            cr_assert(!truncate(path, 5000));
        else {
            usleep(20000); /* the clock of file times is coarse */
            f = fopen(path, k == 1 ? "ab" : "r+b");
            putc('2', f);
            fclose(f);
        }
        bool good = true;
        while (good && (good = source_some(&s, some, 100, &got)) && got == 100)
            ;
        cr_assert(!good);
        source_close(&s);
        char whole[2][200];
        snprintf(whole[0], sizeof whole[0], "%s:5000: error: expected more data, found the file's end", path);
        snprintf(whole[1], sizeof whole[1], "%s: error: the file was changed while it was read", path);
        cr_assert(diag.errors == 1 && !diag.first->next && diag.first->severity == SEVERITY_ERROR);
        char *said = arena_printf(&arena, "%s: error: %s", diag.first->subject, diag.first->message);
        cr_expect_str_eq(said, whole[k > 0]);
        diag_init(&diag, &arena);
    }
}

Test(sources, what_is_no_file_is_refused)
{
    struct data_source s;
    cr_assert(!source_open(&s, path, NULL, &diag));
    told("No such file");
    cr_assert(!source_open(&s, folder, NULL, &diag));
    told("a directory");
    cr_assert(!mkfifo(path, 0600) && !source_open(&s, path, NULL, &diag));
    told("a pipe or a device");
    unlink(path);
    cr_assert(!source_open(&s, "/dev/zero", NULL, &diag));
    told("a pipe or a device");
}

/* A row of more than the limit, with an open quote and without. */
Test(sources, long_rows_are_refused, .timeout = 60)
{
    for (int quote = 0; quote < 2; quote++) {
        struct data_table table;
        struct data_context c = {.arena = &arena, .diag = &diag};
        FILE *f = fopen(path, "wb");
        fputs(quote ? "1\n\"" : "1\n", f);
        for (int i = 0; i < CSV_LINE_MAX + 100; i++)
            putc('1', f);
        fclose(f);
        cr_assert(!csv_read(&c, path, &plain, &table));
        cr_assert(strstr(diag.first->subject, ":2:1"));
        told(quote ? "not closed" : "at most 16 MiB");
        data_pool_free(&c.pool);
    }
}

static void
count(void *context, const struct data_progress *p)
{
    int *calls = context;
    calls[p->finished]++;
    cr_assert(p->done <= p->size && p->seconds >= 0);
}

Test(sources, progress_is_told_only_of_long_reading)
{
    struct data_source s;
    char some[1000];
    int64_t got;
    for (int slow = 0; slow < 2; slow++) {
        int calls[2] = {0};
        FILE *f = fopen(path, "wb");
        for (int i = 0; i < 3000; i++)
            putc('1', f);
        fclose(f);
        cr_assert(source_open(&s, path, &(struct data_watch){.call = count, .context = calls}, &diag));
        cr_assert(source_some(&s, some, 1000, &got));
        if (slow)
            usleep(1050000);
        cr_assert(source_some(&s, some, 1000, &got) && source_some(&s, some, 1000, &got) && source_end(&s));
        source_close(&s);
        cr_assert(slow ? calls[0] >= 1 && calls[1] == 1 : !calls[0] && !calls[1], "%d %d", calls[0], calls[1]);
    }
}
