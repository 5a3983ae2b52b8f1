/* sensors.h: the check of the sensors of an asset: what they should say (sensors.c), what is wrong with one (faults.c).
 *
 * One reading -> check_sensors -> the fault of each sensor in its memory; z that counts, or stands in
 */
#ifndef MILLRACE_SENSORS_H
#define MILLRACE_SENSORS_H

#include "row.h"

enum { CHECKED = 64 /* sensors at most */, MODES = 5 /* at most */ };
static const double CLIP = 8.0;         /* sd; a wilder reading counts as this much */
/* sd of a life: beyond it a sensor has another unit, or is broken; wear moves readings by a few */
static const double BELIEVABLE = 12.0;
/* residual of one reading, in sd, from which it is not believed, though no fault is told yet */
static const double DOUBT = 3.5;
static const double NO_SD = 1e-9;       /* less: the sensor tells nothing in this regime */

/* Columns of what a class learned: in each regime, and at all times; see `Checked` in models/maintenance/sensors.py */
enum { MEAN, SD, OFFSET, NOISE, SPREAD, SPREAD_PAST, REGIME_COLUMNS };
enum { BORN, SMALL, STILL, SAME, LUCK, LIMIT, SPIKE, DOUBT_RUN, DOUBT_CUSUM, SENSOR_COLUMNS };
/* Of what a row keeps: float, and counts of one byte */
enum { OWN, OWN_SLOW, LAST_SAID, UP, DOWN };
enum { RUN_STILL, RUN_SAME, ABSENT, STRANGE, CONVERTED, CALM, FAULT };
enum { OK, MISSING, STUCK, FLAT, SPIKING, DRIFTING, OUT_OF_RANGE, CHANGED_UNIT };

/* What a class learned of its sensors; R regimes, S sensors, M modes. */
typedef struct {
  int sensors, modes;
  const double *regime; /* (R, REGIME_COLUMNS, S) */
  const double *sensor; /* (SENSOR_COLUMNS, S) */
  const double *load;   /* (R, S, M) */
} Check;

/* The same in the regime of the reading. */
typedef struct {
  int sensors, modes;
  const double *mean, *sd, *offset, *noise, *spread, *spread_past;         /* (S,) */
  const double *born, *small, *still, *same, *luck, *limit, *spike;        /* (S,) */
  const double *doubt_run, *doubt_cusum;                                   /* (S,) */
  const double *load;                                                      /* (S, M) */
} Known;

/* What the row of an asset keeps of its sensors: (S,) each. */
typedef struct {
  float *mode; /* (M,) level of the modes */
  float *own, *own_slow, *last, *up, *down;
  uint8_t *run_still, *run_same, *absent, *strange, *converted, *calm, *fault;
} Memory;

/* Of one reading; (S,) but for the modes. */
typedef struct {
  double z[CHECKED];        /* the value that counts */
  double y[CHECKED];        /* distance from the asset's own normal, NaN: nothing was said */
  double variance[CHECKED], fit[CHECKED], deviation[CHECKED];
  double residual[CHECKED]; /* in sd, as are `apart` (against the others) and `past` */
  double apart[CHECKED], past[CHECKED];
  uint8_t is_out[CHECKED];  /* not believed: another value stands in */
  uint8_t is_used[CHECKED];
  double state[MODES], covariance[MODES][MODES];
} Checking;

/* The reading: of which regime, how many readings of this life were before it, units of time since then. */
typedef struct {
  int regime;
  int64_t seen;
  double step;
  const double *said; /* (S,) readings of the sensors, NaN: missing */
} Said;

Known known_in(const Check *check, int regime);
/* `stride`: places of sensors in the row, S or more */
Memory memory_at(float *modes, float *sensors, uint8_t *counts, int stride);
static inline Memory memory_of(const Row *row) {
  return memory_at(row->modes, row->sensors, row->sensor_counts, row->sizes->checked);
}

enum { NAT = 16 }; /* steps of one, in which runs are counted */
static inline double cusum_of(int s, const Memory *memory) {
  return memory->down[s] > memory->up[s] ? memory->down[s] : memory->up[s];
}
static inline int run_of_either(int s, const Memory *memory) {
  return memory->run_same[s] > memory->run_still[s] ? memory->run_same[s] : memory->run_still[s];
}
/* It is not believed, though no fault is told yet. */
static inline int is_in_doubt(int s, const Known *known, const Memory *memory) {
  return cusum_of(s, memory) > known->doubt_cusum[s] || run_of_either(s, memory) >= NAT * known->doubt_run[s];
}

/* Whom to ask: who said something believable, and is neither at fault nor in doubt. */
void begin_check(const Said *said, const Known *known, const Memory *memory, Checking *of);
/* Ask, and take out who does not fit, the worst first. True: so many do not that it is the asset that changed. */
int settle_check(const Said *said, const Known *known, const Memory *memory, Checking *of);

/* Judge one reading: faults are in the memory, the values that count in `z`, and `is_out` says which of them stand in.
 * Returns whether a sensor is in doubt though no fault is told. */
int check_sensors(const Said *said, const Check *check, const Memory *memory, Checking *of);
/* A new life: what was learned of the machine is forgotten; a sensor that is broken stays so. */
void forget_sensors(const Row *row);

/* The check along past lives, n readings: (n, S) each; see `Course` in models/maintenance/sensors.py */
typedef struct {
  double *residual, *apart, *past, *cusum, *run, *own, *z;
  uint8_t *fault;
} Course;
typedef struct {
  int64_t count;
  const uint8_t *is_first; /* of a life */
  const double *step;
  const int64_t *regime;
  const double *readings; /* (n, S) */
} PastLives;
void course_of_sensors(const PastLives *lives, const Check *check, const Course *course);

#endif
