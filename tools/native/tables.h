/* The C state of a port that holds Python references, and how the garbage collector sees them.

   References kept in C memory are invisible to the collector: a token that refers to its port would leak both.  Cython
   does not let us write tp_traverse, so tables_install() puts one in front of the type's own. */
#ifndef COMPL_TABLES_H
#define COMPL_TABLES_H
#include <Python.h>
#include "file.h"
#include "op.h"
#include "ready.h"
#include "timers.h"

typedef struct {
    OpTable ops;
    ReadyQueue ready;
    Timers timers;
    FileTable files;
} Tables;

static traverseproc tables_inherited;
static Py_ssize_t tables_offset;

static int tables_traverse(PyObject *self, visitproc visit, void *arg) {
    Tables *tables = (Tables *)((char *)self + tables_offset);
    for (uint32_t i = 0; i < tables->ops.count; i++) {
        Op *op = op_at(&tables->ops, i);
        if (op->state == OP_FREE) continue;
        Py_VISIT(op->token);
        Py_VISIT(op->object);
        Py_VISIT(op->key);
        Py_VISIT(op->view.obj);
        Py_VISIT(op->pool);
        if (op->extra)
            for (int j = 0; j < op->extra->count; j++) Py_VISIT(op->extra->views[j].obj);
    }
    for (size_t i = 0; i < tables->ready.count; i++) {
        Entry *entry = ready_at(&tables->ready, i);
        if (entry->what == ENTRY_POSTED) Py_VISIT(entry->token);  /* the others are ints */
    }
    for (int fd = 0; fd < tables->files.size; fd++) {
        File *file = tables->files.files[fd];
        if (!file) continue;
        Py_VISIT(file->object);
        Py_VISIT(file->key);
        Py_VISIT(file->weak);
    }
    return tables_inherited(self, visit, arg);
}

/* Call once at import, with the type that owns the tables and their place in its instances. */
static inline void tables_install(PyTypeObject *type, Py_ssize_t offset) {
    tables_inherited = type->tp_traverse;
    tables_offset = offset;
    type->tp_traverse = tables_traverse;
}

/* The interpreter specialises a method call only when type(self) is exactly the type that owns the method's descriptor:
   give a subclass descriptors of its own for the methods that it inherits unchanged from native classes. */
static inline int adopt_methods(PyObject *cls) {
    PyObject *mro = ((PyTypeObject *)cls)->tp_mro;
    for (Py_ssize_t m = 1; m < PyTuple_GET_SIZE(mro); m++) {
        PyObject *base = PyTuple_GET_ITEM(mro, m);
        PyObject *dict = PyObject_GetAttrString(base, "__dict__");
        PyObject *items = dict ? PyMapping_Items(dict) : NULL;
        Py_XDECREF(dict);
        if (!items) return -1;
        int result = 0;
        for (Py_ssize_t i = 0; result == 0 && i < PyList_GET_SIZE(items); i++) {
            PyObject *name = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 0);
            PyObject *method = PyTuple_GET_ITEM(PyList_GET_ITEM(items, i), 1);
            if (!Py_IS_TYPE(method, &PyMethodDescr_Type)) continue;
            const char *spelled = PyUnicode_AsUTF8(name);
            if (!spelled || spelled[0] == '_') continue;
            PyObject *current = PyObject_GetAttr(cls, name);
            if (current == method) {
                PyObject *own = PyDescr_NewMethod((PyTypeObject *)cls, ((PyMethodDescrObject *)method)->d_method);
                result = own ? PyObject_SetAttr(cls, name, own) : -1;
                Py_XDECREF(own);
            } else if (!current) {
                result = -1;
            }
            Py_XDECREF(current);
        }
        Py_DECREF(items);
        if (result < 0) return -1;
    }
    return 0;
}
#endif
