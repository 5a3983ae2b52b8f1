/* asset.h: what the files of this extension share. Those that know Python include python.h.
 *
 * Layers, each standing on those before it:
 *   numbers.h; row.c; recursions.c, windows.c, clocks.c, sensors.c, faults.c;
 *   log_memory.c, channels.c, parts.c; step.c; observe.c, score_filter.c, interval.c, watch_times.c; alerts.c, watch.c;
 *   module.c and the Python types
 */
#ifndef MILLRACE_ASSET_H
#define MILLRACE_ASSET_H

#include <math.h>

#include "recursions.h"
#include "row.h"
#include "sensors.h"

/* Numbers that models/maintenance/codes.py has too; constants.c tells Python of them, and a test holds them equal. */
enum { /* kinds of events */
  READING, ERROR, MAINTENANCE, REPLACEMENT, FAILURE, WINDOW_START, WINDOW_END,
  OUT_OF_SERVICE, IN_SERVICE, DECOMMISSIONED, ALERT_CLOSED, SILENT,
  AHEAD, /* a reading that was refused, as its time lies too far ahead of its record */
};
enum { NO_CODE = -1 };
enum { SCORED, DUPLICATE, LATE, LOGGED, BLANK, UNMONITORED, CROWDED, REFUSED }; /* what an event came to */
/* What keeps alerts from moving: a maintenance window; the part was renewed right after; weeks later; a sensor is in
 * doubt */
enum { HELD = 1, RENEWED_SOON, PLANNED, DOUBTFUL };
/* of a reading: all there is, its first part with a score, one more, the last one */
enum { WHOLE, PART, ANOTHER, LAST };
enum { GOOD, DEGRADED, POOR };       /* input of a score */
enum { OLD, NEWS, FULL };            /* an entry of the log: known or overtaken, kept, without room */
enum { WINDOWS = 3 };                /* in which errors are counted */
extern const double WINDOW_UNITS[WINDOWS];
static const double NEVER = 10000.0; /* units: a kind of log entry that never came, or so long ago */

/* What a class learned of its readings: `Preparation` of models/maintenance/preparation.py and the choice of features.
 * V regime variables, R regimes, S kept sensors, K channels. */
typedef struct {
  Sizes sizes;
  int readings, variables, constants; /* of an event; V is 0 or `variables` */
  int sensors, regimes, chosen_count, has_age, can_hold, features;
  int fall_channel; /* -1: none */
  double fall_limit, unit_s;
  const double *centre, *scale;             /* (V,) */
  const double *centroids;                  /* (R, V) */
  const double *reach;                      /* (R,) how far from a centroid a reading is of its regime */
  const double *mean, *sd;                  /* (R, S) */
  const double *weights;                    /* (R, K, S) */
  const double *bias, *trust;               /* (R, K) */
  const double *expected_offset, *noise;    /* (R, S) */
  const double *expected_load;              /* (R, S, K) */
  const int64_t *kept;                      /* (S,) places among the readings */
  const int64_t *chosen;                    /* features of a channel that are used */
  Check check;                              /* of no sensor where they are not checked */
} Prepared;

/* Working memory of one reading; from `work_new`. */
typedef struct {
  double *readings, *variables, *constants; /* of a reading that comes in parts: together */
  double *known;        /* (V,) the variables with the last known in place of missing ones */
  double *z;            /* (S,) */
  double *said;         /* (S,) readings of the kept sensors */
  double *index, *trust; /* (K,) values of the channels */
  double *last;         /* (codes,) when each kind of log entry was last */
  double (*counts)[WINDOWS]; /* (errors,) */
  float *features;      /* (F,) what nobody asks for */
  uint8_t *is_present;  /* (S,) */
  uint8_t *is_renewed;  /* (T,) what nobody asks for */
  uint8_t *draft;       /* a copy of a row */
  Checking checking;
  double keep[SPEEDS], found[FEATURE_COUNT];
  int is_doubtful; /* a sensor is in doubt of which no fault is told */
  int quality;     /* GOOD .. */
} Work;

Work *work_new(const Prepared *prepared, size_t row_bytes); /* NULL: out of memory */
void work_free(Work *work);

/* windows.c */
/* OLD, NEWS, FULL */
int mark_window(const Row *row, double time, int is_end, int64_t tag, uint64_t event_id, double arrived);
int is_in_window(const Row *row, double time);
int is_excused(const Row *row, double since, double time); /* a window was open after `since`, up to `time` */
enum { WINDOW_IS_END = 0x8000, WINDOW_HAS_CODE = 0x4000 }; /* bits of `window_tag` */

/* clocks.c: whether a late reading is the last of enough to follow; counts it otherwise */
int was_set_back(const Row *row, double time, double arrived);

/* log_memory.c */
int is_repeated(const Row *row, uint64_t event_id, int is_late); /* remembers the id of a reading otherwise */
/* Returns OLD, NEWS or FULL. The id may be 0: none is known. */
int write_log(const Row *row, double time, int kind, int code, uint64_t event_id, double arrived, int is_planned);
/* Out of service at the time of a reading; an asset that was replaced as a whole since then is in service again. */
int is_out(const Row *row, double time);
/* Fills `last` and `counts` of the work by what was before `time`; returns when the asset as a whole was renewed. */
double read_log(const Row *row, double time, const Prepared *prepared, Work *work);

/* channels.c; a `regime` is a place, -1: it is not known */
enum { NOT_TOLD = -1, NOT_TRAINED = -2 };
int regime_of(const double *variables, const Prepared *prepared);
int bridged_regime(const Row *row, const Prepared *prepared, Work *work);
void remember_regime(const Row *row, const Prepared *prepared, const double *variables);
int normalise(const Prepared *prepared, int regime, Work *work); /* how many sensors said something */
void refuse_spikes(const Row *row, const Prepared *prepared, int regime, int present, Work *work);
void stand_in(const Row *row, const Prepared *prepared, int regime, Work *work);
void project_reading(const Prepared *prepared, int regime, Work *work);
int has_fallen(float fall[3], Measured measured, double limit);
void fall_course(int64_t count, const uint8_t *is_first, const double *value, const double *trust, double limit,
                 double *course);
enum { BRIDGED = 1000 }; /* readings in a row whose regime is concluded when the variables that tell it are missing */

/* parts.c */
void load_event(const Prepared *prepared, const double *readings, const double *variables, const double *constants,
                Work *work);
int is_complete(const Prepared *prepared, const Work *work); /* no other part can add anything */
int is_empty(const Prepared *prepared, const Work *work);
void end_parts(const Row *row, const Prepared *prepared, Work *work);
int add_part(const Row *row, double time, const Prepared *prepared, Work *work); /* the role of the record */
/* bits of `comes_in_parts`: the asset's readings do; a part of the present one has a score */
enum { COMES = 1, IS_SCORED = 2 };

/* step.c: step by the values in `work` */
typedef struct {
  double units;
  int regime; /* -1: it is not known, and nothing was done */
} Step;
Step take_step(const Row *row, double time, const Prepared *prepared, Work *work, float *features, uint8_t *is_renewed);

/* Columns of a batch, n events; see EventBatch in models/maintenance/observe.py */
typedef struct {
  int64_t count;
  const int64_t *slots;   /* the row of each */
  const double *time_s, *arrived_s; /* NULL: no record's time is known */
  const int8_t *kind;
  const int16_t *code;
  const uint64_t *event_id;
  const double *readings, *variables, *constants;
} Events;

static inline double arrived_at(const Events *events, int64_t i) {
  return events->arrived_s ? events->arrived_s[i] : NAN;
}

/* What the pass found; see Seen in models/maintenance/observe.py */
typedef struct {
  int8_t *status;
  int16_t *regime;
  double *step;
  uint8_t *is_renewed; /* (n, T) */
  float *features;     /* (n, F) */
  int8_t *role;
  uint8_t *hold;       /* (n, T) */
  uint8_t *is_set_back;
  int8_t *quality;
  int8_t *faults;      /* (n, readings) */
  uint8_t *is_bridged, *is_excused;
} Seen;

/* A replacement further ahead of its record takes effect with the readings after it. */
static const double CLOCKS_S = 300.0;

/* observe.c. All of `seen` is zeros before. */
void observe(const Layout *layout, uint8_t *rows, const Events *events, const Prepared *prepared, Work *work,
             const Seen *seen);

/* interval.c: of values (n,), by what the forests said of them and by the quality of their input, to `lower` and
 * `upper` */
typedef struct {
  const double *value, *low, *high;
  const int8_t *quality;
  double *lower, *upper;
} Ends;
typedef struct {
  int edge_count;
  const double *edges;      /* rising */
  const double *low, *high; /* one more: offsets of the bins */
  const double *widened;    /* (QUALITIES,) how many times as far the ends lie */
} Bins;
void interval_ends(int64_t count, const Ends *ends, const Bins *bins, double cap);

/* The alert policy of a class; see Policy in models/maintenance/policy.py */
typedef struct {
  double sign, pull, steady_pull, pull_units, ceiling, high;
  int errors, parts;
  const double *on, *clear;            /* (T, LEVELS) */
  const int64_t *on_delay, *off_delay; /* (T, LEVELS) */
} Policy;

/* TRANSITION of models/maintenance/transitions.py */
#define TRANSITION_FIELDS(FIELD)                                                                                      \
  FIELD(int64_t, event)                                                                                               \
  FIELD(int16_t, target)                                                                                              \
  FIELD(uint8_t, state)                                                                                               \
  FIELD(uint8_t, severity)                                                                                            \
  FIELD(uint8_t, reason)                                                                                              \
  FIELD(uint32_t, alert)                                                                                              \
  FIELD(uint16_t, sequence)                                                                                           \
  FIELD(double, value)                                                                                                \
  FIELD(double, threshold)                                                                                            \
  FIELD(double, raised_at)
#define MEMBER(type, name) type name;
typedef struct {
  TRANSITION_FIELDS(MEMBER)
} Transition;

/* What is written of a batch. */
typedef struct {
  double *value;           /* (n, T) */
  uint8_t *is_suppressed;  /* (n,) */
  Transition *transitions; /* MOST_TRANSITIONS for each event and target */
  int64_t count;           /* of them so far */
} Journal;
/* that of the reading before, whose parts are over; one cleared and another one raised */
enum { MOST_TRANSITIONS = 3 };
enum { RAISED, CHANGED, CLEARED };
enum { REACHED, ESCALATED, STEPPED_DOWN, RECOVERED, REPLACED, RENEWED, RETIRED, CLOSED, STOPPED };

/* Where the kernel is. */
typedef struct {
  int64_t event;
  double time;
  int target, hold;
} At;

/* score_filter.c */
double filter_score(const Row *row, const At *at, double raw, double step, const Policy *policy, Journal *journal);
void tell_score(const Row *row, const At *at, double raw, double step, double gap, const Policy *policy,
                Journal *journal);

/* alerts.c */
void decide(const Layout *layout, uint8_t *rows, const Events *events, const Seen *seen, const double *raw,
            const Policy *policy, Journal *journal);

#endif
