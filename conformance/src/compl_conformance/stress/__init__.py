"""Random use of a port, held against a model: every operation ends once, no byte is lost, none comes twice.

    python -m compl_conformance.stress compl_epoll:backend 1000000 --seed 7

A step is one call of the port, one by the far ends, or one of what goes on around it: a thread that waits and exits, a
forked child, a signal in the middle of a wait, a close_file, a close with everything in flight.  It is no rule: a rule
says what it wants in one sentence, and this finds what nobody has thought of.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable

from compl_conformance.stress.steps import Stress
from compl_core import CompletionPort


def run(open_port: Callable[[], CompletionPort], steps: int, seed: int) -> Counter[str]:
    """So many steps; what came out of the port, counted by kind, and what went on around it.

    Raises AssertionError for what the model did not expect.
    """
    stress = Stress(open_port, seed)
    try:
        stress.run(steps)
        stress.end()
    except BaseException:
        with contextlib.suppress(OSError):  # of files that were being closed, and are no more
            stress.close()
        raise
    stress.close()
    return stress.counts
