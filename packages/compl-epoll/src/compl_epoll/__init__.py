"""compl-epoll: Linux's epoll(7), as it is (:class:`Epoll`) and as a completion port (:class:`EpollPort`)."""

from compl_epoll.constants import ControlOp, EpollEvents
from compl_epoll.epoll import Epoll, Event, EventArray
from compl_epoll.port import EpollPort
from compl_epoll.probe import backend, open_port, probe

__version__ = "0.1.0"

__all__ = [
    "ControlOp",
    "Epoll",
    "EpollEvents",
    "EpollPort",
    "Event",
    "EventArray",
    "backend",
    "open_port",
    "probe",
]
