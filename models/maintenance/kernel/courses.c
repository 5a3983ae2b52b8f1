/* courses.c: functions over columns, for Python: parts of the step along past lives, which training learns limits
 * from and tests look at; ends of intervals. */
#include "python.h"

typedef struct {
  const uint8_t *is_first;
  const double *value, *trust, *step;
  double *course;
} Lives;
#define LIVES(place, name, kind, size, width, is_written) \
  {place, #name, kind, size, width, is_written, offsetof(Lives, name)}

/* Length of the first axis of the first array of a tuple; -1: an exception says why not. */
static int64_t length_of(PyObject *arrays) {
  Py_buffer buffer;
  PyObject *first = PyTuple_GetItem(arrays, 0);
  if (!first || PyObject_GetBuffer(first, &buffer, PyBUF_C_CONTIGUOUS)) return -1;
  const int64_t length = buffer.ndim > 0 ? buffer.shape[0] : -1;
  PyBuffer_Release(&buffer);
  if (length < 0) PyErr_SetString(PyExc_ValueError, "the first array has no axis");
  return length;
}

static int take_all(PyObject *arrays, Columns *columns, const Column *wanted, int how_many, const int64_t *widths,
                    void *into) {
  columns->count = length_of(arrays);
  if (columns->count < 0) return -1;
  if (take_events(columns, arrays, wanted, how_many, widths, into)) return -1;
  if (columns->held == how_many) return 0;
  PyErr_SetString(PyExc_ValueError, "a column is missing");
  return -1;
}

PyObject *course_of_falls(PyObject *module, PyObject *args) {
  static const Column wanted[] = {LIVES(0, is_first, 'b', 1, ONE, 0), LIVES(1, value, 'f', 8, ONE, 0),
                                  LIVES(2, trust, 'f', 8, ONE, 0), LIVES(3, course, 'f', 8, ONE, 1)};
  (void)module;
  PyObject *arrays;
  double limit;
  Lives lives = {0};
  Columns columns = {.held = 0};
  if (!PyArg_ParseTuple(args, "O!d", &PyTuple_Type, &arrays, &limit)) return NULL;
  const int wrong = take_all(arrays, &columns, wanted, 4, NULL, &lives);
  if (!wrong) fall_course(columns.count, lives.is_first, lives.value, lives.trust, limit, lives.course);
  let_go(&columns);
  if (wrong) return NULL;
  Py_RETURN_NONE;
}

PyObject *course_of_channel(PyObject *module, PyObject *args) {
  enum { OF_CHANNEL = OF_FEATURES };
  static const Column wanted[] = {LIVES(0, value, 'f', 8, ONE, 0), LIVES(1, trust, 'f', 8, ONE, 0),
                                  LIVES(2, step, 'f', 8, ONE, 0), LIVES(3, course, 'f', 8, OF_CHANNEL, 1)};
  static const int64_t widths[WIDTHS] = {[OF_CHANNEL] = FEATURE_COUNT};
  (void)module;
  PyObject *arrays;
  Lives lives = {0};
  Columns columns = {.held = 0};
  if (!PyArg_ParseTuple(args, "O!", &PyTuple_Type, &arrays)) return NULL;
  const int wrong = take_all(arrays, &columns, wanted, 4, widths, &lives);
  if (!wrong) channel_course(columns.count, lives.value, lives.trust, lives.step, lives.course);
  let_go(&columns);
  if (wrong) return NULL;
  Py_RETURN_NONE;
}

enum { BIN_ARRAYS = 4, END_ARRAYS = 6 };

/* Bins of an interval: edges (B - 1,), offsets (B,) twice, and factors of the qualities */
static int take_bins(PyObject *arrays, Columns *columns, Bins *bins) {
  static const ArraySpec specs[BIN_ARRAYS] = {
      {"edges", 'f', 8, 1, 0}, {"low", 'f', 8, 1, 0}, {"high", 'f', 8, 1, 0}, {"widened", 'f', 8, 1, 0}};
  PyObject *objects[BIN_ARRAYS];
  for (int i = 0; i < BIN_ARRAYS; i++)
    if (!(objects[i] = PyTuple_GetItem(arrays, i))) return -1;
  if (take_arrays(objects, specs, columns->buffers, BIN_ARRAYS)) return -1;
  columns->held = BIN_ARRAYS;
  const Py_buffer *of = columns->buffers;
  *bins = (Bins){(int)of[0].shape[0], of[0].buf, of[1].buf, of[2].buf, of[3].buf};
  if (of[1].shape[0] == of[0].shape[0] + 1 && of[2].shape[0] == of[1].shape[0] && of[3].shape[0] == POOR + 1) return 0;
  PyErr_SetString(PyExc_ValueError, "there must be one bin more than edges, and a factor of each quality");
  return -1;
}

#define END(place, name, is_written) {place, #name, 'f', 8, ONE, is_written, offsetof(Ends, name)}
static const Column END_COLUMNS[END_ARRAYS] = {
    END(0, value, 0), END(1, low, 0), END(2, high, 0), {3, "quality", 'i', 1, ONE, 0, offsetof(Ends, quality)},
    END(4, lower, 1), END(5, upper, 1)};

PyObject *ends_of_interval(PyObject *module, PyObject *args) {
  (void)module;
  PyObject *learned, *arrays;
  double cap;
  Bins bins;
  Ends ends = {0};
  Columns columns = {.held = 0};
  if (!PyArg_ParseTuple(args, "O!O!d", &PyTuple_Type, &arrays, &PyTuple_Type, &learned, &cap)) return NULL;
  int wrong = take_bins(learned, &columns, &bins);
  if (!wrong) {
    columns.count = length_of(arrays);
    wrong = columns.count < 0 || take_events(&columns, arrays, END_COLUMNS, END_ARRAYS, NULL, &ends);
  }
  if (!wrong && columns.held != BIN_ARRAYS + END_ARRAYS) {
    PyErr_SetString(PyExc_ValueError, "a column is missing");
    wrong = 1;
  }
  if (!wrong) interval_ends(columns.count, &ends, &bins, cap);
  let_go(&columns);
  if (wrong) return NULL;
  Py_RETURN_NONE;
}

#define PAST(place, name, kind, size, width) {place, #name, kind, size, width, 0, offsetof(PastLives, name)}
static const Column PAST_COLUMNS[] = {
    PAST(0, is_first, 'b', 1, ONE), PAST(1, step, 'f', 8, ONE), PAST(2, regime, 'i', 8, ONE),
    PAST(3, readings, 'f', 8, OF_READINGS)};
#define COURSE(place, name, kind, size) {place, #name, kind, size, OF_READINGS, 1, offsetof(Course, name)}
static const Column COURSE_COLUMNS[] = {
    COURSE(0, residual, 'f', 8), COURSE(1, apart, 'f', 8), COURSE(2, past, 'f', 8),  COURSE(3, cusum, 'f', 8),
    COURSE(4, run, 'f', 8),      COURSE(5, own, 'f', 8),   COURSE(6, fault, 'u', 1), COURSE(7, z, 'f', 8)};

/* What was learned: (R, 6, S), (9, S), (R, S, M) */
static int take_check(PyObject *arrays, Columns *columns, Check *check, int64_t *regimes) {
  static const ArraySpec specs[] = {
      {"regime", 'f', 8, 3, 0}, {"sensor", 'f', 8, 2, 0}, {"load", 'f', 8, 3, 0}};
  PyObject *objects[3];
  for (int i = 0; i < 3; i++)
    if (!(objects[i] = PyTuple_GetItem(arrays, i))) return -1;
  if (take_arrays(objects, specs, columns->buffers, 3)) return -1;
  columns->held = 3;
  const Py_ssize_t *regime = columns->buffers[0].shape, *sensor = columns->buffers[1].shape,
                   *load = columns->buffers[2].shape;
  *regimes = regime[0];
  *check = (Check){(int)regime[2], (int)load[2], columns->buffers[0].buf, columns->buffers[1].buf,
                   columns->buffers[2].buf};
  if (regime[1] == REGIME_COLUMNS && sensor[0] == SENSOR_COLUMNS && sensor[1] == regime[2] && load[0] == regime[0] &&
      load[1] == regime[2] && regime[2] <= CHECKED && load[2] <= MODES)
    return 0;
  PyErr_SetString(PyExc_ValueError, "what was learned of the sensors has a shape that cannot be");
  return -1;
}

static int take_past(PyObject *given, PyObject *found, Columns *columns, const Check *check, int64_t regimes,
                     PastLives *lives, Course *course) {
  const int64_t widths[WIDTHS] = {[OF_READINGS] = check->sensors};
  columns->count = length_of(given);
  if (columns->count < 0 || take_events(columns, given, PAST_COLUMNS, 4, widths, lives) ||
      take_events(columns, found, COURSE_COLUMNS, 8, widths, course))
    return -1;
  int is_known = columns->held == 3 + 4 + 8;
  for (int64_t i = 0; is_known && i < columns->count; i++)
    is_known = lives->regime[i] >= 0 && lives->regime[i] < regimes;
  if (!is_known) PyErr_SetString(PyExc_ValueError, "a column is missing, or a regime is not there");
  lives->count = columns->count;
  return is_known ? 0 : -1;
}

PyObject *course_of_check(PyObject *module, PyObject *args) {
  (void)module;
  PyObject *learned, *given, *found;
  int64_t regimes;
  Check check;
  PastLives lives = {0};
  Course course = {0};
  Columns columns = {.held = 0};
  if (!PyArg_ParseTuple(args, "O!O!O!", &PyTuple_Type, &learned, &PyTuple_Type, &given, &PyTuple_Type, &found))
    return NULL;
  const int wrong = take_check(learned, &columns, &check, &regimes) ||
                    take_past(given, found, &columns, &check, regimes, &lives, &course);
  if (!wrong) course_of_sensors(&lives, &check, &course);
  let_go(&columns);
  if (wrong) return NULL;
  Py_RETURN_NONE;
}
