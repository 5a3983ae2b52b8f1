/* avx512_ask.c: rows to the bits of the conditions (derive_bits.c), for avx512_bits.c.
 *
 * rows -> 16 features of up to 512 rows, transposed -> per column: few conditions are asked of the values themselves,
 * many of the bytes that the values are made to first
 */
#include "avx512.h"

#ifdef HAS_X86_VECTORS
#include <string.h>

#include "avx512_values.h"

/* Up to so many conditions on a column are asked of the values, four or eight comparisons for 64 rows each: more cost
 * less when the values are made bytes first. Measured on Zen 4. */
#define DIRECT_FLOATS 80u
#define DIRECT_DOUBLES 40u

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
      _mm512_store_pd(
          comparable->doubles[block] + i,
          _mm512_mask_mov_pd(_mm512_load_pd(values->doubles + i), (__mmask8)(missing >> i), _mm512_set1_pd(extreme)));
  else
    for (int i = 0; i < BLOCK_ROWS; i += 16)
      _mm512_store_ps(
          comparable->floats[block] + i,
          _mm512_mask_mov_ps(_mm512_load_ps(values->floats + i), (__mmask16)(missing >> i), _mm512_set1_ps(extreme)));
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
    for (uint32_t i = first; i < end; i++)
      compare(&comparable, bits, i, is_double, blocks, bits_of(all, FIRST_CONDITION + i));
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
