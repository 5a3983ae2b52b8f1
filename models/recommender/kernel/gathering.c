/* gathering.c: from first evidence to all of it: the nearest sessions vote, sums are divided by how common items are.
 *
 * gather: read_prefix ─► nearest_sessions ─► complete ─► second_order
 */
#include <math.h>
#include <string.h>

#include "question.h"

enum { SECOND_ORDER_WINDOW = 4 };

/* What a vote is worth by distance in clicks, in the long memory and in the short one */
typedef struct {
  float lasting[SESSION_ITEMS], recent[SESSION_ITEMS];
} Fall;

static float partition(float *values, int64_t length, int64_t goal);

/* The `count`-th largest score, 0 if there are not more. `values` has room for all, and is overwritten. */
float threshold(const float *scores, int64_t length, int64_t count, float *values) {
  if (length <= count) return 0.0f;
  memcpy(values, scores, (size_t)length * sizeof *scores);
  return partition(values, length, length - count);
}

/* Hoare's quickselect. */
static float partition(float *values, int64_t length, int64_t goal) {
  for (int64_t low = 0, high = length - 1; low < high;) {
    const float pivot = values[(low + high) >> 1];
    int64_t left = low, right = high;
    while (left <= right) {
      while (values[left] < pivot) left++;
      while (values[right] > pivot) right--;
      if (left > right) break;
      const float value = values[left];
      values[left++] = values[right];
      values[right--] = value;
    }
    if (goal <= right) high = right;
    else if (goal >= left) low = left;
    else break;
  }
  return values[goal];
}

/* One near session speaks for its items; a similarity of 0 is not near enough in that memory. */
static void vote(const View *view, Scratch *scratch, int64_t slot, float lasting, float recent, const Fall *fall) {
  const int32_t *items = view->session_items + slot * SESSION_ITEMS;
  const int64_t shared_at = (int64_t)scratch->similarity[slot].shared_at;
  for (int64_t position = 0; position < view->sessions[slot].length; position++) {
    if (position == shared_at || items[position] < 0) continue;
    float *row = scratch->evidence[row_of(scratch, items[position])];
    const int64_t distance = position > shared_at ? position - shared_at : shared_at - position;
    if (lasting > 0) {
      const float score = lasting * fall->lasting[distance];
      row[NEIGHBOURS] += score;
      row[NEIGHBOUR_COUNT] += 1.0f;
      row[NEAREST] = larger_float(row[NEAREST], lasting);
      if (position > shared_at) row[NEIGHBOURS_AFTER] += score;
    }
    if (recent > 0) row[NEIGHBOURS_RECENT] += recent * fall->recent[distance];
  }
}

/* Similarities of the sessions met, by recency and length; those of the scratch are 0 again. */
static void weigh_sessions(const View *view, const Settings *settings, Scratch *scratch, const Query *query) {
  for (int64_t place = 0; place < scratch->met; place++) {
    const Session *session = view->sessions + scratch->near[place];
    Similarity *similarity = scratch->similarity + scratch->near[place];
    const double passed = elapsed(query->time, session->last);
    const float scale = (float)(1.0 / sqrt((double)query->length * (double)session->length));
    scratch->lasting[place] = similarity->lasting * scale * decay(passed, settings->neighbour_recency);
    scratch->recent[place] = similarity->recent * scale * decay(passed, settings->neighbour_recency_short);
    similarity->lasting = 0.0f;
  }
}

/* The nearest ones vote. */
static void nearest_sessions(const View *view, const Settings *settings, Scratch *scratch, const Query *query) {
  const int64_t met = scratch->met, shortly = larger_int(settings->neighbours / 5, 1);
  weigh_sessions(view, settings, scratch, query);
  const float least = threshold(scratch->lasting, met, settings->neighbours, scratch->values);
  const float least_recent = threshold(scratch->recent, met, shortly, scratch->values);
  Fall fall;
  for (int distance = 0; distance < SESSION_ITEMS; distance++) {
    fall.lasting[distance] = (float)exp(-distance / settings->distance_decay);
    fall.recent[distance] = (float)exp(-distance / settings->distance_decay_short);
  }
  for (int64_t place = 0; place < met; place++) {
    const float lasting = scratch->lasting[place] >= least ? scratch->lasting[place] : 0.0f;
    const float recent = scratch->recent[place] >= least_recent ? scratch->recent[place] : 0.0f;
    if (lasting > 0 || recent > 0) vote(view, scratch, scratch->near[place], lasting, recent, &fall);
  }
}

/* Divide by how often each item is clicked anyway. */
static void complete(const View *view, Scratch *scratch) {
  const float all_clicks = (float)log((double)view->counters[CLICKS] + 1.0);
  for (int64_t place = 0; place < scratch->rows; place++) {
    float *row = scratch->evidence[place];
    const int32_t clicks = view->items[scratch->touched[place]].clicks;
    const float inverse = all_clicks - logf((float)((int64_t)clicks + 1)), rare = rarity(clicks);
    close_part(row);
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
static void read_second_order(const View *view, const Settings *settings, Scratch *scratch, int64_t item, float weight) {
  const int64_t oldest = oldest_entry(view), gone = gone_session(view);
  int64_t left = settings->second_order_reads;
  for (int64_t number = view->items[item].head; number > 0 && number > oldest && left > 0; left--) {
    const LogEntry *entry = entry_of(view, number);
    const int64_t session = entry->word >> 5, position = entry->word & 31;
    number = entry->before;
    if (session <= gone) break;
    const int64_t slot = slot_of(view, session);
    const int32_t *items = view->session_items + slot * SESSION_ITEMS;
    const int64_t end = smaller_int(view->sessions[slot].length, position + SECOND_ORDER_WINDOW + 1);
    for (int64_t other = larger_int(0, position - SECOND_ORDER_WINDOW); other < end; other++) {
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
  for (int64_t place = 0; place < count; place++) {
    const int32_t item = scratch->top_rows[place];
    read_second_order(view, settings, scratch, item, scratch->top_scores[place] * rarity(view->items[item].clicks));
  }
  for (int64_t place = 0; place < scratch->rows; place++) {
    float *row = scratch->evidence[place];
    if (row[SECOND_ORDER] > 0) row[SECOND_ORDER] *= rarity(view->items[scratch->touched[place]].clicks);
  }
}

/* All evidence for a question, into the scratch. */
void gather(const View *view, const Settings *settings, Scratch *scratch, const Query *query) {
  begin_question(scratch);
  read_prefix(view, settings, scratch, query);
  if (scratch->met == 0) return;
  nearest_sessions(view, settings, scratch, query);
  complete(view, scratch);
  if (settings->second_order_items > 0) second_order(view, settings, scratch, query);
}
