/* Builds compl_core.Completion (a NamedTuple) without calling Python code. */
#ifndef COMPL_COMPLETION_H
#define COMPL_COMPLETION_H
#include <Python.h>
#include "op.h"

#define COMPLETION_FIELDS 6
#define KIND_COUNT 15
#define FLAG_COUNT 16

/* compl_core.Kind of each verb; held against the enumeration at import. */
static const uint8_t kind_of_verb[VERB_COUNT] = {
    [VERB_NOP] = 14, [VERB_TIMEOUT] = 12, [VERB_READ] = 2, [VERB_WRITE] = 3, [VERB_READV] = 2, [VERB_WRITEV] = 3,
    [VERB_FSYNC] = 4, [VERB_RECV] = 5, [VERB_SEND] = 6, [VERB_RECV_EXACTLY] = 5, [VERB_SEND_ALL] = 6,
    [VERB_RECV_FROM] = 7, [VERB_SEND_TO] = 8, [VERB_ACCEPT] = 9, [VERB_CONNECT] = 10, [VERB_POLL] = 11, [VERB_CLOSE] = 13};

/* A tuple subclass with no storage of its own: items may be written straight into a fresh instance. */
static inline int completion_type_ok(PyObject *type) {
    if (!PyType_Check(type) || !PyType_IsSubtype((PyTypeObject *)type, &PyTuple_Type)) return 0;
    PyTypeObject *tp = (PyTypeObject *)type;
    return tp->tp_basicsize == PyTuple_Type.tp_basicsize && tp->tp_itemsize == PyTuple_Type.tp_itemsize;
}

/* Borrows every reference.  NULL with an exception set when memory is out. */
static inline PyObject *completion_new(PyObject *type, PyObject *key, PyObject *result, PyObject *token, PyObject *kind,
                                       PyObject *flags, PyObject *value) {
    PyObject *self = ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, COMPLETION_FIELDS);
    if (!self) return NULL;
#if PY_VERSION_HEX >= 0x030E0000
    ((PyTupleObject *)self)->ob_hash = -1;  /* 3.14 caches the hash; tp_alloc leaves 0, a valid-looking one */
#endif
    PyTuple_SET_ITEM(self, 0, Py_NewRef(key));
    PyTuple_SET_ITEM(self, 1, Py_NewRef(result));
    PyTuple_SET_ITEM(self, 2, Py_NewRef(token));
    PyTuple_SET_ITEM(self, 3, Py_NewRef(kind));
    PyTuple_SET_ITEM(self, 4, Py_NewRef(flags));
    PyTuple_SET_ITEM(self, 5, Py_NewRef(value));
    return self;
}

/* The completion of a finished operation that has no value of its own; takes the operation's key and token over.
   NULL, with nothing taken, when memory is out. */
static inline PyObject *completion_of(PyObject *type, Op *op, PyObject *kind, PyObject *flags) {
    PyObject *result = PyLong_FromLongLong(op->result);
    if (!result) return NULL;
    PyObject *self = ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, COMPLETION_FIELDS);
    if (!self) {
        Py_DECREF(result);
        return NULL;
    }
#if PY_VERSION_HEX >= 0x030E0000
    ((PyTupleObject *)self)->ob_hash = -1;
#endif
    PyTuple_SET_ITEM(self, 0, op->key ? op->key : PyLong_FromLong(0));  /* 0 is one of the ints that always exist */
    PyTuple_SET_ITEM(self, 1, result);
    PyTuple_SET_ITEM(self, 2, op->token);
    PyTuple_SET_ITEM(self, 3, Py_NewRef(kind));
    PyTuple_SET_ITEM(self, 4, Py_NewRef(flags));
    PyTuple_SET_ITEM(self, 5, Py_NewRef(Py_None));
    op->key = op->token = NULL;
    return self;
}
#endif
