/* Event files: sums and bytes as the formats say, and a file read back by a small reader of its own. */
#define _GNU_SOURCE
#include "runtime/tensorboard.h"
#include "tests/unit/linear_program.h"
#include <criterion/criterion.h>
#include <dirent.h>

TestSuite(tensorboard, .init = scratch_enter, .fini = scratch_leave);

/* RFC 3720, appendix B.4. */
Test(tensorboard, crc32c_of_the_standard)
{
    uint8_t zeros[32] = {0}, ones[32], up[32];
    memset(ones, 0xff, sizeof ones);
    for (int i = 0; i < 32; i++)
        up[i] = (uint8_t)i;
    cr_expect_eq(crc32c(zeros, 32), 0x8a9136aau);
    cr_expect_eq(crc32c(ones, 32), 0x62a8ab43u);
    cr_expect_eq(crc32c(up, 32), 0x46dd794eu);
    cr_expect_eq(crc32c("123456789", 9), 0xe3069283u);
}

/* wall_time 1.5 at step 300: loss = 0.5 */
Test(tensorboard, bytes_of_a_scalar)
{
    static const uint8_t want[] = {0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x10, 0xac, 0x02, 0x2a, 0x0d,
                                   0x0a, 0x0b, 0x0a, 0x04, 'l', 'o', 's', 's', 0x15, 0, 0, 0, 0x3f};
    uint8_t got[100];
    cr_assert_eq(event_scalar(1.5, 300, "loss", 0.5f, got), sizeof want);
    cr_expect(!memcmp(got, want, sizeof want));
}

static uint64_t
little(const uint8_t *at, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | at[i];
    return v;
}

static uint32_t
unmasked(uint32_t sum)
{
    uint32_t r = sum - UINT32_C(0xa282ead8);
    return r >> 17 | r << 15;
}

Test(tensorboard, a_file_of_records)
{
    struct arena arena;
    struct diag diag;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    struct event_file f;
    cr_assert(event_file_open(&f, "a/b", &diag));
    event_file_scalar(&f, "valid_loss", 7, 0.25);
    char *path = strdup(f.path);
    cr_assert(event_file_close(&f, &diag));
    size_t size = 0;
    const uint8_t *bytes = (const uint8_t *)file_bytes(path, &size), *at = bytes;
    cr_assert(bytes && strstr(path, "a/b/events.out.tfevents."));
    int records = 0;
    for (; at < bytes + size; records++) {
        uint64_t length = little(at, 8);
        cr_assert_eq(crc32c(at, 8), unmasked((uint32_t)little(at + 8, 4)));
        cr_assert_eq(crc32c(at + 12, length), unmasked((uint32_t)little(at + 12 + length, 4)));
        cr_expect(memmem(at + 12, length, records ? "valid_loss" : "brain.Event:2", records ? 10 : 13));
        at += 16 + length;
    }
    cr_expect(at == bytes + size);
    cr_expect_eq(records, 2);
    file_put("file", "", 0);
    cr_expect(!event_file_open(&f, "file/dir", &diag));
    cr_expect_eq(diag.status, STATUS_MACHINE);
    event_file_scalar(&f, "x", 1, 1);
    cr_expect(event_file_close(&f, &diag));
    free(path);
    arena_free(&arena);
}
