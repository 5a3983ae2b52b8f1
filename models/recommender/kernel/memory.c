/* memory.c: the Python type Repeats: the index of a ring of keys, which it borrows. The GIL is held. */
#include "python.h"

#include <stdlib.h>

typedef struct {
  PyObject_HEAD Py_buffer ring;
  Table table;
  int is_held;
} RepeatsObject;

static int fill(RepeatsObject *self, PyObject *ring) {
  static const Column column = {{"ring", 'u', 8, 1, 1}, {ANY}};
  if (take_columns(&ring, &column, &self->ring, 1)) return -1;
  self->is_held = 1;
  const Py_ssize_t length = self->ring.shape[0];
  if (length < 1 || length > 1 << 28 || length & (length - 1)) {
    PyErr_SetString(PyExc_ValueError, "ring: its length must be a power of two");
    return -1;
  }
  self->table = (Table){calloc(4 * (size_t)length, sizeof(int32_t)), 4 * length - 1};
  if (self->table.places) index_repeats(self->ring.buf, self->table);
  else PyErr_NoMemory();
  return self->table.places ? 0 : -1;
}

static PyObject *repeats_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  (void)keywords;
  PyObject *ring;
  if (!PyArg_ParseTuple(args, "O", &ring)) return NULL;
  PyObject *self = ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (self && fill((RepeatsObject *)self, ring)) {
    Py_DECREF(self);
    return NULL;
  }
  return self;
}

static void repeats_dealloc(PyObject *self) {
  RepeatsObject *object = (RepeatsObject *)self;
  PyTypeObject *type = Py_TYPE(self);
  free(object->table.places);
  if (object->is_held) PyBuffer_Release(&object->ring);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

static PyObject *repeats_take(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  static const Column columns[] = {{{"users", 'u', 8, 1, 0}, {COUNT}},
                                   {{"events", 'u', 8, 1, 0}, {COUNT}},
                                   {{"is_known", 'b', 1, 1, 1}, {COUNT}}};
  const RepeatsObject *object = (RepeatsObject *)self;
  Py_buffer of[3];
  if (!has_arguments(count, 4)) return NULL;
  const int64_t until = PyLong_AsLongLong(args[0]);
  if ((until == -1 && PyErr_Occurred()) || !are_below("until", &until, 1, 0, INT64_MAX >> 1)) return NULL;
  if (take_columns(args + 1, columns, of, 3)) return NULL;
  const int64_t events = of[0].shape[0];
  const int64_t now = take_repeats(object->ring.buf, object->table, until, of[0].buf, of[1].buf, events, of[2].buf);
  release_arrays(of, 3);
  return PyLong_FromLongLong(now);
}

static PyMethodDef METHODS[] = {
    {"take", (PyCFunction)(void (*)(void))repeats_take, METH_FASTCALL,
     "take(until, users, events, is_known) -> how many events were ever put in the ring"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot SLOTS[] = {
    {Py_tp_doc, "Repeats(ring): which events are among the newest, and puts those that are not into the ring"},
    {Py_tp_new, (void *)repeats_new},
    {Py_tp_dealloc, (void *)repeats_dealloc},
    {Py_tp_methods, METHODS},
    {0, NULL},
};
static PyType_Spec SPEC = {"models.recommender.kernel._native.Repeats", sizeof(RepeatsObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, SLOTS};

PyObject *repeats_type(void) {
  return PyType_FromSpec(&SPEC);
}
