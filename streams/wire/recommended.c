/* recommended.c: the function write_recommendations of the module. */
#include "python.h"

#include <stdlib.h>

/* Of one recommendation; streams.wire.RANKED */
typedef struct {
  int64_t offset, time_us;
  uint32_t items, first; /* how many, and the place of the first one's name */
} Row;

typedef struct {
  Job job; /* first: `write_one` is given it */
  RankingTexts texts;
  PyObject *keys, *ids, *strategies, *traceparents;
  const Row *rows;
  Span *names;
  size_t name_count;
  Buffer value;
} RankingJob;

static int write_one(Job *base, size_t which, int64_t place, Buffer *to) {
  RankingJob *job = (RankingJob *)base;
  const Row *row = job->rows + which;
  const Py_ssize_t at = (Py_ssize_t)which;
  if (row->first > job->name_count || row->items > job->name_count - row->first) {
    PyErr_SetString(PyExc_ValueError, "a recommendation has more items than there are names");
    return 0;
  }
  Ranking ranking = {.offset = row->offset, .time_us = row->time_us, .names = job->names + row->first};
  ranking.items = row->items;
  if (!span_of(PyList_GetItem(job->keys, at), &ranking.key)) return 0;
  if (!span_of(PyList_GetItem(job->ids, at), &ranking.event_id)) return 0;
  if (!text_of(PyList_GetItem(job->strategies, at), &ranking.strategy)) return 0;
  if (job->traceparents) ranking.traceparent = span_or_nothing(PyList_GetItem(job->traceparents, at));
  write_recommendation(&job->texts, &ranking, &base->numbers, place, &job->value, to);
  return 1;
}

static Span *names_of(PyObject *list, size_t *count) {
  *count = (size_t)PyList_Size(list);
  Span *names = calloc(*count + 1, sizeof *names);
  if (!names) return (Span *)(void *)PyErr_NoMemory();
  for (size_t i = 0; i < *count; i++)
    if (!text_of(PyList_GetItem(list, (Py_ssize_t)i), names + i)) {
      free(names);
      return NULL;
    }
  return names;
}

static int take_texts(RankingTexts *texts, PyObject *tuple) {
  Span *const parts[] = {&texts->id_prefix, &texts->before_offset, &texts->before_strategy, &texts->before_items};
  for (Py_ssize_t i = 0; i < 4; i++)
    if (!span_of(PyTuple_GetItem(tuple, i), parts[i])) return 0;
  return 1;
}

PyObject *write_recommendations(PyObject *module, PyObject *args) {
  (void)module;
  RankingJob job = {.job.write = write_one};
  PyObject *texts, *rows, *names, *numbers, *batches = NULL;
  Py_ssize_t most, limit;
  Py_buffer from_rows;
  if (!PyArg_ParseTuple(args, "O!O!O!O!OOO!Onn", &PyTuple_Type, &texts, &PyList_Type, &job.keys, &PyList_Type, &job.ids,
                        &PyList_Type, &job.strategies, &job.traceparents, &rows, &PyList_Type, &names, &numbers, &most,
                        &limit))
    return NULL;
  const size_t count = (size_t)PyList_Size(job.keys);
  if (!are_as_many(job.ids, count) || !are_as_many(job.strategies, count)) return NULL;
  if (!take_list_or_none(&job.traceparents, count) || !take_texts(&job.texts, texts)) return NULL;
  if (!begin_job(&job.job, count, numbers, most, limit)) return NULL;
  if (!take_buffer(rows, &from_rows, 0, count * sizeof(Row), "ranked")) return NULL;
  job.rows = from_rows.buf;
  job.names = names_of(names, &job.name_count);
  if (job.names) batches = write_batches(&job.job);
  free(job.names);
  free(job.value.bytes);
  PyBuffer_Release(&from_rows);
  return batches;
}
