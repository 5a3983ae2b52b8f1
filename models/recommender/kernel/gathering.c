/* gathering.c: from first evidence to all of it: the nearest sessions vote, sums are divided by how common items are.
 *
 * gather: read_prefix ─► nearest_sessions ─► complete ─► second_order
 */
#include <math.h>
#include <string.h>

#include "question.h"

enum { SECOND_ORDER_WINDOW = 4 };

/* By distance in clicks, from -19 to 19: what a vote adds to each sum before it is weighed */
enum { DISTANCES = 2 * SESSION_ITEMS - 1 };
typedef float Fall[DISTANCES][SUMS_OF_VOTES];

static void fill_fall(Fall fall, const Settings *settings) {
  for (int place = 0; place < DISTANCES; place++) {
    const int distance = place - (SESSION_ITEMS - 1), steps = distance < 0 ? -distance : distance;
    const float lasting = (float)exp(-steps / settings->distance_decay);
    fall[place][NEIGHBOURS - FIRST_VOTE] = lasting;
    fall[place][NEIGHBOUR_COUNT - FIRST_VOTE] = 1.0f;
    fall[place][NEIGHBOURS_AFTER - FIRST_VOTE] = distance > 0 ? lasting : 0.0f;
    fall[place][NEIGHBOURS_RECENT - FIRST_VOTE] = (float)exp(-steps / settings->distance_decay_short);
  }
}

/* One near session speaks for its items; a similarity of 0 is not near enough in that memory. */
static void vote(const View *view, Scratch *scratch, int64_t met, float lasting, float recent, const Fall fall) {
  const int64_t slot = scratch->met.slot[met], shared_at = scratch->met.shared_at[met];
  const int32_t *items = view->session_items + slot * SESSION_ITEMS;
  scratch->work += view->sessions[slot].length;
  const float weights[SUMS_OF_VOTES] = {lasting, lasting > 0 ? 1.0f : 0.0f, lasting, recent};
  for (int64_t position = 0; position < view->sessions[slot].length; position++) {
    if (position == shared_at || items[position] < 0) continue;
    float *row = scratch->evidence[row_of(scratch, items[position])], *sums = row + FIRST_VOTE;
    const float *by_distance = fall[position - shared_at + SESSION_ITEMS - 1];
    for (int n = 0; n < SUMS_OF_VOTES; n++) sums[n] += by_distance[n] * weights[n];
    row[NEAREST] = larger_float(row[NEAREST], lasting);
  }
}

/* Similarities of the sessions met, by recency and length. */
static void weigh_sessions(const View *view, const Settings *settings, Met *met, const Query *query) {
  for (int64_t place = 0; place < met->count; place++) {
    const Session *session = view->sessions + met->slot[place];
    const double passed = elapsed(query->time, session->last);
    const float scale = (float)(1.0 / sqrt((double)query->length * (double)session->length));
    met->lasting[place] = met->similarity[place] * scale * decay(passed, settings->neighbour_recency);
    met->recent[place] = met->similarity_recent[place] * scale * decay(passed, settings->neighbour_recency_short);
  }
}

/* How many of those that are just as near as the last one may vote. Else all would, if a log has many alike. */
static int64_t ties(const float *similarity, int64_t count, int64_t voters, float least) {
  for (int64_t place = 0; place < count; place++) voters -= similarity[place] > least;
  return least > 0 ? voters : 0;
}

/* The nearest ones vote; of equals those met first. */
static void nearest_sessions(const View *view, const Settings *settings, Scratch *scratch, const Query *query) {
  const Met *met = &scratch->met;
  const int64_t shortly = larger_int(settings->neighbours / 5, 1);
  Fall fall;
  fill_fall(fall, settings);
  weigh_sessions(view, settings, &scratch->met, query);
  const float least = threshold(met->lasting, met->count, settings->neighbours, scratch->values);
  const float least_recent = threshold(met->recent, met->count, shortly, scratch->values);
  int64_t equal = ties(met->lasting, met->count, settings->neighbours, least);
  int64_t equal_recent = ties(met->recent, met->count, shortly, least_recent);
  for (int64_t place = 0; place < met->count; place++) {
    const float known = met->lasting[place], known_recent = met->recent[place];
    const int is_near = known > least || (known == least && equal-- > 0);
    const int is_near_recent = known_recent > least_recent || (known_recent == least_recent && equal_recent-- > 0);
    const float lasting = is_near ? known : 0.0f, recent = is_near_recent ? known_recent : 0.0f;
    if (lasting > 0 || recent > 0) vote(view, scratch, place, lasting, recent, fall);
  }
}

/* Divide by how often each item is clicked anyway. */
static void complete(const View *view, Scratch *scratch) {
  const float all_clicks = (float)log((double)view->counters[CLICKS] + 1.0);
  for (int64_t place = 0; place < scratch->rows; place++) {
    float *row = scratch->evidence[place];
    const int32_t clicks = view->items[scratch->touched[place]].clicks;
    const float inverse = all_clicks - logarithm_of_more(scratch, clicks), rare = rarity(scratch, clicks);
    row[NEIGHBOURS] *= inverse;
    row[NEIGHBOURS_RECENT] *= inverse;
    row[NEIGHBOURS_AFTER] *= inverse;
    row[COSINE] *= rare;
    row[DIRECTED] *= rare;
    row[COSINE_MAX] *= rare;
    row[COSINE_ROOT] *= sqrtf(rare);
    row[NEIGHBOURS_RARE] = (row[NEIGHBOURS] * 0.5f + row[NEIGHBOURS_AFTER]) * rare;
  }
}

/* Items seen close to one of the best first-order items. */
static void read_second_order(const View *view, Scratch *scratch, const int64_t *words, int64_t reads, float weight) {
  for (int64_t read = 0; read < reads && words[read] >= 0; read++) {
    const int64_t slot = slot_of(view, words[read] >> 5), position = words[read] & 31;
    const int32_t *items = view->session_items + slot * SESSION_ITEMS;
    const int64_t first = larger_int(0, position - SECOND_ORDER_WINDOW);
    const int64_t end = smaller_int(view->sessions[slot].length, position + SECOND_ORDER_WINDOW + 1);
    scratch->work += larger_int(end - first, 0);
    for (int64_t other = first; other < end; other++) {
      if (other == position || items[other] < 0) continue;
      const float distance = (float)(other > position ? other - position : position - other);
      scratch->evidence[row_of(scratch, items[other])][SECOND_ORDER] += weight / distance;
    }
  }
}

static int is_in_prefix(const Settings *settings, const Query *query, int64_t item) {
  const int64_t read = smaller_int(query->length, settings->prefix_items);
  int is_own = 0;
  for (int64_t age = 0; age < read; age++) is_own |= query->prefix[query->length - 1 - age] == item;
  return is_own;
}

/* The same reading once more, from the items with most DIRECTED that are not in the prefix. */
static void second_order(const View *view, const Settings *settings, Scratch *scratch, const Query *query) {
  int64_t count = 0;
  for (int64_t place = 0; place < scratch->rows; place++) {
    const float score = scratch->evidence[place][DIRECTED];
    const int32_t item = scratch->touched[place];
    if (score > 0 && !is_in_prefix(settings, query, item))
      count = push_top(scratch->top_scores, scratch->top_rows, count, settings->second_order_items, score, item);
  }
  const int64_t reads = smaller_int(settings->second_order_reads, TOUCHED / CHAINS); /* 2,048 at most */
  for (int64_t first = 0; first < count; first += CHAINS) {
    const int64_t chains = smaller_int(CHAINS, count - first);
    walk_chains(view, scratch, scratch->top_rows + first, chains, reads);
    for (int64_t n = 0; n < chains; n++) {
      const float rare = rarity(scratch, view->items[scratch->top_rows[first + n]].clicks);
      read_second_order(view, scratch, scratch->words + n * reads, reads, scratch->top_scores[first + n] * rare);
    }
  }
  for (int64_t place = 0; place < scratch->rows; place++) {
    float *row = scratch->evidence[place];
    if (row[SECOND_ORDER] > 0) row[SECOND_ORDER] *= rarity(scratch, view->items[scratch->touched[place]].clicks);
  }
}

/* All evidence for a question, into the scratch. */
void gather(const View *view, const Settings *settings, Scratch *scratch, const Query *query) {
  begin_question(view, scratch);
  read_prefix(view, settings, scratch, query);
  if (scratch->met.count == 0) return;
  nearest_sessions(view, settings, scratch, query);
  complete(view, scratch);
  if (settings->second_order_items > 0) second_order(view, settings, scratch, query);
}
