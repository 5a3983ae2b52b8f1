/* quantise.c: a row, or a block of rows, to bytes. After this no evaluator sees a floating-point feature any more. */
#include "shared.h"

void classify_row(const Forest *forest, const void *row, int is_double, uint16_t *classes) {
  for (uint32_t i = 0; i < forest->category_count; i++)
    classes[i] = class_of(forest->categories + i, value_at(row, is_double, forest->categories[i].feature));
}

void quantise_row(const Forest *forest, const void *row, int is_double, uint8_t *bytes, uint16_t *classes) {
  for (uint32_t i = 0; i < forest->split_feature_count; i++) {
    const Feature *feature = forest->features + i;
    const double x = value_at(row, is_double, feature->feature);
    const uint32_t below = cuts_below(feature, x != x ? 0.0 : x);
    for (uint32_t c = feature->first_column; c < feature->end_column; c++)
      bytes[c] = column_byte(forest->columns + c, below, x);
  }
  classify_row(forest, row, is_double, classes);
}

void classify_block(const Forest *forest, const void *rows, int is_double, uint32_t count, uint16_t *classes) {
  double values[BLOCK_ROWS];
  for (uint32_t i = 0; i < forest->category_count; i++) {
    load_values(forest, rows, is_double, count, forest->categories[i].feature, values);
    for (uint32_t r = 0; r < count; r++)
      classes[(size_t)i * BLOCK_ROWS + r] = class_of(forest->categories + i, values[r]);
  }
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
  classify_block(forest, rows, is_double, count, classes);
}
