/* checkpoint: the writing side. */
#include "runtime/checkpoint.h"
#include "runtime/digest.h"
#include "runtime/safetensors.h"
#include "runtime/save_file.h"
#include "runtime/text.h"
#include "runtime/version.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct position_field position_fields[POSITION_FIELDS] = {
#define FIELD(name, kind) {"nnc." #name, (int)offsetof(struct checkpoint_position, name), POSITION_##kind}
    FIELD(step, WHOLE), FIELD(epoch, WHOLE), FIELD(epoch_rows, WHOLE), FIELD(loss_sum, REAL),
    FIELD(loss_weight, REAL), FIELD(seed, WHOLE), FIELD(rows, WHOLE), FIELD(shuffled, WHOLE),
    FIELD(best, REAL), FIELD(best_epoch, WHOLE), FIELD(data, DIGEST),
#undef FIELD
};

static uint64_t
value_digest(uint64_t h, const char *name, const struct type *t)
{
    h = digest_bytes(digest_text(h, name), &(int[]){t->elem, t->rank}, 2 * sizeof(int));
    return digest_bytes(h, t->dim, sizeof t->dim[0] * t->rank);
}

uint64_t
checkpoint_model_digest(const struct model_info *model)
{
    uint64_t h = digest_bytes(0, &model->digest, sizeof model->digest);
    for (int i = 0; i < model->ninputs; i++)
        h = value_digest(h, model->inputs[i].name, &model->inputs[i].type);
    for (int i = 0; i < model->nvars; i++)
        if (model->vars[i].kind != VARIABLE_FITTED)
            h = value_digest(h + (uint64_t)model->vars[i].kind, model->vars[i].name, &model->vars[i].type);
    return h;
}

static const char *
fault_f32(const uint32_t *word, int64_t count, uint32_t limit, int64_t *out_element)
{
    int64_t i = 0;
    while (i < count && (word[i] & 0x7fffffffu) < limit)
        i++;
    *out_element = i;
    return i == count ? NULL : (word[i] & 0x7fffffffu) > 0x7f800000u ? "nan" : "infinite";
}

static const char *
fault_f64(const uint64_t *word, int64_t count, uint64_t limit, int64_t *out_element)
{
    const uint64_t sign = UINT64_C(1) << 63, infinite = UINT64_C(0x7ff) << 52;
    int64_t i = 0;
    while (i < count && (word[i] & ~sign) < limit)
        i++;
    *out_element = i;
    return i == count ? NULL : (word[i] & ~sign) > infinite ? "nan" : "infinite";
}

const char *
checkpoint_fault(const struct variable *v, const struct tensor *value, int64_t *out_element)
{
    int64_t count = tensor_count(value);
    unsigned infinite_fits = v->kind != VARIABLE_WEIGHT;
    if (v->type.elem == ELEM_F32)
        return fault_f32(value->data, count, 0x7f800000u + infinite_fits, out_element);
    if (v->type.elem == ELEM_F64)
        return fault_f64(value->data, count, (UINT64_C(0x7ff) << 52) + infinite_fits, out_element);
    return NULL;
}

static void
put_escaped(struct text *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20)
            text_printf(out, "\\u%04x", *c);
        else if (*c == '"' || *c == '\\')
            text_printf(out, "\\%c", *c);
        else
            text_bytes(out, c, 1);
    }
}

static void
put_string(struct text *out, const char *text)
{
    text_bytes(out, "\"", 1);
    put_escaped(out, text);
    text_bytes(out, "\"", 1);
}

static void
put_text(struct text *out, const char *key, const char *value)
{
    text_printf(out, ",");
    put_string(out, key);
    text_printf(out, ":");
    put_string(out, value);
}

static void
put_whole(struct text *out, const char *key, int64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    put_text(out, key, text);
}

static void
put_position(struct text *out, const struct checkpoint_position *at)
{
    for (int i = 0; i < POSITION_FIELDS; i++) {
        uint64_t bits;
        char hex[DIGEST_TEXT];
        memcpy(&bits, (const char *)at + position_fields[i].offset, sizeof bits);
        if (position_fields[i].kind == POSITION_WHOLE)
            put_whole(out, position_fields[i].key, (int64_t)bits);
        else
            put_text(out, position_fields[i].key, digest_hex(bits, hex));
    }
}

/* One tensor of the file. */
struct stored {
    const char *prefix, *name;      /* prefix: "" or CHECKPOINT_NOW */
    const struct tensor *value;
};

static bool
has_best(const struct model_info *model, const struct checkpoint_position *at)
{
    return model->best && at->best_epoch > 0;
}

/* All tensors, in the model's order, then what is kept of the data; NULL if memory is short. Variables of which the best epoch is kept
 * come twice. */
static struct stored *
list_tensors(const struct model_info *model, const struct checkpoint_position *at, int *out_count)
{
    struct stored *list = calloc(2 * (size_t)model->nvars + (size_t)model->nkept + 1, sizeof *list);
    int n = 0;
    for (int i = 0; list && i < model->nvars; i++) {
        if (model->vars[i].kind == VARIABLE_FITTED) /* comes from what is kept of the data */
            continue;
        const struct tensor *best = has_best(model, at) && model->best[i].data ? &model->best[i] : NULL;
        list[n++] = (struct stored){"", model->vars[i].name, best ? best : &model->values[i]};
        if (best)
            list[n++] = (struct stored){CHECKPOINT_NOW, model->vars[i].name, &model->values[i]};
    }
    for (int i = 0; list && i < model->nkept; i++)
        if (!model->kept[i].text)
            list[n++] = (struct stored){"", model->kept[i].name, &model->kept[i].value};
    *out_count = n;
    return list;
}

static void
put_metadata(struct text *out, const struct model_info *model, const struct checkpoint_position *at, const struct stored *list,
             int count)
{
    char hex[DIGEST_TEXT];
    text_printf(out, CHECKPOINT_PREFIX "0000000000000000\"");
    put_text(out, "format", "nnc");
    put_text(out, "nnc.version", NNC_VERSION);
    put_whole(out, "nnc.format", CHECKPOINT_VERSION);
    put_whole(out, "nnc.contract", NUMERICS_VERSION);
    put_text(out, "nnc.streams", "philox4x32-10");
    put_text(out, "nnc.name", model->name ? model->name : "");
    put_text(out, "nnc.model", digest_hex(checkpoint_model_digest(model), hex));
    put_position(out, at);
    for (int i = 0; i < model->nkept; i++)
        if (model->kept[i].text)
            put_text(out, model->kept[i].name, model->kept[i].text);
    for (int i = 0; i < count; i++) {
        text_printf(out, ",\"nnc.digest/%s", list[i].prefix);
        put_escaped(out, list[i].name);
        const struct tensor *t = list[i].value;
        text_printf(out, "\":\"%s\"", digest_hex(digest_bytes(0, t->data, (size_t)tensor_bytes(t)), hex));
    }
    text_printf(out, "}");
}

/* The order of the data: wide elements first, so that all are aligned; within one width the list's. */
static int
next_in_file(const struct stored *list, int count, int after, size_t *width)
{
    for (;; *width /= 2, after = -1) {
        for (int i = after + 1; i < count; i++)
            if (elem_size((enum elem)list[i].value->type.elem) == *width)
                return i;
        if (*width == 1)
            return -1;
    }
}

static void
put_entry(struct text *out, const struct stored *s, int64_t from, int64_t bytes)
{
    const struct type *t = &s->value->type;
    text_printf(out, ",\"%s", s->prefix);
    put_escaped(out, s->name);
    text_printf(out, "\":{\"dtype\":\"%s\",\"shape\":[", safetensors_elem_name(safetensors_elem_of((enum elem)t->elem)));
    for (int k = 0; k < t->rank; k++)
        text_printf(out, "%s%" PRId64, k ? "," : "", t->dim[k]);
    text_printf(out, "],\"data_offsets\":[%" PRId64 ",%" PRId64 "]}", from, from + bytes);
}

/* The header with its length in front, ended so that the data are aligned to 8. NULL if memory is short. */
static char *
make_header(const struct model_info *model, const struct checkpoint_position *at, const struct stored *list, int count,
            size_t *out_size)
{
    struct text text = {0}, *out = &text;
    text_bytes(out, (uint64_t[]){0}, 8);
    put_metadata(out, model, at, list, count);
    int64_t offset = 0;
    size_t width = 8;
    for (int i = -1; (i = next_in_file(list, count, i, &width)) >= 0; ) {
        int64_t bytes = tensor_bytes(list[i].value);
        put_entry(out, &list[i], offset, bytes);
        offset += bytes;
    }
    text_printf(out, "}");
    text_printf(out, "%*s", (int)(-text.size % 8), "");
    if (text.failed) {
        free(text.data);
        return NULL;
    }
    uint64_t length = text.size - 8;
    memcpy(text.data, &length, 8);
    size_t covered = 8 + strlen(CHECKPOINT_PREFIX) + 16;
    char hex[DIGEST_TEXT];
    digest_hex(digest_bytes(0, text.data + covered, text.size - covered), hex);
    memcpy(text.data + covered - 16, hex, 16);
    *out_size = text.size;
    return text.data;
}

int64_t
checkpoint_bytes(const struct model_info *model)
{
    int64_t bytes = 4096;
    for (int i = 0; i < model->nvars; i++)
        bytes += (model->best && model->best[i].data ? 2 : 1) *
                 (512 + (int64_t)strlen(model->vars[i].name) * 2 + tensor_bytes(&model->values[i]));
    for (int i = 0; i < model->nkept; i++)
        bytes += 512 + (int64_t)strlen(model->kept[i].name) * 2 + (model->kept[i].text ? 0 : tensor_bytes(&model->kept[i].value));
    return bytes;
}

bool
checkpoint_save(const char *path, const struct model_info *model, const struct checkpoint_position *at, struct diag *diag)
{
    size_t size, width = 8;
    int count;
    struct stored *list = list_tensors(model, at, &count);
    char *header = list ? make_header(model, at, list, count, &size) : NULL;
    if (!header) {
        diag_subject(diag, FILE_NOT_WRITTEN, path, strerror(ENOMEM));
        free(list);
        return false;
    }
    struct save_file f;
    bool begun = save_file_begin(&f, path, diag);
    if (begun) {
        save_file_write(&f, header, size);
        for (int i = -1; (i = next_in_file(list, count, i, &width)) >= 0; )
            save_file_write(&f, list[i].value->data, (size_t)tensor_bytes(list[i].value));
    }
    free(header);
    free(list);
    return begun && save_file_commit(&f, true, diag);
}
