/* objects.c: Python's objects as spans. */
#include "python.h"

#include <stdlib.h>

int span_of(PyObject *object, Span *span) {
  char *bytes;
  Py_ssize_t length;
  if (!object || PyBytes_AsStringAndSize(object, &bytes, &length)) return 0;
  *span = (Span){(const uint8_t *)bytes, (const uint8_t *)bytes + length};
  return 1;
}

int text_of(PyObject *object, Span *span) {
  Py_ssize_t length;
  const char *text = object ? PyUnicode_AsUTF8AndSize(object, &length) : NULL;
  if (!text) return 0;
  *span = (Span){(const uint8_t *)text, (const uint8_t *)text + length};
  return 1;
}

Span span_or_nothing(PyObject *object) {
  Span span = {0};
  if (object && object != Py_None && !span_of(object, &span)) PyErr_Clear();
  return span;
}

Py_ssize_t tuple_size(PyObject *object) {
  return object ? PyTuple_Size(object) : -1;
}

Span *spans_of(PyObject *tuple, uint32_t *count) {
  const Py_ssize_t size = tuple_size(tuple);
  Span *spans = size < 0 ? NULL : calloc((size_t)size + 1, sizeof *spans);
  if (!spans) return size < 0 ? NULL : (Span *)(void *)PyErr_NoMemory();
  *count = (uint32_t)size;
  for (Py_ssize_t i = 0; i < size; i++)
    if (!span_of(PyTuple_GetItem(tuple, i), spans + i)) {
      free(spans);
      return NULL;
    }
  return spans;
}

int take_buffer(PyObject *object, Py_buffer *buffer, int flags, size_t length, const char *what) {
  if (PyObject_GetBuffer(object, buffer, PyBUF_C_CONTIGUOUS | flags)) return 0;
  if ((size_t)buffer->len == length && (uintptr_t)buffer->buf % 8 == 0) return 1;
  PyBuffer_Release(buffer);
  PyErr_Format(PyExc_ValueError, "%s must have %zu bytes, aligned to 8", what, length);
  return 0;
}

PyObject *new_object(PyTypeObject *type) {
  return ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
}

void free_object(PyObject *self, PyObject *texts) {
  PyTypeObject *type = Py_TYPE(self);
  if (texts) Py_DECREF(texts);
  ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}
