"""Two rings, each in a thread of its own, that send a ball to one another by MSG_RING.

    python ring_ping_pong.py --hits 10

A mailbox is a request that only messages complete.  Its number is the address: here 0, in both rings.
"""

from __future__ import annotations

import argparse
import threading

from compl_uring import CompletionEntry, Continue, ControlFlow, Exit, OperationRing, Ring, RingOperation, Submitter

TABLE = 0
BOTH_READY = threading.Barrier(2)


class Player(RingOperation[str]):
    def __init__(self, name: str, opponent: Ring, hits: int, score: list[str], *, serves: bool) -> None:
        self.name, self.opponent, self.hits, self.score, self.serves = name, opponent, hits, score, serves

    def setup(self, submitter: Submitter[str]) -> None:
        submitter.open_mailbox(self.name, TABLE)
        BOTH_READY.wait(10)
        if self.serves:
            self.hit(1, submitter)

    def hit(self, number: int, submitter: Submitter[str]) -> None:
        ball = submitter.prepare.msg_ring(self.opponent, res=number, message=TABLE, user_data=number)
        submitter.push_raw(ball)

    def on_completion(
        self, entry: CompletionEntry, data: str, submitter: Submitter[str]
    ) -> tuple[ControlFlow, str | None]:
        """The ball comes: a message, so the mailbox stays open whatever its flags say."""
        self.score.append(f"{data} {entry.res}")
        if entry.res == self.hits:
            return Exit(), None
        self.hit(entry.res + 1, submitter)
        return Continue(), None

    def on_raw_completion(self, entry: CompletionEntry, submitter: Submitter[str]) -> ControlFlow:
        """The ball is on the other side."""
        return Exit() if entry.user_data == self.hits else super().on_raw_completion(entry, submitter)

    def on_teardown_completion(self, entry: CompletionEntry, data: str, submitter: Submitter[str]) -> None:
        self.score.append(f"{data} leaves")


def main() -> None:
    parser = argparse.ArgumentParser(description="Play.")
    parser.add_argument("--hits", type=int, default=10)
    hits = parser.parse_args().hits
    score: list[str] = []
    with Ring(8) as here, Ring(8) as there:
        ping = OperationRing(here, player=Player("ping", there, hits, score, serves=True))
        pong = OperationRing(there, player=Player("pong", here, hits, score, serves=False))
        thread = threading.Thread(target=pong.run)
        thread.start()
        ping.run()
        thread.join()
    print("\n".join(score))


if __name__ == "__main__":
    main()
