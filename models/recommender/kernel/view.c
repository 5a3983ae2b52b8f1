/* view.c: the Python type View: kernels on the arrays of a catalogue view. It holds their buffers, and working memory
 * once it is asked something; whoever replaces an array makes another one. The GIL is held. */
#include "python.h"

#include "question.h"

enum { ARRAYS = 19 };
/* In the order of `Arrays` of arrays.py */
static const Column COLUMNS_OF_VIEW[ARRAYS] = {
    {{"items", 'V', sizeof(Item), 1, 1}, {COUNT}},
    {{"popularity", 'f', 4, 2, 1}, {COUNT, POPULARITY_COLUMNS}},
    {{"context", 'f', 4, 2, 1}, {COUNT, ANY}},
    {{"waiting", 'i', 4, 1, 1}, {COUNT}},
    {{"context_total", 'f', 8, 1, 1}, {ANY}},
    {{"item_table", 'i', 4, 1, 1}, {ANY}},
    {{"log", 'i', 8, 2, 1}, {ANY, 2}},
    {{"sessions", 'V', sizeof(Session), 1, 1}, {ANY}},
    {{"session_items", 'i', 4, 2, 1}, {ANY, SESSION_ITEMS}},
    {{"session_actions", 'u', 1, 2, 1}, {ANY, SESSION_ITEMS}},
    {{"session_table", 'i', 4, 1, 1}, {ANY}},
    {{"new_ring", 'i', 4, 1, 1}, {NEW_RING}},
    {{"hot", 'i', 4, 2, 1}, {HOT_LISTS, HOT_LENGTH}},
    {{"hot_length", 'i', 8, 1, 1}, {HOT_LISTS}},
    {{"counters", 'i', 8, 1, 1}, {COUNTER_COUNT}},
    {{"clocks", 'f', 8, 1, 1}, {CLOCK_COUNT}},
    {{"rates", 'f', 8, 1, 0}, {HALF_LIVES}},
    {{"summaries", 'V', sizeof(Summary), 1, 1}, {ANY}},
    {{"co_visits", 'V', sizeof(CoVisit), 2, 1}, {ANY, CO_VISITS}},
};

struct ViewObject {
  PyObject_HEAD View view;
  Scratch *scratch;
  Py_buffer buffers[ARRAYS];
  int held;
};

const View *view_in(PyObject *self) {
  return &((ViewObject *)self)->view;
}

Scratch *scratch_in(PyObject *self) {
  ViewObject *object = (ViewObject *)self;
  if (!object->scratch) object->scratch = scratch_new(&object->view);
  if (!object->scratch) PyErr_NoMemory();
  return object->scratch;
}

static int is_power_of_two(int64_t number) {
  return number > 0 && (number & (number - 1)) == 0;
}

static void borrow(View *view, const Py_buffer *of) {
  view->items = of[0].buf;
  view->popularity = of[1].buf;
  view->context = of[2].buf;
  view->waiting = of[3].buf;
  view->context_total = of[4].buf;
  view->item_table = (Table){of[5].buf, of[5].shape[0] - 1};
  view->log = of[6].buf;
  view->sessions = of[7].buf;
  view->session_items = of[8].buf;
  view->session_actions = of[9].buf;
  view->session_table = (Table){of[10].buf, of[10].shape[0] - 1};
  view->new_ring = of[11].buf;
  view->hot = of[12].buf;
  view->hot_length = of[13].buf;
  view->counters = of[14].buf;
  view->clocks = of[15].buf;
  view->rates = of[16].buf;
  view->summaries = of[17].buf;
  view->co_visits = of[18].buf;
  view->item_room = of[0].shape[0];
  view->context_values = of[2].shape[1];
  view->log_length = of[6].shape[0];
  view->session_room = of[7].shape[0];
  view->summary_room = of[17].shape[0];
}

/* Tables need room, or a search would not end; places in rings are found by masks. */
static const char *sizes_wrong(const View *view, const Py_buffer *of) {
  if (view->item_room > INT32_MAX / 2 || view->session_room > INT32_MAX / 4) return "items, sessions: too many";
  if (of[4].shape[0] != view->context_values) return "context_total must have as many values as context";
  if (of[8].shape[0] != view->session_room || of[9].shape[0] != view->session_room)
    return "session_items, session_actions must have as many rows as sessions";
  if (of[18].shape[0] != view->summary_room) return "co_visits must have as many rows as summaries";
  if (!is_power_of_two(view->item_table.mask + 1) || view->item_table.mask + 1 < 2 * view->item_room)
    return "item_table must be a power of two, and twice as long as items";
  if (!is_power_of_two(view->session_table.mask + 1) || view->session_table.mask + 1 < 2 * view->session_room)
    return "session_table must be a power of two, and twice as long as sessions";
  if (!is_power_of_two(view->log_length) || !is_power_of_two(view->session_room))
    return "log, sessions: lengths must be powers of two";
  return NULL;
}

static int fill(ViewObject *self, PyObject *arrays, PyObject *clock) {
  if (take_struct(clock, "clock", &self->view.clock, sizeof(Clock))) return -1;
  if (take_tuple(arrays, COLUMNS_OF_VIEW, self->buffers, ARRAYS)) return -1;
  self->held = ARRAYS;
  borrow(&self->view, self->buffers);
  const char *wrong = sizes_wrong(&self->view, self->buffers);
  if (!wrong) wrong = view_wrong(&self->view);
  if (wrong) PyErr_SetString(PyExc_ValueError, wrong);
  else if (!index_summaries(&self->view)) PyErr_NoMemory();
  else return 0;
  return -1;
}

static PyObject *view_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  (void)keywords;
  PyObject *arrays, *clock;
  if (!PyArg_ParseTuple(args, "O!O", &PyTuple_Type, &arrays, &clock)) return NULL;
  PyObject *self = ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (self && fill((ViewObject *)self, arrays, clock)) {
    Py_DECREF(self);
    return NULL;
  }
  return self;
}

static void view_dealloc(PyObject *self) {
  ViewObject *object = (ViewObject *)self;
  PyTypeObject *type = Py_TYPE(self);
  scratch_free(object->scratch);
  unindex_summaries(&object->view);
  release_arrays(object->buffers, object->held);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

PyObject *view_type(PyMethodDef *methods) {
  PyType_Slot slots[] = {
      {Py_tp_doc, "View(arrays, clock): kernels on the arrays of a catalogue view, which are checked once"},
      {Py_tp_new, (void *)view_new},
      {Py_tp_dealloc, (void *)view_dealloc},
      {Py_tp_methods, methods},
      {0, NULL},
  };
  PyType_Spec spec = {"models.recommender.kernel._native.View", sizeof(ViewObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};
  return PyType_FromSpec(&spec);
}
