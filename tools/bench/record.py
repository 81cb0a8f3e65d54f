"""What a run measured, as it is kept in JSON."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

FORMAT = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """One implementation, run once."""

    round: int
    #: The place in its round: implementations take turns at being first.
    turn: int
    case: str
    implementation: str
    values: dict[str, float]
    #: Cores that other processes used meanwhile.
    noise: float = 0.0


@dataclasses.dataclass(slots=True)
class RowRecord:
    """All samples of one row."""

    samples: list[Sample] = dataclasses.field(default_factory=list)
    #: Implementations that did not take part, and why.
    absent: dict[str, str] = dataclasses.field(default_factory=dict)
    #: Implementations that took part and failed: ``{name: {case: reason}}``.
    failed: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(slots=True)
class Record:
    """A run: the machine, the settings, and each row's samples."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    rows: dict[str, RowRecord] = dataclasses.field(default_factory=dict)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=1, ensure_ascii=False) + "\n")

    def only(self, row: str) -> Record:
        """The same run with this row alone."""
        return Record(self.machine, self.settings, {row: self.rows[row]})


def load(path: Path) -> Record:
    """Read what :meth:`Record.save` wrote.  ValueError for another format."""
    data = json.loads(path.read_text())
    if data.pop("format", None) != FORMAT:
        raise ValueError(f"{path}: not a benchmark record of format {FORMAT}; run the row again")
    rows = {
        name: RowRecord([Sample(**sample) for sample in row["samples"]], row["absent"], row["failed"])
        for name, row in data["rows"].items()
    }
    return Record(data["machine"], data["settings"], rows)
