/* watch.h: what the watch over an asset's data keeps and tells; models/maintenance/watch_rows.py says what each field
 * means. */
#ifndef MILLRACE_WATCH_H
#define MILLRACE_WATCH_H

#include "asset.h"

enum { SENSORS = 1, REGIME = 2, CLOCK = 4, SILENCE = 8 }; /* causes, one bit each */
/* why it ends: sends again, has good data, out of service, by hand */
enum { IS_HERE, IS_WELL, IS_RETIRED, WAS_CLOSED };
enum { ADVISORY = 1, WARNING };                           /* severities */
enum { WATCHED = 64 };                                    /* sensors that are told by name */
enum { WAITS = 1, IS_POOR = 2, HAS_SPIKE = 4, IS_BLANK = 8 }; /* bits of `waits` */

/* WATCH */
#define WATCH_FIELDS(FIELD)                                                                                           \
  FIELD(double, newest)                                                                                               \
  FIELD(double, arrived)                                                                                              \
  FIELD(double, claimed)                                                                                              \
  FIELD(double, counts_from)                                                                                          \
  FIELD(double, raised_at)                                                                                            \
  FIELD(double, service_at)                                                                                           \
  FIELD(double, judged_at)                                                                                            \
  FIELD(uint64_t, named)                                                                                              \
  FIELD(uint64_t, out)                                                                                                \
  FIELD(uint64_t, missing)                                                                                            \
  FIELD(uint64_t, accepted)                                                                                           \
  FIELD(float, usual_s)                                                                                               \
  FIELD(float, longest_s)                                                                                             \
  FIELD(float, pace)                                                                                                  \
  FIELD(float, off_s)                                                                                                 \
  FIELD(float, wrong_s)                                                                                               \
  FIELD(uint16_t, sequence)                                                                                           \
  FIELD(uint8_t, bad)                                                                                                 \
  FIELD(uint8_t, good)                                                                                                \
  FIELD(uint8_t, blanks)                                                                                              \
  FIELD(uint8_t, bridges)                                                                                             \
  FIELD(uint8_t, spikes)                                                                                              \
  FIELD(uint8_t, clock)                                                                                               \
  FIELD(uint8_t, causes)                                                                                              \
  FIELD(uint8_t, severity)                                                                                            \
  FIELD(uint8_t, service)                                                                                             \
  FIELD(uint8_t, waits)                                                                                               \
  FIELD(uint8_t, sent)
typedef struct {
  WATCH_FIELDS(MEMBER)
} WatchRow;

/* DATA_TRANSITION */
#define DATA_TRANSITION_FIELDS(FIELD)                                                                                 \
  FIELD(int64_t, event)                                                                                               \
  FIELD(double, time)                                                                                                 \
  FIELD(uint8_t, state)                                                                                               \
  FIELD(uint8_t, severity)                                                                                            \
  FIELD(uint8_t, causes)                                                                                              \
  FIELD(uint8_t, end)                                                                                                 \
  FIELD(uint16_t, sequence)                                                                                           \
  FIELD(uint64_t, named)                                                                                              \
  FIELD(double, raised_at)                                                                                            \
  FIELD(double, silent_s)                                                                                             \
  FIELD(double, usual_s)                                                                                              \
  FIELD(double, after_s)                                                                                              \
  FIELD(double, off_s)
typedef struct {
  DATA_TRANSITION_FIELDS(MEMBER)
} DataTransition;
enum { MOST_DATA_TRANSITIONS = 3 }; /* by one event: here again, a reading that waited, the event's own */

static const double LONGER = 1.5;     /* than the longest gap of late, is a silence */
static const double LIVE_PACE = 0.25; /* readings of now have a pace of about 1 */

static const double CLOCK_WRONG_S = 120.0; /* ahead of the record, or set back to so far behind it */

/* When an asset is silent. */
typedef struct {
  double intervals; /* of its usual ones */
  double least_s;
} Patience;

/* The events of a batch, and what the model saw of them. */
typedef struct {
  const Events *events;
  const int8_t *status, *role, *quality;
  const uint8_t *hold; /* (n, T) HELD: within a maintenance window */
  const uint8_t *is_bridged, *is_set_back, *is_excused;
  const int8_t *faults; /* (n, sensors) */
  int sensors, targets;
  int whole; /* code of the asset as a whole; the next one is that of its data */
  Patience patience;
} WatchInput;

static inline int is_held(const WatchInput *given, int64_t i) {
  return given->hold[i * given->targets] == HELD;
}

/* an entry of what is yet to happen */
static inline int is_planned(const WatchInput *given, int64_t i) {
  return given->hold[i * given->targets] == PLANNED;
}

typedef struct {
  DataTransition *written;
  int64_t count;
} DataJournal;

/* watch_times.c */
enum { CLOCK_READINGS = 10 }; /* that a clock is told of after it was last seen to be wrong */
void learn_interval(WatchRow *row, double gap, double waited);
void look_at_clock(WatchRow *row, double time, double arrived, int is_set_back);

/* watch.c */
void watch(WatchRow *rows, const WatchInput *given, DataJournal *journal);

#endif
