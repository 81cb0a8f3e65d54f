"""A run's result for people: the matrix of areas and backends, what failed and how to see it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from compl_conformance import __version__
from compl_conformance.results import BackendResult, Report, host
from compl_conformance.verdict import Judgement, Verdict
from compl_core import CONTRACT

STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.STALE: "bold red",
    Verdict.DEVIATION: "yellow",
    Verdict.ADVICE: "yellow",
    Verdict.NOT_APPLICABLE: "dim",
    Verdict.HOST: "cyan",
    Verdict.FUTURE: "dim",
}
_SHORT = {Verdict.DEVIATION: "dev"}
LISTED = (Verdict.FAIL, Verdict.STALE, Verdict.ADVICE, Verdict.DEVIATION)


def title() -> Text:
    """Which suite, contract, host and Python."""
    facts = host()
    parts = (
        f"contract {CONTRACT}",
        f"{facts['system']} {facts['release']} {facts['machine']}",
        f"{facts['implementation']} {facts['python']}",
    )
    return Text.assemble((f"compl-conformance {__version__}", "bold"), "   ", "   ".join(parts))


def whole(report: Report, *, verbose: bool = False) -> RenderableType:
    """Title, matrix, everything remarkable, the verdict on the run."""
    blocks: list[RenderableType] = [title(), matrix(report)]
    blocks += [_remark(backend, judgement, report, verbose) for backend, judgement in _remarkable(report)]
    blocks += [*_outside_of_rules(report), summary(report)]
    return Group(*blocks)


def matrix(report: Report) -> Table:
    """Areas down, backends across, ``kept/judged`` in the cells."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column()
    for backend in report.backends:
        version = backend.distribution.rpartition(" ")[2]
        table.add_column(Text.assemble((backend.name, "bold"), f" {version}" if version else ""), justify="right")
    for area in report.areas:
        table.add_row(area, *(_cell(backend, area) for backend in report.backends))
    return table


def summary(report: Report) -> Text:
    """One line of counts, and who is not conformant."""
    judged = sum(verdict.counted * report.count(verdict) for verdict in Verdict)
    counts = [f"{report.count(verdict)} {verdict}" for verdict in Verdict if report.count(verdict)]
    text = Text(f"{judged} judged: {', '.join(counts) or 'nothing'}   ")
    guilty = [backend.name for backend in report.backends if backend.failures or backend.broken]
    idle = [backend.name for backend in report.backends if not backend.ran]
    kept = [backend.name for backend in report.backends if backend.conformant]
    if report.suite_broke:
        text.append("THE SUITE BROKE", "bold red")
    elif guilty:
        text.append(f"NOT CONFORMANT: {', '.join(guilty)}", "bold red")
    elif report.exit_code:
        text.append(f"NOTHING RAN: {', '.join(idle) or 'no backend'}", "bold red")
    else:
        text.append(f"conformant: {', '.join(kept)}", "bold green")
    return text


def rerun(backend: BackendResult, judgement: Judgement, report: Report) -> str:
    """The command that judges this rule once more, with the same random numbers."""
    return shlex.join(
        ["compl-conformance", backend.spec, judgement.rule, "-v", f"--seed={report.seed}", *report.options]
    )


def verdict_line(judgement: Judgement) -> Text:
    """``pass  wait/4  12 ms``, and the reason if there is one."""
    line = Text.assemble(
        (f"{judgement.verdict:<9}", STYLES[judgement.verdict]),
        f" {judgement.rule:<14}",
        f"{judgement.seconds * 1e3:8.1f} ms",
    )
    return line.append(f"  {judgement.reason}", "dim") if judgement.reason else line


def cell_text(judgements: Sequence[Judgement]) -> tuple[str, Verdict]:
    """What a cell of the matrix says, and the verdict that colours it."""
    verdicts = [judgement.verdict for judgement in judgements]
    if not verdicts:
        return "-", Verdict.NOT_APPLICABLE
    counted = [verdict for verdict in verdicts if verdict.counted]
    if not counted:
        only = next((one for one in (Verdict.HOST, Verdict.FUTURE) if one in verdicts), Verdict.NOT_APPLICABLE)
        return str(only), only
    worst = next((one for one in LISTED if one in counted), Verdict.PASS)
    tally = f"{counted.count(Verdict.PASS)}/{len(counted)}"
    return (tally, worst) if worst is Verdict.PASS else (f"{tally} {_SHORT.get(worst, worst)}", worst)


def _cell(backend: BackendResult, area: str) -> Text:
    text, verdict = cell_text(backend.of_area(area))
    return Text(text, STYLES[verdict])


def _remarkable(report: Report) -> Iterator[tuple[BackendResult, Judgement]]:
    for verdict in LISTED:
        for backend in report.backends:
            for judgement in backend.judgements.values():
                if judgement.verdict is verdict:
                    yield backend, judgement


def _remark(backend: BackendResult, judgement: Judgement, report: Report, verbose: bool) -> RenderableType:
    verdict = judgement.verdict
    rule = report.rules[judgement.rule]
    head = Text.assemble(
        (f"{verdict}", STYLES[verdict]), "  ", (backend.name, "bold"), "  ", (rule.id, "bold"), f"  {rule.requirement}"
    )
    body = Table.grid(padding=(0, 2, 0, 0))
    lines = {"Expected": judgement.expected, "Actual": judgement.actual, "Reason": judgement.reason}
    if verdict is Verdict.DEVIATION and not verbose:
        lines = {"Reason": judgement.reason}
    if judgement.expected == rule.requirement:
        lines.pop("Expected", None)  # the line above says it
    for name, text in lines.items():
        if text:
            body.add_row(Text(name, "dim"), Text(text.strip()))
    if verdict.failed or verbose:
        body.add_row(Text("Re-run", "dim"), Text(rerun(backend, judgement, report)))
    blocks: list[RenderableType] = [Text(), head, Padding(body, (0, 0, 0, 6))]
    if verbose and judgement.detail:
        blocks.append(Padding(Text(judgement.detail, "dim"), (0, 0, 0, 6)))
    return Group(*blocks)


def _outside_of_rules(report: Report) -> Iterator[RenderableType]:
    yield Text()
    for backend in report.backends:
        if backend.broken:
            yield Text.assemble(("FAIL", STYLES[Verdict.FAIL]), "  ", (backend.name, "bold"), f"  {backend.broken}")
            if backend.detail:
                yield Padding(Text(backend.detail.strip(), "dim"), (0, 0, 0, 6))
        elif not backend.available:
            why = "; ".join(filter(None, (backend.reason, backend.fix)))
            yield Text.assemble(("host", STYLES[Verdict.HOST]), "  ", (backend.name, "bold"), f"  {why}")
    if report.suite_broke:
        yield Text(report.suite_broke)
