/* digest: a 64-bit check sum. Finds damage, not intent. */
#ifndef NNC_RUNTIME_DIGEST_H
#define NNC_RUNTIME_DIGEST_H
#include <stddef.h>
#include <stdint.h>

/* The digest of |size| bytes, going on from |start| (0, or the digest of what came before). Any change within eight
 * neighbouring, aligned bytes changes it for certain, any other change but for one in 2^64. The same on every machine of
 * one byte order. */
uint64_t digest_bytes(uint64_t start, const void *bytes, size_t size);
uint64_t digest_text(uint64_t start, const char *text);
enum { DIGEST_TEXT = 17 };
/* Sixteen hexadecimal digits and a NUL. */
char *digest_hex(uint64_t digest, char buffer[DIGEST_TEXT]);
#endif
