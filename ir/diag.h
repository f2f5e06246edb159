/* diag: what is to be told to the user. The structure lives here, so that every folder can report; rendering is
 * frontend/render.c. The library never prints and never exits. */
#ifndef NNC_IR_DIAG_H
#define NNC_IR_DIAG_H
#include "ir/arena.h"
#include <stdbool.h>
#include <stdint.h>

/* A span of one line of a source text. |file| is an index into the caller's table of sources, from 1; 0: no place. */
struct place {
    int32_t file;
    int32_t line, column; /* from 1; columns count characters */
    int32_t length;       /* characters under the caret, at least 1 */
};

enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_HELP, SEVERITY_NOTE };

enum diag_code {
#define DIAG(code, severity, text) DIAG_##code,
#include "ir/diagnostics.def"
#undef DIAG
    DIAG_COUNT
};

/* The texts are constants with names, so that the compiler checks the arguments of each report. */
#define DIAG(code, severity, text) __attribute__((unused)) static const char DIAG_TEXT_##code[] = text;
#include "ir/diagnostics.def"
#undef DIAG

/* What the process ends with if nothing worse was reported (architecture.md, bad-inputs.md). */
enum status { STATUS_OK = 0, STATUS_INPUT = 1, STATUS_USAGE = 2, STATUS_MACHINE = 3, STATUS_BUG = 70 };

struct diagnostic {
    enum diag_code code;
    enum severity severity;
    struct place place;
    const char *subject; /* instead of a place: "data.csv:3:2", "w.safetensors"; NULL if none */
    const char *message;
    struct diagnostic *next;
};

struct diag {
    struct arena *arena;            /* owns all texts */
    struct diagnostic *first, *last;
    int errors, warnings;
    enum status status;             /* of the first error */
};

enum { DIAG_ERRORS_MAX = 20 };      /* later errors are counted, not kept */

void diag_init(struct diag *d, struct arena *arena);
/* Use through diag_report and diag_subject. */
void diag_add(struct diag *d, enum diag_code code, struct place place, const char *subject, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/* Reports |code| at |place| with the arguments of its text. Rows of severity HELP and NOTE follow the error they belong to.
 * */
#define diag_report(d, code, place, ...) diag_add((d), DIAG_##code, (place), NULL, DIAG_TEXT_##code, ##__VA_ARGS__)
/* The same for things without a line of source: |subject| is what stands before the colon. */
#define diag_subject(d, code, subject, ...) \
    diag_add((d), DIAG_##code, (struct place){0}, (subject), DIAG_TEXT_##code, ##__VA_ARGS__)
enum severity diag_severity(enum diag_code code);
#endif
