/* data_run: what the files of the data block's interpreter share. Private to data.c, data_expression.c, data_call.c. */
#ifndef NNC_FRONTEND_DATA_RUN_H
#define NNC_FRONTEND_DATA_RUN_H
#include "frontend/data.h"
#include "runtime/data/functions.h"

struct data_run {
    const struct data_env *env;
    struct data_result *out;
    struct data_context *context; /* of |out| */
    struct diag *diag;
};

/* Each reports and returns false on failure. */
bool data_eval(struct data_run *r, const struct ast *e, struct data_value *out);
/* The same for those who take coded tensors (DATA_CODED) too. */
bool data_eval_coded(struct data_run *r, const struct ast *e, struct data_value *out);
/* The value of a name as it is, or NULL. */
const struct data_value *data_name_value(const struct data_result *r, const char *name);
/* A number that picks a branch; |what| for the message. */
bool data_condition(struct data_run *r, const struct ast *e, bool *out);
/* A whole number. */
bool data_whole(struct data_run *r, const struct ast *e, int64_t *out);
/* A call with |wanted| results. */
bool data_eval_call(struct data_run *r, const struct ast *e, int wanted, struct data_value *out);
/* Binds what |a| gives to an input of |set|; |word|: the statement's. */
bool data_bind_input(struct data_run *r, const char *word, struct data_set *set, const struct ast_arg *a);
/* split x, y into train, valid by 0.2, seed = 7, stratify = y: data_split.c */
bool data_run_split(struct data_run *r, const struct ast *s);
#endif
