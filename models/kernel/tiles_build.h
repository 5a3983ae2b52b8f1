/* tiles_build.h: what tiles.c and tiles_finish.c share while tiles are being built. */
#ifndef MILLRACE_TILES_BUILD_H
#define MILLRACE_TILES_BUILD_H

#include "tiles.h"

typedef struct {
  uint32_t tile, lane; /* lane of a node, or number of an exit */
} Spot;
typedef struct {
  Tile nodes;
  uint64_t beyond;
  double leaves[TILE_NODES];
  int32_t tails[TILE_NODES];
  uint8_t depth;
} Draft;
/* Connected nodes of one tree, the root first. */
typedef struct {
  uint32_t count, nodes[TILE_NODES - 1];
} Piece;
/* What of a tile is used: roots, then pairs of lanes from the front, mixed lanes (with the exit of the same number)
 * from the back, pairs of exits from the front. */
typedef struct {
  uint32_t roots, root_end, lane_end, exit_end, mixed;
} Space;
/* A node of a large tree whose piece comes later, and the exit that will lead to it. */
typedef struct {
  uint32_t node;
  Spot spot;
} Waiting;
/* A categorical node. */
typedef struct {
  uint32_t set;
  Spot spot;
} Asked;
typedef struct {
  Forest *forest;
  Forest memory; /* only its memory: freed when the tiles are done */
  Draft *drafts;
  uint32_t count, capacity, head_count, shared_tile;
  Head *heads;
  Space shared;
  int has_tails;
  uint32_t *below; /* of each node of the tree at hand: nodes from it down */
  uint8_t *lane;
  Waiting *waiting;
  Asked *asked;
  size_t waiting_count, asked_count;
} Builder;

/* Copies the drafts to the forest, in the form that evaluators read. */
const char *finish_tiles(Builder *builder);

#endif
