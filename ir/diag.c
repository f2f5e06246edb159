#include "ir/diag.h"
#include <stdarg.h>
#include <stdio.h>

static const unsigned char severity_of[] = {
#define ERROR SEVERITY_ERROR
#define USAGE SEVERITY_ERROR
#define MACHINE SEVERITY_ERROR
#define BUG SEVERITY_ERROR
#define WARNING SEVERITY_WARNING
#define HELP SEVERITY_HELP
#define NOTE SEVERITY_NOTE
#define DIAG(code, severity, text) severity,
#include "ir/diagnostics.def"
#undef DIAG
#undef ERROR
#undef USAGE
#undef MACHINE
#undef BUG
#undef WARNING
#undef HELP
#undef NOTE
};

static const unsigned char status_of[] = {
#define ERROR STATUS_INPUT
#define USAGE STATUS_USAGE
#define MACHINE STATUS_MACHINE
#define BUG STATUS_BUG
#define WARNING STATUS_OK
#define HELP STATUS_OK
#define NOTE STATUS_OK
#define DIAG(code, severity, text) severity,
#include "ir/diagnostics.def"
#undef DIAG
};

enum severity
diag_severity(enum diag_code code)
{
    return severity_of[code];
}

void
diag_init(struct diag *d, struct arena *arena)
{
    *d = (struct diag){.arena = arena};
}

void
diag_add(struct diag *d, enum diag_code code, struct place place, const char *subject, const char *format, ...)
{
    enum severity severity = severity_of[code];
    if (severity == SEVERITY_ERROR) {
        if (!d->errors++)
            d->status = status_of[code];
    } else if (severity == SEVERITY_WARNING)
        d->warnings++;
    if (d->errors > DIAG_ERRORS_MAX && severity != SEVERITY_WARNING)
        return;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = arena_alloc(d->arena, (size_t)n + 1);
    struct diagnostic *new = ARENA_NEW(d->arena, struct diagnostic);
    if (text && new) {
        vsnprintf(text, (size_t)n + 1, format, again);
        *new = (struct diagnostic){.code = code, .severity = severity, .place = place, .subject = subject, .message = text};
        if (d->last)
            d->last->next = new;
        else
            d->first = new;
        d->last = new;
    }
    va_end(again);
}
