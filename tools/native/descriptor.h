/* Numbers out of Python ints: the descriptor of a file argument in the common cases, and ranges. */
#ifndef COMPL_DESCRIPTOR_H
#define COMPL_DESCRIPTOR_H
#include <Python.h>
#include <limits.h>
#include <stdint.h>

#define DESCRIPTOR_UNCLEAR (-3)  /* to be looked at more closely, with the right error for what it is */

static PyObject *fileno_name;    /* "fileno", interned */

/* socket.socket keeps its descriptor right behind the object's head, in every CPython so far.  Reading it there saves the
   call of fileno(); socket_learn() switches this on only after it has seen that it holds here. */
static PyTypeObject *socket_type;

static inline int socket_peek(PyObject *sock) {
    return *(int *)((char *)sock + sizeof(PyObject));
}

/* Two open sockets and a closed one, with what their fileno() says. */
static inline void socket_learn(PyObject *type, PyObject *first, int one, PyObject *second, int two, PyObject *closed) {
    if (one >= 0 && two >= 0 && one != two && ((PyTypeObject *)type)->tp_basicsize >= (Py_ssize_t)(sizeof(PyObject) + sizeof(int)) &&
        socket_peek(first) == one && socket_peek(second) == two && socket_peek(closed) == -1)
        socket_type = (PyTypeObject *)type;
}

/* A number from 0, -2 for a negative one, or DESCRIPTOR_UNCLEAR without an exception.  fileno() is called at most once. */
static inline int descriptor_of(PyObject *file) {
    PyObject *number = NULL;
    int overflow;
    if (Py_TYPE(file) == socket_type) {
        /* SAFETY: exactly the type that socket_learn() looked at; the caller holds a reference */
        int fd = socket_peek(file);
        return fd < 0 ? -2 : fd;
    }
    if (PyLong_CheckExact(file)) {
        number = Py_NewRef(file);
    } else if (PyLong_Check(file)) {
        return DESCRIPTOR_UNCLEAR;
    } else {
        number = PyObject_CallMethodNoArgs(file, fileno_name);
        if (!number) return DESCRIPTOR_UNCLEAR;
    }
    if (!PyLong_CheckExact(number)) {
        Py_DECREF(number);
        return DESCRIPTOR_UNCLEAR;
    }
    long value = PyLong_AsLongAndOverflow(number, &overflow);
    Py_DECREF(number);
    return overflow || value < 0 || value > INT_MAX ? -2 : (int)value;
}

/* Whether it is an int, nothing but an int, and from 0 to 2**30-1: what most keys and results are. */
static inline int is_small(PyObject *number) {
#if PY_VERSION_HEX >= 0x030C0000
    return PyLong_CheckExact(number) && PyUnstable_Long_IsCompact((PyLongObject *)number) &&
           PyUnstable_Long_CompactValue((PyLongObject *)number) >= 0 &&
           PyUnstable_Long_CompactValue((PyLongObject *)number) < 1 << 30;
#else
    return PyLong_CheckExact(number) && (size_t)Py_SIZE(number) <= 1;
#endif
}

/* Whether an exact int is in 0..most. */
static inline int is_unsigned(PyObject *number, uint64_t most) {
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (!overflow) return value >= 0 && (uint64_t)value <= most;
    if (overflow < 0 || most <= LLONG_MAX) return 0;
    unsigned long long large = PyLong_AsUnsignedLongLong(number);
    if (large == (unsigned long long)-1 && PyErr_Occurred()) {
        PyErr_Clear();
        return 0;
    }
    return large <= most;
}
#endif
