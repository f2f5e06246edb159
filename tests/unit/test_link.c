/* link and relocate: objects become code; damaged ones are refused; every kind of relocation puts the bits where they
 * belong. */
#include "codegen/codegen.h"
#include "codegen/link.h"
#include <criterion/criterion.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

/* ---- an object built by hand: f calls `outside`, reads a constant, a slot and an address table ---- */

enum { TEXT = 1, CONSTANTS, SYMBOLS, STRINGS, RELOCATIONS, RELOCATIONS_2, NAMES, SECTIONS };

struct object {
    Elf64_Ehdr head;
    Elf64_Shdr section[SECTIONS];
    unsigned char text[64];
    uint64_t constants[2];
    Elf64_Sym symbols[5];
    Elf64_Rela relocations[3], relocations_2[1];
    char strings[32], names[64];
};

static int
outside(int x)
{
    return x + 40;
}

static const struct runtime_function functions[] = {{"outside", (void *)outside}, {NULL, NULL}};

static void
section(struct object *o, int i, uint32_t type, uint64_t flags, const void *at, size_t size)
{
    o->section[i] = (Elf64_Shdr){.sh_type = type, .sh_flags = flags, .sh_addralign = 16,
                                 .sh_offset = (uint64_t)((const char *)at - (const char *)o), .sh_size = size};
}

#if defined(__x86_64__)
static struct object
make_object(void)
{
    /* sub rsp, 8; call outside; add eax, [rip + constants]; mov rcx, [rip + slot of constants]; add eax, [rcx + 8]; add rsp,
     * 8; ret. */
    static const unsigned char code[] = {0x48, 0x83, 0xec, 8, 0xe8, 0, 0, 0, 0, 3, 5, 0, 0, 0, 0, 0x48, 0x8b, 0x0d, 0, 0, 0,
                                         0,
                                         3, 0x41, 8, 0x48, 0x83, 0xc4, 8, 0xc3};
    struct object o = {.head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                                .e_type = ET_REL, .e_machine = EM_X86_64, .e_shoff = offsetof(struct object, section),
                                .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = SECTIONS, .e_shstrndx = NAMES}};
    memcpy(o.text, code, sizeof code);
    o.constants[0] = 2;
    memcpy(o.strings, "\0f\0outside\0constants", 21);
    o.symbols[1] = (Elf64_Sym){.st_name = 1, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = TEXT,
                               .st_size = 30};
    o.symbols[2] = (Elf64_Sym){.st_name = 3, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE)};
    o.symbols[3] = (Elf64_Sym){.st_name = 11, .st_shndx = CONSTANTS};
    o.relocations[0] = (Elf64_Rela){5, ELF64_R_INFO(2, R_X86_64_PLT32), -4};
    o.relocations[1] = (Elf64_Rela){11, ELF64_R_INFO(3, R_X86_64_PC32), -4};
    o.relocations[2] = (Elf64_Rela){18, ELF64_R_INFO(3, R_X86_64_REX_GOTPCRELX), -4};
    o.relocations_2[0] = (Elf64_Rela){8, ELF64_R_INFO(1, R_X86_64_64), 0};
    section(&o, TEXT, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, o.text, sizeof o.text);
    section(&o, CONSTANTS, SHT_PROGBITS, SHF_ALLOC, o.constants, sizeof o.constants);
    section(&o, SYMBOLS, SHT_SYMTAB, 0, o.symbols, sizeof o.symbols);
    o.section[SYMBOLS].sh_link = STRINGS;
    section(&o, STRINGS, SHT_STRTAB, 0, o.strings, sizeof o.strings);
    section(&o, RELOCATIONS, SHT_RELA, 0, o.relocations, sizeof o.relocations);
    o.section[RELOCATIONS].sh_info = TEXT;
    section(&o, RELOCATIONS_2, SHT_RELA, 0, o.relocations_2, sizeof o.relocations_2);
    o.section[RELOCATIONS_2].sh_info = CONSTANTS;
    section(&o, NAMES, SHT_STRTAB, 0, o.names, sizeof o.names);
    for (int i = 0; i < SECTIONS; i++) /* section() counted from the local copy, which has the same layout */
        cr_assert(o.section[i].sh_offset < sizeof o);
    return o;
}

/* Whether the pages of |address| have these rights: "r-xp". */
static bool
has_rights(const void *address, const char *rights)
{
    char line[512];
    bool found = false;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f && fgets(line, sizeof line, f)) {
        unsigned long from, to;
        char have[8];
        if (sscanf(line, "%lx-%lx %7s", &from, &to, have) == 3 && (unsigned long)address >= from &&
            (unsigned long)address < to)
            found = !strcmp(have, rights);
    }
    fclose(f);
    return found;
}

Test(link, maps_and_runs)
{
    struct arena arena;
    struct diag diag;
    struct image image;
    struct object o = make_object();
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    cr_assert(image_map(&image, &o, sizeof o, functions, &diag), "%s", diag.first ? diag.first->message : "");
    int (*f)(int) = (int (*)(int))image_function(&image, "f");
    cr_assert(f && !image_function(&image, "g") && image.count == 1 && image.symbols[0].size == 30);
    cr_assert_eq((uint32_t)f(5), 47 + (uint32_t)(uintptr_t)f); /* 5 + 40, the constant 2, and the low half of f's address */
    cr_assert(has_rights((void *)(uintptr_t)f, "r-xp") && has_rights(image.base + image.code_size, "r--p"));
    image_free(&image);
    arena_free(&arena);
}

/* Every byte of the object, changed in turn, gives a report or an image, and nothing worse. */
Test(link, damaged_objects)
{
    struct arena arena;
    arena_init(&arena, NULL);
    int refused = 0;
    for (size_t i = 0; i < sizeof(struct object); i++)
        for (int k = 0; k < 3; k++) {
            struct diag diag;
            struct image image;
            struct object o = make_object();
            ((unsigned char *)&o)[i] ^= k == 0 ? 1 : k == 1 ? 0x80 : 0xff;
            diag_init(&diag, &arena);
            if (image_map(&image, &o, sizeof o, functions, &diag))
                image_free(&image);
            else {
                cr_assert_eq(diag.errors, 1);
                refused++;
            }
        }
    cr_assert(refused > 400, "%d", refused);
    for (size_t size = 0; size < sizeof(struct object); size++) {
        struct diag diag;
        struct image image;
        struct object o = make_object(), *cut = malloc(size + 1);
        memcpy(cut, &o, size);
        diag_init(&diag, &arena);
        if (image_map(&image, cut, size, functions, &diag))
            image_free(&image);
        free(cut);
    }
    arena_free(&arena);
}

Test(link, refuses_what_is_none_of_ours)
{
    struct arena arena;
    arena_init(&arena, NULL);
    for (int k = 0; k < 5; k++) {
        struct diag diag;
        struct image image;
        struct object o = make_object();
        if (k == 0)
            o.section[TEXT].sh_flags |= SHF_WRITE;
        else if (k == 1)
            o.strings[3] = 'O'; /* "Outside" */
        else if (k == 2)
            o.relocations[0].r_info = ELF64_R_INFO(2, R_X86_64_TPOFF32);
        else if (k == 3)
            o.head.e_machine = EM_386;
        else
            o.relocations[1].r_addend = INT64_C(1) << 40;
        diag_init(&diag, &arena);
        cr_assert(!image_map(&image, &o, sizeof o, functions, &diag), "case %d", k);
        cr_assert(diag.first && diag.first->code == DIAG_JIT_FAILED, "case %d", k);
    }
    arena_free(&arena);
}
#endif

/* ---- single relocations, with the encodings of the architecture manuals ---- */

struct sample {
    uint16_t machine;
    uint32_t type;
    uint64_t before, place, value, after;
    bool fits;
};

static const struct sample samples[] = {
    {EM_X86_64, R_X86_64_64, 0, 0x1000, 0x123456789abcdef0, 0x123456789abcdef0, true},
    {EM_X86_64, R_X86_64_PC64, 0, 0x1000, 0x800, 0xfffffffffffff800, true},
    {EM_X86_64, R_X86_64_PC32, 0xaaaaaaaa00000000, 0x1000, 0x0ff0, 0xaaaaaaaafffffff0, true},
    {EM_X86_64, R_X86_64_PLT32, 0, 0x1000, 0x1000 + 0x7fffffffu, 0x7fffffff, true},
    {EM_X86_64, R_X86_64_PC32, 0, 0x1000, 0x1000 + 0x80000000u, 0, false},
    {EM_X86_64, R_X86_64_GOTPCREL, 0, 0x2000, 0x1000, 0xfffff000, true},
    /* bl #-4; b #0x7fffffc; too far; not a multiple of 4 */
    {EM_AARCH64, R_AARCH64_CALL26, 0x94000000, 0x1000, 0x0ffc, 0x97ffffff, true},
    {EM_AARCH64, R_AARCH64_JUMP26, 0x14000000, 0x1000, 0x1000 + 0x7fffffc, 0x15ffffff, true},
    {EM_AARCH64, R_AARCH64_JUMP26, 0x14000000, 0x1000, 0x1000 + 0x8000000, 0, false},
    {EM_AARCH64, R_AARCH64_CALL26, 0x94000000, 0x1000, 0x1002, 0, false},
    /* b.eq #8; tbz w0, #0, #-4; ldr x0, #16 */
    {EM_AARCH64, R_AARCH64_CONDBR19, 0x54000000, 0x1000, 0x1008, 0x54000040, true},
    {EM_AARCH64, R_AARCH64_TSTBR14, 0x36000000, 0x1000, 0x0ffc, 0x3607ffe0, true},
    {EM_AARCH64, R_AARCH64_LD_PREL_LO19, 0x58000000, 0x1000, 0x1010, 0x58000080, true},
    /* adr x0, #5; adrp x1, #+3 pages; adrp x1, #-1 page; 2^20 pages are too many */
    {EM_AARCH64, R_AARCH64_ADR_PREL_LO21, 0x10000000, 0x1000, 0x1005, 0x30000020, true},
    {EM_AARCH64, R_AARCH64_ADR_PREL_PG_HI21, 0x90000001, 0x1ffc, 0x4123, 0xf0000001, true},
    {EM_AARCH64, R_AARCH64_ADR_PREL_PG_HI21, 0x90000001, 0x2000, 0x1fff, 0xf0ffffe1, true},
    {EM_AARCH64, R_AARCH64_ADR_PREL_PG_HI21, 0x90000001, 0x1000, 0x100001000, 0, false},
    {EM_AARCH64, R_AARCH64_ADR_GOT_PAGE, 0x90000001, 0x1000, 0x2008, 0xb0000001, true},
    /* add x0, x0, #0x123; ldrb; ldrh; ldr s; ldr d; ldr q */
    {EM_AARCH64, R_AARCH64_ADD_ABS_LO12_NC, 0x91000000, 0x1000, 0x45123, 0x91048c00, true},
    {EM_AARCH64, R_AARCH64_LDST8_ABS_LO12_NC, 0x39400000, 0x1000, 0x45123, 0x39448c00, true},
    {EM_AARCH64, R_AARCH64_LDST16_ABS_LO12_NC, 0x79400000, 0x1000, 0x45122, 0x79424400, true},
    {EM_AARCH64, R_AARCH64_LDST32_ABS_LO12_NC, 0xbd400000, 0x1000, 0x45124, 0xbd412400, true},
    {EM_AARCH64, R_AARCH64_LDST64_ABS_LO12_NC, 0xfd400000, 0x1000, 0x45128, 0xfd409400, true},
    {EM_AARCH64, R_AARCH64_LDST128_ABS_LO12_NC, 0x3dc00000, 0x1000, 0x45120, 0x3dc04800, true},
    {EM_AARCH64, R_AARCH64_LD64_GOT_LO12_NC, 0xf9400000, 0x1000, 0x45128, 0xf9409400, true},
    {EM_AARCH64, R_AARCH64_LDST128_ABS_LO12_NC, 0x3dc00000, 0x1000, 0x45128, 0, false},
    {EM_AARCH64, R_AARCH64_ABS64, 0, 0x1000, 0x1234, 0x1234, true},
    {EM_AARCH64, R_AARCH64_PREL32, 0, 0x1000, 0x0ff0, 0xfffffff0, true},
    {EM_AARCH64, R_AARCH64_PREL64, 0, 0x1000, 0x0ff0, 0xfffffffffffffff0, true},
    {EM_AARCH64, 9999, 0, 0, 0, 0, false},
};

Test(relocate, single_relocations)
{
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        const struct sample *s = &samples[i];
        uint64_t bytes = s->before;
        bool fits = relocation_apply(s->machine, s->type, &bytes, s->place, s->value);
        cr_expect_eq(fits, s->fits, "sample %zu", i);
        cr_expect(!fits || bytes == s->after, "sample %zu: %llx, wanted %llx", i, (unsigned long long)bytes,
                  (unsigned long long)s->after);
    }
}

Test(relocate, stubs)
{
    unsigned char bytes[STUB_SIZE];
    cr_assert(relocation_stub(EM_X86_64, bytes, 0x1000, 0x2000));
    cr_assert(!memcmp(bytes, "\xff\x25\xfa\x0f\0\0", 6)); /* jmp *[rip + 0xffa] */
    cr_assert(relocation_stub(EM_AARCH64, bytes, 0x1000, 0x1010));
    cr_assert(!memcmp(bytes, "\x90\0\0\x58\0\x02\x1f\xd6", 8)); /* ldr x16, #16; br x16 */
    cr_assert(!relocation_stub(EM_AARCH64, bytes, 0x1000, 0x1000 + (1 << 20)));
    cr_assert(!relocation_stub(EM_X86_64, bytes, 0, UINT64_C(1) << 32));
}
