"""The steps of a stress run: calls of the port, of the far ends, and what goes on around them."""

from __future__ import annotations

import mmap
import os
import random
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from compl_conformance.stress.judge import READY_KEY, RECEIVED, Judge
from compl_conformance.stress.model import LONGEST, PAGE, PAGES, PagedFile, Pending, Stream, pattern
from compl_core import Capability, Completion, CompletionPort, ForkedPortError, Interest, Kind

if sys.platform == "win32":
    raise ImportError("compl_conformance.stress needs a POSIX system: it forks, and sends itself signals")

FORMS = ("unix", "tcp", "pipe", "unix", "tcp", "unix")
#: Seconds after which what has not ended is lost.
PATIENCE = 20.0
#: Operations in flight.
MOST = 300


class Stress(Judge):
    """The port, its far ends and the model."""

    def __init__(self, open_port: Callable[[], CompletionPort], seed: int) -> None:
        super().__init__()
        self.choose = random.Random(seed)
        self.open_port = open_port
        self.folder = tempfile.TemporaryDirectory()
        path = Path(self.folder.name)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path / "listener"))
        self.listener.listen(4)
        self.files = [PagedFile(path / "direct", True), PagedFile(path / "cached", False)]
        self.tokens = self.signals = 0
        self.begin_anew()
        chances: list[tuple[float, Callable[[], None]]] = [
            (24, self.feed), (8, self.listen), (20, self.receive), (8, self.send), (9, self.use_file), (3, self.post),
            (2, self.expire), (4, self.connect), (4, self.accept), (6, self.cancel), (2, self.watch), (2, self.flush),
            (26, self.wait), (1, self.wait_in_a_thread), (0.3, self.be_interrupted), (0.3, self.close_file),
            (0.05, self.fork), (0.02, self.close_under_way), (2, self.drop_views), (2, self.receive_pooled),
        ]  # fmt: skip
        self.chances = [chance for chance, _ in chances]
        self.calls = [call for _, call in chances]

    def begin_anew(self) -> None:
        """A port with nothing in flight, and fresh streams."""
        self.port = self.open_port()
        self.pool = self.port.buffer_pool(8, 64) if Capability.POOLED in self.port.capabilities else None
        self.forget()
        self.streams = [Stream(form) for form in FORMS]

    def run(self, steps: int) -> None:
        for _ in range(steps // 100):
            for call in self.choose.choices(self.calls, self.chances, k=100):
                call()

    # ---- operations -------------------------------------------------------------------------------------------------

    def begin(self, kind: Kind, call: Callable[[int], int], of: Any = None, buffer: Any = None, page: int = 0) -> int:
        self.tokens += 1
        self.pending[self.tokens] = Pending(kind, call(self.tokens), of, buffer, page)
        return self.tokens

    def a_stream(self) -> Stream:
        return self.choose.choice(self.streams)

    def feed(self) -> None:
        self.a_stream().feed(self.choose.randrange(1, self.choose.choice([20, 200, 20_000])))

    def listen(self) -> None:
        self.a_stream().listen()

    def receive(self, stream: Stream | None = None, whole: float = 0.3) -> None:
        """``whole`` is how likely it waits until its buffer is full."""
        stream = stream or self.a_stream()
        if stream.closing or len(self.pending) >= MOST:
            return
        port, source = self.port, stream.source
        buffer = bytearray(self.choose.randrange(1, self.choose.choice([20, 150, 10_000])))
        if stream.form == "pipe":
            token = self.begin(Kind.READ, lambda token: port.read(source, buffer, None, token), stream, buffer)
        elif self.choose.random() < whole:
            token = self.begin(Kind.RECV, lambda token: port.recv_exactly(source, buffer, token), stream, buffer)
        else:
            token = self.begin(Kind.RECV, lambda token: port.recv(source, buffer, 0, token), stream, buffer)
        stream.order.append(token)

    def receive_pooled(self) -> None:
        stream, pool = self.a_stream(), self.pool
        if pool is None or stream.closing or stream.form == "pipe" or len(self.pending) >= MOST:
            return
        source = stream.source
        token = self.begin(Kind.RECV, lambda token: self.port.recv(source, None, 0, token, pool=pool), stream)
        stream.order.append(token)

    def send(self) -> None:
        stream = self.a_stream()
        if stream.closing or len(stream.saying) > 8:
            return
        port, sink = self.port, stream.sink
        data = pattern(stream.spoken, self.choose.randrange(1, self.choose.choice([50, 5000, LONGEST])))
        if stream.form == "pipe":
            token = self.begin(Kind.WRITE, lambda token: port.write(sink, data, None, token), stream, data)
        elif self.choose.random() < 0.5:
            token = self.begin(Kind.SEND, lambda token: port.send_all(sink, data, token), stream, data)
        else:
            token = self.begin(Kind.SEND, lambda token: port.send(sink, data, 0, token), stream, data)
        stream.spoken += len(data)
        stream.saying.append(token)

    def use_file(self) -> None:
        file, page, port = self.choose.choice(self.files), self.choose.randrange(PAGES), self.port
        if len(self.pending) >= MOST or file.writing[page]:
            return
        if self.choose.random() < 0.05:
            self.begin(Kind.FSYNC, lambda token: port.fsync(file.number, token), file)
            return
        memory = mmap.mmap(-1, PAGE)
        if self.choose.random() < 0.4 and not file.reading[page]:
            memory[:] = bytes([self.choose.randrange(256)]) * PAGE
            file.pages[page] = memory[:]
            file.writing[page] += 1
            self.begin(Kind.WRITE, lambda t: port.write(file.number, memory, page * PAGE, t), file, memory, page)
        else:
            file.reading[page] += 1
            self.begin(Kind.READ, lambda t: port.read(file.number, memory, page * PAGE, t), file, memory, page)

    def post(self) -> None:
        self.tokens += 1
        self.port.post(self.tokens, token=self.tokens)
        self.posts.append(self.tokens)

    def expire(self) -> None:
        seconds = self.choose.choice([0, 0.0005, 0.01])
        self.begin(Kind.TIMEOUT, lambda token: self.port.timeout(seconds, token))

    def connect(self) -> None:
        if sum(each.kind is Kind.CONNECT for each in self.pending.values()) < 8:
            sock = socket.socket(socket.AF_UNIX)
            path = self.listener.getsockname()
            self.begin(Kind.CONNECT, lambda token: self.port.connect(sock, path, token), sock)

    def accept(self) -> None:
        if sum(each.kind is Kind.ACCEPT for each in self.pending.values()) < 8:
            self.begin(Kind.ACCEPT, lambda token: self.port.accept(self.listener, token))

    def cancel(self) -> None:
        if not self.pending:
            return
        token = self.choose.choice(list(self.pending)[:50])
        pending = self.pending[token]
        if pending.kind not in (Kind.CLOSE, Kind.FSYNC) and not (pending.kind is Kind.WRITE and pending.page >= 0
                                                                 and isinstance(pending.of, PagedFile)):  # fmt: skip
            self.port.cancel(pending.identity)
            self.cancelled.add(token)

    def watch(self) -> None:
        stream = self.a_stream()
        if not stream.closing:
            key = READY_KEY + self.streams.index(stream)
            try:
                self.port.register(stream.source, key, Interest.READABLE, oneshot=True)
            except FileExistsError:
                self.port.unregister(stream.source)

    def wait(self, timeout: float | None = None) -> None:
        if timeout is None:
            timeout = self.choose.choice([0, 0, 0.0002])
        self.judge_all(self.port.wait(self.choose.choice([1, 7, 64]), timeout=timeout))

    def flush(self) -> None:
        self.port.flush()

    def close_file(self) -> None:
        """Another stream takes its place when all of it has ended."""
        stream = self.a_stream()
        if stream.closing:
            return
        for number in stream.open_ends():
            stream.closing += 1
            self.begin(Kind.CLOSE, partial(self.port.close_file, number), stream)
        self.cancelled |= {token for token, each in self.pending.items() if each.of is stream}

    # ---- around it --------------------------------------------------------------------------------------------------

    def wait_in_a_thread(self) -> None:
        """It hands over what is prepared, takes what is there, and exits."""
        batches: list[list[Completion]] = []
        rounds = self.choose.randrange(1, 4)
        thread = threading.Thread(
            target=lambda: batches.extend(self.port.wait(7, timeout=0.0001) for _ in range(rounds))
        )
        thread.start()
        thread.join()
        assert len(batches) == rounds
        for batch in batches:
            self.judge_all(batch)
        self.counts["threads"] += 1

    def be_interrupted(self) -> None:
        """By a signal, which its handler hears of, and which changes nothing else."""
        before = self.signals
        earlier = signal.signal(signal.SIGALRM, self.hear)
        try:
            signal.setitimer(signal.ITIMER_REAL, self.choose.choice([1e-6, 1e-4, 1e-3]))
            while self.signals == before:
                self.judge_all(self.port.wait(self.choose.choice([1, 64]), timeout=0.002))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)  # where the model has objected, it may still be running
            signal.signal(signal.SIGALRM, earlier)
        self.counts["signals"] += 1

    def hear(self, *_: Any) -> None:
        self.signals += 1

    def fork(self) -> None:
        """The child is refused, and its end disturbs nothing."""
        child = os.fork()
        if child == 0:
            try:
                self.port.nop()
            except ForkedPortError:
                os._exit(0)
            finally:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        self.counts["forks"] += 1

    def close_under_way(self) -> None:
        """Once close() has returned, no buffer changes, whatever the far ends do."""
        buffers = [each.buffer for each in self.pending.values() if each.buffer is not None]
        self.port.close()
        before = [bytes(buffer) for buffer in buffers]
        for stream in self.streams:
            stream.feed(LONGEST)
            stream.close(near=not stream.closing)  # close_file was promised, and close() has kept it
        for file in self.files:
            os.fsync(file.number)
        assert before == [bytes(buffer) for buffer in buffers], "a buffer has changed after close()"
        for buffer in buffers:
            if isinstance(buffer, bytearray):
                buffer.clear()  # BufferError: it is still exported
        for each in self.pending.values():
            if each.kind is Kind.CONNECT:
                each.of.close()
        for file in self.files:
            file.writing.clear()
            file.reading.clear()
            for page in range(PAGES):  # writes that close() met may have been done, or not
                memory = mmap.mmap(-1, PAGE)
                memory[:] = file.pages[page]
                assert os.pwrite(file.number, memory, page * PAGE) == PAGE
        self.drop_views()
        self.views.clear()
        self.counts["closed"] += 1
        self.begin_anew()

    def drop_views(self) -> None:
        self.choose.shuffle(self.views)
        del self.views[self.choose.randrange(len(self.views) + 1) :]

    # ---- the end ----------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """All that is in flight ends, and all that was sent arrives."""
        for token, each in list(self.pending.items()):
            if (each.kind in RECEIVED and isinstance(each.of, Stream)) or each.kind in (Kind.ACCEPT, Kind.CONNECT):
                self.port.cancel(each.identity)
                self.cancelled.add(token)
        self.views.clear()
        while self.pending or self.posts:
            self.wait_well(f"{len(self.pending)} operations and {len(self.posts)} posts")
        for stream in self.streams:
            while stream.arrived < stream.sent:
                self.receive(stream, whole=0)
                self.wait_well(f"{stream.sent - stream.arrived} bytes")
            while stream.said:
                stream.listen()
            assert not stream.heard, f"{stream.form}: {len(stream.heard)} bytes more were heard than sent"
        while self.pending:
            self.wait_well(f"{len(self.pending)} operations")
        assert self.port.in_flight == 0, self.port.in_flight

    def wait_well(self, what: str) -> None:
        for stream in self.streams:
            stream.listen()
        before = self.counts.total()
        self.wait(PATIENCE)
        self.views.clear()
        assert self.counts.total() > before, f"{what} are lost: {dict(self.port.statistics())}"

    def close(self) -> None:
        self.port.close()
        self.folder.cleanup()
        self.listener.close()
        for file in self.files:
            file.close()
        for stream in self.streams:
            stream.close(near=not stream.closing)
