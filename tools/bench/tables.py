"""Results as tables: one shape, rendered for the terminal with rich and for the README in Markdown."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table

from bench.record import Record, RowRecord
from bench.row import Goal, Metric, Row
from bench.summary import Spread, measured, number, outcomes, paired, times


@dataclasses.dataclass(frozen=True, slots=True)
class Grid:
    """A titled table of text; emphasised lines are ours."""

    title: str
    head: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]
    emphasised: tuple[bool, ...]


def machine_line(record: Record) -> str:
    machine = record.machine
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"{machine['cpus']} x {machine['cpu']}, {machine['memory_gib']} GiB; {machine['kernel']}; {machine['python']}; "
        f"{machine['compiler']}; {versions}. {record.settings['rounds']} rounds, {machine['date']}."
    )


def grids(row: Row, record: RowRecord) -> Iterator[Grid]:
    """One table for each metric, then the goals."""
    for metric in row.metrics:
        yield values_grid(row, record, metric)
    if row.goals:
        yield goals_grid(row, record)


def values_grid(row: Row, record: RowRecord, metric: Metric) -> Grid:
    """Median, paired ratio to the first implementation, [least..greatest]."""
    present = {sample.implementation for sample in record.samples}
    shown = [each for each in row.implementations if each.name in present]
    base = row.implementations[0].name
    cases = [each.name for each in row.cases]
    lines = tuple((each.name, *(cell(record, case, each.name, base, metric) for case in cases)) for each in shown)
    title = f"{metric.title}, {metric.unit}" + (" (more is better)" if metric.more_is_better else "")
    return Grid(title, ("", *cases), lines, tuple(each.ours for each in shown))


def cell(record: RowRecord, case: str, implementation: str, base: str, metric: Metric) -> str:
    value = measured(record, case, implementation, metric.key)
    if value is None:
        return "failed" if case in record.failed.get(implementation, {}) else ""
    ratio = paired(record, case, implementation, base, metric.key) if implementation != base else None
    mark = "†" if value.noisy and not metric.steady else ""
    return number(value.median) + mark + (f" {times(ratio.median)}" if ratio else "") + range_of(value, number)


def range_of(value: Spread, text: Callable[[float], str]) -> str:
    """On a line of its own, which a narrow terminal needs and Markdown undoes."""
    return "" if value.least == value.greatest else f"\n[{text(value.least)}..{text(value.greatest)}]"


def goals_grid(row: Row, record: RowRecord) -> Grid:
    lines = []
    for outcome in outcomes(row, record):
        goal, ratio = outcome.goal, outcome.ratio
        found = "not measured" if ratio is None else f"{times(ratio.median)}{range_of(ratio, times)}"
        what = f"{row.metric(goal.metric).title}, {outcome.case}"
        verdict = {None: "", True: "met", False: "missed"}[outcome.met]
        peer = f"{goal.peer}, {goal.peer_case}" if goal.peer_case else goal.peer
        lines.append((f"{goal.ours} / {peer}", what, bound(row, goal), found, verdict))
    return Grid("Goals", ("ratio", "of", "goal", "paired ratio", ""), tuple(lines), (False,) * len(lines))


def bound(row: Row, goal: Goal) -> str:
    return f"{'>=' if row.metric(goal.metric).more_is_better else '<='} {goal.ratio:g}x"


def remarks(record: RowRecord) -> Iterator[str]:
    """Who is missing, and why; what the signs mean."""
    for name, reason in record.absent.items():
        yield f"{name}: absent: {reason}"
    for name, cases in record.failed.items():
        for case, reason in cases.items():
            yield f"{name}, {case}: failed: {reason}"


def show(console: Console, row: Row, record: RowRecord) -> None:
    console.rule(f"[bold]{row.name}[/]: {row.title}")
    console.print(row.description, style="dim")
    for grid in grids(row, record):
        table = Table(title=grid.title, title_justify="left", title_style="bold")
        for index, head in enumerate(grid.head):
            table.add_column(head, justify="left" if index == 0 else "right")
        for line, ours in zip(grid.lines, grid.emphasised, strict=True):
            table.add_row(*line, style="green" if ours else None)
        console.print(table)
    for remark in remarks(record):
        console.print(remark, style="yellow", markup=False)


def markdown(grid: Grid) -> Iterator[str]:
    yield f"**{grid.title}**"
    yield ""
    yield "| " + " | ".join(grid.head) + " |"
    yield "|---" * len(grid.head) + "|"
    for line, ours in zip(grid.lines, grid.emphasised, strict=True):
        first = f"**{line[0]}**" if ours else line[0]
        yield "| " + " | ".join((first, *line[1:])).replace("\n", " ") + " |"
    yield ""
