/* hot.c: what is popular, popular just now, continued from other items, and new; computed once in a while.
 *
 * newest clicks of the log (each item once) ─► four small heaps ─► lists, best first
 */
#include <math.h>
#include <string.h>

#include "kernel.h"

enum { LATE_CLICKS = 100 }; /* so many that lie far before the lists compute them: one was from the future */

typedef struct {
  float scores[HOT_LISTS][HOT_LENGTH];
  int32_t items[HOT_LISTS][HOT_LENGTH];
  int64_t counts[HOT_LISTS];
} Heaps;

/* Keep the `capacity` largest scores in a min-heap; of equal ones the earlier stays. Returns the new count. */
int64_t push_top(float *scores, int32_t *items, int64_t count, int64_t capacity, float score, int32_t item) {
  int64_t hole = 0;
  if (count < capacity) {
    for (hole = count; hole > 0 && scores[(hole - 1) >> 1] > score; hole = (hole - 1) >> 1) {
      scores[hole] = scores[(hole - 1) >> 1];
      items[hole] = items[(hole - 1) >> 1];
    }
    count++;
  } else {
    if (score <= scores[0]) return count;
    for (int64_t child; (child = 2 * hole + 1) < count; hole = child) {
      if (child + 1 < count && scores[child + 1] < scores[child]) child++;
      if (scores[child] >= score) break;
      scores[hole] = scores[child];
      items[hole] = items[child];
    }
  }
  scores[hole] = score;
  items[hole] = item;
  return count;
}

/* Insertion sort, stable; the lists are short. */
static void sort_best_first(float *scores, int32_t *items, int64_t count) {
  for (int64_t place = 1; place < count; place++) {
    const float score = scores[place];
    const int32_t item = items[place];
    int64_t hole = place;
    for (; hole > 0 && scores[hole - 1] < score; hole--) {
      scores[hole] = scores[hole - 1];
      items[hole] = items[hole - 1];
    }
    scores[hole] = score;
    items[hole] = item;
  }
}

/* Popularity (columns 0-3) or continued clicks (4, 5) of an item at `time`. */
static float decayed(const View *view, int64_t item, int column, double time) {
  const double rate = view->rates[column < CONTINUED ? column : column - CONTINUED];
  const double passed = elapsed(time, view->items[item].last);
  return view->popularity[item * POPULARITY_COLUMNS + column] * (float)exp(-rate * passed);
}

static void push(Heaps *heaps, int kind, float score, int32_t item) {
  heaps->counts[kind] =
      push_top(heaps->scores[kind], heaps->items[kind], heaps->counts[kind], HOT_LENGTH, score, item);
}

static void push_item(const View *view, Heaps *heaps, int32_t item, double time) {
  const float now = decayed(view, item, 0, time), continued = decayed(view, item, CONTINUED, time);
  push(heaps, 0, decayed(view, item, 1, time), item);
  push(heaps, 1, now, item);
  push(heaps, 2, continued, item);
  if (elapsed(time, view->items[item].first) < view->clock.new_age) push(heaps, 3, continued + 0.05f * now, item);
}

/* Each item of the newest clicks once. */
static void push_clicked(const View *view, Heaps *heaps, double time) {
  const int64_t newest = view->counters[CLICKS], gone = gone_session(view);
  const int64_t oldest = larger_int(0, newest - smaller_int(view->clock.hot_clicks, view->log_length));
  for (int64_t number = newest; number > oldest; number--) {
    const int64_t word = entry_of(view, number)->word;
    if (word >> 5 <= gone) continue;
    const int32_t item = view->session_items[slot_of(view, word >> 5) * SESSION_ITEMS + (word & 31)];
    if (item >= 0 && view->items[item].head == number && may_be_hot(view, item, view->clocks[EVENTS]))
      push_item(view, heaps, item, time);
  }
}

/* Announced items without a click are at the end of the new ones. */
static void push_unclicked(const View *view, Heaps *heaps, double time) {
  for (int64_t place = larger_int(0, view->counters[NEW] - NEW_RING); place < view->counters[NEW]; place++) {
    const int32_t item = view->new_ring[place % NEW_RING];
    if (item < 0 || view->items[item].clicks > 0 || !may_be_hot(view, item, view->clocks[EVENTS])) continue;
    if (elapsed(time, view->items[item].first) < view->clock.new_age) push(heaps, 3, 0.0f, item);
  }
}

void refresh_hot(View *view, double time) {
  Heaps heaps = {0};
  push_clicked(view, &heaps, time);
  push_unclicked(view, &heaps, time);
  for (int kind = 0; kind < HOT_LISTS; kind++) {
    sort_best_first(heaps.scores[kind], heaps.items[kind], heaps.counts[kind]);
    view->hot_length[kind] = heaps.counts[kind];
    memcpy(view->hot + kind * HOT_LENGTH, heaps.items[kind], (size_t)heaps.counts[kind] * sizeof(int32_t));
  }
  view->clocks[HOT_AT] = time;
  view->counters[HOT_CLICKS] = view->counters[CLICKS];
}

/* The clock of the view decides, which a click from the past does not move. */
int are_hot_lists_due(const View *view, double time) {
  const double refresh = view->clock.hot_refresh, at = view->clocks[HOT_AT];
  const int is_late = at - time > refresh && view->counters[CLICKS] - view->counters[HOT_CLICKS] >= LATE_CLICKS;
  return is_late || view->clocks[NOW] - at > refresh;
}
