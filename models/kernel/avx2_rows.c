/* avx2_rows.c: one row, by tiles (tiles.h): vectors decide all nodes of a tile, then each tree is one chain of loads.
 *
 * bytes of the row -> shuffles fetch the byte of each node -> comparison -> a table of 128 bytes: where each lane leads
 * to, an exit to itself -> from the root, as many look-ups as the tile is deep -> leaf
 *
 * A look-up is one load and waits for the one before; eight trees go side by side.
 */
#include "avx2.h"
#include "tiles.h"

#ifdef HAS_X86_VECTORS
#include <string.h>

#define TOGETHER TILE_ROOTS /* trees */
#define MOST_TABLES 16      /* of sixteen bytes of the row */

/* Where each lane of a tile leads to; exits lead to themselves. */
typedef struct {
  uint8_t lane[2 * TILE_NODES] __attribute__((aligned(64)));
} Targets;
typedef struct {
  const Forest *forest;
  const Tiles *tiles;
  uint32_t tables;
  double *scores;
  __m256i bytes[MOST_TABLES];             /* 16 bytes of the row, twice */
  const uint64_t *masks[TILE_CATEGORIES]; /* of the row's class in each category, [tile] */
} Run;
/* The byte that each of 32 nodes asks for. A shuffle looks up in 16 bytes, and gives 0 where bit 7 of the index is set:
 * the saturating addition sets it for all columns of other tables. */
WITH_AVX2 INLINE __m256i asked_bytes(const Run *run, uint32_t tables, __m256i column) {
  if (tables <= 2) {
    const __m256i low = _mm256_shuffle_epi8(run->bytes[0], column), high = _mm256_shuffle_epi8(run->bytes[1], column);
    return _mm256_blendv_epi8(low, high, _mm256_slli_epi16(column, 3)); /* bit 4 chooses */
  }
  __m256i bytes = _mm256_setzero_si256();
  for (uint32_t i = 0; i < tables; i++) {
    const __m256i place = _mm256_xor_si256(column, _mm256_set1_epi8((char)(16 * i)));
    const __m256i index = _mm256_adds_epu8(place, _mm256_set1_epi8(0x70));
    bytes = _mm256_or_si256(bytes, _mm256_shuffle_epi8(run->bytes[i], index));
  }
  return bytes;
}

/* All bits of the bytes whose bit of the mask is set. */
WITH_AVX2 INLINE __m256i bytes_of(uint32_t mask) {
  const __m256i spread = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
  const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);
  const __m256i bytes = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32((int)mask), spread), bit);
  return _mm256_cmpeq_epi8(bytes, bit);
}

WITH_AVX2 INLINE void decide(const Run *run, uint32_t tables, uint32_t number, Targets *targets) {
  const Tile *tile = run->tiles->tiles + number;
  uint64_t mask = 0;
  for (uint32_t i = 0; i < run->forest->category_count; i++) mask |= run->masks[i][number];
  for (uint32_t i = 0; i < TILE_NODES; i += 32) {
    const __m256i column = _mm256_load_si256((const __m256i *)(tile->column + i));
    const __m256i cut = _mm256_load_si256((const __m256i *)(tile->cut + i));
    const __m256i left = _mm256_load_si256((const __m256i *)(tile->left + i));
    __m256i stay = not_above(asked_bytes(run, tables, column), cut);
    if (run->forest->category_count) stay = _mm256_andnot_si256(bytes_of((uint32_t)(mask >> i)), stay);
    const __m256i change = _mm256_blendv_epi8(_mm256_set1_epi8(1), _mm256_set1_epi8(EXIT), left); /* bit 7: FAR */
    const __m256i target = _mm256_add_epi8(left, _mm256_andnot_si256(stay, change));
    _mm256_store_si256((__m256i *)(targets->lane + i), _mm256_and_si256(target, _mm256_set1_epi8(127)));
  }
}

/* The leaf that an exit leads to, from tile to tile. */
WITH_AVX2 INLINE double leaf_of(const Run *run, uint32_t tables, uint32_t tile, uint32_t exit, Targets *targets) {
  const Tiles *tiles = run->tiles;
  while (tiles->has_tails && tiles->tails[tile][exit] >= 0) {
    const uint32_t tail = (uint32_t)tiles->tails[tile][exit];
    tile = tail & 0xffffff, exit = tail >> 24;
    decide(run, tables, tile, targets);
    for (uint32_t step = tiles->depths[tile]; step > 0; step--) exit = targets->lane[exit];
    exit %= TILE_NODES;
  }
  return tiles->leaves[tile][exit];
}

/* From each root, so many steps down: one load a step, eight at a time. Not inlined, or registers would not do. */
static __attribute__((noinline)) void look_up(const Targets *targets, uint32_t depth, size_t *at) {
  size_t a = at[0], b = at[1], c = at[2], d = at[3], e = at[4], f = at[5], g = at[6], h = at[7];
  for (; depth > 0; depth--) {
    a = targets[0].lane[a], b = targets[1].lane[b], c = targets[2].lane[c], d = targets[3].lane[d];
    e = targets[4].lane[e], f = targets[5].lane[f], g = targets[6].lane[g], h = targets[7].lane[h];
  }
  at[0] = a, at[1] = b, at[2] = c, at[3] = d, at[4] = e, at[5] = f, at[6] = g, at[7] = h;
}

/* How many heads from `first` on have up to eight trees together, and how deep their tiles are. */
static inline uint32_t group_at(const Tiles *tiles, uint32_t first, uint32_t *depth) {
  uint32_t heads = 0, trees = 0;
  while (first + heads < tiles->head_count && trees + tiles->heads[first + heads].tree_count <= TOGETHER) {
    const Head *head = tiles->heads + first + heads++;
    trees += head->tree_count;
    if (head->depth > *depth) *depth = head->depth;
  }
  return heads;
}

/* A table for each tree, so that where it lies is known to the compiler: trees of one tile have equal ones. */
WITH_AVX2 INLINE void begin(const Run *run, uint32_t tables, const Head *head, Targets *targets, size_t *at) {
  decide(run, tables, head->tile, targets);
  at[0] = 0;
  for (uint32_t i = 1; i < head->tree_count; i++) {
    memcpy(targets[i].lane, targets[0].lane, TILE_NODES);
    at[i] = i;
  }
}

/* Neighbouring heads with up to eight trees together. */
typedef struct {
  uint32_t first, heads, depth;
  size_t at[TOGETHER];
  Targets targets[TOGETHER];
} Group;

WITH_AVX2 INLINE void begin_group(const Run *run, uint32_t tables, uint32_t first, Group *group) {
  uint32_t trees = 0;
  group->first = first, group->depth = 0;
  group->heads = group_at(run->tiles, first, &group->depth);
  for (uint32_t i = 0; i < group->heads; i++) {
    const Head *head = run->tiles->heads + first + i;
    begin(run, tables, head, group->targets + trees, group->at + trees);
    trees += head->tree_count;
  }
}

WITH_AVX2 INLINE void end_group(const Run *run, uint32_t tables, Group *group, Targets *spare, double *sum) {
  uint32_t trees = 0;
  look_up(group->targets, group->depth, group->at);
  for (uint32_t i = 0; i < group->heads; i++) {
    const Head *head = run->tiles->heads + group->first + i;
    for (uint32_t j = 0; j < head->tree_count; j++) {
      const double leaf = leaf_of(run, tables, head->tile, group->at[trees++] % TILE_NODES, spare);
      if (run->forest->output_count == 1) *sum += leaf;
      else run->scores[run->forest->trees[head->first_tree + j].output] += leaf;
    }
  }
}

/* The next group is decided before one is looked up: what was just stored is slow to load. */
WITH_AVX2 INLINE void run_tiles(const Run *run, uint32_t tables) {
  Group groups[2];
  Targets spare;
  double sum = 0.0; /* of the only output */
  for (uint32_t lane = 0; lane < 2 * TILE_NODES; lane++) spare.lane[lane] = (uint8_t)lane;
  for (uint32_t i = 0; i < 2; i++)
    for (uint32_t j = 0; j < TOGETHER; j++) groups[i].targets[j] = spare, groups[i].at[j] = 0;
  begin_group(run, tables, 0, groups);
  for (uint32_t g = 0; groups[g & 1].heads; g++) {
    begin_group(run, tables, groups[g & 1].first + groups[g & 1].heads, groups + (~g & 1));
    end_group(run, tables, groups + (g & 1), &spare, &sum);
  }
  if (run->forest->output_count == 1) run->scores[0] = sum;
}

WITH_AVX2 static void score_row(const Job *job) {
  const Forest *forest = job->forest;
  const Scratch *scratch = job->scratch;
  Run run;
  run.forest = forest, run.tiles = forest->tiles, run.scores = job->scores;
  run.tables = (forest->column_count + 15) / 16;
  for (uint32_t i = 0; i < MOST_TABLES && i < run.tables + 2; i++)
    run.bytes[i] = _mm256_broadcastsi128_si256(_mm_load_si128((const __m128i *)(scratch->row_bytes + 16 * (size_t)i)));
  for (uint32_t i = 0; i < forest->category_count; i++)
    run.masks[i] = forest->tiles->masks[i] + (size_t)scratch->row_classes[i] * forest->tiles->tile_count;
  for (uint32_t k = 0; k < forest->output_count; k++) run.scores[k] = 0.0;
  if (run.tables <= 2) run_tiles(&run, 2);
  else run_tiles(&run, run.tables);
}

void avx2_score_rows(const Job *job) {
  for (size_t r = 0; r < job->count; r++) {
    const Job row = part_of(job, r, 1);
    avx2_quantise_row(row.forest, row.rows, row.is_double, row.scratch->row_bytes, row.scratch->row_classes);
    if (row.forest->tiles) score_row(&row);
    else walk_row(row.forest, row.scratch, row.scores);
  }
}
#else
typedef int no_vectors_here;
#endif
