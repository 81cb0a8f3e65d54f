/* From what fileno() of an object gives to its HANDLE: on Windows that may be a SOCKET, a HANDLE, or a number of the C runtime's.

   Sockets give their SOCKET.  The io module's files, and what stands for one, give the C runtime's number, which is Python's
   runtime's: only Python can translate it.  Ends of pipes (asyncio's PipeHandle, multiprocessing's PipeConnection) give HANDLEs,
   and can be told by the attribute that holds them. */
#ifndef COMPL_DESCRIPTOR_WINDOWS_H
#define COMPL_DESCRIPTOR_WINDOWS_H

static PyObject *get_osfhandle;  /* msvcrt's */

static inline int holds_handle(PyObject *file, const char *name, int number) {
    PyObject *held = PyObject_GetAttrString(file, name);
    int holds = held && PyLong_Check(held) && PyLong_AsLongLong(held) == number;
    Py_XDECREF(held);
    PyErr_Clear();
    return holds;
}

/* The HANDLE, -2 where the number names nothing. */
static inline int number_of(PyObject *file, int number) {
    if (socket_type && PyObject_TypeCheck(file, socket_type)) return number;
    if (Py_TYPE(file) != file_type && (holds_handle(file, "handle", number) || holds_handle(file, "_handle", number)))
        return number;
    PyObject *argument = PyLong_FromLong(number);
    PyObject *handle = argument ? PyObject_CallOneArg(get_osfhandle, argument) : NULL;
    Py_XDECREF(argument);
    long long value = handle ? PyLong_AsLongLong(handle) : -2;
    Py_XDECREF(handle);
    PyErr_Clear();
    /* not a file of the C runtime: somebody else's object, which says what it has */
    if (value == -2) return Py_TYPE(file) == file_type ? -2 : number;
    return value < 0 || value > INT_MAX ? -2 : (int)value;
}

#define NUMBER_OF(file, number) number_of(file, number)
#endif
