/* tiles.c: packs trees into tiles (tiles.h).
 *
 * small trees -> as many neighbours as fit, in one tile; a large tree -> connected pieces, its top in a tile of its
 * own, what is left below in tiles that up to eight small pieces share -> masks.c the decisions of categorical nodes
 *
 * Time and memory grow linearly with the nodes, whatever shape a pack gives its trees.
 */
#include <string.h>

#include "tiles_build.h"

#define MOST_TILES (1u << 23)
#define NOWHERE 255
#define HERE 254

/* A piece of `nodes` fits if its lanes (all but the root's) and its exits do. */
static int fits(const Space *space, uint32_t nodes) {
  return space->roots < space->root_end && space->lane_end + space->mixed + nodes - 1 <= TILE_NODES &&
         space->exit_end + space->mixed + nodes + 1 <= TILE_NODES;
}

static Space space_for(uint32_t roots) {
  const uint32_t root_end = (roots + 1) & ~1u; /* pairs of lanes begin at even ones */
  return (Space){.root_end = root_end, .lane_end = root_end};
}

static int new_tile(Builder *builder) {
  if (builder->count == builder->capacity) {
    const uint32_t capacity = builder->capacity ? 2 * builder->capacity : 64;
    Draft *drafts = forest_memory(&builder->memory, capacity, sizeof *drafts);
    if (!drafts) return -1;
    if (builder->count) memcpy(drafts, builder->drafts, builder->count * sizeof *drafts);
    builder->drafts = drafts, builder->capacity = capacity;
  }
  Draft *draft = builder->drafts + builder->count;
  memset(draft->nodes.cut, 255, TILE_NODES); /* a lane without a node, or with a categorical one: never above */
  memset(draft->tails, 255, sizeof draft->tails);
  return (int)builder->count++;
}

/* The nodes of a piece, parents first: all below the root if they fit, otherwise those with the most below them. */
static void collect(const Builder *builder, const Tree *tree, uint32_t root, Piece *piece) {
  uint32_t open[TILE_NODES], waiting = 1, first = 0;
  const int is_whole = builder->below[root] < TILE_NODES;
  piece->count = 0;
  open[0] = root;
  while (waiting && piece->count < TILE_NODES - 1) {
    uint32_t best = is_whole ? waiting - 1 : first;
    for (uint32_t i = 0; i < waiting && !is_whole; i++)
      if (builder->below[open[i]] > builder->below[open[best]]) best = i;
    const uint32_t node = open[best];
    open[best] = open[--waiting];
    piece->nodes[piece->count++] = node;
    builder->lane[node] = HERE;
    for (int side = 0; side < 2; side++)
      if (tree->nodes[node].child[side] >= 0) open[waiting++] = (uint32_t)tree->nodes[node].child[side];
  }
}

static int is_here(const Builder *builder, int32_t child) {
  return child >= 0 && builder->lane[child] != NOWHERE;
}

static void put_exit(Builder *builder, const Tree *tree, const Spot *spot, int32_t child) {
  if (child < 0) builder->drafts[spot->tile].leaves[spot->lane] = tree->leaves[~child];
  else builder->waiting[builder->waiting_count++] = (Waiting){.node = (uint32_t)child, .spot = *spot};
}

/* Deals out the targets of a node's children, see tiles.h. */
static void put_children(Builder *builder, const Tree *tree, const Node *node, const Spot *at, Space *space) {
  const int here[2] = {is_here(builder, node->child[0]), is_here(builder, node->child[1])};
  uint32_t target[2], far = 0;
  if (here[0] != here[1]) {
    const uint32_t lane = TILE_NODES - ++space->mixed;
    target[0] = lane + (here[0] ? 0 : EXIT), target[1] = lane + (here[1] ? 0 : EXIT);
    far = FAR;
  } else {
    uint32_t *end = here[0] ? &space->lane_end : &space->exit_end;
    target[0] = *end + (here[0] ? 0 : EXIT), target[1] = target[0] + 1;
    *end += 2;
  }
  builder->drafts[at->tile].nodes.left[at->lane] = (uint8_t)(target[0] | far);
  for (int side = 0; side < 2; side++) {
    const Spot exit = {.tile = at->tile, .lane = target[side] & (EXIT - 1)};
    if (here[side]) builder->lane[node->child[side]] = (uint8_t)target[side];
    else put_exit(builder, tree, &exit, node->child[side]);
  }
}

static void put_split(Builder *builder, const Node *node, const Spot *at) {
  Draft *draft = builder->drafts + at->tile;
  if (node->key & SET_KEY) {
    builder->asked[builder->asked_count++] = (Asked){.set = node->key & ~SET_KEY, .spot = *at};
    return;
  }
  draft->nodes.column[at->lane] = (uint8_t)(node->key >> 8);
  draft->nodes.cut[at->lane] = (uint8_t)node->key;
  if (node->key >> 16 & 1) draft->beyond |= 1ull << at->lane;
}

static void put_piece(Builder *builder, const Tree *tree, const Piece *piece, uint32_t tile, Space *space) {
  uint8_t depth[TILE_NODES];
  const uint32_t root = space->roots++;
  Draft *draft = builder->drafts + tile;
  if (piece->count == 0) { /* a tree that is one leaf: a node that always goes left */
    draft->nodes.left[root] = (uint8_t)(EXIT + space->exit_end);
    draft->leaves[space->exit_end] = tree->leaves[0];
    if (draft->depth == 0) draft->depth = 1;
    space->exit_end += 2;
    return;
  }
  builder->lane[piece->nodes[0]] = (uint8_t)root;
  depth[root] = 1;
  for (uint32_t i = 0; i < piece->count; i++) {
    const Node *node = tree->nodes + piece->nodes[i];
    const Spot at = {.tile = tile, .lane = builder->lane[piece->nodes[i]]};
    put_split(builder, node, &at);
    put_children(builder, tree, node, &at, space);
    if (depth[at.lane] > draft->depth) draft->depth = depth[at.lane];
    for (int side = 0; side < 2; side++)
      if (is_here(builder, node->child[side])) depth[builder->lane[node->child[side]]] = (uint8_t)(depth[at.lane] + 1);
  }
  for (uint32_t i = 0; i < piece->count; i++) builder->lane[piece->nodes[i]] = NOWHERE;
}

static void count_below(Builder *builder, const Tree *tree) {
  for (uint32_t i = tree->node_count; i-- > 0;) {
    builder->below[i] = 1;
    for (int side = 0; side < 2; side++)
      if (tree->nodes[i].child[side] >= 0) builder->below[i] += builder->below[tree->nodes[i].child[side]];
  }
}

static uint32_t lanes_of(const Tree *tree) {
  return tree->node_count ? tree->node_count : 1;
}

/* How many trees from `first` on share a tile. */
static uint32_t neighbours(const Forest *forest, uint32_t first) {
  uint32_t count = 0, lanes = 0, exits = 0;
  while (first + count < forest->tree_count && count < TILE_ROOTS) {
    const uint32_t nodes = lanes_of(forest->trees + first + count);
    if (nodes >= TILE_NODES || lanes + nodes - 1 + ((count + 2) & ~1u) > TILE_NODES || exits + nodes + 1 > TILE_NODES)
      break;
    lanes += nodes - 1, exits += nodes + 1, count++;
  }
  return count;
}

static int put_neighbours(Builder *builder, Head *head) {
  const int tile = new_tile(builder);
  if (tile < 0) return -1;
  Space space = space_for(head->tree_count);
  head->tile = (uint32_t)tile;
  for (uint32_t i = 0; i < head->tree_count; i++) {
    const Tree *tree = builder->forest->trees + head->first_tree + i;
    Piece piece = {.count = 0};
    count_below(builder, tree);
    if (tree->node_count) collect(builder, tree, 0, &piece);
    put_piece(builder, tree, &piece, head->tile, &space);
  }
  return 0;
}

/* A piece of a large tree, in the tile that small pieces share if it is one of them. */
static int put_tail(Builder *builder, const Tree *tree, const Waiting *waiting) {
  Piece piece;
  collect(builder, tree, waiting->node, &piece);
  Space own = space_for(1), *space = &own;
  int tile = -1;
  if (builder->below[waiting->node] + TILE_ROOTS <= TILE_NODES) {
    space = &builder->shared;
    if (fits(space, piece.count)) tile = (int)builder->shared_tile;
    else *space = space_for(TILE_ROOTS);
  }
  if (tile < 0 && (tile = new_tile(builder)) < 0) return -1;
  if (space == &builder->shared) builder->shared_tile = (uint32_t)tile;
  builder->drafts[waiting->spot.tile].tails[waiting->spot.lane] = (int32_t)(space->roots << 24 | (uint32_t)tile);
  put_piece(builder, tree, &piece, (uint32_t)tile, space);
  return 0;
}

static int put_large(Builder *builder, Head *head) {
  const Tree *tree = builder->forest->trees + head->first_tree;
  count_below(builder, tree);
  const int tile = new_tile(builder);
  if (tile < 0) return -1;
  Space space = space_for(1);
  Piece piece;
  head->tile = (uint32_t)tile, head->tree_count = 1;
  builder->waiting_count = 0;
  collect(builder, tree, 0, &piece);
  put_piece(builder, tree, &piece, head->tile, &space);
  for (size_t i = 0; i < builder->waiting_count; i++) {
    const Waiting waiting = builder->waiting[i];
    if (put_tail(builder, tree, &waiting)) return -1;
  }
  builder->has_tails = 1;
  return 0;
}

static const char *start(Builder *builder, uint32_t largest) {
  const Forest *forest = builder->forest;
  size_t asked = 0;
  for (uint32_t t = 0; t < forest->tree_count; t++)
    for (uint32_t i = 0; i < forest->trees[t].node_count; i++) asked += forest->trees[t].nodes[i].key >> 31;
  builder->heads = forest_memory(&builder->memory, forest->tree_count, sizeof *builder->heads);
  builder->below = forest_memory(&builder->memory, largest, sizeof *builder->below);
  builder->lane = forest_memory(&builder->memory, largest, 1);
  builder->waiting = forest_memory(&builder->memory, largest, sizeof *builder->waiting);
  builder->asked = forest_memory(&builder->memory, asked, sizeof *builder->asked);
  CHECK(builder->heads && builder->below && builder->lane && builder->waiting && builder->asked, OUT_OF_MEMORY);
  memset(builder->lane, NOWHERE, largest);
  return NULL;
}

static const char *build(Builder *builder) {
  const Forest *forest = builder->forest;
  uint32_t largest = 0;
  for (uint32_t t = 0; t < forest->tree_count; t++)
    if (forest->trees[t].node_count > largest) largest = forest->trees[t].node_count;
  const char *wrong = start(builder, largest);
  if (wrong) return wrong;
  for (uint32_t t = 0; t < forest->tree_count; t += builder->heads[builder->head_count++].tree_count) {
    Head *head = builder->heads + builder->head_count;
    *head = (Head){.first_tree = t, .tree_count = neighbours(forest, t)};
    CHECK(!(head->tree_count ? put_neighbours(builder, head) : put_large(builder, head)), OUT_OF_MEMORY);
    if (builder->count > MOST_TILES) return NULL;
  }
  return finish_tiles(builder);
}

const char *derive_tiles(Forest *forest) {
  if (forest->category_count > TILE_CATEGORIES) return NULL;
  Builder builder = {.forest = forest};
  const char *wrong = build(&builder);
  forest_free(&builder.memory);
  return wrong;
}
