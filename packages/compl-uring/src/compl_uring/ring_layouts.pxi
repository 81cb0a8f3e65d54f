# Structs as this build lays them out, for the layout tests.

cdef extern from "ring_layouts.h":
    ctypedef struct MeasuredField:
        const char *type
        const char *field
        size_t offset, size
    const MeasuredField *measured_fields
    size_t MEASURED_FIELDS


cdef dict _measured():
    cdef dict found = {}
    cdef size_t i
    for i in range(MEASURED_FIELDS):
        name = measured_fields[i].type.decode()
        if measured_fields[i].field == NULL:
            found[name] = {"size": measured_fields[i].size, "align": measured_fields[i].offset, "fields": {}}
        else:
            found[name]["fields"][measured_fields[i].field.decode()] = (measured_fields[i].offset, measured_fields[i].size)
    return found


URING_LAYOUT = _measured()
