/* avx512_block.c: 64 rows in byte lanes, and 128 where there are so many: two blocks share the decoding of each node.
 * More rows go to avx512_bits.c if the forest is of that kind.
 *
 * rows -> bytes -> per tree, from the lowest nodes up: one comparison and one blend of leaf numbers a node -> the
 * numbers look up the eight bytes of the leaves -> interleaved to doubles -> added to the sums of 64 rows
 */
#include "avx512.h"

#ifdef HAS_X86_VECTORS
#include <string.h>

#include "avx512_leaves.h"

/* Leaf numbers of 64 rows in each block, from the lowest nodes up to the root, whose slot is the answer. */
WITH_AVX512 INLINE void leaf_numbers(const Forest *forest, const Tree *tree, const uint8_t *bytes, uint8_t *slots,
                                     uint32_t blocks, __m512i *number) {
  uint8_t *slot = slots + LANE_LEAVES * BLOCK_ROWS;
  const size_t next_bytes = forest->block_stride, next_slots = forest->slot_stride;
  const Operation *operation = tree->operations, *twins_end = operation + tree->twin_count,
                  *end = operation + tree->node_count;
  for (uint32_t b = 0; b < blocks; b++) number[b] = _mm512_setzero_si512();
  for (; operation < twins_end; operation++, slot += BLOCK_ROWS) {
    const Operation op = *operation; /* once: the stores below could change it, for all that the compiler knows */
    const __m512i cut = _mm512_set1_epi8((char)op.cut), leaf = _mm512_set1_epi8((char)op.leaf);
    for (uint32_t b = 0; b < blocks; b++) {
      const __m512i byte = _mm512_load_si512(bytes + b * next_bytes + op.column);
      const __mmask64 right = _mm512_cmpgt_epu8_mask(byte, cut);
      number[b] = _mm512_mask_sub_epi8(leaf, right, leaf, _mm512_set1_epi8(-1)); /* the neighbour */
      _mm512_store_si512(slot + b * next_slots, number[b]);
    }
  }
  for (; operation < end; operation++, slot += BLOCK_ROWS) {
    const Operation op = *operation;
    const __m512i cut = _mm512_set1_epi8((char)op.cut);
    for (uint32_t b = 0; b < blocks; b++) {
      const __m512i byte = _mm512_load_si512(bytes + b * next_bytes + op.column);
      const uint8_t *from = slots + b * next_slots;
      number[b] = _mm512_mask_mov_epi8(_mm512_load_si512(from + op.left), _mm512_cmpgt_epu8_mask(byte, cut),
                                       _mm512_load_si512(from + op.right));
      _mm512_store_si512(slot + b * next_slots, number[b]);
    }
  }
}

/* As set_columns. */
WITH_AVX512 INLINE void fill_set_columns(const Forest *forest, const Tree *tree, uint8_t *bytes,
                                         const uint16_t *classes) {
  for (uint32_t j = 0; j < tree->set_count; j++) {
    const CategorySet *set = forest->sets + tree->sets[j];
    const uint32_t class_count = forest->categories[set->category].class_count;
    const __mmask64 right = set_mask(set, class_count, classes + (size_t)set->category * BLOCK_ROWS);
    _mm512_store_si512(bytes + ((size_t)forest->column_count + j) * BLOCK_ROWS,
                       _mm512_maskz_mov_epi8(right, _mm512_set1_epi8(1)));
  }
}

static void walk_blocks(const Job *job, const Tree *tree, double *sums) {
  const Forest *forest = job->forest;
  for (size_t r = 0; r < job->count; r++) {
    const size_t block = r / BLOCK_ROWS, lane = r % BLOCK_ROWS;
    const uint8_t *bytes = job->scratch->block_bytes + block * forest->block_stride + lane;
    const uint16_t *classes = job->scratch->block_classes + block * forest->class_stride + lane;
    sums[block * forest->output_count * BLOCK_ROWS + place_of(lane)] +=
        walk_tree(forest, tree, bytes, classes, BLOCK_ROWS);
  }
}

WITH_AVX512 INLINE void score_blocks(const Job *job, uint32_t blocks) {
  const Forest *forest = job->forest;
  const Scratch *scratch = job->scratch;
  const size_t next_sums = (size_t)forest->output_count * BLOCK_ROWS;
  for (uint32_t t = 0; t < forest->tree_count; t++) {
    const Tree *tree = forest->trees + t;
    double *sums = scratch->block_scores + (size_t)tree->output * BLOCK_ROWS;
    if (!tree->operations) {
      walk_blocks(job, tree, sums);
      continue;
    }
    for (uint32_t b = 0; b < blocks && tree->set_count; b++)
      fill_set_columns(forest, tree, scratch->block_bytes + b * forest->block_stride,
                       scratch->block_classes + b * forest->class_stride);
    __m512i number[BLOCKS_IN_LANES];
    leaf_numbers(forest, tree, scratch->block_bytes, scratch->slots, blocks, number);
    for (uint32_t b = 0; b < blocks; b++) add_leaves(tree->planes, tree->leaf_count, number[b], sums + b * next_sums);
  }
}

WITH_AVX512 static void score_one_block(const Job *job) {
  score_blocks(job, 1);
}

WITH_AVX512 static void score_two_blocks(const Job *job) {
  score_blocks(job, BLOCKS_IN_LANES);
}

/* Up to BLOCKS_IN_LANES blocks, added to the block_scores. */
static void score_lanes(const Job *job) {
  const Forest *forest = job->forest;
  const Scratch *scratch = job->scratch;
  for (size_t b = 0; b * BLOCK_ROWS < job->count; b++) {
    const size_t first = b * BLOCK_ROWS, left = job->count - first;
    const Job block = part_of(job, first, left < BLOCK_ROWS ? left : BLOCK_ROWS);
    avx512_quantise_block(forest, block.rows, block.is_double, (uint32_t)block.count,
                          scratch->block_bytes + b * forest->block_stride,
                          scratch->block_classes + b * forest->class_stride);
  }
  if (job->count <= BLOCK_ROWS) score_one_block(job);
  else score_two_blocks(job);
}

static void score_together(const Job *job, void (*score)(const Job *)) {
  const size_t outputs = job->forest->output_count, blocks = (job->count + BLOCK_ROWS - 1) / BLOCK_ROWS;
  memset(job->scratch->block_scores, 0, blocks * outputs * BLOCK_ROWS * sizeof(double));
  score(job);
  for (size_t r = 0; r < job->count; r++) {
    const double *sums = job->scratch->block_scores + r / BLOCK_ROWS * outputs * BLOCK_ROWS + place_of(r % BLOCK_ROWS);
    for (size_t k = 0; k < outputs; k++) job->scores[r * outputs + k] = sums[k * BLOCK_ROWS];
  }
}

static void avx512_score_block(const Job *job) {
  const size_t lanes = BLOCKS_IN_LANES * BLOCK_ROWS;
  if (job->scratch->bits && job->count >= job->forest->bits->least_rows) {
    score_together(job, avx512_score_bits);
    return;
  }
  for (size_t first = 0; first < job->count; first += lanes) {
    const size_t left = job->count - first;
    const Job part = part_of(job, first, left < lanes ? left : lanes);
    score_together(&part, score_lanes);
  }
}

const Evaluator AVX512_EVALUATOR = {.name = "avx512",
                                    .needs = CPU_WITH_AVX512,
                                    .lanes = BLOCK_ROWS,
                                    .block_rows = BLOCKS_TOGETHER * BLOCK_ROWS,
                                    .tile_columns = 512,
                                    .score_rows = avx512_score_rows,
                                    .score_block = avx512_score_block};
#else
typedef int no_vectors_here;
#endif
