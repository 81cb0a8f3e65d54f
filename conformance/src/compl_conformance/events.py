"""The stream from a child, which judges, to its parent, which reports: one JSON object on each line of a file.

Every line is written with one unbuffered call, so that it outlives a crash in the next instant.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from compl_conformance.verdict import Judgement, Verdict

#: ``{"event": "backend", "available": ..., "reason": ..., "contract": ..., "capabilities": [...], ...}``, first of all.
BACKEND = "backend"
#: ``{"event": "rules", "ids": [...]}``: what is going to be judged, in order.
RULES = "rules"
#: ``{"event": "start", "rule": ..., "limit": seconds}``
START = "start"
#: ``{"event": "judged", "rule": ..., "verdict": ..., ...}``: the fields of a Judgement.
JUDGED = "judged"
#: ``{"event": "end"}``: the last rule is done.
END = "end"


class EventWriter:
    """Appends events to a file."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("ab", buffering=0)

    def write(self, event: str, **fields: Any) -> None:
        self._file.write(json.dumps({"event": event, **fields}).encode() + b"\n")

    def judged(self, judgement: Judgement) -> None:
        self.write(JUDGED, **dataclasses.asdict(judgement))

    def close(self) -> None:
        self._file.close()


class EventReader:
    """Reads what has been written so far, whole lines only."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._position = 0
        self._partial = b""

    def read(self) -> list[dict[str, Any]]:
        """The events since the last call."""
        with self._file.open("rb") as stream:
            stream.seek(self._position)
            data = stream.read()
        self._position += len(data)
        *lines, self._partial = (self._partial + data).split(b"\n")
        return [json.loads(line) for line in lines]


def judgement_of(event: dict[str, Any]) -> Judgement:
    """The judgement that a JUDGED event carries."""
    fields = {field.name: event[field.name] for field in dataclasses.fields(Judgement)}
    return Judgement(**{**fields, "verdict": Verdict(fields["verdict"])})
