#include "runtime/data/functions.h"
#include "runtime/data/npy.h"

bool
data_fn_npy(struct data_call *c)
{
    if (!arg_kind(c, 0, DATA_STRING))
        return false;
    const char *path = data_path(&c->context->files, c->args[0].value.string, c->context->arena);
    struct tensor t;
    if (!npy_read(path, &t, c->context->diag)) {
        diag_report(c->context->diag, NOTE_READ_HERE, c->args[0].place);
        return false;
    }
    const struct tensor *kept = data_pool_adopt(&c->context->pool, &t, c->place, c->context->diag);
    if (kept)
        c->out[0] = data_of_tensor(kept);
    return kept != NULL;
}
