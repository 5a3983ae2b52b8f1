/* score_filter.c: what is told of an asset follows the forest's word with some delay, by event time.
 *
 * raw score -> value (told), steady (compared with the levels of alerts) -> row, journal
 */
#include "asset.h"
#include "numbers.h"

/* What is known to fall by one per unit of time, pulled towards the forest's word; event time sets the pull. How fast
 * goes by `pull_units`, not by the unit of the class, of which a whole life may be three. */
static double filtered(double before, double raw, double step, double pull, const Policy *policy) {
  const double drift = before < policy->ceiling ? step : 0.0, kept = power(1 - pull, step / policy->pull_units);
  return kept * max_of(before - drift, 0.0) + (1 - kept) * raw;
}

static void note_value(const Row *row, const At *at, double value, Journal *journal) {
  journal->value[at->event * row->sizes->targets + at->target] = value;
}

/* Filter one score; returns what is compared with the levels. */
double filter_score(const Row *row, const At *at, double raw, double step, const Policy *policy, Journal *journal) {
  float *value = row->value + at->target, *steady = row->steady + at->target;
  uint8_t *is_filtered = row->is_filtered + at->target;
  raw = clip(raw, 0.0, policy->high);
  row->steady_before[at->target] = *is_filtered == 1 ? *steady : (float)raw;
  if (*is_filtered == 1) {
    *value = (float)filtered(*value, raw, step, policy->pull, policy);
    *steady = (float)filtered(*steady, raw, step, policy->steady_pull, policy);
  } else {
    *is_filtered = 1;
    *value = *steady = (float)raw;
  }
  note_value(row, at, *value, journal);
  return *steady;
}

/* The filtered value of a score that moves nothing.
 *
 * step: units that the filter would take. gap: units that the reading is older than what the filter knows. */
void tell_score(const Row *row, const At *at, double raw, double step, double gap, const Policy *policy,
                Journal *journal) {
  raw = clip(raw, 0.0, policy->high);
  double value = raw;
  if (row->is_filtered[at->target] == 1) {
    double before = row->value[at->target];
    if (policy->ceiling > -INFINITY) before = min_of(before + gap, policy->high);
    value = filtered(before, raw, step, policy->pull, policy);
  }
  note_value(row, at, value, journal);
}
