/* CompletionEntry's own storage: attributes that the interpreter reads straight from the instance, and instances that are
   kept for the next completions, as each lives for one turn of a loop (see completion.h, which does so for completions).

   Cython makes a getter of each attribute, and a deallocator that saves and restores the current exception; these take
   their places. */
#ifndef COMPL_RING_MEMBERS_H
#define COMPL_RING_MEMBERS_H
#include <Python.h>
#include <stdint.h>
#include <structmember.h>

#define ENTRIES_KEPT 256

static PyMemberDef entry_members[3] = {
    {"user_data", T_OBJECT_EX, 0, READONLY, "The u64 that came with the submission."},
    {"res", T_OBJECT_EX, 0, READONLY, "The result; negative is an errno."},
    {"flags", T_OBJECT_EX, 0, READONLY, "CqeFlags bits, and from bit 16 on the id of a provided buffer."},
};

/* What an instance has: CompletionEntry's first members, in their order. */
typedef struct {
    PyObject *user_data, *res, *flags;  /* owned */
    PyObject *extra;                    /* owned, or NULL */
    uint32_t bits;
} EntryParts;

static PyTypeObject *entry_type;
static Py_ssize_t entry_parts_offset;
static PyObject *entries_kept[ENTRIES_KEPT];
static int entries_kept_count;

static inline EntryParts *entry_parts(PyObject *self) {
    return (EntryParts *)((char *)self + entry_parts_offset);
}

static void entry_dealloc(PyObject *self) {
    EntryParts *parts = entry_parts(self);
    Py_XDECREF(parts->user_data);
    Py_XDECREF(parts->res);
    Py_XDECREF(parts->flags);
    Py_XDECREF(parts->extra);
#ifndef Py_GIL_DISABLED
    if (entries_kept_count < ENTRIES_KEPT) {
        /* SAFETY: ints and bytes run nothing when they go; the type is final and not collected, so this is all there is */
        entries_kept[entries_kept_count++] = self;
        return;
    }
#endif
    Py_TYPE(self)->tp_free(self);
}

/* One that was kept, with nothing in it, or NULL. */
static inline PyObject *entry_kept(void) {
    if (!entries_kept_count) return NULL;
    PyObject *self = entries_kept[--entries_kept_count];
    memset(entry_parts(self), 0, sizeof(EntryParts));
    return PyObject_Init(self, entry_type);
}

/* Call once at import, with the place of `user_data` in an instance. */
static inline int entry_members_install(PyTypeObject *type, Py_ssize_t first) {
    entry_type = type;
    entry_parts_offset = first;
    type->tp_dealloc = entry_dealloc;
    for (int i = 0; i < 3; i++) {
        entry_members[i].offset = first + i * (Py_ssize_t)sizeof(PyObject *);
        PyObject *member = PyDescr_NewMember(type, &entry_members[i]);
        if (!member) return -1;
        int status = PyDict_SetItemString(type->tp_dict, entry_members[i].name, member);
        Py_DECREF(member);
        if (status < 0) return -1;
    }
    PyType_Modified(type);
    return 0;
}

/* The value of an exact int in 0..2**64-1; 0 for anything else, without an exception. */
static inline int plain_u64(PyObject *number, uint64_t *value) {
    int overflow;
    if (!PyLong_CheckExact(number)) return 0;
    long long most = PyLong_AsLongLongAndOverflow(number, &overflow);  /* the quicker conversion */
    *value = (uint64_t)most;
    if (!overflow) return most >= 0;
    *value = PyLong_AsUnsignedLongLong(number);
    if (*value != UINT64_MAX || !PyErr_Occurred()) return 1;
    PyErr_Clear();
    return 0;
}
#endif
