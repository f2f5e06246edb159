/* compare: what two conventions do differently, and which difference it names. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *
output_of(const char *arguments)
{
    char command[1024], *text = calloc(1, 1 << 16);
    snprintf(command, sizeof command, "'%s' compare '%s/models/sine_column.nn' %s --quiet 2>/dev/null", NNC_PROGRAM, NNC_SOURCE_DIR, arguments);
    FILE *pipe = popen(command, "r");
    cr_assert(pipe && text);
    text[fread(text, 1, (1 << 16) - 1, pipe)] = 0;
    cr_assert_eq(pclose(pipe), 0);
    return text;
}

/* Of the loss of sine_column: the number |field| of the difference |name|; NaN if there is none. */
static double
number_of(const cJSON *all, const char *name, const char *field)
{
    const cJSON *d, *list = cJSON_GetObjectItem(cJSON_GetObjectItem(all, "valid_loss"), "differences");
    cJSON_ArrayForEach(d, list)
        if (!strcmp(cJSON_GetObjectItem(d, "name")->valuestring, name))
            return cJSON_GetObjectItem(d, field)->valuedouble;
    return NAN;
}

Test(compare, broadcast_of_the_loss_is_the_cause)
{
    char *text = output_of("--a keras --b torch --epochs 3 --runs 3 --format json");
    cJSON *all = cJSON_Parse(text);
    cr_assert(all, "%s", text);
    const cJSON *loss = cJSON_GetObjectItem(all, "valid_loss");
    cr_assert_gt(cJSON_GetObjectItem(loss, "gap")->valuedouble, 3 * cJSON_GetObjectItem(loss, "a")->valuedouble);
    cr_assert_gt(number_of(all, "loss_shapes", "share"), 0.9);
    cr_assert_lt(number_of(all, "loss_shapes", "p"), 0.05);
    cr_assert_eq(number_of(all, "dropout_stream", "effect"), 0);
    cr_assert_lt(fabs(number_of(all, "dense", "share")), 0.1);
    cr_assert(isnan(number_of(all, "mse", "share")), "mse is the same in both");
    cJSON_Delete(all);
    free(text);
}

Test(compare, words)
{
    char *text = output_of("--a torch --b keras --epochs 3 --runs 3");
    cr_assert(strstr(text, "loss_shapes is the cause of"), "%s", text);
    free(text);
}

Test(compare, one_convention_has_no_gap)
{
    char *text = output_of("--a keras --b keras --epochs 1 --runs 2");
    cr_assert(strstr(text, "The two do not differ significantly in valid_loss."), "%s", text);
    free(text);
}
