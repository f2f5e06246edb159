/* npy: NumPy's file format for one array, versions 1 to 3 (numpy/lib/format.py). */
#ifndef NNC_RUNTIME_DATA_NPY_H
#define NNC_RUNTIME_DATA_NPY_H
#include "ir/diag.h"
#include "runtime/data/array.h"

/* Reads |path|, or what NAME.npy.gz holds, into a new tensor in row-major order, which the caller frees. f2, f4, f8 become f64; i1, i2, i4, u2
 * i32; i8, u4, u8 i64; u1 u8; b1 bool; nothing is rounded. Either byte order, and Fortran's order of axes. Reports
 * "PATH:OFFSET", with what was expected and found, and returns false for anything that is not exactly such a file; no
 * memory is taken before the sizes are known to fit the file. */
bool npy_read(const char *path, struct tensor *out, struct diag *diag);
/* The same of what |s| gives from its beginning. */
bool npy_read_source(struct data_source *s, struct tensor *out);

/* Writes |t| (little-endian, row-major, version 1), whole or not at all (save_file.h). Reports and returns false on
 * failure. */
bool npy_write(const char *path, const struct tensor *t, struct diag *diag);
#endif
