/* sensors.c: what each sensor of an asset should say, by what the others say and by what the asset was so far.
 *
 * reading -> modes of the asset by the sensors that are believed -> residuals against the others, and against the past
 *
 * Sensors of a class follow a few modes: z = offset + own offset of the asset + load @ mode + noise, in each regime.
 * An asset that wears moves along the modes, all sensors agree, and no residual grows. A sensor is suspected by the
 * smaller of two residuals, where they have one sign: what it says against what the others say of it now (leave one
 * out), and against what the modes said so far. Twins (two sensors that show one thing) disagree with each other when
 * one of them breaks; only the broken one disagrees with its past as well.
 */
#include "sensors.h"

#include <math.h>

#include "numbers.h"

/* sensors that one reading puts in doubt; of more it is the asset that has changed */
enum { MOST_OUT = 3 };
static const double MOST_STEP = 100.0; /* units of time after which nothing of the past is known any more */

Known known_in(const Check *check, int regime) {
  const int n = check->sensors;
  const double *in = check->regime + (int64_t)regime * REGIME_COLUMNS * n, *of = check->sensor;
  return (Known){
      .sensors = n, .modes = check->modes,
      .mean = in + MEAN * n, .sd = in + SD * n, .offset = in + OFFSET * n, .noise = in + NOISE * n,
      .spread = in + SPREAD * n, .spread_past = in + SPREAD_PAST * n,
      .born = of + BORN * n, .small = of + SMALL * n, .still = of + STILL * n, .same = of + SAME * n,
      .luck = of + LUCK * n, .limit = of + LIMIT * n, .spike = of + SPIKE * n,
      .doubt_run = of + DOUBT_RUN * n, .doubt_cusum = of + DOUBT_CUSUM * n,
      .load = check->load + (int64_t)regime * n * check->modes,
  };
}

Memory memory_at(float *modes, float *sensors, uint8_t *counts, int stride) {
  return (Memory){
      .mode = modes,
      .own = sensors + OWN * stride, .own_slow = sensors + OWN_SLOW * stride, .last = sensors + LAST_SAID * stride,
      .up = sensors + UP * stride, .down = sensors + DOWN * stride,
      .run_still = counts + RUN_STILL * stride, .run_same = counts + RUN_SAME * stride,
      .absent = counts + ABSENT * stride, .strange = counts + STRANGE * stride,
      .converted = counts + CONVERTED * stride, .calm = counts + CALM * stride, .fault = counts + FAULT * stride,
  };
}

void begin_check(const Said *said, const Known *known, const Memory *memory, Checking *of) {
  int present = 0, strange = 0;
  for (int s = 0; s < known->sensors; s++) {
    const double noise = square(known->noise[s]), born = square(known->born[s]);
    of->variance[s] = noise + born * noise / (noise + (double)said->seen * born);
    of->y[s] = NAN;
    of->is_used[s] = 0;
    of->is_out[s] = isnan(said->said[s]);
    if (of->is_out[s] || known->sd[s] < NO_SD) continue;
    present++;
    const double z = (said->said[s] - known->mean[s]) / known->sd[s];
    of->is_out[s] = fabs(z) > BELIEVABLE;
    strange += of->is_out[s];
    of->y[s] = clip(z, -1e6, 1e6) - known->offset[s] - memory->own[s];
    const int fault = memory->fault[s];
    of->is_used[s] = !of->is_out[s] && !is_in_doubt(s, known, memory) && (fault <= MISSING || fault == SPIKING);
  }
  if (3 * strange <= present) return;
  for (int s = 0; s < known->sensors; s++) { /* it is the asset that is strange */
    if (!of->is_out[s] || isnan(said->said[s])) continue;
    of->is_out[s] = 0;
    of->y[s] = clip(of->y[s], -BELIEVABLE, BELIEVABLE);
  }
}

/* State and covariance of the modes by the sensors in use, one after the other (Kalman 1960).
 *
 * From one reading to the next they may change as much as in a life: twins that move together are to be believed. */
static void ask(const Said *said, const Known *known, const Memory *memory, Checking *of) {
  const int modes = known->modes;
  for (int m = 0; m < modes; m++) {
    of->state[m] = memory->mode[m];
    for (int n = 0; n < modes; n++) of->covariance[m][n] = 0.0;
    of->covariance[m][m] = clip(said->step, 1.0, MOST_STEP) + 1.0 / (1.0 + (double)said->seen);
  }
  for (int s = 0; s < known->sensors; s++) {
    if (!of->is_used[s]) continue;
    const double *load = known->load + s * modes;
    double gain[MODES], total = of->variance[s], expected = 0.0;
    for (int m = 0; m < modes; m++) {
      gain[m] = 0.0;
      for (int n = 0; n < modes; n++) gain[m] += of->covariance[m][n] * load[n];
      total += load[m] * gain[m];
      expected += load[m] * of->state[m];
    }
    for (int m = 0; m < modes; m++) {
      of->state[m] += gain[m] * (of->y[s] - expected) / total;
      for (int n = 0; n < modes; n++) of->covariance[m][n] -= gain[m] * gain[n] / total;
    }
  }
}

/* One sensor against the others, and against the past; where it is in use, as if it were not. */
static void compare_one(int s, const Known *known, const Memory *memory, Checking *of) {
  const int modes = known->modes;
  const double *load = known->load + s * modes, variance = of->variance[s];
  double expected = 0.0, shared = 0.0, before = 0.0;
  for (int m = 0; m < modes; m++) {
    expected += load[m] * of->state[m];
    for (int n = 0; n < modes; n++) shared += load[m] * of->covariance[m][n] * load[n];
  }
  double residual = of->y[s] - expected, deviation;
  of->fit[s] = expected;
  if (!of->is_used[s]) {
    deviation = sqrt(variance + shared);
  } else {
    const double rest = max_of(variance - shared, 1e-3 * variance);
    residual = residual * variance / rest;
    deviation = variance / sqrt(rest);
    of->fit[s] = of->y[s] - residual;
  }
  of->deviation[s] = deviation * known->spread[s];
  of->residual[s] = of->apart[s] = of->past[s] = 0.0;
  if (isnan(residual)) return;
  for (int m = 0; m < modes; m++) before += load[m] * memory->mode[m];
  const double apart = residual / of->deviation[s];
  const double past = (of->y[s] - before) / (sqrt(variance) * known->spread_past[s]);
  of->apart[s] = apart;
  of->past[s] = past;
  if (apart * past > 0) of->residual[s] = fabs(apart) < fabs(past) ? apart : past;
}

int settle_check(const Said *said, const Known *known, const Memory *memory, Checking *of) {
  uint64_t taken = 0;
  for (int turn = 0; turn < MOST_OUT + 2; turn++) {
    int worst = -1;
    double most = 0.0;
    ask(said, known, memory, of);
    for (int s = 0; s < known->sensors; s++) {
      compare_one(s, known, memory, of);
      if (of->is_used[s] && fabs(of->residual[s]) > most) {
        worst = s;
        most = fabs(of->residual[s]);
      }
    }
    if (turn > MOST_OUT || most <= DOUBT) return turn > MOST_OUT;
    if (turn < MOST_OUT) {
      of->is_used[worst] = 0;
      taken |= UINT64_C(1) << worst;
    } else {
      for (int s = 0; s < known->sensors; s++) of->is_used[s] |= taken >> s & 1;
    }
  }
  return 1;
}
