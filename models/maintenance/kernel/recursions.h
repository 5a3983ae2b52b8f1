/* recursions.h: the decayed sums of a channel. models/maintenance/recursions.py names the features. */
#ifndef MILLRACE_RECURSIONS_H
#define MILLRACE_RECURSIONS_H

#include "row.h"

enum { SPEEDS = 4, FEATURE_COUNT = 18 };
enum { LEVEL = 3 }; /* place of the level in the state of a channel */
static const double CUSUM_MAX = 1e4;

typedef struct {
  int64_t seen; /* readings of this life, this one included */
  double age;   /* time since the first reading of the life plus one, in units of the class */
} Life;

typedef struct {
  double value; /* of the channel, in sd */
  double trust; /* weight of the reading, 1 on average, 0: not measured */
} Measured;

/* What each speed keeps over a time step, in units of the class. */
void decays(double step, double keep[SPEEDS]);
/* Advance one channel by one reading. */
void update_channel(float state[CHANNEL_STATE], const Life *life, const double keep[SPEEDS], Measured measured,
                    double out[FEATURE_COUNT]);
/* The features (count, 18) of one channel along one life; the step of the first reading is one unit as a rule. */
void channel_course(int64_t count, const double *value, const double *trust, const double *step, double *out);

#endif
