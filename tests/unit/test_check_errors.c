/* The whole text that users see for files that are written well but mean nothing, or hardly what is meant: tests/golden/check/NAME.nn and NAME.err. */
#include "frontend/model.h"
#include "tests/unit/golden_text.h"

/* Lines of the prelude move whenever it grows: "nnc.nn:12:5" becomes "nnc.nn:". */
static void
forget_prelude_lines(char *text)
{
    char *to = text;
    for (const char *from = text; *from;) {
        bool place = !strncmp(from, "nnc.nn:", 7) && (from == text || from[-1] == ' ');
        size_t length = place ? 7 : 1;
        memmove(to, from, length);
        to += length;
        from += length;
        if (place)
            from += strspn(from, "0123456789:");
    }
    *to = 0;
}

static void
check_messages(const char *name)
{
    struct arena a;
    struct diag d;
    struct sources s;
    char path[300], *got = NULL;
    size_t length = 0;
    arena_init(&a, NULL);
    diag_init(&d, &a);
    sources_init(&s, &a);
    snprintf(path, sizeof path, "%s.nn", name);
    experiment_check(&a, &s, path, NULL, NULL, 0, &d);
    cr_expect(d.errors + d.warnings > 0, "%s has no fault", name);
    cr_expect(d.status == (d.errors ? STATUS_INPUT : STATUS_OK), "%s", name);
    FILE *out = open_memstream(&got, &length);
    render_diag(&d, &s, out, false);
    fclose(out);
    forget_prelude_lines(got);
    snprintf(path, sizeof path, "%s.err", name);
    golden_compare(path, got);
    free(got);
    arena_free(&a);
}

Test(check_errors, messages)
{
    golden_each("check", check_messages);
}
