/* avx512_values.h: what avx512_quantise.c and avx512_ask.c do alike: read a feature of 64 rows, search its cuts. */
#ifndef MILLRACE_AVX512_VALUES_H
#define MILLRACE_AVX512_VALUES_H

#include "avx512.h"

#define TOGETHER 16 /* features of a block that are read at once: each line of the rows' memory is visited once */
#define TO_FLOOR (_MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC)

/* Number of rounded cuts below x; bits of `ties`: cuts that equal it. */
WITH_AVX512 INLINE uint32_t search(const Feature *feature, uint32_t level_count, float x, uint32_t *ties) {
  const __m512 wide = _mm512_set1_ps(x);
  uint32_t group = 0;
  for (uint32_t level = level_count - 1; level > 0; level--) {
    const __m512 cuts = _mm512_load_ps(feature->levels[level] + (size_t)group * 16);
    group = group * 16 + (uint32_t)__builtin_popcount(_mm512_cmp_ps_mask(cuts, wide, _CMP_LT_OQ));
  }
  const __m512 cuts = _mm512_load_ps(feature->levels[0] + (size_t)group * 16);
  *ties = _mm512_cmp_ps_mask(cuts, wide, _CMP_EQ_OQ);
  return group * 16 + (uint32_t)__builtin_popcount(_mm512_cmp_ps_mask(cuts, wide, _CMP_LT_OQ));
}

/* One feature of a block. Only one of the two kinds of values is there. */
typedef struct {
  double *doubles; /* NaN replaced by 0 */
  float floats[BLOCK_ROWS] __attribute__((aligned(64)));
  uint64_t nan, zero, ties;
} Values;

WITH_AVX512 INLINE void round_doubles(Values *values) {
  for (int i = 0; i < BLOCK_ROWS; i += 8) {
    __m512d x = _mm512_load_pd(values->doubles + i);
    const __mmask8 nan = _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q);
    const __mmask8 zero = _mm512_cmp_pd_mask(_mm512_abs_pd(x), _mm512_set1_pd(ZERO_THRESHOLD), _CMP_LE_OQ);
    values->nan |= (uint64_t)nan << i, values->zero |= (uint64_t)zero << i;
    x = _mm512_mask_mov_pd(x, nan, _mm512_setzero_pd());
    _mm512_store_pd(values->doubles + i, x);
    _mm256_store_ps(values->floats + i, _mm512_cvt_roundpd_ps(x, TO_FLOOR));
  }
}

WITH_AVX512 INLINE void check_floats(Values *values, const float *from) {
  for (int i = 0; i < BLOCK_ROWS; i += 16) {
    const __m512 x = _mm512_load_ps(from + i);
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    const __mmask16 zero = _mm512_cmp_ps_mask(_mm512_abs_ps(x), _mm512_set1_ps((float)ZERO_THRESHOLD), _CMP_LE_OQ);
    values->nan |= (uint64_t)nan << i, values->zero |= (uint64_t)zero << i;
    _mm512_store_ps(values->floats + i, _mm512_mask_mov_ps(x, nan, _mm512_setzero_ps()));
  }
}

WITH_AVX512 INLINE void search_all(const Feature *feature, uint32_t level_count, int is_double, Values *values,
                                   uint16_t *below) {
  uint64_t all_ties = 0;
  for (int r = 0; r < BLOCK_ROWS; r++) {
    uint32_t ties;
    below[r] = (uint16_t)search(feature, level_count, values->floats[r], &ties);
    if (is_double) all_ties |= (uint64_t)(ties != 0) << r;
  }
  values->ties = all_ties;
}

WITH_AVX512 INLINE void search_block(const Feature *feature, int is_double, Values *values, uint16_t *below) {
  if (feature->level_count == 1) search_all(feature, 1, is_double, values, below);
  else if (feature->level_count == 2) search_all(feature, 2, is_double, values, below);
  else search_all(feature, feature->level_count, is_double, values, below);
  for (uint64_t left = values->ties; left; left &= left - 1) {
    const int r = __builtin_ctzll(left);
    below[r] = (uint16_t)cuts_below(feature, values->doubles[r]);
  }
}

/* The rows of a block whose value is missing in the eyes of a column. */
static inline uint64_t missing_of(const Column *column, const Values *values) {
  uint64_t missing = column->rule == NAN_IS_ZERO ? 0 : values->nan;
  if (column->rule == NAN_AND_ZERO_ARE_MISSING) missing |= values->zero;
  return missing;
}

/* column_byte of 64 rows. */
WITH_AVX512 INLINE __m512i column_bytes(const Column *column, const uint16_t *below, const Values *values) {
  const __m512i base = _mm512_set1_epi16((short)column->base);
  const __m512i low = _mm512_subs_epu16(_mm512_load_si512(below), base);
  const __m512i high = _mm512_subs_epu16(_mm512_load_si512(below + 32), base);
  const __m512i bytes =
      _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtusepi16_epi8(low)), _mm512_cvtusepi16_epi8(high), 1);
  return _mm512_mask_mov_epi8(bytes, missing_of(column, values), _mm512_set1_epi8((char)column->sentinel));
}

/* Values of `count` rows: read[feature][BLOCK_ROWS], for `features` features from `first` on. */
WITH_AVX512 INLINE void read_values(const Forest *forest, const void *rows, int is_double, uint32_t count,
                                    const Feature *first, uint32_t features, void *read) {
  const size_t width = forest->feature_count;
  for (size_t r = 0; r < count; r++)
    for (uint32_t j = 0; j < features; j++) {
      const size_t from = r * width + first[j].feature, to = (size_t)j * BLOCK_ROWS + r;
      if (is_double) ((double *)read)[to] = ((const double *)rows)[from];
      else ((float *)read)[to] = ((const float *)rows)[from];
    }
}

#endif
