/* parts.c: readings that come in parts: some sensors a record, at the same time. They are one reading, and one step of
 * the row.
 *
 * values of a record -> add_part, with those held before -> complete? -> a score from a draft of the row, or a step of
 * it
 */
#include <string.h>

#include "asset.h"
#include "numbers.h"

static const double MOST_HELD = 1e38;

void load_event(const Prepared *prepared, const double *readings, const double *variables, const double *constants,
                Work *work) {
  memcpy(work->readings, readings, sizeof(double) * (size_t)prepared->readings);
  memcpy(work->variables, variables, sizeof(double) * (size_t)prepared->variables);
  memcpy(work->constants, constants, sizeof(double) * (size_t)prepared->constants);
}

/* How many values an event has; they follow each other in the work, as `work_new` lays them out. */
static int value_count(const Prepared *prepared) {
  return prepared->readings + prepared->variables + prepared->constants;
}

static void load_held(const Row *row, const Prepared *prepared, Work *work) {
  for (int n = 0; n < value_count(prepared); n++) work->readings[n] = row->held[n];
}

/* Add the values of a record to those that are held; the later one counts. */
static void hold_values(const Row *row, const Prepared *prepared, const Work *work) {
  for (int n = 0; n < value_count(prepared); n++)
    if (!isnan(work->readings[n])) row->held[n] = (float)clip(work->readings[n], -MOST_HELD, MOST_HELD);
}

static int has_all(const double *values, int count) {
  for (int n = 0; n < count; n++)
    if (isnan(values[n])) return 0;
  return 1;
}

/* The sensors, what tells the regime, and the constants are there. */
int is_complete(const Prepared *prepared, const Work *work) {
  for (int s = 0; s < prepared->sensors; s++)
    if (isnan(work->readings[prepared->kept[s]])) return 0;
  return (prepared->regimes == 1 || has_all(work->variables, prepared->variables)) &&
         has_all(work->constants, prepared->constants);
}

int is_empty(const Prepared *prepared, const Work *work) {
  for (int n = 0; n < value_count(prepared); n++)
    if (!isnan(work->readings[n])) return 0;
  return 1;
}

/* No other part of the reading that is held will come: its values are to make the step of the row. */
void end_parts(const Row *row, const Prepared *prepared, Work *work) {
  if (*row->parts == 1) *row->comes_in_parts = 0;
  *row->parts = 0;
  load_held(row, prepared, work);
}

/* Hold the values too; all that are held are to be scored. */
int add_part(const Row *row, double time, const Prepared *prepared, Work *work) {
  if (time > *row->newest) {
    *row->newest = time;
    for (int n = 0; n < row->sizes->held; n++) row->held[n] = NAN;
    *row->comes_in_parts &= COMES;
  }
  hold_values(row, prepared, work);
  *row->parts = counted(*row->parts, 1);
  if (*row->parts > 1) *row->comes_in_parts |= COMES;
  load_held(row, prepared, work);
  const int is_all = is_complete(prepared, work);
  if (*row->comes_in_parts & IS_SCORED) return is_all ? LAST : ANOTHER;
  return *row->comes_in_parts & COMES && !is_all ? PART : WHOLE;
}
