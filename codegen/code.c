/* code: an object file that is mapped and can be called. */
#include "codegen/code.h"
#include "codegen/debugger.h"
#include <stdlib.h>

struct code {
    struct image image;
    struct debugger_entry *debugger;
    size_t bytes;
    int count;
    code_fn *function[];
};

struct code *
code_from_object(const struct code_object *object, const struct code_graphs *graphs, struct diag *diag)
{
    struct code *c = calloc(1, sizeof *c + sizeof c->function[0] * (size_t)graphs->count);
    if (!c) {
        diag_subject(diag, OUT_OF_MEMORY, NULL);
        return NULL;
    }
    if (!image_map(&c->image, object->bytes, object->size, runtime_functions, diag)) {
        free(c);
        return NULL;
    }
    c->bytes = object->size;
    c->count = graphs->count;
    c->debugger = debugger_add(&c->image, graphs);
    for (int i = 0; i < graphs->count; i++) {
        char name[ENTRY_NAME];
        code_entry(i, name);
        c->function[i] = (code_fn *)image_function(&c->image, name);
        if (!c->function[i]) {
            diag_subject(diag, JIT_FAILED, NULL, "its function is missing");
            code_free(c);
            return NULL;
        }
    }
    /* The names lie in the object. */
    free(c->image.symbols);
    c->image.symbols = NULL;
    c->image.count = 0;
    return c;
}

struct code *
code_compile(const struct codegen *gen, const struct code_graphs *graphs, const struct code_options *options,
             struct diag *diag)
{
    struct code_object object;
    if (!code_allowed(diag) || !gen->object(graphs, options, &object, diag))
        return NULL;
    struct code *c = code_from_object(&object, graphs, diag);
    free(object.bytes);
    return c;
}

code_fn *
code_function(const struct code *c, int index)
{
    return c->function[index];
}

size_t
code_bytes(const struct code *c)
{
    return c->bytes;
}

void
code_free(struct code *c)
{
    if (!c)
        return;
    debugger_remove(c->debugger);
    image_free(&c->image);
    free(c);
}

bool
code_allowed(struct diag *diag)
{
    return image_allowed(diag);
}
