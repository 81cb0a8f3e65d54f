"""Documents that stay true: the Python in them runs, and what they link to is there.

    python tools/documents.py [FILE...]     all of the repository's if none is named

The ``python`` blocks of a file are run, in order, as one program; a ``py`` block is a fragment and has to compile.
Links to files of the repository, pictures included, have to lead somewhere.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_DOCUMENTS = ("*.md", "docs/*.md", "packages/*/*.md", "conformance/*.md", "conformance/*/*.md", "tools/*/*.md")
_BLOCK = re.compile(r"^```(python|py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)[^)]*\)")
_SECONDS = 60.0


def main() -> int:
    named = [Path(name) for name in sys.argv[1:]]
    problems = []
    for path in named or sorted(path for pattern in _DOCUMENTS for path in _ROOT.glob(pattern)):
        found = check(path)
        print(f"{os.path.relpath(path)}: {'as it says' if not found else 'NOT as it says'}")
        problems += found
    if problems:
        print("", *problems, sep="\n", file=sys.stderr)
    return 1 if problems else 0


def check(path: Path) -> list[str]:
    """What is not true in a document, one item each."""
    text = path.read_text(encoding="utf-8")
    problems = [
        f"{path}: there is no {link[1]}" for link in _LINK.finditer(text) if not (path.parent / link[1]).exists()
    ]
    program = ""
    for block in _BLOCK.finditer(text):
        try:
            compile(block[2], str(path), "exec")
        except SyntaxError as error:
            line = text[: block.start(2)].count("\n") + (error.lineno or 0)
            problems.append(f"{path}:{line}: {error.msg}: {(error.text or '').strip()}")
        if block[1] == "python":
            # Behind as many empty lines as stand before it, so that a traceback has the document's line.
            program += "\n" * (text[: block.start(2)].count("\n") - program.count("\n")) + block[2]
    return problems or (_run(path, program) if program else [])


def _run(path: Path, program: str) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, path.name).with_suffix(".py")
        script.write_text(program, encoding="utf-8")
        command = [sys.executable, "-W", "error", str(script)]
        try:
            result = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return [f"{path}: its program was not done within {_SECONDS:.0f} s"]
    return [f"{path}: its program failed:\n{result.stderr}"] if result.returncode else []


if __name__ == "__main__":
    sys.exit(main())
