/* watch.c: the watch over what an asset sends: whether it is monitored, and by what. One data alert an asset, after
 * ISA-18.2.
 *
 * events of a batch, what the model saw of them -> causes (sensors, regime, clock, silence) -> raised, changed,
 * cleared
 *
 * A cause counts after ON_DELAY readings in a row and is over after OFF_DELAY without any. Silence is time that
 * passes, and time passes as input: an asset is silent once an entry `silent` of its log says that more than its
 * patience has gone by since its newest reading. The alert was raised at that time, whenever it was said, so a replay
 * gives the same one. Nothing is raised within a maintenance window, or of an asset out of service.
 */
#include "watch.h"

#include <string.h>

#include "numbers.h"

enum { ON_DELAY = 2, OFF_DELAY = 10 }; /* readings in a row */
/* readings in a row without a score, and whose regime is concluded from what else is known */
enum { BLANKS = 5, BRIDGES = 5 };
/* a spike adds, a reading without one takes off 1: three spikes within ten readings */
enum { SPIKY = 17, SPIKE_IS = 8 };
/* readings in a row of which a sensor is not told as missing, after which it is there again: three that have it, as it
 * takes two more to tell that it is missing (also of a row that begins anew) */
enum { IS_SENT = 5 };

static uint8_t raised_by(uint8_t count, int more) {
  return (uint8_t)min_count(count + more, 255);
}

static void emit(WatchRow *row, int64_t i, double time, int state, int end, double silent_s, double after_s,
                 DataJournal *journal) {
  DataTransition *one = journal->written + journal->count++;
  memset(one, 0, sizeof *one);
  one->event = i;
  one->time = time;
  one->state = (uint8_t)state;
  one->severity = row->severity;
  one->causes = row->causes;
  one->end = (uint8_t)end;
  one->sequence = row->sequence++;
  one->named = row->named;
  one->raised_at = row->raised_at;
  one->silent_s = silent_s;
  one->usual_s = row->usual_s;
  one->after_s = after_s;
  one->off_s = row->off_s;
}

static void end_alert(WatchRow *row, int64_t i, double time, int end, double silent_s, DataJournal *journal) {
  emit(row, i, time, CLEARED, end, silent_s, 0.0, journal);
  row->severity = row->causes = 0;
  row->named = 0;
  row->bad = row->good = row->spikes = row->clock = 0;
}

/* What is found: causes, sensors, how grave it is; of silence how long it has lasted, and when it counts (s, 0: it is
 * not about that). */
typedef struct {
  int causes, severity;
  uint64_t named;
  double silent_s, after_s;
} Finding;

/* Open the alert, or say what is new of it: a cause, a sensor, a higher severity. */
static void tell(WatchRow *row, int64_t i, double time, Finding found, DataJournal *journal) {
  const int is_new = row->severity == 0;
  const int is_more = (found.causes & ~row->causes) != 0 || (found.named & ~row->named) != 0;
  if (!is_new && !is_more && found.severity <= row->severity) return;
  row->causes |= (uint8_t)found.causes;
  row->named |= found.named;
  row->severity = (uint8_t)max_count(row->severity, found.severity);
  if (is_new) {
    row->sequence = 0;
    row->raised_at = time;
  }
  emit(row, i, time, is_new ? RAISED : CHANGED, 0, found.silent_s, found.after_s, journal);
}

/* Somebody says that the asset is silent at a time: it is told if that is long enough after its newest reading. */
static void note_silence(WatchRow *row, int64_t i, const WatchInput *given, DataJournal *journal) {
  const double time = given->events->time_s[i], lag = row->arrived - row->newest;
  row->claimed = max_of(row->claimed, time);
  const double by_usual = given->patience.intervals * row->usual_s, by_longest = LONGER * row->longest_s;
  const double after = max_of(max_of(by_usual, by_longest), given->patience.least_s);
  const double begin = max_of(row->newest, row->counts_from - lag);
  const int is_due = row->newest > 0 && row->usual_s > 0 && time > begin + after;
  if (!is_due || row->service != 0 || row->causes & SILENCE) return;
  if (is_held(given, i)) row->counts_from = max_of(row->counts_from, time + lag);
  else tell(row, i, begin + after, (Finding){SILENCE, WARNING, 0, time - row->newest, after}, journal);
}

/* The asset was heard again, after so many s. */
static void end_silence(WatchRow *row, int64_t i, double at, double length_s, DataJournal *journal) {
  if (row->causes == SILENCE) {
    end_alert(row, i, at, IS_HERE, length_s, journal);
  } else {
    row->causes &= (uint8_t)~SILENCE;
    emit(row, i, at, CHANGED, 0, 0.0, 0.0, journal);
  }
}

/* A reading is there: it ends the silence, and its distance to the one before is an interval. */
static void arrive(WatchRow *row, int64_t i, const WatchInput *given, DataJournal *journal) {
  const double time = given->events->time_s[i], arrived = arrived_at(given->events, i);
  const double gap = row->newest > 0 ? max_of(time - row->newest, 0.0) : 0.0;
  const double waited = row->arrived > 0 ? arrived - row->arrived : NAN;
  if (row->causes & SILENCE) end_silence(row, i, max_of(time, row->raised_at), waited >= 0 ? waited : gap, journal);
  if (gap > 0 && !given->is_excused[i] && row->counts_from <= row->arrived) learn_interval(row, gap, waited);
  row->newest = given->is_set_back[i] ? time : max_of(row->newest, time);
  if (isnan(arrived)) return;
  row->arrived = max_of(row->arrived, arrived);
  row->off_s = (float)(time - arrived);
}

/* Sensors that are missing and were accepted to be so: no news, until they are sent again. */
static uint64_t accepted_out(WatchRow *row) {
  const int is_sent = (row->accepted & ~row->missing) != 0;
  row->sent = is_sent ? raised_by(row->sent, 1) : 0;
  if (row->sent >= IS_SENT) row->accepted &= row->missing;
  return row->accepted & row->missing;
}

/* One reading, complete: its causes, and what they come to.
 *
 * out: sensors with a fault that lasts, a bit each. bits: IS_POOR, HAS_SPIKE, IS_BLANK. is_quiet: nothing is raised. */
static void judge(WatchRow *row, int64_t i, double time, uint64_t out, int bits, int is_quiet, DataJournal *journal) {
  row->judged_at = time;
  row->waits = 0;
  if (!(bits & IS_BLANK)) out &= ~accepted_out(row);
  row->blanks = bits & IS_BLANK ? raised_by(row->blanks, 1) : 0;
  row->spikes = bits & HAS_SPIKE ? raised_by(row->spikes, SPIKE_IS) : (uint8_t)(max_count(row->spikes, 1) - 1);
  /* they have been counted: there is nothing to wait for */
  const int is_spiky = bits & HAS_SPIKE && row->spikes >= SPIKY;
  int causes = out != 0 || is_spiky ? SENSORS : 0;
  if (row->blanks >= BLANKS || row->bridges >= BRIDGES) causes |= REGIME;
  if (row->clock > 0) {
    causes |= CLOCK;
    row->clock--;
  }
  const int is_grave = row->blanks >= BLANKS || bits & IS_POOR;
  row->bad = causes ? raised_by(row->bad, 1) : 0;
  row->good = causes ? 0 : raised_by(row->good, 1);
  if ((row->bad >= ON_DELAY || is_spiky) && !is_quiet)
    tell(row, i, time, (Finding){causes, is_grave ? WARNING : ADVISORY, out, 0.0, 0.0}, journal);
  else if (row->severity > 0 && row->good >= OFF_DELAY && !(row->causes & SILENCE))
    end_alert(row, i, time, IS_WELL, 0.0, journal);
}

/* Sensors with a fault that lasts, a bit each; one that spikes again and again is one of them. Notes which of them are
 * missing. Is there a spike? */
static uint64_t sensors_out(WatchRow *row, const int8_t *faults, int sensors, int *has_spike) {
  uint64_t out = 0;
  row->missing = 0;
  *has_spike = 0;
  for (int s = 0; s < sensors && s < WATCHED; s++) {
    *has_spike |= faults[s] == SPIKING;
    if (faults[s] > 0 && (faults[s] != SPIKING || row->spikes + SPIKE_IS >= SPIKY)) out |= UINT64_C(1) << s;
    if (faults[s] == MISSING) row->missing |= UINT64_C(1) << s;
  }
  return out;
}

static void wait_with(WatchRow *row, double time, uint64_t out, int bits) {
  row->judged_at = time;
  row->out = out;
  row->waits = (uint8_t)(WAITS + bits);
}

/* A reading with a score, or a part of one: that waits until it is complete, or the next one comes. */
static void score(WatchRow *row, int64_t i, const WatchInput *given, DataJournal *journal) {
  const double time = given->events->time_s[i];
  const int is_complete = given->role[i] == WHOLE || given->role[i] == LAST;
  if (given->is_set_back[i]) {
    row->judged_at = 0.0;
    row->waits = 0;
  }
  if (time < row->judged_at || (time == row->judged_at && row->waits == 0)) return;
  if (time > row->judged_at || row->waits & IS_BLANK) {
    look_at_clock(row, time, arrived_at(given->events, i), given->is_set_back[i]);
    row->bridges = counted(row->bridges, given->is_bridged[i]);
  }
  const int8_t *faults = given->faults + i * given->sensors;
  int has_spike;
  const uint64_t out = sensors_out(row, faults, given->sensors, &has_spike);
  const int bits = (given->quality[i] == POOR ? IS_POOR : 0) + (has_spike ? HAS_SPIKE : 0);
  if (is_complete) judge(row, i, time, out, bits, is_held(given, i), journal);
  else wait_with(row, time, out, bits);
}

/* Into service; until then it was silent for good reason. */
static void come_back(WatchRow *row, double time, double said_at) {
  if (row->service != 0) row->counts_from = max_of(row->counts_from, said_at);
  row->service = 0;
  row->service_at = time;
}

/* A reading or a part of it. */
static void read_one(WatchRow *row, int64_t i, const WatchInput *given, DataJournal *journal) {
  const double time = given->events->time_s[i];
  const int status = given->status[i], is_taken = status == SCORED || status == BLANK;
  const double arrived = arrived_at(given->events, i);
  /* a replacement that was planned has come */
  if (row->service != 0 && is_taken && time > row->service_at) come_back(row, time, isnan(arrived) ? time : arrived);
  arrive(row, i, given, journal);
  if (row->waits > 0 && time > row->judged_at && is_taken)
    judge(row, i, row->judged_at, row->out, row->waits, is_held(given, i), journal);
  if (status == SCORED) score(row, i, given, journal);
  /* one more part may tell more */
  else if (status == BLANK && time > row->judged_at) wait_with(row, time, 0, IS_BLANK);
}

/* An entry of the log that was news. */
static void log_entry(WatchRow *row, int64_t i, const WatchInput *given, DataJournal *journal) {
  const double time = given->events->time_s[i], arrived = arrived_at(given->events, i);
  const double said_at = isnan(arrived) ? time : arrived;
  const int kind = given->events->kind[i], code = given->events->code[i];
  const int is_replaced = kind == REPLACEMENT && code == given->whole && !is_planned(given, i);
  const int is_back = kind == IN_SERVICE || is_replaced;
  if (kind == SILENT) {
    note_silence(row, i, given, journal);
  } else if (kind == ALERT_CLOSED && code == given->whole + 1) {
    if (row->severity == 0 || row->raised_at > time) return;
    row->counts_from = max_of(row->counts_from, said_at);
    row->accepted |= row->named & row->missing;
    end_alert(row, i, time, WAS_CLOSED, 0.0, journal);
  } else if ((kind == OUT_OF_SERVICE || kind == DECOMMISSIONED) && time >= row->service_at) {
    row->service = 1;
    row->service_at = time;
    if (row->severity > 0) end_alert(row, i, max_of(time, row->raised_at), IS_RETIRED, 0.0, journal);
  } else if (is_back && time >= row->service_at) {
    come_back(row, time, said_at);
  }
}

/* A reading that was refused for its time: the asset is there, and its clock is wrong. By the record's time. */
static void hear(WatchRow *row, int64_t i, const WatchInput *given, DataJournal *journal) {
  const double at = arrived_at(given->events, i);
  if (row->causes & SILENCE) end_silence(row, i, max_of(at, row->raised_at), at - row->arrived, journal);
  row->arrived = max_of(row->arrived, at);
  row->off_s = (float)(given->events->time_s[i] - at);
  row->bad = raised_by(row->bad, 1);
  row->good = 0;
  if (row->bad < ON_DELAY) return;
  row->clock = CLOCK_READINGS;
  if (row->service == 0 && !is_held(given, i))
    tell(row, i, max_of(at, row->raised_at), (Finding){CLOCK, WARNING, 0, 0.0, 0.0}, journal);
}

void watch(WatchRow *rows, const WatchInput *given, DataJournal *journal) {
  for (int64_t i = 0; i < given->events->count; i++) {
    WatchRow *row = rows + given->events->slots[i];
    const int kind = given->events->kind[i], status = given->status[i];
    if (kind == AHEAD) hear(row, i, given, journal);
    else if (kind != READING) {
      if (status == LOGGED) log_entry(row, i, given, journal);
    } else if (status != UNMONITORED) {
      read_one(row, i, given, journal);
    }
  }
}
