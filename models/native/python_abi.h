/* python_abi.h: the part of CPython's stable ABI that the C files which know Python use, for machines whose Python has no Python.h
 * (Debian's python3 without python3-dev). PEP 384 promises that these declarations hold for 3.11 and all that follow.
 * Where Python.h is found, it is used: MILLRACE_OWN_PYTHON_ABI is for the test that keeps this file true.
 */
#ifndef MILLRACE_PYTHON_ABI_H
#define MILLRACE_PYTHON_ABI_H

#if defined(__has_include)
#if __has_include(<Python.h>) && !defined(MILLRACE_OWN_PYTHON_ABI)
#define MILLRACE_HAS_PYTHON_H
#endif
#endif

#ifdef MILLRACE_HAS_PYTHON_H
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#else

#include <stddef.h>
#include <stdint.h>

typedef intptr_t Py_ssize_t;
typedef struct _typeobject PyTypeObject;
typedef struct _ts PyThreadState;
typedef struct _object {
  Py_ssize_t ob_refcnt;
  PyTypeObject *ob_type;
} PyObject;
#define PyObject_HEAD PyObject ob_base;

typedef struct {
  void *buf;
  PyObject *obj;
  Py_ssize_t len, itemsize;
  int readonly, ndim;
  char *format;
  Py_ssize_t *shape, *strides, *suboffsets;
  void *internal;
} Py_buffer;
#define PyBUF_WRITABLE 0x0001
#define PyBUF_FORMAT 0x0004
#define PyBUF_C_CONTIGUOUS (0x0020 | 0x0010 | 0x0008)

typedef PyObject *(*PyCFunction)(PyObject *, PyObject *);
typedef PyObject *(*allocfunc)(PyTypeObject *, Py_ssize_t);
typedef void (*freefunc)(void *);
typedef struct {
  const char *ml_name;
  PyCFunction ml_meth;
  int ml_flags;
  const char *ml_doc;
} PyMethodDef;
typedef struct {
  int slot;
  void *pfunc;
} PyType_Slot;
typedef struct {
  const char *name;
  int basicsize, itemsize;
  unsigned int flags;
  PyType_Slot *slots;
} PyType_Spec;
typedef struct {
  int slot;
  void *value;
} PyModuleDef_Slot;
typedef struct {
  PyObject ob_base;
  PyObject *(*m_init)(void);
  Py_ssize_t m_index;
  PyObject *m_copy;
} PyModuleDef_Base;
typedef struct {
  PyModuleDef_Base m_base;
  const char *m_name, *m_doc;
  Py_ssize_t m_size;
  PyMethodDef *m_methods;
  PyModuleDef_Slot *m_slots;
  void *m_traverse, *m_clear, *m_free;
} PyModuleDef;
#define PyModuleDef_HEAD_INIT {{1, NULL}, NULL, 0, NULL}
#define METH_VARARGS 0x0001
#define METH_NOARGS 0x0004
#define METH_O 0x0008
#define METH_FASTCALL 0x0080
#define Py_mod_exec 2
#define Py_tp_alloc 47
#define Py_tp_dealloc 52
#define Py_tp_doc 56
#define Py_tp_methods 64
#define Py_tp_new 65
#define Py_tp_free 74
#define Py_TPFLAGS_DEFAULT (1u << 18)
#define Py_TPFLAGS_IMMUTABLETYPE (1u << 8)

extern PyTypeObject PyTuple_Type, PyList_Type;
extern PyObject *PyExc_ValueError, *PyExc_TypeError, _Py_NoneStruct;
int PyArg_ParseTuple(PyObject *, const char *, ...);
PyObject *Py_BuildValue(const char *, ...);
PyObject *PyErr_Format(PyObject *, const char *, ...);
void PyErr_SetString(PyObject *, const char *);
PyObject *PyErr_NoMemory(void);
PyObject *PyErr_Occurred(void);
void PyErr_Clear(void);
Py_ssize_t PyTuple_Size(PyObject *);
PyObject *PyTuple_GetItem(PyObject *, Py_ssize_t);
PyObject *PyTuple_New(Py_ssize_t);
int PyDict_SetItemString(PyObject *, const char *, PyObject *);
PyObject *PyDict_New(void);
int PyTuple_SetItem(PyObject *, Py_ssize_t, PyObject *);
Py_ssize_t PyList_Size(PyObject *);
PyObject *PyList_GetItem(PyObject *, Py_ssize_t);
PyObject *PyList_New(Py_ssize_t);
int PyList_SetItem(PyObject *, Py_ssize_t, PyObject *);
int PyList_Append(PyObject *, PyObject *);
int PyBytes_AsStringAndSize(PyObject *, char **, Py_ssize_t *);
PyObject *PyBytes_FromStringAndSize(const char *, Py_ssize_t);
PyObject *PyByteArray_FromStringAndSize(const char *, Py_ssize_t);
PyObject *PyUnicode_FromString(const char *);
const char *PyUnicode_AsUTF8AndSize(PyObject *, Py_ssize_t *);
PyObject *PyLong_FromLong(long);
PyObject *PyLong_FromLongLong(long long);
long long PyLong_AsLongLong(PyObject *);
unsigned long long PyLong_AsUnsignedLongLong(PyObject *);
PyObject *PyBool_FromLong(long);
double PyFloat_AsDouble(PyObject *);
int PyObject_IsTrue(PyObject *);
PyThreadState *PyEval_SaveThread(void);
void PyEval_RestoreThread(PyThreadState *);
PyObject *PyFloat_FromDouble(double);
int PyObject_GetBuffer(PyObject *, Py_buffer *, int);
void PyBuffer_Release(Py_buffer *);
void *PyType_GetSlot(PyTypeObject *, int);
PyObject *PyType_FromSpec(PyType_Spec *);
int PyModule_AddObjectRef(PyObject *, const char *, PyObject *);
PyObject *PyModuleDef_Init(PyModuleDef *);
void Py_IncRef(PyObject *);
void Py_DecRef(PyObject *);

#define Py_TYPE(object) (((PyObject *)(object))->ob_type)
#define Py_DECREF(object) Py_DecRef((PyObject *)(object))
#define Py_None (&_Py_NoneStruct)
#define Py_RETURN_NONE return Py_IncRef(&_Py_NoneStruct), &_Py_NoneStruct
#define PyMODINIT_FUNC __attribute__((visibility("default"))) PyObject *

#endif
#endif
