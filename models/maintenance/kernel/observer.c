/* observer.c: the Python type `Observer`: the pass over the rows of one asset class, with all that it learned. */
#include "python.h"

#include <stdlib.h>

typedef struct {
  PyObject_HEAD Layout layout;
  Prepared prepared;
  Work *work;
  void *arrays;
} ObserverObject;

enum { ARRAYS = 17, REGIMES_AT = 4 /* `mean` (R, S) */, WEIGHTS_AT = 6, CHOSEN_AT = 12, CHECK_AT = 14, LOAD_AT = 15 };

/* One axis of one array of the tuple; -1: an exception says why not. */
static int64_t axis_of(PyObject *arrays, int place, int dimensions, int axis) {
  Py_buffer buffer;
  if (PyTuple_Size(arrays) != ARRAYS) {
    PyErr_Format(PyExc_ValueError, "there must be %d arrays", (int)ARRAYS);
    return -1;
  }
  if (PyObject_GetBuffer(PyTuple_GetItem(arrays, place), &buffer, PyBUF_C_CONTIGUOUS)) return -1;
  int64_t found = buffer.ndim == dimensions ? buffer.shape[axis] : -1;
  PyBuffer_Release(&buffer);
  if (found > 100000) found = -1;
  if (found < 0) PyErr_Format(PyExc_ValueError, "array %d has a shape that cannot be", place);
  return found;
}

/* How many there are of everything, by the shapes of some arrays. */
static int find_sizes(PyObject *arrays, Prepared *prepared) {
  const struct {
    int place, dimensions, axis;
    int *to;
  } found[] = {
      {REGIMES_AT, 2, 0, &prepared->regimes},      {REGIMES_AT, 2, 1, &prepared->sensors},
      {CHOSEN_AT, 1, 0, &prepared->chosen_count},  {CHECK_AT, 2, 1, &prepared->check.sensors},
      {LOAD_AT, 3, 2, &prepared->check.modes},
  };
  for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
    const int64_t size = axis_of(arrays, found[i].place, found[i].dimensions, found[i].axis);
    if (size < 0) return -1;
    *found[i].to = (int)size;
  }
  return 0;
}

static void *keep_learned(PyObject *arrays, Prepared *of) {
  const int64_t r = of->regimes, s = of->sensors, k = of->sizes.channels, v = of->variables;
  const int64_t c = of->check.sensors, in = c ? r : 1;
#define KEPT(name, kind, dimensions, ...) {#name, kind, dimensions, __VA_ARGS__, offsetof(Prepared, name)}
  const Kept learned[ARRAYS] = {
      KEPT(centre, 'f', 1, {v}),
      KEPT(scale, 'f', 1, {v}),
      KEPT(centroids, 'f', 2, {r, v}),
      KEPT(kept, 'i', 1, {s}),
      KEPT(mean, 'f', 2, {r, s}),
      KEPT(sd, 'f', 2, {r, s}),
      KEPT(weights, 'f', 3, {r, k, s}),
      KEPT(bias, 'f', 2, {r, k}),
      KEPT(trust, 'f', 2, {r, k}),
      KEPT(expected_offset, 'f', 2, {r, s}),
      KEPT(expected_load, 'f', 3, {r, s, k}),
      KEPT(noise, 'f', 2, {r, s}),
      KEPT(chosen, 'i', 1, {of->chosen_count}),
      KEPT(check.regime, 'f', 3, {in, REGIME_COLUMNS, c}),
      KEPT(check.sensor, 'f', 2, {SENSOR_COLUMNS, c}),
      KEPT(check.load, 'f', 3, {in, c, of->check.modes}),
      KEPT(reach, 'f', 1, {r}),
  };
#undef KEPT
  return keep_arrays(arrays, learned, ARRAYS, of);
}

/* Whether all places that are learned lie within what they are places of; NULL, or what is wrong. */
static const char *wrong_of(const Prepared *of) {
  const Sizes *sizes = &of->sizes;
  if (of->regimes < 1 || of->regimes > 30000) return "regimes";
  if (of->variables > sizes->variables || of->sensors > of->readings) return "sensors";
  if (sizes->errors < 0 || sizes->components < 0 || sizes->errors + sizes->components + 1 != sizes->codes ||
      sizes->components > sizes->targets)
    return "codes";
  if (of->fall_channel >= sizes->channels) return "fall_channel";
  if (of->can_hold && of->readings + of->variables + of->constants > sizes->held) return "held";
  const int checked = of->check.sensors;
  if (checked && (checked != of->sensors || checked > sizes->checked || checked > CHECKED)) return "check";
  if (of->check.modes > MODES || (checked && of->check.modes > sizes->modes)) return "modes";
  for (int s = 0; s < of->sensors; s++)
    if (of->kept[s] < 0 || of->kept[s] >= of->readings) return "sensors";
  for (int j = 0; j < of->chosen_count; j++)
    if (of->chosen[j] < 0 || of->chosen[j] >= FEATURE_COUNT) return "chosen";
  return NULL;
}

static int fill(ObserverObject *self, PyObject *arrays) {
  Prepared *of = &self->prepared;
  const int errors = of->sizes.errors, components = of->sizes.components;
  of->sizes = self->layout.sizes;
  of->sizes.errors = errors;
  of->sizes.components = components;
  if (find_sizes(arrays, of)) return -1;
  self->arrays = keep_learned(arrays, of);
  if (!self->arrays) return -1;
  const char *wrong = wrong_of(of);
  if (wrong) {
    PyErr_Format(PyExc_ValueError, "what was learned does not fit the rows: %s", wrong);
    return -1;
  }
  of->features = of->sizes.channels * of->chosen_count + !!of->has_age + errors * WINDOWS + of->sizes.codes - 1 +
                 of->constants;
  self->work = work_new(of, self->layout.bytes);
  if (!self->work) PyErr_NoMemory();
  return self->work ? 0 : -1;
}

static PyObject *observer_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  (void)keywords;
  Layout layout;
  Prepared of = {0};
  PyObject *fields, *arrays;
  Py_ssize_t row_bytes;
  if (!PyArg_ParseTuple(args, "On(iii)(ii)(iii)ddO!", &fields, &row_bytes, &of.readings, &of.variables, &of.constants,
                        &of.sizes.errors, &of.sizes.components, &of.has_age, &of.can_hold, &of.fall_channel,
                        &of.fall_limit, &of.unit_s, &PyTuple_Type, &arrays) ||
      take_layout(fields, row_bytes, &layout))
    return NULL;
  if (of.readings < 0 || of.variables < 0 || of.constants < 0 || of.readings + of.constants > 100000)
    return PyErr_Format(PyExc_ValueError, "an event has a number of values that cannot be");
  PyObject *self = ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (!self) return NULL;
  ObserverObject *observer = (ObserverObject *)self;
  observer->layout = layout;
  observer->prepared = of;
  if (fill(observer, arrays) == 0) return self;
  Py_DECREF(self);
  return NULL;
}

static void observer_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  work_free(((ObserverObject *)self)->work);
  free(((ObserverObject *)self)->arrays);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

static PyObject *observe_events(PyObject *self, PyObject *args) {
  ObserverObject *observer = (ObserverObject *)self;
  const Prepared *of = &observer->prepared;
  const int64_t widths[WIDTHS] = {
      [OF_TARGETS] = of->sizes.targets, [OF_READINGS] = of->readings,   [OF_VARIABLES] = of->variables,
      [OF_CONSTANTS] = of->constants,   [OF_FEATURES] = of->features,
  };
  PyObject *rows, *slots, *batch, *found;
  Events events = {0};
  Seen seen = {0};
  Columns columns = {.held = 0};
  if (!PyArg_ParseTuple(args, "OOO!O!", &rows, &slots, &PyTuple_Type, &batch, &PyTuple_Type, &found)) return NULL;
  const int wrong = take_rows(&columns, rows, "rows", observer->layout.bytes) ||
                    take_slots(&columns, slots, &events.slots) ||
                    take_events(&columns, batch, EVENT_COLUMNS, 8, widths, &events) ||
                    take_events(&columns, found, SEEN_COLUMNS, 12, widths, &seen);
  events.count = columns.count;
  if (!wrong) observe(&observer->layout, columns.buffers[0].buf, &events, of, observer->work, &seen);
  let_go(&columns);
  if (wrong) return NULL;
  Py_RETURN_NONE;
}

/* What a step of one row comes to on its way. */
typedef struct {
  const double *readings, *variables, *constants;
  double *z, *index, *trust;
  uint8_t *is_present;
} Trace;
enum { OF_SENSORS = OF_TARGETS, OF_CHANNELS = OF_FEATURES }; /* widths of a trace */
#define TRACED(place, name, kind, size, width, is_written) \
  {place, #name, kind, size, width, is_written, offsetof(Trace, name)}
static const Column TRACE_COLUMNS[] = {
    TRACED(0, readings, 'f', 8, OF_READINGS, 0),   TRACED(1, variables, 'f', 8, OF_VARIABLES, 0),
    TRACED(2, constants, 'f', 8, OF_CONSTANTS, 0), TRACED(3, z, 'f', 8, OF_SENSORS, 1),
    TRACED(4, is_present, 'b', 1, OF_SENSORS, 1),  TRACED(5, index, 'f', 8, OF_CHANNELS, 1),
    TRACED(6, trust, 'f', 8, OF_CHANNELS, 1),
};

static Step trace_step(ObserverObject *observer, uint8_t *row, double time_s, const Trace *trace) {
  const Prepared *of = &observer->prepared;
  Work *work = observer->work;
  const Row at = row_at(&observer->layout, row);
  load_event(of, trace->readings, trace->variables, trace->constants, work);
  const Step step = take_step(&at, time_s, of, work, work->features, work->is_renewed);
  if (step.regime < 0) return step;
  memcpy(trace->z, work->z, sizeof(double) * (size_t)of->sensors);
  memcpy(trace->is_present, work->is_present, (size_t)of->sensors);
  memcpy(trace->index, work->index, sizeof(double) * (size_t)of->sizes.channels);
  memcpy(trace->trust, work->trust, sizeof(double) * (size_t)of->sizes.channels);
  return step;
}

static PyObject *trace_reading(PyObject *self, PyObject *args) {
  ObserverObject *observer = (ObserverObject *)self;
  const Prepared *of = &observer->prepared;
  const int64_t widths[WIDTHS] = {
      [OF_SENSORS] = of->sensors,     [OF_READINGS] = of->readings,           [OF_VARIABLES] = of->variables,
      [OF_CONSTANTS] = of->constants, [OF_CHANNELS] = of->sizes.channels,
  };
  PyObject *rows, *arrays;
  double time_s;
  Trace trace = {0};
  Step step = {0};
  Columns columns = {.held = 0, .count = 1};
  if (!PyArg_ParseTuple(args, "OdO!", &rows, &time_s, &PyTuple_Type, &arrays)) return NULL;
  int wrong = take_rows(&columns, rows, "rows", observer->layout.bytes) ||
              take_events(&columns, arrays, TRACE_COLUMNS, 7, widths, &trace);
  if (!wrong && columns.buffers[0].shape[0] != 1) {
    PyErr_SetString(PyExc_ValueError, "rows must be one row");
    wrong = 1;
  }
  if (!wrong) step = trace_step(observer, columns.buffers[0].buf, time_s, &trace);
  let_go(&columns);
  return wrong ? NULL : Py_BuildValue("id", step.regime, step.units);
}

static PyMethodDef METHODS[] = {
    {"observe", observe_events, METH_VARARGS, "observe(rows, slots, batch, seen)"},
    {"trace", trace_reading, METH_VARARGS, "trace(row, time_s, arrays) -> regime, units"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot SLOTS[] = {
    {Py_tp_doc, "Observer(fields, row_bytes, widths, codes, flags, fall_limit, unit_s, learned)"},
    {Py_tp_new, (void *)observer_new},
    {Py_tp_dealloc, (void *)observer_dealloc},
    {Py_tp_methods, METHODS},
    {0, NULL},
};
static PyType_Spec SPEC = {"models.maintenance.kernel._native.Observer", sizeof(ObserverObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, SLOTS};

PyObject *observer_type(void) {
  return PyType_FromSpec(&SPEC);
}
