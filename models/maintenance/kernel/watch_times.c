/* watch_times.c: how often an asset is heard, and whether its clock is right: by the times of its readings and of
 * their records.
 *
 * two readings -> pace, usual and longest interval of late; a reading and its record -> is the clock told of?
 *
 * The record's time is the broker's. An asset's own clock may be wrong, so its intervals are those of the records; but
 * of history that is replayed they say nothing, so there they are those of the readings.
 */
#include "numbers.h"
#include "watch.h"

/* the usual interval follows each interval by this factor at most: it is about their median */
static const double USUAL_MOVES = 1.1;
static const double LONGEST_FALLS = 1.0 / 64.0; /* of the time that passes, is taken off the longest interval of late */
static const double MOST_STRETCH = 64.0;        /* of it by one gap */
static const double PACE_INTERVALS = 16.0;      /* of the longest of late, after which the pace is known */
static const double MOST_PACE = 1e6;

/* From a reading and the one before: by their records, unless those come at another pace than the readings.
 *
 * gap: s between their times, above 0. waited: s between their records, NaN: not known. */
void learn_interval(WatchRow *row, double gap, double waited) {
  const double longest = row->longest_s, usual = row->usual_s;
  if (!isnan(waited)) {
    const double share = longest > 0 ? min_of(gap / (PACE_INTERVALS * longest), 1.0) : 1.0;
    row->pace = (float)(row->pace + share * (min_of(max_of(waited, 0.0) / gap, MOST_PACE) - row->pace));
  }
  double interval = waited >= 0 && row->pace >= LIVE_PACE ? waited : gap;
  if (interval <= 0) return;
  if (usual > 0) interval = min_of(interval, MOST_STRETCH * max_of(usual, longest));
  row->longest_s = (float)max_of(interval, longest - LONGEST_FALLS * interval);
  row->usual_s = (float)(usual > 0 ? usual * clip(interval / usual, 1 / USUAL_MOVES, USUAL_MOVES) : interval);
}

/* A clock is wrong that is ahead of the record, or that was set back to far behind it and stays there. */
void look_at_clock(WatchRow *row, double time, double arrived, int is_set_back) {
  if (is_set_back) {
    row->wrong_s = (float)max_of(arrived - time, 0.0);
    if (!(row->wrong_s > CLOCK_WRONG_S)) row->wrong_s = 0; /* before, it was ahead */
  } else if (arrived - time < row->wrong_s / 2.0) {
    row->wrong_s = 0;
  }
  if (is_set_back) row->clock = CLOCK_READINGS;
  else if (row->wrong_s > 0 || time - arrived > CLOCK_WRONG_S) /* not where it is NaN */
    row->clock = row->bad > 0 ? CLOCK_READINGS : 1;            /* one reading may be a slip */
}
