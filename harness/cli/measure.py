"""`baremark run` and `baremark bench`: measure, and show the table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import arguments
from harness.cli.options import (
    MEASURING,
    Measuring,
    ResultsOption,
    ResumablePresetOption,
    measuring,
)
from harness.errors import EXIT_BUSY, EXIT_INTERRUPTED, EXIT_RUN, HarnessError, UseError

if TYPE_CHECKING:
    from harness.console import Console
    from harness.workflow.bench import Measured


_FREE = ("inventory", "workloads", "wait_quiet")
_FIXED = tuple(name for name in MEASURING if name not in _FREE)
"""The parameters of `run` that the manifest of a run has fixed."""


@measuring("quick", ResumablePresetOption)
def run(
    context: typer.Context,
    measuring: Measuring,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="RUN", help="Go on with this run.")
    ] = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Measure on targets that are up; leaves them up. Prints the table."""
    from harness import state
    from harness.console import Console
    from harness.workflow import bench as steps

    if resume is not None and (given := arguments.given(context, _FIXED)):
        raise UseError(
            f"{', '.join(given)} cannot be given with --resume: the run's manifest fixed that",
            "leave it out; only --results and --wait-quiet go with --resume",
        )
    console = Console()
    request = measuring.request()
    arguments.writable(results)
    if resume is not None:
        arguments.tell_passed_over(results, [resume])
    inventory, hosts = measuring.inventory, measuring.hosts()
    state.read(state.state_folder(inventory), inventory)  # nothing up is told first of all
    with steps.locked(inventory, hosts):
        standing = state.read(state.state_folder(inventory), inventory)
        packed = steps.packed_bundle(standing)
        measured = steps.measure_all(
            inventory, hosts, standing, packed, request, results, console, resume
        )
    _end(measured, results, console)


@measuring("quick")
def bench(measuring: Measuring, results: ResultsOption = Path("results")) -> None:
    """Provision, measure, print and write the table, take everything down again."""
    from harness.console import Console
    from harness.workflow import bench as steps

    console = Console()
    request = measuring.request()
    arguments.writable(results)
    done = steps.run(measuring.inventory, measuring.hosts(), request, results, console)
    _end(done.measured, results, console)
    if done.failed:
        raise typer.Exit(EXIT_RUN)


def _end(measured: Measured, results: Path, console: Console) -> None:
    """Show the table; an interrupted run that is too short for one is told so and kept. Then
    tell of the hosts that were not measured, and of a machine too busy to measure on."""
    from harness.console import QUIETEN

    busy: tuple[str, ...] = ()
    try:
        busy = _show(measured.folders, results, console)
    except HarnessError as error:
        if measured.whole:
            raise
        console.warn(f"interrupted before there was a table: {error.message}")
    for trouble in measured.errors:
        console.error(trouble)
    if not measured.whole:
        raise typer.Exit(EXIT_INTERRUPTED)
    for told in busy:
        named = ", ".join(console.busy.values()) or "what it was is not known"
        console.error(HarnessError(f"{told} Other work there: {named}.", QUIETEN))
    if measured.errors:
        raise typer.Exit(EXIT_RUN)
    if busy:
        raise typer.Exit(EXIT_BUSY)


def _show(folders: Sequence[Path], results: Path, console: Console) -> tuple[str, ...]:
    """Print the table and write it as Markdown and CSV; what is said of machines that were too
    busy for an answer."""
    from harness.publish import formats
    from harness.report import answer
    from harness.report import runs as report_runs

    made = report_runs.read(folders).table
    print(formats.render(made, "terminal"), end="")
    name = formats.name_of([folder.name for folder in folders])
    for format, ending in (("markdown", "md"), ("csv", "csv")):
        path = results / "published" / f"{name}.{ending}"
        formats.write(formats.render(made, format), path)
        console.say(f"written: {path}")
    return answer.too_busy(made)
