"""CompletionEntry and SubmissionEntry: what they hold, and the bytes that the builders make."""

from __future__ import annotations

import copy
import errno
import pickle
import struct
import sys
from typing import Any

import pytest

from compl_core.layout import select
from compl_uring import CompletionEntry, Opcode, Prepare, Ring, SetupFlags, SqeFlags, SubmissionEntry
from compl_uring.layouts import LAYOUTS

SQE = next(layout for layout in select(LAYOUTS) if layout.name == "struct io_uring_sqe")
LIMIT = 2**64


def fields(entry: SubmissionEntry) -> dict[str, Any]:
    return SQE.unpack(bytes(entry))


def test_completion_has_what_it_was_made_of() -> None:
    entry = CompletionEntry(LIMIT - 1, -125, 7 << 16 | 1)
    assert (entry.user_data, entry.res, entry.flags) == (LIMIT - 1, -125, 0x70001)
    assert entry.buffer_id == 7
    assert not entry.more
    assert not entry.notification
    assert entry.extra is None
    assert repr(entry) == f"CompletionEntry(user_data={LIMIT - 1}, res=-125, flags=0x70001)"


def test_completion_flags() -> None:
    assert CompletionEntry(0, 0, 2).more
    assert CompletionEntry(0, 0, 8).notification
    assert CompletionEntry(0, 0, 0xFFFF0000).buffer_id is None
    assert CompletionEntry(0, 0, 0xFFFFFFFF).buffer_id == 0xFFFF


def test_completion_is_a_value() -> None:
    entry = CompletionEntry(5, 6, 7)
    assert entry == CompletionEntry(5, 6, 7)
    assert hash(entry) == hash(CompletionEntry(5, 6, 7))
    assert entry not in (CompletionEntry(4, 6, 7), CompletionEntry(5, 5, 7), CompletionEntry(5, 6, 8), (5, 6, 7))
    assert entry != CompletionEntry(5, 6, 7, bytes(16))
    user_data, res, flags = entry
    assert (user_data, res, flags) == (5, 6, 7)
    assert pickle.loads(pickle.dumps(entry)) == copy.deepcopy(entry) == entry
    match entry:
        case CompletionEntry(5, res):
            assert res == 6
        case _:
            pytest.fail("does not match")


@pytest.mark.parametrize("name", ["user_data", "res", "flags", "extra", "other"])
def test_completion_does_not_change(name: str) -> None:
    entry = CompletionEntry(5, 6, 7)
    with pytest.raises(AttributeError):
        setattr(entry, name, 1)
    with pytest.raises(TypeError):
        CompletionEntry.__init__(entry, 8)
    assert entry == CompletionEntry(5, 6, 7)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((-1,), OverflowError),
        ((LIMIT,), OverflowError),
        ((0, 2**31), OverflowError),
        ((0, -(2**31) - 1), OverflowError),
        ((0, 0, 2**32), OverflowError),
        ((True,), TypeError),
        ((1.0,), TypeError),
        ((0, "x"), TypeError),
        ((0, 0, 0, b"short"), TypeError),
        ((0, 0, 0, bytearray(16)), TypeError),
        ((), TypeError),
    ],
)
def test_completion_refuses(arguments: tuple[Any, ...], error: type[Exception]) -> None:
    with pytest.raises(error):
        CompletionEntry(*arguments)


def test_completions_are_kept_and_reused_without_mixing(ring: Ring) -> None:
    """More at once than are kept, some of them for longer."""
    longer = []
    for turn in range(5):
        for number in range(600):
            ring.nop(turn * 1000 + number)
        entries = ring.submit_and_wait(600)
        assert [entry.user_data for entry in entries] == [turn * 1000 + number for number in range(600)]
        longer += entries[::97]
    assert [entry.user_data for entry in longer] == [t * 1000 + n for t in range(5) for n in range(0, 600, 97)]


def test_completion_owns_its_numbers(ring: Ring) -> None:
    number = 2**50 + 1
    before = sys.getrefcount(number)
    ring.nop(number)
    (entry,) = ring.submit_and_wait()
    assert entry.user_data is number
    assert sys.getrefcount(number) == before + 1
    del entry
    assert sys.getrefcount(number) == before


def test_submission_fields_are_the_kernels_bytes() -> None:
    entry = SubmissionEntry()
    assert bytes(entry) == bytes(64)
    assert len(entry) == 64
    values = {"opcode": 255, "flags": 254, "ioprio": 65533, "fd": -7, "off": LIMIT - 2, "addr": LIMIT - 3,
              "len": 2**32 - 4, "user_data": LIMIT - 5, "buf_index": 65530, "personality": 65529,
              "file_index": 2**32 - 9, "addr3": LIMIT - 10}  # fmt: skip
    for name, value in values.items():
        setattr(entry, name, value)
    entry.op_flags = 2**32 - 11
    found = fields(entry)
    assert {name: found[name] for name in values} == values
    assert found["rw_flags"] == 2**32 - 11
    again = SubmissionEntry(bytes(entry))
    assert all(getattr(again, name) == value for name, value in values.items())
    assert again.op_flags == 2**32 - 11


@pytest.mark.parametrize(("name", "value"), [("opcode", 256), ("fd", 2**31), ("user_data", -1), ("addr", LIMIT)])
def test_submission_fields_have_limits(name: str, value: int) -> None:
    entry = SubmissionEntry()
    with pytest.raises(OverflowError):
        setattr(entry, name, value)


def test_large_submission() -> None:
    entry = SubmissionEntry(large=True)
    entry.cmd = b"command" * 11
    assert len(bytes(entry)) == 128
    assert bytes(entry)[48:] == entry.cmd == b"command" * 11 + bytes(3)
    entry.cmd = b"x"
    assert entry.cmd == b"x" + bytes(79)
    with pytest.raises(ValueError, match="do not fit the 80"):
        entry.cmd = bytes(81)
    assert SubmissionEntry(bytes(128)).large
    small = SubmissionEntry()
    with pytest.raises(ValueError, match="128 bytes"):
        small.cmd  # noqa: B018
    with pytest.raises(ValueError, match="64 or 128"):
        SubmissionEntry(bytes(65))
    with pytest.raises(ValueError, match="128 bytes, not 64"):
        SubmissionEntry(bytes(64), large=True)
    with pytest.raises(TypeError):
        SubmissionEntry("text")  # type: ignore[arg-type]


def test_prepare_makes_the_entry_that_a_ring_would() -> None:
    buffer = bytearray(100)
    entry = Prepare().read(7, buffer, 4096, 9, SqeFlags.IO_LINK)
    found = fields(entry)
    assert (found["opcode"], found["fd"], found["off"], found["len"]) == (Opcode.READ, 7, 4096, 100)
    assert (found["user_data"], found["flags"]) == (9, SqeFlags.IO_LINK)
    with pytest.raises(BufferError):
        buffer.append(1)
    del entry
    buffer.append(1)


def test_golden_bytes_of_a_poll() -> None:
    """The event bits of a poll are two halves, swapped on big-endian machines."""
    entry = Prepare().poll_add(3, 0x12345678, 1)
    assert entry.op_flags == (0x12345678 if sys.byteorder == "little" else 0x56781234)
    assert bytes(entry)[28:32] == struct.pack("=I", entry.op_flags)


def test_prepared_entries_are_handed_over_once(ring: Ring) -> None:
    entry = Prepare().nop(5)
    assert not entry.pushed
    ring.submit_raw(entry)
    assert entry.pushed
    with pytest.raises(ValueError, match="handed to a ring before"):
        ring.submit_raw(entry)
    assert ring.submit_and_wait() == [CompletionEntry(5)]


def test_user_data_and_flags_may_be_given_anew(ring: Ring) -> None:
    ring.submit_raw(Prepare().nop(5, SqeFlags.IO_LINK), LIMIT - 1, 0)
    ring.submit_raw(bytes(64), 7)
    ring.submit_raw(bytearray(64))
    ring.submit_raw(memoryview(bytes(64)), 8)
    assert ring.submit_and_wait(4) == [CompletionEntry(number) for number in (LIMIT - 1, 7, 0, 8)]


def test_raw_entry_keeps_what_it_is_told_to(ring: Ring, pair: Any) -> None:
    """By hand: the address of a bytearray that nothing else holds."""
    left, right = pair
    words = memoryview(bytearray(8))
    made = Prepare().recv(left, words)
    entry = SubmissionEntry(bytes(made))
    held = [words]
    before = sys.getrefcount(held)
    ring.submit_raw(entry, 3, keep=held)
    assert sys.getrefcount(held) == before + 1
    ring.submit()
    right.send(b"raw")
    assert ring.submit_and_wait() == [CompletionEntry(3, 3)]
    assert bytes(words) == b"raw" + bytes(5)
    assert sys.getrefcount(held) == before


def test_raw_entries_that_cannot_be_kept_alive_are_refused(ring: Ring) -> None:
    provide = SubmissionEntry()
    provide.opcode = Opcode.PROVIDE_BUFFERS
    with pytest.raises(ValueError, match="buffer_ring"):
        ring.submit_raw(provide)
    update = SubmissionEntry()
    update.opcode, update.len = Opcode.POLL_REMOVE, 4
    with pytest.raises(ValueError, match="UPDATE_USER_DATA"):
        ring.submit_raw(update)
    with pytest.raises(ValueError, match="SQE128"):
        ring.submit_raw(SubmissionEntry(large=True))
    assert ring.unsubmitted == ring.in_flight == 0


def test_128_byte_entries() -> None:
    with Ring(8, flags=SetupFlags.SQE128) as ring:
        for number in range(20):
            ring.submit_raw(Prepare(large=True).nop(number))
            ring.nop(100 + number)
        expected = [number + base for number in range(20) for base in (0, 100)]
        assert [entry.user_data for entry in ring.submit_and_wait(40)] == expected


def test_completions_of_both_sizes() -> None:
    """Large ones take two places; the end of the queue may be too short for one."""
    try:
        ring = Ring(8, flags=SetupFlags.CQE_MIXED)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        pytest.skip("this kernel has no IORING_SETUP_CQE_MIXED (Linux 6.18)")
    with ring:
        expected, found = [], []
        for number in range(100):
            entry = Prepare().nop(number)
            if number % 3:
                entry.op_flags, entry.off, entry.addr = 1 << 5, number, LIMIT - number  # IORING_NOP_CQE32
            expected.append((number, struct.pack("=QQ", number, LIMIT - number) if number % 3 else None))
            ring.submit_raw(entry)
            if number % 5 == 4:
                found += ring.submit_and_wait(5, 30)
        assert [(entry.user_data, entry.extra) for entry in found] == expected
        assert ring.in_flight == 0


def test_a_command_of_a_driver(ring: Ring, pair: Any, needs: Any) -> None:
    """SOCKET_URING_OP_SIOCINQ: how much there is to receive."""
    needs(Opcode.FUTEX_WAIT)  # of the same release, 6.7
    pair[0].send(b"twelve bytes")
    command = SubmissionEntry()
    command.opcode, command.fd, command.user_data = Opcode.URING_CMD, pair[1].fileno(), 5
    ring.submit_raw(command)
    (entry,) = ring.submit_and_wait(1, 30)
    assert (entry.user_data, entry.res) in ((5, 12), (5, -errno.EOPNOTSUPP))


def test_32_byte_completions() -> None:
    with Ring(8, flags=SetupFlags.CQE32) as ring:
        ring.nop(5)
        (entry,) = ring.submit_and_wait()
        assert (entry.user_data, entry.res) == (5, 0)
        assert entry.extra == bytes(16)
        assert pickle.loads(pickle.dumps(entry)) == entry
        for number in range(40):
            ring.nop(number)
        assert [entry.user_data for entry in ring.submit_and_wait(40)] == list(range(40))
