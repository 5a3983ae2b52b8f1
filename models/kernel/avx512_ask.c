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

WITH_AVX512 INLINE void ask_of(const Job *job, int is_double, uint32_t blocks) {
  const Forest *forest = job->forest;
  BlockWindow read[BLOCKS_TOGETHER];
  Window window = {.blocks = read};
  if (job->count < (size_t)blocks * BLOCK_ROWS) memset(read, 0, blocks * sizeof *read);
  for (uint32_t i = 0; i < forest->split_feature_count; i++) {
    const Feature *feature = forest->features + i;
    if (i == window.end) next_window(job, is_double, blocks, i, &window);
    const size_t place = place_in(&window, feature, i, is_double);
    Values values[BLOCKS_TOGETHER];
    for (uint32_t b = 0; b < blocks; b++) {
      values[b].nan = values[b].zero = 0;
      values[b].doubles = read[b].values + place;
      if (is_double) round_doubles(values + b);
      else check_floats(values + b, (const float *)read[b].values + place);
    }
    for (uint32_t c = feature->first_column; c < feature->end_column; c++)
      ask_column(forest, feature, c, is_double, blocks, values, job->scratch->bits);
  }
}

WITH_AVX512 static void ask_two(const Job *job) {
  if (job->is_double) ask_of(job, 1, 2);
  else ask_of(job, 0, 2);
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
  if (job->count <= 2 * BLOCK_ROWS) ask_two(job);
  else if (job->count <= 4 * BLOCK_ROWS) ask_four(job);
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
