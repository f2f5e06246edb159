/* The losses of a run's steps against a framework's: tests/parity/FOLDER holds NAME.steps.csv and tolerances.txt, rows `NAME last-step
 * relative-tolerance`: ten times the drift that the framework shows when its order of summation changes. A loss may be off by three tolerances. */
#pragma once
#include "tests/unit/run_program.h"
#include <math.h>

#define PARITY NNC_SOURCE_DIR "/tests/parity/"

static double
tolerance_of(const char *folder, const char *name, int step)
{
    char path[256], row[64];
    double r = 0;
    int last = 0;
    snprintf(path, sizeof path, PARITY "%s/tolerances.txt", folder);
    FILE *f = fopen(path, "r");
    cr_assert(f, "%s", path);
    for (char line[256]; fgets(line, sizeof line, f) && last < step;) {
        double number;
        int upto;
        if (sscanf(line, "%63s %d %lf", row, &upto, &number) == 3 && !strcmp(row, name)) {
            last = upto;
            r = number;
        }
    }
    fclose(f);
    cr_assert(r > 0, "%s %s: no tolerance", folder, name);
    return r;
}

/* Every step of a run's table against the framework's. */
static int
expect_losses(const struct run *r, const char *folder, const char *name)
{
    char path[256], line[256], theirs[256];
    int steps = 0;
    snprintf(path, sizeof path, "%s/s.csv", r->folder);
    FILE *f = fopen(path, "r");
    snprintf(path, sizeof path, PARITY "%s/%s.steps.csv", folder, name);
    FILE *g = fopen(path, "r");
    cr_assert(f && g && fgets(line, sizeof line, f) && fgets(theirs, sizeof theirs, g), "%s", path);
    int column = 0;
    for (char *save, *word = strtok_r(line, ",\n", &save); word && strcmp(word, "loss"); word = strtok_r(NULL, ",\n", &save))
        column++;
    while (fgets(theirs, sizeof theirs, g)) {
        cr_assert(fgets(line, sizeof line, f), "%s: ends before step %d", name, steps + 1);
        const char *at = line;
        for (int i = 0; i < column; i++)
            at += strcspn(at, ",") + 1;
        double got = strtod(at, NULL), want = strtod(strchr(theirs, ',') + 1, NULL);
        double off = fabs(got - want) / fabs(want), most = 3 * tolerance_of(folder, name, ++steps);
        cr_expect(off <= most, "%s/%s, step %d: loss %.9g, wanted %.9g; %.3g off, at most %.3g", folder, name, steps, got, want, off, most);
    }
    fclose(f);
    fclose(g);
    return steps;
}
