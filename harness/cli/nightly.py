"""`baremark nightly`: a whole night with one command, and in the morning only what is real."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import arguments
from harness.cli.options import (
    LOCALHOST,
    AcceptOption,
    BudgetOption,
    InventoryOption,
    MaxBlocksOption,
    PrecisionOption,
    PresetOption,
    ResultsOption,
    SeedOption,
    TargetOption,
    WorkloadOption,
    WorkloadsOption,
)
from harness.errors import EXIT_INTERRUPTED, HarnessError, UseError


def nightly(
    inventory: InventoryOption = LOCALHOST,
    target: TargetOption = None,
    workload: WorkloadOption = None,
    preset: PresetOption = "nightly",
    budget: BudgetOption = None,
    precision: PrecisionOption = None,
    max_blocks: MaxBlocksOption = None,
    accept: AcceptOption = None,
    seed: SeedOption = None,
    site: Annotated[
        Path | None, typer.Option("--site", help="Publish the static site into this folder.")
    ] = None,
    confirm: Annotated[
        bool,
        typer.Option(
            help="Compare old and new release interleaved where a release changed something."
        ),
    ] = True,
    summary: Annotated[
        list[Path] | None,
        typer.Option("--summary", help="Write the summary here too: .txt, .md, .json or .xml."),
    ] = None,
    results: ResultsOption = Path("results"),
    workloads: WorkloadsOption = Path("workloads"),
) -> None:
    """Doctor, up, run, down, analyse and publish. Exit 0: quiet; 1: a regression is confirmed;
    3: partial."""
    from harness import files
    from harness.console import Console
    from harness.publish import formats
    from harness.publish.night import format_of, render
    from harness.publish.site import folder
    from harness.report import night
    from harness.workflow.nightly import Night, run

    for path in summary or ():
        format_of(path)
    console = Console()
    request = arguments.request(
        workloads, workload, preset, budget, seed, precision, max_blocks, accept or ()
    )
    arguments.writable(results)
    if site is not None:
        folder.require_apart(site, results)
        folder.require_ours(site)
    hosts = arguments.hosts(inventory, target)
    busy = UseError("another night is still at work here", "wait for it to end")
    with files.alone(results / ".nightly.lock", busy):
        plan = Night(inventory, hosts, request, results, site, confirm)
        made = run(plan, console)
    stem = results / "nights" / f"{made.began:%Y%m%dT%H%M%SZ}"
    print(render(made, "text"), end="")
    status = made.exit_code if made.whole else EXIT_INTERRUPTED
    for path in [*(stem.with_suffix(each) for each in (".md", ".json", ".xml")), *(summary or ())]:
        try:
            formats.write(render(made, format_of(path)), path)
        except HarnessError as error:
            console.error(error)
            status = status or night.EXIT_PARTIAL
    if status:
        raise typer.Exit(status)
