/* module.c: the Python type `Forest` of models.kernel._native, in CPython's limited API (one file for 3.11 and newer).
 *
 * Threads: a forest is not changed once it is loaded, and every call has a scratch of its own, so calls may run at the
 * same time: those that take long enough (forest_calibrate) give the GIL away while they score. The buffers are held
 * meanwhile; who writes to them gets scores of what was read, but nothing worse: all that is derived from rows is
 * bounded.
 */
#include "../native/python_abi.h" /* first: Python.h wants to be */

#include <string.h>

#include "forest.h"

typedef struct {
  PyObject_HEAD Forest forest;
} ForestObject;

static Forest *forest_of(PyObject *self) {
  return &((ForestObject *)self)->forest;
}

static void raise_wrong(const char *wrong) {
  if (wrong == OUT_OF_MEMORY) PyErr_NoMemory();
  else PyErr_SetString(PyExc_ValueError, wrong);
}

/* Takes the buffers, copies those that are not aligned (a pack may lie anywhere), loads. */
static const char *fill(Forest *forest, Py_buffer *buffers) {
  Array arrays[ARRAY_COUNT];
  Forest copies = {0};
  const char *wrong = NULL;
  for (int i = 0; i < ARRAY_COUNT && !wrong; i++) {
    arrays[i] = (Array){.data = buffers[i].buf, .bytes = (size_t)buffers[i].len};
    if ((uintptr_t)buffers[i].buf % 8 == 0 && buffers[i].len) continue;
    void *copy = forest_memory(&copies, arrays[i].bytes, 1);
    if (copy) memcpy(copy, arrays[i].data, arrays[i].bytes);
    else wrong = OUT_OF_MEMORY;
    arrays[i].data = copy;
  }
  if (!wrong) wrong = forest_load(forest, arrays);
  forest_free(&copies);
  return wrong;
}

/* NULL: this CPU has no evaluator of that name. An empty name is the best one. */
static const Evaluator *evaluator_named(const char *name) {
  const Evaluator *const *evaluator = available_evaluators();
  while (*evaluator && *name && strcmp((*evaluator)->name, name) != 0) evaluator++;
  return *evaluator;
}

/* Everything but the buffers of the arrays. */
static const char *load(Forest *forest, Py_buffer *buffers, unsigned crossover) {
  const char *wrong = fill(forest, buffers);
  return wrong ? wrong : forest_calibrate(forest, crossover);
}

static PyObject *forest_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  (void)keywords;
  Forest forest = {0};
  unsigned crossover;
  PyObject *arrays;
  const char *name;
  if (!PyArg_ParseTuple(args, "IIIddO!Is", &forest.feature_count, &forest.output_count, &forest.link, &forest.alpha,
                        &forest.divisor, &PyTuple_Type, &arrays, &crossover, &name))
    return NULL;
  if (PyTuple_Size(arrays) != ARRAY_COUNT)
    return PyErr_Format(PyExc_ValueError, "it has not %d arrays", (int)ARRAY_COUNT);
  forest.evaluator = evaluator_named(name);
  if (!forest.evaluator) return PyErr_Format(PyExc_ValueError, "there is no evaluator %s", name);
  Py_buffer buffers[ARRAY_COUNT];
  int held = 0;
  PyObject *self = NULL;
  while (held < ARRAY_COUNT &&
         PyObject_GetBuffer(PyTuple_GetItem(arrays, held), buffers + held, PyBUF_C_CONTIGUOUS) == 0)
    held++;
  if (held == ARRAY_COUNT) self = ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
  if (self) {
    *forest_of(self) = forest;
    const char *wrong = load(forest_of(self), buffers, crossover);
    if (wrong) {
      raise_wrong(wrong);
      Py_DECREF(self);
      self = NULL;
    }
  }
  while (held) PyBuffer_Release(buffers + --held);
  return self;
}

static void forest_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  scratch_free_all(forest_of(self));
  forest_free(forest_of(self));
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

/* Rows as a buffer: one row (1-d) or many (2-d), native float32 or float64. Returns their number, or -1. */
static Py_ssize_t take_rows(const Forest *forest, PyObject *rows, Py_buffer *buffer, int *is_double) {
  if (PyObject_GetBuffer(rows, buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)) return -1;
  const char *format = buffer->format ? buffer->format : "B";
  *is_double = format[0] == 'd';
  const int is_known = (format[0] == 'd' || format[0] == 'f') && format[1] == 0;
  const int is_shaped =
      (buffer->ndim == 1 || buffer->ndim == 2) && buffer->shape[buffer->ndim - 1] == (Py_ssize_t)forest->feature_count;
  if (is_known && is_shaped && (uintptr_t)buffer->buf % (*is_double ? 8 : 4) == 0)
    return buffer->ndim == 2 ? buffer->shape[0] : 1;
  PyErr_Format(PyExc_ValueError, "rows must be C-contiguous float32 or float64 with %u features a row",
               forest->feature_count);
  PyBuffer_Release(buffer);
  return -1;
}

static int take_output(PyObject *output, Py_buffer *buffer, size_t doubles) {
  if (PyObject_GetBuffer(output, buffer, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)) return -1;
  if ((size_t)buffer->len == 8 * doubles && (uintptr_t)buffer->buf % 8 == 0) return 0;
  PyBuffer_Release(buffer);
  PyErr_Format(PyExc_ValueError, "the output must hold %zu float64", doubles);
  return -1;
}

/* Scores with a scratch of its own; -1: out of memory. Other threads run meanwhile if the rows are many. */
static int score(Forest *forest, const Py_buffer *rows, int is_double, size_t count, double *scores, int raw) {
  Job job = {.forest = forest, .rows = rows->buf, .is_double = is_double, .count = count, .scores = scores};
  job.scratch = scratch_take(forest, count);
  if (!job.scratch) return -1;
  PyThreadState *state = count >= forest->parallel_rows ? PyEval_SaveThread() : NULL;
  forest_score(&job, raw);
  if (state) PyEval_RestoreThread(state);
  scratch_give(forest, job.scratch);
  return 0;
}

static PyObject *forest_score_method(PyObject *self, PyObject *const *args, Py_ssize_t arg_count) {
  Forest *forest = forest_of(self);
  int is_double;
  Py_buffer in, out;
  if (arg_count != 3) return PyErr_Format(PyExc_TypeError, "score takes rows, output and raw");
  const int raw = PyObject_IsTrue(args[2]);
  if (raw < 0) return NULL;
  const Py_ssize_t count = take_rows(forest, args[0], &in, &is_double);
  if (count < 0) return NULL;
  int failed = take_output(args[1], &out, (size_t)count * forest->output_count);
  if (!failed) {
    failed = score(forest, &in, is_double, (size_t)count, out.buf, raw);
    PyBuffer_Release(&out);
    if (failed) PyErr_NoMemory();
  }
  PyBuffer_Release(&in);
  if (failed) return NULL;
  Py_RETURN_NONE;
}

static PyObject *forest_score_one(PyObject *self, PyObject *row) {
  Forest *forest = forest_of(self);
  Py_buffer in;
  int is_double, failed = 0;
  double result = 0.0;
  if (forest->output_count != 1)
    return PyErr_Format(PyExc_ValueError, "score_one needs a model with one output, this one has %u",
                        forest->output_count);
  const Py_ssize_t count = take_rows(forest, row, &in, &is_double);
  if (count < 0) return NULL;
  if (count == 1) failed = score(forest, &in, is_double, 1, &result, 0);
  PyBuffer_Release(&in);
  if (failed) return PyErr_NoMemory();
  return count == 1 ? PyFloat_FromDouble(result)
                    : PyErr_Format(PyExc_ValueError, "score_one takes one row, not %zd", count);
}

static PyObject *forest_explain_method(PyObject *self, PyObject *args) {
  Forest *forest = forest_of(self);
  PyObject *row, *output;
  int is_double;
  Py_buffer in, out;
  if (!PyArg_ParseTuple(args, "OO", &row, &output)) return NULL;
  const Py_ssize_t count = take_rows(forest, row, &in, &is_double);
  if (count < 0) return NULL;
  const char *wrong = count == 1 ? NULL : "explain takes one row";
  int failed = 0;
  if (!wrong) failed = take_output(output, &out, (size_t)forest->output_count * (forest->feature_count + 1));
  if (!wrong && !failed) {
    Scratch *scratch = scratch_take(forest, 1);
    wrong = scratch ? forest_explain(forest, scratch, in.buf, is_double, out.buf) : OUT_OF_MEMORY;
    if (scratch) scratch_give(forest, scratch);
    PyBuffer_Release(&out);
  }
  PyBuffer_Release(&in);
  if (wrong) raise_wrong(wrong);
  if (wrong || failed) return NULL;
  Py_RETURN_NONE;
}

static PyObject *forest_info(PyObject *self, PyObject *unused) {
  (void)unused;
  const Forest *forest = forest_of(self);
  return Py_BuildValue("{sssIsIsIsI}", "evaluator", forest->evaluator->name, "crossover", forest->crossover, "trees",
                       forest->tree_count, "columns", forest->column_count, "depth", forest->deepest);
}

static PyMethodDef METHODS[] = {
    {"score", (PyCFunction)(void (*)(void))forest_score_method, METH_FASTCALL,
     "score(rows, output, raw): scores of the rows, written to output"},
    {"score_one", forest_score_one, METH_O, "score_one(row) -> float: the score of one row"},
    {"explain", forest_explain_method, METH_VARARGS, "explain(row, output): contributions, added to output"},
    {"info", forest_info, METH_NOARGS, "info() -> dict: how this forest is evaluated"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot SLOTS[] = {
    {Py_tp_doc,
     "Forest(features, outputs, link, alpha, divisor, arrays, crossover, evaluator): a checked pack, ready to score"},
    {Py_tp_new, (void *)forest_new},
    {Py_tp_dealloc, (void *)forest_dealloc},
    {Py_tp_methods, METHODS},
    {0, NULL},
};
static PyType_Spec SPEC = {"models.kernel._native.Forest", sizeof(ForestObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, SLOTS};

static int add(PyObject *module, const char *name, PyObject *object) {
  if (!object) return -1;
  const int failed = PyModule_AddObjectRef(module, name, object);
  Py_DECREF(object);
  return failed;
}

static int add_contents(PyObject *module) {
  const Evaluator *const *evaluators = available_evaluators();
  Py_ssize_t count = 0;
  while (evaluators[count]) count++;
  PyObject *names = PyTuple_New(count);
  for (Py_ssize_t i = 0; names && i < count; i++) {
    PyObject *name = PyUnicode_FromString(evaluators[i]->name);
    if (!name || PyTuple_SetItem(names, i, name)) {
      Py_DECREF(names);
      names = NULL;
    }
  }
  return add(module, "EVALUATORS", names) || add(module, "Forest", PyType_FromSpec(&SPEC)) ? -1 : 0;
}
static PyModuleDef_Slot MODULE_SLOTS[] = {{Py_mod_exec, (void *)add_contents}, {0, NULL}};
static PyModuleDef MODULE = {PyModuleDef_HEAD_INIT,
                             "_native",
                             "The scoring kernel; use models.packs.scorer.",
                             0,
                             NULL,
                             MODULE_SLOTS,
                             NULL,
                             NULL,
                             NULL};

PyMODINIT_FUNC PyInit__native(void) {
  return PyModuleDef_Init(&MODULE);
}
