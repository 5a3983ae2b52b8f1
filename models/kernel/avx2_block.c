/* avx2_block.c: 32 rows in byte lanes, or 64 where there are so many: two groups of lanes share the decoding of a node.
 *
 * rows -> bytes -> per tree, from the lowest nodes up: one comparison and one blend of leaf numbers a node -> leaves
 */
#include "avx2.h"

#ifdef HAS_X86_VECTORS
#include <string.h>

#define WIDTH 32

WITH_AVX2 INLINE __m256i load(const uint8_t *from) {
  return _mm256_load_si256((const __m256i *)from);
}

/* Leaf numbers of `groups` times 32 rows, from the lowest nodes up to the root, whose slot is the answer. */
WITH_AVX2 INLINE void leaf_numbers(const Tree *tree, const uint8_t *bytes, uint8_t *slots, uint32_t groups,
                                   uint8_t *numbers) {
  const Operation *operation = tree->operations, *twins_end = operation + tree->twin_count,
                  *end = operation + tree->node_count;
  uint8_t *slot = slots + LANE_LEAVES * BLOCK_ROWS;
  __m256i number[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (; operation < twins_end; operation++, slot += BLOCK_ROWS) {
    const Operation op = *operation; /* once: the stores below could change it, for all that the compiler knows */
    const __m256i cut = _mm256_set1_epi8((char)op.cut);
    const __m256i right_leaf = _mm256_set1_epi8((char)(op.leaf + 1)); /* its neighbour is one below */
    for (uint32_t g = 0; g < groups; g++) {
      number[g] = _mm256_add_epi8(right_leaf, not_above(load(bytes + op.column + g * WIDTH), cut));
      _mm256_store_si256((__m256i *)(slot + g * WIDTH), number[g]);
    }
  }
  for (; operation < end; operation++, slot += BLOCK_ROWS) {
    const Operation op = *operation;
    const __m256i cut = _mm256_set1_epi8((char)op.cut);
    for (uint32_t g = 0; g < groups; g++) {
      const __m256i stay = not_above(load(bytes + op.column + g * WIDTH), cut);
      number[g] = _mm256_blendv_epi8(load(slots + op.right + g * WIDTH), load(slots + op.left + g * WIDTH), stay);
      _mm256_store_si256((__m256i *)(slot + g * WIDTH), number[g]);
    }
  }
  for (uint32_t g = 0; g < groups; g++) _mm256_store_si256((__m256i *)(numbers + g * WIDTH), number[g]);
}

WITH_AVX2 static void score_lanes(const Job *job, double *scores) {
  const Forest *forest = job->forest;
  const Scratch *scratch = job->scratch;
  const uint32_t lanes = job->count <= WIDTH ? WIDTH : BLOCK_ROWS;
  uint8_t numbers[BLOCK_ROWS] __attribute__((aligned(64)));
  for (uint32_t t = 0; t < forest->tree_count; t++) {
    const Tree *tree = forest->trees + t;
    double *sum = scores + (size_t)tree->output * BLOCK_ROWS;
    if (!tree->operations) {
      for (uint32_t r = 0; r < job->count; r++)
        sum[r] += walk_tree(forest, tree, scratch->block_bytes + r, scratch->block_classes + r, BLOCK_ROWS);
      continue;
    }
    if (tree->set_count) set_columns(forest, tree, scratch->block_bytes, scratch->block_classes);
    if (lanes == WIDTH) leaf_numbers(tree, scratch->block_bytes, scratch->slots, 1, numbers);
    else leaf_numbers(tree, scratch->block_bytes, scratch->slots, 2, numbers);
    for (uint32_t r = 0; r < lanes; r++) sum[r] += tree->leaves[numbers[r]];
  }
}

static void score_block(const Job *job) {
  const Forest *forest = job->forest;
  const Scratch *scratch = job->scratch;
  avx2_quantise_block(forest, job->rows, job->is_double, (uint32_t)job->count, scratch->block_bytes,
                      scratch->block_classes);
  memset(scratch->block_scores, 0, sizeof(double) * forest->output_count * BLOCK_ROWS);
  score_lanes(job, scratch->block_scores);
  write_scores(job, scratch->block_scores);
}

const Evaluator AVX2_EVALUATOR = {.name = "avx2",
                                  .needs = CPU_WITH_AVX2,
                                  .lanes = WIDTH,
                                  .block_rows = BLOCK_ROWS,
                                  .tile_columns = 16 * 16,
                                  .score_rows = avx2_score_rows,
                                  .score_block = score_block};
#else
typedef int no_vectors_here;
#endif
