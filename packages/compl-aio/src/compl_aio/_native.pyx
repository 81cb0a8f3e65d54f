# cython: language_level=3, binding=False, embedsignature=True, embedsignature.format=clinic
# cython: freethreading_compatible=True, autotestdict=False, boundscheck=False, wraparound=False
"""The compiled part of compl-aio: Linux AIO as it is (IoContext, IoControlBlock, EventArray), and as a completion port (Port).

What is not particular to AIO stands in the shared files that are included here (tools/native in the repository).
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
include "aio_declarations.pxi"
include "aio_block.pxi"
include "aio_context.pxi"
include "aio_requests.pxi"
include "aio_polls.pxi"
include "aio_port.pxi"

if fork_watch() != 0:
    raise MemoryError("pthread_atfork")


cdef int _install() except -1:
    cdef Port probe = Port.__new__(Port)
    tables_install(<PyTypeObject *>Port, <char *>&probe.tables - <char *><PyObject *>probe)
    return 0


_install()
