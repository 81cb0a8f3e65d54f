"""A release: one version in three places, a change log made of the fragments, and a tag that says the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import release

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one distribution, compl-toy 0.1.0, and one fragment."""
    package = tmp_path / "packages" / "compl-toy"
    module = package / "src" / "compl_toy"
    module.mkdir(parents=True)
    (package / "changes").mkdir()
    (tmp_path / "conformance").mkdir()
    (tmp_path / "pyproject.toml").write_text((_ROOT / "pyproject.toml").read_text())
    (tmp_path / "conformance" / "pyproject.toml").write_text(
        '[project]\nname = "compl-conformance"\nversion = "1.0.0"\n'
    )
    (package / "pyproject.toml").write_text('[project]\nname = "compl-toy"\nversion = "0.1.0"\n')
    (module / "__init__.py").write_text('"""Toy."""\n\n__version__ = "0.1.0"\n')
    (package / "CHANGELOG.md").write_text("# Changes\n\n<!-- towncrier release notes start -->\n")
    (package / "changes" / "+wheels.added.md").write_text("The toy has wheels.\n")
    (package / "changes" / "README.md").write_text("How to write one.\n")
    monkeypatch.setattr(release, "_ROOT", tmp_path)
    return package


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["release.py", *arguments])
    return release.main()


def test_prepare(root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "compl-toy", "0.2.0") == 0
    assert 'version = "0.2.0"' in (root / "pyproject.toml").read_text()
    assert '__version__ = "0.2.0"' in (root / "src" / "compl_toy" / "__init__.py").read_text()
    log = (root / "CHANGELOG.md").read_text()
    assert "## 0.2.0 (" in log
    assert "- The toy has wheels." in log
    assert [path.name for path in (root / "changes").iterdir()] == ["README.md"]
    assert "git tag -s compl-toy-v0.2.0" in capfd.readouterr().out


def test_a_prepared_release_passes_the_check(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "compl-toy", "0.2.0") == 0
    capfd.readouterr()
    assert run(monkeypatch, "--check", "compl-toy-v0.2.0") == 0
    assert capfd.readouterr().out == "packages/compl-toy\n"
    assert root.is_dir()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--check", "compl-toy-v0.1.0"], r"CHANGELOG\.md says nothing"),
        (["--check", "compl-toy-v0.2.0"], r"pyproject\.toml says 0\.1\.0; __init__\.py says 0\.1\.0"),
        (
            ["--check", "compl-none-v0.1.0"],
            r"no distribution is called 'compl-none'; there are compl-conformance, compl-toy",
        ),
        (["compl-toy", "next"], r"'next' is not a version"),
        (["--check", "compl-toy-vnext"], r"'next' is not a version"),
    ],
    ids=["no change log", "another version", "another name", "no version", "no version in the tag"],
)
@pytest.mark.usefixtures("root")
def test_not_ready(monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str) -> None:
    with pytest.raises(SystemExit, match=says):
        run(monkeypatch, *arguments)


def test_nothing_to_release(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "changes" / "+wheels.added.md").unlink()
    with pytest.raises(SystemExit, match="there is nothing to release"):
        run(monkeypatch, "compl-toy", "0.2.0")
    assert 'version = "0.1.0"' in (root / "pyproject.toml").read_text()


def test_a_version_is_stated_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "src" / "compl_toy" / "__init__.py").write_text('"""Toy."""\n')
    with pytest.raises(SystemExit, match="0 lines match"):
        run(monkeypatch, "compl-toy", "0.2.0")
