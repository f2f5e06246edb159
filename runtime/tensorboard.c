#define _GNU_SOURCE /* asprintf */
#include "runtime/tensorboard.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TAG_MAX = 1000 };

uint32_t
crc32c(const void *bytes, size_t size)
{
    const uint8_t *b = bytes;
    uint32_t crc = ~UINT32_C(0);
    for (size_t i = 0; i < size; i++) {
        crc ^= b[i];
        for (int k = 0; k < 8; k++)
            crc = crc >> 1 ^ (UINT32_C(0x82f63b78) & -(crc & 1));
    }
    return ~crc;
}

static uint32_t
masked(const void *bytes, size_t size)
{
    uint32_t crc = crc32c(bytes, size);
    return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

static uint8_t *
put_little(uint8_t *at, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *at++ = (uint8_t)(value >> 8 * i);
    return at;
}

size_t
event_record(const void *bytes, size_t size, uint8_t *out)
{
    uint8_t *at = put_little(out, size, 8);
    at = put_little(at, masked(out, 8), 4);
    memcpy(at, bytes, size);
    at = put_little(at + size, masked(bytes, size), 4);
    return (size_t)(at - out);
}

/* ---- protocol buffers: a field is its number << 3 | how it is written, then the value ---- */

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum event_field { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2 };

static uint8_t *
put_varint(uint8_t *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *
put_key(uint8_t *at, int field, enum wire wire)
{
    return put_varint(at, (uint64_t)field << 3 | wire);
}

static uint8_t *
put_bytes(uint8_t *at, int field, const void *bytes, size_t size)
{
    at = put_varint(put_key(at, field, WIRE_BYTES), size);
    memcpy(at, bytes, size);
    return at + size;
}

static uint8_t *
put_double(uint8_t *at, int field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put_little(put_key(at, field, WIRE_64), bits, 8);
}

static uint8_t *
put_float(uint8_t *at, int field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put_little(put_key(at, field, WIRE_32), bits, 4);
}

size_t
event_scalar(double wall_time, int64_t step, const char *tag, float value, uint8_t *out)
{
    uint8_t one[TAG_MAX + 32], summary[TAG_MAX + 48];
    size_t length = strnlen(tag, TAG_MAX);
    uint8_t *end = put_float(put_bytes(one, VALUE_TAG, tag, length), VALUE_SIMPLE, value);
    uint8_t *whole = put_bytes(summary, SUMMARY_VALUE, one, (size_t)(end - one));
    uint8_t *at = put_double(out, EVENT_WALL_TIME, wall_time);
    at = put_varint(put_key(at, EVENT_STEP, WIRE_VARINT), (uint64_t)step);
    return (size_t)(put_bytes(at, EVENT_SUMMARY, summary, (size_t)(whole - summary)) - out);
}

/* ---- the file ---- */

static bool
report(const char *path, int error, struct diag *diag)
{
    /* The message keeps its subject: the path is our own. */
    const char *kept = arena_text(diag->arena, path, strlen(path));
    diag_subject(diag, FILE_NOT_WRITTEN, kept ? kept : "the event file", strerror(error ? error : EIO));
    return false;
}

static double
now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void
put(struct event_file *f, const uint8_t *message, size_t size)
{
    uint8_t record[TAG_MAX + 128];
    fwrite(record, 1, event_record(message, size, record), f->file);
}

/* DIR and what it lies in. */
static bool
make_folders(const char *dir)
{
    char *path = strdup(dir);
    bool ok = path;
    for (char *slash = path; ok && slash; ) {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = 0;
        ok = !*path || !mkdir(path, 0777) || errno == EEXIST || errno == EISDIR;
        if (slash)
            *slash = '/';
    }
    free(path);
    return ok;
}

bool
event_file_open(struct event_file *f, const char *dir, struct diag *diag)
{
    *f = (struct event_file){0};
    double start = now();
    if (!make_folders(dir))
        return report(dir, errno, diag);
    if (asprintf(&f->path, "%s/events.out.tfevents.%010lld.nnc.%ld", dir, (long long)start, (long)getpid()) < 0) {
        f->path = NULL;
        return report(dir, ENOMEM, diag);
    }
    f->file = fopen(f->path, "wbe");
    if (!f->file) {
        report(dir, errno, diag);
        free(f->path);
        f->path = NULL;
        return false;
    }
    static const char version[] = "brain.Event:2";
    uint8_t message[64], *at = put_double(message, EVENT_WALL_TIME, start);
    put(f, message, (size_t)(put_bytes(at, EVENT_FILE_VERSION, version, sizeof version - 1) - message));
    return event_file_flush(f, diag);
}

void
event_file_scalar(struct event_file *f, const char *tag, int64_t step, double value)
{
    uint8_t message[TAG_MAX + 64];
    if (f->file)
        put(f, message, event_scalar(now(), step, tag, (float)value, message));
}

bool
event_file_flush(struct event_file *f, struct diag *diag)
{
    return !f->file || (!fflush(f->file) && !ferror(f->file)) || report(f->path, errno, diag);
}

bool
event_file_close(struct event_file *f, struct diag *diag)
{
    bool flushed = event_file_flush(f, diag);
    bool closed = !f->file || !fclose(f->file) || !flushed || report(f->path, errno, diag);
    free(f->path);
    *f = (struct event_file){0};
    return flushed && closed;
}
