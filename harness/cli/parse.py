"""`baremark parse`: the samples in what a tool printed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.output import require_format
from harness.errors import UseError

if TYPE_CHECKING:
    from harness.model.workload import Sample


def parse(
    tool: Annotated[str, typer.Argument(help="The tool: fio, iperf3, stress-ng and so on.")],
    file: Annotated[Path, typer.Argument(help="What the tool printed on standard output.")],
    stderr: Annotated[
        Path | None, typer.Option("--stderr", help="What it printed on standard error.")
    ] = None,
    format: Annotated[str, typer.Option("--format", "-f", help="table or json.")] = "table",
) -> None:
    """Print the samples in the output of a tool, or why there are none to be had."""
    from harness import tools

    require_format(format, ("table", "json"))
    reader = tools.load(tool)
    samples = reader.read(_bytes(file), _bytes(stderr) if stderr is not None else b"")
    print(_samples_json(samples) if format == "json" else _samples_table(samples))


def _samples_json(samples: Sequence[Sample]) -> str:
    import json
    from dataclasses import asdict

    rows = [{**asdict(each), "labels": dict(each.labels)} for each in samples]
    return json.dumps(rows, indent=1, ensure_ascii=False)


def _samples_table(samples: Sequence[Sample]) -> str:
    """One line a sample under a heading, the columns aligned, labels as `key=value`."""
    rows = [("metric", "value", "unit", "better", "labels")]
    for each in samples:
        labels = " ".join(f"{key}={value}" for key, value in each.labels)
        rows.append((each.metric, f"{each.value:.12g}", each.unit, each.better, labels))
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        f"{name:<{wide[0]}}  {value:>{wide[1]}}  {unit:<{wide[2]}}  {better:<{wide[3]}}  {labels}"
        for name, value, unit, better, labels in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UseError(f"cannot read {file}: {error.strerror}", "name a file") from None
