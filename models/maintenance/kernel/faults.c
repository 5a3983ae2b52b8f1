/* faults.c: faults of single sensors, told from wear of the machine; and the values that stand in for theirs.
 *
 * residuals -> cusums, runs without change, values beyond belief -> fault of each sensor -> z, or what stands in for
 * it
 *
 * While it is in doubt a sensor changes nothing: neither the modes nor its own offset, and its value is replaced by
 * what the others say of it. So a fault is kept out of the scores before it is told.
 */
#include <math.h>
#include <string.h>

#include "numbers.h"
#include "sensors.h"

static const double SLACK = 1.0; /* of the cusum, in sd */
static const double STEP = 4.0;  /* one reading adds so much to a cusum at most */
/* a cusum goes no further above its limit: so soon a sensor that is mended is believed again */
static const double ABOVE = 8.0;
/* of the modes; of the own offsets, fast, and in stand-ins */
static const double MODE_SPEED = 0.15, OWN_SPEED = 0.12, SLOW_SPEED = 0.04;
enum { MISSED = 3, AGREED = 3, WELL = 5 }; /* readings that tell: missing, another unit (the same one), recovered */
/* sd of what is expected: within which a converted reading agrees, and by how much it must be off as it is */
static const double UNIT_SD = 2.5, UNIT_CLEAR = 8.0;
enum { MOST_AGREED = 7, A_UNIT = MOST_AGREED + 1 }; /* are counted; `converted` is a unit and a count */
static const double MOST_NATS = 4.0;                /* of one reading */
static const double MOST_SAID = 1e38;

/* Factor and offset of what people mix up: temperature, pressure, prefixes, length, speed, time, power, force. */
static const double UNITS[][2] = {
    {1.8, 32.0}, {1 / 1.8, -32 / 1.8}, {1.0, 273.15}, {1.0, -273.15}, {14.503774, 0.0}, {1 / 14.503774, 0.0},
    {10.0, 0.0}, {0.1, 0.0}, {100.0, 0.0}, {0.01, 0.0}, {1000.0, 0.0}, {0.001, 0.0}, {25.4, 0.0}, {1 / 25.4, 0.0},
    {3.6, 0.0}, {1 / 3.6, 0.0}, {60.0, 0.0}, {1 / 60.0, 0.0}, {0.3048, 0.0}, {1 / 0.3048, 0.0},
    {1.341022, 0.0}, {1 / 1.341022, 0.0}, {4.448222, 0.0}, {1 / 4.448222, 0.0},
};
enum { UNIT_COUNT = sizeof UNITS / sizeof *UNITS };

/* Readings of late that agree with what the others say, once they are taken for ones in the same other unit.
 *
 * A unit changes at once, from one reading to the next: what drifts comes by other units too. And in its unit the
 * sensor moves as it always did, unlike one that is stuck. Before and after, it is A_UNIT times the unit, plus how
 * many. */
static int converted(int s, double reading, const Known *known, const Memory *memory, const Checking *of) {
  const int was = memory->converted[s], count = was % A_UNIT;
  const double expected = known->offset[s] + memory->own[s] + of->fit[s], agrees = UNIT_SD * of->deviation[s];
  const double as_it_is = fabs((reading - known->mean[s]) / known->sd[s] - expected);
  const int is_far = as_it_is > UNIT_CLEAR * of->deviation[s];
  int best = -1;
  double least = agrees;
  for (int unit = 0; is_far && unit < UNIT_COUNT; unit++) {
    const double factor = UNITS[unit][0], value = (reading - UNITS[unit][1]) / factor;
    const double off = fabs((value - known->mean[s]) / known->sd[s] - expected);
    if (count > 0 && unit == was / A_UNIT) {
      if (!(off < agrees)) continue;
      const int has_moved = fabs(reading - memory->last[s]) > known->small[s] * factor;
      return has_moved && count < MOST_AGREED ? was + 1 : was;
    }
    if (off < least) {
      best = unit;
      least = off;
    }
  }
  if (count > 1) return was - 1;
  const int is_abrupt = cusum_of(s, memory) <= known->doubt_cusum[s];
  return best >= 0 && is_abrupt ? best * A_UNIT + 1 : 0;
}

/* Steps of nats of one more reading like the one before: the more, the further off it is from what is expected.
 *
 * The chance is the mean over all readings; in the middle of their range (Gaussian) it is greater by sqrt(2). */
static int64_t unlikely(double chance, double apart) {
  const double nats = min_of(apart * apart, 4.0) / 2 - log(min_of(sqrt(2.0) * chance, 0.95));
  return integer_of(NAT * min_of(nats, MOST_NATS));
}

static uint8_t run_of(uint8_t run, double chance, double apart, int goes_on) {
  return goes_on ? (uint8_t)min_count(run + unlikely(chance, apart), 255) : 0;
}

/* Advance what is counted of one sensor that said something. */
static void count_one(int s, int64_t seen, double reading, int is_changed, const Known *known, const Memory *memory,
                      const Checking *of) {
  const double last = memory->last[s], residual = of->residual[s];
  const int is_out = of->is_out[s], is_same = seen > 0 && (float)reading == memory->last[s];
  const int is_still = is_same || (seen > 0 && fabs(reading - last) <= known->small[s]);
  memory->run_same[s] = run_of(memory->run_same[s], known->same[s], of->apart[s], is_same);
  memory->run_still[s] = run_of(memory->run_still[s], known->still[s], of->apart[s], is_still);
  memory->strange[s] = counted(memory->strange[s], is_out);
  const int is_odd = is_out || fabs(residual) > DOUBT || memory->fault[s] >= DRIFTING;
  memory->converted[s] = is_odd ? (uint8_t)converted(s, reading, known, memory, of) : 0;
  memory->last[s] = (float)clip(reading, -MOST_SAID, MOST_SAID);
  if (is_changed || is_out) return;
  const double most = known->limit[s] + ABOVE, part = clip(residual, -STEP, STEP);
  memory->up[s] = (float)min_of(max_of(0.0, memory->up[s] + part - SLACK), most);
  memory->down[s] = (float)min_of(max_of(0.0, memory->down[s] - part - SLACK), most);
}

static void count_all(const Said *said, int is_changed, const Known *known, const Memory *memory, const Checking *of) {
  for (int s = 0; s < known->sensors; s++) {
    const double reading = said->said[s];
    memory->absent[s] = counted(memory->absent[s], isnan(reading));
    if (!isnan(reading) && !(known->sd[s] < NO_SD)) count_one(s, said->seen, reading, is_changed, known, memory, of);
  }
}

/* What is wrong with a sensor by this reading. */
static int fault_now(int s, const Known *known, const Memory *memory, const Checking *of) {
  const int same = memory->run_same[s], still = memory->run_still[s];
  const double luck = NAT * known->luck[s];
  if (memory->absent[s] > 0) return memory->absent[s] >= MISSED ? MISSING : memory->fault[s];
  if (memory->converted[s] % A_UNIT >= AGREED) return CHANGED_UNIT;
  if (of->is_out[s]) return memory->strange[s] > 1 ? OUT_OF_RANGE : SPIKING;
  if (same >= luck) return STUCK;
  if (still >= luck) return FLAT;
  if (cusum_of(s, memory) > known->limit[s]) return DRIFTING;
  return fabs(of->residual[s]) > known->spike[s] ? SPIKING : OK;
}

/* The fault of each sensor: one that lasts is told until it was well for some readings in a row. */
static void tell_faults(const Known *known, const Memory *memory, const Checking *of) {
  for (int s = 0; s < known->sensors; s++) {
    const int was = memory->fault[s], now = fault_now(s, known, memory, of);
    memory->calm[s] = counted(memory->calm[s], now == OK);
    if (now == OK) {
      if (memory->calm[s] >= WELL || was <= MISSING || was == SPIKING) memory->fault[s] = OK;
    } else if (now != SPIKING || was <= MISSING) {
      memory->fault[s] = (uint8_t)now;
    }
  }
}

/* A sensor that is believed moves its own offset. */
static void learn_offset(int s, int64_t seen, const Known *known, const Memory *memory, const Checking *of) {
  const double noise = square(known->noise[s]), born = square(known->born[s]);
  const double first = born / (noise + (double)(seen + 1) * born), away = of->y[s] - of->fit[s];
  const double slow = max_of(SLOW_SPEED, first) * (away + memory->own[s] - memory->own_slow[s]);
  memory->own_slow[s] = (float)(memory->own_slow[s] + slow);
  memory->own[s] = (float)(memory->own[s] + max_of(OWN_SPEED, first) * away);
}

/* The values that count. Returns whether a sensor is in doubt only. */
static int take_values(int64_t seen, int is_changed, const Known *known, const Memory *memory, Checking *of) {
  int is_doubtful = 0;
  for (int s = 0; s < known->sensors; s++) {
    if (known->sd[s] < NO_SD) {
      of->z[s] = 0.0;
      continue;
    }
    const int is_suspected = is_in_doubt(s, known, memory) || fabs(of->residual[s]) > DOUBT;
    const int doubt = !is_changed && is_suspected;
    is_doubtful |= doubt && memory->fault[s] == OK;
    if (of->is_out[s] || doubt || memory->fault[s] != OK) {
      of->is_out[s] = 1;
      of->z[s] = clip(known->offset[s] + memory->own_slow[s] + of->fit[s], -CLIP, CLIP);
    } else {
      of->z[s] = clip(known->offset[s] + memory->own[s] + of->y[s], -CLIP, CLIP);
      learn_offset(s, seen, known, memory, of);
    }
  }
  return is_doubtful;
}

int check_sensors(const Said *said, const Check *check, const Memory *memory, Checking *of) {
  const Known known = known_in(check, said->regime);
  begin_check(said, &known, memory, of);
  const int is_changed = settle_check(said, &known, memory, of);
  count_all(said, is_changed, &known, memory, of);
  tell_faults(&known, memory, of);
  const int is_doubtful = take_values(said->seen, is_changed, &known, memory, of);
  const double by_time = 1.0 - power(1.0 - MODE_SPEED, max_of(said->step, 0.0));
  const double speed = max_of(by_time, 1.0 / (1.0 + (double)said->seen));
  for (int m = 0; m < known.modes; m++)
    memory->mode[m] = (float)(memory->mode[m] + speed * (of->state[m] - memory->mode[m]));
  return is_doubtful;
}

void forget_sensors(const Row *row) {
  const int places = row->sizes->checked;
  const Memory memory = memory_of(row);
  memset(row->modes, 0, (size_t)row->sizes->modes * sizeof(float));
  float *const forgotten[] = {memory.own, memory.own_slow, memory.up, memory.down};
  for (int i = 0; i < 4; i++) memset(forgotten[i], 0, (size_t)places * sizeof(float));
  for (int s = 0; s < places; s++)
    if (memory.fault[s] == DRIFTING) memory.fault[s] = OK;
}

static void note_course(int64_t at, int sensors, const Memory *memory, const Checking *of, const Course *course) {
  for (int s = 0; s < sensors; s++) {
    const int64_t place = at * sensors + s;
    course->residual[place] = of->residual[s];
    course->apart[place] = of->apart[s];
    course->past[place] = of->past[s];
    course->cusum[place] = cusum_of(s, memory);
    course->run[place] = (double)run_of_either(s, memory) / NAT;
    course->own[place] = memory->own[s];
    course->fault[place] = memory->fault[s];
    course->z[place] = of->z[s];
  }
}

void course_of_sensors(const PastLives *lives, const Check *check, const Course *course) {
  struct {
    float modes[MODES], sensors[SENSOR_NUMBERS * CHECKED];
    uint8_t counts[SENSOR_COUNTS * CHECKED];
  } kept = {0};
  const Memory memory = memory_at(kept.modes, kept.sensors, kept.counts, check->sensors);
  Checking of = {0};
  int64_t seen = 0;
  for (int64_t i = 0; i < lives->count; i++) {
    if (lives->is_first[i]) {
      seen = 0;
      memset(&kept, 0, sizeof kept);
    }
    const double *said = lives->readings + i * check->sensors;
    check_sensors(&(Said){(int)lives->regime[i], seen++, lives->step[i], said}, check, &memory, &of);
    note_course(i, check->sensors, &memory, &of, course);
  }
}
