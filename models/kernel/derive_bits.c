/* derive_bits.c: the programs by which avx512_bits.c evaluates many rows, one bit of a register each.
 *
 * Conditions: the distinct questions of all splits (byte of a column > cut, class in a set). Each is asked once for all
 * rows, however many trees ask it: forests ask some of them in dozens of trees.
 *
 * A program: for each bit of the leaf's number and each node, the bit of the left or the right child's number, as the
 * condition says. Leaves are numbered from left to right in the Gray code, so below most nodes nearly all bits are the
 * same: no operation. Where the children's bits are 0 and 1, the condition itself is the bit: none either. Some 2.3
 * operations a node remain (2.9 with binary numbers).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "forest.h"

#define CONDITIONS 32768     /* more would not stay in a cache: one takes 64 bytes of a scratch */
#define SMALL_TREE 32u       /* nodes on average: two blocks are enough to gain */
#define OPERATIONS_A_NODE 5u /* more, of forests of strange shape, and lanes of bytes are faster */

/* Operands of a node's bits. */
typedef struct {
  uint16_t bit[LEAF_BITS];
} Bits;
/* The operations of all trees, one after another. */
typedef struct {
  BitOperation *operations;
  size_t count, room;
} Programs;

static uint32_t leaf_bits(uint32_t leaf_count) {
  uint32_t bits = 0;
  while ((1u << bits) < leaf_count) bits++;
  return bits;
}

/* The next condition: a column and a cut of it. A cut that the feature does not have is above all values. */
static void add_condition(const Forest *forest, BitForest *bits, const Feature *feature, uint32_t key) {
  const uint32_t i = bits->condition_count++;
  const uint32_t place = forest->columns[key >> 8].base + (key & 255);
  const int is_there = place < feature->cut_count;
  bits->cuts[i] = (uint8_t)key;
  bits->exact[i] = is_there ? feature->cuts[place] : INFINITY;
  bits->rounded[i] = is_there ? feature->levels[0][place] : INFINITY;
  if (isinf(bits->rounded[i])) bits->is_comparable[key >> 8] = 0;
}

/* Numbers the conditions, those on one column side by side. `numbers` [column * 256 + cut, then set]: 0, or number + 1. */
static const char *number_conditions(Forest *forest, BitForest *bits, uint32_t *numbers) {
  const size_t cuts = (size_t)forest->column_count * 256;
  for (uint32_t t = 0; t < forest->tree_count; t++)
    for (uint32_t i = 0; i < forest->trees[t].node_count; i++) {
      const uint32_t key = forest->trees[t].nodes[i].key;
      numbers[key & SET_KEY ? cuts + (key & ~SET_KEY) : key] = 1;
    }
  uint32_t count = 0;
  for (size_t i = 0; i < cuts + forest->set_count; i++) count += numbers[i];
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
    add_condition(forest, bits, feature, (uint32_t)i);
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

static uint32_t gray_code(uint32_t number) {
  return number ^ number >> 1;
}

static uint16_t operand_of(const Bits *nodes, int32_t child, uint32_t bit) {
  if (child >= 0) return nodes[child].bit[bit];
  return gray_code((uint32_t)~child) >> bit & 1 ? BITS_ONE : BITS_ZERO;
}

/* The bits of a node, and the operations that they need; these are numbered from `slot` on. */
static Bits write_node(const Bits *nodes, const Node *node, uint16_t condition, uint32_t slot, BitProgram *program,
                       BitOperation *operations) {
  const uint32_t own = program->count;
  Bits result = {{0}};
  for (uint32_t bit = 0; bit < program->bits; bit++) {
    const uint16_t left = operand_of(nodes, node->child[0], bit), right = operand_of(nodes, node->child[1], bit);
    if (left == right) {
      result.bit[bit] = left;
    } else if (left == BITS_ZERO && right == BITS_ONE) {
      result.bit[bit] = condition;
    } else {
      uint32_t same = own; /* another bit of the node may need the very same */
      while (same < program->count && (operations[same].left != left || operations[same].right != right)) same++;
      if (same == program->count) operations[program->count++] = (BitOperation){condition, left, right};
      result.bit[bit] = (uint16_t)(slot + same);
    }
  }
  return result;
}

static void write_program(const Forest *forest, const Tree *tree, const uint32_t *numbers, uint32_t slot,
                          BitProgram *program, BitOperation *operations) {
  Bits nodes[LANE_LEAVES];
  uint8_t order[LANE_LEAVES];
  const size_t cuts = (size_t)forest->column_count * 256;
  program->bits = leaf_bits(tree->leaf_count);
  nodes_by_height(tree, order);
  for (uint32_t i = 0; i < tree->node_count; i++) {
    const Node *node = tree->nodes + order[i];
    const uint32_t number = numbers[node->key & SET_KEY ? cuts + (node->key & ~SET_KEY) : node->key];
    const uint16_t condition = (uint16_t)(FIRST_CONDITION + number - 1);
    nodes[order[i]] = write_node(nodes, node, condition, slot, program, operations);
  }
  for (uint32_t bit = 0; bit < program->bits; bit++)
    program->root[bit] = operand_of(nodes, tree->node_count ? 0 : ~0, bit);
}

/* The leaves' bytes by Gray code, as derive_planes has them by number. */
static const char *write_planes(Forest *forest, BitForest *bits) {
  size_t total = 0;
  for (uint32_t t = 0; t < forest->tree_count; t++) total += 8 * plane_bytes(1u << bits->programs[t].bits);
  uint8_t *planes = forest_memory(forest, total, 1);
  CHECK(planes, OUT_OF_MEMORY);
  for (uint32_t t = 0; t < forest->tree_count; t++) {
    const Tree *tree = forest->trees + t;
    const uint32_t stride = plane_bytes(1u << bits->programs[t].bits);
    for (uint32_t i = 0; i < tree->leaf_count; i++) write_leaf(planes, stride, gray_code(i), tree->leaves[i]);
    bits->programs[t].planes = planes;
    planes += 8 * stride;
  }
  return NULL;
}

static int make_room(Programs *programs) {
  const size_t most = LANE_LEAVES * LEAF_BITS;
  if (programs->room - programs->count >= most) return 1;
  const size_t room = 2 * programs->room + most;
  BitOperation *larger = realloc(programs->operations, room * sizeof *larger);
  if (!larger) return 0;
  programs->operations = larger, programs->room = room;
  return 1;
}

static const char *write_programs(Forest *forest, BitForest *bits, const uint32_t *numbers, Programs *programs) {
  const uint32_t slot = FIRST_CONDITION + bits->condition_count + bits->set_count;
  bits->programs = forest_memory(forest, forest->tree_count, sizeof *bits->programs);
  CHECK(bits->programs, OUT_OF_MEMORY);
  for (uint32_t t = 0; t < forest->tree_count; t++) {
    BitProgram *program = bits->programs + t;
    CHECK(make_room(programs), OUT_OF_MEMORY);
    write_program(forest, forest->trees + t, numbers, slot, program, programs->operations + programs->count);
    programs->count += program->count;
    if (program->count > bits->slot_count) bits->slot_count = program->count;
  }
  BitOperation *kept = forest_memory(forest, programs->count, sizeof *kept);
  CHECK(kept, OUT_OF_MEMORY);
  memcpy(kept, programs->operations, programs->count * sizeof *kept);
  for (uint32_t t = 0; t < forest->tree_count; t++) {
    bits->programs[t].operations = kept;
    kept += bits->programs[t].count;
  }
  return write_planes(forest, bits);
}

/* Takes some tenths of a millisecond, so not before many rows come. Leaves `forest->bits` NULL where lanes of bytes are
 * the better way, or memory is short. Under Python's GIL: calls that run meanwhile have no bits in their scratch. */
void derive_bits(Forest *forest) {
  size_t nodes = 0;
  forest->has_derived_bits = 1;
  for (uint32_t t = 0; t < forest->tree_count; t++) {
    if (!forest->trees[t].operations) return;
    nodes += forest->trees[t].node_count;
  }
  Forest memory = {0};
  Programs programs = {0};
  BitForest *bits = forest_memory(forest, 1, sizeof *bits);
  uint32_t *numbers = forest_memory(&memory, (size_t)forest->column_count * 256 + forest->set_count, 4);
  int is_made = bits && numbers && !number_conditions(forest, bits, numbers) &&
                bits->condition_count + bits->set_count <= CONDITIONS &&
                !write_programs(forest, bits, numbers, &programs);
  if (is_made && programs.count <= OPERATIONS_A_NODE * nodes) {
    const size_t blocks = nodes <= (size_t)SMALL_TREE * forest->tree_count ? 1 : BLOCKS_IN_LANES;
    bits->least_rows = blocks * BLOCK_ROWS + 1;
    forest->bits = bits;
  }
  free(programs.operations);
  forest_free(&memory);
}
