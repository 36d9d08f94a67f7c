"""`baremark history` and `baremark acknowledge`: what shifted over the nights, and who knows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import arguments
from harness.cli.options import ResultsOption, TargetOption, WorkloadOption
from harness.cli.output import require_format
from harness.errors import HarnessError, UseError

if TYPE_CHECKING:
    from harness.analyze.history.history import Shift
    from harness.console import Console


def history(
    cell: Annotated[
        str | None,
        typer.Argument(metavar="[CELL]", help="In detail: WORKLOAD or WORKLOAD@TARGET, patterns."),
    ] = None,
    target: TargetOption = None,
    workload: WorkloadOption = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="Only nights from this day on.")
    ] = None,
    format: Annotated[
        str, typer.Option("--format", "-f", help="terminal, json or csv.")
    ] = "terminal",
    results: ResultsOption = Path("results"),
) -> None:
    """Show the overhead of each cell night by night, and where it shifted."""
    require_format(format, ("terminal", "json", "csv"))
    begin = None if since is None else arguments.moment("--since", since)

    from harness.console import Console
    from harness.publish.history import as_csv, as_json, detail, overview
    from harness.report import series
    from harness.report.history import of_results

    found = of_results(results)
    chosen = series.choose(found, series.Filter(cell, target or (), workload or (), begin))
    if format == "json":
        text = as_json(found, chosen)
    elif format == "csv":
        text = as_csv(chosen)
    elif cell is None:
        headline = tuple(each for each in chosen if each.name["headline"]) or chosen
        text = overview(headline, hidden=len(chosen) - len(headline))
    else:
        text = detail(chosen, whole=since is not None)
    print(text, end="")
    sys.stdout.flush()
    console = Console()
    for warning in found.warnings:
        console.warn(warning)


def acknowledge(
    cell: Annotated[
        str, typer.Argument(metavar="CELL", help="WORKLOAD or WORKLOAD@TARGET, patterns.")
    ],
    why: Annotated[str, typer.Option("--why", help="One sentence that will stand beside it.")],
    who: Annotated[str, typer.Option("--who", help="Who says so.")],
    until: Annotated[
        str, typer.Option("--until", metavar="DATE", help="The last day on which it counts.")
    ],
    run: Annotated[
        str | None, typer.Option("--run", help="Only the shifts that begin at this run.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="DATE", help="Only shifts from this day on.")
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Only of this host; a pattern.")] = "*",
    metric: Annotated[str, typer.Option("--metric", help="Only this metric; a pattern.")] = "*",
    results: ResultsOption = Path("results"),
) -> None:
    """Acknowledge shifts: adds an entry to acknowledged.yml in the folder of results."""
    last = arguments.day("--until", until)
    first = None if since is None else arguments.day("--since", since)
    for option, text in (("--why", why), ("--who", who)):
        if not text.strip():
            raise UseError(f"{option} is empty", "say it in a few words")
    today = datetime.now(UTC).date()
    if last < today:
        raise UseError(f"--until {last} is over", "name a day to come")
    if not results.is_dir():
        raise UseError(f"there is no folder {results}", "name the folder of results: --results")

    from harness.console import Console
    from harness.report import acknowledgements, series

    workload, target = series.parts(cell)
    new = acknowledgements.Acknowledgement(
        who=who.strip(),
        why=why.strip(),
        until=last,
        host=host,
        target=target,
        workload=workload,
        metric=metric,
        run=run,
        since=first,
    )
    console = Console()
    matched = [shift for shift in _shifts(results, console) if new.matches(shift)]
    file = acknowledgements.append(results, new)
    console.say(f"written: {file}")
    if not matched:
        console.warn("no shift of now matches it: see them with baremark history")
    for shift in matched:
        print(
            f"acknowledged: {shift.host}: {shift.workload} {shift.metric} × {shift.target}, "
            f"{shift.started:%Y-%m-%d}, run {shift.run}"
        )


def _shifts(results: Path, console: Console) -> Sequence[Shift]:
    """The shifts there are; none where there is no history yet, which is told."""
    from harness.report.history import of_results

    try:
        return of_results(results).shifts
    except UseError:
        raise
    except HarnessError as error:
        console.warn(error.message)
        return ()
