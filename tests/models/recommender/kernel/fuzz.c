/* fuzz.c: tables, users, clicks, item changes and questions at random, under the sanitizers of the compiler.
 *
 * All arrays lie in memory of exactly their size, so that a read beyond them is found. The view is small, so that rings
 * wrap; now and then its arrays are damaged, and either refused by view_wrong or survived. Arguments: rounds, seed.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "feature_table.h"

enum { ITEM_ROOM = 600, SESSION_ROOM = 128, LOG = 1024, CONTEXT_VALUES = 5, ASKED_CODES = 2, CONTEXT = 1 };
enum { DENSE_ITEMS = 2, SUMMARY_ROOM = 2 * LOG / DENSE, CHANGES = 1500, USERS = 8, EVENTS_KEPT = 16 };
static uint64_t state;
static long dense; /* views that had summaries */

static uint64_t next_random(void) { /* xorshift */
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static int64_t below(int64_t limit) {
  return (int64_t)(next_random() % (uint64_t)limit);
}

static void *zeros(size_t count, size_t size) {
  void *memory = calloc(count, size);
  if (!memory) abort();
  return memory;
}

/* ---- tables, against a plain list */
static void try_tables(void) {
  enum { ROWS = 50, PLACES = 128 };
  uint64_t *keys = zeros(ROWS, sizeof *keys);
  const Table table = {zeros(PLACES, sizeof(int32_t)), PLACES - 1};
  const Records records = {keys, sizeof *keys};
  int is_in[ROWS] = {0}, count = 0;
  for (int turn = 0; turn < 400; turn++) {
    const int64_t row = below(ROWS), probe = below(ROWS);
    if (is_in[row]) table_remove(table, records, row);
    else table_insert(table, keys[row] = (uint64_t)(below(1 << 20) * PLACES + below(4) + (row << 40)), row);
    count += is_in[row] ? -1 : 1;
    is_in[row] = !is_in[row];
    if (table_find(table, records, keys[probe]) != (is_in[probe] ? probe : -1)) abort();
    int used = 0;
    for (int place = 0; place < PLACES; place++) used += table.places[place] != 0;
    if (used != count || !table_is_sound(table, records, ROWS)) abort();
  }
  free(keys);
  free(table.places);
}

/* ---- the view */
static View new_view(void) {
  View view = {.items = zeros(ITEM_ROOM, sizeof(Item)),
               .popularity = zeros(ITEM_ROOM * POPULARITY_COLUMNS, sizeof(float)),
               .context = zeros(ITEM_ROOM * CONTEXT_VALUES, sizeof(float)),
               .waiting = zeros(ITEM_ROOM, sizeof(int32_t)),
               .context_total = zeros(CONTEXT_VALUES, sizeof(double)),
               .log = zeros(LOG, sizeof(LogEntry)),
               .sessions = zeros(SESSION_ROOM, sizeof(Session)),
               .session_items = zeros(SESSION_ROOM * SESSION_ITEMS, sizeof(int32_t)),
               .session_actions = zeros(SESSION_ROOM * SESSION_ITEMS, 1),
               .new_ring = zeros(NEW_RING, sizeof(int32_t)),
               .hot = zeros(HOT_LISTS * HOT_LENGTH, sizeof(int32_t)),
               .hot_length = zeros(HOT_LISTS, sizeof(int64_t)),
               .counters = zeros(COUNTER_COUNT, sizeof(int64_t)),
               .clocks = zeros(CLOCK_COUNT, sizeof(double)),
               .rates = zeros(HALF_LIVES, sizeof(double)),
               .summaries = zeros(SUMMARY_ROOM, sizeof(Summary)),
               .co_visits = zeros(SUMMARY_ROOM * CO_VISITS, sizeof(CoVisit)),
               .item_table = {zeros(2048, sizeof(int32_t)), 2047},
               .session_table = {zeros(4 * SESSION_ROOM, sizeof(int32_t)), 4 * SESSION_ROOM - 1},
               .item_room = ITEM_ROOM,
               .context_values = CONTEXT_VALUES,
               .log_length = LOG,
               .session_room = SESSION_ROOM,
               .summary_room = SUMMARY_ROOM,
               .clock = {.hot_refresh = 50, .new_age = 400, .hot_clicks = 100, .actions = 5, .fast = 40, .slow = 400,
                         .reads = 1 + below(300), .window = 1 + below(32)}};
  view.clock.counts_sessions = below(2);
  view.clock.hides_unknown = below(2);
  for (int n = 0; n < 5; n++) view.clock.weights[n] = (float)(1 + n);
  for (int n = 0; n < HALF_LIVES; n++) view.rates[n] = 0.1 / (1 + n);
  view.counters[SHOWS_UNKNOWN] = below(2);
  view.clocks[HOT_AT] = -1e18;
  view.clocks[RELEASE_AT] = INFINITY;
  if (!index_summaries(&view)) abort();
  return view;
}

static void free_view(View *view) {
  void *const arrays[] = {view->items,    view->popularity,    view->context,         view->waiting,
                          view->log,      view->context_total, view->sessions,        view->session_items,
                          view->new_ring, view->hot,           view->session_actions, view->hot_length,
                          view->counters, view->clocks,        view->rates,           view->item_table.places,
                          view->session_table.places, view->summaries, view->co_visits};
  for (size_t n = 0; n < sizeof arrays / sizeof *arrays; n++) free(arrays[n]);
  unindex_summaries(view);
}

static double any_time(double now) {
  static const double odd[] = {0, -1e9, 1e18, INFINITY, NAN, -INFINITY};
  return below(300) ? now + (double)below(60) - 20 : odd[below(6)];
}

/* The row of a key, known or new, often one of a few; without room (its counter was damaged) another one. */
static int64_t any_item(View *view) {
  const uint64_t key = 1 + (uint64_t)below(below(2) ? DENSE_ITEMS : ITEM_ROOM) * 256;
  int64_t row, added;
  const int64_t new_items = register_items(view, &key, 1, &row, &added);
  if (new_items < 0) return below(ITEM_ROOM);
  view->counters[ITEMS] += new_items;
  return row;
}

static void change(View *view, double now) {
  const uint8_t codes[ASKED_CODES] = {(uint8_t)below(CONTEXT_VALUES + 1), 255}, is_repeated = !below(20);
  const uint8_t action = (uint8_t)below(5), is_available = (uint8_t)below(3), is_removed = !below(30);
  const int64_t item = any_item(view), offset = below(3);
  const uint64_t session = 1 + (uint64_t)below(90) * 256;
  const uint32_t user = (uint32_t)below(6);
  const double time = any_time(now), published = below(2) ? KEPT : any_time(now + 30);
  if (below(8)) {
    const Clicks clicks = {&offset, &item, &session, &time, codes, &is_repeated, &action, &user, 1, ASKED_CODES};
    if (apply_clicks(view, 0, &clicks) != (offset > 0)) abort();
  } else {
    const ItemChanges changes = {&offset, &item, &time, &published, &is_available, &is_removed, 1};
    if (apply_items(view, 0, &changes) != (offset > 0)) abort();
  }
}

static Settings any_settings(void) {
  Settings settings = {.reads = 1 + below(40), .all_reads = 1 + below(200), .prefix_items = 1 + below(20),
                       .window = 1 + below(32), .neighbours = 1 + below(30), .second_order_items = below(5),
                       .second_order_reads = 1 + below(9), .max_candidates = below(60), .min_candidates = below(40),
                       .own_items = below(2), .hot_items = below(30), .new_items = below(30), .age_decay = .6,
                       .fast = 90, .slow = 900, .neighbour_recency = 900, .neighbour_recency_short = 90,
                       .prefix_decay = 3, .prefix_decay_short = 1.5, .distance_decay = 3, .distance_decay_short = 1.5};
  for (int n = 0; n < QUOTAS; n++) settings.quotas[n] = below(12);
  for (int n = 0; n < MOST_ACTIONS; n++) settings.weights[n] = 1.0f + (float)n;
  return settings;
}

static void rank(const Found *found, int64_t total) {
  uint64_t *keys = zeros((size_t)total, sizeof *keys);
  const Ranked ranked = {keys, found->rows, found->counts, found->chosen, 1, found->width};
  const double weights[4] = {1, .5, .25, .1};
  double *scores = zeros((size_t)total, sizeof *scores), top_scores[3];
  int64_t top[3];
  hand_weighted(&ranked, weights, scores);
  choose_best(&ranked, scores, .5, 100, 3, top, top_scores);
  for (int64_t n = 0; n < total && n < 3; n++)
    if (top[n] < 0 || top[n] >= total) abort();
  free(keys);
  free(scores);
}

/* `other`: another scratch, whose questions have other numbers; the answer is the same. */
static void ask(const View *view, Scratch *scratch, Scratch *other, double now) {
  const Settings settings = any_settings();
  uint64_t prefix[PREFIX], session = 1 + (uint64_t)below(90) * 256;
  uint32_t turned_down[TURNED_DOWN] = {(uint32_t)below(2)};
  const uint8_t codes[ASKED_CODES] = {(uint8_t)below(CONTEXT_VALUES + 1), 255};
  const float context[CONTEXT] = {NAN};
  const int64_t length = below(PREFIX + 1), width = feature_count(view, ASKED_CODES, CONTEXT);
  const int32_t given[2] = {(int32_t)below(ITEM_ROOM), (int32_t)below(ITEM_ROOM)};
  const double time = any_time(now), then = any_time(now);
  for (int n = 0; n < PREFIX; n++) prefix[n] = 1 + (uint64_t)below(ITEM_ROOM + 20) * 256;
  const Questions questions = {prefix,  &session,    &length, &time,       &then,  codes,
                               context, turned_down, 1,       ASKED_CODES, CONTEXT};
  int64_t counts, chosen, met;
  const int64_t room = settings.max_candidates + 2;
  int32_t *items = zeros((size_t)room, sizeof *items);
  float *rows = zeros((size_t)(room * width), sizeof *rows);
  const Found found = {items, rows, &counts, &chosen, &met, room, width};
  const int64_t total = build_rows(view, &settings, scratch, &questions, given, 2, &found);
  if (total > room || total != counts || chosen > settings.max_candidates) abort();
  Found again = found;
  again.items = zeros((size_t)room, sizeof(int32_t));
  again.rows = zeros((size_t)(room * width), sizeof(float));
  if (build_rows(view, &settings, other, &questions, given, 2, &again) != total) abort();
  if (memcmp(found.items, again.items, (size_t)total * sizeof(int32_t))) abort();
  if (memcmp(found.rows, again.rows, (size_t)(total * width) * sizeof(float))) abort();
  rank(&found, total);
  free(items);
  free(rows);
  free(again.items);
  free(again.rows);
  int64_t shown[HOT_LENGTH];
  shown_once(view, scratch, view->hot, view->hot_length[0], now, shown);
}

/* Bytes that are not as the kernels leave them; a view is asked for nothing then, unless it seems sound. */
static void damage(View *view) {
  struct {
    void *at;
    size_t bytes;
  } const parts[] = {{view->items, ITEM_ROOM * sizeof(Item)},
                     {view->log, LOG * sizeof(LogEntry)},
                     {view->sessions, SESSION_ROOM * sizeof(Session)},
                     {view->session_items, SESSION_ROOM * SESSION_ITEMS * sizeof(int32_t)},
                     {view->session_actions, SESSION_ROOM * SESSION_ITEMS},
                     {view->waiting, ITEM_ROOM * sizeof(int32_t)},
                     {view->new_ring, NEW_RING * sizeof(int32_t)},
                     {view->hot, HOT_LISTS * HOT_LENGTH * sizeof(int32_t)},
                     {view->hot_length, HOT_LISTS * sizeof(int64_t)},
                     {view->counters, COUNTER_COUNT * sizeof(int64_t)},
                     {view->clocks, CLOCK_COUNT * sizeof(double)},
                     {view->summaries, SUMMARY_ROOM * sizeof(Summary)},
                     {view->co_visits, 3 * CO_VISITS * sizeof(CoVisit)},
                     {view->session_table.places, 4 * SESSION_ROOM * sizeof(int32_t)}};
  for (int64_t changes = 1 + below(4); changes > 0; changes--) {
    const int64_t which = below(sizeof parts / sizeof *parts);
    uint8_t *byte = (uint8_t *)parts[which].at + below((int64_t)parts[which].bytes);
    *byte = below(2) ? (uint8_t)below(24) : (uint8_t)next_random();
  }
}

/* As if the view had forgotten all rows behind some one. */
static void renumber(View *view) {
  int32_t *row_now = zeros(ITEM_ROOM, sizeof *row_now);
  const int64_t shift = below(3), end = below(ITEM_ROOM);
  for (int64_t row = 0; row < ITEM_ROOM; row++) row_now[row] = row < shift || row > end ? -1 : (int32_t)(row - shift);
  renumber_summaries(view, row_now);
  unindex_summaries(view);
  if (!index_summaries(view) || view_wrong(view)) abort();
  free(row_now);
}

/* Returns whether it was still sound after the damage. */
static int live(int is_damaged) {
  View view = new_view();
  double now = 1000;
  for (int n = 0; n < CHANGES; n++) change(&view, now += (double)below(4));
  if (view_wrong(&view)) abort();
  if (is_damaged) damage(&view);
  else dense += view.counters[SUMMARIES] > 0;
  const int is_sound = !view_wrong(&view);
  if (is_sound) {
    unindex_summaries(&view);
    if (!index_summaries(&view)) abort();
    if (!below(4)) renumber(&view);
    Scratch *scratch = scratch_new(&view), *other = scratch_new(&view);
    if (!scratch || !other) abort();
    other->query = 0xFFF0; /* soon the numbers of its questions begin again */
    for (int n = 0; n < 40; n++) {
      ask(&view, scratch, other, now);
      change(&view, now += (double)below(4));
    }
    scratch_free(scratch);
    scratch_free(other);
  }
  free_view(&view);
  return is_sound;
}

/* ---- users and repeats */
static void step(void) {
  User *users = zeros(USERS, sizeof *users);
  uint64_t *ring = zeros(EVENTS_KEPT, sizeof *ring);
  const Table table = {zeros(4 * EVENTS_KEPT, sizeof(int32_t)), 4 * EVENTS_KEPT - 1};
  int64_t until = 0;
  for (int turn = 0; turn < 300; turn++) {
    const uint64_t event = (uint64_t)below(120), user = (uint64_t)below(USERS);
    const uint64_t session = (uint64_t)below(3), item = next_random() >> 58;
    const uint8_t action = below(8) ? (uint8_t)below(5) : TURN_DOWN;
    const double time = any_time((double)turn * 300);
    uint8_t is_accepted = 0, is_repeated = 0, is_click = 0, is_known = 0;
    uint64_t prefix[PREFIX] = {0}, key = 0;
    int64_t length = 0;
    double when = 0;
    uint32_t turned_down[TURNED_DOWN] = {0};
    const Moves moves = {&event, &user, &session, &item, &time, &action};
    const Steps steps = {&is_accepted, &is_repeated, &is_click, prefix, &key, &length, &when, turned_down};
    advance_user(users + user, &moves, 0, 1800, &steps);
    until = take_repeats(ring, table, until, &user, &event, 1, &is_known);
    if (length > PREFIX || (is_click && prefix[length - 1] != item)) abort();
  }
  free(users);
  free(ring);
  free(table.places);
}

int main(int count, char **arguments) {
  const long rounds = count > 1 ? atol(arguments[1]) : 100;
  long sound = 0;
  state = count > 2 ? strtoull(arguments[2], NULL, 10) | 1 : 1;
  for (long i = 0; i < rounds; i++) {
    try_tables();
    step();
    live(0);
    sound += live(1);
  }
  printf("%ld of %ld damaged views were sound, %ld had summaries\n", sound, rounds, dense);
  return sound == 0 || sound == rounds || dense < rounds / 2;
}
