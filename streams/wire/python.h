/* python.h: what the files share that know Python: objects to spans, and the types of the module.
 */
#ifndef MILLRACE_WIRE_PYTHON_H
#define MILLRACE_WIRE_PYTHON_H

#include "../../models/kernel/python_abi.h" /* first: Python.h wants to be */

#include "wire.h"

/* objects.c; 0, -1, NULL: an exception is set */
int span_of(PyObject *object, Span *span);
Span span_or_nothing(PyObject *object); /* as above, but what is no bytes is nothing, and no error */
Py_ssize_t tuple_size(PyObject *object);
Span *spans_of(PyObject *tuple, uint32_t *count); /* of a tuple of bytes; to be freed */
int take_buffer(PyObject *object, Py_buffer *buffer, int flags, size_t length, const char *what);
PyObject *new_object(PyTypeObject *type);
void free_object(PyObject *self, PyObject *texts);

PyObject *reader_type(void); /* reader.c */
PyObject *writer_type(void); /* writer.c */

#endif
