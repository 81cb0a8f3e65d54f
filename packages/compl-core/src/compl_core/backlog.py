"""The requests of a loop of handlers, each with its data, from being pushed to its last completion.

Kept here rather than counted by completions: one that belongs to no request (a message, a leftover) changes nothing.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

OwnerT = TypeVar("OwnerT")


class State(enum.Enum):
    """Where a request is."""

    WAITING = enum.auto()  #: in the backlog
    STARTED = enum.auto()  #: the kernel has it, and will complete it
    LISTENING = enum.auto()  #: nobody completes it: it is there to be sent messages, until it is cancelled
    ENDED = enum.auto()  #: its last completion has come


class Request(Generic[OwnerT]):
    """One request: whose it is, what comes back with its completions, what is to be handed to the kernel."""

    __slots__ = ("data", "number", "order", "owner", "state", "told", "work")

    def __init__(self, number: int, order: int, owner: OwnerT, data: Any, work: Any, state: State) -> None:
        self.number = number
        self.order = order
        self.owner = owner
        self.data = data
        self.work = work
        self.state = state
        #: Its handler has been called with its last completion.
        self.told = False


class Requests(Generic[OwnerT]):
    """All that have not ended, by number.  Numbers are never used twice."""

    def __init__(self, first: int = 1) -> None:
        self._alive: dict[int, Request[OwnerT]] = {}
        self._next = first
        self._added = 0
        #: How many of them the kernel has.
        self.started = 0

    def add(self, owner: OwnerT, data: Any, work: Any, state: State, number: int | None = None) -> Request[OwnerT]:
        """A new one; ``number`` is one that is not in use."""
        if number is None:
            number = self._next
            self._next += 1
        self._added += 1
        request = self._alive[number] = Request(number, self._added, owner, data, work, state)
        if state is State.STARTED:
            self.started += 1
        return request

    def start(self, request: Request[OwnerT]) -> None:
        """The kernel has it now."""
        request.state, request.work = State.STARTED, None
        self.started += 1

    def end(self, request: Request[OwnerT]) -> None:
        """Its last completion is here.  Again is no harm."""
        if request.state is State.STARTED:
            self.started -= 1
        request.state, request.work = State.ENDED, None
        self._alive.pop(request.number, None)

    def get(self, number: int) -> Request[OwnerT] | None:
        return self._alive.get(number)

    def in_state(self, state: State) -> list[Request[OwnerT]]:
        return [request for request in self._alive.values() if request.state is state]

    def __len__(self) -> int:
        return len(self._alive)

    def __iter__(self) -> Iterator[Request[OwnerT]]:
        return iter(list(self._alive.values()))


class Backlog(Generic[OwnerT]):
    """What the kernel's queue had no room for, first in first out, in groups that are handed over as one.

    ``limit`` is the number of requests (not groups) that may wait; None for any number.
    """

    def __init__(self, limit: int | None = None) -> None:
        if limit is not None and limit < 0:
            raise ValueError(f"a backlog's limit is 0 or more requests, or None for no limit, not {limit}")
        self.limit = limit
        self._groups: deque[list[Request[OwnerT]]] = deque()
        self._count = 0

    def takes(self, count: int) -> bool:
        """Whether so many more may wait."""
        return self.limit is None or self._count + count <= self.limit

    def put(self, group: list[Request[OwnerT]]) -> None:
        self._groups.append(group)
        self._count += len(group)

    def first(self) -> list[Request[OwnerT]]:
        return self._groups[0]

    def drop_first(self) -> None:
        self._count -= len(self._groups.popleft())

    def take_out(self, request: Request[OwnerT]) -> list[Request[OwnerT]]:
        """The group that has this request, which does not wait any more: a chain is cancelled as one."""
        group = next(group for group in self._groups if request in group)
        self._groups.remove(group)
        self._count -= len(group)
        return group

    def take_all(self) -> list[Request[OwnerT]]:
        """Everything, in its order."""
        everything = [request for group in self._groups for request in group]
        self._groups.clear()
        self._count = 0
        return everything

    def __len__(self) -> int:
        return self._count
