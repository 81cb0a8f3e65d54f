"""The command ``compl-conformance``."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any, NoReturn

import rich_click as click
from rich.console import Console

from compl_conformance import __version__, deviations, exports, listing, report
from compl_conformance.rule import SCENARIOS, TIMEOUT, Rule, catalogue
from compl_conformance.run import Request, execute
from compl_conformance.selection import RequiredAbsent, chosen_rules, select
from compl_conformance.session import contract as contract_version
from compl_conformance.verdict import Exit, UsageError


class CatalogueBroken(Exception):
    """The scenarios cannot be imported, or contradict one another."""

    def __init__(self, package: str, error: Exception) -> None:
        super().__init__(f"the rules of {package} do not import: {type(error).__name__}: {error}")


_EPILOG = (
    "Exit codes: 0 conformant, 1 a rule failed, 2 usage, 3 nothing ran or a required backend is absent, 4 suite broke."
)
_EXITS = {UsageError: Exit.USAGE, RequiredAbsent: Exit.NOTHING_RAN, CatalogueBroken: Exit.SUITE_BROKE}
_FILE = click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path)


@click.command(epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("words", nargs=-1, metavar="[BACKEND | PACKAGE.MODULE:OBJECT | RULE]...")
@click.option("--require", metavar="NAME,...", multiple=True, help="Fail (3) unless these can be judged here.")
@click.option("--strict", is_flag=True, help="A SHOULD that fails counts; so does what works undeclared.")
@click.option("--contract", metavar="VERSION", help="Judge by this version or 'latest', not by the one that is stated.")
@click.option("--deviations", "deviations_file", type=_FILE, help="TOML with deviations; default ./pyproject.toml.")
@click.option("--scenarios", metavar="PACKAGE", default=SCENARIOS, help="Rules of one's own instead of the contract's.")
@click.option("--seed", type=int, help="Seed of everything random; drawn if not given.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    help=f"Seconds for a rule whose limit is the usual {TIMEOUT:g}; the others in proportion.",
)
@click.option("--repeat", type=click.IntRange(min=1), default=1, metavar="N", help="Judge every rule N times.")
@click.option("--json", "json_file", type=_FILE, help="Everything, schema 1; - is stdout.")
@click.option("--html", type=_FILE, help="The report and every rule.")
@click.option("--svg", type=_FILE, help="The matrix as a picture.")
@click.option("--junit", type=_FILE, help="JUnit XML.")
@click.option("--badge", type=_FILE, help="What shields.io/endpoint reads.")
@click.option("--list", "listed", is_flag=True, help="List the rules (with --json as JSON) and exit.")
@click.option("--explain", metavar="RULE", help="Tell what a rule requires and why, and exit.")
@click.option("-v", "--verbose", is_flag=True, help="Every verdict, and the tracebacks.")
@click.version_option(__version__, prog_name="compl-conformance")
def main(words: tuple[str, ...], **options: Any) -> NoReturn:
    """Judge whether backends keep the contract of compl-core.

    Without a backend: all that are installed, and the built-in reference.  RULE is an id (wait/4) or a
    pattern (wait/*).
    """
    try:
        sys.exit(_main(words, **options))
    except (UsageError, RequiredAbsent, CatalogueBroken) as error:
        click.echo(f"compl-conformance: {error}", err=True)
        sys.exit(_EXITS[type(error)])
    except KeyboardInterrupt:
        sys.exit(130)


def _main(words: tuple[str, ...], *, listed: bool, explain: str | None, **options: Any) -> Exit:
    console = _console(options["json_file"])
    rules = _catalogue(options["scenarios"])
    if explain is not None:
        console.print(listing.explanation(*chosen_rules([explain], rules).values()))
        return Exit.CONFORMANT
    if listed:
        chosen = chosen_rules((word for word in words if "/" in word), rules)
        if options["json_file"] is None:
            console.print(listing.table(chosen))
        else:
            _write(options["json_file"], listing.as_json(chosen))
        return Exit.CONFORMANT
    return _judge(words, rules, console, **options)


def _judge(words: tuple[str, ...], rules: dict[str, Rule], console: Console, **options: Any) -> Exit:
    files = {kind: options[kind] for kind in ("html", "svg", "junit", "badge")} | {"json": options["json_file"]}
    for file in files.values():
        if file is not None and not file.parent.is_dir():
            raise UsageError(f"{file}: there is no directory {file.parent}")
    contract_version(options["contract"])
    required = [name for names in options["require"] for name in names.split(",") if name]
    request = Request(
        selection=select(words, required, rules),
        scenarios=options["scenarios"],
        seed=random.SystemRandom().randrange(1 << 32) if options["seed"] is None else options["seed"],
        strict=options["strict"],
        contract=options["contract"],
        timeout=options["timeout"],
        repeat=options["repeat"],
        deviations_file=options["deviations_file"],
        deviations=_deviations(options["deviations_file"], rules),
    )
    found = execute(request, console, verbose=options["verbose"])
    missing = [backend for backend in found.backends if backend.missing]
    if missing:
        raise UsageError("; ".join(filter(None, (missing[0].spec, missing[0].reason, missing[0].fix))))
    console.print(report.whole(found, verbose=options["verbose"]))
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    for kind, text in exports.render(found, files):
        _write(files[kind], text)
    if summary:
        with Path(summary).open("a", encoding="utf-8") as stream:
            stream.write(exports.to_markdown(found))
    return found.exit_code


def _console(json_file: Path | None) -> Console:
    """Reports go to stdout, unless JSON does; logs, which do not say how wide they are, are 120 wide."""
    aside = json_file == Path("-")
    console = Console(stderr=aside, highlight=False)
    if console.is_terminal or "COLUMNS" in os.environ:
        return console
    return Console(stderr=aside, highlight=False, width=120)


def _catalogue(package: str) -> dict[str, Rule]:
    try:
        rules = catalogue(package)
    except ModuleNotFoundError as error:
        if package.startswith(error.name or "\0"):
            raise UsageError(f"no package of scenarios {package!r} can be imported") from None
        raise CatalogueBroken(package, error) from error
    except Exception as error:
        raise CatalogueBroken(package, error) from error
    if not rules:
        raise UsageError(f"{package} has no rules")
    return rules


def _deviations(file: Path | None, rules: dict[str, Rule]) -> deviations.Deviations:
    used = file or Path("pyproject.toml")
    if file is None and not used.exists():
        return deviations.Deviations()
    declared = deviations.load(used)
    try:
        declared.check(rules)
    except UsageError:
        declared.check({**_catalogue(SCENARIOS), **rules})  # also where only rules of one's own are judged
    return declared


def _write(file: Path, text: str) -> None:
    if file == Path("-"):
        click.echo(text, nl=False)
    else:
        file.write_text(text, encoding="utf-8")
