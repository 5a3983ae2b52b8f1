/* tiles.h: trees laid out in tiles of 64 nodes, for evaluating one row without a branch.
 *
 * forest -> tiles.c -> Tiles -> avx512_rows.c, avx2_rows.c
 *
 * A tile holds whole small trees, or a piece of a large one. Every node of a tile is decided at once, then the way from
 * the roots (the first lanes) down is followed. Where a way leads is one byte: below 64 the lane of the next node, from
 * 64 on an exit: a leaf, or the root of another tile. Only the left target is stored: lanes are dealt out such that
 * right = left + 1 where both children are nodes or both are exits, and left + 64 (modulo 128) where they differ, which
 * FAR marks. A quarter less to read, and reading is what limits a single row.
 */
#ifndef MILLRACE_TILES_H
#define MILLRACE_TILES_H

#include "forest.h"

#define TILE_NODES 64
#define TILE_ROOTS 8 /* their targets are read as one 64-bit word */
#define TILE_CATEGORIES 32
#define EXIT 64u
#define FAR 128u

typedef struct {
  uint8_t column[TILE_NODES], cut[TILE_NODES], left[TILE_NODES]; /* 64-byte aligned, as all forest memory */
} Tile;
/* Neighbouring trees that begin in one tile. */
typedef struct {
  uint32_t tile, first_tree, tree_count, depth;
} Head;
struct Tiles {
  uint32_t tile_count, head_count;
  uint32_t depth; /* nodes on the longest way within a tile */
  int has_tails;  /* some exit leads to another tile */
  Head *heads;
  Tile *tiles;
  uint64_t *beyond; /* [tile]: nodes whose column is above 255 (`column` holds its low byte) */
  double (*leaves)[TILE_NODES];
  int32_t (*tails)[TILE_NODES];     /* exit -> lane of the root << 24 | tile, or -1: a leaf */
  uint8_t *depths;                  /* [tile] */
  uint64_t *masks[TILE_CATEGORIES]; /* [category][class][tile]: nodes where the class goes right */
};

/* Fills forest->tiles, or leaves it NULL where tiles do not pay. NULL, or what is wrong. */
const char *derive_tiles(Forest *forest);

#endif
