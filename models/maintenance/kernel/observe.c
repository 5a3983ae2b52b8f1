/* observe.c: from events to feature rows: the pass over the rows of the assets that serving and training share.
 *
 * events in order -> repeated? late? log entry? -> regime -> z -> indexes -> renewed? -> recursions -> feature rows
 *
 * Rules of time. The order of arrival is kept, but event_time decides. A log entry takes effect for readings after its
 * own time, whenever it arrives. A reading older than the asset's newest is late: it is scored from what the row
 * knows, and the row stays as it is (but see clocks.c). Readings of one time are one reading: while it is not
 * complete, its values are held, and every part is scored from a draft of the row with all parts so far; the row
 * itself takes the step once, when a reading of a later time comes. A complete reading steps at once; what follows it
 * at the same time is scored from a draft.
 */
#include <string.h>

#include "asset.h"
#include "numbers.h"

enum { NOT, AS_STEP, AS_FIRST_PART, AS_PART, ASIDE }; /* how a reading is scored: by a step of the row, or of a draft */
enum { DOUBTED_WELL = 10 };               /* readings in a row with a sensor in doubt; alerts wait no longer */
/* a renewal may come before readings that it follows: so far ahead of them it is no plan, where the record's time is
 * not known */
static const double SOON_S = 3600.0;
/* the same, further ahead of the newest reading, where the record's time is not known */
static const double PLAN_S = 14 * 86400.0;

/* One pass: whose row, by what, to where. */
typedef struct {
  const Layout *layout;
  const Events *events;
  const Prepared *prepared;
  Work *work;
  const Seen *seen;
} Pass;

/* Whether the asset's clock was set back: its row then stands at the late reading before this one. */
static int follow(const Row *row, double time, double arrived) {
  const double before = *row->behind_at;
  if (!was_set_back(row, time, arrived)) return 0;
  *row->newest = before;
  *row->stepped_at = min_of(*row->stepped_at, before);
  *row->life_first = min_of(*row->life_first, before);
  *row->parts = 0;
  return 1;
}

/* Whether a reading is looked at (SCORED, LATE) or not; and whether the asset's clock was set back before it. */
static int admit(const Row *row, double time, uint64_t event_id, double arrived, uint8_t *is_set_back) {
  const int is_late = time < *row->newest;
  if (is_repeated(row, event_id, is_late)) {
    ++*row->duplicates;
    return DUPLICATE;
  }
  if (is_out(row, time)) return UNMONITORED;
  *is_set_back = is_late && follow(row, time, arrived);
  if (arrived > *row->arrived) *row->arrived = arrived;
  if (is_late && !*is_set_back) {
    ++*row->late;
    return LATE;
  }
  *row->behind = 0;
  return SCORED;
}

static int is_holding(const Row *row, const Prepared *prepared) {
  return prepared->can_hold && *row->parts > 0;
}

/* How a reading is scored. Of an earlier life nothing is known any more. */
static int way_of(const Row *row, double time, const Prepared *prepared, const Work *work) {
  if (time < *row->newest) return time > *row->renewed_at ? ASIDE : NOT;
  if (time == *row->newest) return is_holding(row, prepared) ? AS_PART : ASIDE;
  if (!prepared->can_hold || is_complete(prepared, work)) return AS_STEP;
  return is_empty(prepared, work) ? NOT : AS_FIRST_PART;
}

/* What a reading came to; returns its status. */
static int settle_reading(const Row *row, double time, int way, int status, int regime) {
  if (status == LATE) return LATE;
  if (regime < 0) return BLANK;
  if (way == AS_STEP) {
    *row->comes_in_parts = 0;
    *row->newest = time;
  } else if (way != ASIDE) {
    *row->comes_in_parts |= IS_SCORED;
  }
  return SCORED;
}

static void load(const Pass *pass, int64_t i) {
  const Prepared *prepared = pass->prepared;
  const Events *events = pass->events;
  load_event(prepared, events->readings + i * prepared->readings, events->variables + i * prepared->variables,
             events->constants + i * prepared->constants, pass->work);
}

/* Step by the values in the work, and note what was seen of it. */
static void step_by(const Pass *pass, int64_t i, const Row *row, double time, float *features, uint8_t *is_renewed) {
  const Prepared *prepared = pass->prepared;
  const Seen *seen = pass->seen;
  const Step step = take_step(row, time, prepared, pass->work, features, is_renewed);
  seen->step[i] = step.units;
  seen->regime[i] = (int16_t)step.regime;
  seen->is_bridged[i] = *row->bridged > 0;
  if (step.regime < 0) return;
  const Memory memory = memory_of(row);
  seen->quality[i] = (int8_t)pass->work->quality;
  for (int s = 0; s < prepared->check.sensors; s++)
    seen->faults[i * prepared->readings + prepared->kept[s]] = (int8_t)memory.fault[s];
}

/* A reading of a later time came: the one that was held makes its step. */
static void step_by_held(const Pass *pass, int64_t i, const Row *row) {
  end_parts(row, pass->prepared, pass->work);
  step_by(pass, i, row, *row->newest, pass->work->features, pass->work->is_renewed);
  load(pass, i);
}

/* One reading; returns its status. There may be two steps: one by a reading that was held, and one by this reading, of
 * the row or of a draft of it. */
static int take_reading(const Pass *pass, int64_t i, const Row *row) {
  const Prepared *prepared = pass->prepared;
  const Seen *seen = pass->seen;
  const double time = pass->events->time_s[i];
  const int status = admit(row, time, pass->events->event_id[i], arrived_at(pass->events, i), seen->is_set_back + i);
  if (status != SCORED && status != LATE) return status;
  load(pass, i);
  const int way = way_of(row, time, prepared, pass->work), targets = prepared->sizes.targets;
  if (is_holding(row, prepared) && (way == AS_STEP || way == AS_FIRST_PART)) step_by_held(pass, i, row);
  if (way != NOT) {
    if (way == AS_FIRST_PART || way == AS_PART) seen->role[i] = (int8_t)add_part(row, time, prepared, pass->work);
    Row target = *row;
    if (way != AS_STEP) {
      memcpy(pass->work->draft, row->bytes, pass->layout->bytes);
      target = row_at(pass->layout, pass->work->draft);
      if (way == ASIDE) *target.stepped_at = time;
    }
    step_by(pass, i, &target, time, seen->features + i * prepared->features, seen->is_renewed + i * targets);
  }
  if (way == ASIDE) {
    seen->role[i] = ANOTHER;
    memset(seen->is_renewed + i * targets, 0, (size_t)targets);
  }
  if (status == LATE) seen->step[i] = (*row->newest - time) / prepared->unit_s;
  return settle_reading(row, time, way, status, seen->regime[i]);
}

/* What the log knows now of a reading's time: the alerts are decided later, when it may know more. */
static void note_holds(const Row *row, double time, double arrived, const Prepared *prepared, uint8_t *hold) {
  const Sizes *sizes = &prepared->sizes;
  for (int place = 0; place < sizes->log; place++) {
    const int part = log_code_at(row, place) - 1 - sizes->errors;
    const double ahead = row->log_time[place] - time;
    const int is_soon = isnan(arrived) ? ahead <= SOON_S : row->log_time[place] <= arrived + CLOCKS_S;
    if (part < 0 || !(ahead >= 0) || !is_soon) continue;
    if (part == sizes->components) memset(hold, RENEWED_SOON, (size_t)sizes->targets);
    else hold[part] = RENEWED_SOON;
  }
  if (is_in_window(row, time)) memset(hold, HELD, (size_t)sizes->targets);
}

/* What is about to be told of a sensor is no news of the machine. */
static void note_doubt(const Row *row, int is_doubtful, uint8_t *hold) {
  *row->doubted = counted(*row->doubted, is_doubtful);
  if (*row->doubted == 0 || *row->doubted > DOUBTED_WELL) return;
  for (int target = 0; target < row->sizes->targets; target++)
    if (hold[target] == 0) hold[target] = DOUBTFUL;
}

/* An entry of what is yet to happen: by the record's time, or where none is known by the asset's readings. */
static int is_planned(const Row *row, double time, double arrived) {
  if (isnan(arrived)) return *row->newest > 0 && time > *row->newest + PLAN_S;
  return time > arrived + CLOCKS_S;
}

static void observe_reading(const Pass *pass, int64_t i, const Row *row, uint8_t *hold) {
  const double time = pass->events->time_s[i];
  const Seen *seen = pass->seen;
  seen->is_excused[i] = (uint8_t)is_excused(row, *row->newest, time);
  seen->status[i] = (int8_t)take_reading(pass, i, row);
  if (seen->status[i] == SCORED) {
    note_holds(row, time, arrived_at(pass->events, i), pass->prepared, hold);
    note_doubt(row, pass->work->is_doubtful, hold);
  } else if (seen->status[i] == BLANK && is_in_window(row, time)) {
    memset(hold, HELD, (size_t)row->sizes->targets);
  }
}

static void observe_entry(const Pass *pass, int64_t i, const Row *row, uint8_t *hold) {
  const Events *events = pass->events;
  const double time = events->time_s[i], arrived = arrived_at(events, i);
  const int kind = events->kind[i];
  const size_t targets = (size_t)row->sizes->targets;
  if (kind == SILENT || kind == AHEAD) { /* nothing for the row to remember */
    pass->seen->status[i] = kind == SILENT ? LOGGED : REFUSED;
    if (is_in_window(row, kind == SILENT ? time : arrived)) memset(hold, HELD, targets);
    return;
  }
  const int is_plan = is_planned(row, time, arrived);
  const int found = write_log(row, time, kind, events->code[i], events->event_id[i], arrived, is_plan);
  *row->duplicates += found == OLD;
  pass->seen->status[i] = found == OLD ? DUPLICATE : found == NEWS ? LOGGED : CROWDED;
  if (found == NEWS && is_plan) memset(hold, PLANNED, targets);
}

void observe(const Layout *layout, uint8_t *rows, const Events *events, const Prepared *prepared, Work *work,
             const Seen *seen) {
  const Pass pass = {layout, events, prepared, work, seen};
  for (int64_t i = 0; i < events->count; i++) {
    const Row row = row_at(layout, rows + (size_t)events->slots[i] * layout->bytes);
    uint8_t *hold = seen->hold + i * layout->sizes.targets;
    seen->regime[i] = -1;
    if (events->kind[i] == READING) observe_reading(&pass, i, &row, hold);
    else observe_entry(&pass, i, &row, hold);
  }
}
