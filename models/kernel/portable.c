/* portable.c: the evaluator for any CPU, with the vector extension that GCC and clang share (SSE2, NEON, ...).
 *
 * One row    walk eight trees at once, each as many steps as the deepest of them needs; who is in a leaf steps onto
 *            itself. No branch depends on the data, and eight chains of loads overlap.
 * A block    64 rows in byte lanes: a node is one comparison and one selection between the leaf numbers below it.
 */
#include <string.h>

#include "shared.h"

#define TOGETHER 8
#define WIDTH 16

typedef uint8_t Lanes __attribute__((vector_size(WIDTH), may_alias));

/* All bits of a lane where byte > cut. */
static inline Lanes above(Lanes bytes, uint8_t cut) {
  return (Lanes)(bytes > (Lanes){0} + cut);
}

double walk_tree(const Forest *forest, const Tree *tree, const uint8_t *bytes, const uint16_t *classes, size_t stride) {
  int32_t at = tree->node_count ? 0 : -1;
  while (at >= 0) {
    const Node *node = tree->nodes + at;
    at = node->child[goes_right(forest, node, bytes, classes, stride)];
  }
  return tree->leaves[~at];
}

static void walk_together(const Tree *trees, const uint8_t *bytes, double *scores) {
  const Step *at[TOGETHER];
  uint32_t depth = 0;
  for (int j = 0; j < TOGETHER; j++) {
    at[j] = trees[j].steps;
    if (trees[j].depth > depth) depth = trees[j].depth;
  }
  while (depth--)
    for (int j = 0; j < TOGETHER; j++) at[j] += at[j]->jump[bytes[at[j]->column] > at[j]->cut];
  for (int j = 0; j < TOGETHER; j++) {
    const Tree *tree = trees + j;
    scores[tree->output] += tree->leaves[(uint32_t)(at[j] - tree->steps) - tree->node_count];
  }
}

/* Raw scores of the one row whose bytes and classes the scratch holds. */
void walk_row(const Forest *forest, Scratch *scratch, double *scores) {
  uint8_t *bytes = scratch->row_bytes;
  const uint16_t *classes = scratch->row_classes;
  for (uint32_t k = 0; k < forest->output_count; k++) scores[k] = 0.0;
  uint32_t t = 0;
  if (forest->has_steps) {
    for (uint32_t i = 0; i < forest->set_count; i++)
      bytes[forest->column_count + i] = (uint8_t)set_has(forest->sets + i, classes[forest->sets[i].category]);
    for (; t + TOGETHER <= forest->tree_count; t += TOGETHER) walk_together(forest->trees + t, bytes, scores);
  }
  for (; t < forest->tree_count; t++)
    scores[forest->trees[t].output] += walk_tree(forest, forest->trees + t, bytes, classes, 1);
}

static void score_rows(const Job *job) {
  const size_t row = (size_t)job->forest->feature_count * (job->is_double ? 8 : 4);
  for (size_t r = 0; r < job->count; r++) {
    quantise_row(job->forest, (const char *)job->rows + r * row, job->is_double, job->scratch->row_bytes,
                 job->scratch->row_classes);
    walk_row(job->forest, job->scratch, job->scores + r * job->forest->output_count);
  }
}

/* The byte columns of a tree's category sets: 1 where the row goes right. */
void set_columns(const Forest *forest, const Tree *tree, uint8_t *bytes, const uint16_t *classes) {
  for (uint32_t j = 0; j < tree->set_count; j++) {
    const CategorySet *set = forest->sets + tree->sets[j];
    const uint16_t *of_rows = classes + (size_t)set->category * BLOCK_ROWS;
    uint8_t *column = bytes + (size_t)(forest->column_count + j) * BLOCK_ROWS;
    if (forest->categories[set->category].class_count <= 64) { /* one word: no need to look for it */
      const uint64_t bits = set->bits[0];
      for (int r = 0; r < BLOCK_ROWS; r++) column[r] = (uint8_t)(bits >> of_rows[r] & 1);
    } else {
      for (int r = 0; r < BLOCK_ROWS; r++) column[r] = (uint8_t)set_has(set, of_rows[r]);
    }
  }
}

void write_scores(const Job *job, const double *block_scores) {
  const uint32_t outputs = job->forest->output_count;
  for (size_t r = 0; r < job->count; r++)
    for (uint32_t k = 0; k < outputs; k++) job->scores[r * outputs + k] = block_scores[(size_t)k * BLOCK_ROWS + r];
}

/* Leaf numbers of WIDTH rows in one tree, from the lowest nodes up to the root, whose slot is the answer. */
static inline Lanes leaf_numbers(const Tree *tree, const uint8_t *bytes, uint8_t *slots) {
  const Operation *operation = tree->operations, *twins_end = operation + tree->twin_count,
                  *end = operation + tree->node_count;
  uint8_t *slot = slots + LANE_LEAVES * BLOCK_ROWS;
  Lanes number = {0};
  for (; operation < twins_end; operation++, slot += BLOCK_ROWS) {
    const Lanes right = above(*(const Lanes *)(bytes + operation->column), operation->cut);
    number = ((Lanes){0} + operation->leaf) - right; /* right is -1: the neighbour */
    *(Lanes *)slot = number;
  }
  for (; operation < end; operation++, slot += BLOCK_ROWS) {
    const Lanes right = above(*(const Lanes *)(bytes + operation->column), operation->cut);
    const Lanes a = *(const Lanes *)(slots + operation->left), b = *(const Lanes *)(slots + operation->right);
    number = a ^ ((a ^ b) & right);
    *(Lanes *)slot = number;
  }
  return number;
}

static void score_block(const Job *job) {
  const Forest *forest = job->forest;
  Scratch *scratch = job->scratch;
  double *scores = scratch->block_scores;
  quantise_block(forest, job->rows, job->is_double, (uint32_t)job->count, scratch->block_bytes, scratch->block_classes);
  memset(scores, 0, sizeof *scores * forest->output_count * BLOCK_ROWS);
  for (uint32_t t = 0; t < forest->tree_count; t++) {
    const Tree *tree = forest->trees + t;
    double *sum = scores + (size_t)tree->output * BLOCK_ROWS;
    if (!tree->operations) {
      for (uint32_t r = 0; r < job->count; r++)
        sum[r] += walk_tree(forest, tree, scratch->block_bytes + r, scratch->block_classes + r, BLOCK_ROWS);
      continue;
    }
    set_columns(forest, tree, scratch->block_bytes, scratch->block_classes);
    for (uint32_t first = 0; first < job->count; first += WIDTH) {
      union {
        Lanes lanes;
        uint8_t byte[WIDTH];
      } number = {leaf_numbers(tree, scratch->block_bytes + first, scratch->slots + first)};
      for (int i = 0; i < WIDTH; i++) sum[first + i] += tree->leaves[number.byte[i]];
    }
  }
  write_scores(job, scores);
}

const Evaluator PORTABLE = {.name = "portable",
                            .needs = ANY_CPU,
                            .lanes = WIDTH,
                            .block_rows = BLOCK_ROWS,
                            .score_rows = score_rows,
                            .score_block = score_block};
