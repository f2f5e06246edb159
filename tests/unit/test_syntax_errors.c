/* The whole text that users see for faulty files: tests/golden/syntax/NAME.nn and NAME.err. */
#include "frontend/sources.h"
#include "tests/unit/golden_text.h"

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
    int file = source_read(&s, path, &d);
    if (file)
        parse_file(&s, file, &d);
    cr_expect(d.errors > 0, "%s has no fault", name);
    cr_expect(d.status == STATUS_INPUT, "%s", name);
    FILE *out = open_memstream(&got, &length);
    render_diag(&d, &s, out, false);
    fclose(out);
    snprintf(path, sizeof path, "%s.err", name);
    golden_compare(path, got);
    free(got);
    arena_free(&a);
}

Test(syntax_errors, messages)
{
    golden_each("syntax", check_messages);
}
