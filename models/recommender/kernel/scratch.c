/* scratch.c: the working memory of the questions to a view. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "question.h"

#define SMOOTHING 5.0 /* clicks added to an item's own under a root */

static float rarity_of(int32_t clicks) {
  return (float)(1.0 / sqrt(clicks + SMOOTHING));
}

static float logarithm_of(int32_t clicks) {
  return logf((float)((int64_t)clicks + 1));
}

float rarity(const Scratch *scratch, int32_t clicks) {
  return clicks < FEW_CLICKS ? scratch->rarities[clicks] : rarity_of(clicks);
}

float logarithm_of_more(const Scratch *scratch, int32_t clicks) {
  return clicks < FEW_CLICKS ? scratch->logarithms[clicks] : logarithm_of(clicks);
}

void scratch_free(Scratch *scratch) {
  if (!scratch) return;
  const Met *met = &scratch->met;
  void *const arrays[] = {scratch->place,      scratch->met_at,    scratch->evidence,       scratch->touched,
                          scratch->chosen,     met->slot,          met->shared_at,          met->counted,
                          met->similarity,     met->passed_slow,   met->similarity_recent,  met->passed_fast,
                          met->lasting,        met->recent,        scratch->occurrences,    scratch->counted,
                          scratch->words,      scratch->values,    scratch->columns,         scratch->top_scores,
                          scratch->top_rows};
  for (size_t n = 0; n < sizeof arrays / sizeof *arrays; n++) free(arrays[n]);
  free(scratch);
}

/* Whether none of them failed. */
static int allocate_met(Met *met) {
  float **const columns[] = {&met->similarity, &met->similarity_recent, &met->passed_slow,
                             &met->passed_fast, &met->lasting,          &met->recent};
  int is_there = 1;
  for (size_t n = 0; n < sizeof columns / sizeof *columns; n++) {
    *columns[n] = malloc(TOUCHED * sizeof(float));
    is_there &= *columns[n] != NULL;
  }
  met->slot = malloc(TOUCHED * sizeof *met->slot);
  met->shared_at = malloc(TOUCHED);
  met->counted = malloc(TOUCHED);
  return is_there && met->slot && met->shared_at && met->counted;
}

static int allocate(Scratch *scratch, const View *view) {
  scratch->place = calloc((size_t)view->item_room, sizeof *scratch->place);
  scratch->met_at = calloc((size_t)view->session_room, sizeof *scratch->met_at);
  scratch->evidence = aligned_alloc(64, TOUCHED * sizeof *scratch->evidence);
  scratch->touched = malloc(TOUCHED * sizeof *scratch->touched);
  scratch->chosen = malloc(TOUCHED);
  scratch->occurrences = malloc(TOUCHED * sizeof *scratch->occurrences);
  scratch->counted = malloc(TOUCHED * sizeof *scratch->counted);
  scratch->words = malloc(TOUCHED * sizeof *scratch->words);
  scratch->values = malloc(TOUCHED * sizeof(float));
  scratch->columns = malloc(QUOTAS * TOUCHED * sizeof(float));
  scratch->top_scores = malloc(TOUCHED * sizeof(float));
  scratch->top_rows = malloc(TOUCHED * sizeof *scratch->top_rows);
  return allocate_met(&scratch->met) && scratch->place && scratch->met_at && scratch->evidence && scratch->touched &&
         scratch->chosen && scratch->occurrences && scratch->counted && scratch->words && scratch->values &&
         scratch->columns && scratch->top_scores && scratch->top_rows;
}

Scratch *scratch_new(const View *view) {
  Scratch *scratch = calloc(1, sizeof *scratch);
  if (!scratch || !allocate(scratch, view)) {
    scratch_free(scratch);
    return NULL;
  }
  memset(scratch->evidence[NO_ROOM], 0, sizeof scratch->evidence[NO_ROOM]);
  for (int32_t clicks = 0; clicks < FEW_CLICKS; clicks++) {
    scratch->rarities[clicks] = rarity_of(clicks);
    scratch->logarithms[clicks] = logarithm_of(clicks);
  }
  return scratch;
}

void begin_question(const View *view, Scratch *scratch) {
  scratch->query++;
  scratch->rows = scratch->met.count = scratch->work = 0;
  if ((scratch->query & 0xFFFF) == 0) { /* the numbers in `met_at` begin again */
    memset(scratch->met_at, 0, (size_t)view->session_room * sizeof *scratch->met_at);
    scratch->query++;
  }
}

int64_t new_row(Scratch *scratch, int64_t item) {
  const int64_t row = scratch->rows;
  if (row == NO_ROOM) return row;
  scratch->rows++;
  scratch->place[item] = scratch->query << 16 | row;
  scratch->touched[row] = (int32_t)item;
  memset(scratch->evidence[row], 0, sizeof scratch->evidence[row]);
  return row;
}
