/* Splits and folds against those of scikit-learn 1.9.1 (tests/unit/deal_cases.h), and their rules at the edges. */
#include "runtime/data/deal.h"
#include "tests/unit/deal_cases.h"
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

/* The folds of a case, as digits; f is the fold of row i in case |k|. */
static void
check_folds(const struct folds_case *k)
{
    const int64_t rows = (int64_t)strlen(k->classes);
    int64_t classes[1024];
    int32_t fold[1024];
    for (int64_t i = 0; i < rows; i++)
        classes[i] = k->classes[i] - '0';
    cr_assert_eq(folds_deal(rows, k->folds, k->stratified ? classes : NULL, k->seed, fold), DEAL_OK);
    for (int64_t i = 0; i < rows; i++)
        cr_assert_eq(fold[i], k->fold_of_row[i] - '0', "%s, %d folds, seed %u: row %d is in fold %d, not %c", k->name, k->folds, k->seed,
                     (int)i, fold[i], k->fold_of_row[i]);
}

Test(deal, folds_are_those_of_scikit_learn)
{
    for (size_t i = 0; i < sizeof folds_cases / sizeof *folds_cases; i++)
        check_folds(&folds_cases[i]);
}

Test(deal, splits_are_those_of_scikit_learn)
{
    for (size_t i = 0; i < sizeof split_cases / sizeof *split_cases; i++) {
        const struct split_case *k = &split_cases[i];
        int64_t order[1024];
        cr_assert_eq(split_rows(k->rows, k->by), k->valid);
        cr_assert_eq(split_deal(k->rows, k->valid, NULL, k->seed, order), DEAL_OK);
        for (int64_t j = 0; j < k->rows; j++)
            cr_assert_eq(order[j], k->order[j], "case %d, place %d: %d", (int)i, (int)j, (int)order[j]);
    }
}

Test(deal, stratified_splits_keep_the_shares)
{
    int64_t classes[100], order[100], seen[100] = {0}, valid[3] = {0};
    for (int i = 0; i < 100; i++)
        classes[i] = i % 10 < 6 ? 0 : i % 10 < 9 ? 1 : 2; /* 60, 30, 10 */
    cr_assert_eq(split_deal(100, 25, classes, 3, order), DEAL_OK);
    for (int i = 0; i < 100; i++)
        cr_assert_eq(seen[order[i]]++, 0);
    for (int i = 75; i < 100; i++)
        valid[classes[order[i]]]++;
    cr_assert(valid[0] == 15 && valid[1] + valid[2] == 10 && (valid[1] == 7 || valid[1] == 8), "%d %d %d", (int)valid[0], (int)valid[1], (int)valid[2]);
}

Test(deal, too_few_rows_are_told)
{
    int64_t classes[] = {0, 0, 0, 1}, order[4];
    int32_t fold[4];
    cr_assert_eq(folds_deal(3, 4, NULL, 0, fold), DEAL_FEW);
    cr_assert_eq(folds_deal(4, 4, NULL, 0, fold), DEAL_OK);
    cr_assert_eq(folds_deal(4, 4, classes, 0, fold), DEAL_FEW);
    cr_assert_eq(folds_deal(4, 3, classes, 0, fold), DEAL_OK);
    cr_assert_eq(split_deal(4, 2, classes, 0, order), DEAL_FEW);
}

Test(deal, classes_are_numbered_by_value)
{
    double numbers[] = {2.5, -1, 2.5, 7};
    char bytes[] = "b\0aa\0b\0a";
    int64_t starts[] = {0, 2, 5, 7}, classes[4];
    struct tensor t = {{.elem = ELEM_F64, .rank = 1, .dim = {4}}, numbers}, b = {{.elem = ELEM_U8, .rank = 1, .dim = {9}}, bytes},
                  s = {{.elem = ELEM_I64, .rank = 1, .dim = {4}}, starts};
    struct data_text text = {.bytes = &b, .start = &s};
    struct data_value v = data_of_tensor(&t);
    cr_assert(data_classable(&v, 4) && !data_classable(&v, 5) && data_classes(&v, classes));
    cr_assert(classes[0] == 1 && classes[1] == 0 && classes[2] == 1 && classes[3] == 2);
    v = (struct data_value){.kind = DATA_TEXT, .text = &text};
    cr_assert(data_classable(&v, 4) && data_classes(&v, classes)); /* a, aa, b */
    cr_assert(classes[0] == 2 && classes[1] == 1 && classes[2] == 2 && classes[3] == 0);
}
