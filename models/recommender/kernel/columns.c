/* columns.c: arrays and settings on their way in: each checked, and what is wrong is said by name. */
#include "python.h"

static int has_shape(const Column *column, const Py_buffer *buffer, Py_ssize_t count) {
  for (int n = 0; n < column->spec.dimensions; n++) {
    const Py_ssize_t wanted = column->shape[n] == COUNT ? count : column->shape[n];
    if (wanted == ANY || buffer->shape[n] == wanted) continue;
    PyErr_Format(PyExc_ValueError, "%s must have %zd values in dimension %d, not %zd", column->spec.name, wanted, n,
                 buffer->shape[n]);
    return 0;
  }
  return 1;
}

int take_columns(PyObject *const *objects, const Column *columns, Py_buffer *buffers, int count) {
  for (int held = 0; held < count; held++) {
    if (take_array(objects[held], &columns[held].spec, buffers + held)) {
      release_arrays(buffers, held);
      return -1;
    }
    if (!has_shape(columns + held, buffers + held, buffers[0].shape[0])) {
      release_arrays(buffers, held + 1);
      return -1;
    }
  }
  return 0;
}

int take_tuple(PyObject *tuple, const Column *columns, Py_buffer *buffers, int count) {
  PyObject *objects[32];
  if (PyTuple_Size(tuple) != count) {
    PyErr_Format(PyExc_ValueError, "they are %zd arrays instead of %d", PyTuple_Size(tuple), count);
    return -1;
  }
  for (int n = 0; n < count; n++) objects[n] = PyTuple_GetItem(tuple, n);
  return take_columns(objects, columns, buffers, count);
}

int take_struct(PyObject *object, const char *name, void *to, size_t size) {
  const Column column = {{name, 'V', (int)size, 1, 0}, {1}};
  Py_buffer buffer;
  if (take_columns(&object, &column, &buffer, 1)) return -1;
  memcpy(to, buffer.buf, size);
  PyBuffer_Release(&buffer);
  return 0;
}

int are_below(const char *name, const int64_t *rows, Py_ssize_t count, int64_t least, int64_t end) {
  for (Py_ssize_t n = 0; n < count; n++) {
    if (rows[n] >= least && rows[n] < end) continue;
    PyErr_Format(PyExc_ValueError, "%s: %lld is none of %lld to %lld", name, (long long)rows[n], (long long)least,
                 (long long)(end - 1));
    return 0;
  }
  return 1;
}

int has_arguments(Py_ssize_t given, Py_ssize_t wanted) {
  if (given == wanted) return 1;
  PyErr_Format(PyExc_TypeError, "%zd arguments instead of %zd", given, wanted);
  return 0;
}

static int are_limits(const Settings *settings) {
  const int64_t most = (int64_t)1 << 40;
  const int64_t limits[] = {settings->reads,          settings->all_reads,  settings->prefix_items,
                            settings->window,         settings->neighbours, settings->second_order_reads,
                            settings->min_candidates, settings->hot_items,  settings->new_items};
  for (int n = 0; n < (int)(sizeof limits / sizeof *limits); n++)
    if (limits[n] < 0 || limits[n] > most) return 0;
  for (int n = 0; n < QUOTAS; n++)
    if (settings->quotas[n] < 0 || settings->quotas[n] > most) return 0;
  return settings->second_order_items >= 0 && settings->second_order_items < TOUCHED && settings->max_candidates >= 0 &&
         settings->max_candidates < TOUCHED;
}

int take_settings(PyObject *object, Settings *settings) {
  if (take_struct(object, "settings", settings, sizeof *settings)) return -1;
  if (are_limits(settings)) return 0;
  PyErr_SetString(PyExc_ValueError, "settings: a limit is negative, or too large");
  return -1;
}
