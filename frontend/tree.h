/* tree: makes the nodes of the tree for the grammar's actions. Nothing here returns NULL for want of memory (reader.h); the
 * functions that return false or NULL have reported a fault which drops the statement. */
#ifndef NNC_FRONTEND_TREE_H
#define NNC_FRONTEND_TREE_H
#include "frontend/reader.h"

/* From |from| to the end of |to| if they stand on one line, else |from|. */
struct place tree_span(struct place from, struct place to);
/* Reports nesting over the limit, once, and stops the reading. */
void tree_too_deep(struct reader *r, struct place place);

void tree_add(struct reader *r, struct node_list *list, struct ast *node); /* NULL is not added */
struct name_list tree_name(struct reader *r, struct name_list list, const char *text, struct place place);
struct name_list tree_names_before(struct reader *r, const char *text, struct place place, struct name_list rest);
struct arg_list tree_arg(struct reader *r, struct arg_list list, const char *word, struct ast_arg arg);
struct arg_list tree_carry(struct reader *r, struct arg_list list, const char *name, struct place place, struct ast *value);
/* name = value, name: type, name: type = value; |left| must be a name. */
bool tree_named(struct reader *r, struct ast_arg *out, struct place place, struct ast *left, struct ast *type,
                struct ast *value);

/* Expressions. */
struct ast *tree_number(struct reader *r, struct place place, struct number number);
struct ast *tree_text(struct reader *r, enum ast_kind kind, struct place place, const char *text);
struct ast *tree_bool(struct reader *r, struct place place, int value);
struct ast *tree_two(struct reader *r, enum ast_kind kind, int op, struct place place, struct ast *a, struct ast *b);
struct ast *tree_cond(struct reader *r, struct place place, struct ast *c, struct ast *a, struct ast *b);
struct ast *tree_items(struct reader *r, enum ast_kind kind, struct place place, struct ast *indexed,
                       struct node_list items);
struct ast *tree_call(struct reader *r, struct place place, struct ast *called, struct arg_list args);
struct ast *tree_field(struct reader *r, struct place place, struct ast *of, const char *name);

/* Statements. */
struct ast *tree_block(struct reader *r, struct place place, const struct node_list *statements, int32_t end_line);
struct ast *tree_bind(struct reader *r, struct name_list names, struct ast *value);
struct ast *tree_section(struct reader *r, struct place place, const char *word, struct name_list names, struct ast *block);
struct ast *tree_word(struct reader *r, struct place place, const char *word, struct arg_list args);
struct ast *tree_optimizer(struct reader *r, struct place place, struct arg_list args, struct ast *block);
struct ast *tree_definition(struct reader *r, int op, struct name_list name, struct arg_list parameters, struct ast *block);
struct ast *tree_if(struct reader *r, struct place place, struct ast *condition, struct ast *then, struct ast *otherwise);
struct ast *tree_repeat(struct reader *r, struct place place, struct name_list name, struct ast *count, struct ast *block);
/* |reversal|: the word behind the length, if any; |outside|: the word `as` and the names. */
struct ast *tree_scan(struct reader *r, struct place place, const char *counter, struct place counter_place,
                      struct ast *length, struct name_list reversal, struct arg_list carry, struct ast *block,
                      struct name_list outside);
struct ast *tree_values(struct reader *r, enum ast_kind kind, struct place place, struct node_list values);
#endif
