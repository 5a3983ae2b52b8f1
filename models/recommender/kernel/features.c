/* features.c: the feature row of each candidate. A line of the table in feature_table.h, and one here, make a feature.
 *
 * candidates of one question ─► relative evidence ─► evidence ─► item ─► session ─► confidence ─► context ─► rows
 */
#include <math.h>
#include <string.h>

#include "feature_table.h"

#define NOT_IN_SESSION 99.0f
#define SMOOTHING 5.0 /* clicks added to an item's own under a root */

/* One candidate. */
typedef struct {
  int64_t item;
  const Item *record;
  const float *evidence; /* its accumulators */
} Candidate;

/* What all candidates of a question have in common. */
typedef struct {
  const View *view;
  const Query *query;
  const float *best;             /* the largest value of each accumulator */
  const Item *last;              /* the item clicked last; NULL: the view does not know it */
  int64_t met, distinct, last_clicks; /* items met; different ones in the session */
} Asked;

static void evidence_features(float *row, const Candidate *candidate, const float *best) {
  static const int relative[] = {RELATIVE(AS_NUMBER)}, absolute[] = {ABSOLUTE(AS_NUMBER)};
  for (size_t n = 0; n < sizeof relative / sizeof *relative; n++) {
    const float top = best[relative[n]];
    *row++ = top > 0 ? candidate->evidence[relative[n]] / top : 0.0f;
  }
  for (size_t n = 0; n < sizeof absolute / sizeof *absolute; n++) *row++ = candidate->evidence[absolute[n]];
}

static void item_features(float *row, const Candidate *candidate, const Asked *asked) {
  const View *view = asked->view;
  const Item *record = candidate->record;
  const float *popularity = view->popularity + candidate->item * POPULARITY_COLUMNS;
  const double time = asked->query->time, idle = elapsed(time, record->last);
  const float decay_1 = (float)exp(-view->rates[0] * idle), decay_2 = (float)exp(-view->rates[1] * idle);
  row[POPULARITY_1] = popularity[0] * decay_1;
  row[POPULARITY_2] = popularity[1] * decay_2;
  row[POPULARITY_3] = popularity[2] * (float)exp(-view->rates[2] * idle);
  row[POPULARITY_4] = popularity[3] * (float)exp(-view->rates[3] * idle);
  row[TREND_SHORT] = (float)((row[POPULARITY_1] + 0.1) / (row[POPULARITY_2] + 0.6));
  row[TREND_LONG] = (float)((row[POPULARITY_2] + 0.1) / (row[POPULARITY_4] + 2.4));
  row[ITEM_AGE] = (float)elapsed(time, record->first);
  row[ITEM_IDLE] = (float)idle;
  row[CONTINUED_1] = popularity[CONTINUED] * decay_1;
  row[CONTINUED_2] = popularity[CONTINUED + 1] * decay_2;
  row[CONTINUED_SHARE] = (float)((row[CONTINUED_2] + 0.5) / (row[POPULARITY_2] + 1.0));
  row[ITEM_CLICKS] = (float)record->clicks;
  row[ITEM_REPEAT_RATE] = (float)((record->repeats + 1.0) / (record->clicks + 10.0));
}

static void session_features(float *row, const Candidate *candidate, const Asked *asked) {
  const int64_t *prefix = asked->query->prefix, length = asked->query->length;
  row[TIMES_IN_SESSION] = 0.0f;
  row[CLICKS_SINCE] = NOT_IN_SESSION;
  for (int64_t place = 0; place < length; place++) {
    if (prefix[place] != candidate->item) continue;
    row[TIMES_IN_SESSION] += 1.0f;
    row[CLICKS_SINCE] = (float)(length - 1 - place);
  }
  row[IS_FIRST_OF_SESSION] = candidate->item == prefix[0] ? 1.0f : 0.0f;
  row[SESSION_LENGTH] = (float)length;
  row[SESSION_VARIETY] = (float)((double)asked->distinct / (double)larger_int(length, 1));
}

static void confidence_features(float *row, const Candidate *candidate, const Asked *asked) {
  const float *evidence = candidate->evidence, together = evidence[TOGETHER_LAST];
  const double clicks = candidate->record->clicks, last_clicks = (double)asked->last_clicks;
  row[NEXT_RATE] = (float)(evidence[NEXT_LAST] / (last_clicks + 3.0));
  row[COSINE_LAST] = (float)(together / sqrt((last_clicks + SMOOTHING) * (clicks + SMOOTHING)));
  row[TOGETHER_RATE] = (float)(together / (clicks + 2.0));
  row[RECENT_RATE] = (float)(evidence[RECENT] / (row[POPULARITY_2] + 1.0));
  const float once = row[NEIGHBOURS_RELATIVE] + row[AFTER_RELATIVE] + row[COSINE_RELATIVE] + row[DIRECTED_RELATIVE] +
                     row[COSINE_ROOT_RELATIVE];
  row[EVIDENCE] = (float)(once + 2.0 * row[SECOND_ORDER_RELATIVE]);
  row[BEST_NEIGHBOURS] = asked->best[NEIGHBOURS];
  row[BEST_AFTER] = asked->best[AFTER];
  row[LAST_ITEM_CLICKS] = (float)asked->last_clicks;
  row[LAST_ITEM_AGE] = asked->last ? (float)elapsed(asked->query->time, asked->last->first) : NAN;
  row[ITEMS_MET] = (float)asked->met;
}

/* How much more the item is clicked under this value of the context than others are; NaN: the value is not known. */
static double lift_of(const Candidate *candidate, const Asked *asked, uint8_t code, double left, float clicks) {
  const View *view = asked->view;
  if (code >= view->context_values) return NAN;
  const double total = view->clocks[CONTEXT_TOTAL] + 1e-9;
  const double share = (view->context_total[code] + 1.0) / (total + 10.0);
  const float of_item = view->context[candidate->item * view->context_values + code];
  return (of_item * left + 2.0 * share) / (clicks + 2.0) / share;
}

/* Lifts, their product, and the context as it is; in the order of features.py. */
static void context_features(float *row, const Candidate *candidate, const Asked *asked) {
  const View *view = asked->view;
  const Query *query = asked->query;
  float *at = row + FIRST_CONTEXT;
  if (view->context_values > 0) {
    const double passed = elapsed(query->time, candidate->record->last);
    const double left = exp(-view->rates[CONTEXT_HALF_LIFE] * passed);
    double product = 1.0;
    for (int64_t column = 0; column < query->code_count; column++) {
      const double lift = lift_of(candidate, asked, query->codes[column], left, row[POPULARITY_1 + CONTEXT_HALF_LIFE]);
      if (query->codes[column] < view->context_values) product *= lift;
      *at++ = (float)lift;
    }
    *at++ = (float)product;
    *at++ = (float)(product * row[POPULARITY_2]);
  }
  for (int64_t column = 0; column < query->context_count; column++) *at++ = query->context[column];
}

int64_t feature_count(const View *view, int64_t code_count, int64_t context_count) {
  return FIRST_CONTEXT + (view->context_values > 0 ? code_count + 2 : 0) + context_count;
}

static float *evidence_of(Scratch *scratch, int64_t item) {
  return scratch->evidence[scratch->place[item] & 0xFFFF];
}

/* Into the scratch: what the features take as 1. */
void find_best_evidence(Scratch *scratch, const Chosen *chosen) {
  memset(scratch->best, 0, sizeof scratch->best);
  for (int64_t place = 0; place < chosen->count; place++) {
    const float *row = evidence_of(scratch, chosen->items[place]);
    for (int n = 0; n < WIDTH; n++) scratch->best[n] = larger_float(scratch->best[n], row[n]);
  }
}

static int64_t distinct_items(const Query *query) {
  int64_t distinct = 0;
  for (int64_t place = 0; place < query->length; place++) {
    int is_new = 1;
    for (int64_t earlier = 0; earlier < place; earlier++) is_new &= query->prefix[earlier] != query->prefix[place];
    distinct += is_new;
  }
  return distinct;
}

/* Rows of the chosen candidates of a question, each `width` wide. `met`: items met while reading. */
void write_features(const View *view, Scratch *scratch, const Chosen *chosen, const Query *query, int64_t met,
                    float *rows, int64_t width) {
  const int64_t last = query->length ? query->prefix[query->length - 1] : -1;
  const Asked asked = {
      .view = view,
      .query = query,
      .best = scratch->best,
      .last = last >= 0 ? view->items + last : NULL,
      .met = met,
      .distinct = distinct_items(query),
      .last_clicks = last >= 0 ? view->items[last].clicks : 0,
  };
  for (int64_t place = 0; place < chosen->count; place++, rows += width) {
    const int64_t item = chosen->items[place];
    const Candidate candidate = {item, view->items + item, evidence_of(scratch, item)};
    evidence_features(rows, &candidate, asked.best);
    item_features(rows, &candidate, &asked);
    session_features(rows, &candidate, &asked);
    confidence_features(rows, &candidate, &asked);
    context_features(rows, &candidate, &asked);
  }
}
