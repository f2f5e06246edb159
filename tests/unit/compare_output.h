/* compare_output: what `nnc compare --format json` prints, for tests. */
#ifndef NNC_TESTS_UNIT_COMPARE_OUTPUT_H
#define NNC_TESTS_UNIT_COMPARE_OUTPUT_H
#include <cjson/cJSON.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Both outputs of the program, which is to end with |want|; free it. */
static inline char *
read_output(const char *arguments, int want)
{
    char command[2048], *text = calloc(1, 1 << 20);
    snprintf(command, sizeof command, "XDG_CACHE_HOME=cache '%s' %s --quiet 2>&1", NNC_PROGRAM, arguments);
    FILE *pipe = popen(command, "r");
    cr_assert(pipe && text);
    text[fread(text, 1, (1 << 20) - 1, pipe)] = 0;
    int status = pclose(pipe);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == want, "%s: %s", arguments, text);
    return text;
}

static inline cJSON *
json_of(const char *arguments)
{
    char *text = read_output(arguments, 0), *begin = strchr(text, '{');
    cJSON *all = cJSON_Parse(begin ? begin : text);
    cr_assert(all, "%s", text);
    free(text);
    return all;
}

static inline int
count_significant(const cJSON *all, const char *measure)
{
    int n = 0;
    const cJSON *d, *list = cJSON_GetObjectItem(cJSON_GetObjectItem(all, measure), "differences");
    cJSON_ArrayForEach(d, list)
        n += cJSON_IsTrue(cJSON_GetObjectItem(d, "significant"));
    return n + cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(all, measure), "significant"));
}
#endif
