"""Row `reads` through Linux AIO: compl's context, PyPI's caio, and aiofile, which is asyncio over caio."""

from __future__ import annotations

import importlib
import itertools
from typing import Any

from bench.clock import timed
from bench.row import Values
from bench.rows.reads.blocks import BLOCK, STRIDE, check, offsets, opened, page


def io_context(path: str, blocks: int, direct: int, depth: int, seconds: float) -> Values:
    from compl_aio import EventArray, IocbCmd, IoContext, IoControlBlock

    file, upcoming, owed = opened(path, direct), offsets(blocks), 0
    buffers = [page() for _ in range(depth)]
    requests = [IoControlBlock(IocbCmd.PREAD, file, buffer, aio_data=slot) for slot, buffer in enumerate(buffers)]
    context, events = IoContext(depth), EventArray(depth)
    submit, get_events = context.submit, context.get_events

    def rounds(count: int) -> None:
        nonlocal owed
        owed += count
        while owed > 0:
            owed -= get_events(1, events)
            again = []
            for (slot, result), offset in zip(events.results(), upcoming, strict=False):
                if result != BLOCK:
                    raise RuntimeError(f"a read gave {result}")
                request = requests[slot]
                request.aio_offset = offset
                again.append(request)
            submit(again)

    requests[0].aio_offset = 5 * BLOCK
    submit(requests[:1])
    get_events(1, events)
    check(buffers[0], 5)
    submit(requests)
    return timed(rounds, 1, seconds)


def caio(path: str, blocks: int, direct: int, depth: int, seconds: float) -> Values:
    """Its raw context: a callback for each operation, all of a batch submitted at once."""
    binding: Any = importlib.import_module("caio.linux_aio")  # which has no types
    source, upcoming = opened(path, direct), offsets(blocks)
    file = source.fileno()
    context, read = binding.Context(depth), binding.Operation.read
    submit, process_events = context.submit, context.process_events
    finished: int = 0

    def done(result: int) -> None:
        nonlocal finished
        finished += result == BLOCK

    def rounds(count: int) -> None:
        nonlocal finished
        started = finished = 0
        while finished < count:
            batch: list[Any] = []
            for offset in itertools.islice(upcoming, min(depth - (started - finished), count - started)):
                operation = read(BLOCK, file, offset)
                operation.set_callback(done)
                batch.append(operation)
            started += len(batch)
            if batch:
                submit(*batch)
            process_events(depth, 1, 1)

    first = read(BLOCK, file, 5 * BLOCK)
    first.set_callback(done)
    submit(first)
    process_events(1, 1, 1)
    check(first.get_value(), 5)
    return timed(rounds, 1, seconds)


def aiofile(path: str, blocks: int, direct: int, depth: int, seconds: float) -> Values:
    """As its users write it: `depth` tasks, each reading one block after the other."""
    import asyncio

    del direct  # its buffers are not aligned
    loop = asyncio.new_event_loop()

    async def work(file: Any, count: int, first: int) -> None:
        at = first
        for _ in range(count):
            at = (at + STRIDE * depth) % blocks
            data = await file.read_bytes(BLOCK, at * BLOCK)
            if len(data) != BLOCK:
                raise RuntimeError(f"block {at} is short")

    async def start() -> Any:
        file = importlib.import_module("aiofile").AIOFile(path, "rb")
        await file.open()
        check(await file.read_bytes(BLOCK, 5 * BLOCK), 5)
        return file

    file = loop.run_until_complete(start())

    async def all_of(count: int) -> None:
        each, more = divmod(count, depth)
        await asyncio.gather(*(work(file, each + (task < more), task) for task in range(depth)))

    return timed(lambda count: loop.run_until_complete(all_of(count)), 1, seconds)
