#include "codegen/debugger.h"
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- gdb's interface: its names, layouts and protocol are gdb's (manual, "JIT Compilation Interface") ---- */

struct debugger_entry {
    struct debugger_entry *next, *previous;
    const char *file;
    uint64_t size;
};

struct jit_descriptor {
    uint32_t version;
    uint32_t action;            /* 1: entry was added; 2: is about to be removed */
    struct debugger_entry *entry, *first;
};

/* The debugger finds these two by their names; they are the one place where the process keeps a list. */
__attribute__((used, visibility("default"))) struct jit_descriptor __jit_debug_descriptor = {.version = 1};
__attribute__((used, noinline, visibility("default"))) void __jit_debug_register_code(void);
static pthread_mutex_t descriptor_lock = PTHREAD_MUTEX_INITIALIZER;

void
__jit_debug_register_code(void)
{
    __asm__ volatile("" ::: "memory"); /* gdb has a breakpoint here */
}

/* ---- which line a function comes from ---- */

static const struct graph *
graph_of(const struct code_graphs *graphs, const char *name)
{
    for (int i = 1; i < graphs->count; i++) {
        const char *dot = strrchr(graphs->graph[i]->name, '.'), *prefix = dot ? dot + 1 : graphs->graph[i]->name;
        size_t length = strlen(prefix);
        if (!strncmp(name, prefix, length) && name[length] == '.')
            return graphs->graph[i];
    }
    return graphs->graph[0];
}

/* The place of the node that the function is named after: "matmul.12", "eval.fused.3". */
static struct place
place_of(const struct code_graphs *graphs, const char *name)
{
    const struct graph *g = graph_of(graphs, name);
    const char *dot = strrchr(name, '.');
    long id = dot && strncmp(name, "step", 4) ? strtol(dot + 1, NULL, 10) : 0;
    struct place place = id >= 0 && id < g->count ? g->nodes[id]->place : (struct place){0};
    if (place.file < 1 || place.file > graphs->nfiles)
        return (struct place){0};
    return place;
}

/* ---- a small object file for gdb: where the code lies, its functions, their lines (DWARF 2), their frames ---- */

struct buffer {
    char *bytes;
    size_t size, cap;
    bool failed;
};

static void
put(struct buffer *b, const void *bytes, size_t size)
{
    if (b->size + size > b->cap) {
        size_t cap = (b->size + size) * 2 + 1024;
        char *more = realloc(b->bytes, cap);
        if (!more) {
            b->failed = true;
            return;
        }
        b->bytes = more;
        b->cap = cap;
    }
    memcpy(b->bytes + b->size, bytes, size);
    b->size += size;
}

static void put_u8(struct buffer *b, uint8_t v) { put(b, &v, 1); }
static void put_u16(struct buffer *b, uint16_t v) { put(b, &v, 2); }
static void put_u32(struct buffer *b, uint32_t v) { put(b, &v, 4); }
static void put_u64(struct buffer *b, uint64_t v) { put(b, &v, 8); }
static void put_text(struct buffer *b, const char *s) { put(b, s, strlen(s) + 1); }

static void
put_uleb(struct buffer *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        put_u8(b, (uint8_t)(v | 0x80));
    put_u8(b, (uint8_t)v);
}

static void
put_sleb(struct buffer *b, int64_t v)
{
    for (; v < -64 || v > 63; v >>= 7)
        put_u8(b, (uint8_t)(v | 0x80));
    put_u8(b, (uint8_t)(v & 0x7f));
}

static void
set_u32(struct buffer *b, size_t at, size_t value)
{
    uint32_t v = (uint32_t)value;
    if (!b->failed)
        memcpy(b->bytes + at, &v, 4);
}

enum { TAG_COMPILE_UNIT = 0x11, TAG_SUBPROGRAM = 0x2e, AT_NAME = 3, AT_STMT_LIST = 0x10, AT_LOW_PC = 0x11,
      AT_HIGH_PC = 0x12 };
enum { FORM_ADDR = 1, FORM_DATA4 = 6, FORM_STRING = 8 };

static void
put_abbreviations(struct buffer *b)
{
    static const uint8_t all[] = {
        1, TAG_COMPILE_UNIT, 1, AT_NAME, FORM_STRING, AT_LOW_PC, FORM_ADDR, AT_HIGH_PC, FORM_ADDR, AT_STMT_LIST, FORM_DATA4,
        0, 0, 2, TAG_SUBPROGRAM, 0, AT_NAME, FORM_STRING, AT_LOW_PC, FORM_ADDR, AT_HIGH_PC, FORM_ADDR, 0, 0, 0};
    put(b, all, sizeof all);
}

static void
put_info(struct buffer *b, const struct image *image, const struct code_graphs *graphs)
{
    size_t start = b->size;
    put_u32(b, 0);  /* size, below */
    put_u16(b, 2);  /* DWARF */
    put_u32(b, 0);  /* .debug_abbrev */
    put_u8(b, 8);
    put_uleb(b, 1);
    put_text(b, graphs->nfiles ? graphs->files[0] : graphs->graph[0]->name);
    put_u64(b, (uintptr_t)image->base);
    put_u64(b, (uintptr_t)image->base + image->code_size);
    put_u32(b, 0);  /* .debug_line */
    for (int i = 0; i < image->count; i++) {
        put_uleb(b, 2);
        put_text(b, image->symbols[i].name);
        put_u64(b, image->symbols[i].address);
        put_u64(b, image->symbols[i].address + image->symbols[i].size);
    }
    put_uleb(b, 0);
    set_u32(b, start, b->size - start - 4);
}

enum { LINE_COPY = 1, LINE_ADVANCE_PC = 2, LINE_ADVANCE_LINE = 3, LINE_SET_FILE = 4, LINE_END = 1, LINE_SET_ADDRESS = 2 };

static void
put_function_lines(struct buffer *b, const struct image_symbol *s, struct place place)
{
    put_u8(b, 0);
    put_uleb(b, 9);
    put_u8(b, LINE_SET_ADDRESS);
    put_u64(b, s->address);
    put_u8(b, LINE_SET_FILE);
    put_uleb(b, (uint64_t)place.file);
    put_u8(b, LINE_ADVANCE_LINE);
    put_sleb(b, place.line - 1);
    put_u8(b, LINE_COPY);
    put_u8(b, LINE_ADVANCE_PC);
    put_uleb(b, s->size);
    put_u8(b, 0);
    put_uleb(b, 1);
    put_u8(b, LINE_END);
}

static void
put_lines(struct buffer *b, const struct image *image, const struct code_graphs *graphs)
{
    static const uint8_t head[] = {1, 1, 0, 1, 10, 0, 1, 1, 1, 1, 0, 0, 0, 1}; /* sizes, then operands of opcodes 1 to 9 */
    size_t start = b->size;
    put_u32(b, 0);
    put_u16(b, 2);
    put_u32(b, 0);  /* size of the header, below */
    put(b, head, sizeof head);
    put_u8(b, 0);   /* no folders */
    for (int i = 0; i < graphs->nfiles; i++) {
        put_text(b, graphs->files[i]);
        put(b, "\0\0", 3);
    }
    put_u8(b, 0);
    set_u32(b, start + 6, b->size - start - 10);
    for (int i = 0; i < image->count; i++) {
        struct place place = place_of(graphs, image->symbols[i].name);
        if (place.line)
            put_function_lines(b, &image->symbols[i], place);
    }
    set_u32(b, start, b->size - start - 4);
}

enum { SECTION_TEXT = 1, SECTION_NAMES, SECTION_SYMBOLS, SECTION_INFO, SECTION_ABBREV, SECTION_LINE, SECTION_FRAMES,
       SECTIONS };

/* Names of sections and symbols are in one table; out_names: where those of the symbols are. */
static void
put_names(struct buffer *b, const struct image *image, uint32_t section_names[SECTIONS], uint32_t *symbol_names)
{
    static const char *const sections[SECTIONS] = {"", ".text", ".strtab", ".symtab", ".debug_info", ".debug_abbrev",
                                                   ".debug_line", ".eh_frame"};
    size_t start = b->size;
    for (int i = 0; i < SECTIONS; i++) {
        section_names[i] = (uint32_t)(b->size - start);
        put_text(b, sections[i]);
    }
    for (int i = 0; i < image->count; i++) {
        symbol_names[i] = (uint32_t)(b->size - start);
        put_text(b, image->symbols[i].name);
    }
}

static void
put_symbols(struct buffer *b, const struct image *image, const uint32_t *names)
{
    Elf64_Sym symbol = {0};
    put(b, &symbol, sizeof symbol);
    for (int i = 0; i < image->count; i++) {
        symbol = (Elf64_Sym){.st_name = names[i], .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = SECTION_TEXT,
                             .st_value = image->symbols[i].address - (uintptr_t)image->base,
                             .st_size = image->symbols[i].size};
        put(b, &symbol, sizeof symbol);
    }
}

static void
end_section(struct buffer *b, Elf64_Shdr *s, uint32_t type, size_t start)
{
    s->sh_type = type;
    s->sh_offset = start;
    s->sh_size = b->size - start;
    while (b->size % 8 && !b->failed)
        put_u8(b, 0);
}

static void
put_file(struct buffer *b, const struct image *image, const struct code_graphs *graphs, uint32_t *symbol_names)
{
    Elf64_Ehdr head = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                       .e_type = ET_REL,
                       .e_machine = image->machine, .e_version = EV_CURRENT, .e_ehsize = sizeof head,
                       .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = SECTIONS, .e_shstrndx = SECTION_NAMES};
    Elf64_Shdr sections[SECTIONS] = {0};
    uint32_t names[SECTIONS];
    put(b, &head, sizeof head);
    sections[SECTION_TEXT] = (Elf64_Shdr){.sh_type = SHT_NOBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR, .sh_addralign = 16,
                                          .sh_addr = (uintptr_t)image->base, .sh_size = image->code_size};
    size_t start = b->size;
    put_names(b, image, names, symbol_names);
    end_section(b, &sections[SECTION_NAMES], SHT_STRTAB, start);
    start = b->size;
    put_symbols(b, image, symbol_names);
    end_section(b, &sections[SECTION_SYMBOLS], SHT_SYMTAB, start);
    sections[SECTION_SYMBOLS].sh_link = SECTION_NAMES;
    sections[SECTION_SYMBOLS].sh_info = 1;
    sections[SECTION_SYMBOLS].sh_entsize = sizeof(Elf64_Sym);
    start = b->size;
    put_info(b, image, graphs);
    end_section(b, &sections[SECTION_INFO], SHT_PROGBITS, start);
    start = b->size;
    put_abbreviations(b);
    end_section(b, &sections[SECTION_ABBREV], SHT_PROGBITS, start);
    start = b->size;
    put_lines(b, image, graphs);
    end_section(b, &sections[SECTION_LINE], SHT_PROGBITS, start);
    start = b->size;
    put(b, image->frames, image->frames_size);
    end_section(b, &sections[SECTION_FRAMES], SHT_PROGBITS, start);
    sections[SECTION_FRAMES].sh_flags = SHF_ALLOC;
    sections[SECTION_FRAMES].sh_addr = (uintptr_t)image->frames; /* its addresses count from where they stand */
    for (int i = 0; i < SECTIONS; i++) {
        sections[i].sh_name = names[i];
        if (i && !sections[i].sh_addralign)
            sections[i].sh_addralign = i == SECTION_SYMBOLS ? 8 : 1;
    }
    head.e_shoff = b->size;
    put(b, sections, sizeof sections);
    if (!b->failed)
        memcpy(b->bytes, &head, sizeof head);
}

/* ---- perf ---- */

static void
write_perf_map(const struct image *image, const struct code_graphs *graphs)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/perf-%ld.map", (long)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    FILE *out = fd < 0 ? NULL : fdopen(fd, "a");
    if (!out) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (int i = 0; i < image->count; i++) {
        const struct image_symbol *s = &image->symbols[i];
        struct place place = place_of(graphs, s->name);
        fprintf(out, "%lx %lx %s", (unsigned long)s->address, (unsigned long)s->size, s->name);
        if (place.line)
            fprintf(out, " %s:%d", graphs->files[place.file - 1], (int)place.line);
        fputc('\n', out);
    }
    fclose(out);
}

struct debugger_entry *
debugger_add(const struct image *image, const struct code_graphs *graphs)
{
    const char *perf = getenv("NNC_PERF_MAP");
    if (perf && *perf && strcmp(perf, "0"))
        write_perf_map(image, graphs);
    struct debugger_entry *e = calloc(1, sizeof *e);
    uint32_t *names = calloc((size_t)image->count + 1, sizeof *names);
    struct buffer b = {.failed = !e || !names};
    if (!b.failed)
        put_file(&b, image, graphs, names);
    free(names);
    if (b.failed) {
        free(b.bytes);
        free(e);
        return NULL;
    }
    e->file = b.bytes;
    e->size = b.size;
    pthread_mutex_lock(&descriptor_lock);
    struct jit_descriptor *d = &__jit_debug_descriptor;
    e->next = d->first;
    if (e->next)
        e->next->previous = e;
    d->first = d->entry = e;
    d->action = 1;
    __jit_debug_register_code();
    pthread_mutex_unlock(&descriptor_lock);
    return e;
}

void
debugger_remove(struct debugger_entry *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&descriptor_lock);
    struct jit_descriptor *d = &__jit_debug_descriptor;
    if (e->next)
        e->next->previous = e->previous;
    *(e->previous ? &e->previous->next : &d->first) = e->next;
    d->entry = e;
    d->action = 2;
    __jit_debug_register_code();
    d->entry = NULL;
    pthread_mutex_unlock(&descriptor_lock);
    free((char *)e->file);
    free(e);
}
