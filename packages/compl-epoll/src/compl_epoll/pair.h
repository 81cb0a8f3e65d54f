/* (int, int) pairs for an iterator: while the caller unpacks and drops each, one tuple serves them all, as in zip(). */
#ifndef COMPL_PAIR_H
#define COMPL_PAIR_H
#include <Python.h>
#include <stdint.h>

static inline PyObject *pair_of(PyObject **kept, uint32_t first, uint64_t second) {
    PyObject *low = PyLong_FromUnsignedLong(first);
    PyObject *high = PyLong_FromUnsignedLongLong(second);
    if (!low || !high) {
        Py_XDECREF(low);
        Py_XDECREF(high);
        return NULL;
    }
#ifndef Py_GIL_DISABLED
    PyObject *pair = *kept;
    /* SAFETY: this is the only reference, and no other thread runs: nobody can see the items change */
    if (pair && Py_REFCNT(pair) == 1) {
        PyObject *old_low = PyTuple_GET_ITEM(pair, 0), *old_high = PyTuple_GET_ITEM(pair, 1);
        PyTuple_SET_ITEM(pair, 0, low);
        PyTuple_SET_ITEM(pair, 1, high);
        Py_DECREF(old_low);
        Py_DECREF(old_high);
#if PY_VERSION_HEX >= 0x030E0000
        ((PyTupleObject *)pair)->ob_hash = -1;
#endif
        return Py_NewRef(pair);
    }
#endif
    PyObject *fresh = PyTuple_New(2);
    if (!fresh) {
        Py_DECREF(low);
        Py_DECREF(high);
        return NULL;
    }
    PyTuple_SET_ITEM(fresh, 0, low);
    PyTuple_SET_ITEM(fresh, 1, high);
#ifndef Py_GIL_DISABLED
    Py_XSETREF(*kept, Py_NewRef(fresh));
#endif
    return fresh;
}
#endif
