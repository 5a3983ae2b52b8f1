/* questions.c: methods of View that only read it. */
#include "python.h"

PyObject *view_row_of(PyObject *self, PyObject *key) {
  const unsigned long long wanted = PyLong_AsUnsignedLongLong(key);
  if (wanted == (unsigned long long)-1 && PyErr_Occurred()) return NULL;
  const View *view = view_in(self);
  return PyLong_FromLongLong(table_find(view->item_table, items_of(view), wanted));
}

/* may_be_shown(row, now) */
PyObject *view_may_be_shown(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  if (!has_arguments(count, 2)) return NULL;
  const View *view = view_in(self);
  const int64_t row = PyLong_AsLongLong(args[0]);
  const double now = PyFloat_AsDouble(args[1]);
  if (PyErr_Occurred() || !are_below("row", &row, 1, 0, view->item_room)) return NULL;
  return PyBool_FromLong(may_be_shown(view, row, now));
}

int are_rows(const char *name, const Py_buffer *of, int64_t least, int64_t end) {
  const int32_t *rows = of->buf;
  for (Py_ssize_t n = 0; n < of->shape[0]; n++) {
    const int64_t row = rows[n];
    if (!are_below(name, &row, 1, least, end)) return 0;
  }
  return 1;
}

/* shown_once(now, rows, shown) -> how many: those that may be in a list for everybody, each once */
PyObject *view_shown_once(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  static const Column columns[] = {{{"rows", 'i', 4, 1, 0}, {COUNT}}, {{"shown", 'i', 8, 1, 1}, {COUNT}}};
  if (!has_arguments(count, 3)) return NULL;
  const double now = PyFloat_AsDouble(args[0]);
  Py_buffer of[2];
  PyObject *kept = NULL;
  if (PyErr_Occurred() || take_columns(args + 1, columns, of, 2)) return NULL;
  Scratch *scratch = scratch_in(self);
  if (scratch && are_rows("rows", of, -1, view_in(self)->item_room))
    kept = PyLong_FromLongLong(shown_once(view_in(self), scratch, of[0].buf, of[0].shape[0], now, of[1].buf));
  release_arrays(of, 2);
  return kept;
}

/* What questions are made of, then where the answer of `build_rows` goes */
enum { GIVEN = QUESTION_ARRAYS, FOUND_ITEMS, FOUND_ROWS, FACTS, BUILT };
const Column QUESTION_COLUMNS[BUILT] = {
    {{"prefixes", 'u', 8, 2, 0}, {COUNT, PREFIX}},
    {{"lengths", 'i', 8, 1, 0}, {COUNT}},
    {{"sessions", 'u', 8, 1, 0}, {COUNT}},
    {{"times", 'f', 8, 1, 0}, {COUNT}},
    {{"codes", 'u', 1, 2, 0}, {COUNT, ANY}},
    {{"context", 'f', 4, 2, 0}, {COUNT, ANY}},
    {{"turned_down", 'u', 4, 2, 0}, {COUNT, TURNED_DOWN}},
    {{"now", 'f', 8, 1, 0}, {COUNT}},
    {{"given", 'i', 4, 1, 0}, {ANY}},
    {{"items", 'i', 4, 1, 1}, {ANY}},
    {{"rows", 'f', 4, 2, 1}, {ANY, ANY}},
    {{"facts", 'i', 8, 2, 1}, {3, COUNT}},
};

Questions questions_in(const Py_buffer *of) {
  return (Questions){.prefixes = of[PREFIXES].buf, .lengths = of[LENGTHS].buf, .sessions = of[SESSIONS_ASKED].buf,
                     .times = of[TIMES].buf, .codes = of[CODES].buf, .context = of[CONTEXT].buf,
                     .turned_down = of[TURNED_DOWN_ITEMS].buf, .now = of[NOWS].buf, .count = of[PREFIXES].shape[0],
                     .code_count = of[CODES].shape[1], .context_count = of[CONTEXT].shape[1]};
}

static int has_room(const View *view, const Settings *settings, const Py_buffer *of) {
  const int64_t wanted = of[PREFIXES].shape[0] * (settings->max_candidates + of[GIVEN].shape[0]);
  const int64_t features = feature_count(view, of[CODES].shape[1], of[CONTEXT].shape[1]);
  if (of[FOUND_ITEMS].shape[0] < wanted || of[FOUND_ROWS].shape[0] < wanted)
    PyErr_Format(PyExc_ValueError, "items, rows must have room for %lld candidates", (long long)wanted);
  else if (of[FOUND_ROWS].shape[1] != features)
    PyErr_Format(PyExc_ValueError, "rows must have %lld features, not %zd", (long long)features,
                 of[FOUND_ROWS].shape[1]);
  else return 1;
  return 0;
}

/* build_rows(settings, prefixes, lengths, sessions, times, codes, context, turned_down, now, given, items, rows, facts)
 * -> how many candidates. facts: (3, n) candidates of each question, those that were not given, items met. */
PyObject *view_build_rows(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  Settings settings;
  Py_buffer of[BUILT];
  PyObject *total = NULL;
  if (!has_arguments(count, 1 + BUILT) || take_settings(args[0], &settings)) return NULL;
  if (take_columns(args + 1, QUESTION_COLUMNS, of, BUILT)) return NULL;
  const View *view = view_in(self);
  Scratch *scratch = scratch_in(self);
  const Questions questions = questions_in(of);
  if (scratch && has_room(view, &settings, of) && are_rows("given", of + GIVEN, 0, view->item_room) &&
      are_below("lengths", questions.lengths, questions.count, 0, PREFIX + 1)) {
    int64_t *facts = of[FACTS].buf;
    const Found found = {.items = of[FOUND_ITEMS].buf, .rows = of[FOUND_ROWS].buf, .counts = facts,
                         .chosen = facts + questions.count, .met = facts + 2 * questions.count,
                         .room = of[FOUND_ITEMS].shape[0], .width = of[FOUND_ROWS].shape[1]};
    total = PyLong_FromLongLong(
        build_rows(view, &settings, scratch, &questions, of[GIVEN].buf, of[GIVEN].shape[0], &found));
  }
  release_arrays(of, BUILT);
  return total;
}
