/* relocate: the relocations that occur in position independent objects of x86-64 and AArch64. */
#include "codegen/link.h"
#include <elf.h>
#include <string.h>

/* How the value is put at its place. P is the place, S the value. */
enum form {
    FORM_ABS64, FORM_REL64, FORM_REL32,
    FORM_BRANCH26, FORM_BRANCH19, FORM_BRANCH14,        /* AArch64: words from P */
    FORM_ADR21, FORM_PAGE21,                            /* bytes from P; pages from P's page */
    FORM_LOW12, FORM_LOW12_2, FORM_LOW12_4, FORM_LOW12_8, FORM_LOW12_16 /* S's place in its page, in units of 1, 2, ... */
};

static const struct row {
    uint16_t machine;
    uint16_t type;
    uint8_t kind, form;
} rows[] = {
    {EM_X86_64, R_X86_64_64, RELOCATE_DIRECT, FORM_ABS64},
    {EM_X86_64, R_X86_64_PC64, RELOCATE_DIRECT, FORM_REL64},
    {EM_X86_64, R_X86_64_PC32, RELOCATE_DIRECT, FORM_REL32},
    {EM_X86_64, R_X86_64_PLT32, RELOCATE_CALL, FORM_REL32},
    {EM_X86_64, R_X86_64_GOTPCREL, RELOCATE_SLOT, FORM_REL32},
    {EM_X86_64, R_X86_64_GOTPCRELX, RELOCATE_SLOT, FORM_REL32},
    {EM_X86_64, R_X86_64_REX_GOTPCRELX, RELOCATE_SLOT, FORM_REL32},
    {EM_AARCH64, R_AARCH64_ABS64, RELOCATE_DIRECT, FORM_ABS64},
    {EM_AARCH64, R_AARCH64_PREL64, RELOCATE_DIRECT, FORM_REL64},
    {EM_AARCH64, R_AARCH64_PREL32, RELOCATE_DIRECT, FORM_REL32},
    {EM_AARCH64, R_AARCH64_CALL26, RELOCATE_CALL, FORM_BRANCH26},
    {EM_AARCH64, R_AARCH64_JUMP26, RELOCATE_CALL, FORM_BRANCH26},
    {EM_AARCH64, R_AARCH64_CONDBR19, RELOCATE_DIRECT, FORM_BRANCH19},
    {EM_AARCH64, R_AARCH64_TSTBR14, RELOCATE_DIRECT, FORM_BRANCH14},
    {EM_AARCH64, R_AARCH64_ADR_PREL_LO21, RELOCATE_DIRECT, FORM_ADR21},
    {EM_AARCH64, R_AARCH64_LD_PREL_LO19, RELOCATE_DIRECT, FORM_BRANCH19},
    {EM_AARCH64, R_AARCH64_ADR_PREL_PG_HI21, RELOCATE_DIRECT, FORM_PAGE21},
    {EM_AARCH64, R_AARCH64_ADD_ABS_LO12_NC, RELOCATE_DIRECT, FORM_LOW12},
    {EM_AARCH64, R_AARCH64_LDST8_ABS_LO12_NC, RELOCATE_DIRECT, FORM_LOW12},
    {EM_AARCH64, R_AARCH64_LDST16_ABS_LO12_NC, RELOCATE_DIRECT, FORM_LOW12_2},
    {EM_AARCH64, R_AARCH64_LDST32_ABS_LO12_NC, RELOCATE_DIRECT, FORM_LOW12_4},
    {EM_AARCH64, R_AARCH64_LDST64_ABS_LO12_NC, RELOCATE_DIRECT, FORM_LOW12_8},
    {EM_AARCH64, R_AARCH64_LDST128_ABS_LO12_NC, RELOCATE_DIRECT, FORM_LOW12_16},
    {EM_AARCH64, R_AARCH64_ADR_GOT_PAGE, RELOCATE_SLOT, FORM_PAGE21},
    {EM_AARCH64, R_AARCH64_LD64_GOT_LO12_NC, RELOCATE_SLOT, FORM_LOW12_8},
};

static const struct row *
find(uint16_t machine, uint32_t type)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].machine == machine && rows[i].type == type)
            return &rows[i];
    return NULL;
}

enum relocation_kind
relocation_kind(uint16_t machine, uint32_t type)
{
    if (type == 0) /* R_X86_64_NONE, R_AARCH64_NONE */
        return RELOCATE_NOTHING;
    const struct row *r = find(machine, type);
    return r ? (enum relocation_kind)r->kind : RELOCATE_UNKNOWN;
}

size_t
relocation_size(uint16_t machine, uint32_t type)
{
    const struct row *r = find(machine, type);
    return !r ? 0 : r->form == FORM_ABS64 || r->form == FORM_REL64 ? 8 : 4;
}

/* Puts |bits| bits of |value| into the instruction from bit |at| on. */
static void
set_field(void *instruction, uint64_t value, int at, int bits)
{
    uint32_t word, mask = ((UINT32_C(1) << bits) - 1) << at;
    memcpy(&word, instruction, sizeof word);
    word = (word & ~mask) | ((uint32_t)value << at & mask);
    memcpy(instruction, &word, sizeof word);
}

static bool
fits(int64_t value, int bits)
{
    return value >= -(INT64_C(1) << (bits - 1)) && value < INT64_C(1) << (bits - 1);
}

static bool
set_branch(void *at, int64_t distance, int field, int bits)
{
    if (distance % 4 || !fits(distance / 4, bits))
        return false;
    set_field(at, (uint64_t)distance >> 2, field, bits);
    return true;
}

/* The two fields of adr and adrp. */
static bool
set_adr(void *at, int64_t value)
{
    if (!fits(value, 21))
        return false;
    set_field(at, (uint64_t)value & 3, 29, 2);
    set_field(at, (uint64_t)value >> 2, 5, 19);
    return true;
}

static bool
set_low12(void *at, uint64_t value, int shift)
{
    uint64_t low = value & 0xfff;
    if (low & ((UINT64_C(1) << shift) - 1))
        return false;
    set_field(at, low >> shift, 10, 12);
    return true;
}

bool
relocation_apply(uint16_t machine, uint32_t type, void *at, uint64_t place, uint64_t value)
{
    const struct row *r = find(machine, type);
    int64_t distance = (int64_t)(value - place);
    if (!r)
        return false;
    switch ((enum form)r->form) {
    case FORM_ABS64: memcpy(at, &value, 8); return true;
    case FORM_REL64: memcpy(at, &distance, 8); return true;
    case FORM_REL32: memcpy(at, &distance, 4); return fits(distance, 32); /* little-endian: the low half lies in front */
    case FORM_BRANCH26: return set_branch(at, distance, 0, 26);
    case FORM_BRANCH19: return set_branch(at, distance, 5, 19);
    case FORM_BRANCH14: return set_branch(at, distance, 5, 14);
    case FORM_ADR21: return set_adr(at, distance);
    case FORM_PAGE21: return set_adr(at, (int64_t)((value & ~UINT64_C(0xfff)) - (place & ~UINT64_C(0xfff))) >> 12);
    case FORM_LOW12:
    case FORM_LOW12_2:
    case FORM_LOW12_4:
    case FORM_LOW12_8:
    case FORM_LOW12_16: return set_low12(at, value, (int)r->form - FORM_LOW12);
    }
    return false;
}

bool
relocation_stub(uint16_t machine, void *at, uint64_t place, uint64_t slot)
{
    int64_t distance = (int64_t)(slot - place);
    if (machine == EM_X86_64) {
        static const unsigned char jump[STUB_SIZE] = {0xff, 0x25, 0, 0, 0, 0, 0xcc, 0xcc}; /* jmp *[rip + n] */
        int32_t n = (int32_t)(distance - 6);
        memcpy(at, jump, sizeof jump);
        memcpy((char *)at + 2, &n, sizeof n);
        return fits(distance - 6, 32);
    }
    static const uint32_t jump[STUB_SIZE / 4] = {0x58000010, 0xd61f0200}; /* ldr x16, n; br x16 */
    memcpy(at, jump, sizeof jump);
    return machine == EM_AARCH64 && set_branch(at, distance, 5, 19);
}
