/* avx512_quantise.c: rows to bytes, sixteen cuts a comparison.
 *
 * The search runs over float32: the cuts are rounded down (derive_vectors.c), and so is a float64 value. Where the two
 * then differ, the float64 would have compared the same; where they are equal, float64 decides (cuts_below).
 */
#include "avx512.h"

#ifdef HAS_X86_VECTORS
#include <string.h>

#include "avx512_values.h"

WITH_AVX512 INLINE float rounded_down(double x) {
  return _mm_cvtss_f32(_mm_cvt_roundsd_ss(_mm_setzero_ps(), _mm_set_sd(x), TO_FLOOR));
}

/* The byte of a value of a common feature. */
WITH_AVX512 INLINE uint8_t common_byte(const CommonFeature *common, float rounded, double x, int is_double) {
  const __m512 wide = _mm512_set1_ps(rounded); /* NaN is below nothing */
  const uint32_t group =
      (uint32_t)__builtin_popcount(_mm512_cmp_ps_mask(_mm512_load_ps(common->coarse), wide, _CMP_LT_OQ));
  const __m512 cuts = _mm512_load_ps(common->fine + (size_t)group * 16);
  uint32_t below = group * 16 + (uint32_t)__builtin_popcount(_mm512_cmp_ps_mask(cuts, wide, _CMP_LT_OQ));
  if (is_double && _mm512_cmp_ps_mask(cuts, wide, _CMP_EQ_OQ)) below = cuts_below(common->exact, x);
  return x != x ? common->nan_byte : (uint8_t)below;
}

WITH_AVX512 INLINE void quantise_row_of(const Forest *forest, const void *row, int is_double, uint8_t *bytes) {
  for (uint32_t i = 0; i < forest->common_count; i++) {
    const CommonFeature *common = forest->common + i;
    const double x = value_at(row, is_double, common->feature);
    bytes[common->column] = common_byte(common, is_double ? rounded_down(x) : (float)x, x, is_double);
  }
  for (uint32_t i = 0; i < forest->other_count; i++) {
    const Feature *feature = forest->others[i];
    const double x = value_at(row, is_double, feature->feature), known = x != x ? 0.0 : x;
    uint32_t ties, below = search(feature, feature->level_count, is_double ? rounded_down(known) : (float)known, &ties);
    if (is_double && ties) below = cuts_below(feature, known);
    for (uint32_t c = feature->first_column; c < feature->end_column; c++)
      bytes[c] = column_byte(forest->columns + c, below, x);
  }
}

WITH_AVX512 void avx512_quantise_row(const Forest *forest, const void *row, int is_double, uint8_t *bytes,
                                     uint16_t *classes) {
  if (is_double) quantise_row_of(forest, row, 1, bytes);
  else quantise_row_of(forest, row, 0, bytes);
  classify_row(forest, row, is_double, classes);
}

WITH_AVX512 INLINE void quantise_block_of(const Job *job, int is_double, uint8_t *bytes) {
  const Forest *forest = job->forest;
  BlockWindow read;
  Window window = {.blocks = &read};
  uint16_t below[BLOCK_ROWS] __attribute__((aligned(64)));
  if (job->count < BLOCK_ROWS) memset(&read, 0, sizeof read);
  for (uint32_t i = 0; i < forest->split_feature_count; i++) {
    const Feature *feature = forest->features + i;
    if (i == window.end) next_window(job, is_double, 1, i, &window);
    const size_t place = place_in(&window, feature, i, is_double);
    Values values = {.doubles = read.values + place};
    if (is_double) round_doubles(&values);
    else check_floats(&values, (const float *)read.values + place);
    search_block(feature, is_double, &values, below);
    for (uint32_t c = feature->first_column; c < feature->end_column; c++)
      _mm512_store_si512(bytes + (size_t)c * BLOCK_ROWS, column_bytes(forest->columns + c, below, &values));
  }
}

WITH_AVX512 void avx512_quantise_block(const Forest *forest, const void *rows, int is_double, uint32_t count,
                                       uint8_t *bytes, uint16_t *classes) {
  const Job job = {.forest = forest, .rows = rows, .is_double = is_double, .count = count};
  if (is_double) quantise_block_of(&job, 1, bytes);
  else quantise_block_of(&job, 0, bytes);
  classify_block(forest, rows, is_double, count, classes);
}
#else
typedef int no_vectors_here;
#endif
