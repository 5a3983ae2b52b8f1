/* constants.c: numbers and layouts that Python has too. A test holds the two equal. */
#include "python.h"

#define CONSTANT(name) {#name, (double)(name)}
static const struct {
  const char *name;
  double value;
} CONSTANTS[] = {
    CONSTANT(READING), CONSTANT(ERROR), CONSTANT(MAINTENANCE), CONSTANT(REPLACEMENT), CONSTANT(FAILURE),
    CONSTANT(WINDOW_START), CONSTANT(WINDOW_END), CONSTANT(OUT_OF_SERVICE), CONSTANT(IN_SERVICE),
    CONSTANT(DECOMMISSIONED), CONSTANT(ALERT_CLOSED), CONSTANT(SILENT), CONSTANT(AHEAD), CONSTANT(NO_CODE),
    CONSTANT(SCORED), CONSTANT(DUPLICATE), CONSTANT(LATE), CONSTANT(LOGGED), CONSTANT(BLANK), CONSTANT(UNMONITORED),
    CONSTANT(CROWDED), CONSTANT(REFUSED), CONSTANT(HELD), CONSTANT(RENEWED_SOON), CONSTANT(PLANNED), CONSTANT(DOUBTFUL),
    CONSTANT(WHOLE), CONSTANT(PART), CONSTANT(ANOTHER), CONSTANT(LAST), CONSTANT(GOOD), CONSTANT(DEGRADED),
    CONSTANT(POOR),
    CONSTANT(NEVER), CONSTANT(WINDOW_IS_END), CONSTANT(LEVELS), CONSTANT(REMEMBERED_IDS), CONSTANT(SERVICE_IDS),
    CONSTANT(OTHER_IDS), CONSTANT(CHANNEL_STATE), CONSTANT(SENSOR_NUMBERS), CONSTANT(SENSOR_COUNTS), CONSTANT(SPEEDS),
    CONSTANT(CUSUM_MAX), CONSTANT(CLIP), CONSTANT(CHECKED), CONSTANT(MODES), CONSTANT(BRIDGED), CONSTANT(MEAN),
    CONSTANT(SD), CONSTANT(OFFSET), CONSTANT(NOISE), CONSTANT(SPREAD), CONSTANT(SPREAD_PAST), CONSTANT(BORN),
    CONSTANT(SMALL), CONSTANT(STILL), CONSTANT(SAME), CONSTANT(LUCK), CONSTANT(LIMIT), CONSTANT(SPIKE), CONSTANT(OK),
    CONSTANT(MISSING), CONSTANT(STUCK), CONSTANT(FLAT), CONSTANT(SPIKING), CONSTANT(DRIFTING), CONSTANT(OUT_OF_RANGE),
    CONSTANT(CHANGED_UNIT), CONSTANT(RAISED), CONSTANT(CHANGED), CONSTANT(CLEARED), CONSTANT(REACHED),
    CONSTANT(ESCALATED),
    CONSTANT(STEPPED_DOWN), CONSTANT(RECOVERED), CONSTANT(REPLACED), CONSTANT(RENEWED), CONSTANT(RETIRED),
    CONSTANT(CLOSED), CONSTANT(STOPPED),
    CONSTANT(MOST_TRANSITIONS), CONSTANT(SENSORS), CONSTANT(REGIME), CONSTANT(CLOCK),
    CONSTANT(SILENCE), CONSTANT(IS_HERE), CONSTANT(IS_WELL), CONSTANT(IS_RETIRED), CONSTANT(WAS_CLOSED),
    CONSTANT(ADVISORY), CONSTANT(WARNING), CONSTANT(WATCHED), CONSTANT(WAITS), CONSTANT(IS_POOR), CONSTANT(HAS_SPIKE),
    CONSTANT(IS_BLANK), CONSTANT(MOST_DATA_TRANSITIONS), CONSTANT(CLOCKS_S), CONSTANT(LONGER), CONSTANT(LIVE_PACE),
    CONSTANT(CLOCK_WRONG_S),
};

/* (struct, field, offset, bytes) */
#define TOLD(of, type, name) {#of, #name, offsetof(of, name), sizeof(type)},
#define OF_TRANSITION(type, name) TOLD(Transition, type, name)
#define OF_WATCH(type, name) TOLD(WatchRow, type, name)
#define OF_DATA_TRANSITION(type, name) TOLD(DataTransition, type, name)
static const struct {
  const char *of, *name;
  size_t offset, bytes;
} STRUCTS[] = {TRANSITION_FIELDS(OF_TRANSITION) WATCH_FIELDS(OF_WATCH) DATA_TRANSITION_FIELDS(OF_DATA_TRANSITION)};

#define EACH(table) size_t i = 0; i < sizeof table / sizeof *table; i++

static int append(PyObject *list, PyObject *item) {
  if (!item) return -1;
  const int failed = PyList_Append(list, item);
  Py_DECREF(item);
  return failed;
}

static PyObject *told(size_t i) {
  const Py_ssize_t offset = (Py_ssize_t)STRUCTS[i].offset, bytes = (Py_ssize_t)STRUCTS[i].bytes;
  return Py_BuildValue("ssnn", STRUCTS[i].of, STRUCTS[i].name, offset, bytes);
}

int add_constants(PyObject *module) {
  PyObject *numbers = PyList_New(0), *structs = PyList_New(0), *fields = PyList_New(0);
  int failed = !numbers || !structs || !fields;
  for (EACH(CONSTANTS)) failed = failed || append(numbers, Py_BuildValue("sd", CONSTANTS[i].name, CONSTANTS[i].value));
  for (EACH(STRUCTS))
    failed = failed || append(structs, told(i));
  for (EACH(ROW_NAMES)) failed = failed || append(fields, PyUnicode_FromString(ROW_NAMES[i]));
  const int wrong[] = {add_to(module, "CONSTANTS", numbers), add_to(module, "STRUCTS", structs),
                       add_to(module, "ROW_FIELDS", fields)};
  return failed || wrong[0] || wrong[1] || wrong[2] ? -1 : 0;
}
