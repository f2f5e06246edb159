/* debugger: tells perf and gdb which functions lie where, and the lines of the .nn file that they come from. */
#ifndef NNC_CODEGEN_DEBUGGER_H
#define NNC_CODEGEN_DEBUGGER_H
#include "codegen/link.h"

struct debugger_entry;
/* Registers the functions of |image| with gdb's JIT interface. With the environment variable NNC_PERF_MAP they are written
 * to /tmp/perf-PID.map too. NULL if memory is short: then debuggers do not see them. */
struct debugger_entry *debugger_add(const struct image *image, const struct code_graphs *graphs);
void debugger_remove(struct debugger_entry *e);
#endif
