"""compl-aio: Linux kernel AIO, as it is (:class:`IoContext`) and as a completion port (:class:`AioPort`)."""

from compl_aio.constants import MAX_REQUESTS, IocbCmd, IocbFlags
from compl_aio.context import EventArray, IoContext, IoControlBlock, IoEvent
from compl_aio.port import AioPort
from compl_aio.probe import backend, open_port, probe

__version__ = "0.1.0"

__all__ = [
    "MAX_REQUESTS",
    "AioPort",
    "EventArray",
    "IoContext",
    "IoControlBlock",
    "IoEvent",
    "IocbCmd",
    "IocbFlags",
    "backend",
    "open_port",
    "probe",
]
