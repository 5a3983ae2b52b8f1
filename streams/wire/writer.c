/* writer.c: the Python type ScoreWriter. It keeps the texts that it was made of, and spans into them; the GIL is held. */
#include "python.h"

#include <stdlib.h>

typedef struct {
  PyObject_HEAD PyObject *texts;
  ScoreTexts score;
} WriterObject;

static int fill_causes(ScoreTexts *texts, PyObject *causes) {
  const Py_ssize_t count = tuple_size(causes);
  if (count < 0 || !(texts->causes = calloc((size_t)count + 1, sizeof *texts->causes))) return 0;
  texts->cause_count = (uint32_t)count;
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *one = PyTuple_GetItem(causes, i);
    if (tuple_size(one) != 2) return 0;
    if (!span_of(PyTuple_GetItem(one, 0), &texts->causes[i].id_prefix)) return 0;
    if (!span_of(PyTuple_GetItem(one, 1), &texts->causes[i].before_offset)) return 0;
  }
  return 1;
}

static int fill_targets(ScoreTexts *texts, PyObject *targets) {
  const Py_ssize_t count = tuple_size(targets);
  if (count < 0 || !(texts->targets = calloc((size_t)count + 1, sizeof *texts->targets))) return 0;
  texts->target_count = (uint32_t)count;
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *one = PyTuple_GetItem(targets, i);
    if (tuple_size(one) != 3) return 0;
    if (!span_of(PyTuple_GetItem(one, 0), &texts->targets[i].id_suffix)) return 0;
    if (!span_of(PyTuple_GetItem(one, 1), &texts->targets[i].before_value)) return 0;
    if (!span_of(PyTuple_GetItem(one, 2), &texts->targets[i].before_health)) return 0;
  }
  return 1;
}

static int fill_texts(ScoreTexts *texts, PyObject *args) {
  if (!fill_causes(texts, PyTuple_GetItem(args, 0)) || !fill_targets(texts, PyTuple_GetItem(args, 1))) return 0;
  texts->sensors = spans_of(PyTuple_GetItem(args, 2), &texts->sensor_count);
  texts->faults = texts->sensors ? spans_of(PyTuple_GetItem(args, 3), &texts->fault_count) : NULL;
  texts->qualities = texts->faults ? spans_of(PyTuple_GetItem(args, 4), &texts->quality_count) : NULL;
  return texts->qualities != NULL;
}

static PyObject *writer_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  (void)keywords;
  if (PyTuple_Size(args) != 5) return PyErr_Format(PyExc_TypeError, "causes, targets, sensors, faults, qualities");
  PyObject *self = new_object(type);
  if (!self) return NULL;
  Py_IncRef(args);
  ((WriterObject *)self)->texts = args;
  if (fill_texts(&((WriterObject *)self)->score, args)) return self;
  if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "texts are tuples of bytes");
  Py_DECREF(self);
  return NULL;
}

static void writer_dealloc(PyObject *self) {
  ScoreTexts *texts = &((WriterObject *)self)->score;
  free(texts->causes);
  free(texts->targets);
  free(texts->sensors);
  free(texts->faults);
  free(texts->qualities);
  free(texts->value.bytes);
  free_object(self, ((WriterObject *)self)->texts);
}

typedef struct {
  Job job; /* first: `write_one` is given it */
  ScoreTexts *texts;
  PyObject *keys, *ids, *traceparents;
  const Scored *scored;
  const uint8_t *faults;
} ScoreJob;

static int write_one(Job *base, size_t which, int64_t place, Buffer *to) {
  ScoreJob *job = (ScoreJob *)base;
  const size_t reading = which / job->texts->target_count;
  ScoreCause cause = {.scored = job->scored + reading, .faults = job->faults + reading * job->texts->sensor_count};
  if (!span_of(PyList_GetItem(job->keys, (Py_ssize_t)reading), &cause.key)) return 0;
  if (!span_of(PyList_GetItem(job->ids, (Py_ssize_t)reading), &cause.event_id)) return 0;
  if (job->traceparents) cause.traceparent = span_or_nothing(PyList_GetItem(job->traceparents, (Py_ssize_t)reading));
  const uint32_t target = (uint32_t)(which % job->texts->target_count);
  if (write_score(job->texts, &cause, target, &base->numbers, place, to)) return 1;
  PyErr_SetString(PyExc_ValueError, "a place is in no table of texts");
  return 0;
}

static PyObject *writer_write(PyObject *self, PyObject *args) {
  ScoreJob job = {.job.write = write_one, .texts = &((WriterObject *)self)->score};
  PyObject *scored, *faults, *numbers, *batches = NULL;
  Py_ssize_t most, limit;
  Py_buffer from_scored, from_faults;
  if (!PyArg_ParseTuple(args, "O!O!OOOOnn", &PyList_Type, &job.keys, &PyList_Type, &job.ids, &job.traceparents, &scored,
                        &faults, &numbers, &most, &limit))
    return NULL;
  const size_t count = (size_t)PyList_Size(job.keys);
  if (!are_as_many(job.ids, count) || !take_list_or_none(&job.traceparents, count)) return NULL;
  if (!begin_job(&job.job, count * job.texts->target_count, numbers, most, limit)) return NULL;
  if (!take_buffer(scored, &from_scored, 0, count * sizeof(Scored), "scored")) return NULL;
  if (take_buffer(faults, &from_faults, 0, count * job.texts->sensor_count, "faults")) {
    job.scored = from_scored.buf;
    job.faults = from_faults.buf;
    batches = write_batches(&job.job);
    PyBuffer_Release(&from_faults);
  }
  PyBuffer_Release(&from_scored);
  return batches;
}

static PyMethodDef WRITER_METHODS[] = {
    {"write", writer_write, METH_VARARGS,
     "write(keys, ids, traceparents, scored, faults, numbers, most, limit) -> [(batch, records)]"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot WRITER_SLOTS[] = {
    {Py_tp_doc, "ScoreWriter(causes, targets, sensors, faults, qualities): texts around the values of scores"},
    {Py_tp_new, (void *)writer_new},
    {Py_tp_dealloc, (void *)writer_dealloc},
    {Py_tp_methods, WRITER_METHODS},
    {0, NULL},
};
static PyType_Spec WRITER_SPEC = {"streams.wire._native.ScoreWriter", sizeof(WriterObject), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, WRITER_SLOTS};

PyObject *writer_type(void) {
  return PyType_FromSpec(&WRITER_SPEC);
}
