"""compl-iocp: Windows' I/O completion ports, as they are (:class:`Iocp`) and as a completion port (:class:`IocpPort`).

The package imports on every system; where there are no completion ports, opening one says so.
"""

import sys

from compl_iocp.afd import Afd, Polled
from compl_iocp.constants import AfdEvents
from compl_iocp.iocp import Iocp, OverlappedEntry
from compl_iocp.probe import backend, open_port, probe
from compl_iocp.winsock import Extension, base_socket

if sys.platform == "win32":
    from compl_iocp.port import IocpPort
else:
    from compl_iocp.elsewhere import IocpPort

__version__ = "0.1.0"

__all__ = [
    "Afd",
    "AfdEvents",
    "Extension",
    "Iocp",
    "IocpPort",
    "OverlappedEntry",
    "Polled",
    "backend",
    "base_socket",
    "open_port",
    "probe",
]
