#include "ir/graph.h"
#include <string.h>

#define CALLABLE OP_CALLABLE
#define COMMUTES OP_COMMUTES
#define BOOLEAN OP_BOOLEAN
#define TAIL OP_TAIL
const struct op_info op_info[OP_COUNT] = {
#define OP(id, text, class, nin, attrs, shape, types, flags) \
    [OP_##id] = {text, CLASS_##class, ATTRS_##attrs, TYPES_##types, flags, nin},
#include "ir/ops.def"
#undef OP
};
#undef CALLABLE
#undef COMMUTES
#undef BOOLEAN
#undef TAIL

enum op
op_from_text(const char *text, size_t length)
{
    for (int op = 0; op < OP_COUNT; op++)
        if (strlen(op_info[op].text) == length && !memcmp(op_info[op].text, text, length))
            return (enum op)op;
    return OP_COUNT;
}
