/* readers: what the functions that read files share. */
#ifndef NNC_RUNTIME_DATA_READERS_H
#define NNC_RUNTIME_DATA_READERS_H
#include "runtime/data/functions.h"
#include "runtime/data/source.h"
#include "runtime/data/zip.h"

/* The path of the file that argument 0 names; NULL after a report. */
const char *read_path(struct data_call *c);
/* Adds where the file is read and, if it is missing, what it should hold (the last argument, `about`) and where to put it;
 * returns false. */
bool read_failed(struct data_call *c, const char *path);

/* Each reads the whole of |s| into a new tensor, which the caller frees; reports and returns false on failure. */
bool idx_read(struct data_source *s, struct tensor *out);
bool bytes_read(struct data_source *s, struct tensor *out);
/* The .npy member |e| of an archive. */
bool npz_read(const struct zip *z, const struct zip_entry *e, struct tensor *out, struct diag *diag);
#endif
