/* avx2_quantise.c: rows to bytes, sixteen cuts in two comparisons. As avx512_quantise.c, where it is explained. */
#include "avx2.h"

#ifdef HAS_X86_VECTORS
#include <string.h>

WITH_AVX2 INLINE uint32_t mask_of(__m256 low, __m256 high) {
  return (uint32_t)_mm256_movemask_ps(low) | (uint32_t)_mm256_movemask_ps(high) << 8;
}

/* Number of rounded cuts below x; bits of `ties`: cuts that equal it. */
WITH_AVX2 INLINE uint32_t search(const Feature *feature, uint32_t level_count, float x, uint32_t *ties) {
  const __m256 wide = _mm256_set1_ps(x);
  uint32_t group = 0;
  for (uint32_t level = level_count; level-- > 0;) {
    const float *cuts = feature->levels[level] + (size_t)group * 16;
    const __m256 low = _mm256_load_ps(cuts), high = _mm256_load_ps(cuts + 8);
    const uint32_t below = mask_of(_mm256_cmp_ps(low, wide, _CMP_LT_OQ), _mm256_cmp_ps(high, wide, _CMP_LT_OQ));
    group = group * 16 + (uint32_t)__builtin_popcount(below);
    if (level == 0) *ties = mask_of(_mm256_cmp_ps(low, wide, _CMP_EQ_OQ), _mm256_cmp_ps(high, wide, _CMP_EQ_OQ));
  }
  return group;
}

/* Towards minus infinity, from the nearest float32: one bit down in size if that is above and positive, up if negative.
 */
static inline float rounded_down(double x) {
  float nearest = (float)x;
  uint32_t bits;
  memcpy(&bits, &nearest, sizeof bits);
  bits += (double)nearest > x ? (bits >> 31 ? 1u : ~0u) : 0u;
  memcpy(&nearest, &bits, sizeof bits);
  return nearest;
}

WITH_AVX2 INLINE uint32_t count_below(const Feature *feature, uint32_t level_count, double known, int is_double) {
  uint32_t ties = 0;
  const uint32_t below = search(feature, level_count, is_double ? rounded_down(known) : (float)known, &ties);
  return is_double && ties ? cuts_below(feature, known) : below;
}

WITH_AVX2 INLINE uint32_t below_in(const float *cuts, __m256 wide) {
  const __m256 low = _mm256_cmp_ps(_mm256_load_ps(cuts), wide, _CMP_LT_OQ);
  const __m256 high = _mm256_cmp_ps(_mm256_load_ps(cuts + 8), wide, _CMP_LT_OQ);
  return (uint32_t)__builtin_popcount(mask_of(low, high));
}

/* The byte of a value of a common feature. */
WITH_AVX2 INLINE uint8_t common_byte(const CommonFeature *common, float rounded, double x, int is_double) {
  const __m256 wide = _mm256_set1_ps(rounded); /* NaN is below nothing */
  const uint32_t group = below_in(common->coarse, wide);
  const float *cuts = common->fine + (size_t)group * 16;
  uint32_t below = group * 16 + below_in(cuts, wide);
  const __m256 low = _mm256_cmp_ps(_mm256_load_ps(cuts), wide, _CMP_EQ_OQ);
  const __m256 high = _mm256_cmp_ps(_mm256_load_ps(cuts + 8), wide, _CMP_EQ_OQ);
  if (is_double && _mm256_movemask_ps(_mm256_or_ps(low, high))) below = cuts_below(common->exact, x);
  return x != x ? common->nan_byte : (uint8_t)below;
}

WITH_AVX2 INLINE void quantise_row_of(const Forest *forest, const void *row, int is_double, uint8_t *bytes) {
  for (uint32_t i = 0; i < forest->common_count; i++) {
    const CommonFeature *common = forest->common + i;
    const double x = value_at(row, is_double, common->feature);
    bytes[common->column] = common_byte(common, is_double ? rounded_down(x) : (float)x, x, is_double);
  }
  for (uint32_t i = 0; i < forest->other_count; i++) {
    const Feature *feature = forest->others[i];
    const double x = value_at(row, is_double, feature->feature);
    const uint32_t below = count_below(feature, feature->level_count, x != x ? 0.0 : x, is_double);
    for (uint32_t c = feature->first_column; c < feature->end_column; c++)
      bytes[c] = column_byte(forest->columns + c, below, x);
  }
}

WITH_AVX2 void avx2_quantise_row(const Forest *forest, const void *row, int is_double, uint8_t *bytes,
                                 uint16_t *classes) {
  if (is_double) quantise_row_of(forest, row, 1, bytes);
  else quantise_row_of(forest, row, 0, bytes);
  classify_row(forest, row, is_double, classes);
}

WITH_AVX2 INLINE void count_all(const Feature *feature, uint32_t level_count, const double *values, int is_double,
                                uint32_t count, uint16_t *below) {
  for (uint32_t r = 0; r < count; r++) {
    const double known = values[r] != values[r] ? 0.0 : values[r];
    below[r] = (uint16_t)count_below(feature, level_count, known, is_double);
  }
}

WITH_AVX2 INLINE void quantise_block_of(const Forest *forest, const void *rows, int is_double, uint32_t count,
                                        uint8_t *bytes) {
  double values[BLOCK_ROWS];
  uint16_t below[BLOCK_ROWS];
  for (uint32_t i = 0; i < forest->split_feature_count; i++) {
    const Feature *feature = forest->features + i;
    load_values(forest, rows, is_double, count, feature->feature, values);
    if (feature->level_count == 1) count_all(feature, 1, values, is_double, count, below);
    else if (feature->level_count == 2) count_all(feature, 2, values, is_double, count, below);
    else count_all(feature, feature->level_count, values, is_double, count, below);
    for (uint32_t c = feature->first_column; c < feature->end_column; c++)
      for (uint32_t r = 0; r < count; r++)
        bytes[(size_t)c * BLOCK_ROWS + r] = column_byte(forest->columns + c, below[r], values[r]);
  }
}

WITH_AVX2 void avx2_quantise_block(const Forest *forest, const void *rows, int is_double, uint32_t count,
                                   uint8_t *bytes, uint16_t *classes) {
  if (is_double) quantise_block_of(forest, rows, 1, count, bytes);
  else quantise_block_of(forest, rows, 0, count, bytes);
  classify_block(forest, rows, is_double, count, classes);
}
#else
typedef int no_vectors_here;
#endif
