# cython: language_level=3, binding=False, embedsignature=True, embedsignature.format=clinic
# cython: freethreading_compatible=True, autotestdict=False, boundscheck=False, wraparound=False
"""The compiled part of compl-epoll: epoll(7) as it is (Epoll, EventArray), and as a completion port (Port).

What is not particular to epoll stands in the shared files that are included here (tools/native in the repository).
"""

include "headers.pxi"
include "contract.pxi"
include "arguments.pxi"
include "address.pxi"
include "base.pxi"
include "buffers.pxi"
include "waiting.pxi"
include "files.pxi"
include "operations.pxi"
include "ending.pxi"
include "blocking.pxi"
include "readiness.pxi"
include "closing.pxi"
include "pollable.pxi"
include "epoll_set.pxi"
include "epoll_object.pxi"
include "epoll_port.pxi"

if fork_watch() != 0:
    raise MemoryError("pthread_atfork")


cdef int _install() except -1:
    cdef Port probe = Port.__new__(Port)
    tables_install(<PyTypeObject *>Port, <char *>&probe.tables - <char *><PyObject *>probe)
    return 0


_install()
