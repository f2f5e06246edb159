/* An input is a file: its header and all its tensors are read, in every element type that can be had of them. */
#include "runtime/safetensors.h"
#include "tests/fuzz/fuzz.h"

static void
read_entry(const struct safetensors *s, const struct safetensors_entry *e, struct diag *diag)
{
    for (int elem = 0; elem < ELEM_COUNT; elem++) {
        struct type type = {.elem = (uint8_t)elem, .rank = (uint8_t)e->rank};
        for (int i = 0; i < e->rank; i++)
            type.dim[i] = e->dim[i];
        int64_t bytes = type_bytes(&type, 0);
        if (!safetensors_converts(e->elem, (enum elem)elem) || bytes < 0)
            continue;
        void *out = malloc((size_t)bytes + 1);
        diag_init(diag, diag->arena);
        if (!out)
            abort();
        fuzz_told(safetensors_read(s, e, (enum elem)elem, out, NULL, diag), diag);
        free(out);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[256];
    struct arena arena;
    struct diag diag;
    struct safetensors s;
    arena_init(&arena, NULL);
    diag_init(&diag, &arena);
    bool good = safetensors_open(&s, fuzz_file(data, size, 0, name), &diag);
    fuzz_told(good, &diag);
    for (int i = 0; good && i < s.count; i++) {
        if (safetensors_find(&s, s.entries[i].name) != &s.entries[i])
            abort();
        read_entry(&s, &s.entries[i], &diag);
    }
    if (good)
        safetensors_close(&s);
    unlink(name);
    arena_free(&arena);
    return 0;
}
