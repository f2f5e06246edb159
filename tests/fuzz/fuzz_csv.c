/* The first byte of an input picks the format, the rest is the file. */
#include "runtime/data/csv.h"
#include "tests/fuzz/fuzz.h"
#include <math.h>
#include <string.h>

static volatile double sum;

/* Every number and every character that the table holds. */
static void
look(const struct data_table *t)
{
    for (int64_t row = 0, b = 0; t->nnumbers && row < t->rows; row += t->block_rows, b++)
        for (int64_t i = 0; i < (t->rows - row < t->block_rows ? t->rows - row : t->block_rows) * t->nnumbers; i++)
            sum += ((const double *)t->blocks[b]->data)[i];
    for (int i = 0; i < t->ncolumns; i++)
        for (int64_t row = 0; t->columns[i].number < 0 && row < t->rows; row++)
            sum += (double)strlen(data_text_cell(&t->columns[i].text, row));
    for (int64_t row = 1; t->lines && row < t->rows; row++)
        if (((const int64_t *)t->lines->data)[row] <= ((const int64_t *)t->lines->data)[row - 1])
            abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char separators[] = ",;\t|";
    char name[256];
    struct arena arena;
    struct diag diag;
    struct data_table t;
    if (!size)
        return 0;
    const uint8_t f = data[0];
    const struct csv_format format = {.header = f & 1, .quotes = f & 2, .separator = separators[f >> 2 & 3], .decimal = f & 16 && f & 12 ? ',' : '.',
                                      .missing = (f >> 5) % 3, .number = NAN};
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    struct data_context c = {.arena = &arena, .diag = &diag};
    bool good = csv_read(&c, fuzz_file(data + 1, size - 1, f & 128, name), &format, &t);
    if (good)
        look(&t);
    fuzz_told(good, &diag);
    unlink(name);
    data_pool_free(&c.pool);
    arena_free(&arena);
    return 0;
}
