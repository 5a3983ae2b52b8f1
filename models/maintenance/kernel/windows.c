/* windows.c: maintenance windows in the row of an asset: any number may overlap or lie ahead, a few are remembered one
 * by one.
 *
 * window_start, window_end -> mark_window (marks in the row) -> is_in_window at a reading's time
 *
 * An end closes the windows of its code that are open at its time. Windows without a code count nested: an end without
 * one closes the latest of them. What cannot be matched so closes the latest that one side has no code for. Marks are
 * kept by their time, so the order in which they arrive does not matter, and one that is repeated changes nothing.
 * Begins are rounded down to a second, ends up.
 *
 * A row has room for 12 marks (6 windows), for a class with errors or components 8. When it is full, windows that are
 * over are forgotten, and what is marked up to their end is taken as known from then on; if none is over, the one
 * furthest ahead is not kept: it can be announced again when it is nearer, and the caller is told.
 * An end for which there is no room ends its window at once.
 */
#include <string.h>

#include "asset.h"
#include "numbers.h"

/* below them 14 bits of the code, or of the id where there is none */
enum { END = WINDOW_IS_END, CODED = WINDOW_HAS_CODE };

static void drop(const Row *row, int place) {
  row->window_time[place] = 0;
  row->window_tag[place] = 0;
}

/* Of a mark in time; begins come before ends. */
static int64_t order_of(const Row *row, int place) {
  return (2 * (int64_t)row->window_time[place] + (row->window_tag[place] >= END)) * MOST_WINDOW_MARKS + place;
}

/* Place of the mark that follows an order; -1: none. */
static int next_mark(const Row *row, int64_t after) {
  int best = -1;
  for (int place = 0; place < row->sizes->marks; place++) {
    const int is_after = row->window_time[place] > 0 && order_of(row, place) > after;
    if (is_after && (best < 0 || order_of(row, place) < order_of(row, best))) best = place;
  }
  return best;
}

/* Of an open window for an end without its code: one without a code first, then the latest. */
static int64_t rank_of(const Row *row, int place) {
  return (int64_t)row->window_time[place] + ((int64_t)(row->window_tag[place] < CODED) << 33);
}

/* Close what an end closes: all of its code, else the latest that has no code, or of any where the end has none. */
static int close_windows(const Row *row, int tag, uint8_t *is_open) {
  int latest = -1, count = 0;
  for (int place = 0; place < row->sizes->marks; place++) {
    if (!is_open[place]) continue;
    const int mine = row->window_tag[place];
    if (mine == tag && tag >= CODED) {
      is_open[place] = 0;
      count++;
    }
    const int is_meant = mine < CODED || tag < CODED;
    if (is_meant && (latest < 0 || rank_of(row, place) > rank_of(row, latest))) latest = place;
  }
  if (count == 0 && latest >= 0) {
    is_open[latest] = 0;
    count = 1;
  }
  return count;
}

/* How many windows are open at a time, and which begins are theirs; the last time at which none was. */
static int open_at(const Row *row, int64_t time, uint8_t *is_open, int64_t *free_since) {
  int count = 0;
  memset(is_open, 0, MOST_WINDOW_MARKS);
  *free_since = 0;
  for (int place = next_mark(row, 0); place >= 0; place = next_mark(row, order_of(row, place))) {
    const int64_t at = row->window_time[place];
    const int tag = row->window_tag[place];
    if (at > time) break;
    if (tag < END) {
      is_open[place] = 1;
      count++;
    } else {
      count -= close_windows(row, tag - END, is_open);
    }
    if (count == 0) *free_since = at;
  }
  return count;
}

/* Forget what is over at a time; returns whether anything was. */
static int make_room(const Row *row, double now) {
  uint8_t is_open[MOST_WINDOW_MARKS];
  int64_t past;
  open_at(row, integer_of(now), is_open, &past);
  if (past == 0) return 0;
  for (int place = 0; place < row->sizes->marks; place++)
    if (row->window_time[place] > 0 && row->window_time[place] <= past) drop(row, place);
  *row->window_past = max_of(*row->window_past, (double)past);
  return 1;
}

/* Place of the begin that lies furthest ahead; -1: there is none. */
static int furthest(const Row *row) {
  int begin = -1;
  for (int place = next_mark(row, 0); place >= 0; place = next_mark(row, order_of(row, place)))
    if (row->window_tag[place] < END) begin = place;
  return begin;
}

/* Place of the end of a window that is not open yet; -1: there is none. */
static int end_of(const Row *row, int begin) {
  int end = -1;
  for (int place = next_mark(row, order_of(row, begin)); place >= 0; place = next_mark(row, order_of(row, place))) {
    const int tag = row->window_tag[place];
    if (tag == row->window_tag[begin] + END) return place;
    if (tag >= END && tag < END + CODED && row->window_tag[begin] < CODED) end = place;
  }
  return end;
}

/* Forget the window furthest ahead, if it begins after a time; returns whether there was one. */
static int forget_furthest(const Row *row, int64_t after) {
  const int begin = furthest(row);
  if (begin < 0 || row->window_time[begin] <= after) return 0;
  const int end = end_of(row, begin);
  drop(row, begin);
  if (end >= 0) drop(row, end);
  return 1;
}

/* Forget the windows that an end closes for which there is no room, if they have begun and their ends are not known:
 * they would stay open for good. Returns how many. */
static int end_at_once(const Row *row, int64_t at, int mark) {
  uint8_t is_open[MOST_WINDOW_MARKS], stays_open[MOST_WINDOW_MARKS];
  int64_t free_since;
  const double begun = min_of(*row->newest, (double)at);
  open_at(row, INT64_MAX, is_open, &free_since);
  for (int place = 0; place < row->sizes->marks; place++) is_open[place] &= row->window_time[place] <= begun;
  memcpy(stays_open, is_open, sizeof is_open);
  const int count = close_windows(row, mark - END, stays_open);
  for (int place = 0; place < row->sizes->marks; place++) {
    if (is_open[place] == stays_open[place]) continue;
    *row->window_past = max_of(*row->window_past, (double)row->window_time[place]); /* its begin may come again */
    drop(row, place);
  }
  return count;
}

/* Forget the begin ahead that belongs to an end for which there is no room: its window would stay open. */
static void forget_begin(const Row *row, int mark) {
  for (int place = 0; place < row->sizes->marks; place++) {
    const int tag = row->window_tag[place];
    const int is_own = tag + END == mark || (tag < CODED && mark < END + CODED);
    if (row->window_time[place] > *row->newest && tag < END && is_own && end_of(row, place) < 0) {
      drop(row, place);
      return;
    }
  }
}

/* Into an empty place; returns whether there was one. */
static int put_mark(const Row *row, int64_t at, int mark) {
  for (int place = 0; place < row->sizes->marks; place++) {
    if (row->window_time[place] == 0) {
      row->window_time[place] = (uint32_t)at;
      row->window_tag[place] = (uint16_t)mark;
      return 1;
    }
  }
  return 0;
}

/* `tag`: 14 bits of the code, 0: none; then the id tells windows apart. `arrived`: the record's time, NaN: not known.
 * FULL: a window that lies furthest ahead, perhaps this one, is not kept. */
int mark_window(const Row *row, double time, int is_end, int64_t tag, uint64_t event_id, double arrived) {
  const int64_t at = integer_of(is_end ? ceil(time) : floor(time));
  if (at <= *row->window_past) return OLD;
  const int64_t identity = tag > 0 ? CODED + tag : (int64_t)(event_id & (CODED - 1));
  const uint16_t mark = (uint16_t)(identity + (is_end ? END : 0));
  for (int place = 0; place < row->sizes->marks; place++)
    if (row->window_time[place] == at && row->window_tag[place] == mark) return OLD;
  if (put_mark(row, at, mark)) return NEWS;
  /* of an asset that paused, what is over before this mark was over before its next reading */
  if (make_room(row, arrived >= time ? max_of(*row->newest, floor(time)) : *row->newest)) {
    put_mark(row, at, mark);
    return NEWS;
  }
  if (forget_furthest(row, at)) put_mark(row, at, mark);
  else if (is_end && end_at_once(row, at, mark)) return NEWS;
  else if (is_end) forget_begin(row, mark);
  return FULL;
}

int is_excused(const Row *row, double since, double time) {
  if (*row->window_past > since) return 1;
  for (int place = 0; place < row->sizes->marks; place++)
    if (since < row->window_time[place] && row->window_time[place] <= time) return 1;
  return is_in_window(row, time);
}

int is_in_window(const Row *row, double time) {
  uint8_t is_open[MOST_WINDOW_MARKS];
  int64_t free_since;
  for (int place = 0; place < row->sizes->marks; place++)
    if (row->window_time[place] > 0) return open_at(row, integer_of(floor(time)), is_open, &free_since) > 0;
  return 0;
}
