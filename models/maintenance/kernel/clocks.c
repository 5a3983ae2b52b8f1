/* clocks.c: whose clock is wrong: a late reading is an upload of old data, or the asset's clock was set back and is
 * followed.
 *
 * late reading, its record's time -> one of a run that rises and keeps its distance to the records? -> follow
 *
 * The record's time is the broker's (LogAppendTime). A device that goes on measuring under a clock that was set back
 * sends readings as fast as its event times advance: their distance to the record's time stays. Old data that is
 * uploaded rises too, but faster than the records' time, or between live readings, which end the run. Three in a row
 * are followed when the newest reading lies ahead of the present record (so its clock was wrong), otherwise five over
 * eight seconds. Records that a producer sent together have one record time and count as one reading, as do parts of
 * one time. Where record times are not known, or fall (producers' own clocks), nothing is followed.
 */
#include "asset.h"
#include "numbers.h"

enum { FEW = 3, SOME = 5 }; /* readings in a row */
static const double SPAN_S = 8.0;
static const double DRIFT_S = 2.0, DRIFT = 0.1; /* that the distance may change, and the same as a share of the span */

int was_set_back(const Row *row, double time, double arrived) {
  if (isnan(arrived) || arrived < *row->arrived) {
    *row->behind = 0;
    return 0;
  }
  const int is_together = arrived == *row->arrived && time >= *row->behind_at;
  if (*row->behind > 0 && (is_together || time == *row->behind_at)) return 0;
  const double lag = arrived - time, advance = time - *row->behind_at, span = *row->behind_span + advance;
  const int is_next = *row->behind > 0 && advance > 0 && fabs(lag - *row->behind_lag) <= DRIFT_S + DRIFT * span;
  if (is_next) {
    *row->behind = counted(*row->behind, 1);
    *row->behind_span = (float)span;
    if ((*row->behind >= FEW && *row->newest > arrived) || (*row->behind >= SOME && span >= SPAN_S)) return 1;
  } else {
    *row->behind = 1;
    *row->behind_lag = lag;
    *row->behind_span = 0;
  }
  *row->behind_at = time;
  return 0;
}
