"""compl-uring: Linux io_uring(7) as it is (Ring), as a loop of operations (OperationRing), and as a completion port."""

from compl_core.control_flow import Continue, ControlFlow, Error, ErrorKind, Exit, Warn
from compl_uring.operation_ring import OperationRing
from compl_uring.port import UringPort
from compl_uring.probe import backend, open_port, probe
from compl_uring.ring import (
    FILE_INDEX_ALLOC,
    AcceptFlags,
    BufferRing,
    CancelFlags,
    CompletionEntry,
    CqeFlags,
    Features,
    Message,
    MsgRingFlags,
    Opcode,
    Prepare,
    ProvidedBuffer,
    RecvSendFlags,
    RegisteredBuffers,
    Ring,
    RingProbe,
    SetupFlags,
    SocketAddress,
    SpliceFlags,
    SqeFlags,
    Statx,
    SubmissionEntry,
    TimeoutFlags,
)
from compl_uring.ring_operation import RingError, RingOperation
from compl_uring.submitter import Submitter

__version__ = "0.1.0"

__all__ = [
    "FILE_INDEX_ALLOC",
    "AcceptFlags",
    "BufferRing",
    "CancelFlags",
    "CompletionEntry",
    "Continue",
    "ControlFlow",
    "CqeFlags",
    "Error",
    "ErrorKind",
    "Exit",
    "Features",
    "Message",
    "MsgRingFlags",
    "Opcode",
    "OperationRing",
    "Prepare",
    "ProvidedBuffer",
    "RecvSendFlags",
    "RegisteredBuffers",
    "Ring",
    "RingError",
    "RingOperation",
    "RingProbe",
    "SetupFlags",
    "SocketAddress",
    "SpliceFlags",
    "SqeFlags",
    "Statx",
    "SubmissionEntry",
    "Submitter",
    "TimeoutFlags",
    "UringPort",
    "Warn",
    "backend",
    "open_port",
    "probe",
]
