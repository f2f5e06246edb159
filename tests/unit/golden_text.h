/* golden_text: the files of tests/golden that hold texts of the language, and the text that is expected beside each. */
#ifndef NNC_TESTS_GOLDEN_TEXT_H
#define NNC_TESTS_GOLDEN_TEXT_H
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef NNC_SOURCE_DIR
#define NNC_SOURCE_DIR "." /* the tests are then started in the root of the project */
#endif

/* The whole file, closed by a NUL, or NULL; free it. */
static inline char *
golden_read(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return NULL;
    char *text = NULL;
    size_t length = 0, cap = 0;
    for (int c; (c = getc(f)) != EOF;) {
        if (length + 2 > cap)
            text = realloc(text, cap = cap ? 2 * cap : 4096);
        text[length++] = (char)c;
    }
    fclose(f);
    if (!text)
        text = malloc(1);
    text[length] = '\0';
    return text;
}

/* Compares |got| with the file |path|; with BLESS=1 writes it there. */
static inline void
golden_compare(const char *path, const char *got)
{
    if (getenv("BLESS")) {
        FILE *f = fopen(path, "wb");
        cr_assert(f, "%s cannot be written", path);
        fputs(got, f);
        fclose(f);
        return;
    }
    char *want = golden_read(path);
    cr_assert(want, "%s is missing; BLESS=1 writes it", path);
    cr_expect(!strcmp(want, got), "%s\n--- expected\n%s--- found\n%s", path, want, got);
    free(want);
}

/* Calls |check| with the name, without ".nn", of each file of tests/golden/FOLDER, which is made the current folder. */
static inline void
golden_each(const char *folder, void (*check)(const char *name))
{
    int count = 0;
    cr_assert(!chdir(NNC_SOURCE_DIR "/tests/golden") && !chdir(folder), "tests/golden/%s is missing", folder);
    DIR *d = opendir(".");
    for (struct dirent *e; (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n < 4 || strcmp(e->d_name + n - 3, ".nn"))
            continue;
        char name[256];
        snprintf(name, sizeof name, "%.*s", (int)n - 3, e->d_name);
        check(name);
        count++;
    }
    closedir(d);
    cr_assert(count > 0);
}
#endif
