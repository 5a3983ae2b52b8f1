/* columns.c: arrays of NumPy at the border: of the right type and shape, aligned, or ValueError. */
#include "python.h"

#include <stdlib.h>

#define EVENT(place, name, kind, size, width) {place, #name, kind, size, width, 0, offsetof(Events, name)}
const Column EVENT_COLUMNS[8] = {
    EVENT(0, time_s, 'f', 8, ONE),          EVENT(1, kind, 'i', 1, ONE),
    EVENT(2, code, 'i', 2, ONE),            EVENT(3, event_id, 'u', 8, ONE),
    EVENT(4, readings, 'f', 8, OF_READINGS), EVENT(5, variables, 'f', 8, OF_VARIABLES),
    EVENT(6, constants, 'f', 8, OF_CONSTANTS), EVENT(7, arrived_s, 'f', 8, ONE),
};

#define SEEN(place, name, kind, size, width) {place, #name, kind, size, width, 1, offsetof(Seen, name)}
const Column SEEN_COLUMNS[12] = {
    SEEN(0, status, 'i', 1, ONE),            SEEN(1, regime, 'i', 2, ONE),
    SEEN(2, step, 'f', 8, ONE),              SEEN(3, is_renewed, 'u', 1, OF_TARGETS),
    SEEN(4, features, 'f', 4, OF_FEATURES),  SEEN(5, role, 'i', 1, ONE),
    SEEN(6, hold, 'u', 1, OF_TARGETS),       SEEN(7, is_set_back, 'b', 1, ONE),
    SEEN(8, quality, 'i', 1, ONE),           SEEN(9, faults, 'i', 1, OF_READINGS),
    SEEN(10, is_bridged, 'b', 1, ONE),       SEEN(11, is_excused, 'b', 1, ONE),
};

void let_go(Columns *columns) {
  release_arrays(columns->buffers, columns->held);
  columns->held = 0;
}

/* One array; the buffer that now holds it, NULL: an exception says what is wrong. */
static const Py_buffer *take(Columns *columns, PyObject *object, const ArraySpec *spec) {
  Py_buffer *buffer = columns->buffers + columns->held;
  if (take_array(object, spec, buffer)) return NULL;
  columns->held++;
  return buffer;
}

int take_rows(Columns *columns, PyObject *object, const char *name, size_t row_bytes) {
  return take(columns, object, &(ArraySpec){name, 'V', (int)row_bytes, 1, 1}) ? 0 : -1;
}

int take_slots(Columns *columns, PyObject *object, const int64_t **slots) {
  const int64_t rows = columns->buffers[columns->held - 1].shape[0];
  const Py_buffer *buffer = take(columns, object, &(ArraySpec){"slots", 'i', 8, 1, 0});
  if (!buffer) return -1;
  *slots = buffer->buf;
  columns->count = buffer->shape[0];
  for (int64_t i = 0; i < columns->count; i++) {
    if ((*slots)[i] >= 0 && (*slots)[i] < rows) continue;
    PyErr_Format(PyExc_ValueError, "slots name a row that is not there");
    return -1;
  }
  return 0;
}

int take_events(Columns *columns, PyObject *tuple, const Column *wanted, int how_many, const int64_t widths[WIDTHS],
                void *into) {
  for (const Column *column = wanted; column < wanted + how_many; column++) {
    PyObject *object = PyTuple_GetItem(tuple, column->place);
    if (!object) return -1;
    if (object == Py_None) continue;
    const int dimensions = column->width == ONE ? 1 : 2;
    const ArraySpec spec = {column->name, column->kind, column->size, dimensions, column->is_written};
    const Py_buffer *buffer = take(columns, object, &spec);
    if (!buffer) return -1;
    if (buffer->shape[0] != columns->count || (dimensions == 2 && buffer->shape[1] != widths[column->width])) {
      PyErr_Format(PyExc_ValueError, "%s must be of as many events as the slots, and as wide as the class needs",
                   column->name);
      return -1;
    }
    memcpy((char *)into + column->to, &buffer->buf, sizeof buffer->buf);
  }
  return 0;
}

int take_layout(PyObject *fields, Py_ssize_t row_bytes, Layout *layout) {
  Columns columns = {.held = 0};
  const Py_buffer *buffer = take(&columns, fields, &(ArraySpec){"fields", 'i', 8, 2, 0});
  const char *wrong = "the whole";
  if (buffer && buffer->shape[0] == ROW_FIELD_COUNT && buffer->shape[1] == 4 && row_bytes > 0 && row_bytes < 1 << 24) {
    GivenField given[ROW_FIELD_COUNT];
    const int64_t *at = buffer->buf;
    for (int i = 0; i < ROW_FIELD_COUNT; i++, at += 4)
      given[i] = (GivenField){(uint32_t)at[0], (uint32_t)at[2], (uint32_t)at[3], (char)at[1]};
    layout->bytes = (size_t)row_bytes;
    wrong = layout_build(layout, given);
  }
  let_go(&columns);
  if (!buffer) return -1;
  if (wrong) PyErr_Format(PyExc_ValueError, "rows are laid out in another way: %s", wrong);
  return wrong ? -1 : 0;
}

static int take_kept(Columns *columns, PyObject *arrays, const Kept *kept, int how_many, size_t *bytes) {
  for (int i = 0; i < how_many; i++) {
    const ArraySpec spec = {kept[i].name, kept[i].kind, 8, kept[i].dimensions, 0};
    const Py_buffer *buffer = take(columns, PyTuple_GetItem(arrays, i), &spec);
    if (!buffer) return -1;
    for (int axis = 0; axis < spec.dimensions; axis++) {
      if (buffer->shape[axis] == kept[i].shape[axis]) continue;
      PyErr_Format(PyExc_ValueError, "%s has another shape than the class", spec.name);
      return -1;
    }
    *bytes += (size_t)buffer->len;
  }
  return 0;
}

void *keep_arrays(PyObject *arrays, const Kept *kept, int how_many, void *into) {
  Columns columns = {.held = 0};
  size_t bytes = 8;
  if (PyTuple_Size(arrays) != how_many) {
    PyErr_Format(PyExc_ValueError, "there must be %d arrays", how_many);
    return NULL;
  }
  char *block = NULL;
  if (take_kept(&columns, arrays, kept, how_many, &bytes) == 0) {
    block = malloc(bytes);
    if (!block) PyErr_NoMemory();
  }
  char *next = block;
  for (int i = 0; block && i < how_many; i++) {
    memcpy(next, columns.buffers[i].buf, (size_t)columns.buffers[i].len);
    memcpy((char *)into + kept[i].to, &next, sizeof next);
    next += columns.buffers[i].len;
  }
  let_go(&columns);
  return block;
}
