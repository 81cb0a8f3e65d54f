"""What a document says is checked: its programs, its fragments and its links."""

from __future__ import annotations

from pathlib import Path

import pytest
from documents import check


@pytest.mark.parametrize(
    "text",
    [
        "No code, and a [page elsewhere](https://example.org/absent).\n",
        "```python\nx = 1\n```\nGo on:\n```python\nassert x == 1\n```\n",
        "```py\nport.read(file, buffer)\n```\n",
        "```console\n$ not python\n```\nSee [this](page.md#top).\n",
    ],
    ids=["prose", "one program in two blocks", "fragment", "other languages"],
)
def test_true(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    assert check(page) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\n```python\nx = 1\nassert x == 2\n```\n", "line 4"),
        ("```python\nimport warnings\nwarnings.warn('old', DeprecationWarning)\n```\n", "DeprecationWarning"),
        ("Text.\n```py\nport.read(\n```\n", "page.md:3: '(' was never closed"),
        ("![picture](absent.svg)\n", "there is no absent.svg"),
    ],
    ids=["fails", "warns", "does not compile", "leads nowhere"],
)
def test_untrue(tmp_path: Path, text: str, says: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    (problem,) = check(page)
    assert says in problem
