"""What the ring's completions are told apart by, and what a request of an OperationRing carries to the kernel."""

from __future__ import annotations

from compl_uring._native import CompletionEntry

#: user_data: the bit of completions that a request brought itself, and of what the loop submits for itself.
REQUEST = 1 << 63
OWN = REQUEST | 1 << 62
#: Below are numbers that users choose.
MOST_NUMBERS = 1 << 32


def is_message(entry: CompletionEntry) -> bool:
    """Whether another ring sent it."""
    return entry.user_data < REQUEST


class Raw:
    """In place of data: the user_data of a raw entry, and what is held for it."""

    __slots__ = ("keep", "user_data")

    def __init__(self, user_data: int, keep: object) -> None:
        self.user_data = user_data
        self.keep = keep
