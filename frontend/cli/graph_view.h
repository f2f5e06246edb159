/* graph_view: a graph as JSON, as a drawing by graphviz, and what its plan looks like. */
#ifndef NNC_FRONTEND_CLI_GRAPH_VIEW_H
#define NNC_FRONTEND_CLI_GRAPH_VIEW_H
#include "frontend/model.h"
#include <stdio.h>

/* {"name", "inputs", "variables", "nodes": [{"name", "op", "operands", "type", ...}], "outputs"}. graph_json.c */
void graph_json(FILE *out, const struct graph *g, struct arena *arena);
/* The language of graphviz. What a line of the file made stands in a cluster with the names of its layers, from |m|; forward,
 * backward and update have colours. Of more than 600 nodes each cluster is one box, which tells what it holds. graph_dot.c */
void graph_dot(FILE *out, const struct graph *g, const struct model *m, struct arena *arena);
/* The same drawn by the program dot onto the standard output. Reports and returns false if it cannot be run. graph_dot.c */
bool graph_svg(const struct graph *g, const struct model *m, struct arena *arena, struct diag *diag);
/* Of a planned graph: a table of what lies where and when, as comments of the text form. graph_plan.c */
void plan_table(FILE *out, const struct graph *g, struct arena *arena);
/* The arena over time, as SVG: kernels from left to right, bytes from bottom to top. graph_plan.c */
void plan_svg(FILE *out, const struct graph *g, struct arena *arena);
#endif
