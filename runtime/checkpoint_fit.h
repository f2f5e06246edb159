/* checkpoint_fit: what a data block fitted to the inputs of a model, in a checkpoint.
 *
 * The metadata's `nnc.fit/INPUT` names the functions in the order in which they were applied, "category, one_hot 3", with the
 * vocabulary and length of words and the depth of one_hot; it is empty if nothing was fitted. The values of the function I, from 1, are
 * tensors: nnc/fit/INPUT/I/middle and /spread, f64 of a row's shape, or nnc/fit/INPUT/I/texts, u8, each text ended by a NUL. */
#ifndef NNC_RUNTIME_CHECKPOINT_FIT_H
#define NNC_RUNTIME_CHECKPOINT_FIT_H
#include "runtime/data/fit.h"
#include "runtime/program.h"

/* How many entries checkpoint_keep needs for |fit|, which may be NULL. */
int checkpoint_keeps(const struct data_fit *fit);
/* Writes them to |out|; names and texts lie in |arena|, numbers where |fit| has them. */
void checkpoint_keep(const char *input, const struct data_fit *fit, struct arena *arena, struct model_kept *out);
/* What the file PATH keeps of |input|: |*out| lies in |arena| (NULL: nothing was fitted), |*out_kept| is false if the file does not
 * speak of it. Reports with the file's name and returns false if it is damaged or cannot be read. */
bool checkpoint_fit(const char *path, const char *input, struct arena *arena, const struct data_fit **out, bool *out_kept,
                    struct diag *diag);
#endif
