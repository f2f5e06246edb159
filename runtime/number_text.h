/* number_text: the shortest decimal text of a binary number that reads back to the same bits; no locale, no floating-point
 * arithmetic. */
#ifndef NNC_RUNTIME_NUMBER_TEXT_H
#define NNC_RUNTIME_NUMBER_TEXT_H
#include "ir/types.h"

enum { NUMBER_TEXT = 32 };

/* Writes |x| into |buffer| and returns the length: "0.1", "-3", "1e-7", "nan", "inf", "-inf". Of the shortest texts it is
 * the nearest to |x|. */
int number_text_f32(float x, char buffer[NUMBER_TEXT]);
int number_text_f64(double x, char buffer[NUMBER_TEXT]);
/* A value of element type |e| that was widened to double: f32 is written as f32, all others as f64. */
int number_text(enum elem e, double x, char buffer[NUMBER_TEXT]);
/* |x| rounded to |e|: what number_text writes. */
double number_round(enum elem e, double x);
#endif
