/* decider.c: the Python type `Decider`: the alert policy of one asset class, and the watch over its data. */
#include "python.h"

#include <stdlib.h>

typedef struct {
  PyObject_HEAD Layout layout;
  Policy policy;
  void *arrays;
} DeciderObject;

static PyObject *decider_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  (void)keywords;
  Layout layout;
  Policy of = {0};
  PyObject *fields, *arrays;
  Py_ssize_t row_bytes;
  if (!PyArg_ParseTuple(args, "On(dddddd)(ii)O!", &fields, &row_bytes, &of.sign, &of.pull, &of.steady_pull,
                        &of.pull_units, &of.ceiling, &of.high, &of.errors, &of.parts, &PyTuple_Type, &arrays) ||
      take_layout(fields, row_bytes, &layout))
    return NULL;
  const int64_t targets = layout.sizes.targets;
#define KEPT(name, kind) {#name, kind, 2, {targets, LEVELS}, offsetof(Policy, name)}
  const Kept kept[] = {KEPT(on, 'f'), KEPT(clear, 'f'), KEPT(on_delay, 'i'), KEPT(off_delay, 'i')};
#undef KEPT
  void *block = keep_arrays(arrays, kept, 4, &of);
  PyObject *self = block ? ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0) : NULL;
  if (!self) {
    free(block);
    return NULL;
  }
  DeciderObject *decider = (DeciderObject *)self;
  decider->layout = layout;
  decider->policy = of;
  decider->arrays = block;
  return self;
}

static void decider_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  free(((DeciderObject *)self)->arrays);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

/* What `decide` reads and writes beside what was seen. */
typedef struct {
  const double *raw;
  double *value;
  uint8_t *is_suppressed;
} Written;
static const Column WRITTEN_COLUMNS[] = {
    {0, "raw", 'f', 8, OF_TARGETS, 0, offsetof(Written, raw)},
    {1, "value", 'f', 8, OF_TARGETS, 1, offsetof(Written, value)},
    {2, "is_suppressed", 'b', 1, ONE, 1, offsetof(Written, is_suppressed)},
};

/* Room for the transitions of a batch; NULL: an exception says that there is too little. */
static void *take_room(Columns *columns, PyObject *object, const char *name, size_t bytes, int64_t most) {
  if (take_rows(columns, object, name, bytes)) return NULL;
  const Py_buffer *buffer = columns->buffers + columns->held - 1;
  if (buffer->shape[0] >= most) return buffer->buf;
  PyErr_Format(PyExc_ValueError, "%s has too little room", name);
  return NULL;
}

/* The columns that alerts are decided by: of the events (time_s, kind, code), and of what was seen of them. */
static int take_seen(Columns *columns, PyObject *batch, PyObject *found, const int64_t *widths, Events *events,
                     Seen *seen) {
  const Column needed[] = {SEEN_COLUMNS[0], SEEN_COLUMNS[1], SEEN_COLUMNS[2],
                           SEEN_COLUMNS[3], SEEN_COLUMNS[5], SEEN_COLUMNS[6]};
  if (take_events(columns, batch, EVENT_COLUMNS, 3, widths, events) ||
      take_events(columns, found, needed, 6, widths, seen))
    return -1;
  if (events->time_s && events->kind && events->code && seen->status && seen->regime && seen->step &&
      seen->is_renewed && seen->role && seen->hold)
    return 0;
  PyErr_SetString(PyExc_ValueError, "a column is missing");
  return -1;
}

static PyObject *decide_events(PyObject *self, PyObject *args) {
  DeciderObject *decider = (DeciderObject *)self;
  PyObject *rows, *slots, *batch, *found, *scores, *transitions;
  Events events = {0};
  Seen seen = {0};
  Written written = {0};
  Columns columns = {.held = 0};
  if (!PyArg_ParseTuple(args, "OOO!O!O!O", &rows, &slots, &PyTuple_Type, &batch, &PyTuple_Type, &found, &PyTuple_Type,
                        &scores, &transitions))
    return NULL;
  const int64_t targets = decider->layout.sizes.targets, widths[WIDTHS] = {[OF_TARGETS] = targets};
  Journal journal = {0};
  int wrong = take_rows(&columns, rows, "rows", decider->layout.bytes) ||
              take_slots(&columns, slots, &events.slots) ||
              take_seen(&columns, batch, found, widths, &events, &seen) ||
              take_events(&columns, scores, WRITTEN_COLUMNS, 3, widths, &written);
  if (!wrong) {
    const int64_t most = MOST_TRANSITIONS * targets * columns.count;
    journal.transitions = take_room(&columns, transitions, "transitions", sizeof(Transition), most);
    wrong = !journal.transitions;
  }
  if (!wrong) {
    events.count = columns.count;
    journal.value = written.value;
    journal.is_suppressed = written.is_suppressed;
    decide(&decider->layout, columns.buffers[0].buf, &events, &seen, written.raw, &decider->policy, &journal);
  }
  let_go(&columns);
  return wrong ? NULL : Py_BuildValue("n", (Py_ssize_t)journal.count);
}

static PyMethodDef METHODS[] = {
    {"decide", decide_events, METH_VARARGS,
     "decide(rows, slots, batch, seen, (raw, value, is_suppressed), transitions) -> how many"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot SLOTS[] = {
    {Py_tp_doc, "Decider(fields, row_bytes, numbers, codes, levels)"},
    {Py_tp_new, (void *)decider_new},
    {Py_tp_dealloc, (void *)decider_dealloc},
    {Py_tp_methods, METHODS},
    {0, NULL},
};
static PyType_Spec SPEC = {"models.maintenance.kernel._native.Decider", sizeof(DeciderObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, SLOTS};

PyObject *decider_type(void) {
  return PyType_FromSpec(&SPEC);
}

/* `Input` of models/maintenance/watch.py: columns of the events, then what the model saw of them */
static const Column HEARD_COLUMNS[] = {
    {0, "time_s", 'f', 8, ONE, 0, offsetof(Events, time_s)},
    {1, "arrived_s", 'f', 8, ONE, 0, offsetof(Events, arrived_s)},
    {2, "kind", 'i', 1, ONE, 0, offsetof(Events, kind)},
    {3, "code", 'i', 2, ONE, 0, offsetof(Events, code)},
};
#define WATCHED(place, name, kind, width) {place, #name, kind, 1, width, 0, offsetof(WatchInput, name)}
static const Column WATCHED_COLUMNS[] = {
    WATCHED(4, status, 'i', ONE),      WATCHED(5, role, 'i', ONE),        WATCHED(6, quality, 'i', ONE),
    WATCHED(7, hold, 'u', OF_TARGETS),   WATCHED(8, is_bridged, 'b', ONE),  WATCHED(9, is_set_back, 'b', ONE),
    WATCHED(10, is_excused, 'b', ONE), WATCHED(11, faults, 'i', OF_READINGS),
};

static int take_watched(Columns *columns, PyObject *input, Events *events, WatchInput *given) {
  const int64_t widths[WIDTHS] = {[OF_READINGS] = given->sensors, [OF_TARGETS] = given->targets};
  if (take_events(columns, input, HEARD_COLUMNS, 4, widths, events) ||
      take_events(columns, input, WATCHED_COLUMNS, 8, widths, given))
    return -1;
  if (events->time_s && events->kind && events->code && given->status && given->role && given->quality &&
      given->hold && given->is_bridged && given->is_set_back && given->is_excused && given->faults)
    return 0;
  PyErr_SetString(PyExc_ValueError, "a column is missing");
  return -1;
}

PyObject *watch_events(PyObject *module, PyObject *args) {
  (void)module;
  PyObject *rows, *slots, *input, *transitions;
  Events events = {0};
  WatchInput given = {.events = &events};
  DataJournal journal = {0};
  Columns columns = {.held = 0};
  if (!PyArg_ParseTuple(args, "OOO!(ii)i(dd)O", &rows, &slots, &PyTuple_Type, &input, &given.sensors, &given.targets,
                        &given.whole, &given.patience.intervals, &given.patience.least_s, &transitions))
    return NULL;
  int wrong = take_rows(&columns, rows, "rows", sizeof(WatchRow)) || take_slots(&columns, slots, &events.slots) ||
              take_watched(&columns, input, &events, &given);
  if (!wrong) {
    const int64_t most = MOST_DATA_TRANSITIONS * columns.count;
    journal.written = take_room(&columns, transitions, "transitions", sizeof(DataTransition), most);
    wrong = !journal.written;
  }
  events.count = columns.count;
  if (!wrong) watch(columns.buffers[0].buf, &given, &journal);
  let_go(&columns);
  return wrong ? NULL : Py_BuildValue("n", (Py_ssize_t)journal.count);
}
