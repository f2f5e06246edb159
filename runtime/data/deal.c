#include "runtime/data/deal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- classes ---- */

/* The rows of each class: rows[start[k]] to rows[start[k + 1] - 1], ascending. */
struct classes {
    int64_t count, *start, *rows;
};

static void
classes_free(struct classes *c)
{
    free(c->start);
    free(c->rows);
}

/* |number| of each row is below |count|. */
static bool
classes_of(struct classes *c, const int64_t *number, int64_t rows, int64_t count)
{
    *c = (struct classes){.count = count, .start = calloc((size_t)count + 2, sizeof *c->start), .rows = malloc((size_t)(rows + 1) * sizeof *c->rows)};
    if (!c->start || !c->rows)
        return false;
    int64_t *next = c->start + 1; /* next[k]: where the next row of class k goes; in the end the start of k + 1 */
    for (int64_t i = 0; i < rows; i++)
        if (number[i] + 1 < count)
            next[number[i] + 1]++;
    for (int64_t k = 1; k < count; k++)
        next[k] += next[k - 1];
    for (int64_t i = 0; i < rows; i++)
        c->rows[next[number[i]]++] = i;
    return true;
}

static int64_t
class_size(const struct classes *c, int64_t k)
{
    return c->start[k + 1] - c->start[k];
}

/* One more than the greatest. */
static int64_t
bound_of(const int64_t *number, int64_t rows)
{
    int64_t bound = 0;
    for (int64_t i = 0; i < rows; i++)
        bound = number[i] >= bound ? number[i] + 1 : bound;
    return bound;
}

/* ---- folds ---- */

/* numpy.random.shuffle of |n| elements. */
static bool
shuffle(struct numpy_random *r, void *elements, size_t size, int64_t n)
{
    int64_t *order = malloc((size_t)(n + 1) * sizeof *order);
    char *copy = malloc((size_t)(n + 1) * size);
    if (order && copy) {
        numpy_permutation(r, order, n);
        memcpy(copy, elements, (size_t)n * size);
        for (int64_t i = 0; i < n; i++)
            memcpy((char *)elements + (size_t)i * size, copy + (size_t)order[i] * size, size);
    }
    bool good = order && copy;
    free(order);
    free(copy);
    return good;
}

static enum deal
deal_plain(int64_t rows, int folds, struct numpy_random *r, int32_t *out_fold)
{
    int64_t *order = malloc((size_t)(rows + 1) * sizeof *order), at = 0;
    if (!order)
        return DEAL_MEMORY;
    numpy_permutation(r, order, rows);
    for (int f = 0; f < folds; f++)
        for (int64_t size = rows / folds + (f < rows % folds); size > 0; size--)
            out_fold[order[at++]] = f;
    free(order);
    return DEAL_OK;
}

/* The classes in the order of their first appearance. */
static bool
by_appearance(const int64_t *classes, int64_t rows, int64_t *out, int64_t *out_count)
{
    int64_t bound = bound_of(classes, rows), *name = malloc((size_t)(bound + 1) * sizeof *name);
    if (!name)
        return false;
    memset(name, 0xff, (size_t)(bound + 1) * sizeof *name);
    *out_count = 0;
    for (int64_t i = 0; i < rows; i++) {
        if (name[classes[i]] < 0)
            name[classes[i]] = (*out_count)++;
        out[i] = name[classes[i]];
    }
    free(name);
    return true;
}

/* Sorted by class, the rows are dealt to the folds in turn; that fixes how many of a class each fold gets. */
static bool
deal_class(const struct classes *c, int64_t k, int folds, struct numpy_random *r, int32_t *out_fold)
{
    int64_t size = class_size(c, k), at = 0;
    int32_t *fold = malloc((size_t)(size + 1) * sizeof *fold);
    if (!fold)
        return false;
    for (int f = 0; f < folds; f++) {
        int64_t first = c->start[k] + (f - c->start[k] % folds + folds) % folds; /* of the places of fold f */
        for (int64_t i = first; i < c->start[k + 1]; i += folds)
            fold[at++] = f;
    }
    bool good = shuffle(r, fold, sizeof *fold, size);
    for (int64_t i = 0; good && i < size; i++)
        out_fold[c->rows[c->start[k] + i]] = fold[i];
    free(fold);
    return good;
}

static enum deal
deal_stratified(int64_t rows, int folds, const int64_t *classes, struct numpy_random *r, int32_t *out_fold)
{
    struct classes c = {0};
    int64_t *number = calloc((size_t)rows + 1, sizeof *number), count = 0, largest = 0;
    bool good = number && by_appearance(classes, rows, number, &count) && classes_of(&c, number, rows, count);
    for (int64_t k = 0; good && k < count; k++)
        largest = class_size(&c, k) > largest ? class_size(&c, k) : largest;
    bool enough = largest >= folds;
    for (int64_t k = 0; good && enough && k < count; k++)
        good = deal_class(&c, k, folds, r, out_fold);
    classes_free(&c);
    free(number);
    return !good ? DEAL_MEMORY : enough ? DEAL_OK : DEAL_FEW;
}

enum deal
folds_deal(int64_t rows, int folds, const int64_t *classes, uint32_t seed, int32_t *out_fold)
{
    struct numpy_random r;
    if (rows < folds)
        return DEAL_FEW;
    numpy_random_seed(&r, seed);
    return classes ? deal_stratified(rows, folds, classes, &r, out_fold) : deal_plain(rows, folds, &r, out_fold);
}

/* ---- splits ---- */

int64_t
split_rows(int64_t rows, double fraction)
{
    return (int64_t)ceil(fraction * (double)rows);
}

static enum deal
split_plain(int64_t rows, int64_t valid, struct numpy_random *r, int64_t *out_order)
{
    int64_t *order = malloc((size_t)(rows + 1) * sizeof *order);
    if (!order)
        return DEAL_MEMORY;
    numpy_permutation(r, order, rows);
    memcpy(out_order, order + valid, (size_t)(rows - valid) * sizeof *order);
    memcpy(out_order + (rows - valid), order, (size_t)valid * sizeof *order);
    free(order);
    return DEAL_OK;
}

static int
descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x > y ? -1 : x < y;
}

/* Those classes whose remainder is |value| get one more draw each, as long as |*left| lasts; which, the generator chooses. */
static bool
add_draws(const double *remainder, double value, int64_t n, int64_t *left, struct numpy_random *r, int64_t *out_draws)
{
    int64_t *equal = malloc((size_t)(n + 1) * 2 * sizeof *equal), count = 0;
    if (!equal)
        return false;
    int64_t *order = equal + n + 1;
    for (int64_t k = 0; k < n; k++)
        if (remainder[k] == value)
            equal[count++] = k;
    int64_t now = count < *left ? count : *left;
    numpy_permutation(r, order, count);
    for (int64_t i = 0; i < now; i++)
        out_draws[equal[order[i]]]++;
    *left -= now;
    free(equal);
    return true;
}

/* Shares |draws| among classes of |size| rows: by whole parts, then by the largest remainders. */
static bool
share(const int64_t *size, int64_t n, int64_t draws, struct numpy_random *r, int64_t *out_draws)
{
    double *remainder = malloc((size_t)(n + 1) * 2 * sizeof *remainder);
    int64_t total = 0, left = draws;
    if (!remainder)
        return false;
    double *sorted = remainder + n + 1;
    for (int64_t k = 0; k < n; k++)
        total += size[k];
    for (int64_t k = 0; k < n; k++) {
        double part = (double)size[k] / (double)total * (double)draws;
        out_draws[k] = (int64_t)floor(part);
        left -= out_draws[k];
        sorted[k] = remainder[k] = part - floor(part);
    }
    qsort(sorted, (size_t)n, sizeof *sorted, descending);
    bool good = true;
    for (int64_t k = 0; good && k < n && left > 0; k++)
        if (!k || sorted[k] != sorted[k - 1])
            good = add_draws(remainder, sorted[k], n, &left, r, out_draws);
    free(remainder);
    return good;
}

/* Takes |train| and |valid| of the class's rows in random order to the ends of both lists. */
static bool
draw_class(const struct classes *c, int64_t k, int64_t train, int64_t valid, struct numpy_random *r, int64_t **train_at, int64_t **valid_at)
{
    const int64_t size = class_size(c, k);
    int64_t *order = malloc((size_t)(size + 1) * sizeof *order);
    if (!order)
        return false;
    numpy_permutation(r, order, size);
    for (int64_t i = 0; i < train; i++)
        *(*train_at)++ = c->rows[c->start[k] + order[i]];
    for (int64_t i = train; i < train + valid; i++)
        *(*valid_at)++ = c->rows[c->start[k] + order[i]];
    free(order);
    return true;
}

static bool
draw_all(const struct classes *c, int64_t rows, int64_t valid, struct numpy_random *r, int64_t *out_order)
{
    const int64_t n = c->count;
    int64_t *size = calloc((size_t)(n + 1) * 3, sizeof *size);
    if (!size)
        return false;
    int64_t *train = size + n + 1, *test = train + n + 1, *train_at = out_order, *valid_at = out_order + (rows - valid);
    for (int64_t k = 0; k < n; k++)
        size[k] = class_size(c, k);
    bool good = share(size, n, rows - valid, r, train);
    for (int64_t k = 0; good && k < n; k++)
        size[k] -= train[k];
    good = good && share(size, n, valid, r, test);
    for (int64_t k = 0; good && k < n; k++)
        good = draw_class(c, k, train[k], test[k], r, &train_at, &valid_at);
    free(size);
    return good && shuffle(r, out_order, sizeof *out_order, rows - valid) && shuffle(r, out_order + (rows - valid), sizeof *out_order, valid);
}

static enum deal
split_stratified(int64_t rows, int64_t valid, const int64_t *classes, struct numpy_random *r, int64_t *out_order)
{
    struct classes c;
    bool good = classes_of(&c, classes, rows, bound_of(classes, rows)), enough = good && valid >= c.count && rows - valid >= c.count;
    for (int64_t k = 0; enough && k < c.count; k++)
        enough = class_size(&c, k) >= 2;
    if (enough)
        good = draw_all(&c, rows, valid, r, out_order);
    classes_free(&c);
    return !good ? DEAL_MEMORY : enough ? DEAL_OK : DEAL_FEW;
}

enum deal
split_deal(int64_t rows, int64_t valid, const int64_t *classes, uint32_t seed, int64_t *out_order)
{
    struct numpy_random r;
    numpy_random_seed(&r, seed);
    return classes ? split_stratified(rows, valid, classes, &r, out_order) : split_plain(rows, valid, &r, out_order);
}

/* ---- classes of values ---- */

struct labelled {
    union {
        double number;
        const char *text;
    };
    int64_t row;
};

static int
by_number(const void *a, const void *b)
{
    double x = ((const struct labelled *)a)->number, y = ((const struct labelled *)b)->number;
    return x < y ? -1 : x > y;
}

static int
by_text(const void *a, const void *b)
{
    return strcmp(((const struct labelled *)a)->text, ((const struct labelled *)b)->text);
}

static double
element(const struct tensor *t, int64_t i)
{
    switch (t->type.elem) {
    case ELEM_F32: return ((const float *)t->data)[i];
    case ELEM_F64: return ((const double *)t->data)[i];
    case ELEM_I32: return ((const int32_t *)t->data)[i];
    case ELEM_I64: return (double)((const int64_t *)t->data)[i];
    default: return ((const uint8_t *)t->data)[i];
    }
}

bool
data_classable(const struct data_value *v, int64_t rows)
{
    if (v->kind == DATA_TEXT)
        return data_text_rows(v->text) == rows;
    return v->kind == DATA_TENSOR && v->tensor->type.rank == 1 && v->tensor->type.dim[0] == rows;
}

bool
data_classes(const struct data_value *v, int64_t *out_classes)
{
    const bool text = v->kind == DATA_TEXT;
    const int64_t rows = text ? data_text_rows(v->text) : v->tensor->type.dim[0];
    int (*order)(const void *a, const void *b) = text ? by_text : by_number;
    struct labelled *l = malloc((size_t)(rows + 1) * sizeof *l);
    if (!l)
        return false;
    for (int64_t i = 0; i < rows; i++) {
        l[i].row = i;
        if (text)
            l[i].text = data_text_cell(v->text, i);
        else
            l[i].number = element(v->tensor, i);
    }
    qsort(l, (size_t)rows, sizeof *l, order);
    for (int64_t i = 0, k = 0; i < rows; i++) {
        k += i && order(&l[i - 1], &l[i]) != 0;
        out_classes[l[i].row] = k;
    }
    free(l);
    return true;
}
