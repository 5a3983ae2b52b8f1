/* batches.c: records of any decisions, one after the other, into as many batches as they need. */
#include "python.h"

#include <stdlib.h>

int are_as_many(PyObject *list, size_t count) {
  if ((size_t)PyList_Size(list) == count) return 1;
  PyErr_SetString(PyExc_ValueError, "as many ids and traceparents as keys");
  return 0;
}

int take_list_or_none(PyObject **object, size_t count) {
  if (*object == Py_None) *object = NULL;
  return !*object || are_as_many(*object, count);
}

int begin_job(Job *job, size_t count, PyObject *numbers, Py_ssize_t most, Py_ssize_t limit) {
  if (!span_of(numbers, &job->numbers)) return 0;
  job->count = count;
  job->most = most < 1 ? 1 : (size_t)most;
  job->limit = limit < 0 ? 0 : (size_t)limit;
  if (take_byte(&job->numbers, '[')) return 1;
  PyErr_SetString(PyExc_ValueError, "numbers are a JSON array");
  return 0;
}

/* Fills one batch with records from `*next` on. How many it has; -1: an exception is set. */
static Py_ssize_t fill_batch(Job *job, size_t *next, Buffer *to) {
  static const uint8_t HEADER[BATCH_HEADER] = {0};
  Py_ssize_t place = 0;
  to->length = 0;
  put(to, HEADER, BATCH_HEADER);
  for (; *next < job->count && to->length - BATCH_HEADER < job->most; place++, ++*next) {
    const size_t begin = to->length;
    const Span numbers = job->numbers;
    if (!job->write(job, *next, place, to)) return -1;
    if (to->is_out_of_memory) return PyErr_NoMemory(), -1;
    if (to->length > job->limit && place) { /* it begins the next one */
      to->length = begin;
      job->numbers = numbers;
      break;
    }
  }
  return place;
}

PyObject *write_batches(Job *job) {
  PyObject *batches = PyList_New(0);
  Buffer to = {0};
  size_t next = 0;
  while (batches && next < job->count) {
    const Py_ssize_t records = fill_batch(job, &next, &to);
    PyObject *bytes = records < 0 ? NULL : PyByteArray_FromStringAndSize((const char *)to.bytes, (Py_ssize_t)to.length);
    PyObject *batch = bytes ? Py_BuildValue("(Nn)", bytes, records) : NULL;
    if (!batch || PyList_Append(batches, batch)) {
      Py_DECREF(batches);
      batches = NULL;
    }
    if (batch) Py_DECREF(batch);
  }
  free(to.bytes);
  return batches;
}
