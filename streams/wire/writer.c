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
  PyObject *keys, *ids, *traceparents;
  const Scored *scored;
  const uint8_t *faults;
  Span numbers;
  size_t count, most, limit; /* scores, bytes from which a batch is full, bytes that it must not pass */
} WriteJob;

static int cause_at(const ScoreTexts *texts, const WriteJob *job, size_t place, ScoreCause *cause) {
  *cause = (ScoreCause){.scored = job->scored + place, .faults = job->faults + place * texts->sensor_count};
  if (!span_of(PyList_GetItem(job->keys, (Py_ssize_t)place), &cause->key)) return 0;
  if (!span_of(PyList_GetItem(job->ids, (Py_ssize_t)place), &cause->event_id)) return 0;
  if (job->traceparents) cause->traceparent = span_or_nothing(PyList_GetItem(job->traceparents, (Py_ssize_t)place));
  return 1;
}

/* Fills one batch with scores from `*next` on. How many it has; -1: an exception is set. */
static Py_ssize_t fill_batch(ScoreTexts *texts, WriteJob *job, size_t *next, Buffer *to) {
  static const uint8_t HEADER[BATCH_HEADER] = {0};
  Py_ssize_t place = 0;
  to->length = 0;
  put(to, HEADER, BATCH_HEADER);
  for (; *next < job->count && to->length - BATCH_HEADER < job->most; place++, ++*next) {
    ScoreCause cause;
    const size_t begin = to->length;
    const Span numbers = job->numbers;
    if (!cause_at(texts, job, *next / texts->target_count, &cause)) return -1;
    if (!write_score(texts, &cause, (uint32_t)(*next % texts->target_count), &job->numbers, place, to))
      return PyErr_SetString(PyExc_ValueError, "a place is in no table of texts"), -1;
    if (to->is_out_of_memory || texts->value.is_out_of_memory) return PyErr_NoMemory(), -1;
    if (to->length > job->limit && place) {
      to->length = begin;
      job->numbers = numbers;
      break;
    }
  }
  return place;
}

static PyObject *write_batches(ScoreTexts *texts, WriteJob *job) {
  PyObject *batches = PyList_New(0);
  Buffer to = {0};
  size_t next = 0;
  while (batches && next < job->count) {
    const Py_ssize_t records = fill_batch(texts, job, &next, &to);
    PyObject *bytes = records < 0 ? NULL : PyByteArray_FromStringAndSize((const char *)to.bytes, (Py_ssize_t)to.length);
    PyObject *batch = bytes ? Py_BuildValue("(Nn)", bytes, records) : NULL;
    if (!batch || PyList_Append(batches, batch)) {
      Py_DECREF(batches);
      batches = NULL;
    }
    if (batch) Py_DECREF(batch);
  }
  free(to.bytes);
  return batches;
}

static PyObject *writer_write(PyObject *self, PyObject *args) {
  ScoreTexts *texts = &((WriterObject *)self)->score;
  PyObject *scored, *faults, *numbers, *batches = NULL;
  Py_ssize_t most, limit;
  WriteJob job = {0};
  Py_buffer from_scored, from_faults;
  if (!PyArg_ParseTuple(args, "O!O!OOOOnn", &PyList_Type, &job.keys, &PyList_Type, &job.ids, &job.traceparents, &scored,
                        &faults, &numbers, &most, &limit) ||
      !span_of(numbers, &job.numbers))
    return NULL;
  const size_t count = (size_t)PyList_Size(job.keys);
  if (job.traceparents == Py_None) job.traceparents = NULL;
  if ((size_t)PyList_Size(job.ids) != count || (job.traceparents && (size_t)PyList_Size(job.traceparents) != count))
    return PyErr_Format(PyExc_ValueError, "as many ids and traceparents as keys");
  if (!take_byte(&job.numbers, '[')) return PyErr_Format(PyExc_ValueError, "numbers are a JSON array");
  job.count = count * texts->target_count;
  job.most = most < 1 ? 1 : (size_t)most;
  job.limit = limit < 0 ? 0 : (size_t)limit;
  if (!take_buffer(scored, &from_scored, 0, count * sizeof(Scored), "scored")) return NULL;
  if (take_buffer(faults, &from_faults, 0, count * texts->sensor_count, "faults")) {
    job.scored = from_scored.buf;
    job.faults = from_faults.buf;
    batches = write_batches(texts, &job);
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
