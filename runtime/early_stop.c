#include "runtime/early_stop.h"
#include <math.h>
#include <string.h>

static bool
find_metric(const struct model_info *model, const struct evaluation *e, const char *name, double *out)
{
    for (int i = 0; e && i < model->nmetrics; i++)
        if (!strcmp(model->metrics[i], name)) {
            if (out)
                *out = e->metrics[i];
            return true;
        }
    return false;
}

bool
stop_value(const struct early_stop *stop, const struct stop_sources *from, double *out)
{
    const char *name = stop->on;
    if (!strcmp(name, "loss")) {
        if (out)
            *out = from->loss;
        return true;
    }
    if (strncmp(name, "valid_", 6))
        return find_metric(from->model, from->trained, name, out);
    if (strcmp(name + 6, "loss") || !from->model->has_loss)
        return find_metric(from->model, from->valid, name + 6, out);
    if (from->valid && out)
        *out = from->valid->loss;
    return from->valid;
}

static bool
falls(const struct early_stop *stop)
{
    size_t n = strlen(stop->on);
    return stop->goal == GOAL_MIN || (stop->goal == GOAL_BY_NAME && n >= 4 && !strcmp(stop->on + n - 4, "loss"));
}

bool
stop_improves(const struct early_stop *stop, double value, struct checkpoint_position *at)
{
    bool better = at->best_epoch ? (falls(stop) ? value < at->best : value > at->best) : !isnan(value);
    if (better) {
        at->best = value;
        at->best_epoch = at->epoch;
    }
    return better;
}

bool
stop_now(const struct early_stop *stop, const struct checkpoint_position *at)
{
    return stop->patience && !at->epoch_rows && at->epoch - at->best_epoch >= stop->patience;
}
