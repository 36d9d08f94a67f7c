"""`baremark import`: runs of what was measured elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import ResultsOption


def import_(
    source: Annotated[
        Path,
        typer.Argument(help="A table (.csv, .parquet), another harness's file, or a folder."),
    ],
    tool: Annotated[
        str | None,
        typer.Option(
            "--tool",
            help="Whose outputs the folder holds (fio, iperf3 …) or whose file it is: perfkit, "
            "pytest-benchmark.",
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option("--host", help="The host of a folder or file; the folder's name."),
    ] = None,
    native: Annotated[
        str, typer.Option("--native", help="What native is called: a backend or a sub-folder.")
    ] = "baremetal",
    backend: Annotated[
        list[str] | None,
        typer.Option("--backend", metavar="TARGET=BACKEND", help="Of a target; its name."),
    ] = None,
    class_: Annotated[
        list[str] | None,
        typer.Option("--class", metavar="BACKEND=CLASS", help="Of a backend not known here."),
    ] = None,
    resource: Annotated[
        list[str] | None,
        typer.Option("--resource", metavar="[WORKLOAD=]RESOURCE", help="What it stresses."),
    ] = None,
    target_label: Annotated[
        str | None,
        typer.Option("--target-label", metavar="KEY", help="Of a file: what names the target."),
    ] = None,
    block_label: Annotated[
        str | None,
        typer.Option("--block-label", metavar="KEY", help="Of a file: what names the block."),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option("--ignore", metavar="KEY", help="A label or an option: no part of the work."),
    ] = None,
    better: Annotated[
        list[str] | None,
        typer.Option("--better", metavar="[METRIC=]higher|lower", help="Of a file's metric."),
    ] = None,
    accept: Annotated[
        list[str] | None,
        typer.Option("--accept", metavar="CHECK", help="Overrule a check; the table is marked."),
    ] = None,
    results: ResultsOption = Path("results"),
) -> None:
    """Make runs of figures measured elsewhere, one a host; every table says `imported`."""
    from harness.console import Console
    from harness.importing import options, run

    request = options.request(
        native,
        host,
        tool,
        backend or (),
        class_ or (),
        resource or (),
        accept or (),
        target_label=target_label,
        block_label=block_label,
        better=better or (),
        passed=ignore or (),
    )
    content = run.read(source, request)
    folders = run.save(content, request, results)
    console = Console()
    for each in content.ignored:
        console.warn(f"not read: {each}")
    for each in content.notes:
        console.warn(each)
    for folder in folders:
        console.say(f"imported: {folder}; show it with: baremark table {folder.name}")
        print(folder.name)
