"""`baremark export`: runs in the format of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import arguments
from harness.cli.options import OutputOption, ResultsOption
from harness.cli.output import put
from harness.errors import UseError


def export(
    format: Annotated[str, typer.Argument(help="junit, openmetrics, perfkit or pytest-benchmark.")],
    run: Annotated[
        list[str] | None, typer.Argument(help="Runs by name or path; the latest.")
    ] = None,
    output: OutputOption = None,
    fail_slower: Annotated[
        str | None,
        typer.Option(
            "--fail-slower",
            metavar="SHARE",
            help="junit: a target that is slower by more than this fails: 0%, 10%.",
        ),
    ] = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Print runs in the format of another tool, made from the ledger alone."""
    from harness.console import Console
    from harness.publish import exports
    from harness.publish.exports import Export
    from harness.report import runs as report_runs

    judges = exports.judges(format)
    if fail_slower is not None and not judges:
        raise UseError(
            f"--fail-slower: {format} tells of no success", "leave it out, or export junit"
        )
    limit = None
    if fail_slower is not None:
        limit = arguments.share("--fail-slower", fail_slower, "0% or 10%")
    made = report_runs.read(arguments.runs(results, run))
    exported = exports.render(Export(made.runs, made.table, limit), format)
    console = Console()
    for each in exported.left_out:
        console.warn(f"left out: {each}")
    put(exported.text, output)
