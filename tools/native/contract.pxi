# compl_core's objects that completions and errors are made of, fetched once at import.

import io as _io
import operator as _operator
import os as _os
import socket as _socket
import warnings as _warnings
from collections import namedtuple as _namedtuple

from compl_core import BufferPool as _BufferPoolClass
from compl_core import Completion as _Completion
from compl_core import CompletionFlags as _CompletionFlags
from compl_core import Kind as _Kind
from compl_core import errors as _errors
from compl_core.arguments import buffer_or_pool as _buffer_or_pool
from compl_core.arguments import pool_shape as _pool_shape

if not completion_type_ok(_Completion) or _Completion._fields != ("key", "result", "token", "kind", "flags", "value"):
    raise ImportError("compl_core.Completion is not the tuple that this module was built for; upgrade both together")

completion_keep(_Completion, _namedtuple("_Plain", "field"))

cdef object _zero = 0
cdef object _none_flags = _CompletionFlags.NONE
cdef tuple _kinds = tuple(_Kind(number) for number in range(KIND_COUNT))
cdef tuple _flags = tuple(_CompletionFlags(bits) for bits in range(FLAG_COUNT))
cdef object _socket_class = _socket.socket
cdef object _socket_init = _socket.SocketType.__init__   # of _socket.socket, the C class below
cdef object _POSTED = _Kind.POSTED
cdef object _READY = _Kind.READY

cdef int _number
for _name, _number in (
    ("NOP", VERB_NOP), ("TIMEOUT", VERB_TIMEOUT), ("READ", VERB_READ), ("READ", VERB_READV), ("WRITE", VERB_WRITE),
    ("WRITE", VERB_WRITEV), ("FSYNC", VERB_FSYNC), ("RECV", VERB_RECV), ("RECV", VERB_RECV_EXACTLY), ("SEND", VERB_SEND),
    ("SEND", VERB_SEND_ALL), ("RECV_FROM", VERB_RECV_FROM), ("SEND_TO", VERB_SEND_TO), ("ACCEPT", VERB_ACCEPT),
    ("CONNECT", VERB_CONNECT), ("POLL", VERB_POLL), ("CLOSE", VERB_CLOSE),
):
    if kind_of_verb[_number] != _Kind[_name]:
        raise ImportError(f"compl_core.Kind.{_name} has another number than this module was built for; upgrade both together")


def specialise(cls):
    """Class decorator: calls of inherited native methods become as fast on the subclass as on the native class."""
    adopt_methods(cls)
    return cls

