/* avx512_block.c: 64 rows in byte lanes, and 128 where there are so many: two blocks share the decoding of each node.
 *
 * rows -> bytes -> per tree, from the lowest nodes up: one comparison and one blend of leaf numbers a node -> the
 * numbers look up the eight bytes of the leaves -> interleaved to doubles -> added to the sums of 64 rows
 */
#include "avx512.h"

#ifdef HAS_X86_VECTORS
#include <string.h>

/* Place in the sums of row `r` of a block: interleaving bytes leaves the rows in this order. */
static inline size_t place_of(size_t r) {
  return (r % 16) / 2 * 8 + r / 16 * 2 + r % 2;
}

/* The bytes of the leaves of 64 rows, one plane. */
WITH_AVX512 INLINE __m512i plane_of(const uint8_t *plane, uint32_t stride, __m512i number) {
  if (stride == 16) return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_load_si128((const __m128i *)plane)), number);
  if (stride == 64) return _mm512_permutexvar_epi8(number, _mm512_load_si512(plane));
  const __m512i low = _mm512_permutex2var_epi8(_mm512_load_si512(plane), number, _mm512_load_si512(plane + 64));
  if (stride == 128) return low;
  const __m512i high = _mm512_permutex2var_epi8(_mm512_load_si512(plane + 128), number, _mm512_load_si512(plane + 192));
  return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(number), high);
}

WITH_AVX512 INLINE void add(double *sums, int place, __m512i leaves) {
  double *at = sums + 8 * (size_t)place;
  _mm512_store_pd(at, _mm512_add_pd(_mm512_load_pd(at), _mm512_castsi512_pd(leaves)));
}

WITH_AVX512 INLINE void add_leaves_of(const uint8_t *planes, uint32_t stride, __m512i number, double *sums) {
  __m512i pairs[2][4]; /* of bytes 2j and 2j + 1; rows 0-7 and 8-15 of each group of 16 */
  for (uint32_t j = 0; j < 4; j++) {
    const __m512i even = plane_of(planes + 2 * j * stride, stride, number);
    const __m512i odd = plane_of(planes + (2 * j + 1) * stride, stride, number);
    pairs[0][j] = _mm512_unpacklo_epi8(even, odd);
    pairs[1][j] = _mm512_unpackhi_epi8(even, odd);
  }
  for (int half = 0; half < 2; half++) {
    const __m512i *p = pairs[half];
    const __m512i low[2] = {_mm512_unpacklo_epi16(p[0], p[1]), _mm512_unpacklo_epi16(p[2], p[3])};
    const __m512i high[2] = {_mm512_unpackhi_epi16(p[0], p[1]), _mm512_unpackhi_epi16(p[2], p[3])};
    add(sums, 4 * half, _mm512_unpacklo_epi32(low[0], low[1]));
    add(sums, 4 * half + 1, _mm512_unpackhi_epi32(low[0], low[1]));
    add(sums, 4 * half + 2, _mm512_unpacklo_epi32(high[0], high[1]));
    add(sums, 4 * half + 3, _mm512_unpackhi_epi32(high[0], high[1]));
  }
}

WITH_AVX512 INLINE void add_leaves(const Tree *tree, __m512i number, double *sums) {
  const uint32_t stride = plane_bytes(tree->leaf_count);
  if (stride == 16) add_leaves_of(tree->planes, 16, number, sums);
  else if (stride == 64) add_leaves_of(tree->planes, 64, number, sums);
  else if (stride == 128) add_leaves_of(tree->planes, 128, number, sums);
  else add_leaves_of(tree->planes, 256, number, sums);
}

/* Leaf numbers of 64 rows in each block, from the lowest nodes up to the root, whose slot is the answer. */
WITH_AVX512 INLINE void leaf_numbers(const Forest *forest, const Scratch *scratch, const Tree *tree, uint32_t blocks,
                                     __m512i *number) {
  const uint8_t *bytes = scratch->block_bytes;
  uint8_t *slots = scratch->slots, *slot = slots + LANE_LEAVES * BLOCK_ROWS;
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

/* As set_columns, for a set of up to 512 classes: its bits are one register, the class picks a byte and a bit of it. */
WITH_AVX512 INLINE __m512i set_column(const CategorySet *set, const uint16_t *classes) {
  const __m512i low = _mm512_load_si512(classes), high = _mm512_load_si512(classes + 32);
  const __m256i low_byte = _mm512_cvtepi16_epi8(_mm512_srli_epi16(low, 3));
  const __m256i high_byte = _mm512_cvtepi16_epi8(_mm512_srli_epi16(high, 3));
  const __m512i byte = _mm512_inserti64x4(_mm512_castsi256_si512(low_byte), high_byte, 1);
  const __m512i number =
      _mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi16_epi8(low)), _mm512_cvtepi16_epi8(high), 1);
  const __m512i bit_of = _mm512_set1_epi64((int64_t)0x8040201008040201);
  const __m512i bit = _mm512_shuffle_epi8(bit_of, _mm512_and_si512(number, _mm512_set1_epi8(7)));
  const __m512i bytes = _mm512_permutexvar_epi8(byte, _mm512_loadu_si512(set->bits)); /* memory.c pads for it */
  return _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(bytes, bit), _mm512_set1_epi8(1));
}

WITH_AVX512 INLINE void fill_set_columns(const Forest *forest, const Tree *tree, uint8_t *bytes,
                                         const uint16_t *classes) {
  int are_small = 1;
  for (uint32_t j = 0; j < tree->set_count; j++) {
    const CategorySet *set = forest->sets + tree->sets[j];
    if (forest->categories[set->category].class_count > 512) are_small = 0;
    else
      _mm512_store_si512(bytes + ((size_t)forest->column_count + j) * BLOCK_ROWS,
                         set_column(set, classes + (size_t)set->category * BLOCK_ROWS));
  }
  if (!are_small) set_columns(forest, tree, bytes, classes);
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
    __m512i number[BLOCKS_TOGETHER];
    leaf_numbers(forest, scratch, tree, blocks, number);
    for (uint32_t b = 0; b < blocks; b++) add_leaves(tree, number[b], sums + b * next_sums);
  }
}

WITH_AVX512 static void score_one_block(const Job *job) {
  score_blocks(job, 1);
}

WITH_AVX512 static void score_two_blocks(const Job *job) {
  score_blocks(job, 2);
}

static void avx512_score_block(const Job *job) {
  const Forest *forest = job->forest;
  const Scratch *scratch = job->scratch;
  const size_t blocks = (job->count + BLOCK_ROWS - 1) / BLOCK_ROWS, outputs = forest->output_count;
  for (size_t b = 0; b < blocks; b++) {
    const size_t first = b * BLOCK_ROWS, left = job->count - first;
    const Job block = part_of(job, first, left < BLOCK_ROWS ? left : BLOCK_ROWS);
    avx512_quantise_block(forest, block.rows, block.is_double, (uint32_t)block.count,
                          scratch->block_bytes + b * forest->block_stride,
                          scratch->block_classes + b * forest->class_stride);
  }
  memset(scratch->block_scores, 0, blocks * outputs * BLOCK_ROWS * sizeof(double));
  if (blocks == 1) score_one_block(job);
  else score_two_blocks(job);
  for (size_t r = 0; r < job->count; r++) {
    const double *sums = scratch->block_scores + r / BLOCK_ROWS * outputs * BLOCK_ROWS + place_of(r % BLOCK_ROWS);
    for (size_t k = 0; k < outputs; k++) job->scores[r * outputs + k] = sums[k * BLOCK_ROWS];
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
