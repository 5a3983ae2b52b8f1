/* avx512_quantise.c: rows to bytes, sixteen cuts a comparison; or right to the bits of conditions (derive_bits.c).
 *
 * The search runs over float32: the cuts are rounded down (derive_vectors.c), and so is a float64 value. Where the two
 * then differ, the float64 would have compared the same; where they are equal, float64 decides (cuts_below).
 */
#include "avx512.h"

#ifdef HAS_X86_VECTORS
#include <string.h>

#define TOGETHER 16 /* features of a block that are read at once: each line of the rows' memory is visited once */
/* Up to so many conditions on a column are asked of the values, four or eight comparisons for 64 rows each: more cost
 * less when the values are made bytes first. Measured on Zen 4. */
#define DIRECT_FLOATS 80u
#define DIRECT_DOUBLES 40u
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

WITH_AVX512 INLINE void quantise_block_of(const Forest *forest, const void *rows, int is_double, uint32_t count,
                                          uint8_t *bytes) {
  double read[TOGETHER * BLOCK_ROWS] __attribute__((aligned(64)));
  uint16_t below[BLOCK_ROWS] __attribute__((aligned(64)));
  memset(read, 0, sizeof read);
  for (uint32_t i = 0; i < forest->split_feature_count; i++) {
    const Feature *feature = forest->features + i;
    const uint32_t place = i % TOGETHER, left = forest->split_feature_count - i;
    if (place == 0) read_values(forest, rows, is_double, count, feature, left < TOGETHER ? left : TOGETHER, read);
    Values values = {.doubles = read + place * BLOCK_ROWS};
    if (is_double) round_doubles(&values);
    else check_floats(&values, (const float *)read + place * BLOCK_ROWS);
    search_block(feature, is_double, &values, below);
    for (uint32_t c = feature->first_column; c < feature->end_column; c++)
      _mm512_store_si512(bytes + (size_t)c * BLOCK_ROWS, column_bytes(forest->columns + c, below, &values));
  }
}

WITH_AVX512 void avx512_quantise_block(const Forest *forest, const void *rows, int is_double, uint32_t count,
                                       uint8_t *bytes, uint16_t *classes) {
  if (is_double) quantise_block_of(forest, rows, 1, count, bytes);
  else quantise_block_of(forest, rows, 0, count, bytes);
  classify_block(forest, rows, is_double, count, classes);
}

/* The values of a column's feature with missing ones where they decide alike on all cuts: below or above all of them.
 * Exactly one of the two kinds is filled. */
typedef struct {
  float floats[BLOCKS_TOGETHER][BLOCK_ROWS] __attribute__((aligned(64)));
  double doubles[BLOCKS_TOGETHER][BLOCK_ROWS] __attribute__((aligned(64)));
} Comparable;

WITH_AVX512 INLINE void make_comparable(const Column *column, const Values *values, int is_double, uint32_t block,
                                        Comparable *comparable) {
  const uint64_t missing = missing_of(column, values);
  const float extreme = column->sentinel ? INFINITY : -INFINITY;
  if (is_double)
    for (int i = 0; i < BLOCK_ROWS; i += 8)
      _mm512_store_pd(comparable->doubles[block] + i,
                      _mm512_mask_mov_pd(_mm512_load_pd(values->doubles + i), (__mmask8)(missing >> i),
                                         _mm512_set1_pd(extreme)));
  else
    for (int i = 0; i < BLOCK_ROWS; i += 16)
      _mm512_store_ps(comparable->floats[block] + i,
                      _mm512_mask_mov_ps(_mm512_load_ps(values->floats + i), (__mmask16)(missing >> i),
                                         _mm512_set1_ps(extreme)));
}

/* A condition for all rows, by comparing values. */
WITH_AVX512 INLINE void compare(const Comparable *comparable, const BitForest *bits, uint32_t condition, int is_double,
                                uint32_t blocks, uint8_t *to) {
  if (is_double) {
    const __m512d cut = _mm512_set1_pd(bits->exact[condition]);
#pragma GCC unroll 32
    for (uint32_t i = 0; i < blocks * BLOCK_ROWS; i += 8)
      to[i / 8] = _mm512_cmp_pd_mask(cut, _mm512_load_pd(&comparable->doubles[0][0] + i), _CMP_LT_OQ);
  } else {
    const __m512 cut = _mm512_set1_ps(bits->rounded[condition]);
#pragma GCC unroll 32
    for (uint32_t i = 0; i < blocks * BLOCK_ROWS; i += 16)
      ((uint16_t *)to)[i / 16] = _mm512_cmp_ps_mask(cut, _mm512_load_ps(&comparable->floats[0][0] + i), _CMP_LT_OQ);
  }
}

/* All conditions on a column: few are asked of the values, many of the bytes of the values. */
WITH_AVX512 INLINE void ask_column(const Forest *forest, const Feature *feature, uint32_t number, int is_double,
                                   uint32_t blocks, Values *values, uint8_t *all) {
  const BitForest *bits = forest->bits;
  const Column *column = forest->columns + number;
  const uint32_t first = bits->first[number], end = bits->first[number + 1];
  if (end - first <= (is_double ? DIRECT_DOUBLES : DIRECT_FLOATS) && bits->is_comparable[number]) {
    Comparable comparable;
    for (uint32_t b = 0; b < blocks; b++) make_comparable(column, values + b, is_double, b, &comparable);
    for (uint32_t i = first; i < end; i++) compare(&comparable, bits, i, is_double, blocks, bits_of(all, FIRST_CONDITION + i));
    return;
  }
  __m512i bytes[BLOCKS_TOGETHER];
  for (uint32_t b = 0; b < blocks; b++) {
    uint16_t below[BLOCK_ROWS] __attribute__((aligned(64)));
    search_block(feature, is_double, values + b, below);
    bytes[b] = column_bytes(column, below, values + b);
  }
  for (uint32_t i = first; i < end; i++) {
    const __m512i cut = _mm512_set1_epi8((char)bits->cuts[i]);
    uint64_t *words = (uint64_t *)(bits_of(all, FIRST_CONDITION + i));
    for (uint32_t b = 0; b < blocks; b++) words[b] = _mm512_cmpgt_epu8_mask(bytes[b], cut);
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

/* What is read of the rows at once: `end` - `first` split features, whose values lie at place(). */
typedef struct {
  uint32_t first, end, start;
  double values[BLOCKS_TOGETHER][TOGETHER * BLOCK_ROWS] __attribute__((aligned(64)));
} Window;

/* The next window from feature `first` on: of doubles any features, of floats neighbours among the input's. */
WITH_AVX512 INLINE void next_window(const Job *job, int is_double, uint32_t blocks, uint32_t first, Window *window) {
  const Forest *forest = job->forest;
  const Feature *features = forest->features;
  window->first = window->end = first, window->start = features[first].feature;
  while (window->end < forest->split_feature_count && window->end - first < TOGETHER &&
         (is_double || features[window->end].feature - window->start < TOGETHER))
    window->end++;
  for (uint32_t b = 0; b < blocks; b++) {
    const size_t from = (size_t)b * BLOCK_ROWS, left = job->count > from ? job->count - from : 0;
    if (!left) break;
    const Job block = part_of(job, from, left < BLOCK_ROWS ? left : BLOCK_ROWS);
    if (is_double)
      read_values(forest, block.rows, 1, (uint32_t)block.count, features + first, window->end - first,
                  window->values[b]);
    else read_window(&block, window->start, (float *)window->values[b]);
  }
}

WITH_AVX512 INLINE void ask_of(const Job *job, int is_double, uint32_t blocks) {
  const Forest *forest = job->forest;
  Window window;
  memset(window.values, 0, sizeof window.values);
  window.end = 0;
  for (uint32_t i = 0; i < forest->split_feature_count; i++) {
    const Feature *feature = forest->features + i;
    if (i == window.end) next_window(job, is_double, blocks, i, &window);
    const size_t place = (is_double ? i - window.first : feature->feature - window.start) * BLOCK_ROWS;
    Values values[BLOCKS_TOGETHER];
    for (uint32_t b = 0; b < blocks; b++) {
      values[b].nan = values[b].zero = 0;
      values[b].doubles = window.values[b] + place;
      if (is_double) round_doubles(values + b);
      else check_floats(values + b, (const float *)window.values[b] + place);
    }
    for (uint32_t c = feature->first_column; c < feature->end_column; c++)
      ask_column(forest, feature, c, is_double, blocks, values, job->scratch->bits);
  }
}

WITH_AVX512 static void ask_four(const Job *job) {
  if (job->is_double) ask_of(job, 1, 4);
  else ask_of(job, 0, 4);
}

WITH_AVX512 static void ask_eight(const Job *job) {
  if (job->is_double) ask_of(job, 1, BLOCKS_TOGETHER);
  else ask_of(job, 0, BLOCKS_TOGETHER);
}

void avx512_ask(const Job *job) {
  if (job->count <= 4 * BLOCK_ROWS) ask_four(job);
  else ask_eight(job);
  for (size_t from = 0; from < job->count && job->forest->category_count; from += BLOCK_ROWS) {
    const size_t left = job->count - from;
    const Job block = part_of(job, from, left < BLOCK_ROWS ? left : BLOCK_ROWS);
    classify_block(job->forest, block.rows, block.is_double, (uint32_t)block.count,
                   job->scratch->block_classes + from / BLOCK_ROWS * job->forest->class_stride);
  }
}
#else
typedef int no_vectors_here;
#endif
