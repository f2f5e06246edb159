/* The editors' files that the build writes: every word of the language is in them, and the grammar is JSON. */
#include "frontend/check.h"
#include "frontend/words.h"
#include "tests/unit/golden_text.h"
#include <cJSON.h>

/* Whether |word| stands in |text| with no letter, digit or _ beside it. */
static bool
holds_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *p = text; (p = strstr(p, word)); p++) {
        char before = p > text ? p[-1] : ' ', after = p[length];
        bool starts = !(before == '_' || (before >= '0' && before <= '9') || (before >= 'a' && before <= 'z'));
        bool ends = !(after == '_' || (after >= '0' && after <= '9') || (after >= 'a' && after <= 'z'));
        if (starts && ends)
            return true;
    }
    return false;
}

static char *
written(const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", NNC_EDITORS, name);
    char *text = golden_read(path);
    cr_assert(text, "%s is missing", path);
    return text;
}

Test(editors, files_hold_every_word)
{
    char *vim = written("nn.vim"), *textmate = written("nn.tmLanguage.json"), *dictionary = written("nn.dict");
    struct arena arena;
    arena_init(&arena, NULL);
    for (int k = 0; k < WORDS_COUNT; k++) {
        const char *words[WORDS_MAX];
        int n = words_of((enum words)k, &arena, words, WORDS_MAX);
        cr_assert(n > 2 && n < WORDS_MAX, "%d words of kind %d", n, k);
        for (int i = 0; i < n; i++)
            cr_expect(holds_word(vim, words[i]) && holds_word(textmate, words[i]) && holds_word(dictionary, words[i]), "%s",
                      words[i]);
    }
    arena_free(&arena);
    free(vim);
    free(textmate);
    free(dictionary);
}

/* What the tables are asked for is what the language takes. */
Test(editors, words_are_those_of_the_language)
{
    static const struct {
        enum words kind;
        const char *word;
    } rows[] = {
        {WORDS_RESERVED, "carry"}, {WORDS_SECTIONS, "follow"}, {WORDS_STATEMENTS, "penalty"},
            {WORDS_STATEMENTS, "eval_batch"}, {WORDS_STATEMENTS, "split"},
        {WORDS_TYPES, "f64"}, {WORDS_PRIMITIVES, "expm1"}, {WORDS_PRIMITIVES, "weight"}, {WORDS_PRELUDE, "batch_norm"},
            {WORDS_PRELUDE, "glorot_uniform"},
        {WORDS_PRELUDE, "cosine"}, {WORDS_DATA, "csv"},
    };
    struct arena arena;
    arena_init(&arena, NULL);
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        const char *words[WORDS_MAX];
        bool found = false;
        for (int i = words_of(rows[r].kind, &arena, words, WORDS_MAX) - 1; i >= 0; i--)
            found |= !strcmp(words[i], rows[r].word);
        cr_expect(found, "%s", rows[r].word);
    }
    arena_free(&arena);
}

Test(editors, the_grammar_is_json)
{
    char *text = written("nn.tmLanguage.json");
    cJSON *root = cJSON_Parse(text);
    cr_assert(root, "%s", cJSON_GetErrorPtr());
    cr_expect(!strcmp(cJSON_GetObjectItem(root, "scopeName")->valuestring, "source.nn"));
    cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, "patterns"))
        cr_expect(cJSON_GetObjectItem(item, "name") && (cJSON_GetObjectItem(item, "match") ||
                                                        cJSON_GetObjectItem(item, "begin")));
    cJSON_Delete(root);
    free(text);
}
