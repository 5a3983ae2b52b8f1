/* avx512_bits.c: up to 512 rows, one bit of a register each.
 *
 * rows -> conditions, asked once for all trees (avx512_ask.c) -> per tree the bits of the leaf's number, one
 * selection for all rows each -> 64 numbers at a time look up their leaves, as in avx512_block.c
 *
 * Where lanes of bytes need a comparison, two loads and a blend for each node and 64 rows, this needs some two
 * selections for each node and 512 rows; what remains is the asking (some thousand conditions) and the leaves.
 */
#include "avx512.h"

#ifdef HAS_X86_VECTORS
#include <string.h>

#include "avx512_leaves.h"

#define CHOOSE 0xca /* of three bits: the second where the first is set, else the third */
enum Width { ROWS_128 = 16, ROWS_256 = 32, ROWS_512 = 64 }; /* bytes of a register */

WITH_AVX512 INLINE void ask_sets(const Forest *forest, const Scratch *scratch, uint32_t blocks) {
  const BitForest *bits = forest->bits;
  for (uint32_t i = 0; i < bits->set_count; i++) {
    const CategorySet *set = forest->sets + bits->sets[i];
    const uint32_t class_count = forest->categories[set->category].class_count;
    uint64_t *words = (uint64_t *)(bits_of(scratch->bits, FIRST_CONDITION + bits->condition_count + i));
    for (uint32_t b = 0; b < blocks; b++)
      words[b] = set_mask(set, class_count,
                          scratch->block_classes + b * forest->class_stride + (size_t)set->category * BLOCK_ROWS);
  }
}

WITH_AVX512 INLINE void select_bits(uint8_t *all, BitOperation op, uint8_t *result, enum Width width) {
  const uint8_t *condition = bits_of(all, op.condition), *right = bits_of(all, op.right), *left = bits_of(all, op.left);
  if (width == ROWS_128) {
    const __m128i r = _mm_load_si128((const __m128i *)right), l = _mm_load_si128((const __m128i *)left);
    const __m128i is_right = _mm_load_si128((const __m128i *)condition);
    _mm_store_si128((__m128i *)result, _mm_ternarylogic_epi64(is_right, r, l, CHOOSE));
  } else if (width == ROWS_256) {
    const __m256i r = _mm256_load_si256((const __m256i *)right), l = _mm256_load_si256((const __m256i *)left);
    const __m256i is_right = _mm256_load_si256((const __m256i *)condition);
    _mm256_store_si256((__m256i *)result, _mm256_ternarylogic_epi64(is_right, r, l, CHOOSE));
  } else {
    const __m512i r = _mm512_load_si512(right), l = _mm512_load_si512(left), is_right = _mm512_load_si512(condition);
    _mm512_store_si512(result, _mm512_ternarylogic_epi64(is_right, r, l, CHOOSE));
  }
}

/* The leaf numbers of 64 rows from their bits. */
WITH_AVX512 INLINE __m512i numbers_of(uint8_t *all, const BitProgram *program, uint32_t block) {
  __m512i number = _mm512_setzero_si512();
  for (uint32_t bit = 0; bit < program->bits; bit++) {
    const __mmask64 is_set = ((const uint64_t *)bits_of(all, program->root[bit]))[block];
    number = _mm512_mask_add_epi8(number, is_set, number, _mm512_set1_epi8((char)(1u << bit)));
  }
  return number;
}

WITH_AVX512 INLINE void score_trees(const Job *job, uint32_t blocks, enum Width width) {
  const Forest *forest = job->forest;
  const Scratch *scratch = job->scratch;
  const size_t next_sums = (size_t)forest->output_count * BLOCK_ROWS;
  const uint32_t used = (uint32_t)((job->count + BLOCK_ROWS - 1) / BLOCK_ROWS);
  uint8_t *all = scratch->bits;
  avx512_ask(job);
  ask_sets(forest, scratch, blocks);
  uint8_t *const slots = bits_of(all, FIRST_CONDITION + forest->bits->condition_count + forest->bits->set_count);
  for (uint32_t t = 0; t < forest->tree_count; t++) {
    const BitProgram *program = forest->bits->programs + t;
    const BitOperation *op = program->operations, *end = op + program->count;
    for (uint8_t *result = slots; op < end; op++, result += BITS_BYTES) select_bits(all, *op, result, width);
    double *sums = scratch->block_scores + (size_t)forest->trees[t].output * BLOCK_ROWS;
    for (uint32_t b = 0; b < used; b++)
      add_leaves(program->planes, 1u << program->bits, numbers_of(all, program, b), sums + b * next_sums);
  }
}

WITH_AVX512 static void score_128(const Job *job) {
  score_trees(job, 2, ROWS_128);
}

WITH_AVX512 static void score_256(const Job *job) {
  score_trees(job, 4, ROWS_256);
}

WITH_AVX512 static void score_512(const Job *job) {
  score_trees(job, 8, ROWS_512);
}

void avx512_score_bits(const Job *job) {
  if (job->count <= 128) score_128(job);
  else if (job->count <= 256) score_256(job);
  else score_512(job);
}
#else
typedef int no_vectors_here;
#endif
