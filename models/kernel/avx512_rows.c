/* avx512_rows.c: few rows, by tiles (tiles.h): every node of a tile is decided at once, then pointers are doubled.
 *
 * bytes of the row -> one permutation fetches the byte of each node -> one comparison decides all -> after n doublings
 * each lane knows where a way of 2^n nodes from it leads -> the roots' lanes name the leaves
 *
 * Nothing depends on the data but the address of the leaf. What limits it is reading the tiles from the L2 cache, so up
 * to four rows share that.
 */
#include "avx512.h"
#include "tiles.h"

#ifdef HAS_X86_VECTORS

#define MOST_REGISTERS 8

/* Upper half of the table that pointers are doubled in: an exit leads to itself. */
static const uint8_t EXITS[64] __attribute__((aligned(64))) = {
    64,  65,  66,  67,  68,  69,  70,  71,  72,  73,  74,  75,  76,  77,  78,  79,  80,  81,  82,  83,  84,  85,
    86,  87,  88,  89,  90,  91,  92,  93,  94,  95,  96,  97,  98,  99,  100, 101, 102, 103, 104, 105, 106, 107,
    108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118, 119, 120, 121, 122, 123, 124, 125, 126, 127};

/* The rows of a call. What follows is inlined with constant `shape`: a branch less in the loop is a tile more in
 * flight. */
typedef struct {
  uint32_t registers, count, doublings;
  int is_plain; /* one output, no categories, no tails */
} Shape;
typedef struct {
  const Forest *forest;
  const Tiles *tiles;
  double *scores;
  const uint64_t *masks[ROWS_TOGETHER][TILE_CATEGORIES]; /* of the row's class in each category, [tile] */
  __m512i bytes[ROWS_TOGETHER][MOST_REGISTERS];
} Run;
typedef struct {
  __m512i column, cut, left, change; /* change: right target - left target */
  uint64_t beyond;
} Loaded;

WITH_AVX512 INLINE Loaded load_tile(const Tiles *tiles, uint32_t number, uint32_t registers) {
  const Tile *from = tiles->tiles + number;
  const __m512i left = _mm512_load_si512(from->left);
  return (Loaded){
      .column = _mm512_load_si512(from->column),
      .cut = _mm512_load_si512(from->cut),
      .left = left,
      .change = _mm512_mask_blend_epi8(_mm512_movepi8_mask(left), _mm512_set1_epi8(1), _mm512_set1_epi8(64)),
      .beyond = registers > 4 ? tiles->beyond[number] : 0};
}

/* The byte that each node asks for. A permutation looks up in two registers by seven bits; the eighth bit and `beyond`
 * choose between permutations. */
WITH_AVX512 INLINE __m512i asked_bytes(const __m512i *row, uint32_t registers, const Loaded *tile) {
  if (registers == 1) return _mm512_permutexvar_epi8(tile->column, row[0]);
  __m512i bytes = _mm512_permutex2var_epi8(row[0], tile->column, row[1]);
  if (registers == 2) return bytes;
  const __mmask64 eighth = _mm512_movepi8_mask(tile->column);
  bytes = _mm512_mask_mov_epi8(bytes, eighth, _mm512_permutex2var_epi8(row[2], tile->column, row[3]));
  if (registers == 4) return bytes;
  __m512i others = _mm512_permutex2var_epi8(row[4], tile->column, row[5]);
  others = _mm512_mask_mov_epi8(others, eighth, _mm512_permutex2var_epi8(row[6], tile->column, row[7]));
  return _mm512_mask_mov_epi8(bytes, tile->beyond, others);
}

/* Where the ways from the first eight lanes end: an exit in the low six bits of each byte. */
WITH_AVX512 INLINE uint64_t ends(const Run *run, Shape shape, uint32_t r, const Loaded *tile, uint32_t number) {
  __mmask64 right = _mm512_cmpgt_epu8_mask(asked_bytes(run->bytes[r], shape.registers, tile), tile->cut);
  for (uint32_t i = 0; !shape.is_plain && i < run->forest->category_count; i++) right |= run->masks[r][i][number];
  __m512i next = _mm512_mask_add_epi8(tile->left, right, tile->left, tile->change);
  const __m512i exits = _mm512_load_si512(EXITS);
  for (uint32_t i = 0; i < shape.doublings; i++) next = _mm512_permutex2var_epi8(next, next, exits);
  return (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(next));
}

/* Goes on from tile to tile until the exit is a leaf; its tile and number. */
WITH_AVX512 INLINE uint64_t last_end(const Run *run, Shape shape, uint32_t r, uint32_t *number, uint64_t end) {
  for (int32_t tail; (tail = run->tiles->tails[*number][end % TILE_NODES]) >= 0;) {
    *number = (uint32_t)tail & 0xffffff;
    const Loaded tile = load_tile(run->tiles, *number, shape.registers);
    end = ends(run, shape, r, &tile, *number) >> ((uint32_t)tail >> 24) * 8;
  }
  return end;
}

/* Adds the leaves of the trees that begin in a tile, in their order. A sum in memory would be slower, so only several
 * outputs have one. */
WITH_AVX512 INLINE double add_leaves(const Run *run, Shape shape, const Head *head, const double *leaves, uint64_t end,
                                     uint32_t r, double sum) {
  const uint32_t outputs = run->forest->output_count;
  if (shape.is_plain || outputs == 1) {
    sum += leaves[end % TILE_NODES];
    for (uint32_t i = 1; i < head->tree_count; i++) sum += leaves[(end >> 8 * i) % TILE_NODES];
    return sum;
  }
  const Tree *trees = run->forest->trees + head->first_tree;
  for (uint32_t i = 0; i < head->tree_count; i++)
    run->scores[r * outputs + trees[i].output] += leaves[(end >> 8 * i) % TILE_NODES];
  return sum;
}

WITH_AVX512 INLINE void run_tiles(const Run *run, Shape shape) {
  const Tiles *tiles = run->tiles;
  double sums[ROWS_TOGETHER] = {0};
  for (uint32_t h = 0; h < tiles->head_count; h++) {
    const Head *head = tiles->heads + h;
    const Loaded tile = load_tile(tiles, head->tile, shape.registers);
    for (uint32_t r = 0; r < shape.count; r++) {
      uint32_t number = head->tile;
      uint64_t end = ends(run, shape, r, &tile, number);
      if (!shape.is_plain && tiles->has_tails) end = last_end(run, shape, r, &number, end);
      sums[r] = add_leaves(run, shape, head, tiles->leaves[number], end, r, sums[r]);
    }
  }
  for (uint32_t r = 0; r < shape.count && (shape.is_plain || run->forest->output_count == 1); r++)
    run->scores[r] = sums[r];
}

/* Quantises the rows of the job, then runs them through the tiles. */
WITH_AVX512 INLINE void score(const Job *job, Shape shape) {
  const Forest *forest = job->forest;
  const Tiles *tiles = forest->tiles;
  Run run; /* not zeroed: three kilobytes */
  run.forest = forest, run.tiles = tiles, run.scores = job->scores;
  for (uint32_t r = 0; r < shape.count; r++) {
    const Job row = part_of(job, r, 1);
    uint16_t *classes = job->scratch->row_classes + (size_t)r * forest->category_count;
    avx512_quantise_row(forest, row.rows, row.is_double, job->scratch->row_bytes + r * forest->row_stride, classes);
    for (uint32_t i = 0; i < forest->category_count; i++)
      run.masks[r][i] = tiles->masks[i] + (size_t)classes[i] * tiles->tile_count;
    for (uint32_t k = 0; k < forest->output_count; k++) row.scores[k] = 0.0;
  }
  for (uint32_t r = 0; r < shape.count; r++) /* afterwards: bytes just stored cannot be loaded as vectors yet */
    for (uint32_t i = 0; i < shape.registers; i++)
      run.bytes[r][i] = _mm512_load_si512(job->scratch->row_bytes + r * forest->row_stride + 64 * (size_t)i);
  run_tiles(&run, shape);
}

static uint32_t doublings_for(uint32_t depth) {
  uint32_t doublings = 4;
  while (doublings < 6 && 1u << doublings < depth) doublings++;
  return doublings;
}

/* Code for each shape that is common among models; the others share one for each size of the row. */
#define SCORE(registers, count)                                                                             \
  WITH_AVX512 static void score_##registers##_##count(const Job *job) {                                     \
    const Forest *forest = job->forest;                                                                     \
    const uint32_t doublings = doublings_for(forest->tiles->depth);                                         \
    const int is_plain = forest->output_count == 1 && !forest->category_count && !forest->tiles->has_tails; \
    if (is_plain && doublings == 4) score(job, (Shape){registers, count, 4, 1});                            \
    else if (is_plain && doublings == 5) score(job, (Shape){registers, count, 5, 1});                       \
    else score(job, (Shape){registers, count, doublings, 0});                                               \
  }
SCORE(1, 1)
SCORE(1, 4)
SCORE(2, 1)
SCORE(2, 4)
SCORE(4, 1)
SCORE(4, 4)
SCORE(8, 1)
SCORE(8, 4)

void avx512_score_rows(const Job *job) {
  static void (*const SCORES[4][2])(const Job *) = {
      {score_1_1, score_1_4}, {score_2_1, score_2_4}, {score_4_1, score_4_4}, {score_8_1, score_8_4}};
  const Forest *forest = job->forest;
  const uint32_t columns = forest->column_count;
  const int size = columns <= 64 ? 0 : columns <= 128 ? 1 : columns <= 256 ? 2 : 3;
  for (size_t done = 0, step; done < job->count; done += step) {
    const Job part = part_of(job, done, job->count - done);
    step = forest->tiles && part.count >= ROWS_TOGETHER ? ROWS_TOGETHER : 1;
    if (forest->tiles) {
      SCORES[size][step > 1](&part);
      continue;
    }
    avx512_quantise_row(forest, part.rows, part.is_double, part.scratch->row_bytes, part.scratch->row_classes);
    walk_row(forest, part.scratch, part.scores);
  }
}
#else
typedef int no_vectors_here;
#endif
