"""`baremark parse`: the samples in what a tool printed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.output import require_format
from harness.errors import UseError
from harness.text import aligned

if TYPE_CHECKING:
    from harness.model.workload import Sample


def parse(
    tool: Annotated[str, typer.Argument(help="The tool: fio, iperf3, stress-ng and so on.")],
    file: Annotated[Path, typer.Argument(help="What the tool printed on standard output.")],
    stderr: Annotated[
        Path | None, typer.Option("--stderr", help="What it printed on standard error.")
    ] = None,
    report: Annotated[
        int | None,
        typer.Option("--report", min=1, help="Which of several reports in the file, from 1."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say from which fields each value was taken.")
    ] = False,
    format: Annotated[str, typer.Option("--format", "-f", help="table or json.")] = "table",
) -> None:
    """Print the samples in the output of a tool, or why there are none to be had."""
    from harness import tools

    require_format(format, ("table", "json"))
    stdout = _bytes(file)
    if report is not None:
        stdout = _one_of(tools.reports(tool, stdout), report, file)
    found = tools.explain(tool, stdout, _bytes(stderr) if stderr is not None else b"")
    fields = found.fields if explain else None
    render = _samples_json if format == "json" else _samples_table
    print(render(found.samples, fields))
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)


def _one_of(reports: Sequence[bytes], number: int, file: Path) -> bytes:
    """The report of that number, from 1; UseError where there are fewer."""
    if number > len(reports):
        raise UseError(
            f"--report {number}: {file} holds {len(reports)} report{'s' * (len(reports) > 1)}",
            f"choose from 1 to {len(reports)}" if len(reports) > 1 else "leave --report out",
        )
    return reports[number - 1]


def _samples_json(samples: Sequence[Sample], fields: Sequence[str] | None) -> str:
    import json
    from dataclasses import asdict

    rows = [{**asdict(each), "labels": dict(each.labels)} for each in samples]
    for row, taken_from in zip(rows, fields or (), strict=False):
        row["fields"] = taken_from
    return json.dumps(rows, indent=1, ensure_ascii=False)


def _samples_table(samples: Sequence[Sample], fields: Sequence[str] | None) -> str:
    """One line a sample under a heading, the columns aligned, labels as `key=value`."""
    rows = [("metric", "value", "unit", "better", "labels", "fields")]
    for each, taken_from in zip(samples, fields or [""] * len(samples), strict=True):
        labels = " ".join(f"{key}={value}" for key, value in each.labels)
        value = f"{each.value:.12g}"
        rows.append((each.metric, value, each.unit, each.better, labels, taken_from))
    if fields is None:
        rows[0] = (*rows[0][:-1], "")
    return "\n".join(aligned(rows, left=(0, 2, 3, 4, 5)))


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UseError(f"cannot read {file}: {error.strerror}", "name a file") from None
