/* python.h: what the files of this extension that know Python share. Arrays come in as buffers and are checked there.
 */
#ifndef MILLRACE_MAINTENANCE_PYTHON_H
#define MILLRACE_MAINTENANCE_PYTHON_H

#include "../../native/arrays.h" /* first: Python.h wants to be */

#include "watch.h"

/* Length of the second axis of a column of events; ONE: there is no such axis. */
enum { ONE, OF_TARGETS, OF_READINGS, OF_VARIABLES, OF_CONSTANTS, OF_FEATURES, WIDTHS };

/* One array of a tuple, and the pointer to it in a struct: {place, "name", kind, bytes, width, is_written, offset} */
typedef struct {
  int place;
  const char *name;
  char kind; /* f, i, u, b */
  int size, width, is_written;
  size_t to;
} Column;

/* Arrays of a call, held until `let_go`. */
enum { MOST_COLUMNS = 32 };
typedef struct {
  Py_buffer buffers[MOST_COLUMNS];
  int held;
  int64_t count; /* of the events: length of the first axis of all their columns */
} Columns;

/* Each of these returns -1 where an array is not what it must be, and an exception says so; what was taken is held. */
/* Rows of a structured dtype, by their size. */
int take_rows(Columns *columns, PyObject *object, const char *name, size_t row_bytes);
/* Slots (n,) of events into the rows that were taken before. Sets `count`. */
int take_slots(Columns *columns, PyObject *object, const int64_t **slots);
/* Columns of events from a tuple of arrays into a struct of pointers. None in place of one: its pointer stays NULL. */
int take_events(Columns *columns, PyObject *tuple, const Column *wanted, int how_many, const int64_t widths[WIDTHS],
                void *into);
void let_go(Columns *columns);

/* From (fields, 4) int64: offset, kind, size of a value, how many. -1: an exception says what is wrong. */
int take_layout(PyObject *fields, Py_ssize_t row_bytes, Layout *layout);

/* Arrays of eight bytes a value that an object keeps: copies in one block. */
typedef struct {
  const char *name;
  char kind;
  int dimensions;
  int64_t shape[3];
  size_t to; /* offset of the pointer in the struct */
} Kept;
/* The block, NULL: an exception says what is wrong. `free` it. */
void *keep_arrays(PyObject *arrays, const Kept *kept, int how_many, void *into);

extern const Column EVENT_COLUMNS[8]; /* of Events, in the order of EventBatch */
extern const Column SEEN_COLUMNS[12]; /* of Seen */

PyObject *observer_type(void);
PyObject *decider_type(void);
PyObject *watch_events(PyObject *module, PyObject *args);
PyObject *course_of_falls(PyObject *module, PyObject *args);
PyObject *course_of_check(PyObject *module, PyObject *args);
PyObject *ends_of_interval(PyObject *module, PyObject *args);
PyObject *course_of_channel(PyObject *module, PyObject *args);
int add_constants(PyObject *module);

static inline int add_to(PyObject *module, const char *name, PyObject *object) {
  if (!object) return -1;
  const int failed = PyModule_AddObjectRef(module, name, object);
  Py_DECREF(object);
  return failed;
}

#endif
