"""`baremark table`: the table of runs, in any format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import arguments
from harness.cli.options import OutputOption, ResultsOption
from harness.cli.output import put, require_place
from harness.errors import UseError


def table(
    run: Annotated[
        list[str] | None, typer.Argument(help="Runs by name or path; the latest.")
    ] = None,
    format: Annotated[
        str,
        typer.Option("--format", "-f", help="terminal, markdown, csv, json, html, latex or xlsx."),
    ] = "terminal",
    output: OutputOption = None,
    by: Annotated[
        str, typer.Option("--by", help="target, or architecture: native, type 1, type 2 …")
    ] = "target",
    estimate: Annotated[
        str | None,
        typer.Option("--estimate", help="Beside the Hodges–Lehmann estimate: ratio-of-medians."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="In a terminal: every metric and value.")
    ] = False,
    legend: Annotated[
        bool, typer.Option("--legend", help="In a terminal: how to read it.")
    ] = False,
    results: ResultsOption = Path("results"),
) -> None:
    """Print the table of overhead versus native, made from the ledger alone."""
    from dataclasses import replace

    from harness.publish import formats
    from harness.report import runs as report_runs
    from harness.report.table import with_ratio_of_medians

    require_place(format, output)
    if by not in {"target", "architecture"}:
        raise UseError(f"--by {by!r} is no order", "choose from: target, architecture")
    if estimate not in {None, "ratio-of-medians"}:
        raise UseError(f"--estimate {estimate!r} is none", "the only other one: ratio-of-medians")
    folders = arguments.runs(results, run)
    made = replace(
        report_runs.read(folders).table,
        by_architecture=by == "architecture",
        full=full,
        legend=legend,
    )
    if estimate is not None:
        made = with_ratio_of_medians(made)
    put(formats.render(made, format), output)
