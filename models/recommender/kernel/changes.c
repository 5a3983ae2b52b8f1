/* changes.c: methods of View that change it: one record of the feed at a time. */
#include "python.h"

/* Known to be writable: the object was made so. */
static View *writable(PyObject *self) {
  return (View *)view_in(self);
}

/* register(keys, rows, added) -> how many are new */
PyObject *view_register(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  static const Column columns[] = {{{"keys", 'u', 8, 1, 0}, {COUNT}},
                                   {{"rows", 'i', 8, 1, 1}, {COUNT}},
                                   {{"added", 'i', 8, 1, 1}, {COUNT}}};
  Py_buffer of[3];
  if (!has_arguments(count, 3) || take_columns(args, columns, of, 3)) return NULL;
  const int64_t added = register_items(writable(self), of[0].buf, of[0].shape[0], of[1].buf, of[2].buf);
  release_arrays(of, 3);
  if (added < 0) return PyErr_Format(PyExc_ValueError, "items have no room for all keys");
  return PyLong_FromLongLong(added);
}

static int are_actions(const View *view, const uint8_t *actions, Py_ssize_t count) {
  for (Py_ssize_t n = 0; n < count; n++) {
    if (actions[n] < view->clock.actions) continue;
    PyErr_Format(PyExc_ValueError, "actions: %d is none", actions[n]);
    return 0;
  }
  return 1;
}

/* apply_clicks(beyond, offsets, sessions, rows, times, codes, users, is_repeated, actions) -> how many were applied */
PyObject *view_apply_clicks(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  static const Column columns[] = {
      {{"offsets", 'i', 8, 1, 0}, {COUNT}},   {{"sessions", 'u', 8, 1, 0}, {COUNT}}, {{"rows", 'i', 8, 1, 0}, {COUNT}},
      {{"times", 'f', 8, 1, 0}, {COUNT}},     {{"codes", 'u', 1, 2, 0}, {COUNT, ANY}},
      {{"users", 'u', 4, 1, 0}, {COUNT}},     {{"is_repeated", 'u', 1, 1, 0}, {COUNT}},
      {{"actions", 'u', 1, 1, 0}, {COUNT}}};
  Py_buffer of[8];
  PyObject *applied = NULL;
  if (!has_arguments(count, 9)) return NULL;
  const int64_t beyond = PyLong_AsLongLong(args[0]);
  if ((beyond == -1 && PyErr_Occurred()) || take_columns(args + 1, columns, of, 8)) return NULL;
  View *view = writable(self);
  const Py_ssize_t clicks = of[0].shape[0];
  if (are_below("rows", of[2].buf, clicks, -1, view->item_room) && are_actions(view, of[7].buf, clicks)) {
    const Clicks given = {.offsets = of[0].buf, .sessions = of[1].buf, .items = of[2].buf, .times = of[3].buf,
                          .codes = of[4].buf, .users = of[5].buf, .is_repeated = of[6].buf, .actions = of[7].buf,
                          .count = clicks, .code_count = of[4].shape[1]};
    applied = PyLong_FromLongLong(apply_clicks(view, beyond, &given));
  }
  release_arrays(of, 8);
  return applied;
}

/* apply_items(beyond, offsets, rows, times, published, is_available, is_removed) -> how many were applied */
PyObject *view_apply_items(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  static const Column columns[] = {{{"offsets", 'i', 8, 1, 0}, {COUNT}},      {{"rows", 'i', 8, 1, 0}, {COUNT}},
                                   {{"times", 'f', 8, 1, 0}, {COUNT}},        {{"published", 'f', 8, 1, 0}, {COUNT}},
                                   {{"is_available", 'u', 1, 1, 0}, {COUNT}}, {{"is_removed", 'b', 1, 1, 0}, {COUNT}}};
  Py_buffer of[6];
  PyObject *applied = NULL;
  if (!has_arguments(count, 7)) return NULL;
  const int64_t beyond = PyLong_AsLongLong(args[0]);
  if ((beyond == -1 && PyErr_Occurred()) || take_columns(args + 1, columns, of, 6)) return NULL;
  View *view = writable(self);
  const ItemChanges given = {.offsets = of[0].buf, .items = of[1].buf, .times = of[2].buf, .published = of[3].buf,
                             .is_available = of[4].buf, .is_removed = of[5].buf, .count = of[0].shape[0]};
  int are_sound = 1;
  for (int64_t n = 0; n < given.count && are_sound; n++) /* a change that was applied before needs no row */
    are_sound = given.offsets[n] <= beyond || are_below("rows", given.items + n, 1, 0, view->item_room);
  if (are_sound) applied = PyLong_FromLongLong(apply_items(view, beyond, &given));
  release_arrays(of, 6);
  return applied;
}

PyObject *view_summarise(PyObject *self, PyObject *none) {
  (void)none;
  summarise_log(writable(self));
  Py_RETURN_NONE;
}

/* renumber(rows): where each item of the view is now; -1: nowhere */
PyObject *view_renumber(PyObject *self, PyObject *rows) {
  static const Column column = {{"rows", 'i', 4, 1, 0}, {ANY}};
  View *view = writable(self);
  Py_buffer of;
  if (take_columns(&rows, &column, &of, 1)) return NULL;
  int is_sound = are_rows("rows", &of, -1, view->item_room);
  if (is_sound && of.shape[0] != view->item_room) {
    is_sound = 0;
    PyErr_Format(PyExc_ValueError, "rows must be as many as items, not %zd", of.shape[0]);
  }
  if (is_sound) renumber_summaries(view, of.buf);
  release_arrays(&of, 1);
  if (!is_sound) return NULL;
  Py_RETURN_NONE;
}
