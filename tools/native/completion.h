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

/* Completions live for one turn of a loop.  Kept for the next instead of freed, one costs about 340 instructions less, a
   quarter of a post and its delivery.  The type is Python's, so its deallocator is put in front of: of instances that have
   the size of all others, up to KEPT wait here.  Not on free-threaded builds, where the list would need a lock. */
#define KEPT 256

static PyTypeObject *kept_type;  /* NULL: nothing is kept */
static PyObject *kept[KEPT];
static int kept_count;

static void completion_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, completion_dealloc)  /* a token may be a completion, whose token ... */
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++) Py_XDECREF(PyTuple_GET_ITEM(self, i));
    /* SAFETY: untracked, without references to it or in it; a subclass comes here too, and is freed as its own type says */
    if (type == kept_type && Py_SIZE(self) == COMPLETION_FIELDS && kept_count < KEPT) kept[kept_count++] = self;
    else type->tp_free(self);
    Py_DECREF(type);
    Py_TRASHCAN_END
}

/* `plain` is a fresh NamedTuple: a type that has a deallocator of its own, or another module's, is left alone. */
static inline void completion_keep(PyObject *type, PyObject *plain) {
#ifndef Py_GIL_DISABLED
    PyTypeObject *tp = (PyTypeObject *)type;
    if (tp->tp_dealloc != ((PyTypeObject *)plain)->tp_dealloc || tp->tp_finalize || tp->tp_weaklistoffset || tp->tp_dictoffset)
        return;
    kept_type = tp;
    tp->tp_dealloc = completion_dealloc;
#else
    (void)type, (void)plain;
#endif
}

/* An instance whose fields are to be set, and which is not tracked yet. */
static inline PyObject *completion_alloc(PyObject *type) {
    if (kept_count) {
        PyObject *self = kept[--kept_count];
        return (PyObject *)PyObject_InitVar((PyVarObject *)self, (PyTypeObject *)type, COMPLETION_FIELDS);
    }
    PyObject *self = ((PyTypeObject *)type)->tp_alloc((PyTypeObject *)type, COMPLETION_FIELDS);
    if (self) PyObject_GC_UnTrack(self);
    return self;
}

/* A completion of these parts; takes every reference over.  NULL, with nothing taken, when memory is out. */
static inline PyObject *completion_take(PyObject *type, PyObject *key, PyObject *result, PyObject *token, PyObject *kind,
                                        PyObject *flags, PyObject *value) {
    PyObject *self = completion_alloc(type);
    if (!self) return NULL;
#if PY_VERSION_HEX >= 0x030E0000
    ((PyTupleObject *)self)->ob_hash = -1;  /* 3.14 caches the hash; 0 is a valid-looking one */
#endif
    PyTuple_SET_ITEM(self, 0, key);
    PyTuple_SET_ITEM(self, 1, result);
    PyTuple_SET_ITEM(self, 2, token);
    PyTuple_SET_ITEM(self, 3, Py_NewRef(kind));
    PyTuple_SET_ITEM(self, 4, Py_NewRef(flags));
    PyTuple_SET_ITEM(self, 5, Py_NewRef(value));
    PyObject_GC_Track(self);
    return self;
}

/* The same with references of its own to all parts. */
static inline PyObject *completion_new(PyObject *type, PyObject *key, PyObject *result, PyObject *token, PyObject *kind,
                                       PyObject *flags, PyObject *value) {
    PyObject *self = completion_take(type, key, result, token, kind, flags, value);
    if (self) {
        Py_INCREF(key);
        Py_INCREF(result);
        Py_INCREF(token);
    }
    return self;
}

/* The completion of a finished operation that has no value of its own; takes the operation's key and token over.
   NULL, with nothing taken, when memory is out. */
static inline PyObject *completion_of(PyObject *type, Op *op, PyObject *kind, PyObject *flags) {
    PyObject *result = PyLong_FromLongLong(op->result);
    if (!result) return NULL;
    PyObject *key = op->key ? op->key : PyLong_FromLong(0);  /* 0 is one of the ints that always exist */
    PyObject *self = completion_take(type, key, result, op->token, kind, flags, Py_None);
    if (self) op->key = op->token = NULL;
    else Py_DECREF(result);
    return self;
}
#endif
