/* shared.h: parts of quantise.c and portable.c that the other evaluators use where vectors do not help. */
#ifndef MILLRACE_SHARED_H
#define MILLRACE_SHARED_H

#include <math.h>

#include "forest.h"

/* LightGBM's kZeroThreshold: it reads |x| <= 1e-35f as 0.0. The cuts of a pack allow for it; only the rule of a column
 * asks. */
static const double ZERO_THRESHOLD = (double)1e-35f;

/* Number of cuts below x, by bisection without a branch that depends on the data: the same time for every row. */
static inline uint32_t cuts_below(const Feature *feature, double x) {
  const double *cuts = feature->cuts;
  uint32_t below = 0;
  for (uint32_t n = feature->cut_count; n > 1;) {
    const uint32_t half = n >> 1;
    below += half & -(uint32_t)(cuts[below + half - 1] < x);
    n -= half;
  }
  return below + (cuts[below] < x);
}

static inline uint8_t column_byte(const Column *column, uint32_t below, double x) {
  const int is_missing = (column->rule != NAN_IS_ZERO && x != x) ||
                         (column->rule == NAN_AND_ZERO_ARE_MISSING && fabs(x) <= ZERO_THRESHOLD);
  if (is_missing) return column->sentinel;
  if (below <= column->base) return 0;
  return below - column->base > 255 ? 255 : (uint8_t)(below - column->base);
}

/* LightGBM truncates: (-1, 0] is category 0. NaN, negative, huge and unseen ones have classes of their own. */
static inline uint16_t class_of(const Category *category, double x) {
  if (x != x) return category->nan_class;
  if (!(x > -1.0) || x >= (double)category->category_count) return category->other_class;
  return category->class_of[(uint32_t)x];
}

static inline double value_at(const void *row, int is_double, size_t i) {
  return is_double ? ((const double *)row)[i] : (double)((const float *)row)[i];
}

/* One feature of `count` rows. */
static inline void load_values(const Forest *forest, const void *rows, int is_double, uint32_t count, uint32_t feature,
                               double *values) {
  const size_t width = forest->feature_count;
  for (uint32_t r = 0; r < count; r++) values[r] = value_at(rows, is_double, r * width + feature);
}

/* A job for `count` of its rows from `first` on. */
static inline Job part_of(const Job *job, size_t first, size_t count) {
  const Forest *forest = job->forest;
  Job part = *job;
  part.rows = (const char *)job->rows + first * forest->feature_count * (job->is_double ? 8 : 4);
  part.scores = job->scores + first * forest->output_count;
  part.count = count;
  return part;
}

/* The classes of a row, of a block: [category][BLOCK_ROWS]. */
void classify_row(const Forest *forest, const void *row, int is_double, uint16_t *classes);
void classify_block(const Forest *forest, const void *rows, int is_double, uint32_t count, uint16_t *classes);

/* Leaf that a row reaches; `stride` as in goes_right. */
double walk_tree(const Forest *forest, const Tree *tree, const uint8_t *bytes, const uint16_t *classes, size_t stride);

/* Raw scores of the row whose bytes and classes the scratch holds. */
void walk_row(const Forest *forest, Scratch *scratch, double *scores);

/* The byte columns of a tree's category sets, behind the numeric ones: 1 where the row goes right. */
void set_columns(const Forest *forest, const Tree *tree, uint8_t *bytes, const uint16_t *classes);

/* From [output][BLOCK_ROWS] to the job's [row][output]. */
void write_scores(const Job *job, const double *block_scores);

#endif
