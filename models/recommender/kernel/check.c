/* check.c: whether the arrays of a view are sound, so that no kernel can leave them or go round in them for ever.
 *
 * They come from a snapshot, or grew in Python. Kernels keep all this up, so it is asked once for each View.
 */
#include "kernel.h"

#define MOST ((int64_t)1 << 56) /* of what is only ever counted */

static int are_between(const int32_t *values, int64_t count, int64_t least, int64_t end) {
  int are = 1;
  for (int64_t n = 0; n < count; n++) are &= values[n] >= least && values[n] < end;
  return are;
}

static int counters_are_sound(const View *view) {
  for (int n = 0; n < COUNTER_COUNT; n++)
    if (view->counters[n] < 0 || view->counters[n] > MOST) return 0;
  return view->counters[ITEMS] <= view->item_room && view->counters[WAITING] <= view->item_room &&
         view->counters[SUMMARIES] <= view->summary_room;
}

static int items_are_sound(const View *view) {
  for (int64_t item = 0; item < view->item_room; item++) {
    const Item *record = view->items + item;
    if (record->head < 0 || record->head > view->counters[CLICKS] || record->clicks < 0) return 0;
  }
  return 1;
}

/* Entries lead to older ones alone, and to places that a session has. */
static int log_is_sound(const View *view) {
  const int64_t newest = view->counters[CLICKS], oldest = larger_int(0, oldest_entry(view));
  for (int64_t number = newest; number > oldest; number--) {
    const LogEntry *entry = entry_of(view, number);
    if (entry->before < 0 || entry->before >= number) return 0;
    if (entry->word < 0 || (entry->word & 31) >= SESSION_ITEMS) return 0;
  }
  return 1;
}

static int sessions_are_sound(const View *view) {
  for (int64_t slot = 0; slot < view->session_room; slot++) {
    const Session *session = view->sessions + slot;
    if (session->number < 0 || session->number > MOST) return 0;
    if (session->length < 0 || session->length > SESSION_ITEMS) return 0;
  }
  return 1;
}

static int actions_are_sound(const View *view) {
  int are = 1;
  for (int64_t n = 0; n < view->session_room * SESSION_ITEMS; n++) are &= view->session_actions[n] < MOST_ACTIONS;
  return are;
}

static int hot_lists_are_sound(const View *view) {
  for (int kind = 0; kind < HOT_LISTS; kind++) {
    const int64_t length = view->hot_length[kind];
    if (length < 0 || length > HOT_LENGTH) return 0;
    if (!are_between(view->hot + kind * HOT_LENGTH, length, 0, view->item_room)) return 0;
  }
  return 1;
}

static int summaries_are_sound(const View *view) {
  for (int64_t place = 0; place < view->counters[SUMMARIES]; place++) {
    const Summary *summary = view->summaries + place;
    if (summary->item < 0 || summary->item > view->item_room) return 0;
    if (summary->count < 0 || summary->count > CO_VISITS) return 0;
    if (summary->dense_at < 0 || summary->dense_at > view->counters[CLICKS]) return 0;
  }
  return 1;
}

static int co_visits_are_sound(const View *view) {
  int are = 1;
  for (int64_t n = 0; n < view->counters[SUMMARIES] * CO_VISITS; n++) {
    const CoVisit *one = view->co_visits + n; /* one that is scattered otherwise is not found, and fills its table */
    are &= one->item >= 0 && one->item < view->item_room && one->scattered == (uint32_t)key_of_item(one->item);
  }
  return are;
}

static int clock_is_sound(const Clock *clock) {
  if (clock->actions < 1 || clock->actions > MOST_ACTIONS || !(clock->fast > 0) || !(clock->slow > 0)) return 0;
  return clock->reads > 0 && clock->window >= 0 && clock->window <= 32;
}

const char *view_wrong(const View *view) {
  const int64_t items = view->item_room;
  if (!clock_is_sound(&view->clock)) return "clock: settings out of bounds";
  if (!counters_are_sound(view)) return "counters: out of bounds";
  if (!items_are_sound(view)) return "items: heads or clicks out of bounds";
  if (!are_between(view->waiting, view->counters[WAITING], 0, items)) return "waiting: rows out of bounds";
  if (!log_is_sound(view)) return "log: entries out of bounds";
  if (!sessions_are_sound(view)) return "sessions: numbers or lengths out of bounds";
  if (!are_between(view->session_items, view->session_room * SESSION_ITEMS, -1, items))
    return "session_items: rows out of bounds";
  if (!actions_are_sound(view)) return "session_actions: out of bounds";
  if (!are_between(view->new_ring, NEW_RING, -1, items)) return "new_ring: rows out of bounds";
  if (!hot_lists_are_sound(view)) return "hot, hot_length: out of bounds";
  if (!table_is_sound(view->session_table, sessions_of(view), view->session_room))
    return "session_table: out of bounds";
  if (!summaries_are_sound(view)) return "summaries: out of bounds";
  if (!co_visits_are_sound(view)) return "co_visits: rows out of bounds";
  if (!table_is_sound(view->item_table, items_of(view), items)) return "item_table: out of bounds";
  return NULL;
}
