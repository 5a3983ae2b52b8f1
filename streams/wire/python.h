/* python.h: what the files share that know Python: objects to spans, and the types of the module.
 */
#ifndef MILLRACE_WIRE_PYTHON_H
#define MILLRACE_WIRE_PYTHON_H

#include "../../models/native/python_abi.h" /* first: Python.h wants to be */

#include "wire.h"

/* objects.c; 0, -1, NULL: an exception is set */
int span_of(PyObject *object, Span *span); /* of bytes */
int text_of(PyObject *object, Span *span); /* of a str, as UTF-8 */
Span span_or_nothing(PyObject *object); /* of bytes; what is none is nothing, and no error */
Py_ssize_t tuple_size(PyObject *object);
Span *spans_of(PyObject *tuple, uint32_t *count); /* of a tuple of bytes; to be freed */
int take_buffer(PyObject *object, Py_buffer *buffer, int flags, size_t length, const char *what);
PyObject *new_object(PyTypeObject *type);
void free_object(PyObject *self, PyObject *texts);

/* batches.c */
typedef struct Job {
  size_t count, most, limit; /* records; bytes from which a batch is full, and that it must not pass */
  Span numbers;
  int (*write)(struct Job *job, size_t which, int64_t place, Buffer *to); /* 0: an exception is set */
} Job;
int begin_job(Job *job, size_t count, PyObject *numbers, Py_ssize_t most, Py_ssize_t limit);
int are_as_many(PyObject *list, size_t count);
int take_list_or_none(PyObject **object, size_t count); /* NULL where it was None */
PyObject *write_batches(Job *job); /* [(bytearray, records)] */

PyObject *write_recommendations(PyObject *module, PyObject *args); /* recommended.c */
PyObject *reader_type(void); /* reader.c */
PyObject *writer_type(void); /* writer.c */

#endif
