"""What a stress run makes of a completion: whether the model expected it, and what the model knows after it."""

from __future__ import annotations

import errno
import sys
from collections import Counter, deque
from typing import cast

from compl_conformance.stress.model import PAGE, PagedFile, Pending, Stream
from compl_core import Completion, Interest, Kind

if sys.platform == "win32":
    raise ImportError("compl_conformance.stress needs a POSIX system: it forks, and sends itself signals")

READY_KEY = 10**9
RECEIVED = (Kind.RECV, Kind.READ)


class Judge:
    """What is in flight, and the streams; each completion is judged in the order in which wait() has returned it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.forget()

    def forget(self) -> None:
        """Nothing is in flight, and no stream is there."""
        self.streams: list[Stream] = []
        self.pending: dict[int, Pending] = {}
        self.cancelled: set[int] = set()
        self.posts: deque[int] = deque()
        self.views: list[memoryview] = []

    def judge_all(self, batch: list[Completion]) -> None:
        for done in batch:
            self.judge(done)

    def judge(self, done: Completion) -> None:
        self.counts[done.kind.name] += 1
        if done.kind is Kind.READY:
            assert done.readiness & Interest.READABLE and done.key >= READY_KEY, done
            return
        if done.kind is Kind.POSTED:
            assert done.token == done.key == self.posts.popleft(), done
            return
        token = cast(int, done.token)
        if done.more:
            self.judge_stream(done, token, self.pending[token])
            return
        pending = self.pending.pop(token)  # KeyError: it ended twice
        assert done.kind is pending.kind, (done, pending)
        cancelled = token in self.cancelled
        self.cancelled.discard(token)
        if done.result < 0:
            assert done.result == -errno.ECANCELED and cancelled, (done, pending)
        if isinstance(pending.of, PagedFile):
            self.judge_page(done, pending)
        elif isinstance(pending.of, Stream) and done.kind in RECEIVED:
            self.judge_stream(done, token, pending)
        elif isinstance(pending.of, Stream) and done.kind is Kind.CLOSE:
            self.judge_close(done, pending.of)
        elif isinstance(pending.of, Stream):
            stream = pending.of
            assert done.result < 0 or stream.saying[0] == token, "sent out of order"
            stream.saying.remove(token)
            stream.said += pending.buffer[: max(done.result, 0)]
        elif done.kind is Kind.ACCEPT and done.ok:
            done.value.close()
        elif done.kind is Kind.CONNECT:
            pending.of.close()

    def judge_stream(self, done: Completion, token: int, pending: Pending) -> None:
        stream = cast(Stream, pending.of)
        if done.result < 0:
            return
        while stream.order[0] != token:  # those before it were cancelled, and say so in their own completion
            assert stream.order[0] not in self.pending, "received out of order"
            stream.order.popleft()
        if done.more:
            stream.take(done.value)
            self.views.append(done.value)
        else:
            assert done.result > 0 or token in self.cancelled or stream.closing, done
            stream.take(memoryview(pending.buffer)[: done.result])

    def judge_close(self, done: Completion, stream: Stream) -> None:
        assert done.result == 0, done
        if stream.closing > 1:
            stream.closing -= 1
            return
        left = [each for each in self.pending.values() if each.of is stream]
        assert not left, f"closed before {left} had ended"
        stream.listen()
        stream.close(near=False)
        self.streams[self.streams.index(stream)] = Stream(stream.form)

    def judge_page(self, done: Completion, pending: Pending) -> None:
        file, page = cast(PagedFile, pending.of), pending.page
        if done.kind is Kind.WRITE:
            assert done.result == PAGE, done
            file.writing[page] -= 1
        elif done.kind is Kind.READ:
            file.reading[page] -= 1
            if done.result >= 0:
                assert (done.result, pending.buffer[:]) == (PAGE, file.pages[page]), f"page {page}"
