/* quantise.c: a row, or a block of rows, to bytes. After this no evaluator sees a floating-point feature any more. */
#include <math.h>

#include "forest.h"

/* LightGBM's kZeroThreshold: it reads |x| <= 1e-35f as 0.0. The cuts of a pack allow for it; only column_byte asks. */
static const double ZERO_THRESHOLD = (double)1e-35f;

/* Number of cuts below x, by bisection without a branch that depends on the data: the same time for every row. */
static inline uint32_t cuts_below(const Feature *feature, double x) {
  const double *cuts = feature->cuts;
  uint32_t below = 0;
  for (uint32_t n = feature->cut_count; n > 1;) {
    const uint32_t half = n >> 1;
    below += half & -(uint32_t)(cuts[below + half - 1] < x);
    n -= half;
  }
  return below + (cuts[below] < x);
}

static inline uint8_t column_byte(const Column *column, uint32_t below, double x) {
  const int is_missing = (column->rule != NAN_IS_ZERO && x != x) ||
                         (column->rule == NAN_AND_ZERO_ARE_MISSING && fabs(x) <= ZERO_THRESHOLD);
  if (is_missing) return column->sentinel;
  if (below <= column->base) return 0;
  return below - column->base > 255 ? 255 : (uint8_t)(below - column->base);
}

/* LightGBM truncates: (-1, 0] is category 0. NaN, negative, huge and unseen ones have classes of their own. */
static inline uint16_t class_of(const Category *category, double x) {
  if (x != x) return category->nan_class;
  if (!(x > -1.0) || x >= (double)category->category_count) return category->other_class;
  return category->class_of[(uint32_t)x];
}

static inline double value_at(const void *row, int is_double, size_t i) {
  return is_double ? ((const double *)row)[i] : (double)((const float *)row)[i];
}

void quantise_row(const Forest *forest, const void *row, int is_double, uint8_t *bytes, uint16_t *classes) {
  for (uint32_t i = 0; i < forest->split_feature_count; i++) {
    const Feature *feature = forest->features + i;
    const double x = value_at(row, is_double, feature->feature);
    const uint32_t below = cuts_below(feature, x != x ? 0.0 : x);
    for (uint32_t c = feature->first_column; c < feature->end_column; c++)
      bytes[c] = column_byte(forest->columns + c, below, x);
  }
  for (uint32_t i = 0; i < forest->category_count; i++)
    classes[i] = class_of(forest->categories + i, value_at(row, is_double, forest->categories[i].feature));
}

static void load_values(const Forest *forest, const void *rows, int is_double, uint32_t count, uint32_t feature,
                        double *values) {
  const size_t width = forest->feature_count;
  for (uint32_t r = 0; r < count; r++) values[r] = value_at(rows, is_double, r * width + feature);
}

/* bytes: [column][BLOCK_ROWS], classes: [category][BLOCK_ROWS]. Lanes beyond `count` keep what they had: each lane is
 * on its own, and nobody reads their scores. Their classes stay valid, since they were valid before. */
void quantise_block(const Forest *forest, const void *rows, int is_double, uint32_t count, uint8_t *bytes,
                    uint16_t *classes) {
  double values[BLOCK_ROWS];
  for (uint32_t i = 0; i < forest->split_feature_count; i++) {
    const Feature *feature = forest->features + i;
    load_values(forest, rows, is_double, count, feature->feature, values);
    uint32_t below[BLOCK_ROWS];
    for (uint32_t r = 0; r < count; r++) below[r] = cuts_below(feature, values[r] != values[r] ? 0.0 : values[r]);
    for (uint32_t c = feature->first_column; c < feature->end_column; c++)
      for (uint32_t r = 0; r < count; r++)
        bytes[(size_t)c * BLOCK_ROWS + r] = column_byte(forest->columns + c, below[r], values[r]);
  }
  for (uint32_t i = 0; i < forest->category_count; i++) {
    load_values(forest, rows, is_double, count, forest->categories[i].feature, values);
    for (uint32_t r = 0; r < count; r++)
      classes[(size_t)i * BLOCK_ROWS + r] = class_of(forest->categories + i, values[r]);
  }
}
