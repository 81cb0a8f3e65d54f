"""The command line of the benchmark."""

from __future__ import annotations

import functools
from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bench import machine, readme, rows, schedule, tables
from bench import record as records
from bench.pictures import draw
from bench.record import Record
from bench.row import Row
from bench.schedule import Settings

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("names", metavar="[ROWS]...", nargs=-1, type=click.Choice(rows.NAMES))
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True, help="Samples of everything.")
@click.option("--quick", is_flag=True, help="Three short rounds, no waiting for a quiet machine: a look, not a result.")
@click.option("--only", multiple=True, metavar="TEXT", help="Only implementations with this in their name; repeatable.")
@click.option("--case", "cases", multiple=True, metavar="TEXT", help="Only cases with this in their name; repeatable.")
@click.option("--json", "json_path", type=FILE, help="Write every sample and the machine here.")
@click.option("--plot", type=FOLDER, help="Write a picture of each row (SVG) here.")
@click.option("--load", type=FILE, help="Show what --json wrote; run nothing.")
@click.option(
    "--readme", "update", is_flag=True, help="Keep the results (or those of --load) in results/ and README.md."
)
@click.option("--commands", is_flag=True, help="Print each sample's command, for perf or strace; run nothing.")
def main(
    names: tuple[str, ...],
    rounds: int,
    quick: bool,
    only: tuple[str, ...],
    cases: tuple[str, ...],
    json_path: Path | None,
    plot: Path | None,
    load: Path | None,
    update: bool,
    commands: bool,
) -> None:
    """Measure this project's backends beside their peers and a C baseline.

    Without ROWS: all of them.  Implementations of a row are interleaved, each sample in a fresh process.
    """
    console = Console()
    settings = Settings(rounds, only=only, cases=cases)
    if quick:
        settings = Settings(rounds=3, length=0.2, patience=0.0, only=only, cases=cases)
    chosen = {name: rows.load(name) for name in names or rows.NAMES}
    if commands:
        for row in chosen.values():
            for line in schedule.commands(row, settings):
                click.echo(line)
        return
    record = records.load(load) if load else run(console, chosen, settings)
    for name, row in chosen.items():
        if name in record.rows:
            tables.show(console, row, record.rows[name])
            if plot and (drawn := draw(row, record.rows[name], plot)):
                console.print(f"wrote {drawn}", markup=False)
    console.print(tables.machine_line(record), style="dim", markup=False)
    if json_path:
        record.save(json_path)
        console.print(f"wrote {json_path}", markup=False)
    if update:
        readme.store(record)
        readme.rewrite()
        console.print(f"wrote {readme.README} and {readme.RESULTS}", markup=False)


def run(console: Console, chosen: dict[str, Row], settings: Settings) -> Record:
    """Measure the rows, showing what is being run; nothing is drawn while a sample runs."""
    reason = machine.supported()
    if reason:
        raise click.ClickException(reason)
    modules = {module for row in chosen.values() for each in row.implementations for module in each.needs}
    record = Record(machine.describe(modules), {"rounds": settings.rounds, "length": settings.length})
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, auto_refresh=False, transient=True) as progress:
        for name, row in chosen.items():
            task = progress.add_task(name, total=schedule.samples_of(row, settings))
            step = functools.partial(advance, progress, task, name)
            record.rows[name] = schedule.run_row(row, settings, step)
    return record


def advance(progress: Progress, task: TaskID, row: str, number: int, case: str, implementation: str) -> None:
    """Say what is run next."""
    progress.update(task, advance=1, description=f"{row} {number + 1}: {case}: {implementation}")
    progress.refresh()
