#include "runtime/data/number.h"
#include <inttypes.h>
#include <stdio.h>

char *
number_show(struct number n, char buffer[NUMBER_TEXT])
{
    if (n.is_bool)
        snprintf(buffer, NUMBER_TEXT, "%s", n.whole ? "true" : "false");
    else if (n.is_whole)
        snprintf(buffer, NUMBER_TEXT, "%" PRId64, n.whole);
    else
        number_text_f64(n.real, buffer);
    return buffer;
}
