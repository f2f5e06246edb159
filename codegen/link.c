#include "codegen/link.h"
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { MACHINE = EM_X86_64 };
#else
enum { MACHINE = EM_AARCH64 };
#endif

/* An object on its way into memory. Every offset in it is checked before it is followed. */
struct link {
    const char *bytes;
    size_t size;
    const struct runtime_function *functions;
    const Elf64_Shdr *sections;
    size_t nsections;
    const char *names;          /* of sections */
    size_t names_size;
    const Elf64_Sym *symbols;
    size_t nsymbols;
    const char *strings;        /* of symbols */
    size_t strings_size;
    size_t *offset;             /* of each section in the image; NOT_LOADED */
    size_t code, stubs, slots, end; /* offsets in the image */
    char *base;
    const char *fault;
};

#define NOT_LOADED SIZE_MAX

static bool
fault(struct link *l, const char *what)
{
    l->fault = what;
    return false;
}

/* |count| things of |each| bytes at |offset| of the object, aligned to 8 (to 1 if |each| is 1); NULL if they are not
 * there. */
static const void *
piece(const struct link *l, uint64_t offset, uint64_t count, size_t each)
{
    if (offset > l->size || count > (l->size - offset) / each || (each > 1 && offset % 8))
        return NULL;
    return l->bytes + offset;
}

/* The text at |offset| of a table of texts; "" if it is not there or has no end. */
static const char *
text_at(const char *table, size_t size, size_t offset)
{
    return offset < size && memchr(table + offset, 0, size - offset) ? table + offset : "";
}

static bool
read_strings(struct link *l, size_t section, const char **out, size_t *out_size)
{
    const Elf64_Shdr *s = section < l->nsections ? &l->sections[section] : NULL;
    *out = s ? piece(l, s->sh_offset, s->sh_size, 1) : NULL;
    *out_size = s ? s->sh_size : 0;
    return *out || fault(l, "a table of names is missing");
}

static bool
read_headers(struct link *l)
{
    const Elf64_Ehdr *h = piece(l, 0, 1, sizeof *h);
    if (!h || memcmp(h->e_ident, ELFMAG, SELFMAG) || h->e_ident[EI_CLASS] != ELFCLASS64 ||
        h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_type != ET_REL || h->e_machine != MACHINE)
        return fault(l, "not an object file of this machine");
    l->nsections = h->e_shnum;
    l->sections = h->e_shentsize == sizeof *l->sections ? piece(l, h->e_shoff, h->e_shnum, sizeof *l->sections) : NULL;
    if (!l->sections)
        return fault(l, "its sections are missing");
    if (!read_strings(l, h->e_shstrndx, &l->names, &l->names_size))
        return false;
    for (size_t i = 0; i < l->nsections; i++) {
        const Elf64_Shdr *s = &l->sections[i];
        if (s->sh_type != SHT_SYMTAB)
            continue;
        l->nsymbols = s->sh_size / sizeof *l->symbols;
        l->symbols = piece(l, s->sh_offset, l->nsymbols, sizeof *l->symbols);
        return l->symbols ? read_strings(l, s->sh_link, &l->strings, &l->strings_size) : fault(l, "its symbols are missing");
    }
    return fault(l, "it has no symbols");
}

/* ---- layout: code, stubs | constants, slots ---- */

static bool
is_loaded(const Elf64_Shdr *s)
{
    return s->sh_flags & SHF_ALLOC && s->sh_size;
}

static size_t
round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static bool
place_sections(struct link *l, bool code, size_t *at)
{
    for (size_t i = 0; i < l->nsections; i++) {
        const Elf64_Shdr *s = &l->sections[i];
        if (!is_loaded(s) || !(s->sh_flags & SHF_EXECINSTR) == code)
            continue;
        size_t align = s->sh_addralign ? s->sh_addralign : 1;
        if (s->sh_flags & SHF_TLS || (code && s->sh_flags & SHF_WRITE))
            return fault(l, "it has data of threads or code that changes");
        if (align > 4096 || align & (align - 1) || s->sh_size > INT32_MAX ||
            (s->sh_type != SHT_NOBITS && !piece(l, s->sh_offset, s->sh_size, 1)))
            return fault(l, "a section is damaged");
        l->offset[i] = round_up(*at, align);
        *at = l->offset[i] + s->sh_size;
        if (*at > INT32_MAX)
            return fault(l, "it is too large");
    }
    return true;
}

static bool
place_all(struct link *l, size_t page)
{
    size_t at = 0;
    for (size_t i = 0; i < l->nsections; i++)
        l->offset[i] = NOT_LOADED;
    if (!place_sections(l, true, &at))
        return false;
    l->stubs = round_up(at, STUB_SIZE);
    at = l->code = round_up(l->stubs + l->nsymbols * STUB_SIZE, page);
    if (!place_sections(l, false, &at))
        return false;
    l->slots = round_up(at, 8);
    l->end = round_up(l->slots + 8 * l->nsymbols, page);
    return l->end <= INT32_MAX || fault(l, "it is too large");
}

/* ---- symbols and relocations ---- */

static const char *
symbol_name(const struct link *l, const Elf64_Sym *s)
{
    return text_at(l->strings, l->strings_size, s->st_name);
}

static bool
symbol_address(struct link *l, const Elf64_Sym *s, uint64_t *out)
{
    if (s->st_shndx == SHN_UNDEF) {
        for (const struct runtime_function *f = l->functions; f->name; f++)
            if (!strcmp(f->name, symbol_name(l, s))) {
                *out = (uint64_t)(uintptr_t)f->address;
                return true;
            }
        return fault(l, "it calls a function that is not in runtime.def");
    }
    if (s->st_shndx >= l->nsections || l->offset[s->st_shndx] == NOT_LOADED)
        return fault(l, "a symbol lies in no section");
    *out = (uint64_t)(uintptr_t)l->base + l->offset[s->st_shndx] + s->st_value;
    return true;
}

/* Where a relocation of |kind| leads for symbol |index|; fills slots and stubs on the way. */
static bool
target_of(struct link *l, enum relocation_kind kind, size_t index, uint64_t *out)
{
    const Elf64_Sym *s = &l->symbols[index];
    bool outside = s->st_shndx == SHN_UNDEF;
    char *slot = l->base + l->slots + 8 * index;
    if (!symbol_address(l, s, out))
        return false;
    if (kind != RELOCATE_SLOT && !(kind == RELOCATE_CALL && outside))
        return true;
    memcpy(slot, out, 8);
    *out = (uint64_t)(uintptr_t)slot;
    if (kind == RELOCATE_SLOT)
        return true;
    char *stub = l->base + l->stubs + STUB_SIZE * index;
    *out = (uint64_t)(uintptr_t)stub;
    return relocation_stub(MACHINE, stub, *out, (uint64_t)(uintptr_t)slot) || fault(l, "a stub is out of reach");
}

static bool
relocate(struct link *l, const Elf64_Rela *r, const Elf64_Shdr *section, size_t offset)
{
    uint32_t type = (uint32_t)ELF64_R_TYPE(r->r_info);
    size_t symbol = ELF64_R_SYM(r->r_info), size = relocation_size(MACHINE, type);
    enum relocation_kind kind = relocation_kind(MACHINE, type);
    uint64_t value;
    if (kind == RELOCATE_NOTHING)
        return true;
    if (kind == RELOCATE_UNKNOWN)
        return fault(l, "it has a relocation of an unknown kind");
    if (symbol >= l->nsymbols || section->sh_size < size || r->r_offset > section->sh_size - size)
        return fault(l, "a relocation is damaged");
    if (!target_of(l, kind, symbol, &value))
        return false;
    char *at = l->base + offset + r->r_offset;
    return relocation_apply(MACHINE, type, at, (uint64_t)(uintptr_t)at, value + (uint64_t)r->r_addend) ||
           fault(l, "a relocation is out of reach");
}

static bool
relocate_all(struct link *l)
{
    for (size_t i = 0; i < l->nsections; i++) {
        const Elf64_Shdr *s = &l->sections[i];
        if (s->sh_type != SHT_RELA || s->sh_info >= l->nsections || l->offset[s->sh_info] == NOT_LOADED)
            continue;
        size_t count = s->sh_size / sizeof(Elf64_Rela);
        const Elf64_Rela *r = piece(l, s->sh_offset, count, sizeof *r);
        if (!r)
            return fault(l, "its relocations are missing");
        for (size_t k = 0; k < count; k++)
            if (!relocate(l, &r[k], &l->sections[s->sh_info], l->offset[s->sh_info]))
                return false;
    }
    return true;
}

static void
copy_sections(struct link *l)
{
    for (size_t i = 0; i < l->nsections; i++)
        if (l->offset[i] != NOT_LOADED && l->sections[i].sh_type != SHT_NOBITS)
            memcpy(l->base + l->offset[i], l->bytes + l->sections[i].sh_offset, l->sections[i].sh_size);
}

/* ---- the image ---- */

/* The table for unwinding, which serves debuggers: nothing is thrown. */
static void
find_frames(const struct link *l, struct image *out)
{
    for (size_t i = 0; i < l->nsections; i++)
        if (l->offset[i] != NOT_LOADED && !strcmp(text_at(l->names, l->names_size, l->sections[i].sh_name), ".eh_frame")) {
            out->frames = l->base + l->offset[i];
            out->frames_size = l->sections[i].sh_size;
        }
}

static bool
list_functions(struct link *l, struct image *out)
{
    out->symbols = calloc(l->nsymbols + 1, sizeof *out->symbols);
    if (!out->symbols)
        return false;
    for (size_t i = 0; i < l->nsymbols; i++) {
        const Elf64_Sym *s = &l->symbols[i];
        uint64_t address;
        if (ELF64_ST_TYPE(s->st_info) == STT_FUNC && s->st_shndx != SHN_UNDEF && symbol_address(l, s, &address))
            out->symbols[out->count++] = (struct image_symbol){symbol_name(l, s), (uintptr_t)address, s->st_size};
    }
    return true;
}

/* Takes the right to write from the pages and gives that to execute. */
static bool
seal(const struct link *l, struct diag *diag)
{
    if (!mprotect(l->base + l->code, l->end - l->code, PROT_READ) &&
        !(l->code && mprotect(l->base, l->code, PROT_READ | PROT_EXEC))) {
        __builtin___clear_cache(l->base, l->base + l->code);
        return true;
    }
    if (errno == ENOMEM)
        diag_subject(diag, OUT_OF_MEMORY, NULL);
    else
        diag_subject(diag, JIT_DENIED, NULL);
    return false;
}

static bool
map(struct link *l, struct image *out, struct diag *diag)
{
    if (!read_headers(l))
        return false;
    l->offset = calloc(l->nsections + 1, sizeof *l->offset);
    if (!l->offset || !place_all(l, (size_t)sysconf(_SC_PAGESIZE)))
        return false;
    void *base = l->end ? mmap(NULL, l->end, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
    if (base == MAP_FAILED)
        return false;
    *out = (struct image){.base = base, .size = l->end, .code_size = l->code, .machine = MACHINE};
    l->base = base;
    copy_sections(l);
    find_frames(l, out);
    return relocate_all(l) && list_functions(l, out) && seal(l, diag);
}

bool
image_map(struct image *out, const void *object, size_t size, const struct runtime_function *functions, struct diag *diag)
{
    struct link l = {.bytes = object, .size = size, .functions = functions};
    int errors = diag->errors;
    *out = (struct image){0};
    bool ok = map(&l, out, diag);
    free(l.offset);
    if (ok)
        return true;
    if (l.fault)
        diag_subject(diag, JIT_FAILED, NULL, l.fault);
    else if (diag->errors == errors)
        diag_subject(diag, OUT_OF_MEMORY, NULL);
    image_free(out);
    return false;
}

void *
image_function(const struct image *i, const char *name)
{
    for (int k = 0; k < i->count; k++)
        if (!strcmp(i->symbols[k].name, name))
            return (void *)i->symbols[k].address;
    return NULL;
}

void
image_free(struct image *i)
{
    if (i->base)
        munmap(i->base, i->size);
    free(i->symbols);
    *i = (struct image){0};
}

bool
image_allowed(struct diag *diag)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        diag_subject(diag, OUT_OF_MEMORY, NULL);
        return false;
    }
    bool allowed = !mprotect(page, size, PROT_READ | PROT_EXEC);
    int cause = errno;
    munmap(page, size);
    if (!allowed && cause == ENOMEM)
        diag_subject(diag, OUT_OF_MEMORY, NULL);
    else if (!allowed)
        diag_subject(diag, JIT_DENIED, NULL);
    return allowed;
}
