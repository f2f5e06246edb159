/* utf8: the characters of a text; columns count them. */
#ifndef NNC_FRONTEND_UTF8_H
#define NNC_FRONTEND_UTF8_H
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at |at|, 1 to 4, or 0 if what stands there is not UTF-8 (overlong forms and surrogates are not). */
static inline int
utf8_step(const char *at, const char *end)
{
    const unsigned char *p = (const unsigned char *)at;
    int64_t left = end - at;
    if (p[0] < 0x80)
        return 1;
    int n = p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : p[0] >= 0xe0 && p[0] < 0xf0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
    if (!n || left < n)
        return 0;
    for (int i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

/* Characters of |length| bytes; each byte that is not UTF-8 counts as one. */
static inline int32_t
utf8_count(const char *text, size_t length)
{
    int32_t count = 0;
    for (const char *at = text, *end = text + length; at < end; count++) {
        int step = utf8_step(at, end);
        at += step ? step : 1;
    }
    return count;
}
#endif
