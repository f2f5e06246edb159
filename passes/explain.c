/* explain: collects the lines; frontend/cli prints them. */
#include "passes/explain.h"
#include <stdarg.h>
#include <stdio.h>

void
explain(struct graph *g, const char *format, ...)
{
    struct remarks *r = g->remarks;
    if (!r)
        return;
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    *ARENA_PUSH(g->arena, r->list, r->count, r->cap) = (struct remark){r->pass, arena_printf(g->arena, "%s", line)};
}
