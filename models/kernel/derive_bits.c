/* derive_bits.c: the programs by which avx512_bits.c evaluates many rows, one bit of a register each.
 *
 * Conditions: the distinct questions of all splits (byte of a column > cut, class in a set). Each is asked once for all
 * rows, however many trees ask it: forests ask some of them in dozens of trees.
 *
 * A program: for each bit of the leaf's number and each node, the bit of the left or the right child's number, as the
 * condition says. Leaves are numbered from left to right, so below most nodes nearly all bits are the same: no
 * operation. Where the children's bits are 0 and 1, the condition itself is the bit: none either.
 */
#include <math.h>
#include <string.h>

#include "forest.h"

#define CONDITIONS 32768     /* more would not stay in a cache; one takes 64 bytes of a scratch */
#define OPERATIONS_A_NODE 5u /* more, of forests of strange shape, and lanes of bytes are faster */

/* Operands of a node's bits. */
typedef struct {
  uint32_t bit[LEAF_BITS];
} Bits;

static uint32_t leaf_bits(uint32_t leaf_count) {
  uint32_t bits = 0;
  while ((1u << bits) < leaf_count) bits++;
  return bits;
}

/* The next condition: a column and a cut of it. A cut that the feature does not have is above all values. */
static void add_condition(const Forest *forest, const Feature *feature, uint32_t key) {
  BitForest *bits = forest->bits;
  const uint32_t i = bits->condition_count++;
  const uint32_t place = forest->columns[key >> 8].base + (key & 255);
  const int is_there = place < feature->cut_count;
  bits->cuts[i] = (uint8_t)key;
  bits->exact[i] = is_there ? feature->cuts[place] : INFINITY;
  bits->rounded[i] = is_there ? feature->levels[0][place] : INFINITY;
  if (isinf(bits->rounded[i])) bits->is_comparable[key >> 8] = 0;
}

/* Numbers the conditions, those on one column side by side. `numbers` [column * 256 + cut, then set]: 0, or number + 1. */
static const char *number_conditions(Forest *forest, uint32_t *numbers) {
  const size_t cuts = (size_t)forest->column_count * 256;
  for (uint32_t t = 0; t < forest->tree_count; t++)
    for (uint32_t i = 0; i < forest->trees[t].node_count; i++) {
      const uint32_t key = forest->trees[t].nodes[i].key;
      numbers[key & SET_KEY ? cuts + (key & ~SET_KEY) : key] = 1;
    }
  uint32_t count = 0;
  for (size_t i = 0; i < cuts + forest->set_count; i++) count += numbers[i];
  BitForest *bits = forest->bits;
  bits->cuts = forest_memory(forest, count, 1);
  bits->first = forest_memory(forest, forest->column_count + 1, 4);
  bits->sets = forest_memory(forest, forest->set_count, 4);
  bits->is_comparable = forest_memory(forest, forest->column_count, 1);
  bits->rounded = forest_memory(forest, count, sizeof *bits->rounded);
  bits->exact = forest_memory(forest, count, sizeof *bits->exact);
  CHECK(bits->cuts && bits->first && bits->sets && bits->is_comparable && bits->rounded && bits->exact, OUT_OF_MEMORY);
  const Feature *feature = forest->features;
  for (size_t i = 0; i < cuts; i++) {
    if (i % 256 == 0) bits->first[i / 256] = bits->condition_count, bits->is_comparable[i / 256] = 1;
    if (!numbers[i]) continue;
    while (feature->end_column <= i / 256) feature++; /* the columns of the features follow each other */
    add_condition(forest, feature, (uint32_t)i);
    numbers[i] = bits->condition_count;
  }
  bits->first[forest->column_count] = bits->condition_count;
  for (uint32_t set = 0; set < forest->set_count; set++) {
    if (!numbers[cuts + set]) continue;
    bits->sets[bits->set_count++] = set;
    numbers[cuts + set] = bits->condition_count + bits->set_count;
  }
  return NULL;
}

static uint32_t operand_of(const Bits *nodes, int32_t child, uint32_t bit) {
  if (child >= 0) return nodes[child].bit[bit];
  return (uint32_t)~child >> bit & 1 ? BITS_ONE : BITS_ZERO;
}

/* The operations of a tree, children before parents; returns how many. Results go to `slot` and the 64 bytes after. */
static uint32_t write_program(const Forest *forest, const Tree *tree, const uint32_t *numbers, BitOperation *operations,
                              uint32_t *root) {
  Bits nodes[LANE_LEAVES];
  const uint32_t bits = leaf_bits(tree->leaf_count);
  const size_t cuts = (size_t)forest->column_count * 256;
  uint32_t count = 0;
  for (int64_t i = (int64_t)tree->node_count - 1; i >= 0; i--) {
    const Node *node = tree->nodes + i;
    const uint32_t number = numbers[node->key & SET_KEY ? cuts + (node->key & ~SET_KEY) : node->key];
    const uint32_t condition = bits_place(number - 1);
    for (uint32_t bit = 0; bit < bits; bit++) {
      const uint32_t left = operand_of(nodes, node->child[0], bit), right = operand_of(nodes, node->child[1], bit);
      uint32_t *result = &nodes[i].bit[bit];
      if (left == right) *result = left;
      else if (left == BITS_ZERO && right == BITS_ONE) *result = condition;
      else {
        operations[count] = (BitOperation){.condition = condition, .left = left, .right = right};
        *result = bits_place(forest->bits->condition_count + forest->bits->set_count + count++);
      }
    }
  }
  for (uint32_t bit = 0; bit < bits; bit++) root[bit] = operand_of(nodes, tree->node_count ? 0 : ~0, bit);
  return count;
}

static const char *write_programs(Forest *forest, const uint32_t *numbers, size_t *total) {
  BitOperation operations[LANE_LEAVES * LEAF_BITS];
  for (uint32_t t = 0; t < forest->tree_count; t++) {
    const Tree *tree = forest->trees + t;
    BitProgram *program = forest->bits->programs + t;
    program->bits = leaf_bits(tree->leaf_count);
    program->count = write_program(forest, tree, numbers, operations, program->root);
    program->operations = forest_memory(forest, program->count, sizeof *operations);
    CHECK(program->operations, OUT_OF_MEMORY);
    memcpy(program->operations, operations, program->count * sizeof *operations);
    *total += program->count;
    if (program->count > forest->bits->slot_count) forest->bits->slot_count = program->count;
  }
  return NULL;
}

/* Leaves `forest->bits` NULL where lanes of bytes are the better way. */
const char *derive_bits(Forest *forest) {
  size_t nodes = 0, operations = 0;
  for (uint32_t t = 0; t < forest->tree_count; t++) {
    if (!forest->trees[t].operations) return NULL;
    nodes += forest->trees[t].node_count;
  }
  Forest memory = {0};
  uint32_t *numbers = forest_memory(&memory, (size_t)forest->column_count * 256 + forest->set_count, 4);
  forest->bits = forest_memory(forest, 1, sizeof *forest->bits);
  const char *wrong = numbers && forest->bits ? number_conditions(forest, numbers) : OUT_OF_MEMORY;
  const int is_small = !wrong && forest->bits->condition_count + forest->bits->set_count <= CONDITIONS;
  if (is_small) {
    forest->bits->programs = forest_memory(forest, forest->tree_count, sizeof *forest->bits->programs);
    wrong = forest->bits->programs ? write_programs(forest, numbers, &operations) : OUT_OF_MEMORY;
  }
  if (!is_small || operations > OPERATIONS_A_NODE * nodes) forest->bits = NULL;
  forest_free(&memory);
  return wrong;
}
