/* .npy files: what is read, what is written, and what is refused with its place. */
#include "runtime/data/npy.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/nnc-npy-XXXXXX";
static char path[64];
static struct arena arena;
static struct diag diag;

static void
setup(void)
{
    cr_assert(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/x.npy", folder);
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
}

static void
teardown(void)
{
    unlink(path);
    rmdir(path);
    rmdir(folder);
    arena_free(&arena);
}

TestSuite(npy, .init = setup, .fini = teardown);

static void
write_bytes(const void *bytes, size_t size)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f && fwrite(bytes, 1, size, f) == size);
    fclose(f);
}

/* A file of version |version| with |header|, padded by a newline, and |size| bytes of data. */
static void
write_file(int version, const char *header, const void *data, size_t size)
{
    unsigned char file[4096];
    size_t n = strlen(header) + 1, at = version == 1 ? 10 : 12;
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (unsigned char)version;
    file[7] = 0;
    for (size_t i = 8; i < at; i++)
        file[i] = (unsigned char)(n >> 8 * (i - 8));
    memcpy(file + at, header, n - 1);
    file[at + n - 1] = '\n';
    memcpy(file + at + n, data, size);
    write_bytes(file, at + n + size);
}

static struct tensor
read_good(void)
{
    struct tensor t;
    bool good = npy_read(path, &t, &diag);
    cr_assert(good, "%s: %s", diag.first ? diag.first->subject : "", diag.first ? diag.first->message : "");
    return t;
}

/* The values as f64. */
static void
holds(const char *header, const void *data, size_t size, enum elem elem, const double *want, int n)
{
    for (int version = 1; version <= 3; version++) {
        write_file(version, header, data, size);
        struct tensor t = read_good();
        cr_assert(t.type.elem == elem && tensor_count(&t) == n, "%s: %d elements of %s", header, (int)tensor_count(&t),
                  elem_name((enum elem)t.type.elem));
        for (int i = 0; i < n; i++) {
            double got = elem == ELEM_F64   ? ((double *)t.data)[i]
                         : elem == ELEM_I32 ? ((int32_t *)t.data)[i]
                         : elem == ELEM_I64 ? (double)((int64_t *)t.data)[i]
                                            : ((uint8_t *)t.data)[i];
            cr_assert(got == want[i], "%s: element %d is %g", header, i, got);
        }
        tensor_free(&t);
    }
}

#define H(descr, order, shape) "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }"

Test(npy, element_types_and_byte_orders)
{
    holds(H("<f8", "False", "(2,)"), (double[]){0.1, -2}, 16, ELEM_F64, (double[]){0.1, -2}, 2);
    holds(H("<f4", "False", "(2,)"), (float[]){0.5f, -2}, 8, ELEM_F64, (double[]){0.5, -2}, 2);
    holds(H("<f2", "False", "(4,)"), "\x00\x3c\x00\xc0\x01\x00\xff\x7b", 8, ELEM_F64, (double[]){1, -2, 0x1p-24, 65504}, 4);
    holds(H("|i1", "False", "(2,)"), "\x80\x7f", 2, ELEM_I32, (double[]){-128, 127}, 2);
    holds(H("<i2", "False", "(2,)"), (int16_t[]){-32768, 5}, 4, ELEM_I32, (double[]){-32768, 5}, 2);
    holds(H("<i4", "False", "(2,)"), (int32_t[]){INT32_MIN, 5}, 8, ELEM_I32, (double[]){INT32_MIN, 5}, 2);
    holds(H("<i8", "False", "(2,)"), (int64_t[]){-((int64_t)1 << 40), 5}, 16, ELEM_I64, (double[]){-0x1p40, 5}, 2);
    holds(H("|u1", "False", "(2,)"), "\x00\xff", 2, ELEM_U8, (double[]){0, 255}, 2);
    holds(H("<u2", "False", "(2,)"), (uint16_t[]){65535, 5}, 4, ELEM_I32, (double[]){65535, 5}, 2);
    holds(H("<u4", "False", "(1,)"), (uint32_t[]){UINT32_MAX}, 4, ELEM_I64, (double[]){UINT32_MAX}, 1);
    holds(H("<u8", "False", "(1,)"), (uint64_t[]){5}, 8, ELEM_I64, (double[]){5}, 1);
    holds(H("|b1", "False", "(3,)"), "\x00\x01\x02", 3, ELEM_BOOL, (double[]){0, 1, 1}, 3);
    holds(H(">f4", "False", "(2,)"), "\x3f\x00\x00\x00\xc0\x00\x00\x00", 8, ELEM_F64, (double[]){0.5, -2}, 2);
    holds(H(">i8", "False", "(1,)"), "\x00\x00\x00\x00\x00\x00\x01\x02", 8, ELEM_I64, (double[]){258}, 1);
    holds(H(">f2", "False", "(1,)"), "\xc0\x00", 2, ELEM_F64, (double[]){-2}, 1);
}

Test(npy, orders_of_axes_and_shapes)
{
    const double want[] = {1, 2, 3, 4, 5, 6}, want3[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    holds(H("<f4", "False", "(2, 3)"), (float[]){1, 2, 3, 4, 5, 6}, 24, ELEM_F64, want, 6);
    holds(H("<f4", "True", "(2, 3)"), (float[]){1, 4, 2, 5, 3, 6}, 24, ELEM_F64, want, 6);
    holds(H("|u1", "True", "(2, 3, 2)"), "\1\7\3\x9\5\xb\2\x8\4\xa\6\xc", 12, ELEM_U8, want3, 12);
    holds(H("<f4", "False", "()"), (float[]){1}, 4, ELEM_F64, want, 1);
    holds(H("<f4", "False", "(0, 5)"), "", 0, ELEM_F64, want, 0);
    const char *python2 = "{\"shape\":(2L,3L),\"fortran_order\":False,\"descr\":\"<f4\"}   ";
    holds(python2, (float[]){1, 2, 3, 4, 5, 6}, 24, ELEM_F64, want, 6);
}

Test(npy, what_is_written_is_read)
{
    for (int e = 0; e < ELEM_COUNT; e++) {
        struct type type = {.elem = (uint8_t)e, .rank = 2, .dim = {3, 2}};
        struct tensor t = tensor_new(&type);
        for (int64_t i = 0; i < tensor_bytes(&t); i++)
            ((uint8_t *)t.data)[i] = e == ELEM_BOOL ? i % 2 : (uint8_t)(i * 7 + 1) & 0x7f;
        cr_assert(npy_write(path, &t, &diag));
        FILE *f = fopen(path, "rb");
        unsigned char head[128];
        cr_assert(fread(head, 1, sizeof head, f) == sizeof head);
        fclose(f);
        cr_assert(head[8] == 118 && head[127] == '\n', "the data begin at a multiple of 64");
        struct tensor back = read_good();
        cr_assert(back.type.rank == 2 && back.type.dim[0] == 3 && back.type.dim[1] == 2);
        for (int i = 0; i < 6; i++)
            cr_assert(e == ELEM_F32 ? ((double *)back.data)[i] == ((float *)t.data)[i]
                                    : !memcmp((char *)back.data + i * elem_size((enum elem)e),
                                              (char *)t.data + i * elem_size((enum elem)e), elem_size((enum elem)e)));
        tensor_free(&t);
        tensor_free(&back);
    }
}

Test(npy, text_of_the_header)
{
    struct type type = {.elem = ELEM_F32, .rank = 1, .dim = {1}};
    struct tensor t = tensor_new(&type);
    char head[64] = "";
    cr_assert(npy_write(path, &t, &diag));
    tensor_free(&t);
    FILE *f = fopen(path, "rb");
    fseek(f, 10, SEEK_SET);
    cr_assert(fread(head, 1, 60, f) == 60);
    fclose(f);
    cr_assert(!strncmp(head, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }  ", 59), "%s", head);
}

/* One message, whose subject is the path and |offset|, with |says| in it. */
static void
refused(int offset, const char *says)
{
    struct tensor t;
    char subject[96];
    diag_init(&diag, &arena);
    cr_assert(!npy_read(path, &t, &diag) && !t.data);
    cr_assert(diag.errors == 1 && diag.status == STATUS_INPUT);
    if (offset < 0)
        snprintf(subject, sizeof subject, "%s", path);
    else
        snprintf(subject, sizeof subject, "%s:%d", path, offset);
    const struct diagnostic *d = diag.first;
    cr_assert(!strcmp(d->subject, subject), "%s: %s, expected %d", d->subject, d->message, offset);
    cr_assert(strstr(diag.first->message, says), "%s", diag.first->message);
}

static void
header_refused(const char *header, int offset, const char *says)
{
    const float data[] = {1, 2, 3, 4, 5, 6, 7, 8};
    write_file(1, header, data, sizeof data);
    refused(offset, says);
}

Test(npy, faulty_headers_are_refused)
{
    header_refused(H("|O", "False", "(8,)"), 20, "object arrays");
    header_refused(H("<c8", "False", "(8,)"), 20, "element type");
    header_refused("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (8,)}", 20, "element type");
    header_refused(H("<f4", "Maybe", "(8,)"), 44, "True or False");
    header_refused(H("<f4", "False", "(-8,)"), 61, "dimension");
    header_refused(H("<f4", "False", "(99999999999999999999,)"), 61, "below 2^63");
    header_refused(H("<f4", "False", "(4294967296, 4294967296)"), 10, "below 2^63");
    header_refused(H("<f4", "False", "(1, 1, 1, 1, 1, 1, 1, 1, 8)"), 85, "8 dimensions");
    header_refused(H("<f4", "False", "8"), 60, "tuple");
    header_refused(H("<f4", "False", "(8 8)"), 63, "','");
    header_refused("[]", 10, "dictionary");
    header_refused("", 11, "dictionary");
    header_refused("{'descr': '<f4', 'shape': (8,)}", 41, "'fortran_order'");
    header_refused("{'dexcr': '<f4', 'fortran_order': False, 'shape': (8,)}", 11, "'descr'");
    header_refused("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (8,)}", 27, "each once");
    header_refused(H("<f4", "False", "(8,)") " x", 68, "the header's end");
    header_refused("{'descr': '<f4", 20, "element type");
}

Test(npy, sizes_that_do_not_fit_are_refused)
{
    const float data[8] = {1};
    const int header = 10 + (int)strlen(H("<f4", "False", "(9,)")) + 1;
    write_file(1, H("<f4", "False", "(9,)"), data, sizeof data);
    refused(header + 32, "36 bytes of data for [9] of f4");
    write_file(1, H("<f4", "False", "(7,)"), data, sizeof data);
    refused(header + 28, "28 bytes");
    write_file(1, H("<u8", "False", "(2,)"), (uint64_t[]){1, UINT64_MAX}, 16);
    refused(header + 8, "2^63");
    write_bytes("", 0);
    refused(0, "0 bytes");
    write_bytes("\x93NUMP", 5);
    refused(0, "5 bytes");
    write_bytes("\x93NUMPX\x01\x00\x00\x00....", 14);
    refused(0, "magic");
    write_bytes("\x93NUMPY\x09\x00\x00\x00....", 14);
    refused(6, "version 9");
    write_bytes("\x93NUMPY\x01\x00\xff\xff....", 14);
    refused(8, "65535");
    write_bytes("\x93NUMPY\x02\x00\xff\xff\xff\xff....", 16);
    refused(8, "4294967295");
    write_bytes("\x93NUMPY\x02\x00\x00\x00", 10);
    refused(10, "expected more data, found the file's end");
}

Test(npy, what_is_no_file_is_refused, .timeout = 10)
{
    refused(-1, "No such file");
    cr_assert(!mkdir(path, 0700));
    refused(-1, "directory");
    rmdir(path);
    cr_assert(!mkfifo(path, 0600));
    refused(-1, "pipe");
}
