/* functions.c: functions of the module: kernels that need no view. */
#include "python.h"

#include "feature_table.h"

/* ---- users */
static const Column USER_COLUMNS[] = {
    {{"slots", 'i', 8, 1, 0}, {COUNT}},        {{"rows", 'V', sizeof(User), 1, 1}, {ANY}},
    {{"events", 'u', 8, 1, 0}, {COUNT}},       {{"users", 'u', 8, 1, 0}, {COUNT}},
    {{"session_ids", 'u', 8, 1, 0}, {COUNT}},  {{"items", 'u', 8, 1, 0}, {COUNT}},
    {{"times", 'f', 8, 1, 0}, {COUNT}},        {{"actions", 'u', 1, 1, 0}, {COUNT}},
    {{"is_accepted", 'b', 1, 1, 1}, {COUNT}},  {{"prefixes", 'u', 8, 2, 1}, {COUNT, PREFIX}},
    {{"lengths", 'i', 8, 1, 1}, {COUNT}},      {{"sessions", 'u', 8, 1, 1}, {COUNT}},
    {{"times", 'f', 8, 1, 1}, {COUNT}},        {{"is_repeated", 'b', 1, 1, 1}, {COUNT}},
    {{"is_click", 'b', 1, 1, 1}, {COUNT}},     {{"turned_down", 'u', 4, 2, 1}, {COUNT, TURNED_DOWN}}};

/* All of them before one is changed. */
static int are_sound(const int64_t *slots, const User *rows, Py_ssize_t clicks) {
  for (Py_ssize_t click = 0; click < clicks; click++) {
    const User *user = rows + slots[click];
    if (user->length <= PREFIX && user->event < RECENT_EVENTS) continue;
    PyErr_Format(PyExc_ValueError, "rows: length or event of row %lld is out of bounds", (long long)slots[click]);
    return 0;
  }
  return 1;
}

/* advance(silence_s, slots, rows, columns of Moves, arrays of Steps, which are zero) */
PyObject *function_advance(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  (void)module;
  enum { ARRAYS = COLUMN_COUNT(USER_COLUMNS) };
  Py_buffer of[ARRAYS];
  if (!has_arguments(count, 1 + ARRAYS)) return NULL;
  const double silence_s = PyFloat_AsDouble(args[0]);
  if (PyErr_Occurred() || take_columns(args + 1, USER_COLUMNS, of, ARRAYS)) return NULL;
  const int64_t *slots = of[0].buf;
  User *rows = of[1].buf;
  const Py_ssize_t clicks = of[0].shape[0];
  const int is_sound = are_below("slots", slots, clicks, 0, of[1].shape[0]) && are_sound(slots, rows, clicks);
  if (is_sound) {
    const Moves moves = {of[2].buf, of[3].buf, of[4].buf, of[5].buf, of[6].buf, of[7].buf};
    const Steps steps = {.is_accepted = of[8].buf, .prefixes = of[9].buf, .lengths = of[10].buf, .sessions = of[11].buf,
                         .times = of[12].buf, .is_repeated = of[13].buf, .is_click = of[14].buf,
                         .turned_down = of[15].buf};
    for (Py_ssize_t click = 0; click < clicks; click++)
      advance_user(rows + slots[click], &moves, click, silence_s, &steps);
  }
  release_arrays(of, ARRAYS);
  if (!is_sound) return NULL;
  Py_RETURN_NONE;
}

/* ---- tables */
static int has_table_room(Py_ssize_t places, int64_t rows) {
  if (places > 0 && (places & (places - 1)) == 0 && places >= 2 * rows) return 1;
  PyErr_SetString(PyExc_ValueError, "table must be a power of two, and twice as long as its records");
  return 0;
}

/* index(count, table, records): let the empty table point to the first records, which begin with their keys */
PyObject *function_index(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  (void)module;
  static const Column columns[] = {{{"table", 'i', 4, 1, 1}, {ANY}}, {{"records", 'V', 0, 1, 0}, {ANY}}};
  Py_buffer of[2];
  if (!has_arguments(count, 3)) return NULL;
  const int64_t rows = PyLong_AsLongLong(args[0]);
  if (PyErr_Occurred() || take_columns(args + 1, columns, of, 2)) return NULL;
  const Table table = {of[0].buf, of[0].shape[0] - 1};
  const Records records = {of[1].buf, (size_t)of[1].itemsize};
  const int is_sound = has_table_room(of[0].shape[0], rows) && of[1].itemsize % 8 == 0 &&
                       are_below("count", &rows, 1, 0, of[1].shape[0] + 1);
  for (int64_t row = 0; is_sound && row < rows; row++) table_insert(table, key_of(records, row), row);
  release_arrays(of, 2);
  if (!is_sound) return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "records do not begin with a key");
  Py_RETURN_NONE;
}

/* ---- ranking */
static int are_counts(const Py_buffer *counts, const Py_buffer *chosen, Py_ssize_t rows) {
  const int64_t *number = counts->buf, *best = chosen ? chosen->buf : number;
  int64_t total = 0;
  for (Py_ssize_t n = 0; n < counts->shape[0]; n++) {
    if (number[n] < 0 || number[n] > rows || best[n] < 0 || best[n] > number[n]) total = -rows - 1;
    total += number[n];
  }
  if (total == rows) return 1;
  PyErr_Format(PyExc_ValueError, "counts, chosen: they are not of %zd rows", rows);
  return 0;
}

static int has_features(const Py_buffer *rows) {
  if (rows->shape[1] >= FIRST_CONTEXT) return 1;
  PyErr_Format(PyExc_ValueError, "rows must have %d features or more", (int)FIRST_CONTEXT);
  return 0;
}

/* hand_weighted(evidence, recent, popularity, own, rows, scores, counts, chosen) */
PyObject *function_hand_weighted(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  (void)module;
  static const Column columns[] = {{{"rows", 'f', 4, 2, 0}, {COUNT, ANY}}, {{"scores", 'f', 8, 1, 1}, {COUNT}},
                                   {{"counts", 'i', 8, 1, 0}, {ANY}}, {{"chosen", 'i', 8, 1, 0}, {ANY}}};
  Py_buffer of[4];
  double weights[4];
  if (!has_arguments(count, 8)) return NULL;
  for (int n = 0; n < 4; n++) weights[n] = PyFloat_AsDouble(args[n]);
  if (PyErr_Occurred() || take_columns(args + 4, columns, of, 4)) return NULL;
  const int is_sound =
      has_features(of) && of[3].shape[0] == of[2].shape[0] && are_counts(of + 2, of + 3, of[0].shape[0]);
  if (is_sound)
    hand_weighted(&(Ranked){NULL, of[0].buf, of[2].buf, of[3].buf, of[2].shape[0], of[0].shape[1]}, weights, of[1].buf);
  release_arrays(of, 4);
  if (!is_sound) return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_ValueError, "chosen must be as long as counts");
  Py_RETURN_NONE;
}

/* choose_best(bonus, fresh_age, rows, scores, keys, counts, top, top_scores) */
PyObject *function_choose_best(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  (void)module;
  static const Column columns[] = {{{"rows", 'f', 4, 2, 0}, {COUNT, ANY}}, {{"scores", 'f', 8, 1, 0}, {COUNT}},
                                   {{"keys", 'u', 8, 1, 0}, {COUNT}},      {{"counts", 'i', 8, 1, 0}, {ANY}},
                                   {{"top", 'i', 8, 2, 1}, {ANY, ANY}},    {{"top_scores", 'f', 8, 2, 1}, {ANY, ANY}}};
  Py_buffer of[6];
  if (!has_arguments(count, 8)) return NULL;
  const double bonus = PyFloat_AsDouble(args[0]), fresh_age = PyFloat_AsDouble(args[1]);
  if (PyErr_Occurred() || take_columns(args + 2, columns, of, 6)) return NULL;
  const Py_ssize_t questions = of[3].shape[0], length = of[4].shape[1];
  int is_sound = has_features(of) && are_counts(of + 3, NULL, of[0].shape[0]);
  if (is_sound && (of[4].shape[0] != questions || of[5].shape[0] != questions || of[5].shape[1] != length)) {
    PyErr_SetString(PyExc_ValueError, "top, top_scores must have a row for each of counts");
    is_sound = 0;
  }
  if (is_sound)
    choose_best(&(Ranked){of[2].buf, of[0].buf, of[3].buf, NULL, questions, of[0].shape[1]}, of[1].buf, bonus,
                fresh_age, length, of[4].buf, of[5].buf);
  release_arrays(of, 6);
  if (!is_sound) return NULL;
  Py_RETURN_NONE;
}

/* threshold(count, scores, values) -> the count-th largest score; `values` is overwritten */
PyObject *function_threshold(PyObject *module, PyObject *const *args, Py_ssize_t count) {
  (void)module;
  static const Column columns[] = {{{"scores", 'f', 4, 1, 0}, {COUNT}}, {{"values", 'f', 4, 1, 1}, {COUNT}}};
  Py_buffer of[2];
  if (!has_arguments(count, 3)) return NULL;
  const int64_t wanted = PyLong_AsLongLong(args[0]);
  if (PyErr_Occurred() || take_columns(args + 1, columns, of, 2)) return NULL;
  const float found = wanted > 0 ? threshold(of[0].buf, of[0].shape[0], wanted, of[1].buf) : 0.0f;
  release_arrays(of, 2);
  return PyFloat_FromDouble(found);
}
