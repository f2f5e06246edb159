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
/* A number that picks a branch; |what| for the message. */
bool data_condition(struct data_run *r, const struct ast *e, bool *out);
/* A whole number. */
bool data_whole(struct data_run *r, const struct ast *e, int64_t *out);
/* A call with |wanted| results. */
bool data_eval_call(struct data_run *r, const struct ast *e, int wanted, struct data_value *out);
#endif
