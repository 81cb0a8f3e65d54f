"""The result part of README.md, written from the records in ``results/``, between two markers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench import record as records
from bench import rows
from bench.environment import HERE
from bench.pictures import draw
from bench.record import Record
from bench.tables import grids, machine_line, markdown, remarks

README = HERE / "README.md"
RESULTS = HERE / "results"
BEGIN, END = "<!-- results: written by `python3 tools/bench --readme` -->", "<!-- end of results -->"


def store(record: Record) -> None:
    """Keep each row of a run as ``results/<row>.json`` with its picture."""
    for name, row_record in record.rows.items():
        record.only(name).save(RESULTS / f"{name}.json")
        draw(rows.load(name), row_record, RESULTS)


def rewrite(path: Path = README) -> None:
    """Put the stored results into the README.  ValueError when it lacks the markers."""
    text = path.read_text()
    before, begin, rest = text.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{path}: the markers {BEGIN!r} and {END!r} are missing; put them back where the results go")
    path.write_text(f"{before}{BEGIN}\n\n" + "\n".join(lines()) + f"\n{END}{after}")


def lines() -> Iterator[str]:
    for name in rows.NAMES:
        stored = RESULTS / f"{name}.json"
        if not stored.exists():
            continue
        record, row = records.load(stored), rows.load(name)
        yield f"### `{name}`: {row.title}"
        yield ""
        yield row.description
        yield ""
        if (RESULTS / f"{name}.svg").exists():
            yield f"![{row.title}](results/{name}.svg)"
            yield ""
        for grid in grids(row, record.rows[name]):
            yield from markdown(grid)
        for remark in remarks(record.rows[name]):
            yield f"- {remark}"
        yield f"<sub>{machine_line(record)}</sub>"
        yield ""
