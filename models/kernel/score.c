/* score.c: any number of rows, by the cheaper way of the evaluator, then the link. */
#include <math.h>
#include <time.h>

#include "forest.h"

/* The table of evaluators, best first, is chosen from by what the CPU can do. Portable is what every CPU can do. */
const Evaluator *best_evaluator(void) {
  return &PORTABLE;
}

static void apply_link(const Forest *forest, double *scores) {
  const uint32_t n = forest->output_count;
  for (uint32_t k = 0; k < n; k++) scores[k] /= forest->divisor; /* 1.0 changes no bit */
  double largest = scores[0], sum = 0.0;
  switch (forest->link) {
    case SIGMOID:
      for (uint32_t k = 0; k < n; k++) scores[k] = 1.0 / (1.0 + exp(-forest->alpha * scores[k]));
      break;
    case EXPONENTIAL:
      for (uint32_t k = 0; k < n; k++) scores[k] = exp(scores[k]);
      break;
    case SOFTMAX:
      for (uint32_t k = 1; k < n; k++) largest = scores[k] > largest ? scores[k] : largest;
      for (uint32_t k = 0; k < n; k++) sum += scores[k] = exp(scores[k] - largest);
      for (uint32_t k = 0; k < n; k++) scores[k] /= sum;
      break;
    case LOG1P_EXP:
      for (uint32_t k = 0; k < n; k++) scores[k] = log1p(exp(scores[k]));
      break;
    case SIGNED_SQUARE:
      for (uint32_t k = 0; k < n; k++) scores[k] = copysign(scores[k] * scores[k], scores[k]);
      break;
    default:
      break;
  }
}

static void score_block(Forest *forest, const void *rows, int is_double, uint32_t count, double *scores) {
  const uint32_t outputs = forest->output_count;
  double *block = forest->block_scores;
  for (size_t i = 0; i < (size_t)outputs * BLOCK_ROWS; i++) block[i] = 0.0;
  forest->evaluator->score_block(forest, rows, is_double, count, block);
  for (uint32_t r = 0; r < count; r++)
    for (uint32_t k = 0; k < outputs; k++) scores[(size_t)r * outputs + k] = block[(size_t)k * BLOCK_ROWS + r];
}

void forest_score(Forest *forest, const void *rows, int is_double, size_t count, double *scores, int raw) {
  const size_t row_bytes = (size_t)forest->feature_count * (is_double ? 8 : 4), outputs = forest->output_count;
  for (size_t done = 0, step; done < count; done += step) {
    const char *from = (const char *)rows + done * row_bytes;
    step = count - done < BLOCK_ROWS ? count - done : BLOCK_ROWS;
    if (step < forest->crossover)
      forest->evaluator->score_row(forest, from, is_double, scores + done * outputs), step = 1;
    else score_block(forest, from, is_double, (uint32_t)step, scores + done * outputs);
  }
  if (!raw)
    for (size_t r = 0; r < count; r++) apply_link(forest, scores + r * outputs);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Measures from how many rows on a block pays, on a row of zeros (neither way's time depends on the data). Without the
 * memory for it, row by row it is: correct, only slower. */
void forest_calibrate(Forest *forest) {
  Forest scratch = {0};
  const uint32_t lanes = forest->evaluator->lanes;
  double *rows = forest_memory(&scratch, (size_t)forest->feature_count * lanes, 8);
  double *scores = forest_memory(&scratch, (size_t)forest->output_count * lanes, 8);
  double row_s = 1e9, block_s = 1e9;
  for (int i = 0; i < 9 && rows && scores; i++) {
    const double start = seconds();
    for (int j = 0; j < 4; j++) forest->evaluator->score_row(forest, rows, 1, scores);
    const double middle = seconds();
    score_block(forest, rows, 1, lanes, scores);
    const double end = seconds();
    if ((middle - start) / 4 < row_s) row_s = (middle - start) / 4;
    if (end - middle < block_s) block_s = end - middle;
  }
  forest_free(&scratch);
  const int block_pays = row_s > 0 && block_s < row_s * lanes; /* not for forests of huge trees */
  forest->crossover = block_pays ? (uint32_t)(block_s / row_s) + 1 : BLOCK_ROWS + 1;
}
