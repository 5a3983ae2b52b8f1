/* inside.c: the steps of one question by themselves, for tests and for whoever wonders about a list. */
#include "python.h"

static int take_question(PyObject *const *args, Settings *settings, Py_buffer *of, Query *query, PyObject *self) {
  if (take_settings(args[0], settings) || take_columns(args + 1, QUESTION_COLUMNS, of, QUESTION_ARRAYS)) return -1;
  const Questions questions = questions_in(of);
  if (questions.count != 1) PyErr_SetString(PyExc_ValueError, "prefixes: they are not of one question");
  else if (are_below("lengths", questions.lengths, 1, 0, PREFIX + 1)) {
    *query = question_of(view_in(self), &questions, 0);
    return 0;
  }
  release_arrays(of, QUESTION_ARRAYS);
  return -1;
}

static const Column EVIDENCE_COLUMNS[] = {{{"items", 'i', 4, 1, 1}, {COUNT}},
                                          {{"evidence", 'f', 4, 2, 1}, {COUNT, WIDTH}}};

/* evidence(settings, arrays of a question, items, evidence) -> items met, sessions met, how often a row of evidence was
 * added to. Items beyond the room are not written. */
PyObject *view_evidence(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  Settings settings;
  Query query;
  Py_buffer of[QUESTION_ARRAYS], to[2];
  if (!has_arguments(count, 1 + QUESTION_ARRAYS + 2)) return NULL;
  Scratch *scratch = scratch_in(self);
  if (!scratch || take_question(args, &settings, of, &query, self)) return NULL;
  PyObject *met = NULL;
  if (take_columns(args + 1 + QUESTION_ARRAYS, EVIDENCE_COLUMNS, to, 2) == 0) {
    gather(view_in(self), &settings, scratch, &query);
    const size_t written = (size_t)smaller_int(scratch->rows, to[0].shape[0]);
    memcpy(to[0].buf, scratch->touched, written * sizeof *scratch->touched);
    for (size_t row = 0; row < written; row++)
      memcpy((float *)to[1].buf + row * WIDTH, scratch->evidence[row], WIDTH * sizeof(float));
    met = Py_BuildValue("LLL", (long long)scratch->rows, (long long)scratch->met.count, (long long)scratch->work);
    release_arrays(to, 2);
  }
  release_arrays(of, QUESTION_ARRAYS);
  return met;
}

static void choose_of(const View *view, const Settings *settings, Scratch *scratch, const Query *query,
                      const Py_buffer *from, Chosen *chosen) {
  const int32_t *items = from[0].buf;
  const float(*evidence)[WIDTH] = from[1].buf;
  begin_question(view, scratch);
  for (Py_ssize_t n = 0; n < from[0].shape[0]; n++)
    memcpy(scratch->evidence[row_of(scratch, items[n])], evidence[n], sizeof evidence[n]);
  choose(view, settings, scratch, query, chosen);
}

/* choose(settings, arrays of a question, items, evidence, chosen) -> how many candidates, if this were the evidence */
PyObject *view_choose(PyObject *self, PyObject *const *args, Py_ssize_t count) {
  static const Column chosen_column = {{"chosen", 'i', 4, 1, 1}, {ANY}};
  Settings settings;
  Query query;
  Py_buffer of[QUESTION_ARRAYS], from[2], to;
  if (!has_arguments(count, 1 + QUESTION_ARRAYS + 3)) return NULL;
  Scratch *scratch = scratch_in(self);
  PyObject *const *behind = args + 1 + QUESTION_ARRAYS;
  if (!scratch || take_question(args, &settings, of, &query, self)) return NULL;
  PyObject *found = NULL;
  if (take_columns(behind, EVIDENCE_COLUMNS, from, 2) == 0) {
    if (take_columns(behind + 2, &chosen_column, &to, 1) == 0) {
      Chosen chosen = {to.buf, 0, to.shape[0]};
      if (are_rows("items", from, 0, view_in(self)->item_room)) {
        choose_of(view_in(self), &settings, scratch, &query, from, &chosen);
        found = PyLong_FromLongLong(chosen.count);
      }
      PyBuffer_Release(&to);
    }
    release_arrays(from, 2);
  }
  release_arrays(of, QUESTION_ARRAYS);
  return found;
}
