/* numbers.h: arithmetic that is to give the same bits everywhere, whatever the numbers are.
 *
 * What a row keeps is float, what is computed is double: as in NumPy, float with float is float, with double double.
 */
#ifndef MILLRACE_NUMBERS_H
#define MILLRACE_NUMBERS_H

#include <math.h>
#include <stdint.h>

/* As min and max of Python: the first one, unless the second is less, or more. NaN is neither. */
static inline double min_of(double first, double second) {
  return second < first ? second : first;
}

static inline double max_of(double first, double second) {
  return second > first ? second : first;
}

static inline double clip(double value, double low, double high) {
  return min_of(max_of(value, low), high);
}

static inline int64_t min_count(int64_t first, int64_t second) {
  return second < first ? second : first;
}

static inline int64_t max_count(int64_t first, int64_t second) {
  return second > first ? second : first;
}

/* One more of a count of one byte, while something is so. */
static inline uint8_t counted(uint8_t count, int is_so) {
  return is_so ? (uint8_t)min_count(count + 1, 255) : 0;
}

/* Towards zero; what no integer can be (NaN too) is as far away as can be added to. */
static inline int64_t integer_of(double value) {
  return value > -4e18 && value < 4e18 ? (int64_t)value : value > 0 ? (int64_t)4e18 : (int64_t)-4e18;
}

/* Most steps are one unit: then there is nothing to compute, and the bits are those of pow. */
static inline double power(double base, double exponent) {
  return exponent == 1.0 ? base : pow(base, exponent);
}

static inline double square(double value) {
  return value * value;
}

#endif
