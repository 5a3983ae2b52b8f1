/* step.c: one step of a row by one reading, and what it comes to as a feature row.
 *
 * values in `Work` -> regime -> z -> renewed? -> spikes, stand-ins, channels -> recursions -> features
 */
#include <stdlib.h>
#include <string.h>

#include "asset.h"
#include "numbers.h"

enum { BRIDGED_WELL = 24 }; /* readings in a row whose regime is concluded; of more the score is poor */
static const double MOST_CONSTANT = 1e30;

/* The parts of the working memory that depend on the class lie behind it in one block. */
Work *work_new(const Prepared *prepared, size_t row_bytes) {
  const size_t sensors = (size_t)prepared->sensors, channels = (size_t)prepared->sizes.channels;
  const size_t values = (size_t)(prepared->readings + prepared->variables + prepared->constants);
  const size_t doubles = values + (size_t)prepared->variables + 2 * sensors + 2 * channels +
                         (size_t)prepared->sizes.codes + WINDOWS * (size_t)prepared->sizes.errors;
  const size_t bytes = sizeof(float) * (size_t)prepared->features + sensors + (size_t)prepared->sizes.targets;
  Work *work = calloc(1, sizeof *work + sizeof(double) * doubles + row_bytes + bytes);
  if (!work) return NULL;
  double *next = (double *)(void *)(work + 1);
  work->readings = next;
  work->variables = work->readings + prepared->readings;
  work->constants = work->variables + prepared->variables;
  work->known = work->constants + prepared->constants;
  work->z = work->known + prepared->variables;
  work->said = work->z + sensors;
  work->index = work->said + sensors;
  work->trust = work->index + channels;
  work->last = work->trust + channels;
  work->counts = (double (*)[WINDOWS])(work->last + prepared->sizes.codes);
  work->draft = (uint8_t *)(work->counts + prepared->sizes.errors);
  work->features = (float *)(void *)(work->draft + row_bytes);
  work->is_present = (uint8_t *)(work->features + prepared->features);
  work->is_renewed = work->is_present + sensors;
  return work;
}

void work_free(Work *work) {
  free(work);
}

static void begin_life(const Row *row, double time) {
  memset(row->channels, 0, sizeof(float) * CHANNEL_STATE * (size_t)row->sizes->channels);
  *row->seen = 0;
  *row->deviating = 0;
  *row->life_first = time;
  forget_sensors(row);
}

static void renew_all(const Row *row, uint8_t *is_renewed) {
  memset(is_renewed, 1, (size_t)row->sizes->targets);
}

/* Which targets the log has renewed since the reading before. */
static void renew_by_log(const Row *row, double time, double whole, const Prepared *prepared, const Work *work,
                         uint8_t *is_renewed) {
  if (whole > *row->renewed_at) {
    *row->renewed_at = whole;
    memset(row->fall, 0, 3 * sizeof(float));
    begin_life(row, time);
    renew_all(row, is_renewed);
  }
  for (int c = 0; c < prepared->sizes.components; c++) {
    const double at = max_of(work->last[prepared->sizes.errors + c], whole);
    if (at > row->applied_at[c]) {
      row->applied_at[c] = at;
      is_renewed[c] = 1;
    }
  }
}

static double age_of(const Row *row, double time, const Prepared *prepared) {
  return max_of((time - *row->life_first) / prepared->unit_s, 0.0) + 1;
}

/* After the channels: age, counts of errors, time since each kind of log entry, constants. */
static void write_features(const Row *row, double time, const Prepared *prepared, const Work *work, float *out) {
  const Sizes *sizes = &prepared->sizes;
  out += sizes->channels * prepared->chosen_count;
  if (prepared->has_age) *out++ = (float)age_of(row, time, prepared);
  for (int error = 0; error < sizes->errors; error++)
    for (int window = 0; window < WINDOWS; window++) *out++ = (float)work->counts[error][window];
  const double whole = work->last[sizes->codes - 1];
  for (int code = 0; code < sizes->codes - 1; code++) {
    const double at = code >= sizes->errors ? max_of(work->last[code], whole) : work->last[code];
    *out++ = (float)(at > 0 ? min_of((time - at) / prepared->unit_s, NEVER) : NEVER);
  }
  for (int constant = 0; constant < prepared->constants; constant++)
    *out++ = (float)clip(work->constants[constant], -MOST_CONSTANT, MOST_CONSTANT);
}

/* What the sensors said, or what stands in for it, is in `z` then; where `is_present` is false it stands in.
 * Returns whether a sensor is in doubt of which no fault is told (yet). */
static int believe(const Row *row, Step step, int present, const Prepared *prepared, Work *work) {
  if (prepared->check.sensors == 0) {
    refuse_spikes(row, prepared, step.regime, present, work);
    stand_in(row, prepared, step.regime, work);
    return 0;
  }
  for (int s = 0; s < prepared->sensors; s++) work->said[s] = work->readings[prepared->kept[s]];
  const Memory memory = memory_of(row);
  const Said said = {step.regime, *row->seen, step.units, work->said};
  const int is_doubtful = check_sensors(&said, &prepared->check, &memory, &work->checking);
  for (int s = 0; s < prepared->sensors; s++) {
    work->z[s] = work->checking.z[s];
    work->is_present[s] = !work->checking.is_out[s];
  }
  return is_doubtful;
}

/* How good the input of the score is. */
static int grade(const Row *row, int regime, const Prepared *prepared, const Work *work) {
  int telling = 0, out = 0;
  for (int s = 0; s < prepared->sensors; s++) {
    if (!(prepared->sd[(int64_t)regime * prepared->sensors + s] >= NO_SD)) continue;
    telling++;
    out += !work->is_present[s];
  }
  if (2 * out > telling || *row->bridged > BRIDGED_WELL) return POOR;
  return out > 0 || *row->bridged > 0 ? DEGRADED : GOOD;
}

static void advance_channels(const Row *row, double units, double time, const Prepared *prepared, Work *work,
                             float *out) {
  if (*row->seen == 0) *row->life_first = time;
  const Life life = {(int64_t)*row->seen + 1, age_of(row, time, prepared)};
  *row->seen = (uint32_t)life.seen;
  decays(units, work->keep);
  for (int k = 0; k < prepared->sizes.channels; k++) {
    const Measured measured = {work->index[k], work->trust[k]};
    update_channel(row->channels + k * CHANNEL_STATE, &life, work->keep, measured, work->found);
    for (int j = 0; j < prepared->chosen_count; j++) *out++ = (float)work->found[prepared->chosen[j]];
  }
}

Step take_step(const Row *row, double time, const Prepared *prepared, Work *work, float *features,
               uint8_t *is_renewed) {
  Step step = {0.0, regime_of(work->variables, prepared)};
  if (step.regime == NOT_TOLD && *row->bridged < BRIDGED) step.regime = bridged_regime(row, prepared, work);
  const int present = step.regime >= 0 ? normalise(prepared, step.regime, work) : 0;
  if (present == 0) return (Step){0.0, -1};
  remember_regime(row, prepared, work->variables);
  renew_by_log(row, time, read_log(row, time, prepared, work), prepared, work, is_renewed);
  step.units = *row->seen > 0 ? (time - *row->stepped_at) / prepared->unit_s : 1.0;
  work->is_doubtful = believe(row, step, present, prepared, work);
  work->quality = grade(row, step.regime, prepared, work);
  project_reading(prepared, step.regime, work);
  const int k = prepared->fall_channel;
  if (k >= 0 && has_fallen(row->fall, (Measured){work->index[k], work->trust[k]}, prepared->fall_limit)) {
    *row->renewed_at = time;
    begin_life(row, time);
    renew_all(row, is_renewed);
    step.units = 1.0;
  }
  advance_channels(row, step.units, time, prepared, work, features);
  write_features(row, time, prepared, work, features);
  *row->stepped_at = time;
  return step;
}
