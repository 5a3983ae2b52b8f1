/* alerts.c: the alert policy: from the scores of a batch to filtered values and the transitions of alerts.
 *
 * raw scores in order -> filter -> levels with on-delay and deadband -> severity -> transitions
 *
 * After ISA-18.2: one open alert per asset and failure mode; it opens when a level was reached for `on_delay` readings
 * in a row, escalates and steps down between severities, and is cleared when every level was left beyond its deadband
 * for `off_delay` readings. A replaced part clears its alert at once, and so does a person who closes it. Within a
 * maintenance window nothing is raised, but everything is counted: what still holds is raised with the first reading
 * after it. A late reading moves nothing, and one that comes in parts is judged once: when it is complete, or with the
 * next one.
 */
#include <string.h>

#include "asset.h"
#include "numbers.h"

static const double LEAST_WAITING = 1e-6; /* units: 0 means that no score waits */

/* Write one transition of the alert as it stands in the row. */
static void emit(const Row *row, const At *at, int state, int reason, double value, double threshold,
                 Journal *journal) {
  const int target = at->target;
  Transition *one = journal->transitions + journal->count++;
  memset(one, 0, sizeof *one);
  one->event = at->event;
  one->target = (int16_t)target;
  one->state = (uint8_t)state;
  one->severity = (uint8_t)severity_of(row, target);
  one->reason = (uint8_t)reason;
  one->alert = row->alert[target];
  one->sequence = row->sequence[target]++;
  one->value = value;
  one->threshold = threshold;
  one->raised_at = row->raised_at[target];
}

static void clear(const Row *row, const At *at, int reason, double value, double threshold, Journal *journal) {
  emit(row, at, CLEARED, reason, value, threshold, journal);
  row->severity[at->target] = 0;
}

static int is_open(const Row *row, const At *at) {
  return row->severity[at->target] > 0;
}

/* Threshold of a severity above 0. */
static double threshold_of(const double *levels, int target, int severity, const Policy *policy) {
  return policy->sign * levels[target * LEVELS + severity - 1];
}

/* Clear an alert for a reason other than a score; it keeps the value that it had before the present time, so that a
 * reading and an entry of the same time may come in either order. */
static void end_alert(const Row *row, const At *at, int reason, const Policy *policy, Journal *journal) {
  const float *steady = at->time == *row->judged_at ? row->steady_before : row->steady;
  const double threshold = threshold_of(policy->on, at->target, severity_of(row, at->target), policy);
  clear(row, at, reason, steady[at->target], threshold, journal);
}

static void begin_delays(const Row *row, int target) {
  memset(row->beyond + target * LEVELS, 0, LEVELS * sizeof *row->beyond);
  memset(row->within + target * LEVELS, 0, LEVELS * sizeof *row->within);
  memset(row->is_active + target * LEVELS, 0, LEVELS);
}

/* A new life: filters and delays start anew. */
static void forget_score(const Row *row, int target) {
  row->is_filtered[target] = 0;
  row->waiting[target] = -1;
  begin_delays(row, target);
}

/* Count the delays of each level; the severity of the highest one that holds, 0: none. */
static int severity_by(const Row *row, const At *at, double steady, const Policy *policy) {
  const double badness = policy->sign * steady;
  int highest = 0;
  for (int level = 0; level < LEVELS; level++) {
    const int place = at->target * LEVELS + level;
    const int64_t on = policy->on_delay[place], off = policy->off_delay[place];
    const int64_t beyond = badness >= policy->on[place] ? min_count(row->beyond[place] + 1, on) : 0;
    const int64_t within = badness < policy->clear[place] ? min_count(row->within[place] + 1, off) : 0;
    row->beyond[place] = (uint16_t)beyond;
    row->within[place] = (uint16_t)within;
    if (row->is_active[place] == 0 && beyond >= on) row->is_active[place] = 1;
    else if (row->is_active[place] == 1 && within >= off) row->is_active[place] = 0;
    if (row->is_active[place] == 1) highest = level + 1;
  }
  return highest;
}

/* Bring the alert to another severity. */
static void move(const Row *row, const At *at, int severity, double value, const Policy *policy, Journal *journal) {
  const int target = at->target, was = severity_of(row, target);
  if (severity > was) {
    const double threshold = threshold_of(policy->on, target, severity, policy);
    row->severity[target] = (uint8_t)severity;
    if (was == 0) {
      row->alert[target]++;
      row->sequence[target] = 0;
      row->raised_at[target] = at->time;
    }
    emit(row, at, was == 0 ? RAISED : CHANGED, was == 0 ? REACHED : ESCALATED, value, threshold, journal);
    return;
  }
  const double threshold = threshold_of(policy->clear, target, was, policy);
  if (severity == 0) {
    clear(row, at, RECOVERED, value, threshold, journal);
  } else {
    row->severity[target] = (uint8_t)severity;
    emit(row, at, CHANGED, STEPPED_DOWN, value, threshold, journal);
  }
}

static void begin_anew(const Row *row, const At *at, const Policy *policy, Journal *journal) {
  if (is_open(row, at)) end_alert(row, at, RENEWED, policy, journal);
  forget_score(row, at->target);
}

/* One score of one target. */
static void judge(const Row *row, const At *at, double raw, double step, int is_renewed, const Policy *policy,
                  Journal *journal) {
  if (is_renewed) begin_anew(row, at, policy, journal);
  const double steady = filter_score(row, at, raw, step, policy, journal);
  const int severity = severity_by(row, at, steady, policy), was = severity_of(row, at->target);
  if (severity > was && at->hold == HELD) {
    journal->is_suppressed[at->event] = 1;
  } else if (severity > was && (at->hold == RENEWED_SOON || at->hold == DOUBTFUL)) {
    return; /* of the old part nothing is raised any more; a sensor in doubt is told, or believed, in a few readings */
  } else if (severity != was) {
    move(row, at, severity, steady, policy, journal);
  }
}

/* Judge the reading that came in parts, of which no other will come. */
static void judge_waiting(const Row *row, const At *at, const Policy *policy, Journal *journal) {
  const double raw = row->waiting[at->target];
  row->waiting[at->target] = -1;
  if (*row->waiting_step > 0 && raw >= 0) judge(row, at, raw, *row->waiting_step, 0, policy, journal);
}

/* One score of a reading or a part of it, in time. */
static void take_score(const Row *row, const At *at, double raw, const Seen *seen, const Policy *policy,
                       Journal *journal) {
  const int role = seen->role[at->event];
  const int is_renewed = seen->is_renewed[at->event * row->sizes->targets + at->target] == 1;
  const double step = seen->step[at->event];
  if ((role == ANOTHER || role == LAST) && !(*row->waiting_step > 0)) {
    tell_score(row, at, raw, 1.0, 1.0, policy, journal);
    return;
  }
  if (role == WHOLE || role == PART) judge_waiting(row, at, policy, journal);
  if (role == WHOLE || role == LAST) {
    row->waiting[at->target] = -1;
    judge(row, at, raw, step, is_renewed, policy, journal);
    return;
  }
  if (is_renewed) begin_anew(row, at, policy, journal);
  row->waiting[at->target] = (float)clip(raw, 0.0, policy->high);
  tell_score(row, at, raw, step, 0.0, policy, journal);
}

/* An entry of the log that was news, about a part; the one after the last is the asset as a whole. */
static void log_entry(const Row *row, const At *at, int kind, int part, const Policy *policy, Journal *journal) {
  const int is_meant = part == at->target || part == policy->parts;
  /* the alert of what was replaced, unless it was raised after that, or the replacement is only planned. Filters begin
   * anew with the first reading after it, which is renewed: readings up to it are of the old part */
  const int was_raised = is_open(row, at) && row->raised_at[at->target] <= at->time;
  if (kind == REPLACEMENT && is_meant) {
    if (was_raised && at->hold != PLANNED) end_alert(row, at, REPLACED, policy, journal);
  } else if (kind == ALERT_CLOSED && is_meant) {
    if (!was_raised) return;
    end_alert(row, at, CLOSED, policy, journal);
    begin_delays(row, at->target); /* what still holds is raised anew */
  } else if (kind == OUT_OF_SERVICE || kind == DECOMMISSIONED) {
    if (is_open(row, at)) end_alert(row, at, kind == DECOMMISSIONED ? RETIRED : STOPPED, policy, journal);
    forget_score(row, at->target);
  }
}

static void decide_one(const Row *row, const At *at, const Events *events, const Seen *seen, double raw,
                       const Policy *policy, Journal *journal) {
  const int64_t i = at->event;
  if (seen->status[i] == SCORED) take_score(row, at, raw, seen, policy, journal);
  else if (seen->status[i] == LATE && seen->regime[i] >= 0)
    tell_score(row, at, raw, 1.0, seen->step[i], policy, journal);
  else if (seen->status[i] == LOGGED)
    log_entry(row, at, events->kind[i], events->code[i] - policy->errors, policy, journal);
}

void decide(const Layout *layout, uint8_t *rows, const Events *events, const Seen *seen, const double *raw,
            const Policy *policy, Journal *journal) {
  const int targets = layout->sizes.targets;
  for (int64_t i = 0; i < events->count; i++) {
    const Row row = row_at(layout, rows + (size_t)events->slots[i] * layout->bytes);
    journal->is_suppressed[i] = 0;
    for (int target = 0; target < targets; target++) {
      const int64_t place = i * targets + target;
      journal->value[place] = NAN;
      const At at = {i, events->time_s[i], target, seen->hold[place]};
      decide_one(&row, &at, events, seen, raw[place], policy, journal);
    }
    if (seen->status[i] != SCORED) continue;
    *row.judged_at = events->time_s[i];
    if (seen->role[i] == WHOLE || seen->role[i] == LAST) *row.waiting_step = 0;
    else if (seen->role[i] == PART) *row.waiting_step = (float)max_of(seen->step[i], LEAST_WAITING);
  }
}
