/* fit: what minmax, standardize, category, words and one_hot learned (struct data_fit of values.h), done to other values and
 * undone. */
#ifndef NNC_RUNTIME_DATA_FIT_H
#define NNC_RUNTIME_DATA_FIT_H
#include "runtime/data/values.h"

/* Does to |in| - a tensor, or a column of text for category and words - what |fit| and those before it did to the value that
 * they were fitted for. Reports at |place| and returns false if it does not fit. The tensor that comes out has |fit|. */
bool data_fit_apply(struct data_context *c, const struct data_fit *fit, const struct data_value *in, struct place place,
                    struct data_value *out);
/* The values before minmax and standardize, in f64: x * spread + middle, for |fit| and those before it. NULL and a report if
 * another one is among them or the shape does not fit. */
const struct tensor *data_fit_undo(struct data_context *c, const struct data_fit *fit, const struct tensor *t, struct place place);
/* Whether data_fit_undo can undo |fit|. */
bool data_fit_undoable(const struct data_fit *fit);
/* |fit| where it holds for each element alone, whatever the shape; else NULL. */
const struct data_fit *data_fit_anywhere(const struct data_fit *fit);

/* One step of data_fit_apply, without those before it. |name|: of the function, for messages. */
bool data_fit_one(struct data_context *c, const struct data_fit *fit, const struct data_value *in, struct place place,
                  struct data_value *out);
/* The value as texts: a column of text, or a tensor [rows] of numbers as their shortest texts; NULL after a report. */
const struct data_text *data_texts(struct data_context *c, const struct data_value *v, struct place place);
#endif
