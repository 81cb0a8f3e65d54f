"""What a run keeps: JSON there and back, and the README between its markers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import record as records
from bench import worker
from bench.readme import BEGIN, END, rewrite
from bench.record import Record, RowRecord, Sample


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    samples = [Sample(0, 1, "1 ready", "C epoll", {"cpu": 1.5}, 0.1)]
    kept = Record({"cpu": "any"}, {"rounds": 1}, {"epoll": RowRecord(samples, {"rloop": "no wheel"}, {})})
    kept.save(tmp_path / "deeper" / "kept.json")
    assert records.load(tmp_path / "deeper" / "kept.json") == kept


def test_another_format_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"format": 0, "rows": {}}))
    with pytest.raises(ValueError, match=r"old\.json: .*run the row again"):
        records.load(path)


def test_the_readme_changes_between_its_markers_only(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(f"before\n{BEGIN}\nold numbers\n{END}\nafter\n")
    rewrite(path)
    text = path.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old numbers" not in text


def test_a_readme_without_markers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text("nothing here\n")
    with pytest.raises(ValueError, match="put them back"):
        rewrite(path)
    assert path.read_text() == "nothing here\n"


@pytest.mark.parametrize(("text", "value"), [("64", 64), ("0.5", 0.5), ("pingpong", "pingpong")])
def test_parameters_come_back_as_they_were(text: str, value: object) -> None:
    found = worker.value_of(text)
    assert (found, type(found)) == (value, type(value))
