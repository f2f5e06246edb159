#include "codegen/product.h"
void
tail_tile(struct product *p, const struct piece *q, LLVMValueRef row, int rows,
               LLVMValueRef acc[ROWS_MAX][VECTORS_MAX]) { (void)p;(void)q;(void)row;(void)rows;(void)acc; }
