"""A rule that never gets its fixtures."""

from __future__ import annotations

from compl_conformance.rule import rule


@rule("mail/1")
def test_post() -> None:
    """There is nothing to keep."""
