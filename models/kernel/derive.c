/* derive.c: what the evaluators need beside the pack itself: steps for the walk, operations for the lanes.
 * derive_vectors.c and tiles.c make what only vector instructions read, derive_bits.c what only many rows need.
 */
#include "tiles.h"

#define STEP_NODES 16000 /* jumps of a Step are 16 bits, over nodes and leaves */
#define TABLE_BYTES 512  /* vector evaluators load a row's bytes in whole registers */
#define STEP_SETS 4096   /* the walk evaluates every set of the forest once a row: only worth it while they are few */

static void derive_depth(Forest *forest, Tree *tree, uint32_t *level) {
  if (tree->node_count == 0) return;
  level[0] = 1;
  for (uint32_t i = 0; i < tree->node_count; i++) {
    if (level[i] > tree->depth) tree->depth = level[i];
    for (int side = 0; side < 2; side++)
      if (tree->nodes[i].child[side] >= 0) level[tree->nodes[i].child[side]] = level[i] + 1;
  }
  if (tree->depth > forest->deepest) forest->deepest = tree->depth;
}

static void derive_steps(const Forest *forest, Tree *tree) {
  for (uint32_t i = 0; i < tree->node_count; i++) {
    const Node *node = tree->nodes + i;
    Step *step = tree->steps + i;
    if (node->key & SET_KEY) step->column = (uint16_t)(forest->column_count + (node->key & ~SET_KEY));
    else step->column = (uint16_t)(node->key >> 8), step->cut = (uint8_t)node->key;
    for (int side = 0; side < 2; side++) {
      const int32_t child = node->child[side];
      step->jump[side] = (int16_t)((child >= 0 ? child : (int32_t)tree->node_count + ~child) - (int32_t)i);
    }
  }
}

/* The sets that a tree asks, each once; in a batch they become byte columns behind the numeric ones. */
static void derive_sets(Forest *forest, Tree *tree, uint32_t *sets) {
  tree->sets = sets;
  for (uint32_t i = 0; i < tree->node_count; i++) {
    if (!(tree->nodes[i].key & SET_KEY)) continue;
    const uint32_t set = tree->nodes[i].key & ~SET_KEY;
    uint32_t j = 0;
    while (j < tree->set_count && sets[j] != set) j++;
    if (j == tree->set_count) sets[tree->set_count++] = set;
  }
  if (tree->set_count > forest->most_sets) forest->most_sets = tree->set_count;
}

static Operation operation_of(const Forest *forest, const Tree *tree, const Node *node, const uint32_t *slot) {
  Operation operation = {.cut = (uint8_t)node->key, .column = (node->key >> 8) * BLOCK_ROWS};
  if (node->key & SET_KEY) {
    uint32_t j = 0;
    while (tree->sets[j] != (node->key & ~SET_KEY)) j++;
    operation.column = (forest->column_count + j) * BLOCK_ROWS;
    operation.cut = 0;
  }
  const int32_t left = node->child[0], right = node->child[1];
  operation.leaf = left < 0 ? (uint8_t)~left : 0;
  operation.left = left < 0 ? (uint32_t)~left * BLOCK_ROWS : slot[left];
  operation.right = right < 0 ? (uint32_t)~right * BLOCK_ROWS : slot[right];
  return operation;
}

/* The nodes of a tree of up to LANE_LEAVES leaves, lowest first: children are ready when their parent comes, and an
 * operation seldom waits for the one before. Returns how many have two leaves for children. */
uint32_t nodes_by_height(const Tree *tree, uint8_t *order) {
  uint8_t height[LANE_LEAVES];
  uint32_t end[LANE_LEAVES] = {0}; /* of the nodes of each height, once they are counted */
  for (int i = (int)tree->node_count - 1; i >= 0; i--) {
    height[i] = 0;
    for (int side = 0; side < 2; side++) {
      const int32_t child = tree->nodes[i].child[side];
      if (child >= 0 && height[child] + 1 > height[i]) height[i] = (uint8_t)(height[child] + 1);
    }
    end[height[i]]++;
  }
  const uint32_t lowest = end[0];
  for (uint32_t level = 1; level < LANE_LEAVES; level++) end[level] += end[level - 1];
  for (uint32_t i = 0; i < tree->node_count; i++) order[--end[height[i]]] = (uint8_t)i;
  return lowest;
}

static void derive_operations(const Forest *forest, Tree *tree) {
  uint32_t slot[LANE_LEAVES];
  uint8_t order[LANE_LEAVES];
  tree->twin_count = nodes_by_height(tree, order);
  for (uint32_t i = 0; i < tree->node_count; i++) {
    tree->operations[i] = operation_of(forest, tree, tree->nodes + order[i], slot);
    slot[order[i]] = (LANE_LEAVES + i) * BLOCK_ROWS;
  }
}

/* Where the parts of a scratch lie; scratch.c. */
static void derive_strides(Forest *forest) {
  const size_t row = forest->column_count + (forest->has_steps ? forest->set_count : 0);
  forest->row_stride = row < TABLE_BYTES ? TABLE_BYTES : (row + 63) & ~(size_t)63;
  forest->block_stride = ((size_t)forest->column_count + forest->most_sets) * BLOCK_ROWS;
  forest->class_stride = (size_t)forest->category_count * BLOCK_ROWS;
  /* An odd multiple of 2,048: a load that equals an earlier store in its lowest twelve bits waits for it, so the same
   * slot of two blocks must lie apart. */
  const size_t slots = (LANE_LEAVES + (size_t)forest->largest_tree) * BLOCK_ROWS;
  forest->slot_stride = (slots + 2047) / 4096 * 4096 + 2048;
}

const char *forest_derive(Forest *forest) {
  size_t nodes = 0, leaves = 0, largest = 0;
  for (uint32_t t = 0; t < forest->tree_count; t++) {
    const Tree *tree = forest->trees + t;
    nodes += tree->node_count, leaves += tree->leaf_count;
    if (tree->node_count > largest) largest = tree->node_count;
    if (tree->leaf_count <= LANE_LEAVES && tree->node_count > forest->largest_tree)
      forest->largest_tree = tree->node_count;
  }
  forest->has_steps =
      largest <= STEP_NODES && forest->set_count <= STEP_SETS && forest->column_count + forest->set_count < 65536;
  Step *steps = forest_memory(forest, forest->has_steps ? nodes + leaves : 0, sizeof *steps);
  Operation *operations = forest_memory(forest, nodes, sizeof *operations);
  uint32_t *sets = forest_memory(forest, nodes, 4), *level = forest_memory(forest, largest + 1, 4);
  CHECK(steps && operations && sets && level, OUT_OF_MEMORY);
  for (uint32_t t = 0; t < forest->tree_count; t++) {
    Tree *tree = forest->trees + t;
    derive_depth(forest, tree, level);
    if (forest->has_steps) {
      tree->steps = steps;
      derive_steps(forest, tree);
      steps += tree->node_count + tree->leaf_count;
    }
    if (tree->leaf_count <= LANE_LEAVES) {
      derive_sets(forest, tree, sets);
      sets += tree->set_count;
      tree->operations = operations;
      derive_operations(forest, tree);
      operations += tree->node_count;
    }
  }
  derive_strides(forest);
  const Evaluator *evaluator = forest->evaluator;
  const char *wrong = NULL;
  if (evaluator->needs != ANY_CPU) wrong = derive_search(forest);
  if (!wrong && evaluator->needs != ANY_CPU) wrong = derive_common(forest);
  if (!wrong && evaluator->needs == CPU_WITH_AVX512) wrong = derive_planes(forest);
  if (!wrong && forest->column_count <= evaluator->tile_columns) wrong = derive_tiles(forest);
  return wrong;
}
