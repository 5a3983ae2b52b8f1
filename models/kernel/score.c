/* score.c: any number of rows, by the cheaper way of the evaluator, then the link. */
#include <math.h>
#include <time.h>

#include "shared.h"

#define CALIBRATION_RUNS 5
#define CALIBRATION_S 100e-6 /* for each way: no more runs after it */
#define WORTH_RELEASING_S \
  20e-6 /* to give the GIL away and take it back costs a few microseconds when others want it \
         */

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

/* How many rows go in blocks: those that fill groups of lanes, and a rest that is not cheaper row by row. */
static size_t rows_in_blocks(const Forest *forest, size_t count) {
  const Evaluator *evaluator = forest->evaluator;
  const size_t rest = count % evaluator->lanes, joins = (count - rest) % evaluator->block_rows;
  if (forest->crossover > evaluator->lanes) return 0;
  return rest >= (joins ? forest->further : forest->crossover) ? count : count - rest;
}

void forest_score(const Job *job, int raw) {
  const Forest *forest = job->forest;
  const Evaluator *evaluator = forest->evaluator;
  const size_t in_blocks = rows_in_blocks(forest, job->count);
  for (size_t done = 0, step; done < in_blocks; done += step) {
    step = in_blocks - done < evaluator->block_rows ? in_blocks - done : evaluator->block_rows;
    const Job part = part_of(job, done, step);
    evaluator->score_block(&part);
  }
  const Job part = part_of(job, in_blocks, job->count - in_blocks);
  if (part.count) evaluator->score_rows(&part);
  if (!raw)
    for (size_t r = 0; r < job->count; r++) apply_link(forest, job->scores + r * forest->output_count);
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The shortest of some runs: rows of zeros do, since neither way's time depends on the data. */
static double shortest(const Job *job, void (*score)(const Job *)) {
  double best = 1e9, spent = 0.0;
  for (int i = 0; i < CALIBRATION_RUNS && (i < 2 || spent < CALIBRATION_S); i++) {
    const double start = seconds();
    score(job);
    const double took = seconds() - start;
    spent += took;
    if (took < best) best = took;
  }
  return best;
}

/* From the seconds of a row, of a group of lanes and of two together. `crossover` is what the caller wants, or 0. */
static void set_thresholds(Forest *forest, uint32_t crossover, double row_s, double lanes_s, double two_s) {
  const uint32_t lanes = forest->evaluator->lanes;
  const double further_s = two_s - lanes_s;
  const int pays = lanes_s < row_s * lanes; /* not for forests of huge trees */
  forest->crossover = crossover ? crossover : pays ? (uint32_t)(lanes_s / row_s) + 1 : lanes + 1;
  forest->further = forest->crossover;
  if (!crossover && further_s < lanes_s) forest->further = further_s < 0 ? 1 : (uint32_t)(further_s / row_s) + 1;
  const double cheapest_s = pays ? lanes_s / lanes : row_s;
  forest->parallel_rows = cheapest_s > WORTH_RELEASING_S ? 1 : (uint32_t)(WORTH_RELEASING_S / cheapest_s) + 1;
}

/* Measures from how many rows on a block pays (unless `crossover` says it), and from how many on it is worth to let
 * other threads run. */
const char *forest_calibrate(Forest *forest, uint32_t crossover) {
  Forest memory = {0};
  const Evaluator *evaluator = forest->evaluator;
  const size_t lanes = evaluator->lanes, most = lanes < evaluator->block_rows ? 2 * lanes : lanes;
  Job job = {.forest = forest, .scratch = scratch_take(forest, 1), .is_double = 1};
  job.rows = forest_memory(&memory, forest->feature_count * most, 8);
  job.scores = forest_memory(&memory, forest->output_count * most, 8);
  const int has_memory = job.scratch && job.rows && job.scores;
  if (has_memory) {
    job.count = ROWS_TOGETHER;
    const double row_s = shortest(&job, evaluator->score_rows) / ROWS_TOGETHER + 1e-9;
    job.count = lanes;
    const double lanes_s = shortest(&job, evaluator->score_block);
    job.count = most;
    const double two_s = most > lanes ? shortest(&job, evaluator->score_block) : 2 * lanes_s;
    set_thresholds(forest, crossover, row_s, lanes_s, two_s);
  }
  if (job.scratch) scratch_give(forest, job.scratch);
  forest_free(&memory);
  CHECK(has_memory, OUT_OF_MEMORY);
  return NULL;
}
