/* tiles_finish.c: the finished tiles, in arrays that are read one after the other, and the decisions of categories.
 *
 * A row has one class for each categorical feature. The nodes of a tile where that class goes right are a mask of 64
 * bits, so that a categorical split costs a row nothing beyond one OR a tile and feature.
 */
#include <string.h>

#include "tiles_build.h"

#define MASK_WORDS (1u << 19) /* 4 MB; beyond, and for hostile packs, trees are walked */
#define MASK_STEPS (1u << 22)

static int masks_are_small(const Builder *builder) {
  const Forest *forest = builder->forest;
  uint64_t words = 0, steps = 0;
  for (uint32_t i = 0; i < forest->category_count; i++)
    words += (uint64_t)forest->categories[i].class_count * builder->count;
  for (size_t i = 0; i < builder->asked_count; i++)
    steps += forest->categories[forest->sets[builder->asked[i].set].category].class_count;
  return words <= MASK_WORDS && steps <= MASK_STEPS;
}

static const char *fill_masks(const Builder *builder, Tiles *tiles) {
  Forest *forest = builder->forest;
  for (uint32_t i = 0; i < forest->category_count; i++) {
    tiles->masks[i] = forest_memory(forest, (size_t)forest->categories[i].class_count * builder->count, 8);
    CHECK(tiles->masks[i], OUT_OF_MEMORY);
  }
  for (size_t i = 0; i < builder->asked_count; i++) {
    const Spot *spot = &builder->asked[i].spot;
    const CategorySet *set = forest->sets + builder->asked[i].set;
    uint64_t *mask = tiles->masks[set->category] + spot->tile;
    const uint32_t class_count = forest->categories[set->category].class_count;
    for (uint32_t word = 0; word * 64 < class_count; word++) {
      uint64_t bits = set->bits[word];
      if (class_count - word * 64 < 64)
        bits &= (1ull << (class_count - word * 64)) - 1; /* of no class: a pack may say so */
      for (; bits; bits &= bits - 1)
        mask[(size_t)(word * 64 + (uint32_t)__builtin_ctzll(bits)) * builder->count] |= 1ull << spot->lane;
    }
  }
  return NULL;
}

static const char *make_arrays(Builder *builder, Tiles *tiles) {
  Forest *forest = builder->forest;
  const size_t count = builder->count;
  *tiles = (Tiles){.tile_count = builder->count, .head_count = builder->head_count, .has_tails = builder->has_tails};
  tiles->heads = forest_memory(forest, builder->head_count, sizeof *tiles->heads);
  tiles->tiles = forest_memory(forest, count, sizeof *tiles->tiles);
  tiles->beyond = forest_memory(forest, count, sizeof *tiles->beyond);
  tiles->leaves = forest_memory(forest, count, sizeof *tiles->leaves);
  tiles->tails = forest_memory(forest, builder->has_tails ? count : 0, sizeof *tiles->tails);
  tiles->depths = forest_memory(forest, count, 1);
  CHECK(tiles->heads && tiles->tiles && tiles->beyond && tiles->leaves && tiles->tails && tiles->depths, OUT_OF_MEMORY);
  return NULL;
}

const char *finish_tiles(Builder *builder) {
  Forest *forest = builder->forest;
  if (!masks_are_small(builder)) return NULL;
  Tiles *tiles = forest_memory(forest, 1, sizeof *tiles);
  CHECK(tiles, OUT_OF_MEMORY);
  const char *wrong = make_arrays(builder, tiles);
  if (wrong || (wrong = fill_masks(builder, tiles))) return wrong;
  for (uint32_t i = 0; i < builder->count; i++) {
    const Draft *draft = builder->drafts + i;
    tiles->tiles[i] = draft->nodes;
    tiles->beyond[i] = draft->beyond, tiles->depths[i] = draft->depth;
    memcpy(tiles->leaves[i], draft->leaves, sizeof draft->leaves);
    if (builder->has_tails) memcpy(tiles->tails[i], draft->tails, sizeof draft->tails);
    if (draft->depth > tiles->depth) tiles->depth = draft->depth;
  }
  for (uint32_t i = 0; i < builder->head_count; i++) {
    tiles->heads[i] = builder->heads[i];
    tiles->heads[i].depth = tiles->depths[builder->heads[i].tile];
  }
  forest->tiles = tiles;
  return NULL;
}
