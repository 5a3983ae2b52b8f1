/* summaries.c: what dense items were seen with, as sums that are kept up click by click, so that a question need not
 * read thousands of clicks of one item.
 *
 * DENSE clicks on an item in the log ─► begin (from the log) ─► a click adds its pairs with those before it in the list
 *                                                           ─► no more dense, forgotten: the place is free
 *
 * Sums decay forward: a pair weighs the more the later it comes, and all of them are divided by one number when they
 * are read (Cormode et al., Forward decay, ICDE 2009). A reader of the log stops after `reads` occurrences, or where
 * the log or the ring of sessions ends; here a pair wears off by e while as much goes by.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

enum { PLACES = 2 * CO_VISITS };
/* When sums are divided, far from where a float ends: after so many e-folds for all summaries; for one of them */
#define MOST_GROWN 40.0
#define MOST_OWN 1e8

static Table table_of(const View *view, int64_t place) {
  return (Table){view->co_visit_places + place * PLACES, PLACES - 1};
}
static CoVisit *at(const View *view, int64_t place) {
  return view->co_visits + place * CO_VISITS;
}
static Records records_of(const View *view, int64_t place) {
  return (Records){at(view, place), sizeof(CoVisit)};
}

static int is_live(const View *view, const Summary *summary) {
  return summary->item > 0 && view->counters[CLICKS] - summary->dense_at < view->log_length;
}

/* Place of the item's summary, or -1. */
static int64_t place_of(const View *view, int64_t item) {
  const int64_t place = (int64_t)view->summary_of[item] - 1;
  return place >= 0 && is_live(view, view->summaries + place) ? place : -1;
}

const Summary *summary_of(const View *view, int64_t item) {
  const int64_t place = place_of(view, item);
  return place < 0 ? NULL : view->summaries + place;
}

/* How often the log and the ring of sessions have gone by. */
static double worn(const View *view) {
  return (double)view->counters[CLICKS] / (double)view->log_length +
         (double)view->counters[SESSIONS] / (double)view->session_room;
}

/* `passed`: time, in the clock of the profile; `gone_by`: e-folds of what has no decay. */
static Scale scale_of(const Clock *clock, double passed, double gone_by) {
  return (Scale){expf((float)gone_by), expf((float)(gone_by + passed / clock->slow)),
                 expf((float)(gone_by + passed / clock->fast))};
}
static Scale times(Scale scale, double factor) {
  const float by = (float)factor;
  return (Scale){scale.all * by, scale.slow * by, scale.fast * by};
}

/* What the sums of a summary are to be multiplied with at a time in the clock of the profile. */
Scale scale_at(const View *view, const Summary *summary, double time) {
  const double passed = elapsed(time, view->clocks[PAIRS_SINCE]);
  return times(scale_of(&view->clock, -passed, view->clocks[PAIRS_WORN] - worn(view)), 1.0 / summary->grown);
}

static void index_co_visits(const View *view, int64_t place) {
  const Table table = table_of(view, place);
  memset(table.places, 0, PLACES * sizeof *table.places);
  for (int64_t n = 0; n < view->summaries[place].count; n++)
    table_insert(table, key_of_item(at(view, place)[n].item), n);
}

/* Returns whether there was memory for it. */
int index_summaries(View *view) {
  view->summary_of = calloc((size_t)view->item_room, sizeof *view->summary_of);
  view->co_visit_places = calloc((size_t)view->summary_room * PLACES, sizeof *view->co_visit_places);
  if (!view->summary_of || !view->co_visit_places) return 0;
  for (int64_t place = 0; place < view->counters[SUMMARIES]; place++) {
    if (view->summaries[place].item == 0) continue;
    view->summary_of[view->summaries[place].item - 1] = (int32_t)place + 1;
    index_co_visits(view, place);
  }
  return 1;
}

void unindex_summaries(View *view) {
  free(view->summary_of);
  free(view->co_visit_places);
}

/* The half with the most lasting evidence stays, in its order. */
static void prune(const View *view, int64_t place) {
  CoVisit *of = at(view, place);
  float scores[CO_VISITS], values[CO_VISITS];
  for (int n = 0; n < CO_VISITS; n++) scores[n] = of[n].after + of[n].before;
  const float least = threshold(scores, CO_VISITS, CO_VISITS / 2, values);
  int64_t kept = 0, equal = CO_VISITS / 2;
  for (int n = 0; n < CO_VISITS; n++) equal -= scores[n] > least;
  for (int n = 0; n < CO_VISITS && kept < CO_VISITS / 2; n++) /* a NaN has no place in any order */
    if (scores[n] > least || (scores[n] == least && equal-- > 0)) of[kept++] = of[n];
  view->summaries[place].count = kept;
  index_co_visits(view, place);
}

/* The row of an item that the one in question is seen with. */
static CoVisit *co_visit(const View *view, int64_t place, int64_t item) {
  Summary *summary = view->summaries + place;
  const uint64_t key = key_of_item(item);
  const int64_t known = table_find(table_of(view, place), records_of(view, place), key);
  if (known >= 0) return at(view, place) + known;
  if (summary->count == CO_VISITS) prune(view, place);
  CoVisit *added = at(view, place) + summary->count;
  *added = (CoVisit){.scattered = (uint32_t)key, .item = (int32_t)item};
  table_insert(table_of(view, place), key, summary->count++);
  return added;
}

/* `other` lies so many clicks behind the item, and something was done with it. */
static void add_pair(const View *view, int64_t place, int64_t other, int64_t distance, uint8_t action, Scale common) {
  CoVisit *sums = co_visit(view, place, other);
  const Scale scale = times(common, view->summaries[place].grown);
  const float close = 1.0f / (float)(distance > 0 ? distance : -distance);
  const float strength = close * view->clock.weights[action];
  if (distance > 0) sums->after += strength * scale.slow;
  else sums->before += strength * scale.slow;
  sums->recent += (distance > 0 ? strength : 0.5f * strength) * scale.fast;
  sums->next += distance == 1 ? scale.all : 0.0f;
  sums->together += scale.all;
  sums->close += close * scale.all;
}

static void multiply(const View *view, int64_t place, Scale by) {
  CoVisit *of = at(view, place);
  for (int64_t n = 0; n < view->summaries[place].count; n++) {
    of[n].after *= by.slow;
    of[n].before *= by.slow;
    of[n].recent *= by.fast;
    of[n].next *= by.all;
    of[n].together *= by.all;
    of[n].close *= by.all;
  }
}

/* What a pair of this time weighs among the sums of any summary, beside what that has grown. */
static Scale common_scale(View *view, double time) {
  const Clock *clock = &view->clock;
  const double difference = time - view->clocks[PAIRS_SINCE], passed = isfinite(difference) ? difference : 0.0;
  const double forward = larger(passed, 0.0), now = worn(view), gone_by = now - view->clocks[PAIRS_WORN];
  if (gone_by + forward / smaller(clock->fast, clock->slow) <= MOST_GROWN) return scale_of(clock, passed, gone_by);
  for (int64_t place = 0; place < view->counters[SUMMARIES]; place++)
    multiply(view, place, scale_of(clock, -forward, -gone_by));
  view->clocks[PAIRS_SINCE] += forward;
  view->clocks[PAIRS_WORN] = now;
  return scale_of(clock, passed - forward, 0.0);
}

/* One more click on the item: its older pairs weigh less. */
static void grow(const View *view, int64_t place) {
  Summary *summary = view->summaries + place;
  summary->grown *= exp(1.0 / (double)view->clock.reads);
  if (summary->grown < MOST_OWN) return;
  multiply(view, place, times((Scale){1, 1, 1}, 1.0 / summary->grown));
  summary->grown = 1.0;
}

/* The first one that is free; -1: none, which kernels do not leave behind, see SUMMARY_ROOM. */
static int64_t free_place(const View *view) {
  for (int64_t place = 0; place < view->counters[SUMMARIES]; place++)
    if (!is_live(view, view->summaries + place)) return place;
  return view->counters[SUMMARIES] < view->summary_room ? view->counters[SUMMARIES]++ : -1;
}

static void set_free(const View *view, int64_t place) {
  Summary *summary = view->summaries + place;
  if (summary->item > 0 && view->summary_of[summary->item - 1] == place + 1) view->summary_of[summary->item - 1] = 0;
  *summary = (Summary){0};
  index_co_visits(view, place);
}

/* Pairs of one occurrence with all of its list. */
static void add_occurrence(const View *view, int64_t place, int64_t slot, int64_t position, Scale scale) {
  const int32_t *items = view->session_items + slot * SESSION_ITEMS;
  const uint8_t *actions = view->session_actions + slot * SESSION_ITEMS;
  const int64_t end = smaller_int(view->sessions[slot].length, position + view->clock.window + 1);
  for (int64_t other = larger_int(0, position - view->clock.window); other < end; other++)
    if (other != position && items[other] >= 0)
      add_pair(view, place, items[other], other - position, actions[other], scale);
}

/* How many of the newest occurrences of an item are still there, `most` at most; `place`: adds them to a summary. */
static int64_t walk(const View *view, int64_t item, int64_t most, int64_t place) {
  const int64_t newest = view->counters[CLICKS], oldest = oldest_entry(view), gone = gone_session(view);
  int64_t count = 0;
  for (int64_t number = view->items[item].head; number > 0 && number > oldest && count < most; count++) {
    const LogEntry *entry = entry_of(view, number);
    const int64_t session = entry->word >> 5, slot = slot_of(view, session);
    if (session <= gone) break;
    if (place >= 0) {
      const double passed = view->sessions[slot].last - view->clocks[PAIRS_SINCE];
      const double gone_by = (double)(newest - number) / (double)view->log_length +
                             (double)(view->counters[SESSIONS] - session) / (double)view->session_room;
      const double grown = worn(view) - view->clocks[PAIRS_WORN] - gone_by - (double)count / (double)view->clock.reads;
      add_occurrence(view, place, slot, entry->word & 31,
                     scale_of(&view->clock, isfinite(passed) ? passed : 0.0, grown));
    }
    number = entry->before;
  }
  return count;
}

/* If the item is dense: it has a summary from now on, or for longer. Returns whether that was made from the log. */
static int begin_if_dense(View *view, int64_t item) {
  if (walk(view, item, DENSE, -1) < DENSE) return 0;
  int64_t place = place_of(view, item);
  const int is_new = place < 0;
  if (is_new) {
    place = free_place(view);
    if (place < 0) return 0;
    set_free(view, place);
    if (view->summary_of[item]) set_free(view, view->summary_of[item] - 1);
    view->summary_of[item] = (int32_t)place + 1;
    view->summaries[place] = (Summary){.item = item + 1, .grown = 1.0};
    walk(view, item, view->clock.reads, place);
  }
  view->summaries[place].dense_at = view->counters[CLICKS];
  return is_new;
}

/* The newest click of a list: pairs with those before it. */
void summarise_click(View *view, int64_t slot) {
  const int32_t *items = view->session_items + slot * SESSION_ITEMS;
  const uint8_t *actions = view->session_actions + slot * SESSION_ITEMS;
  const int64_t position = view->sessions[slot].length - 1, item = items[position];
  const Scale scale = common_scale(view, view->sessions[slot].last);
  const int has_all = view->items[item].clicks % DENSE == 0 && begin_if_dense(view, item);
  const int64_t own = has_all ? -1 : place_of(view, item);
  if (own >= 0) grow(view, own);
  for (int64_t other = larger_int(0, position - view->clock.window); other < position; other++) {
    if (items[other] < 0) continue;
    if (own >= 0) add_pair(view, own, items[other], other - position, actions[other], scale);
    const int64_t place = has_all && items[other] == item ? -1 : place_of(view, items[other]);
    if (place >= 0) add_pair(view, place, item, position - other, actions[position], scale);
  }
}

/* Of a view that has none. Its pairs weigh 1 at this moment: counted from 1970, or from the first session, those of today
 * would weigh more than a float holds. */
void summarise_log(View *view) {
  view->clocks[PAIRS_SINCE] = isfinite(view->clocks[NOW]) ? view->clocks[NOW] : 0.0;
  view->clocks[PAIRS_WORN] = worn(view);
  for (int64_t item = 0; item < view->counters[ITEMS]; item++)
    if (view->items[item].clicks >= DENSE) begin_if_dense(view, item);
}

/* As if nobody had ever clicked the item. */
void forget_summaries(View *view, int64_t item) {
  if (view->summary_of[item]) set_free(view, view->summary_of[item] - 1);
  for (int64_t place = 0; place < view->counters[SUMMARIES]; place++) {
    const Table table = table_of(view, place);
    const Records records = records_of(view, place);
    const int64_t row = table_find(table, records, key_of_item(item));
    if (row < 0) continue;
    CoVisit *of = at(view, place);
    const int64_t last = --view->summaries[place].count;
    table_remove(table, records, row);
    if (row == last) continue;
    table_remove(table, records, last);
    of[row] = of[last];
    table_insert(table, key_of_item(of[row].item), row);
  }
}

/* Rows of items have changed; -1: the item is no more. The index is left as it was: the view is made anew. */
void renumber_summaries(View *view, const int32_t *row_now) {
  for (int64_t place = 0; place < view->counters[SUMMARIES]; place++) {
    Summary *summary = view->summaries + place;
    CoVisit *of = at(view, place);
    const int64_t count = summary->count;
    summary->item = summary->item > 0 ? row_now[summary->item - 1] + 1 : 0;
    summary->count = 0;
    for (int64_t n = 0; n < count && summary->item > 0; n++) {
      const int32_t item = row_now[of[n].item];
      if (item < 0) continue;
      of[summary->count] = of[n];
      of[summary->count].item = item;
      of[summary->count++].scattered = (uint32_t)key_of_item(item);
    }
    if (summary->item == 0) *summary = (Summary){0};
  }
}
