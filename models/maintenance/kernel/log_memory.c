/* log_memory.c: what a row remembers of its asset's events: ids of readings, renewals and errors, windows, whether it
 * is in service.
 *
 * log entry -> write_log (a small log in the row) -> read_log at a reading's time -> last of each kind, counts of
 * errors
 *
 * Entries count for readings after their own time only, so the order in which they arrive does not matter, and the log
 * is a memory by identity: an entry that is in it, or older than all that is in it, changes nothing when it comes
 * again. Readings and entries are remembered apart. The last four readings are remembered whole. A late reading is
 * compared with 16 bits of the ids of the last 24 to 128 (what the row has room for; 104 for nine sensors that wear as
 * a whole), so one in 500 to 2,700 that was never seen is taken for a repeat.
 */
#include <string.h>

#include "asset.h"
#include "numbers.h"

const double WINDOW_UNITS[WINDOWS] = {24.0, 72.0, 168.0};

int is_repeated(const Row *row, uint64_t event_id, int is_late) {
  const int recent = row->sizes->recent;
  for (int place = 0; place < REMEMBERED_IDS; place++)
    if (row->ids[place] == event_id) return 1;
  const uint16_t low = (uint16_t)event_id, mark = low ? low : 1;
  for (int place = 0; is_late && place < recent; place++)
    if (row->recent[place] == mark) return 1;
  const int id_place = *row->id_place % REMEMBERED_IDS, recent_place = *row->recent_place % recent;
  row->ids[id_place] = event_id;
  *row->id_place = (uint8_t)((id_place + 1) % REMEMBERED_IDS);
  row->recent[recent_place] = mark;
  *row->recent_place = (uint8_t)((recent_place + 1) % recent);
  return 0;
}

/* Remembers the id of a log entry otherwise; for those that are not in the log itself.
 *
 * Of entries about service at one time the later applied one counts, and a person's word ends the alert of its time
 * alone: there only the id tells one that comes again. */
static int is_repeated_entry(const Row *row, uint64_t event_id, int is_kept_longer) {
  const uint32_t mark = (uint32_t)event_id;
  for (int place = 0; place < SERVICE_IDS + OTHER_IDS; place++)
    if (mark != 0 && row->log_ids[place] == mark) return 1;
  if (is_kept_longer) {
    const int place = *row->log_id_place % SERVICE_IDS;
    row->log_ids[place] = mark;
    *row->log_id_place = (uint8_t)((place + 1) % SERVICE_IDS);
  } else {
    row->log_ids[SERVICE_IDS] = mark;
  }
  return 0;
}

static void settle_entry(const Row *row, int code, double time) {
  row->log_settled[code] = max_of(row->log_settled[code], time);
}

/* Put an entry into the log; the oldest one leaves when it is full. Returns whether it was news. */
static int remember(const Row *row, double time, int code, uint8_t tag) {
  int oldest = 0, is_full = 1;
  for (int place = 0; place < row->sizes->log; place++) {
    const int at = log_code_at(row, place);
    if (at == 0) {
      if (is_full) oldest = place;
      is_full = 0;
    } else if (row->log_time[place] == time && at == code + 1 && row->log_tag[place] == tag) {
      return 0;
    } else if (is_full && row->log_time[place] < row->log_time[oldest]) {
      oldest = place;
    }
  }
  if (is_full) {
    const double leaving = row->log_time[oldest];
    if (time <= leaving) {
      const int is_news = time > row->log_settled[code];
      settle_entry(row, code, time);
      return is_news;
    }
    settle_entry(row, log_code_at(row, oldest) - 1, leaving);
  }
  row->log_code[oldest] = (uint8_t)(code + 1);
  row->log_time[oldest] = time;
  row->log_tag[oldest] = tag;
  return 1;
}

/* Out of service or into it; returns whether it was news. */
static int serve(const Row *row, double time, int service) {
  if (time < *row->service_at || (time == *row->service_at && service == *row->service)) return 0;
  *row->service_at = time;
  *row->service = (uint8_t)service;
  return 1;
}

/* What entries about service make of it; -1: it is none. */
static int service_after(int kind) {
  return kind == OUT_OF_SERVICE ? 1 : kind == IN_SERVICE ? 0 : kind == DECOMMISSIONED ? 2 : -1;
}

/* In service by a replacement of the whole asset after what its service is by now, and before a time; returns whether
 * there is one. */
static int is_back(const Row *row, double time) {
  double latest = 0;
  for (int place = 0; place < row->sizes->log; place++) {
    const double at = row->log_time[place];
    if (log_code_at(row, place) == row->sizes->codes && at < time) latest = max_of(latest, at);
  }
  return latest > *row->service_at && serve(row, latest, 0);
}

int is_out(const Row *row, double time) {
  if (*row->service == 0 || time <= *row->service_at) return 0;
  return !is_back(row, time);
}

/* An entry about service. The state of what is decommissioned is freed at once: whether it is back is looked up now. */
static int write_service(const Row *row, double time, int service, uint64_t event_id) {
  if (is_repeated_entry(row, event_id, 1) || !serve(row, time, service)) return OLD;
  if (service == 2) is_back(row, INFINITY);
  return NEWS;
}

/* `arrived`: the record's time, NaN: not known. `is_planned`: it is yet to happen, so a replacement does not bring the
 * asset into service yet: see is_out. */
int write_log(const Row *row, double time, int kind, int code, uint64_t event_id, double arrived, int is_planned) {
  const int whole = row->sizes->codes - 1, service = service_after(kind);
  if (kind == WINDOW_START || kind == WINDOW_END)
    return mark_window(row, time, kind == WINDOW_END, code, event_id, arrived);
  if (kind == ALERT_CLOSED) return is_repeated_entry(row, event_id, 1) ? OLD : NEWS;
  if (service >= 0) return write_service(row, time, service, event_id);
  if (code < 0 || code > whole || kind == MAINTENANCE) return is_repeated_entry(row, event_id, 0) ? OLD : NEWS;
  const int is_news = remember(row, time, code, (uint8_t)(event_id >> 32));
  if (is_news && kind == REPLACEMENT && code == whole && *row->service != 0 && !is_planned) serve(row, time, 0);
  return is_news ? NEWS : OLD;
}

static void count_errors(const Row *row, double time, const Prepared *prepared, Work *work) {
  const double whole = work->last[prepared->sizes.codes - 1];
  memset(work->counts, 0, sizeof *work->counts * (size_t)prepared->sizes.errors);
  for (int place = 0; place < row->sizes->log; place++) {
    const int code = log_code_at(row, place);
    const double at = row->log_time[place];
    if (code == 0 || code > prepared->sizes.errors || !(whole < at && at < time)) continue;
    for (int window = 0; window < WINDOWS; window++)
      if (time - at <= WINDOW_UNITS[window] * prepared->unit_s) work->counts[code - 1][window]++;
  }
}

double read_log(const Row *row, double time, const Prepared *prepared, Work *work) {
  const int codes = prepared->sizes.codes;
  for (int code = 0; code < codes; code++) {
    const double settled = row->log_settled[code];
    work->last[code] = settled < time ? settled : 0.0;
  }
  for (int place = 0; place < row->sizes->log; place++) {
    const int code = log_code_at(row, place);
    const double at = row->log_time[place];
    if (code != 0 && at < time) work->last[code - 1] = max_of(work->last[code - 1], at);
  }
  count_errors(row, time, prepared, work);
  return work->last[codes - 1];
}
