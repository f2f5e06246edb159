#include "frontend/sources.h"
#include <string.h>

enum { LONGEST = 64 }; /* longer names have no neighbour */

static int
least(int a, int b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, replacements and swaps of neighbours that make |b| of |a| (optimal string alignment). */
static int
distance(const char *a, int na, const char *b, int nb)
{
    int row[3][LONGEST + 1]; /* rows i, i-1, i-2 in turn */
    for (int j = 0; j <= nb; j++)
        row[0][j] = j;
    for (int i = 1; i <= na; i++) {
        int *now = row[i % 3], *up = row[(i + 2) % 3], *two_up = row[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= nb; j++) {
            now[j] = least(least(up[j], now[j - 1]) + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], two_up[j - 2] + 1);
        }
    }
    return row[na % 3][nb];
}

const char *
nearest_name(const char *name, const char *const *names, int count)
{
    size_t length = strlen(name);
    if (length > LONGEST)
        return NULL;
    int limit = length < 2 ? 0 : length < 6 ? 1 : (int)length / 3; /* every name of two letters is near to one of one */
    const char *best = NULL;
    for (int i = 0; i < count; i++) {
        size_t n = strlen(names[i]);
        if (n > LONGEST)
            continue;
        int d = distance(name, (int)length, names[i], (int)n);
        if (d > 0 && d <= limit && d < (int)n) {
            best = names[i];
            limit = d - 1; /* only something nearer is better; of equals the first */
        }
    }
    return best;
}
