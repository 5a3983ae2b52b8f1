/* clicks.c: one click in the arrays of the view, about .4 us.
 *
 * click ─► open_session ─► append: log entry, threaded by item ─► counts ─► decayed popularity, context popularity
 *                                                                   └► summaries of dense items
 */
#include <math.h>

#include "kernel.h"

#define COUNTED_FOR_S 600.0 /* clicks in a row of one user on an item count for so long */

void first_seen(View *view, int64_t item, double time) {
  Item *record = view->items + item;
  record->first = time;
  if (record->clicks == 0) record->last = time; /* else decays go on from the last click */
  view->new_ring[view->counters[NEW]++ % NEW_RING] = (int32_t)item;
}

/* The slot of the session to append to; `continues`: the session had begun before. */
static int64_t open_session(View *view, uint64_t key, int *continues) {
  int64_t slot = table_find(view->session_table, sessions_of(view), key);
  *continues = slot >= 0;
  if (slot >= 0 && view->sessions[slot].length < SESSION_ITEMS) return slot;
  if (slot >= 0) table_remove(view->session_table, sessions_of(view), slot);
  const int64_t number = view->counters[SESSIONS]++;
  slot = slot_of(view, number);
  Session *session = view->sessions + slot;
  if (session->key != 0 && table_find(view->session_table, sessions_of(view), session->key) == slot)
    table_remove(view->session_table, sessions_of(view), slot);
  session->key = key;
  session->number = number;
  session->length = 0;
  table_insert(view->session_table, key, slot);
  return slot;
}

/* Item at the end of the session and of the log. Returns how often the list of the session had it. */
static int append(View *view, int64_t slot, const Click *click, double time) {
  Session *session = view->sessions + slot;
  Item *record = view->items + click->item;
  int32_t *items = view->session_items + slot * SESSION_ITEMS;
  const int64_t position = session->length;
  int times_before = 0;
  for (int64_t earlier = 0; earlier < position; earlier++) times_before += items[earlier] == click->item;
  if (times_before > 0) record->repeats = one_more(record->repeats);
  items[position] = (int32_t)click->item;
  view->session_actions[slot * SESSION_ITEMS + position] = click->action;
  session->length = position + 1;
  session->last = position > 0 ? larger(session->last, time) : time;
  const int64_t entry = ++view->counters[CLICKS];
  *entry_of(view, entry) = (LogEntry){session->number * 32 + position, record->head};
  record->head = entry;
  return times_before;
}

/* Of this user on the item of late, with this one. */
static int clicks_in_a_row(Item *record, uint32_t user, double now) {
  if (record->clicks == 0 || record->clicker != user || now - record->row_since > COUNTED_FOR_S) {
    if (record->clicks > 0 && record->clicker != user) record->has_others = 1;
    record->clicker = user;
    record->row_since = now;
    record->in_a_row = 0;
  }
  return record->in_a_row = one_more(record->in_a_row);
}

/* Decayed clicks per context value, of the item and of all. */
static void count_context(View *view, const Click *click, double time, double passed, float weight) {
  const double rate = view->rates[CONTEXT_HALF_LIFE];
  const float of_item = (float)exp(-rate * passed);
  const double of_all = exp(-rate * elapsed(time, view->clocks[CONTEXT_AT]));
  float *context = view->context + click->item * view->context_values;
  view->clocks[CONTEXT_AT] = larger(view->clocks[CONTEXT_AT], time);
  for (int64_t value = 0; value < view->context_values; value++) {
    context[value] *= of_item;
    view->context_total[value] *= of_all;
  }
  view->clocks[CONTEXT_TOTAL] = view->clocks[CONTEXT_TOTAL] * of_all + (double)weight;
  for (int64_t column = 0; column < click->code_count; column++) {
    const uint8_t value = click->codes[column];
    if (value >= view->context_values) continue;
    context[value] += weight;
    view->context_total[value] += (double)weight;
  }
}

/* The click as popularity of its item. */
static void count_click(View *view, const Click *click, double time, int continues) {
  Item *record = view->items + click->item;
  float *popularity = view->popularity + click->item * POPULARITY_COLUMNS;
  const float weight = view->clock.weights[click->action];
  const double passed = elapsed(time, record->last);
  for (int half_life = 0; half_life < HALF_LIVES; half_life++) {
    const float decay = (float)exp(-view->rates[half_life] * passed);
    popularity[half_life] = popularity[half_life] * decay + weight;
    if (half_life < POPULARITY_COLUMNS - CONTINUED)
      popularity[CONTINUED + half_life] = popularity[CONTINUED + half_life] * decay + (continues ? weight : 0.0f);
  }
  if (view->context_values > 0) count_context(view, click, time, passed, weight);
  record->last = larger(record->last, time);
}

double apply_click(View *view, const Click *click) {
  int continues;
  const int64_t slot = open_session(view, click->session, &continues);
  const double time = view->clock.counts_sessions ? (double)view->counters[SESSIONS] : click->time;
  const int times_before = append(view, slot, click, time);
  Item *record = view->items + click->item;
  if (record->clicks == 0 && record->is_announced == 0) first_seen(view, click->item, time);
  view->clocks[NOW] = larger(view->clocks[NOW], time);
  view->clocks[EVENTS] = larger(view->clocks[EVENTS], click->time);
  const int in_a_row = clicks_in_a_row(record, click->user, view->clocks[EVENTS]);
  record->clicks = one_more(record->clicks);
  summarise_click(view, slot);
  if (!click->is_repeated && in_a_row <= MOST_COUNTED && times_before < MOST_COUNTED)
    count_click(view, click, time, continues);
  return time;
}
