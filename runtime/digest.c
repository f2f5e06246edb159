#include "runtime/digest.h"
#include <string.h>

/* Each step is a bijection of the lane for a given word, and of the word for a given lane: one changed word is not lost. */
static uint64_t
step(uint64_t lane, uint64_t word)
{
    lane = (lane ^ word) * 0x9E3779B97F4A7C15u;
    return lane ^ lane >> 29;
}

uint64_t
digest_bytes(uint64_t start, const void *bytes, size_t size)
{
    /* Four lanes hide the latency of the multiplication. */
    uint64_t lane[4] = {start, ~start, size, ~(uint64_t)size};
    const unsigned char *at = bytes;
    size_t i = 0;
    for (; i + 32 <= size; i += 32) {
        uint64_t word[4];
        memcpy(word, at + i, 32);
        for (int j = 0; j < 4; j++)
            lane[j] = step(lane[j], word[j]);
    }
    for (int j = 0; i < size; i += 8, j++) {
        uint64_t word = 0;
        memcpy(&word, at + i, size - i < 8 ? size - i : 8);
        lane[j] = step(lane[j], word);
    }
    uint64_t h = start;
    for (int j = 0; j < 4; j++)
        h = step(h, lane[j]);
    return h;
}

uint64_t
digest_text(uint64_t start, const char *text)
{
    return digest_bytes(start, text, strlen(text));
}

char *
digest_hex(uint64_t digest, char buffer[DIGEST_TEXT])
{
    for (int i = 0; i < 16; i++)
        buffer[i] = "0123456789abcdef"[digest >> (60 - 4 * i) & 15];
    buffer[16] = 0;
    return buffer;
}
