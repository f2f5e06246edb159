/* sources: the texts that places point into, and the interned names. */
#ifndef NNC_FRONTEND_SOURCES_H
#define NNC_FRONTEND_SOURCES_H
#include "frontend/ast.h"
#include <stdio.h>

struct source {
    const char *path;   /* as users see it: "m.nn"; "nnc.nn" for the prelude */
    const char *text;   /* NUL-terminated; without BOM */
    size_t length;
    char *own;          /* |text| if it was read from a file: writable, closed by two NUL bytes as the scanner wants; or NULL */
};

struct sources {
    struct arena *arena;
    struct source *source; /* place.file - 1 */
    int count, cap;
    struct name_table *names;
};

void sources_init(struct sources *s, struct arena *arena);
/* Reads |path|, at most 64 MiB; reports and returns 0 on failure (missing, a directory, too large, UTF-16). */
int source_read(struct sources *s, const char *path, struct diag *diag);
/* Takes |text| (which must outlive |s|) under the name |path|. Returns the file's number. */
int source_add(struct sources *s, const char *path, const char *text, size_t length);
/* The folder of source number |file|, with its slash; "": the working folder. In |arena|. */
const char *source_folder(const struct sources *s, int file, struct arena *arena);
/* The one pointer for a name. */
const char *source_name(struct sources *s, const char *text, size_t length);

/* Parses source number |file|. Reports syntax errors (up to the limit of diag, going on at the next statement); the tree then
 * lacks the faulty statements. parse.y */
struct ast_file parse_file(struct sources *s, int file, struct diag *diag);

/* Writes all diagnostics, each with its source line, caret, helps and notes (style.md, Errors). render.c */
void render_diag(const struct diag *d, const struct sources *s, FILE *out, bool color);
/* The tree as indented text, for dump --stage ast; with places if asked. ast_print.c */
void ast_print(const struct ast_file *file, FILE *out, bool places);
/* The tree as text of the language, on one line and in one spelling: equal trees have equal texts, whatever their layout and comments. In
 * |arena|. ast_text.c */
const char *ast_text(const struct ast *a, struct arena *arena);
/* The canonical layout of a file that was parsed without errors. fmt.c */
void ast_format(const struct ast_file *file, FILE *out);
/* The nearest of |count| names to |name| by edit distance, or NULL if none is near. suggest.c */
const char *nearest_name(const char *name, const char *const *names, int count);
#endif
