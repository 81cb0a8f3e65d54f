/* Numbers out of Python ints: the descriptor of a file argument in the common cases, and ranges. */
#ifndef COMPL_DESCRIPTOR_H
#define COMPL_DESCRIPTOR_H
#include <Python.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>

#define DESCRIPTOR_UNCLEAR (-3)  /* to be looked at more closely, with the right error for what it is */

static PyObject *fileno_name;    /* "fileno", interned */

/* socket.socket and io.FileIO keep their descriptor right behind the object's head, in every CPython so far.  Reading it
   there saves the call of fileno(); learn() switches this on only after it has seen that it holds here. */
static PyTypeObject *socket_type;  /* NULL: not learned */
static PyTypeObject *file_type;    /* io.FileIO */
static int file_peeked;

static inline int peek(PyObject *file) {
    return *(int *)((char *)file + sizeof(PyObject));
}

/* Whether an object of this type has one number until it is closed, and says so then. */
static inline int keeps_number(PyObject *file) {
    return Py_TYPE(file) == socket_type || Py_TYPE(file) == file_type;
}

/* close() of an object.  0 or -errno; what is no OSError goes to sys.unraisablehook, and is EIO. */
static inline int64_t close_by_object(PyObject *file) {
    PyObject *answer = PyObject_CallMethod(file, "close", NULL);
    if (answer) {
        Py_DECREF(answer);
        return 0;
    }
    long number = 0;
    if (PyErr_ExceptionMatches(PyExc_OSError)) {
        PyObject *type, *error, *trace;
        PyErr_Fetch(&type, &error, &trace);
        PyErr_NormalizeException(&type, &error, &trace);
        PyObject *found = PyObject_GetAttrString(error, "errno");
        if (found && PyLong_Check(found)) number = PyLong_AsLong(found);
        Py_XDECREF(found);
        PyErr_Clear();
        if (number > 0 && number <= INT_MAX) {
            Py_XDECREF(type);
            Py_XDECREF(error);
            Py_XDECREF(trace);
            return -number;
        }
        PyErr_Restore(type, error, trace);
    }
    if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt)) {
        PyErr_Clear();
        PyErr_SetInterrupt();  /* comes out of the main thread as soon as it runs Python code again */
    } else {
        PyErr_WriteUnraisable(file);
    }
    return -EIO;
}

/* Two open files of a type and a closed one, with what their fileno() says: whether it can be read in them. */
static inline int learn(PyObject *type, PyObject *first, int one, PyObject *second, int two, PyObject *closed) {
    return one >= 0 && two >= 0 && one != two &&
           ((PyTypeObject *)type)->tp_basicsize >= (Py_ssize_t)(sizeof(PyObject) + sizeof(int)) && peek(first) == one &&
           peek(second) == two && peek(closed) == -1;
}

#ifdef _WIN32
#include "descriptor_windows.h"
#else
#define NUMBER_OF(file, number) (number)
#endif

/* A number from 0, -2 for a negative one, or DESCRIPTOR_UNCLEAR without an exception.  fileno() is called at most once. */
static inline int descriptor_of(PyObject *file) {
    PyObject *number = NULL;
    int overflow;
    if (Py_TYPE(file) == socket_type || (file_peeked && Py_TYPE(file) == file_type)) {
        /* SAFETY: exactly a type that learn() looked at; the caller holds a reference */
        int fd = peek(file);
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
    if (overflow || value < 0 || value > INT_MAX) return -2;
    return number == file ? (int)value : NUMBER_OF(file, (int)value);
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
