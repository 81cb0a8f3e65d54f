"""The port's own threads."""

from __future__ import annotations

import signal
import sys
import threading

import pytest

from compl_example import ExamplePort, threads


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal masks")
def test_they_take_no_signals() -> None:
    masks: list[set[int]] = []
    threads.start(lambda: masks.append(set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))), "probe").join(10)
    assert {signal.SIGINT, signal.SIGPIPE} <= masks[0]


def test_a_port_that_only_posts_has_none() -> None:
    before = threading.active_count()
    with ExamplePort() as port:
        port.post(1)
        assert len(port.wait(1, 10)) == 1
        assert threading.active_count() == before


def test_close_ends_them() -> None:
    before = threading.active_count()
    with ExamplePort() as port:
        port.timeout(3600)
        assert threading.active_count() > before
    assert threading.active_count() == before
