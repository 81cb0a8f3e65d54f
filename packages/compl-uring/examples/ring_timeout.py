"""One operation on a ring: a clock that ticks some times and ends the ring.

python ring_timeout.py --ticks 3 --seconds 0.5
"""

from __future__ import annotations

import argparse
import errno
import os

from compl_uring import (
    CompletionEntry,
    Continue,
    ControlFlow,
    Error,
    Exit,
    OperationRing,
    Ring,
    RingOperation,
    Submitter,
)


class Clock(RingOperation[int]):
    """The data of each timeout is which tick it is."""

    def __init__(self, ticks: int, seconds: float) -> None:
        self.ticks, self.seconds = ticks, seconds

    def setup(self, submitter: Submitter[int]) -> None:
        submitter.push(submitter.prepare.timeout(self.seconds), 1)

    def on_completion(
        self, entry: CompletionEntry, data: int, submitter: Submitter[int]
    ) -> tuple[ControlFlow, int | None]:
        if entry.res != -errno.ETIME:  # a timeout that has run out says so
            return Error(OSError(-entry.res, os.strerror(-entry.res))), None
        if data < self.ticks:
            submitter.push(submitter.prepare.timeout(self.seconds), data + 1)
        print("tick", data, flush=True)
        return Continue() if data < self.ticks else Exit(), None

    def on_teardown_completion(self, entry: CompletionEntry, data: int, submitter: Submitter[int]) -> None:
        print("stopped before tick", data)


def main() -> None:
    parser = argparse.ArgumentParser(description="Tick some times.")
    parser.add_argument("--ticks", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="between two ticks")
    options = parser.parse_args()
    with Ring(8) as ring:
        program = OperationRing(ring, clock=Clock(options.ticks, options.seconds))
        try:
            program.run()
        except KeyboardInterrupt:
            pass  # comes out when everything is torn down


if __name__ == "__main__":
    main()
