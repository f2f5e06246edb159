/* code: what code.c and cache.c share. */
#ifndef NNC_CODEGEN_CODE_H
#define NNC_CODEGEN_CODE_H
#include "codegen/codegen.h"

/* Maps an object. NULL and a report on failure. */
struct code *code_from_object(const struct code_object *object, const struct code_graphs *graphs, struct diag *diag);

/* The folder of the cache, made where it is missing; -1 if there is none that can be trusted. */
int cache_folder(void);
/* The object under |key|; false if there is none that is whole. */
bool cache_read(int folder, const struct code_key *key, struct code_object *out);
/* Writes it in one piece, then removes the oldest objects until all together have at most |limit| bytes. */
void cache_write(int folder, const struct code_key *key, const struct code_object *object, int64_t limit);
#endif
