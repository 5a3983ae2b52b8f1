/* scratch.c: what a running call writes to.
 *
 * A call takes a scratch that no other call uses, or makes one, and gives it back: as many exist as calls ever ran at
 * the same time. Both happen under Python's GIL; the scoring between them may not.
 */
#include <stdlib.h>
#include <string.h>

#include "forest.h"

/* Without the memory, byte lanes it is: correct, only slower. */
static void add_bits(Scratch *scratch, const BitForest *bits) {
  const size_t conditions = (size_t)bits->condition_count + bits->set_count;
  scratch->bits = forest_memory(scratch->memory, FIRST_CONDITION + conditions + bits->slot_count, BITS_BYTES);
  if (scratch->bits) memset(bits_of(scratch->bits, BITS_ONE), 0xff, BITS_BYTES); /* BITS_ZERO is zero already */
}

static int fill(Scratch *scratch, const Forest *forest) {
  const size_t outputs = forest->output_count, categories = forest->category_count;
  Forest *memory = scratch->memory;
  scratch->row_bytes = forest_memory(memory, ROWS_TOGETHER * forest->row_stride, 1);
  scratch->row_classes = forest_memory(memory, ROWS_TOGETHER * categories, 2);
  scratch->block_bytes = forest_memory(memory, BLOCKS_IN_LANES * forest->block_stride, 1);
  scratch->block_classes = forest_memory(memory, BLOCKS_TOGETHER * forest->class_stride, 2);
  scratch->slots = forest_memory(memory, BLOCKS_IN_LANES * forest->slot_stride, 1);
  scratch->block_scores = forest_memory(memory, BLOCKS_TOGETHER * outputs * BLOCK_ROWS, 8);
  if (!scratch->row_bytes || !scratch->row_classes || !scratch->block_bytes || !scratch->block_classes ||
      !scratch->slots || !scratch->block_scores)
    return -1;
  for (size_t block = 0; block < BLOCKS_IN_LANES; block++)
    for (size_t leaf = 0; leaf < LANE_LEAVES; leaf++) /* slot of a leaf: its number in every lane */
      memset(scratch->slots + block * forest->slot_stride + leaf * BLOCK_ROWS, (int)leaf, BLOCK_ROWS);
  return 0;
}

static void scratch_free(Scratch *scratch) {
  if (scratch->memory) forest_free(scratch->memory);
  free(scratch->memory);
  free(scratch);
}

static Scratch *make_scratch(const Forest *forest) {
  Scratch *scratch = calloc(1, sizeof *scratch);
  if (!scratch) return NULL;
  scratch->memory = calloc(1, sizeof *scratch->memory);
  if (scratch->memory && !fill(scratch, forest)) return scratch;
  scratch_free(scratch);
  return NULL;
}

/* For a call with so many rows. NULL: out of memory. */
Scratch *scratch_take(Forest *forest, size_t rows) {
  Scratch *scratch = forest->idle;
  if (scratch) forest->idle = scratch->next;
  else scratch = make_scratch(forest);
  if (!scratch || rows <= BLOCK_ROWS || forest->evaluator->needs != CPU_WITH_AVX512) return scratch;
  if (!forest->has_derived_bits) derive_bits(forest);
  if (forest->bits && !scratch->bits) add_bits(scratch, forest->bits);
  return scratch;
}

void scratch_give(Forest *forest, Scratch *scratch) {
  scratch->next = forest->idle;
  forest->idle = scratch;
}

void scratch_free_all(Forest *forest) {
  for (Scratch *scratch = forest->idle, *next; scratch; scratch = next) {
    next = scratch->next;
    scratch_free(scratch);
  }
  forest->idle = NULL;
}
