/* arrays.h: NumPy arrays as kernels take them: checked one after another, borrowed for a call or held by an object.
 */
#ifndef MILLRACE_ARRAYS_H
#define MILLRACE_ARRAYS_H

#include "python_abi.h" /* first: Python.h wants to be */

#include <stdint.h>
#include <string.h>

/* What an array must be: `kind` is f, i, u, b (bool) or V (a structured row), `size` the bytes of one value. */
typedef struct {
  const char *name;
  char kind;
  int size, dimensions, is_written;
} ArraySpec;

static inline char kind_of_format(const char *format) {
  if (format[0] == 'T') return 'V';
  if (format[0] == '=' || format[0] == '<' || format[0] == '@') format++;
  if (strchr("efd", format[0])) return 'f';
  if (strchr("bhilqn", format[0])) return 'i';
  if (strchr("BHILQN", format[0])) return 'u';
  return format[0] == '?' ? 'b' : 0;
}

static inline void release_arrays(Py_buffer *buffers, int count) {
  while (count) PyBuffer_Release(buffers + --count);
}

/* One array into `buffer`; -1: it is another one than it must be, and an exception says so. `size` 0: any. Of a
 * structured row only the size is asked: NumPy writes the format anew at each call, in microseconds. */
static inline int take_array(PyObject *object, const ArraySpec *spec, Py_buffer *buffer) {
  const int is_row = spec->kind == 'V', alignment = is_row || spec->size > 8 ? 8 : spec->size ? spec->size : 1;
  const int flags = PyBUF_C_CONTIGUOUS | (is_row ? 0 : PyBUF_FORMAT) | (spec->is_written ? PyBUF_WRITABLE : 0);
  if (PyObject_GetBuffer(object, buffer, flags) == 0) {
    const char kind = is_row ? 'V' : kind_of_format(buffer->format ? buffer->format : "B");
    const int is_aligned = (uintptr_t)buffer->buf % (uintptr_t)alignment == 0;
    if (kind == spec->kind && (spec->size == 0 || buffer->itemsize == spec->size) && buffer->ndim == spec->dimensions &&
        is_aligned)
      return 0;
    PyBuffer_Release(buffer);
  }
  PyErr_Clear();
  PyErr_Format(PyExc_ValueError, "%s must be aligned, C-contiguous %c%d with %d dimensions%s", spec->name, spec->kind,
               spec->size, spec->dimensions, spec->is_written ? ", and writable" : "");
  return -1;
}

/* The arrays of a call, or of a tuple; on -1 none is held. */
static inline int take_arrays(PyObject *const *objects, const ArraySpec *specs, Py_buffer *buffers, int count) {
  for (int held = 0; held < count; held++) {
    if (take_array(objects[held], specs + held, buffers + held)) {
      release_arrays(buffers, held);
      return -1;
    }
  }
  return 0;
}

#endif
