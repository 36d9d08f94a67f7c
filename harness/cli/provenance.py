"""`baremark show` and `baremark verify`: where a figure comes from, and whether it still does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import arguments
from harness.cli.options import ResultsOption
from harness.cli.output import require_format
from harness.errors import EXIT_RUN
from harness.text import aligned

if TYPE_CHECKING:
    from harness.workflow.verify import Verified


_FORMATS = ("text", "json")


def show(
    run: Annotated[str, typer.Argument(help="A run by name or path.")] = "latest",
    format: Annotated[str, typer.Option("--format", "-f", help="text or json.")] = "text",
    results: ResultsOption = Path("results"),
) -> None:
    """Print what a run's manifest fixed: who, when, versions, seed, digests, fingerprints."""
    from harness.publish.run import render
    from harness.report import provenance

    require_format(format, _FORMATS)
    (folder,) = arguments.runs(results, [run])
    made = provenance.of_run(folder)
    print(render(made, format), end="")


def verify(
    run: Annotated[str, typer.Argument(help="A run by name or path.")] = "latest",
    table: Annotated[
        list[Path] | None,
        typer.Option("--table", help="A published table, or a page that contains it."),
    ] = None,
    format: Annotated[str, typer.Option("--format", "-f", help="text or json.")] = "text",
    results: ResultsOption = Path("results"),
) -> None:
    """Compute digests, samples and tables again from a run's ledger; exit 1 where one differs."""
    from harness.workflow import verify as verifying

    require_format(format, _FORMATS)
    (folder,) = arguments.runs(results, [run])
    found = verifying.verify(folder, results, table or ())
    print(_json(found) if format == "json" else _text(folder, found))
    if any(each.came is verifying.Result.DIFFERS for each in found):
        raise typer.Exit(EXIT_RUN)


def _text(folder: Path, found: tuple[Verified, ...]) -> str:
    lines = aligned([(each.came, f"{each.what}: {each.seen}") for each in found], left=(0, 1))
    counted = [
        f"{sum(each.came == came for each in found)} {came}"
        for came in dict.fromkeys(each.came for each in found)
    ]
    return "\n".join([*lines, f"{folder.name}: {', '.join(counted)}"])


def _json(found: tuple[Verified, ...]) -> str:
    import json
    from dataclasses import asdict

    return json.dumps([asdict(each) for each in found], indent=1, ensure_ascii=False)
