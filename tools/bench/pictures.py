"""Results as pictures: for each row its first metric, one panel of bars for each case, median and spread."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

mpl.use("svg")

import matplotlib.pyplot as plt

from bench.summary import Spread, measured, number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bench.record import RowRecord
    from bench.row import Case, Implementation, Metric, Row

BASELINE, PEER, OURS = "#9a9a9a", "#6b8fb5", "#2e8b57"


def draw(row: Row, record: RowRecord, folder: Path) -> Path | None:
    """Write ``<row>.svg``; None when nothing was measured."""
    metric = row.metrics[0]
    cases = [case for case in row.cases if any(sample.case == case.name for sample in record.samples)]
    present = {sample.implementation for sample in record.samples}
    shown = [each for each in row.implementations if each.name in present]
    if not cases:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    # Text as text and no date or random ids: the same numbers give the same file, and it stays small.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": row.name, "font.size": 9}):
        size = (2.2 + 2.9 * len(cases), 1.2 + 0.27 * len(shown))
        figure, panels = plt.subplots(1, len(cases), figsize=size, sharey=True, squeeze=False, layout="constrained")
        for panel, case in zip(panels[0], cases, strict=True):
            draw_case(panel, row, record, case, metric, shown)
        figure.suptitle(f"{row.title}: {metric.title}, {metric.unit}")
        path = folder / f"{row.name}.svg"
        figure.savefig(path, metadata={"Date": None}, facecolor="white")
        plt.close(figure)
    return path


def draw_case(
    panel: Axes, row: Row, record: RowRecord, case: Case, metric: Metric, shown: list[Implementation]
) -> None:
    values = [measured(record, case.name, each.name, metric.key) for each in shown]
    for place, (implementation, value) in enumerate(zip(shown, values, strict=True)):
        if value is None:
            continue
        error = [[value.median - value.least], [value.greatest - value.median]]
        colour = OURS if implementation.ours else BASELINE if implementation is row.implementations[0] else PEER
        panel.barh(place, value.median, color=colour, xerr=error, error_kw={"elinewidth": 0.8, "capsize": 2})
        panel.annotate(
            f" {number(value.median)}", (value.greatest, place), va="center", xytext=(3, 0), textcoords="offset points"
        )
    panel.set_title(case.name, fontsize=9)
    panel.set_yticks(range(len(shown)), [each.name for each in shown])
    panel.set_ylim(len(shown) - 0.4, -0.6)  # the first on top
    panel.set_xlim(0, 1.3 * max(extent(values), 1e-9))
    panel.locator_params(axis="x", nbins=4)
    panel.spines[["top", "right"]].set_visible(False)


def extent(values: list[Spread | None]) -> float:
    return max((value.greatest for value in values if value is not None), default=0.0)
