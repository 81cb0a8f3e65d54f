"""What each way to wake a thread offers the row: the two sides of both modes, as tight loops of their own."""

from __future__ import annotations

from typing import Protocol


class Channel(Protocol):
    """``take`` and ``ping`` run in one thread, ``post`` and ``pong`` in the other, with the same count."""

    def post(self, count: int) -> None:
        """Post ``count`` packets without waiting for anything."""

    def take(self, count: int) -> None:
        """Return when ``count`` packets were taken."""

    def ping(self, count: int) -> None:
        """``count`` times: send a packet, wait for the one that comes back."""

    def pong(self, count: int) -> None:
        """``count`` times: wait for a packet, send one back."""
