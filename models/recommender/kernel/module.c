/* module.c: models.recommender.kernel._native, in CPython's limited API (one file for 3.11 and newer). */
#include "python.h"

#include "feature_table.h"

#define FASTCALL(function) ((PyCFunction)(void (*)(void))(function))

static PyMethodDef VIEW_METHODS[] = {
    {"register", FASTCALL(view_register), METH_FASTCALL, "register(keys, rows, added) -> how many are new"},
    {"apply_clicks", FASTCALL(view_apply_clicks), METH_FASTCALL,
     "apply_clicks(beyond, offsets, sessions, rows, times, codes, users, is_repeated, actions) -> applied"},
    {"apply_items", FASTCALL(view_apply_items), METH_FASTCALL,
     "apply_items(beyond, offsets, rows, times, published, is_available, is_removed) -> applied"},
    {"summarise", view_summarise, METH_NOARGS, "summarise(): of dense items, from the log, in a view without summaries"},
    {"renumber", view_renumber, METH_O, "renumber(rows): summaries, after rows of items have changed; the view is made anew"},
    {"row_of", view_row_of, METH_O, "row_of(key) -> row, or -1"},
    {"may_be_shown", FASTCALL(view_may_be_shown), METH_FASTCALL, "may_be_shown(row, now)"},
    {"shown_once", FASTCALL(view_shown_once), METH_FASTCALL, "shown_once(now, rows, shown) -> how many"},
    {"build_rows", FASTCALL(view_build_rows), METH_FASTCALL,
     "build_rows(settings, questions, given, items, rows, facts) -> candidates"},
    {"evidence", FASTCALL(view_evidence), METH_FASTCALL,
     "evidence(settings, question, items, evidence) -> items, sessions met, work"},
    {"choose", FASTCALL(view_choose), METH_FASTCALL,
     "choose(settings, question, items, evidence, chosen) -> candidates"},
    {NULL, NULL, 0, NULL},
};
static PyMethodDef FUNCTIONS[] = {
    {"advance", FASTCALL(function_advance), METH_FASTCALL, "advance(silence_s, slots, rows, moves, steps)"},
    {"index", FASTCALL(function_index), METH_FASTCALL, "index(count, table, records): fills the empty table"},
    {"hand_weighted", FASTCALL(function_hand_weighted), METH_FASTCALL,
     "hand_weighted(evidence, recent, popularity, own, rows, scores, counts, chosen)"},
    {"choose_best", FASTCALL(function_choose_best), METH_FASTCALL,
     "choose_best(bonus, fresh_age, rows, scores, keys, counts, top, top_scores)"},
    {"threshold", FASTCALL(function_threshold), METH_FASTCALL, "threshold(count, scores, values) -> score"},
    {NULL, NULL, 0, NULL},
};

/* ---- names and numbers that Python takes from here */
#define AS_TEXT(name) #name,
#define AS_RELATIVE_TEXT(name) #name "_RELATIVE",
static const char *const COLUMN_NAMES[] = {COLUMNS(AS_TEXT) NULL};
static const char *const COUNTER_NAMES[] = {COUNTERS(AS_TEXT) NULL};
static const char *const CLOCK_NAMES[] = {CLOCKS(AS_TEXT) NULL};
static const char *const FEATURE_NAMES[] = {RELATIVE(AS_RELATIVE_TEXT) ABSOLUTE(AS_TEXT) FEATURES(AS_TEXT) NULL};
static const char *generator_names[QUOTAS + 1];

static int add(PyObject *module, const char *name, PyObject *object) {
  if (!object) return -1;
  const int failed = PyModule_AddObjectRef(module, name, object);
  Py_DECREF(object);
  return failed;
}

static PyObject *lower(const char *name) {
  char text[64];
  size_t n = 0;
  for (; name[n] && n + 1 < sizeof text; n++)
    text[n] = (char)(name[n] >= 'A' && name[n] <= 'Z' ? name[n] + 32 : name[n]);
  text[n] = 0;
  return PyUnicode_FromString(text);
}

static PyObject *tuple_of(const char *const *names) {
  Py_ssize_t count = 0;
  while (names[count]) count++;
  PyObject *tuple = PyTuple_New(count);
  for (Py_ssize_t n = 0; tuple && n < count; n++) {
    PyObject *name = lower(names[n]);
    if (name && PyTuple_SetItem(tuple, n, name) == 0) continue;
    Py_DECREF(tuple);
    return NULL;
  }
  return tuple;
}

/* {name: (offset, bytes)}, and under "" the size of all */
static PyObject *fields_of(const Layout *layout) {
  PyObject *fields = PyDict_New();
  int failed = !fields;
  for (const Field *field = layout->fields; !failed; field++) {
    const int is_last = !field->name;
    PyObject *place = is_last ? Py_BuildValue("nn", (Py_ssize_t)0, (Py_ssize_t)layout->size)
                              : Py_BuildValue("nn", (Py_ssize_t)field->offset, (Py_ssize_t)field->bytes);
    failed = !place || PyDict_SetItemString(fields, is_last ? "" : field->name, place);
    if (place) Py_DECREF(place);
    if (is_last) break;
  }
  if (failed && fields) Py_DECREF(fields);
  return failed ? NULL : fields;
}

static PyObject *layouts(void) {
  PyObject *found = PyDict_New();
  for (const Layout *layout = LAYOUTS; found && layout->name; layout++) {
    PyObject *fields = fields_of(layout);
    const int failed = !fields || PyDict_SetItemString(found, layout->name, fields);
    if (fields) Py_DECREF(fields);
    if (!failed) continue;
    Py_DECREF(found);
    return NULL;
  }
  return found;
}

static int add_names(PyObject *module) {
  for (int n = 0; n < QUOTAS; n++) generator_names[n] = COLUMN_NAMES[GENERATORS[n]];
  return add(module, "COLUMNS", tuple_of(COLUMN_NAMES)) || add(module, "COUNTERS", tuple_of(COUNTER_NAMES)) ||
         add(module, "CLOCKS", tuple_of(CLOCK_NAMES)) || add(module, "FEATURES", tuple_of(FEATURE_NAMES)) ||
         add(module, "GENERATORS", tuple_of(generator_names)) || add(module, "LAYOUTS", layouts());
}

static int add_contents(PyObject *module) {
  static const struct {
    const char *name;
    long value;
  } numbers[] = {{"KEPT", KEPT}, {"VIEW", VIEW}, {"TURN_DOWN", TURN_DOWN}, {"LIST_LENGTH", LIST_LENGTH},
                 {"DENSE", DENSE}, {"CO_VISITS", CO_VISITS},
                 {"ALL_PAIRS", ALL_PAIRS}, {"ALL_READS", ALL_READS}};
  for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
    if (add(module, numbers[n].name, PyLong_FromLong(numbers[n].value))) return -1;
  if (add_names(module) || add(module, "View", view_type(VIEW_METHODS))) return -1;
  return add(module, "Repeats", repeats_type());
}
static PyModuleDef_Slot MODULE_SLOTS[] = {{Py_mod_exec, (void *)add_contents}, {0, NULL}};
static PyModuleDef MODULE = {
    PyModuleDef_HEAD_INIT, "_native", "Use models.recommender.kernel.", 0, FUNCTIONS, MODULE_SLOTS, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void) {
  return PyModuleDef_Init(&MODULE);
}
