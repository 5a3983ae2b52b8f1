/* candidates.c: the items that are worth a score, chosen from the evidence by quotas, then from the hot lists.
 *
 * evidence ─► own items in or out ─► best of each generator ─► hot and new items ─► rows in the catalogue
 */
#include <string.h>

#include "question.h"

const int GENERATORS[QUOTAS] = {NEIGHBOURS, NEIGHBOURS_RECENT, NEIGHBOURS_AFTER, AFTER,    COSINE,
                                AFTER_LAST, RECENT,            TOGETHER_LAST,    DIRECTED, SECOND_ORDER};
enum { FURTHER_ROWS = HOT_LISTS * HOT_LENGTH + PREFIX }; /* items that `choose` may be the first to touch */

/* May be shown, and to this user. */
static int may_be_recommended(const View *view, int64_t item, const Query *query) {
  if (!may_be_shown(view, item, query->now)) return 0;
  const uint32_t half = (uint32_t)(view->items[item].key >> 32);
  for (int place = 0; place < TURNED_DOWN && query->turned_down[place] != 0; place++)
    if (query->turned_down[place] == half) return 0;
  return 1;
}

/* Add the item to the chosen ones, if it may be and is not yet. */
static void take(const View *view, Scratch *scratch, int64_t item, const Query *query, Chosen *chosen) {
  const int64_t row = row_of(scratch, item);
  if (row == NO_ROOM || scratch->chosen[row] || chosen->count == chosen->room) return;
  if (!may_be_recommended(view, item, query)) return;
  scratch->chosen[row] = 1;
  chosen->items[chosen->count++] = (int32_t)item;
}

/* The session's own items are the first candidates, newest first, or none at all. */
static void settle_own_items(const View *view, const Settings *settings, Scratch *scratch, const Query *query,
                             Chosen *chosen) {
  for (int64_t age = 0; age < query->length; age++) {
    const int64_t item = query->prefix[query->length - 1 - age];
    if (item < 0) continue;
    if (settings->own_items) take(view, scratch, item, query, chosen);
    else scratch->chosen[row_of(scratch, item)] = 1;
  }
}

/* The evidence by generator, (QUOTAS, rows): each column is looked at several times. */
static void transpose(Scratch *scratch) {
  for (int64_t row = 0; row < scratch->rows; row++)
    for (int generator = 0; generator < QUOTAS; generator++)
      scratch->columns[generator * scratch->rows + row] = scratch->evidence[row][GENERATORS[generator]];
}

/* The best of each generator that no earlier one chose. */
static void choose_by_evidence(const View *view, const Settings *settings, Scratch *scratch, const Query *query,
                               Chosen *chosen) {
  float *best = scratch->top_scores;
  const int64_t rows = scratch->rows;
  transpose(scratch);
  for (int generator = 0; generator < QUOTAS; generator++) {
    const int64_t quota = smaller_int(settings->quotas[generator], settings->max_candidates - chosen->count);
    const float *column = scratch->columns + generator * rows;
    int64_t found = 0;
    if (quota <= 0) continue;
    for (int64_t row = 0; row < rows; row++) {
      const float score = column[row];
      if (score > 0 && (found < quota || score > best[0]) && !scratch->chosen[row])
        found = push_top(best, scratch->top_rows, found, quota, score, (int32_t)row);
    }
    for (int64_t place = 0; place < found; place++)
      take(view, scratch, scratch->touched[scratch->top_rows[place]], query, chosen);
  }
}

/* Further items of a hot list, until there are `goal` candidates. */
static void choose_hot(const View *view, Scratch *scratch, int kind, const Query *query, int64_t goal,
                       int is_unclicked_wanted, Chosen *chosen) {
  for (int64_t place = 0; place < view->hot_length[kind] && chosen->count < goal; place++) {
    const int32_t item = view->hot[kind * HOT_LENGTH + place];
    if (is_unclicked_wanted || view->items[item].clicks > 0) take(view, scratch, item, query, chosen);
  }
}

/* From the new ones down to the popular ones. Where the profile wants no new items, those that nobody has clicked only
 * fill a list that would be too short: a ranker, which learns from clicks, may well put them first. */
static void fill_up(const View *view, const Settings *settings, Scratch *scratch, const Query *query, Chosen *chosen) {
  const int64_t goal = smaller_int(settings->min_candidates, settings->max_candidates);
  for (int kind = HOT_LISTS - 1; kind >= 0; kind--)
    choose_hot(view, scratch, kind, query, goal, settings->new_items > 0, chosen);
  choose_hot(view, scratch, HOT_LISTS - 1, query, smaller_int(goal, LIST_LENGTH), 1, chosen);
}

/* At most as many as the profile says, which the chosen have room for. */
void choose(const View *view, const Settings *settings, Scratch *scratch, const Query *query, Chosen *chosen) {
  memset(scratch->chosen, 0, (size_t)smaller_int(scratch->rows + FURTHER_ROWS, TOUCHED)); /* not all of it */
  for (int64_t row = 0; row < scratch->rows; row++) /* what may not be shown must not use up a quota */
    scratch->chosen[row] = !may_be_recommended(view, scratch->touched[row], query);
  settle_own_items(view, settings, scratch, query, chosen);
  choose_by_evidence(view, settings, scratch, query, chosen);
  for (int kind = 0; kind < HOT_LISTS; kind++) {
    const int64_t quota = kind < HOT_LISTS - 1 ? settings->hot_items : settings->new_items;
    const int64_t goal = smaller_int(chosen->count + quota, settings->max_candidates);
    choose_hot(view, scratch, kind, query, goal, 1, chosen);
  }
  fill_up(view, settings, scratch, query, chosen);
}

/* Add the items that somebody asked for, also those of the session, if they may be shown and are not chosen yet. */
void choose_given(const View *view, Scratch *scratch, const Query *query, const int32_t *given, int64_t given_count,
                  Chosen *chosen) {
  for (int64_t n = 0; n < given_count; n++) {
    int is_chosen = 0;
    for (int64_t place = 0; place < chosen->count; place++) is_chosen |= chosen->items[place] == given[n];
    if (is_chosen || chosen->count == chosen->room || !may_be_recommended(view, given[n], query)) continue;
    if (row_of(scratch, given[n]) < NO_ROOM) chosen->items[chosen->count++] = given[n];
  }
}
