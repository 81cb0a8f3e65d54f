"""The fresh process of a Python implementation: `python -m bench.worker ROW IMPLEMENTATION name=value ...`."""

from __future__ import annotations

import importlib
import json
import sys


def value_of(text: str) -> int | float | str:
    """A parameter as it was before it became part of a command line."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def main() -> None:
    name, implementation, *pairs = sys.argv[1:]
    row = importlib.import_module(f"bench.rows.{name}").ROW
    run = row.implementation(implementation).run
    values = run(**{key: value_of(text) for key, _, text in (pair.partition("=") for pair in pairs)})
    print(json.dumps(values))


if __name__ == "__main__":
    main()
