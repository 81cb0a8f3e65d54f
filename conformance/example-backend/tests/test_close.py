"""close() when a helper thread does not come back: what the system may still write into is leaked, not freed."""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path

import pytest

from compl_example import ExamplePort
from compl_example import port as port_module
from compl_example.operation import Outcome

if sys.platform == "win32":
    pytest.skip("no file operations on Windows, so no helper threads", allow_module_level=True)

from compl_example.storage import ReadStorage


def test_what_cannot_be_drained_is_leaked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def stuck(self: ReadStorage) -> Outcome:
        begun.set()
        assert may_end.wait(30)
        return Outcome(self.exports.length)

    monkeypatch.setattr(ReadStorage, "attempt", stuck)
    monkeypatch.setattr(port_module, "_DRAIN", 0.01)
    path = tmp_path / "file"
    path.write_bytes(b"data")
    buffer = bytearray(4)
    port = ExamplePort()
    with io.FileIO(path) as file:
        port.read(file, buffer, 0)
        assert begun.wait(10)
        with pytest.warns(ResourceWarning, match=r"1 operations did not end"):
            port.close()
        with pytest.raises(BufferError):
            buffer.append(0)
        may_end.set()
        monkeypatch.setattr(port_module, "_DRAIN", 10.0)
        port.close()  # again: now there is nothing left to wait for
    buffer.append(0)
