/* link: an ELF object file in memory becomes machine code in memory. For the objects of this code generator only: position
 * independent, without thread-local data, and nothing is written: what the object has as writable data (numbers hidden from
 * LLVM's folder) is read-only in memory. One way for fresh code and for code of the cache. */
#ifndef NNC_CODEGEN_LINK_H
#define NNC_CODEGEN_LINK_H
#include "codegen/module.h"
#include <stddef.h>

/* A function of the object. */
struct image_symbol {
    const char *name;           /* in the object's bytes */
    uintptr_t address;
    uint64_t size;
};

/* Pages with code, which cannot be written, and behind them pages with constants, which can only be read. */
struct image {
    char *base;
    size_t size, code_size;
    uint16_t machine;           /* e_machine of the object */
    const char *frames;         /* how frames are unwound: .eh_frame; NULL: the object does not say */
    size_t frames_size;
    struct image_symbol *symbols;
    int count;
};

/* Maps the object of |size| bytes, whose undefined symbols are names of |functions|. Never is a page writable and executable
 * at once. False and a report if the object is none of ours, memory is short, or the system refuses executable pages.
 * Symbols point into |object|, which must stay for as long as they are used. */
bool image_map(struct image *out, const void *object, size_t size, const struct runtime_function *functions,
               struct diag *diag);
/* NULL if there is no such function. */
void *image_function(const struct image *i, const char *name);
void image_free(struct image *i);

/* Whether this process may make code at all; reports if not. */
bool image_allowed(struct diag *diag);

/* relocate.c: how a relocation is applied. */
enum relocation_kind {
    RELOCATE_UNKNOWN,
    RELOCATE_NOTHING,
    RELOCATE_DIRECT,    /* to the symbol */
    RELOCATE_CALL,      /* the same; to a stub if the symbol is not in the object */
    RELOCATE_SLOT       /* to eight bytes that hold the symbol's address */
};
enum relocation_kind relocation_kind(uint16_t machine, uint32_t type);
/* Bytes at the place that the relocation changes. */
size_t relocation_size(uint16_t machine, uint32_t type);
/* Writes it: |at| are the bytes, which will lie at address |place|; |value| is symbol (or stub, or slot) + addend. False if
 * the value does not fit. */
bool relocation_apply(uint16_t machine, uint32_t type, void *at, uint64_t place, uint64_t value);
enum { STUB_SIZE = 16 };
/* Code at |place| that jumps to the address which lies in |slot|. */
bool relocation_stub(uint16_t machine, void *at, uint64_t place, uint64_t slot);
#endif
