/* evidence.c: what the click log says of each item, given the items of a session so far.
 *
 * item of the prefix ─► collect (its newest occurrences, the sessions met) ─► weigh ─► count_neighbours ─► close_item
 *
 * A neighbour of an occurrence is seen with the item at a distance in clicks; it adds one row of a table of distances,
 * times what the occurrence weighs, to eight sums. The order of the sums is that of the log.
 */
#include <math.h>

#include "question.h"

enum {
  READS = 2 * DENSE, /* occurrences of an item; one that has more in the log is dense */
  OCCURRENCES = READS + SESSION_ITEMS, /* with those of the asking session, which are not read */
};

/* All sums of pairs at once; the first columns of a row of evidence */
typedef float Sums __attribute__((vector_size(SUMS_OF_PAIRS * sizeof(float)), aligned(16), may_alias));
_Static_assert(!AFTER && BEFORE == 1 && RECENT == 2 && DIRECTED == 3 && NEXT == 4 && COSINE == 5 && COSINE_PART == 6 &&
                   PAIRS == 7 && SUMS_OF_PAIRS == 8,
               "fill_near and weigh_pair name them in this order");

/* By distance in clicks, from -19 to 19: what a pair adds to each sum before it is weighed */
enum { DISTANCES = 2 * SESSION_ITEMS - 1 };
typedef Sums Near[DISTANCES];

/* One item of the prefix while it is read. */
typedef struct {
  int64_t item, age;
  const int64_t *words;   /* of the log, its newest occurrences */
  const Summary *summary; /* NULL: it is not dense */
  float weight, rare;      /* by age; by its clicks */
  float lasting, recent;   /* what it adds to the similarity of a session */
  int64_t counted;         /* rows that it was seen with */
  int64_t pairs;           /* it was seen in */
} Read;

/* By squaring, as the trained forests know it: `pow` rounds otherwise. */
static double power(double base, int64_t exponent) {
  double result = 1.0;
  for (; exponent; exponent >>= 1, base *= base)
    if (exponent & 1) result *= base;
  return result;
}

static void fill_near(Near near, int64_t age) {
  for (int place = 0; place < DISTANCES; place++) {
    const int distance = place - (SESSION_ITEMS - 1), is_after = distance > 0;
    const float close = distance ? 1.0f / (float)(is_after ? distance : -distance) : 0.0f;
    const float before = is_after ? 0.0f : close, after = is_after ? close : 0.0f;
    near[place] = (Sums){after, before, is_after ? close : 0.5f * close, is_after ? close : 0.7f * close,
                         distance == 1, 1.0f, 1.0f, age == 0 ? 1.0f : close};
  }
}

/* The session shares the prefix item: add to its similarities, once an item. Returns its place among those met. */
static int64_t meet_session(const View *view, Scratch *scratch, int64_t slot, int64_t position, const Read *read) {
  Met *met = &scratch->met;
  const uint32_t known = scratch->met_at[slot], number = (uint32_t)scratch->query << 16;
  int64_t place = known & 0xFFFF;
  if ((known & 0xFFFF0000u) != number) {
    place = met->count++;
    scratch->met_at[slot] = number | (uint32_t)place;
    met->slot[place] = (int32_t)slot;
    met->shared_at[place] = (uint8_t)position;
    met->counted[place] = (uint8_t)read->age;
    met->passed_slow[place] = -1.0f; /* not weighed yet */
    met->similarity[place] = read->lasting;
    met->similarity_recent[place] = read->recent;
    const char *items = (const char *)(view->session_items + slot * SESSION_ITEMS);
    __builtin_prefetch(view->sessions + slot);
    __builtin_prefetch(items);
    __builtin_prefetch(items + 64);
    __builtin_prefetch(view->session_actions + slot * SESSION_ITEMS);
  } else if (met->counted[place] != read->age) {
    met->counted[place] = (uint8_t)read->age;
    met->similarity[place] += read->lasting;
    met->similarity_recent[place] += read->recent;
  }
  return place;
}

/* The newest occurrences of some items, as words of the log, -1 behind the last one of an item: (count, reads). All
 * chains are walked at once, so that they wait for memory together; and what is read next is asked for. `count`: CHAINS
 * at most; `reads`: TOUCHED / CHAINS at most. */
void walk_chains(const View *view, Scratch *scratch, const int32_t *items, int64_t count, int64_t reads) {
  const int64_t oldest = oldest_entry(view), gone = gone_session(view);
  int64_t next[CHAINS];
  for (int64_t n = 0; n < count; n++) {
    next[n] = view->items[items[n]].head;
    __builtin_prefetch(entry_of(view, next[n]));
  }
  int are_left = 1;
  for (int64_t read = 0; read < reads && are_left; read++) {
    are_left = 0;
    for (int64_t n = 0; n < count; n++) {
      int64_t *word = scratch->words + n * reads + read;
      *word = -1;
      if (next[n] <= 0 || next[n] <= oldest) continue;
      const LogEntry entry = *entry_of(view, next[n]);
      next[n] = entry.before;
      if (entry.word >> 5 <= gone) { /* so are all before it */
        next[n] = 0;
        continue;
      }
      const int64_t slot = slot_of(view, entry.word >> 5);
      *word = entry.word;
      are_left = 1;
      __builtin_prefetch(entry_of(view, next[n]));
      __builtin_prefetch(scratch->met_at + slot);
      __builtin_prefetch(view->sessions + slot);
      __builtin_prefetch(view->session_items + slot * SESSION_ITEMS + (entry.word & 31));
    }
  }
}

/* The sessions of the item's newest occurrences, `most` at most; returns how many. */
static int64_t collect(const View *view, Scratch *scratch, const Query *query, const Read *read, int64_t most) {
  int64_t count = 0;
  for (int64_t n = 0; n < OCCURRENCES && read->words[n] >= 0 && count < most; n++) {
    const int64_t session = read->words[n] >> 5, position = read->words[n] & 31;
    if (scratch->met.count == TOUCHED) break;
    if (session == query->own_session) continue;
    const int64_t place = meet_session(view, scratch, slot_of(view, session), position, read);
    scratch->occurrences[count++] = (Occurrence){(uint16_t)place, (uint8_t)position};
  }
  return count;
}

float decay(double passed, double constant) {
  return expf((float)(-passed / constant));
}

/* Decays of the sessions of these occurrences, each once. */
static void weigh(const View *view, const Settings *settings, Scratch *scratch, int64_t count, double time) {
  Met *met = &scratch->met;
  for (int64_t n = 0; n < count; n++) {
    const int64_t place = scratch->occurrences[n].met;
    if (met->passed_slow[place] >= 0) continue;
    const double passed = elapsed(time, view->sessions[met->slot[place]].last);
    met->passed_slow[place] = decay(passed, settings->slow);
    met->passed_fast[place] = decay(passed, settings->fast);
  }
}

/* What a pair weighs in each sum, by the decays of the session and the action on the neighbour. */
static inline void weigh_pair(Sums *weights, const Read *read, float slow, float fast, float strength) {
  const float lasting = strength * slow, part = read->weight * read->rare;
  *weights = (Sums){lasting, lasting, strength * fast, read->rare * lasting, read->weight, part, part, 1.0f};
}

static void count_neighbours(const View *view, const Settings *settings, Scratch *scratch, Read *read,
                             const Occurrence *of, const Near near) {
  const int64_t slot = scratch->met.slot[of->met], position = of->position;
  const int32_t *items = view->session_items + slot * SESSION_ITEMS;
  const uint8_t *actions = view->session_actions + slot * SESSION_ITEMS;
  const int64_t first = larger_int(0, position - settings->window);
  const int64_t end = smaller_int(view->sessions[slot].length, position + settings->window + 1);
  const float slow = read->weight * scratch->met.passed_slow[of->met], counted = (float)(read->age + 1);
  const float fast = read->weight * scratch->met.passed_fast[of->met];
  Sums viewed, done; /* weights of a neighbour that was viewed; of one with which something else was done */
  weigh_pair(&viewed, read, slow, fast, settings->weights[VIEW]);
  read->pairs += end - first;
  for (int64_t other = first; other < end; other++) {
    if (other == position || items[other] < 0) continue;
    const int64_t row = row_of(scratch, items[other]);
    float *sums = scratch->evidence[row];
    const Sums *weights = &viewed;
    if (actions[other] != VIEW) {
      weigh_pair(&done, read, slow, fast, settings->weights[actions[other]]);
      weights = &done;
    }
    *(Sums *)sums += near[other - position + SESSION_ITEMS - 1] * *weights;
    if (sums[AGE_COUNTED] == counted) continue;
    sums[AGE_COUNTED] = counted;
    scratch->counted[read->counted++] = (int32_t)row;
  }
}

/* The item was read: what is of it alone goes into the columns that say so. */
static void close_item(Scratch *scratch, const Read *read) {
  for (int64_t n = 0; n < read->counted; n++) {
    float *row = scratch->evidence[scratch->counted[n]];
    const float part = row[COSINE_PART];
    row[COVERED] += 1.0f;
    if (part > 0) {
      row[COSINE_MAX] = larger_float(row[COSINE_MAX], part);
      row[COSINE_ROOT] += sqrtf(part);
    }
    if (read->age == 0) {
      row[AFTER_LAST] = row[AFTER];
      row[BEFORE_LAST] = row[BEFORE];
      row[RECENT_LAST] = row[RECENT];
      row[NEXT_LAST] = row[NEXT];
      row[TOGETHER_LAST] = row[PAIRS];
    } else if (read->age == 1) {
      row[NEAR_SECOND] = row[PAIRS];
    }
    row[COSINE_PART] = row[PAIRS] = 0.0f;
  }
}

/* The same from the summary of a dense item: each item that it was seen with at once. */
static void read_summary(const View *view, Scratch *scratch, const Query *query, Read *read) {
  const Summary *summary = read->summary;
  const Scale scale = scale_at(view, summary, query->time);
  const float counted = (float)(read->age + 1), rare = read->rare;
  const float slow = read->weight * scale.slow, fast = read->weight * scale.fast, all = read->weight * scale.all;
  const CoVisit *of = co_visits_of(view, summary);
  for (int64_t n = 0; n < summary->count; n++) {
    const int64_t row = row_of(scratch, of[n].item);
    const float after = of[n].after * slow, before = of[n].before * slow, part = of[n].together * all * rare;
    const float pairs = (read->age == 0 ? of[n].together : of[n].close) * scale.all;
    float *sums = scratch->evidence[row];
    *(Sums *)sums += (Sums){after,           before, of[n].recent * fast, rare * (after + 0.7f * before),
                            of[n].next * all, part,   part,                pairs};
    sums[AGE_COUNTED] = counted;
    scratch->counted[read->counted++] = (int32_t)row;
  }
  read->pairs = summary->count;
}

/* One pass over the newest occurrences of an item of the prefix, `most` at most, and `most_pairs` with others; returns
 * how many. Of a dense item they say which sessions are near, and no more. */
static int64_t read_item(const View *view, const Settings *settings, Scratch *scratch, const Query *query, Read *read,
                         int64_t most, int64_t most_pairs) {
  const int64_t count = collect(view, scratch, query, read, most);
  if (read->summary) {
    if (count > 0) read_summary(view, scratch, query, read);
  } else {
    Near near;
    weigh(view, settings, scratch, count, query->time);
    fill_near(near, read->age);
    for (int64_t n = 0; n < count && read->pairs < most_pairs; n++)
      count_neighbours(view, settings, scratch, read, scratch->occurrences + n, near);
  }
  close_item(scratch, read);
  scratch->work += count + read->pairs;
  return count;
}

/* The newest distinct items of the prefix that the view knows: which, and how old; returns how many. */
static int64_t distinct_items(const Settings *settings, const Query *query, int32_t *items, int64_t *ages) {
  const int64_t newest = query->length - 1, read = smaller_int(query->length, settings->prefix_items);
  int64_t count = 0;
  for (int64_t age = 0; age < read; age++) {
    const int64_t item = query->prefix[newest - age];
    int is_repeated = 0;
    for (int64_t newer = 0; newer < age; newer++) is_repeated |= query->prefix[newest - newer] == item;
    if (item < 0 || is_repeated) continue;
    items[count] = (int32_t)item;
    ages[count++] = age;
  }
  return count;
}

/* The occurrences of the newest distinct items of the prefix.
 *
 * All of them together are limited, and so are their pairs, or else a question would cost the more the denser the log
 * is. A newer item may use more of what is left than an older one: shares fall evenly from the newest to the oldest. */
void read_prefix(const View *view, const Settings *settings, Scratch *scratch, const Query *query) {
  const int64_t all = smaller_int(query->length, settings->prefix_items);
  int64_t left = smaller_int(settings->all_reads, ALL_READS), pairs_left = ALL_PAIRS, ages[PREFIX];
  int32_t items[PREFIX] = {0};
  const int64_t count = distinct_items(settings, query, items, ages);
  walk_chains(view, scratch, items, count, OCCURRENCES);
  for (int64_t n = 0; n < count; n++) {
    const int64_t age = ages[n], shares = all - age + 1;
    Read read = {
        .item = items[n],
        .age = age,
        .words = scratch->words + n * OCCURRENCES,
        .summary = summary_of(view, items[n]),
        .weight = (float)power(settings->age_decay, age),
        .rare = rarity(scratch, view->items[items[n]].clicks),
        .lasting = (float)exp((double)-age / settings->prefix_decay),
        .recent = (float)exp((double)-age / settings->prefix_decay_short),
    };
    const int64_t most = smaller_int(smaller_int(settings->reads, READS), 2 * left / shares);
    left -= read_item(view, settings, scratch, query, &read, most, 2 * pairs_left / shares);
    if (!read.summary) pairs_left -= read.pairs;
  }
}
