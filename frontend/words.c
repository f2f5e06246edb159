/* words: see words.h. */
#include "frontend/words.h"
#include "frontend/check.h"
#include "runtime/data/functions.h"

static int
element_types(const char **out, int max)
{
    int n = 0;
    for (; n < ELEM_COUNT && n < max; n++)
        out[n] = elem_name((enum elem)n);
    return n;
}

/* The names after function, layer, ... at the beginning of a line: the prelude is laid out so. */
static int
prelude_definitions(struct arena *arena, const char **out, int max)
{
    static const char *const kinds[] = {"function ", "layer ", "initializer ", "schedule ", "optimizer "};
    int n = 0;
    for (const char *p = prelude_nnc; *p; p += strcspn(p, "\n"), p += *p == '\n')
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds && n < max; k++) {
            size_t length = strlen(kinds[k]);
            if (!strncmp(p, kinds[k], length))
                out[n++] = arena_text(arena, p + length, strcspn(p + length, "( \n"));
        }
    return n;
}

static int
statements(const char **out, int max)
{
    int n = model_words(out, max);
    n += train_words(out + n, max - n);
    return n + data_words(out + n, max - n);
}

static int
primitives(const char **out, int max)
{
    const char *types[ELEM_COUNT];
    int n = builtin_names(out, max), ntypes = element_types(types, ELEM_COUNT), kept = 0;
    for (int i = 0; i < n; i++) {
        bool is_type = false;
        for (int k = 0; k < ntypes; k++)
            is_type |= !strcmp(out[i], types[k]);
        if (!is_type)
            out[kept++] = out[i];
    }
    return kept;
}

static int
data_functions(const char **out, int max)
{
    static const char *const names[] = {
#define DATA_FUNCTION(name, ...) #name,
#include "runtime/data/functions.def"
#undef DATA_FUNCTION
    };
    int n = 0;
    for (; n < (int)(sizeof names / sizeof *names) && n < max; n++)
        out[n] = names[n];
    return n;
}

int
words_of(enum words kind, struct arena *arena, const char **out, int max)
{
    static int (*const list[WORDS_COUNT])(const char **, int) = {
        [WORDS_RESERVED] = reserved_words, [WORDS_SECTIONS] = section_words, [WORDS_STATEMENTS] = statements,
            [WORDS_TYPES] = element_types,
        [WORDS_PRIMITIVES] = primitives, [WORDS_DATA] = data_functions,
    };
    int n = list[kind] ? list[kind](out, max) : prelude_definitions(arena, out, max), kept = 0;
    for (int i = 0; i < n; i++) {
        bool twice = false;
        for (int k = 0; k < kept && !twice; k++)
            twice = !strcmp(out[i], out[k]);
        if (!twice)
            out[kept++] = out[i];
    }
    return kept;
}
