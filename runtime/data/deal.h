/* deal: which rows go where: splits and folds, in the very way of scikit-learn 1.x with random_state = seed
 * (model_selection/_split.py), by the numbers of np.random.RandomState(seed). */
#ifndef NNC_RUNTIME_DATA_DEAL_H
#define NNC_RUNTIME_DATA_DEAL_H
#include "runtime/data/values.h"

/* Deals rows into |folds| >= 2 parts: out_fold[i], counted from 0, is the part in which row i is for validation. Without
 * |classes| as KFold(folds, shuffle = True), else as StratifiedKFold; classes[i] >= 0 is the class of row i (data_classes).
 * Fails with DEAL_MEMORY, or DEAL_FEW: fewer rows than folds, or every class has fewer rows than folds. */
enum deal { DEAL_OK, DEAL_MEMORY, DEAL_FEW };
enum deal folds_deal(int64_t rows, int folds, const int64_t *classes, uint32_t seed, int32_t *out_fold);

/* Splits |rows| rows: the first rows - valid of |out_order| are to be trained on. |valid|: split_rows.
 * As train_test_split(shuffle = True), stratified with |classes|: DEAL_FEW if a class has fewer than 2 rows or a part fewer
 * rows than there are classes. */
enum deal split_deal(int64_t rows, int64_t valid, const int64_t *classes, uint32_t seed, int64_t *out_order);
/* ceil(fraction * rows) */
int64_t split_rows(int64_t rows, double fraction);

/* The class of each row of |v| - a column of text, or a tensor [rows] - numbered by value: numbers ascending, texts in the
 * order of their bytes, as np.unique does. False if memory is short. |v| must be one of both (data_classable). */
bool data_classes(const struct data_value *v, int64_t *out_classes);
bool data_classable(const struct data_value *v, int64_t rows);
#endif
