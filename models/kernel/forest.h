/* forest.h: what a loaded pack is in memory, and who does what with it.
 *
 * pack arrays -> load.c (check, copy) -> derive.c, tiles.c (tables) -> score.c -> avx512_*.c, avx2_*.c, portable.c
 *
 * Everything a split can ask is turned into bytes before any tree is looked at (quantise.c), so that a node is one
 * comparison of bytes whatever the feature was:
 *   numeric      byte of the column = clamp(number of cuts below x - base, 0, 255), or the sentinel of a missing value;
 *                the row goes right where  byte > cut
 *   categorical  class of the category (categories that no split tells apart share one); right where the set has it
 * Leaves are doubles and are added in the order of the trees, starting at 0.0: the bits of LightGBM's raw score.
 */
#ifndef MILLRACE_FOREST_H
#define MILLRACE_FOREST_H

#include <stddef.h>
#include <stdint.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "packs are little-endian; this kernel reads them in place"
#endif

#define BLOCK_ROWS 64       /* rows of a block, one byte lane each */
#define BLOCKS_TOGETHER 8   /* blocks that may be scored together, a bit for each row */
#define BLOCKS_IN_LANES 2   /* blocks that may share the decoding of a node, a byte for each row */
#define LEAF_BITS 8         /* of the number of a leaf, in trees of up to LANE_LEAVES */
#define ROWS_TOGETHER 4     /* rows that may share the loading of a tile */
#define LANE_LEAVES 256     /* trees with more leaves cannot number them in a byte and are walked instead */
#define EXPLAIN_DEPTH 512   /* deepest tree that explain() follows: its memory grows with the square */
#define SEARCH_LEVELS 4     /* 16^4 cuts */
#define SET_KEY 0x80000000u /* bit of a node's key: the split is a set of categories */

/* The arrays of a pack, in the order of the file; see docs/pack.md. */
enum ArrayName {
  FEATURE,
  CUT_OFFSET,
  CUT,
  COLUMN_FEATURE,
  COLUMN_BASE,
  COLUMN_RULE,
  COLUMN_SENTINEL,
  CATEGORY_FEATURE,
  CLASS_OFFSET,
  CLASS_OF,
  CLASS_LIMITS,
  SET_CATEGORY,
  SET_OFFSET,
  SET_BITS,
  TREE_OUTPUT,
  NODE_OFFSET,
  NODE_KEY,
  NODE_LEFT,
  NODE_RIGHT,
  LEAF_OFFSET,
  LEAF_VALUE,
  LEAF_COVER,
  ARRAY_COUNT
};
typedef struct {
  const void *data;
  size_t bytes;
} Array;

enum ColumnRule { NAN_IS_ZERO, NAN_IS_MISSING, NAN_AND_ZERO_ARE_MISSING };
enum Link { IDENTITY, SIGMOID, EXPONENTIAL, SOFTMAX, LOG1P_EXP, SIGNED_SQUARE, LINK_COUNT };

typedef struct {
  uint32_t feature, cut_count, first_column, end_column;
  const double *cuts;
  /* For a 16-ary search: level 0 holds the cuts, rounded down to float32, in groups of 16, each further level the last
   * cut of each group of the one below; the highest is one group. Padded with infinity. */
  uint32_t level_count;
  const float *levels[SEARCH_LEVELS];
} Feature;
/* A feature of the common kind: one column, at most 255 cuts, zero is not missing. In the form that a row needs. */
typedef struct {
  const float *coarse, *fine; /* levels 1 and 0 of the search */
  uint32_t feature, column;
  const Feature *exact;
  uint8_t nan_byte;
} CommonFeature;
typedef struct {
  uint32_t feature;
  uint16_t base;
  uint8_t rule, sentinel;
} Column;
typedef struct {
  uint32_t feature, category_count;
  uint16_t class_count, nan_class, other_class;
  const uint16_t *class_of;
} Category;
typedef struct {
  uint32_t category;
  const uint64_t *bits;
} CategorySet;
/* key: column << 8 | cut, or SET_KEY | set. A child below 0 is the leaf ~child. */
typedef struct {
  uint32_t key;
  int32_t child[2];
} Node;
/* A node (or leaf) as the single-row walk reads it: eight bytes, jumps relative to itself; a leaf jumps nowhere. */
typedef struct {
  uint16_t column;
  uint8_t cut;
  int16_t jump[2];
} Step;
/* A node as the batch reads it: offsets of byte columns and of slots, which hold the leaf number below each node. */
typedef struct {
  uint32_t column, left, right;
  uint8_t cut, leaf;
} Operation;

typedef struct {
  uint32_t node_count, leaf_count, output, depth;
  uint32_t set_count, *sets; /* the category sets that this tree asks */
  uint32_t twin_count;       /* leading operations whose children are two neighbouring leaves */
  Node *nodes;
  double *leaves, *leaf_cover, *node_cover; /* cover: training rows that reached it, for explain() */
  uint8_t *planes; /* byte j of leaf i at j * plane_bytes(leaf_count) + i, for looking up 64 leaves at once; or NULL */
  Step *steps;     /* NULL: too large for the eight-byte form */
  Operation *operations; /* NULL: more than LANE_LEAVES leaves */
} Tree;

/* Bits of up to 512 rows, 64 bytes each, by number: none, all, the conditions, the results of a tree's operations. */
#define BITS_BYTES 64u
enum { BITS_ZERO, BITS_ONE, FIRST_CONDITION };
/* One bit of the numbers below a node: that of the right child where the condition holds, else that of the left. */
typedef struct {
  uint16_t condition, left, right;
} BitOperation;
typedef struct {
  uint32_t bits, count;
  uint16_t root[LEAF_BITS];       /* the bits of the leaf's number */
  const BitOperation *operations; /* the result of operation i is the i-th after the conditions */
  const uint8_t *planes;          /* of the tree, by the Gray code of a leaf's number */
} BitProgram;
/* What derive_bits.c makes for avx512_bits.c. */
typedef struct {
  uint32_t condition_count, set_count, slot_count; /* conditions on columns, then on sets; operations of a tree */
  uint8_t *cuts, *is_comparable;                   /* of each condition; of each column: its cuts are finite */
  float *rounded;                                  /* the cut of each condition, rounded down, */
  double *exact;                                   /* and as it is */
  uint32_t *first, *sets;                          /* first condition of each column; set of each condition on one */
  BitProgram *programs;                            /* of each tree */
  size_t least_rows;                               /* with fewer, lanes of bytes are faster */
} BitForest;

typedef struct Forest Forest;
typedef struct Tiles Tiles; /* tiles.h */

/* What one running call writes to. Calls may run at the same time, each with a scratch of its own. */
typedef struct Scratch {
  uint8_t *row_bytes; /* [ROWS_TOGETHER][row_stride] */
  uint16_t *row_classes;
  uint8_t *block_bytes;    /* [BLOCKS_IN_LANES][column, then set of the tree][BLOCK_ROWS] */
  uint16_t *block_classes; /* [BLOCKS_TOGETHER][category][BLOCK_ROWS] */
  uint8_t *slots;          /* [BLOCKS_IN_LANES][LANE_LEAVES + node][BLOCK_ROWS] */
  uint8_t *bits;           /* [none, all, condition, operation][BITS_BYTES]; NULL: byte lanes for this call */
  double *block_scores;    /* [BLOCKS_TOGETHER][output][BLOCK_ROWS] */
  Forest *memory;          /* owns the arrays above */
  struct Scratch *next;
} Scratch;

/* Rows to be scored. */
typedef struct {
  const Forest *forest;
  Scratch *scratch;
  const void *rows; /* float64 or float32 */
  int is_double;
  size_t count;
  double *scores; /* [row][output] raw scores, written */
} Job;

/* One way to evaluate a forest. Each must give the same bits; they differ in the CPU that they need. */
enum Cpu { ANY_CPU, CPU_WITH_AVX2, CPU_WITH_AVX512 };
typedef struct {
  const char *name;
  enum Cpu needs;
  uint32_t lanes;                      /* a block is evaluated in groups of so many rows */
  uint32_t block_rows;                 /* up to so many rows are given to score_block */
  uint32_t tile_columns;               /* score_rows wants tiles, of forests with at most so many byte columns */
  void (*score_rows)(const Job *job);  /* one by one, or a few together */
  void (*score_block)(const Job *job); /* in byte lanes */
} Evaluator;

struct Forest {
  uint32_t feature_count, output_count, link;
  double alpha, divisor; /* of the sigmoid; of averaged forests (1 otherwise) */
  uint32_t split_feature_count, column_count, category_count, set_count, tree_count;
  uint32_t common_count, other_count;
  Feature *features;
  CommonFeature *common; /* only for evaluators with vectors; the rest is in `others` */
  const Feature **others;
  Column *columns;
  Category *categories;
  CategorySet *sets;
  Tree *trees;
  const Evaluator *evaluator;
  Tiles *tiles;    /* NULL: score_rows walks the trees */
  BitForest *bits; /* made when many rows come for the first time; NULL: byte lanes are the better way */
  int has_derived_bits;
  uint32_t crossover;     /* from so many rows on a group of lanes is cheaper than row by row; measured at load */
  uint32_t further;       /* the same for a group that joins others in a block: it is cheaper than the first */
  uint32_t parallel_rows; /* from so many rows on a call lets other threads run */
  uint32_t largest_tree, most_sets, deepest;
  int has_steps;
  size_t row_stride, block_stride, class_stride, slot_stride; /* of a scratch; in elements */
  Scratch *idle;                                              /* taken and given back under Python's GIL */
  struct Chunk *memory;
};

/* memory.c: everything of a forest is freed at once */
void *forest_memory(Forest *forest, size_t count, size_t size);
void forest_free(Forest *forest);

/* load.c, load_trees.c, derive.c: NULL, or what is wrong with the pack */
extern const char OUT_OF_MEMORY[];
#define CHECK(condition, message)       \
  do {                                  \
    if (!(condition)) return (message); \
  } while (0)
const char *forest_load(Forest *forest, const Array arrays[ARRAY_COUNT]);
const char *load_trees(Forest *forest, const Array arrays[ARRAY_COUNT]);
const char *forest_derive(Forest *forest);
uint32_t nodes_by_height(const Tree *tree, uint8_t *order);
const char *derive_search(Forest *forest);
const char *derive_common(Forest *forest);
const char *derive_planes(Forest *forest);
void derive_bits(Forest *forest);

/* quantise.c */
void quantise_row(const Forest *forest, const void *row, int is_double, uint8_t *bytes, uint16_t *classes);
void quantise_block(const Forest *forest, const void *rows, int is_double, uint32_t count, uint8_t *bytes,
                    uint16_t *classes);

/* scratch.c */
Scratch *scratch_take(Forest *forest, size_t rows);
void scratch_give(Forest *forest, Scratch *scratch);
void scratch_free_all(Forest *forest);

/* score.c */
const char *forest_calibrate(Forest *forest, uint32_t crossover);
void forest_score(const Job *job, int raw);

/* evaluators.c: those that this CPU can run, best first, then NULL */
const Evaluator *const *available_evaluators(void);

/* explain.c: contributions [output][feature_count + 1], zeroed by the caller */
const char *forest_explain(const Forest *forest, Scratch *scratch, const void *row, int is_double,
                           double *contributions);

extern const Evaluator AVX512_EVALUATOR, AVX2_EVALUATOR, PORTABLE;

static inline uint8_t *bits_of(uint8_t *all, size_t number) {
  return all + number * BITS_BYTES;
}

/* Space for one byte of each leaf: a whole number of vectors that one instruction looks up in. */
static inline uint32_t plane_bytes(uint32_t leaf_count) {
  return leaf_count <= 16 ? 16 : leaf_count <= 64 ? 64 : leaf_count <= 128 ? 128 : 256;
}

static inline int set_has(const CategorySet *set, uint32_t class_id) {
  return (int)(set->bits[class_id >> 6] >> (class_id & 63)) & 1;
}

/* One leaf among the planes of a tree. */
static inline void write_leaf(uint8_t *planes, uint32_t stride, uint32_t place, double leaf) {
  const uint8_t *bytes = (const uint8_t *)&leaf;
  for (uint32_t j = 0; j < 8; j++) planes[j * stride + place] = bytes[j];
}

/* Which child of the node the row takes; `stride` is 1 for a row's bytes and classes, BLOCK_ROWS for a block's. */
static inline int goes_right(const Forest *forest, const Node *node, const uint8_t *bytes, const uint16_t *classes,
                             size_t stride) {
  if (node->key & SET_KEY) {
    const CategorySet *set = forest->sets + (node->key & ~SET_KEY);
    return set_has(set, classes[set->category * stride]);
  }
  return bytes[(size_t)(node->key >> 8) * stride] > (node->key & 255);
}

#endif
