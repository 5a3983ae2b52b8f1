/* channels.c: from one reading to the values of the channels.
 *
 * regime -> z -> refuse spikes -> stand in for what is missing -> channels and their trust -> has the asset been
 * renewed?
 */
#include "asset.h"
#include "numbers.h"

static const double A_SPIKE = 6.0;    /* noise sd by which one reading of a sensor is too far off to be believed */
enum { SPIKE_FROM = 4 };              /* readings of a life before it can be told */
enum { GUARDED = 64 };                /* sensors */
static const double FALL_SLACK = 0.5; /* of the renewal rule, in sd of the index */
static const double FALL_STEP = 3.0;  /* one reading counts as a fall of so many sd at most */
static const double FALL_SPEED = 0.12;

/* Nearest centroid; where there is more than one, NOT_TOLD when a variable is missing, and NOT_TRAINED when it is out of
 * the reach of them all: what is normal is not known then. */
int regime_of(const double *variables, const Prepared *prepared) {
  if (prepared->regimes == 1) return 0;
  int best = NOT_TRAINED;
  double least = INFINITY;
  for (int regime = 0; regime < prepared->regimes; regime++) {
    const double *centroid = prepared->centroids + regime * prepared->variables;
    double distance = 0.0;
    for (int variable = 0; variable < prepared->variables; variable++) {
      const double scaled = (variables[variable] - prepared->centre[variable]) / prepared->scale[variable];
      if (isnan(scaled)) return NOT_TOLD;
      distance += square(clip(scaled, -1e6, 1e6) - centroid[variable]);
    }
    if (distance < least) {
      best = regime;
      least = distance;
    }
  }
  return best >= 0 && least <= square(prepared->reach[best]) ? best : NOT_TRAINED;
}

/* z that a sensor should show at the levels that the channels have now. */
static double expected_z(const Row *row, const Prepared *prepared, int regime, int s) {
  const int64_t place = (int64_t)regime * prepared->sensors + s;
  const double *load = prepared->expected_load + place * prepared->sizes.channels;
  double z = prepared->expected_offset[place];
  for (int k = 0; k < prepared->sizes.channels; k++) z += load[k] * row->channels[k * CHANNEL_STATE + LEVEL];
  return clip(z, -CLIP, CLIP);
}

static double z_of(const Prepared *prepared, int regime, int s, const double *readings) {
  const int64_t place = (int64_t)regime * prepared->sensors + s;
  return (readings[prepared->kept[s]] - prepared->mean[place]) / prepared->sd[place];
}

static int tells(const Prepared *prepared, int regime, int s) {
  return prepared->sd[(int64_t)regime * prepared->sensors + s] >= NO_SD;
}

/* z of the sensors that said something; returns how many did.
 *
 * What a few say that is beyond belief is taken as not said. When most are, it is the asset that is strange. */
int normalise(const Prepared *prepared, int regime, Work *work) {
  int present = 0, strange = 0;
  for (int s = 0; s < prepared->sensors; s++) {
    work->is_present[s] = !isnan(work->readings[prepared->kept[s]]);
    work->z[s] = 0.0;
    present += work->is_present[s];
    if (!work->is_present[s] || !tells(prepared, regime, s)) continue;
    const double z = z_of(prepared, regime, s, work->readings);
    strange += fabs(z) > BELIEVABLE;
    work->z[s] = clip(z, -CLIP, CLIP);
  }
  if (strange == 0 || 3 * strange > present) return present;
  for (int s = 0; s < prepared->sensors; s++)
    if (work->is_present[s] && fabs(work->z[s]) == CLIP)
      work->is_present[s] = fabs(z_of(prepared, regime, s, work->readings)) <= BELIEVABLE;
  return present - strange;
}

/* The regime in which the sensors show what is expected at the levels of the channels; -1: too few are there. */
static int likeliest(const Row *row, const Prepared *prepared, const double *readings) {
  int best = -1;
  double least = INFINITY;
  for (int regime = 0; regime < prepared->regimes; regime++) {
    double total = 0.0;
    int count = 0;
    for (int s = 0; s < prepared->sensors; s++) {
      const int64_t place = (int64_t)regime * prepared->sensors + s;
      if (isnan(readings[prepared->kept[s]]) || !tells(prepared, regime, s)) continue;
      const double z = clip(z_of(prepared, regime, s, readings), -CLIP, CLIP);
      const double off = (z - expected_z(row, prepared, regime, s)) / max_of(prepared->noise[place], 0.1);
      total += min_of(off * off, 100.0) + 2 * log(prepared->sd[place]);
      count++;
    }
    if (2 * count > prepared->sensors && total < least) {
      best = regime;
      least = total;
    }
  }
  return best;
}

/* The regime of a reading without the variables that tell it: that which fits the sensors best, or the last known. */
int bridged_regime(const Row *row, const Prepared *prepared, Work *work) {
  const int regime = *row->seen > 0 ? likeliest(row, prepared, work->readings) : -1;
  if (regime >= 0 || *row->knows_variables != 1) return regime;
  for (int variable = 0; variable < prepared->variables; variable++) {
    const double value = work->variables[variable];
    work->known[variable] = isnan(value) ? row->variables[variable] : value;
  }
  return regime_of(work->known, prepared);
}

/* Keep what was told, for readings that do not tell it. */
void remember_regime(const Row *row, const Prepared *prepared, const double *variables) {
  if (prepared->regimes == 1) return;
  int missing = 0;
  for (int variable = 0; variable < prepared->variables; variable++) {
    if (isnan(variables[variable])) missing++;
    else row->variables[variable] = (float)variables[variable];
  }
  if (missing == 0) {
    *row->knows_variables = 1;
    *row->bridged = 0;
  } else {
    *row->bridged = (uint16_t)min_count(*row->bridged + 1, BRIDGED);
  }
}

/* A sensor that is far off while most others are not is taken as missing; when it stays off it is believed. */
void refuse_spikes(const Row *row, const Prepared *prepared, int regime, int present, Work *work) {
  if (*row->seen < SPIKE_FROM) return;
  const int guarded = prepared->sensors < GUARDED ? prepared->sensors : GUARDED;
  const uint64_t was = *row->deviating;
  uint64_t now = 0;
  int count = 0;
  for (int s = 0; s < guarded; s++) {
    const double off = fabs(work->z[s] - expected_z(row, prepared, regime, s));
    if (work->is_present[s] && off > A_SPIKE * prepared->noise[(int64_t)regime * prepared->sensors + s]) {
      now |= UINT64_C(1) << s;
      count++;
    }
  }
  *row->deviating = now;
  if (3 * count > present) return;
  for (int s = 0; s < guarded; s++)
    if ((now & ~was) >> s & 1) work->is_present[s] = 0;
}

void stand_in(const Row *row, const Prepared *prepared, int regime, Work *work) {
  for (int s = 0; s < prepared->sensors; s++)
    if (!work->is_present[s]) work->z[s] = expected_z(row, prepared, regime, s);
}

/* Values of the channels; their trust falls by the share of the weights whose sensors are missing. */
void project_reading(const Prepared *prepared, int regime, Work *work) {
  for (int k = 0; k < prepared->sizes.channels; k++) {
    const int64_t place = (int64_t)regime * prepared->sizes.channels + k;
    const double *weights = prepared->weights + place * prepared->sensors;
    double value = prepared->bias[place], total = 0.0, present = 0.0;
    for (int s = 0; s < prepared->sensors; s++) {
      const double weight = weights[s];
      value += weight * work->z[s];
      total += weight * weight;
      if (work->is_present[s]) present += weight * weight;
    }
    work->index[k] = value;
    work->trust[k] = prepared->trust[place] * (total > 0 ? present / total : 0.0);
  }
}

/* The renewal rule: a cusum of the index falling below its own level, which waits while a fall is in doubt. `fall` is
 * level, weight and cusum. */
int has_fallen(float fall[3], Measured measured, double limit) {
  const double value = measured.value, trust = measured.trust;
  if (fall[1] > 1.0) fall[2] = (float)max_of(0.0, fall[2] + trust * (min_of(fall[0] - value, FALL_STEP) - FALL_SLACK));
  const int is_over = fall[2] > limit;
  if (is_over) fall[0] = fall[1] = fall[2] = 0;
  if (trust > 0 && (fall[2] == 0.0 || fall[1] < 1.0)) {
    const double gain = FALL_SPEED * trust;
    fall[1] = (float)(fall[1] > 1.0 ? (1 - FALL_SPEED) * fall[1] + gain : fall[1] + gain);
    fall[0] = (float)(fall[0] + gain / max_of(fall[1], gain) * (value - fall[0]));
  }
  return is_over;
}

/* The cusum of the renewal rule along past lives. */
void fall_course(int64_t count, const uint8_t *is_first, const double *value, const double *trust, double limit,
                 double *course) {
  float fall[3] = {0};
  for (int64_t i = 0; i < count; i++) {
    if (is_first[i]) fall[0] = fall[1] = fall[2] = 0;
    has_fallen(fall, (Measured){value[i], trust[i]}, limit);
    course[i] = fall[2];
  }
}
