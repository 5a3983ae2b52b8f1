/* derive_vectors.c: tables that only the evaluators with vector instructions read: search levels, byte planes. */
#include <string.h>

#include "shared.h"

#define GROUP 16 /* cuts that are compared at once */

/* Towards minus infinity: x > cut if and only if x > floor(cut), for every float32 x. */
static float floor_to_float(double x) {
  const float nearest = (float)x;
  return (double)nearest > x ? nextafterf(nearest, -INFINITY) : nearest;
}

static uint32_t groups(uint32_t count) {
  return count / GROUP + 1; /* always room for one infinity */
}

static size_t search_floats(const Feature *feature) {
  size_t total = 0;
  for (uint32_t n = feature->cut_count;; n /= GROUP) {
    total += (size_t)groups(n) * GROUP;
    if (groups(n) == 1) return total;
  }
}

static void fill_levels(Feature *feature, float *table) {
  const float *below = NULL;
  for (uint32_t n = feature->cut_count;; n /= GROUP) {
    const uint32_t padded = groups(n) * GROUP;
    for (uint32_t i = 0; i < padded; i++)
      table[i] = i >= n ? INFINITY : below ? below[GROUP * i + GROUP - 1] : floor_to_float(feature->cuts[i]);
    feature->levels[feature->level_count++] = below = table;
    table += padded;
    if (padded == GROUP) return;
  }
}

const char *derive_search(Forest *forest) {
  size_t total = 0;
  for (uint32_t i = 0; i < forest->split_feature_count; i++) total += search_floats(forest->features + i);
  float *table = forest_memory(forest, total, sizeof *table);
  CHECK(table, OUT_OF_MEMORY);
  for (uint32_t i = 0; i < forest->split_feature_count; i++) {
    fill_levels(forest->features + i, table);
    table += search_floats(forest->features + i);
  }
  return NULL;
}

static int is_common(const Forest *forest, const Feature *feature) {
  const Column *column = forest->columns + feature->first_column;
  return feature->end_column == feature->first_column + 1 && column->base == 0 && feature->cut_count <= 255 &&
         column->rule != NAN_AND_ZERO_ARE_MISSING;
}

const char *derive_common(Forest *forest) {
  const uint32_t count = forest->split_feature_count;
  float *no_cuts = forest_memory(forest, GROUP, sizeof *no_cuts); /* level 1 of features with less than 16 */
  forest->common = forest_memory(forest, count, sizeof *forest->common);
  forest->others = forest_memory(forest, count, sizeof *forest->others);
  CHECK(no_cuts && forest->common && forest->others, OUT_OF_MEMORY);
  for (int i = 0; i < GROUP; i++) no_cuts[i] = INFINITY;
  for (uint32_t i = 0; i < count; i++) {
    const Feature *feature = forest->features + i;
    const Column *column = forest->columns + feature->first_column;
    if (!is_common(forest, feature)) {
      forest->others[forest->other_count++] = feature;
      continue;
    }
    const uint8_t zero = (uint8_t)cuts_below(feature, 0.0);
    forest->common[forest->common_count++] =
        (CommonFeature){.coarse = feature->level_count > 1 ? feature->levels[1] : no_cuts,
                        .fine = feature->levels[0],
                        .feature = feature->feature,
                        .column = feature->first_column,
                        .exact = feature,
                        .nan_byte = column->rule == NAN_IS_MISSING ? column->sentinel : zero};
  }
  return NULL;
}

const char *derive_planes(Forest *forest) {
  size_t total = 0;
  for (uint32_t t = 0; t < forest->tree_count; t++)
    if (forest->trees[t].operations) total += 8 * plane_bytes(forest->trees[t].leaf_count);
  uint8_t *planes = forest_memory(forest, total, 1);
  CHECK(planes, OUT_OF_MEMORY);
  for (uint32_t t = 0; t < forest->tree_count; t++) {
    Tree *tree = forest->trees + t;
    if (!tree->operations) continue;
    const uint32_t stride = plane_bytes(tree->leaf_count);
    tree->planes = planes;
    for (uint32_t i = 0; i < tree->leaf_count; i++) write_leaf(planes, stride, i, tree->leaves[i]);
    planes += 8 * stride;
  }
  return NULL;
}
