"""`baremark plot`: a chart as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import arguments
from harness.cli.options import ResultsOption, TargetOption, WorkloadOption
from harness.errors import UseError


def plot(
    output: Annotated[Path, typer.Option("--output", "-o", help="FILE.svg or FILE.png.")],
    run: Annotated[
        list[str] | None, typer.Argument(help="Runs of one host by name or path; the latest.")
    ] = None,
    kind: Annotated[
        str, typer.Option("--kind", "-k", help="heatmap, intervals, blocks or history.")
    ] = "heatmap",
    workload: WorkloadOption = None,
    target: TargetOption = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Draw overhead versus native: a heat map, intervals, every block, or the history."""
    from harness.publish import charts

    charts.require(kind, output)
    if kind == "history" and run:
        raise UseError(
            "a history is of all runs, so none can be named",
            "leave the runs out; choose with -w and -t",
        )

    from harness.publish import formats
    from harness.publish.charts import draw

    if kind == "history":
        spec = draw.of_results(results, workload or (), target or ())
    else:
        folders = arguments.runs(results, run)
        spec = draw.of_runs(kind, folders, workload or (), target or ())
    formats.write(charts.picture(spec, output.suffix), output)
