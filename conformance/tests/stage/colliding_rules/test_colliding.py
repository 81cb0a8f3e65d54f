"""Two rules of one id."""

from __future__ import annotations

from compl_conformance.rule import rule


@rule("mail/1")
def test_one() -> None:
    """One requirement."""


@rule("mail/1")
def test_other() -> None:
    """Another requirement."""
