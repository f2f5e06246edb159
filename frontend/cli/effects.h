/* effects: what paired numbers of several runs say: their mean, its confidence interval, and whether it is chance. */
#ifndef NNC_FRONTEND_CLI_EFFECTS_H
#define NNC_FRONTEND_CLI_EFFECTS_H
#include <stdbool.h>

/* A share that is not worth a sentence: of the gap, or of the largest effect. */
static const double EFFECT_SMALL = 0.01;

struct effect {
    double mean;
    double half;    /* half the width of the 95 % confidence interval; NaN of a single run */
    double error;   /* the standard one of the mean; NaN of a single run */
    double p;       /* that it is chance (effect_chance of 0); NaN of a single run. effects_holm makes it the adjusted one */
    double share;   /* of the gap; set by the caller */
};

/* Of |n| numbers, one a run: Student's t with n - 1 degrees of freedom, two-sided. Numbers that are all equal have no error: p is 0, or
 * 1 if they are 0. */
struct effect effect_of(const double *x, int n);
/* The chance of seeing |e|, of |n| numbers, if the true mean is at most |least| in size: a difference that always has an effect, but one of no size, is none
 * (McCarthy and Smyth 2009, Testing significance relative to a fold-change threshold is a TREAT). NaN of a single run. */
double effect_chance(const struct effect *e, int n, double least);
/* The chance of a value of Student's t with |n| degrees of freedom beyond -t or t (Abramowitz and Stegun 26.7.3, 26.7.4). */
double student_beyond(double t, int n);
/* Holm's step-down over a family of |n|, whose order it changes: with p below 0.05 the chance that any of them is seen without there being one is
 * at most 5 %. Those whose p is NaN or that are exactly 0 in all runs cannot be taken for an effect, and do not count. */
void effects_holm(struct effect **e, int n);
#endif
