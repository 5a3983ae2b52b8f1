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

/* Sixteen registers: element j of number i to element i of number j. */
WITH_AVX512 INLINE void transpose(__m512i *rows) {
  __m512i pairs[16], quads[16];
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) /* column j + 4 k of rows i .. i + 3 is quarter k of quads[i + j] */
    for (int j = 0; j < 2; j++) {
      quads[i + 2 * j] = _mm512_unpacklo_epi64(pairs[i + j], pairs[i + j + 2]);
      quads[i + 2 * j + 1] = _mm512_unpackhi_epi64(pairs[i + j], pairs[i + j + 2]);
    }
  for (int j = 0; j < 4; j++) {
    const __m512i even_low = _mm512_shuffle_i32x4(quads[j], quads[4 + j], 0x88);
    const __m512i odd_low = _mm512_shuffle_i32x4(quads[j], quads[4 + j], 0xdd);
    const __m512i even_high = _mm512_shuffle_i32x4(quads[8 + j], quads[12 + j], 0x88);
    const __m512i odd_high = _mm512_shuffle_i32x4(quads[8 + j], quads[12 + j], 0xdd);
    rows[j] = _mm512_shuffle_i32x4(even_low, even_high, 0x88);
    rows[8 + j] = _mm512_shuffle_i32x4(even_low, even_high, 0xdd);
    rows[4 + j] = _mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
    rows[12 + j] = _mm512_shuffle_i32x4(odd_low, odd_high, 0xdd);
  }
}

/* Floats of a block's rows from input feature `start` on: read[feature - start][BLOCK_ROWS]. */
WITH_AVX512 INLINE void read_window(const Job *block, uint32_t start, float *read) {
  const size_t width = block->forest->feature_count;
  const __mmask16 there = width - start < TOGETHER ? (__mmask16)((1u << (width - start)) - 1) : (__mmask16)0xffff;
  for (size_t r = 0; r < block->count; r += 16) {
    __m512i rows[16];
    for (size_t i = 0; i < 16; i++) {
      const size_t row = r + i < block->count ? r + i : block->count - 1;
      rows[i] = _mm512_maskz_loadu_epi32(there, (const float *)block->rows + row * width + start);
    }
    transpose(rows);
    for (int j = 0; j < 16; j++) _mm512_store_si512(read + (size_t)j * BLOCK_ROWS + r, rows[j]);
  }
}

/* What is read of the rows at once: split features `first` to `end`, from input feature `start` on. */
typedef struct {
  double values[TOGETHER * BLOCK_ROWS] __attribute__((aligned(64)));
} BlockWindow;
typedef struct {
  uint32_t first, end, start;
  BlockWindow *blocks;
} Window;

/* Where the values of a feature are in each block of a window; of floats counted in floats. */
static inline size_t place_in(const Window *window, const Feature *feature, uint32_t number, int is_double) {
  return (size_t)(is_double ? number - window->first : feature->feature - window->start) * BLOCK_ROWS;
}

/* The next window from feature `first` on: of doubles any features, of floats neighbours among the input's. */
WITH_AVX512 INLINE void next_window(const Job *job, int is_double, uint32_t blocks, uint32_t first, Window *window) {
  const Forest *forest = job->forest;
  const Feature *features = forest->features;
  window->first = window->end = first, window->start = features[first].feature;
  while (window->end < forest->split_feature_count && window->end - first < TOGETHER &&
         (is_double || features[window->end].feature - window->start < TOGETHER))
    window->end++;
  for (size_t b = 0; b < blocks && b * BLOCK_ROWS < job->count; b++) {
    const size_t from = b * BLOCK_ROWS, left = job->count - from;
    const Job block = part_of(job, from, left < BLOCK_ROWS ? left : BLOCK_ROWS);
    double *values = window->blocks[b].values;
    if (is_double)
      read_values(forest, block.rows, 1, (uint32_t)block.count, features + first, window->end - first, values);
    else read_window(&block, window->start, (float *)values);
  }
}

#endif
