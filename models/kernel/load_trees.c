/* load_trees.c: the trees of a pack, checked and copied.
 *
 * Proved here: every split asks a column or set that exists; children come after their parent, and every node but the
 * root and every leaf has exactly one parent, so that a walk ends, in a leaf of its own tree.
 */
#include <string.h>

#include "forest.h"
#include "offsets.h"

typedef struct {
  const uint32_t *key;
  const int32_t *child[2];
  const double *value, *cover;
} TreeArrays;

static const char *check_node(const Forest *forest, const Tree *tree, uint32_t i, uint8_t *node_seen,
                              uint8_t *leaf_seen) {
  const Node *node = tree->nodes + i;
  if (node->key & SET_KEY)
    CHECK((node->key & ~SET_KEY) < forest->set_count, "a split asks a category set that does not exist");
  else
    CHECK((node->key >> 8) < forest->column_count && (node->key & 255) < 255,
          "a split asks a byte column that does not exist");
  for (int side = 0; side < 2; side++) {
    const int32_t child = node->child[side];
    if (child >= 0) {
      CHECK((uint32_t)child > i && (uint32_t)child < tree->node_count && !node_seen[child],
            "a node's child is out of order");
      node_seen[child] = 1;
    } else {
      CHECK((uint32_t)~child < tree->leaf_count && !leaf_seen[~child], "a node's leaf is out of order");
      leaf_seen[~child] = 1;
    }
  }
  return NULL;
}

/* Leaves are renumbered from left to right, so that two leaves of one node are neighbours (portable.c counts on it). */
static void order_leaves(Tree *tree, const TreeArrays *from, int32_t *stack) {
  uint32_t next = 0, height = 0;
  if (tree->node_count == 0) {
    tree->leaves[0] = from->value[0];
    tree->leaf_cover[0] = from->cover[0];
    return;
  }
  stack[height++] = 0;
  while (height) { /* an entry is node << 1 | side */
    const int32_t entry = stack[--height];
    int32_t *child = &tree->nodes[entry >> 1].child[entry & 1];
    if (!(entry & 1)) stack[height++] = entry | 1;
    if (*child >= 0) {
      stack[height++] = *child << 1;
    } else {
      tree->leaves[next] = from->value[~*child];
      tree->leaf_cover[next] = from->cover[~*child];
      *child = ~(int32_t)next++;
    }
  }
}

static void sum_covers(Tree *tree) {
  for (int64_t i = (int64_t)tree->node_count - 1; i >= 0; i--)
    for (int side = 0; side < 2; side++) {
      const int32_t child = tree->nodes[i].child[side];
      tree->node_cover[i] += child >= 0 ? tree->node_cover[child] : tree->leaf_cover[~child];
    }
}

static const char *load_tree(const Forest *forest, Tree *tree, const TreeArrays *from, uint8_t *node_seen,
                             uint8_t *leaf_seen, int32_t *stack) {
  CHECK(tree->output < forest->output_count, "a tree adds to an output that does not exist");
  CHECK(tree->node_count < (1u << 24) && tree->leaf_count == tree->node_count + 1,
        "a tree has the wrong number of leaves");
  for (uint32_t i = 0; i < tree->node_count; i++) {
    tree->nodes[i] = (Node){.key = from->key[i], .child = {from->child[0][i], from->child[1][i]}};
    const char *wrong = check_node(forest, tree, i, node_seen, leaf_seen);
    if (wrong) return wrong;
  }
  for (uint32_t i = 0; i < tree->leaf_count; i++) {
    CHECK(from->value[i] - from->value[i] == 0, "a leaf is not finite");
    CHECK(from->cover[i] > 0 && from->cover[i] < 1e300, "a leaf has no cover");
  }
  order_leaves(tree, from, stack);
  sum_covers(tree);
  return NULL;
}

static const char *check_lengths(const Array *arrays, size_t trees, size_t nodes, size_t leaves) {
  CHECK(trees >= 1 && trees < (1u << 24), "it has no trees, or too many");
  CHECK(arrays[NODE_LEFT].bytes == 4 * nodes && arrays[NODE_RIGHT].bytes == 4 * nodes &&
            arrays[LEAF_COVER].bytes == 8 * leaves,
        "the arrays of the trees differ in length");
  CHECK(offsets_are_valid(arrays + NODE_OFFSET, trees, nodes) && offsets_are_valid(arrays + LEAF_OFFSET, trees, leaves),
        "the offsets of the trees are wrong");
  return NULL;
}

const char *load_trees(Forest *forest, const Array arrays[ARRAY_COUNT]) {
  const uint32_t *output = arrays[TREE_OUTPUT].data, *node_at = arrays[NODE_OFFSET].data,
                 *leaf_at = arrays[LEAF_OFFSET].data;
  const size_t trees = arrays[TREE_OUTPUT].bytes / 4, node_count = arrays[NODE_KEY].bytes / 4,
               leaf_count = arrays[LEAF_VALUE].bytes / 8;
  const char *wrong = check_lengths(arrays, trees, node_count, leaf_count);
  if (wrong) return wrong;
  forest->tree_count = (uint32_t)trees;
  forest->trees = forest_memory(forest, trees, sizeof(Tree));
  Node *nodes = forest_memory(forest, node_count, sizeof *nodes);
  double *leaves = forest_memory(forest, leaf_count, 8), *leaf_cover = forest_memory(forest, leaf_count, 8);
  double *node_cover = forest_memory(forest, node_count, 8);
  uint8_t *node_seen = forest_memory(forest, node_count, 1), *leaf_seen = forest_memory(forest, leaf_count, 1);
  int32_t *stack = forest_memory(forest, node_count + 2, 4);
  CHECK(forest->trees && nodes && leaves && leaf_cover && node_cover && node_seen && leaf_seen && stack, OUT_OF_MEMORY);
  for (uint32_t t = 0; t < trees; t++) {
    const uint32_t n = node_at[t], l = leaf_at[t];
    Tree *tree = forest->trees + t;
    *tree = (Tree){.node_count = node_at[t + 1] - n,
                   .leaf_count = leaf_at[t + 1] - l,
                   .output = output[t],
                   .nodes = nodes + n,
                   .leaves = leaves + l,
                   .leaf_cover = leaf_cover + l,
                   .node_cover = node_cover + n};
    const TreeArrays from = {
        .key = (const uint32_t *)arrays[NODE_KEY].data + n,
        .child = {(const int32_t *)arrays[NODE_LEFT].data + n, (const int32_t *)arrays[NODE_RIGHT].data + n},
        .value = (const double *)arrays[LEAF_VALUE].data + l,
        .cover = (const double *)arrays[LEAF_COVER].data + l};
    wrong = load_tree(forest, tree, &from, node_seen + n, leaf_seen + l, stack);
    if (wrong) return wrong;
  }
  return NULL;
}
