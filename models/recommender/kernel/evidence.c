/* evidence.c: what the click log says of each item, given the items of a session so far.
 *
 * prefix ─► newest occurrences of its items ─► co-visitation, and in the same pass similarities of sessions
 */
#include <math.h>

#include "question.h"

#define SMOOTHING 5.0 /* clicks added to an item's own under a root */

/* One item of the prefix while it is read. */
typedef struct {
  int64_t item, age;
  float weight, rare;    /* by age; by its clicks */
  float lasting, recent; /* what it adds to the similarity of a session */
} Read;

/* One occurrence of it. */
typedef struct {
  int64_t slot, position;
  float slow, fast; /* weight of the prefix item * decay */
} Occurrence;

float decay(double passed, double constant) {
  return expf((float)(-passed / constant));
}

float rarity(int32_t clicks) {
  return (float)(1.0 / sqrt(clicks + SMOOTHING));
}

/* By squaring, as the trained forests know it: `pow` rounds otherwise. */
static double power(double base, int64_t exponent) {
  double result = 1.0;
  for (; exponent; exponent >>= 1, base *= base)
    if (exponent & 1) result *= base;
  return result;
}

/* One co-occurrence of a candidate with the prefix item. */
static void count_pair(float *row, int64_t distance, const Read *read, float slow, float fast) {
  const float near = 1.0f / (float)(distance > 0 ? distance : -distance), directed = read->rare * slow;
  const int is_after = distance > 0, is_next = distance == 1;
  if (is_after) {
    row[AFTER] += near * slow;
    row[RECENT] += near * fast;
    row[DIRECTED] += near * directed;
    if (is_next) row[NEXT] += read->weight;
  } else {
    row[BEFORE] += near * slow;
    row[RECENT] += 0.5f * near * fast;
    row[DIRECTED] += 0.7f * near * directed;
  }
  if (read->age == 0) { /* its weight is 1 */
    row[TOGETHER_LAST] += 1.0f;
    row[is_after ? AFTER_LAST : BEFORE_LAST] += near * slow;
    row[RECENT_LAST] += is_after ? near * fast : 0.5f * near * fast;
    if (is_next) row[NEXT_LAST] += 1.0f;
  } else if (read->age == 1) {
    row[NEAR_SECOND] += near;
  }
}

/* The cosine with one prefix item is complete: take it into maximum and sum of roots. */
void close_part(float *row) {
  const float part = row[COSINE_PART];
  if (!(part > 0)) return;
  row[COSINE_MAX] = larger_float(row[COSINE_MAX], part);
  row[COSINE_ROOT] += sqrtf(part);
  row[COSINE_PART] = 0.0f;
}

static void count_cosine(float *row, int64_t age, float part) {
  if (row[AGE_COUNTED] != (float)(age + 1)) {
    close_part(row);
    row[AGE_COUNTED] = (float)(age + 1);
    row[COVERED] += 1.0f;
  }
  row[COSINE] += part;
  row[COSINE_PART] += part;
}

/* The session shares the prefix item: add to its similarities, once an item. */
static void meet_session(Scratch *scratch, int64_t slot, int64_t position, const Read *read) {
  Similarity *session = scratch->similarity + slot;
  if (session->lasting == 0.0f) {
    if (scratch->met == TOUCHED) return;
    scratch->near[scratch->met++] = (int32_t)slot;
    *session = (Similarity){read->lasting, read->recent, (float)position, (float)read->age};
  } else if (session->counted != (float)read->age) {
    session->counted = (float)read->age;
    session->lasting += read->lasting;
    session->recent += read->recent;
  }
}

static void count_neighbours(const View *view, const Settings *settings, Scratch *scratch, const Read *read,
                             const Occurrence *of) {
  const int32_t *items = view->session_items + of->slot * SESSION_ITEMS;
  const uint8_t *actions = view->session_actions + of->slot * SESSION_ITEMS;
  const int64_t first = larger_int(0, of->position - settings->window);
  const int64_t end = smaller_int(view->sessions[of->slot].length, of->position + settings->window + 1);
  for (int64_t other = first; other < end; other++) {
    if (other == of->position || items[other] < 0) continue;
    float *row = scratch->evidence[row_of(scratch, items[other])];
    const float strength = settings->weights[actions[other]];
    count_pair(row, other - of->position, read, strength * of->slow, strength * of->fast);
    count_cosine(row, read->age, read->weight * read->rare);
  }
}

/* One pass over the newest occurrences of an item of the prefix; returns how many, `most` at most. */
static int64_t read_item(const View *view, const Settings *settings, Scratch *scratch, const Query *query,
                         const Read *read, int64_t most) {
  const int64_t oldest = oldest_entry(view), gone = gone_session(view);
  int64_t count = 0;
  for (int64_t number = view->items[read->item].head; number > 0 && number > oldest && count < most;) {
    const LogEntry *entry = entry_of(view, number);
    const int64_t session = entry->word >> 5;
    number = entry->before;
    if (session <= gone) break;
    if (session == query->own_session) continue;
    count++;
    Occurrence of = {.slot = slot_of(view, session), .position = entry->word & 31};
    const double passed = elapsed(query->time, view->sessions[of.slot].last);
    of.slow = read->weight * decay(passed, settings->slow);
    of.fast = read->weight * decay(passed, settings->fast);
    meet_session(scratch, of.slot, of.position, read);
    count_neighbours(view, settings, scratch, read, &of);
  }
  return count;
}

/* The occurrences of the newest distinct items of the prefix.
 *
 * All of them together are limited, or else a question would cost the more the denser the log is. A newer item may use
 * more of what is left than an older one: shares fall evenly from the newest to the oldest. */
void read_prefix(const View *view, const Settings *settings, Scratch *scratch, const Query *query) {
  const int64_t items = smaller_int(query->length, settings->prefix_items), newest = query->length - 1;
  int64_t left = settings->all_reads;
  for (int64_t age = 0; age < items; age++) {
    const int64_t item = query->prefix[newest - age];
    int is_repeated = 0;
    for (int64_t newer = 0; newer < age; newer++) is_repeated |= query->prefix[newest - newer] == item;
    if (item < 0 || is_repeated) continue;
    const Read read = {
        .item = item,
        .age = age,
        .weight = (float)power(settings->age_decay, age),
        .rare = rarity(view->items[item].clicks),
        .lasting = (float)exp((double)-age / settings->prefix_decay),
        .recent = (float)exp((double)-age / settings->prefix_decay_short),
    };
    const int64_t most = smaller_int(settings->reads, 2 * left / (items - age + 1));
    left -= read_item(view, settings, scratch, query, &read, most);
  }
}
