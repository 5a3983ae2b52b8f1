/* module.c: models.maintenance.kernel._native, in CPython's limited API (one file for 3.11 and newer).
 *
 * The GIL is held: an `Observer` has one working memory, and a call takes about a microsecond an event.
 */
#include "python.h"

static int add_contents(PyObject *module) {
  return add_to(module, "Observer", observer_type()) || add_to(module, "Decider", decider_type()) ||
                 add_constants(module)
             ? -1
             : 0;
}
static PyMethodDef FUNCTIONS[] = {
    {"watch", watch_events, METH_VARARGS,
     "watch(rows, slots, input, (sensors, targets), whole, patience, transitions) -> how many"},
    {"interval_ends", ends_of_interval, METH_VARARGS,
     "interval_ends((value, low, high, quality, lower, upper), (edges, low, high, widened), cap)"},
    {"fall_course", course_of_falls, METH_VARARGS, "fall_course((is_first, value, trust, course), limit)"},
    {"course_of_sensors", course_of_check, METH_VARARGS, "course_of_sensors(learned, given, found)"},
    {"channel_course", course_of_channel, METH_VARARGS, "channel_course((value, trust, step, features))"},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot MODULE_SLOTS[] = {{Py_mod_exec, (void *)add_contents}, {0, NULL}};
static PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_native", "Use models.maintenance.kernel.", 0, FUNCTIONS,
                             MODULE_SLOTS, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void) {
  return PyModuleDef_Init(&MODULE);
}
