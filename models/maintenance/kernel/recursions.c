/* recursions.c: what an asset's past means for its future: a few decayed sums per channel, O(1) for each reading.
 *
 * channel value, trust, time step -> update_channel -> 19 floats of state -> 18 features
 *
 * A channel is a health index or a normalised sensor. Levels, trends and curvature are exponential smoothings at four
 * speeds (Brown 1959) whose decay follows event time, so lost and irregular readings do not change what a feature
 * means; the change point is a one-sided cusum (Page 1954). A trust of 0 (the channel was not measured) changes nothing
 * but the decay.
 */
#include "recursions.h"

#include "numbers.h"

static const double ALPHAS[SPEEDS] = {0.3, 0.12, 0.05, 0.02}; /* share that one unit of time forgets, fast to slow */
static const double BASELINE_READINGS = 12.0; /* the own baseline is the mean of the first readings of a life */
static const double SLACK = 0.5;              /* allowance of the cusum, in sd of the channel */

/* places in the state of a channel; three numbers a speed come first: level, level of the level, weight so far */
enum { CURVATURE = 12, SPREAD = 14, LIFE_WEIGHT, BASELINE, CUSUM, CHANGED_AT };
enum { LEVEL_LEVEL = 1, WEIGHT = 2 };

void decays(double step, double keep[SPEEDS]) {
  for (int speed = 0; speed < SPEEDS; speed++) keep[speed] = power(1 - ALPHAS[speed], step);
}

/* Levels and trends at each speed: features 0 .. 7. The weights correct the bias of the start. */
static void smooth(float *state, const double *keep, double value, double trust, double *out) {
  for (int speed = 0; speed < SPEEDS; speed++) {
    float *of = state + 3 * speed;
    double gain = trust * (1 - keep[speed]);
    const double weight = keep[speed] * of[WEIGHT] + gain;
    of[WEIGHT] = (float)weight;
    if (weight > 0) gain = gain / weight;
    of[0] = (float)(of[0] + gain * (value - of[0]));
    of[LEVEL_LEVEL] = (float)(of[LEVEL_LEVEL] + gain * (of[0] - of[LEVEL_LEVEL]));
    out[speed] = of[0];
    out[SPEEDS + speed] = (of[0] - of[LEVEL_LEVEL]) * ALPHAS[speed] / (1 - ALPHAS[speed]);
  }
}

/* Gain of what is smoothed along with a speed. */
static double share(const float *state, const double *keep, double trust, int speed) {
  const float weight = state[3 * speed + WEIGHT];
  return weight > 0 ? trust * (1 - keep[speed]) / weight : 0.0;
}

void update_channel(float state[CHANNEL_STATE], const Life *life, const double keep[SPEEDS], Measured measured,
                    double out[FEATURE_COUNT]) {
  const double trust = measured.trust, value = trust <= 0 ? state[0] : measured.value;
  smooth(state, keep, value, trust, out);
  for (int k = 0; k < 2; k++) {
    const double trend = out[SPEEDS + 1 + k];
    float *curvature = state + CURVATURE + k;
    *curvature = (float)(*curvature + share(state, keep, trust, 1 + k) * (trend - *curvature));
    out[8 + k] = trend - *curvature;
  }
  const double level = state[LEVEL], deviation = value - level;
  state[SPREAD] = (float)(state[SPREAD] + share(state, keep, trust, 1) * (deviation * deviation - state[SPREAD]));
  state[LIFE_WEIGHT] = (float)(state[LIFE_WEIGHT] + trust);
  if (life->seen <= BASELINE_READINGS && trust > 0)
    state[BASELINE] = (float)(state[BASELINE] + (value - state[BASELINE]) * trust / state[LIFE_WEIGHT]);
  double cusum = state[CUSUM] + trust * (value - state[BASELINE] - SLACK);
  if (cusum <= 0.0) {
    cusum = 0.0;
    state[CHANGED_AT] = (float)life->age;
  }
  state[CUSUM] = (float)min_of(cusum, CUSUM_MAX);
  const double since = max_of(life->age - state[CHANGED_AT], -1.0); /* a late reading may be older than the change */
  out[10] = sqrtf(state[SPREAD]);
  out[11] = level - state[BASELINE];
  out[12] = value;
  out[13] = state[CUSUM];
  out[14] = since;
  out[15] = state[CUSUM] / (since + 5.0);
  out[16] = out[1] - out[3];
  out[17] = (level - state[BASELINE]) / (life->age + 10.0);
}

void channel_course(int64_t count, const double *value, const double *trust, const double *step, double *out) {
  float state[CHANNEL_STATE] = {0};
  Life life = {0, 1.0};
  for (int64_t i = 0; i < count; i++) {
    double keep[SPEEDS];
    decays(step[i], keep);
    life.seen++;
    if (i) life.age += step[i];
    update_channel(state, &life, keep, (Measured){value[i], trust[i]}, out + i * FEATURE_COUNT);
  }
}
