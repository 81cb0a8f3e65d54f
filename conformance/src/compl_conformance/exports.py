"""A run's result for machines and for README files: JSON, JUnit, a badge, a GitHub step summary, pictures."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree

from rich.console import Console, Group
from rich.table import Table
from rich.terminal_theme import MONOKAI
from rich.text import Text

from compl_conformance import report as text
from compl_conformance.results import BackendResult, Report
from compl_conformance.verdict import Judgement, Verdict
from compl_core import CONTRACT

_WIDTH = 120
#: XML 1.0 has no way to write these, escaped or not.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_json(report: Report) -> str:
    return json.dumps(report.as_json(), indent=2) + "\n"


def to_svg(report: Report) -> str:
    """The title and the matrix, as the terminal shows them."""
    recorder = _recorder(width=_matrix_width(report))
    recorder.print(Group(text.title(), text.matrix(report), Text(), text.summary(report)))
    return recorder.export_svg(title="compl-conformance", theme=MONOKAI)


def to_html(report: Report) -> str:
    """All that the terminal shows, then every rule on every backend."""
    recorder = _recorder(width=max(_WIDTH, _matrix_width(report)))
    recorder.print(text.whole(report, verbose=True))
    rules = Table(
        "rule", *(backend.name for backend in report.backends), "requirement", title="every rule", pad_edge=False
    )
    for rule in report.rules.values():
        found = [backend.judgements.get(rule.id) for backend in report.backends]
        cells = [Text(str(one.verdict), text.STYLES[one.verdict]) if one else Text("-") for one in found]
        rules.add_row(rule.id, *cells, rule.requirement)
    recorder.print(Group(Text(), rules))
    return recorder.export_html(theme=MONOKAI)


def to_junit(report: Report) -> str:
    """One suite for each backend, one case for each rule."""
    root = ElementTree.Element("testsuites", name="compl-conformance")
    for backend in report.backends:
        judgements = backend.judgements.values()
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=backend.name,
            tests=str(len(judgements) + bool(backend.broken)),
            failures=str(len(backend.failures)),
            errors=str(int(bool(backend.broken))),
            skipped=str(sum(not one.verdict.counted for one in judgements)),
            time=f"{sum(one.seconds for one in judgements):.3f}",
        )
        for judgement in judgements:
            _case(suite, backend, judgement)
        if backend.broken:
            case = ElementTree.SubElement(suite, "testcase", classname=backend.name, name="process")
            ElementTree.SubElement(case, "error", message=_xml(backend.broken)).text = _xml(backend.detail)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def to_badge(report: Report) -> str:
    """What shields.io/endpoint reads."""
    judged = sum(verdict.counted * report.count(verdict) for verdict in Verdict)
    kept = f"{report.count(Verdict.PASS)}/{judged}"
    deviations = report.count(Verdict.DEVIATION)
    if any(backend.failures or backend.broken for backend in report.backends):
        message, color = f"not conformant {kept}", "red"
    elif report.exit_code:
        message, color = "not judged", "lightgrey"
    elif deviations:
        message, color = f"{kept}, deviations {deviations}", "yellow"
    else:
        message, color = f"conformant {kept}", "brightgreen"
    badge = {"schemaVersion": 1, "label": f"compl {CONTRACT}", "message": message, "color": color}
    return json.dumps(badge) + "\n"


def to_markdown(report: Report) -> str:
    """The matrix and the failures, for a GitHub step summary."""
    return "\n".join(_markdown(report)) + "\n"


def render(report: Report, files: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """``(kind, text)`` for each kind of file that is asked for: json, html, svg, junit, badge."""
    renderers = {"json": to_json, "html": to_html, "svg": to_svg, "junit": to_junit, "badge": to_badge}
    for kind, renderer in renderers.items():
        if files.get(kind) is not None:
            yield kind, renderer(report)


def _recorder(width: int) -> Console:
    return Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")


def _matrix_width(report: Report) -> int:
    measuring = Console(width=10_000, file=io.StringIO())
    parts = (text.title(), text.matrix(report), text.summary(report))
    return max(measuring.measure(part).maximum for part in parts) + 1


def _case(suite: ElementTree.Element, backend: BackendResult, judgement: Judgement) -> None:
    area = judgement.rule.partition("/")[0]
    case = ElementTree.SubElement(
        suite, "testcase", classname=f"{backend.name}.{area}", name=judgement.rule, time=f"{judgement.seconds:.3f}"
    )
    said = f"{judgement.verdict}: " + (judgement.reason or f"expected {judgement.expected}; actual {judgement.actual}")
    if judgement.verdict.failed:
        ElementTree.SubElement(case, "failure", message=_xml(said)).text = _xml(judgement.detail)
    elif not judgement.verdict.counted:
        ElementTree.SubElement(case, "skipped", message=_xml(said))
    elif judgement.verdict is not Verdict.PASS:
        ElementTree.SubElement(case, "system-out").text = _xml(said)


def _xml(said: str) -> str:
    return _NOT_XML.sub("?", said)


def _markdown(report: Report) -> Iterator[str]:
    names = [backend.name for backend in report.backends]
    yield f"### compl-conformance: contract {CONTRACT}\n"
    yield f"| area | {' | '.join(names)} |"
    yield f"|---|{'---:|' * len(names)}"
    for area in report.areas:
        cells = (text.cell_text(backend.of_area(area)) for backend in report.backends)
        yield f"| {area} | {' | '.join(f'**{said}**' if verdict.failed else said for said, verdict in cells)} |"
    yield f"\n{text.summary(report).plain}\n"
    for backend in report.backends:
        if backend.broken:
            yield f"- **{backend.name}**: {backend.broken}"
        elif not backend.available:
            yield f"- {backend.name} cannot run here: {backend.reason}; {backend.fix}"
        for failure in backend.failures:
            requirement = report.rules[failure.rule].requirement
            yield f"- **{backend.name} {failure.rule}**: {requirement}"
            yield f"  Expected: {failure.expected} Actual: {failure.actual}"
            yield f"  `{text.rerun(backend, failure, report)}`"
