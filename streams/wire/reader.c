/* reader.c: the Python type Reader. It keeps the texts that it was made of, and spans into them; the GIL is held. */
#include "python.h"

#include <stdlib.h>

typedef struct {
  PyObject_HEAD PyObject *texts;
  Reader reader;
} ReaderObject;

static int fill_class(ReadingClass *asset_class, PyObject *name, PyObject *columns) {
  const Py_ssize_t width = tuple_size(columns);
  size_t count = 0;
  if (width < 0 || !span_of(name, &asset_class->name)) return 0;
  for (Py_ssize_t c = 0; c < width; c++) {
    const Py_ssize_t spellings = tuple_size(PyTuple_GetItem(columns, c));
    if (spellings < 1) return PyErr_Occurred() ? 0 : (PyErr_SetString(PyExc_ValueError, "a name has no spelling"), 0);
    count += (size_t)spellings;
  }
  asset_class->mask = 15;
  while (asset_class->mask < 2 * count) asset_class->mask = 2 * asset_class->mask + 1;
  asset_class->spellings = calloc(count + 1, sizeof *asset_class->spellings);
  asset_class->table = calloc((size_t)asset_class->mask + 1, sizeof *asset_class->table);
  if (!asset_class->spellings || !asset_class->table) return PyErr_NoMemory(), 0;
  asset_class->columns = (uint32_t)width;
  asset_class->spelling_count = (uint32_t)count;
  size_t further = (size_t)width;
  for (Py_ssize_t c = 0; c < width; c++) {
    PyObject *spellings = PyTuple_GetItem(columns, c);
    for (Py_ssize_t i = 0; i < PyTuple_Size(spellings); i++) {
      Spelling *one = asset_class->spellings + (i ? further++ : (size_t)c);
      one->column = (uint32_t)c;
      if (!span_of(PyTuple_GetItem(spellings, i), &one->text)) return 0;
    }
  }
  if (class_index(asset_class)) return 1;
  PyErr_SetString(PyExc_ValueError, "two columns have one name");
  return 0;
}

static int fill_reader(Reader *reader, PyObject *classes) {
  const Py_ssize_t count = tuple_size(classes);
  if (count < 0) return 0;
  reader->classes = calloc((size_t)count + 1, sizeof *reader->classes);
  if (!reader->classes) return PyErr_NoMemory(), 0;
  reader->class_count = (uint32_t)count;
  for (Py_ssize_t i = 0; i < count; i++) {
    PyObject *one = PyTuple_GetItem(classes, i);
    if (tuple_size(one) != 2) return PyErr_SetString(PyExc_ValueError, "a class is (name, columns)"), 0;
    if (!fill_class(reader->classes + i, PyTuple_GetItem(one, 0), PyTuple_GetItem(one, 1))) return 0;
    if (reader->classes[i].columns > reader->width) reader->width = reader->classes[i].columns;
  }
  return 1;
}

static PyObject *reader_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
  (void)keywords;
  PyObject *classes;
  if (!PyArg_ParseTuple(args, "O!", &PyTuple_Type, &classes)) return NULL;
  PyObject *self = new_object(type);
  if (!self) return NULL;
  Py_IncRef(classes);
  ((ReaderObject *)self)->texts = classes;
  if (fill_reader(&((ReaderObject *)self)->reader, classes)) return self;
  Py_DECREF(self);
  return NULL;
}

static void reader_dealloc(PyObject *self) {
  Reader *reader = &((ReaderObject *)self)->reader;
  for (uint32_t i = 0; i < reader->class_count; i++) {
    free(reader->classes[i].spellings);
    free(reader->classes[i].table);
  }
  free(reader->classes);
  free_object(self, ((ReaderObject *)self)->texts);
}

/* One record; its id, or None. NULL: an exception is set. */
static PyObject *read_one(Reader *reader, PyObject *value, PyObject *key, size_t most, Head *head, double *row) {
  const Span text = span_or_nothing(value), name = span_or_nothing(key);
  Span id = {0};
  *head = (Head){.asset_class = -1};
  if (text.at && name.at && length_of(text) <= most) read_telemetry(reader, text, name, head, row, &id);
  if (id.at) return PyBytes_FromStringAndSize((const char *)id.at, (Py_ssize_t)length_of(id));
  Py_IncRef(Py_None);
  return Py_None;
}

static PyObject *read_all(Reader *reader, PyObject *values, PyObject *keys, size_t most, Head *heads, double *table) {
  const Py_ssize_t count = PyList_Size(values);
  PyObject *ids = PyList_New(count);
  for (Py_ssize_t i = 0; ids && i < count; i++) {
    PyObject *value = PyList_GetItem(values, i), *key = PyList_GetItem(keys, i);
    PyObject *id = read_one(reader, value, key, most, heads + i, table + (size_t)i * reader->width);
    if (!id || PyList_SetItem(ids, i, id)) {
      Py_DECREF(ids);
      return NULL;
    }
  }
  return ids;
}

static PyObject *reader_read(PyObject *self, PyObject *args) {
  Reader *reader = &((ReaderObject *)self)->reader;
  PyObject *values, *keys, *heads, *table, *ids = NULL;
  Py_ssize_t most;
  Py_buffer into_heads, into_table;
  if (!PyArg_ParseTuple(args, "O!O!nOO", &PyList_Type, &values, &PyList_Type, &keys, &most, &heads, &table)) return NULL;
  const size_t count = (size_t)PyList_Size(values);
  if ((size_t)PyList_Size(keys) != count) return PyErr_Format(PyExc_ValueError, "as many keys as values");
  if (!take_buffer(heads, &into_heads, PyBUF_WRITABLE, count * sizeof(Head), "heads")) return NULL;
  if (take_buffer(table, &into_table, PyBUF_WRITABLE, count * reader->width * sizeof(double), "the table")) {
    ids = read_all(reader, values, keys, most < 0 ? 0 : (size_t)most, into_heads.buf, into_table.buf);
    PyBuffer_Release(&into_table);
  }
  PyBuffer_Release(&into_heads);
  return ids;
}

static PyMethodDef READER_METHODS[] = {
    {"read", reader_read, METH_VARARGS, "read(values, keys, most_bytes, heads, table) -> ids"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot READER_SLOTS[] = {
    {Py_tp_doc, "Reader(classes): readings of these classes"}, {Py_tp_new, (void *)reader_new},
    {Py_tp_dealloc, (void *)reader_dealloc},                   {Py_tp_methods, READER_METHODS},
    {0, NULL},
};
static PyType_Spec READER_SPEC = {"streams.wire._native.Reader", sizeof(ReaderObject), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, READER_SLOTS};

PyObject *reader_type(void) {
  return PyType_FromSpec(&READER_SPEC);
}
