/* items.c: the life of an item: announced, waiting until it is published, new, removed, its id used for another one.
 *
 * item change ─► change_item ─┬─► wait ─► (clock of the view reaches published_at) release ─► new
 *                             └─► forget_item (removed, or back after that)
 *
 * Whether an item may be in a list is asked here by all lists, at the time of the question: `published_at` is compared
 * with the newest event time, whatever clock the profile has.
 */
#include <math.h>
#include <string.h>

#include "kernel.h"

/* Available and published at `now`, epoch seconds; and told of, unless that is not asked for. */
int may_be_shown(const View *view, int64_t item, double now) {
  const Item *record = view->items + item;
  const int is_known = record->is_told != 0 || view->counters[SHOWS_UNKNOWN] != 0;
  return record->is_available != 0 && record->published <= now && is_known;
}

/* May be shown to people who have nothing to do with it: not what one visitor alone clicks again and again. */
int may_be_hot(const View *view, int64_t item, double now) {
  const Item *record = view->items + item;
  const int is_of_one = record->is_announced == 0 && record->has_others == 0 && record->clicks > MOST_COUNTED;
  return may_be_shown(view, item, now) && !is_of_one;
}

static double profile_time(const View *view, double event_time) {
  return view->clock.counts_sessions ? (double)view->counters[SESSIONS] : event_time;
}

static void wait(View *view, int64_t item) {
  Item *record = view->items + item;
  if (record->clicks == 0 && record->is_announced == 0) /* or it would be the first to be forgotten */
    record->first = record->last = profile_time(view, view->clocks[EVENTS]);
  if (record->is_waiting || view->counters[WAITING] >= view->item_room) return;
  record->is_waiting = 1;
  view->waiting[view->counters[WAITING]++] = (int32_t)item;
}

/* New from now on, or as soon as it is published. */
static void announce(View *view, int64_t item, double time) {
  Item *record = view->items + item;
  if (record->is_available == 0) return;
  if (record->published > view->clocks[EVENTS]) {
    wait(view, item);
  } else if (record->is_announced == 0 && record->clicks == 0) {
    const double first = 0.0 < record->published && record->published < time ? record->published : time;
    first_seen(view, item, profile_time(view, first));
  }
  record->is_announced = 1;
}

static void forget_hot(View *view, int64_t item) {
  for (int place = 0; place < NEW_RING; place++)
    if (view->new_ring[place] == item) view->new_ring[place] = -1;
  for (int kind = 0; kind < HOT_LISTS; kind++) {
    int32_t *hot = view->hot + kind * HOT_LENGTH;
    int64_t kept = 0;
    for (int64_t place = 0; place < view->hot_length[kind]; place++)
      if (hot[place] != item) hot[kept++] = hot[place];
    view->hot_length[kind] = kept;
  }
}

/* As if nobody had ever clicked it. The row stays: who clicks what is removed must not bring it back. */
static void forget_item(View *view, int64_t item) {
  Item *record = view->items + item;
  const int64_t oldest = oldest_entry(view), gone = gone_session(view);
  const int was_clicked = record->clicks > 0;
  for (int64_t number = record->head; number > 0 && number > oldest;) {
    const LogEntry *entry = entry_of(view, number);
    const int64_t session = entry->word >> 5, position = entry->word & 31;
    number = entry->before;
    if (session > gone) view->session_items[slot_of(view, session) * SESSION_ITEMS + position] = -1;
  }
  memset(view->popularity + item * POPULARITY_COLUMNS, 0, POPULARITY_COLUMNS * sizeof(float));
  if (view->context_values)
    memset(view->context + item * view->context_values, 0, (size_t)view->context_values * sizeof(float));
  record->head = 0;
  record->clicks = record->repeats = record->is_announced = record->has_others = 0;
  record->first = record->last = profile_time(view, view->clocks[EVENTS]);
  forget_hot(view, item);
  if (was_clicked) forget_summaries(view, item);
}

/* Removed, or back after that: what was known of the id was known of another item. */
static void begin_anew(View *view, int64_t item, int is_available) {
  Item *record = view->items + item;
  forget_item(view, item);
  record->is_removed = 1 - is_available;
  record->is_available = is_available;
  record->published = record->available_at = record->published_at = 0.0;
}

/* Those that are newer than what is known. */
static void take_words(Item *record, const ItemChange *change) {
  if (change->is_available != KEPT && change->time >= record->available_at) {
    record->is_available = change->is_available;
    record->available_at = change->time;
  }
  if (change->published != KEPT && change->time >= record->published_at) {
    record->published = isnan(change->published) ? 0.0 : change->published;
    record->published_at = change->time;
  }
}

/* What the shop said of an item; of each thing the word with the newest event time counts, whenever it came.
 * A removal has no event time of its own: nothing that was said before it arrived is newer. */
void change_item(View *view, const ItemChange *change) {
  Item *record = view->items + change->item;
  view->clocks[EVENTS] = larger(view->clocks[EVENTS], change->time);
  record->is_told = 1;
  if (view->clock.hides_unknown) view->counters[SHOWS_UNKNOWN] = 0;
  if (change->is_removed) {
    record->removed_at = larger(change->time, larger(record->available_at, record->published_at));
    begin_anew(view, change->item, 0);
  } else if (change->time >= record->removed_at) {
    if (record->is_removed) begin_anew(view, change->item, 1);
    take_words(record, change);
    announce(view, change->item, change->time);
  }
  if (record->is_waiting) view->clocks[RELEASE_AT] = smaller(view->clocks[RELEASE_AT], record->published);
}

/* Waiting items whose time has come, RELEASE_AT being it, are new from now on. One pass over those that wait. */
void release(View *view) {
  const double now = view->clocks[EVENTS];
  const int64_t waiting = view->counters[WAITING];
  int64_t kept = 0;
  view->clocks[RELEASE_AT] = INFINITY;
  for (int64_t place = 0; place < waiting; place++) {
    const int32_t item = view->waiting[place];
    Item *record = view->items + item;
    if (record->published > now) {
      view->waiting[kept++] = item;
      view->clocks[RELEASE_AT] = smaller(view->clocks[RELEASE_AT], record->published);
      continue;
    }
    record->is_waiting = 0;
    const double since = record->published > 0 ? record->published : now;
    if (record->is_available) first_seen(view, item, profile_time(view, since));
    else record->is_announced = 0; /* it is new when it becomes available */
  }
  view->counters[WAITING] = kept;
  view->clocks[HOT_AT] = -1e18; /* the next click computes the lists */
}
