#include "frontend/tree.h"
#include <string.h>

struct place
tree_span(struct place from, struct place to)
{
    if (from.line == to.line && to.column + to.length > from.column + from.length)
        from.length = to.column + to.length - from.column;
    return from;
}

void
tree_too_deep(struct reader *r, struct place place)
{
    if (!r->silent)
        diag_report(r->diag, NESTING, place);
    r->silent = r->stop = true;
}

static struct ast *
new_node(struct reader *r, enum ast_kind kind, struct place place)
{
    struct ast *a = ARENA_NEW(r->arena, struct ast);
    a->kind = kind;
    a->place = place;
    a->id = r->nodes++;
    if (r->nodes > READ_NODES_MAX && !r->silent) {
        diag_report(r->diag, SOURCE_NODES, place, READ_NODES_MAX);
        r->silent = r->stop = true;
    }
    return a;
}

/* |a| stands over |below|, which may be NULL. A block is no level of its own: what holds it is. */
static void
stand_over(struct reader *r, struct ast *a, const struct ast *below)
{
    if (!below)
        return;
    int depth = below->depth + (a->kind != AST_BLOCK);
    if (depth > a->depth)
        a->depth = depth;
    if (depth > NESTING_MAX)
        tree_too_deep(r, a->place);
}

static void
set_child(struct reader *r, struct ast *a, int i, struct ast *child)
{
    a->child[i] = child;
    stand_over(r, a, child);
}

static void
set_args(struct reader *r, struct ast *a, struct arg_list args)
{
    a->args = args.at;
    a->nargs = args.count;
    for (int i = 0; i < args.count; i++) {
        stand_over(r, a, args.at[i].type);
        stand_over(r, a, args.at[i].value);
    }
}

static void
set_names(struct ast *a, struct name_list names)
{
    a->names = names.at;
    a->nnames = names.count;
}

void
tree_add(struct reader *r, struct node_list *list, struct ast *node)
{
    if (node)
        *ARENA_PUSH(r->arena, list->at, list->count, list->cap) = node;
}

struct name_list
tree_name(struct reader *r, struct name_list list, const char *text, struct place place)
{
    *ARENA_PUSH(r->arena, list.at, list.count, list.cap) = (struct ast_name){text, place};
    return list;
}

struct name_list
tree_names_before(struct reader *r, const char *text, struct place place, struct name_list rest)
{
    struct name_list list = tree_name(r, (struct name_list){0}, text, place);
    for (int i = 0; i < rest.count; i++)
        list = tree_name(r, list, rest.at[i].text, rest.at[i].place);
    return list;
}

struct arg_list
tree_arg(struct reader *r, struct arg_list list, const char *word, struct ast_arg arg)
{
    arg.word = word;
    *ARENA_PUSH(r->arena, list.at, list.count, list.cap) = arg;
    return list;
}

struct arg_list
tree_carry(struct reader *r, struct arg_list list, const char *name, struct place place, struct ast *value)
{
    return tree_arg(r, list, NULL, (struct ast_arg){.name = name, .value = value, .place = place});
}

bool
tree_named(struct reader *r, struct ast_arg *out, struct place place, struct ast *left, struct ast *type, struct ast *value)
{
    if (left->kind != AST_NAME) {
        if (!r->silent)
            diag_report(r->diag, ARGUMENT_NAME, place, type ? ':' : '=');
        reader_failed(r);
        return false;
    }
    *out = (struct ast_arg){.name = left->text, .type = type, .value = value, .place = left->place};
    return true;
}

struct ast *
tree_number(struct reader *r, struct place place, struct number number)
{
    struct ast *a = new_node(r, AST_NUMBER, place);
    a->number = number.number;
    a->whole = number.whole;
    a->is_whole = number.is_whole;
    return a;
}

struct ast *
tree_text(struct reader *r, enum ast_kind kind, struct place place, const char *text)
{
    struct ast *a = new_node(r, kind, place);
    a->text = text;
    return a;
}

struct ast *
tree_bool(struct reader *r, struct place place, int value)
{
    struct ast *a = new_node(r, AST_BOOL, place);
    a->whole = value;
    return a;
}

struct ast *
tree_two(struct reader *r, enum ast_kind kind, int op, struct place place, struct ast *a, struct ast *b)
{
    struct ast *n = new_node(r, kind, place);
    n->op = op;
    set_child(r, n, 0, a);
    set_child(r, n, 1, b);
    return n;
}

struct ast *
tree_cond(struct reader *r, struct place place, struct ast *c, struct ast *a, struct ast *b)
{
    struct ast *n = tree_two(r, AST_COND, 0, place, c, a);
    set_child(r, n, 2, b);
    return n;
}

struct ast *
tree_items(struct reader *r, enum ast_kind kind, struct place place, struct ast *indexed, struct node_list items)
{
    struct ast *a = new_node(r, kind, place);
    struct arg_list args = {0};
    for (int i = 0; i < items.count; i++)
        args = tree_arg(r, args, NULL, (struct ast_arg){.value = items.at[i], .place = items.at[i]->place});
    set_child(r, a, 0, indexed);
    set_args(r, a, args);
    return a;
}

struct ast *
tree_call(struct reader *r, struct place place, struct ast *called, struct arg_list args)
{
    struct ast *a = new_node(r, AST_CALL, place);
    set_child(r, a, 0, called);
    set_args(r, a, args);
    return a;
}

struct ast *
tree_field(struct reader *r, struct place place, struct ast *of, const char *name)
{
    struct ast *a = tree_text(r, AST_FIELD, place, name);
    set_child(r, a, 0, of);
    return a;
}

struct ast *
tree_block(struct reader *r, struct place place, const struct node_list *statements, int32_t end_line)
{
    struct ast *a = new_node(r, AST_BLOCK, place);
    a->body = statements->at;
    a->nbody = statements->count;
    a->end_line = end_line;
    for (int i = 0; i < a->nbody; i++)
        stand_over(r, a, a->body[i]);
    return a;
}

struct ast *
tree_bind(struct reader *r, struct name_list names, struct ast *value)
{
    struct ast *a = new_node(r, AST_BIND, names.at[0].place);
    set_names(a, names);
    set_child(r, a, 0, value);
    return a;
}

struct ast *
tree_section(struct reader *r, struct place place, const char *word, struct name_list names, struct ast *block)
{
    struct ast *a = tree_text(r, AST_SECTION, place, word);
    set_names(a, names);
    set_child(r, a, 0, block);
    return a;
}

struct ast *
tree_word(struct reader *r, struct place place, const char *word, struct arg_list args)
{
    struct ast *a = tree_text(r, AST_WORD, place, word);
    set_args(r, a, args);
    return a;
}

/* `adam(p, g, lr = 0.001)` was read as an argument: it is the head of a definition, for a block follows. */
struct ast *
tree_optimizer(struct reader *r, struct place place, struct arg_list args, struct ast *block)
{
    const struct ast *head = args.count == 1 && !args.at[0].name ? args.at[0].value : NULL;
    if (!head || head->kind != AST_CALL || head->child[0]->kind != AST_NAME) {
        if (!r->silent)
            diag_report(r->diag, OPTIMIZER_FORM, place);
        reader_failed(r);
        return NULL;
    }
    struct name_list name = tree_name(r, (struct name_list){0}, head->child[0]->text, head->child[0]->place);
    return tree_definition(r, AST_OPTIMIZER, name, (struct arg_list){head->args, head->nargs, head->nargs}, block);
}

struct ast *
tree_definition(struct reader *r, int op, struct name_list name, struct arg_list parameters, struct ast *block)
{
    for (int i = 0; i < parameters.count; i++) {
        struct ast_arg *p = &parameters.at[i];
        if (!p->name && p->value->kind == AST_NAME)
            *p = (struct ast_arg){.name = p->value->text, .place = p->place};
        if (!p->name) {
            if (!r->silent)
                diag_report(r->diag, PARAMETER_FORM, p->place);
            reader_failed(r);
            return NULL;
        }
    }
    struct ast *a = new_node(r, AST_DEFINITION, name.at[0].place);
    a->op = op;
    set_names(a, name);
    set_args(r, a, parameters);
    set_child(r, a, 0, block);
    return a;
}

struct ast *
tree_if(struct reader *r, struct place place, struct ast *condition, struct ast *then, struct ast *otherwise)
{
    struct ast *a = tree_two(r, AST_IF, 0, place, condition, then);
    set_child(r, a, 2, otherwise);
    return a;
}

struct ast *
tree_repeat(struct reader *r, struct place place, struct name_list name, struct ast *count, struct ast *block)
{
    struct ast *a = tree_two(r, AST_REPEAT, 0, place, count, block);
    set_names(a, name);
    return a;
}

/* The words of a scan are free as names, so the grammar cannot tell them from others. */
static bool
check_word(struct reader *r, struct name_list words, const char *wanted)
{
    if (!words.count || !strcmp(words.at[0].text, wanted))
        return true;
    if (!r->silent && wanted[0] == 'r')
        diag_report(r->diag, SCAN_REVERSED, words.at[0].place, words.at[0].text);
    else if (!r->silent)
        diag_report(r->diag, SCAN_AS, words.at[0].place, words.at[0].text);
    reader_failed(r);
    return false;
}

struct ast *
tree_scan(struct reader *r, struct place place, const char *counter, struct place counter_place, struct ast *length,
          struct name_list reversal, struct arg_list carry, struct ast *block, struct name_list outside)
{
    if (!check_word(r, reversal, "reversed") || !check_word(r, outside, "as"))
        return NULL;
    struct ast *a = tree_two(r, AST_SCAN, 0, place, length, block);
    struct name_list names = tree_name(r, (struct name_list){0}, counter, counter_place);
    for (int i = 1; i < outside.count; i++)
        names = tree_name(r, names, outside.at[i].text, outside.at[i].place);
    a->whole = reversal.count;
    set_names(a, names);
    set_args(r, a, carry);
    return a;
}

struct ast *
tree_values(struct reader *r, enum ast_kind kind, struct place place, struct node_list values)
{
    return tree_items(r, kind, place, NULL, values);
}
