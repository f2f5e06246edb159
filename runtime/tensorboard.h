/* tensorboard: event files of scalars, as TensorBoard reads them: TFRecords with masked CRC-32C around Event messages
 * (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto), written without their libraries. */
#ifndef NNC_RUNTIME_TENSORBOARD_H
#define NNC_RUNTIME_TENSORBOARD_H
#include "ir/diag.h"
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A file that grows. Zeroed: closed; then all calls do nothing. */
struct event_file {
    FILE *file;
    char *path;
};

/* Makes the folder DIR and those above it if need be, and a new file in it, events.out.tfevents.SECONDS.PID. Reports (exit 3) and returns
 * false if that cannot be done. */
bool event_file_open(struct event_file *f, const char *dir, struct diag *diag);
/* Adds the scalar |tag| = |value| at |step|, now. */
void event_file_scalar(struct event_file *f, const char *tag, int64_t step, double value);
/* Gives what was added to the system. Reports and returns false if anything was not written. */
bool event_file_flush(struct event_file *f, struct diag *diag);
bool event_file_close(struct event_file *f, struct diag *diag);

/* The CRC-32C (Castagnoli) of bytes. */
uint32_t crc32c(const void *bytes, size_t size);
/* A record around |size| bytes: length, its masked sum, the bytes, their masked sum; |out| has room for size + 16. Returns its size. */
size_t event_record(const void *bytes, size_t size, uint8_t *out);
/* The Event message of one scalar; |out| has room for strlen(tag) + 64 bytes. Returns its size. */
size_t event_scalar(double wall_time, int64_t step, const char *tag, float value, uint8_t *out);
#endif
