/* scratch.c: the working memory of the questions to a view. */
#include <stdlib.h>
#include <string.h>

#include "question.h"

void scratch_free(Scratch *scratch) {
  if (!scratch) return;
  void *const arrays[] = {scratch->place,  scratch->evidence, scratch->touched, scratch->chosen,     scratch->similarity,
                          scratch->near,   scratch->lasting,  scratch->recent,  scratch->values,     scratch->top_scores,
                          scratch->top_rows};
  for (size_t n = 0; n < sizeof arrays / sizeof *arrays; n++) free(arrays[n]);
  free(scratch);
}

static int allocate(Scratch *scratch, const View *view) {
  scratch->place = calloc((size_t)view->item_room, sizeof *scratch->place);
  scratch->similarity = calloc((size_t)view->session_room, sizeof *scratch->similarity);
  scratch->evidence = malloc(TOUCHED * sizeof *scratch->evidence);
  scratch->touched = malloc(TOUCHED * sizeof *scratch->touched);
  scratch->chosen = malloc(TOUCHED);
  scratch->near = malloc(TOUCHED * sizeof *scratch->near);
  scratch->lasting = malloc(TOUCHED * sizeof(float));
  scratch->recent = malloc(TOUCHED * sizeof(float));
  scratch->values = malloc(TOUCHED * sizeof(float));
  scratch->top_scores = malloc(TOUCHED * sizeof(float));
  scratch->top_rows = malloc(TOUCHED * sizeof *scratch->top_rows);
  return scratch->place && scratch->similarity && scratch->evidence && scratch->touched && scratch->chosen &&
         scratch->near && scratch->lasting && scratch->recent && scratch->values && scratch->top_scores &&
         scratch->top_rows;
}

Scratch *scratch_new(const View *view) {
  Scratch *scratch = calloc(1, sizeof *scratch);
  if (scratch && allocate(scratch, view)) {
    memset(scratch->evidence[NO_ROOM], 0, sizeof scratch->evidence[NO_ROOM]);
    return scratch;
  }
  scratch_free(scratch);
  return NULL;
}

void begin_question(Scratch *scratch) {
  scratch->query++;
  scratch->rows = scratch->met = 0;
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
