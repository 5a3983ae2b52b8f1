/* module.c: streams.wire._native, in CPython's limited API (one file for 3.11 and newer). */
#include "python.h"

static PyObject *partitions(PyObject *module, PyObject *args) {
  (void)module;
  PyObject *keys;
  Py_ssize_t count;
  if (!PyArg_ParseTuple(args, "O!n", &PyList_Type, &keys, &count)) return NULL;
  if (count < 1) return PyErr_Format(PyExc_ValueError, "a topic has one partition or more");
  PyObject *found = PyList_New(PyList_Size(keys));
  for (Py_ssize_t i = 0; found && i < PyList_Size(keys); i++) {
    const Span key = span_or_nothing(PyList_GetItem(keys, i));
    if (PyList_SetItem(found, i, PyLong_FromLong((long)(murmur2(key) & 0x7FFFFFFF) % (long)count))) {
      Py_DECREF(found);
      return NULL;
    }
  }
  return found;
}

static int add(PyObject *module, const char *name, PyObject *object) {
  if (!object) return -1;
  const int failed = PyModule_AddObjectRef(module, name, object);
  Py_DECREF(object);
  return failed;
}

static int add_contents(PyObject *module) {
  return add(module, "Reader", reader_type()) ||
                 add(module, "ScoreWriter", writer_type())
             ? -1
             : 0;
}
static PyMethodDef FUNCTIONS[] = {
    {"write_recommendations", write_recommendations, METH_VARARGS,
     "write_recommendations(texts, keys, ids, strategies, traceparents, ranked, names, numbers, most, limit)"},
    {"partitions", partitions, METH_VARARGS, "partitions(keys, count) -> where Java's client puts the keys"},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot MODULE_SLOTS[] = {{Py_mod_exec, (void *)add_contents}, {0, NULL}};
static PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_native", "Use streams.wire.", 0, FUNCTIONS, MODULE_SLOTS, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void) {
  return PyModuleDef_Init(&MODULE);
}
