# cython: language_level=3, binding=False, embedsignature=True, embedsignature.format=clinic
# cython: freethreading_compatible=True, autotestdict=False, boundscheck=False, wraparound=False
"""The compiled part of compl-iocp: a completion port as it is (Iocp), and as a completion port of compl_core (Port).

What is not particular to Windows stands in the shared files that are included here (tools/native in the repository).
"""

include "headers.pxi"
include "contract.pxi"
include "arguments.pxi"
include "iocp_object.pxi"
include "afd_object.pxi"
include "address.pxi"
include "base.pxi"
include "buffers.pxi"
include "waiting.pxi"
include "files.pxi"
include "operations.pxi"
include "ending.pxi"
include "handles.pxi"
include "arrivals.pxi"
include "transfers.pxi"
include "afd.pxi"
include "closing.pxi"
include "iocp_port.pxi"


cdef int _install() except -1:
    cdef Port probe = Port.__new__(Port)
    tables_install(<PyTypeObject *>Port, <char *>&probe.tables - <char *><PyObject *>probe)
    return 0


_install()
