/* python.h: what the files share that know Python: arrays checked on their way in, and the contents of the module. */
#ifndef MILLRACE_RECOMMENDER_PYTHON_H
#define MILLRACE_RECOMMENDER_PYTHON_H

#include "../../native/arrays.h" /* first: Python.h wants to be */

#include "question.h"

/* columns.c: the arrays of a call. All of them have a shape, which may follow from the first one. On -1, and on 0 where
 * it asks something, an exception is set. */
enum { ANY = -1, COUNT = -2 }; /* COUNT: as long as the first array */
typedef struct {
  ArraySpec spec;
  Py_ssize_t shape[2];
} Column;
#define COLUMN_COUNT(columns) ((int)(sizeof(columns) / sizeof *(columns)))
int take_columns(PyObject *const *objects, const Column *columns, Py_buffer *buffers, int count);
int take_tuple(PyObject *tuple, const Column *columns, Py_buffer *buffers, int count);
int take_struct(PyObject *object, const char *name, void *to, size_t size); /* one row, copied */
int are_below(const char *name, const int64_t *rows, Py_ssize_t count, int64_t least, int64_t end);
int has_arguments(Py_ssize_t given, Py_ssize_t wanted);
int take_settings(PyObject *object, Settings *settings);

/* view.c */
typedef struct ViewObject ViewObject;
const View *view_in(PyObject *self);
Scratch *scratch_in(PyObject *self); /* NULL: out of memory, and an exception says so */
PyObject *view_type(PyMethodDef *methods);

/* changes.c, questions.c, inside.c: methods of View */
enum { PREFIXES, LENGTHS, SESSIONS_ASKED, TIMES, CODES, CONTEXT, TURNED_DOWN_ITEMS, NOWS, QUESTION_ARRAYS };
extern const Column QUESTION_COLUMNS[];           /* questions.c: of these arrays, and of those of an answer */
Questions questions_in(const Py_buffer *buffers); /* whose lengths are to be checked */
int are_rows(const char *name, const Py_buffer *of, int64_t least, int64_t end);
PyObject *view_register(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *view_apply_clicks(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *view_apply_items(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *view_summarise(PyObject *self, PyObject *none);
PyObject *view_renumber(PyObject *self, PyObject *rows);
PyObject *view_row_of(PyObject *self, PyObject *key);
PyObject *view_may_be_shown(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *view_shown_once(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *view_build_rows(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *view_evidence(PyObject *self, PyObject *const *args, Py_ssize_t count);
PyObject *view_choose(PyObject *self, PyObject *const *args, Py_ssize_t count);

/* functions.c: of the module */
PyObject *function_advance(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *function_index(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *function_hand_weighted(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *function_choose_best(PyObject *module, PyObject *const *args, Py_ssize_t count);
PyObject *function_threshold(PyObject *module, PyObject *const *args, Py_ssize_t count);

PyObject *repeats_type(void); /* memory.c */

#endif
