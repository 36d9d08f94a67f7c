"""`baremark selftest`: the harness judged by known truths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import arguments
from harness.cli.options import (
    LOCALHOST,
    WORKLOADS,
    InventoryOption,
    ResultsOption,
    WorkloadOption,
    WorkloadsOption,
)
from harness.cli.output import require_format
from harness.errors import EXIT_RUN, UseError

if TYPE_CHECKING:
    from harness.workflow.selftest import SelfTest


def selftest(
    inventory: InventoryOption = LOCALHOST,
    workload: WorkloadOption = None,
    repetitions: Annotated[
        int, typer.Option("--repetitions", min=1, help="Intervals to make for each known truth.")
    ] = 5,
    blocks: Annotated[int, typer.Option("--blocks", min=6, help="Blocks of each.")] = 6,
    seconds: Annotated[int, typer.Option("--seconds", min=1, help="Of each trial.")] = 1,
    format: Annotated[str, typer.Option("--format", "-f", help="text or json.")] = "text",
    results: ResultsOption = Path("results"),
    workloads: WorkloadsOption = WORKLOADS,
) -> None:
    """Judge the harness: native against itself, and slowdowns of known size."""
    from harness.console import Console
    from harness.model.plan import Preset
    from harness.plan import workloads as files
    from harness.plan.request import Request
    from harness.provision import adopted, lifecycle
    from harness.workflow import bench
    from harness.workflow.selftest import run

    require_format(format, ("text", "json"))
    console = Console()
    chosen = files.choose(files.load_all(workloads), workload or ())
    request = Request(Preset("selftest", blocks, seconds, blocks), chosen)
    arguments.writable(results)
    hosts = adopted.provisioned(arguments.hosts(inventory, ["baremetal", "docker"]))
    if not hosts:
        raise UseError(f"every target of {inventory} is adopted", "judge the harness elsewhere: -i")
    with bench.locked(inventory, hosts):
        console.stages(5)
        console.stage("look at what can be used")
        findings = lifecycle.doctor(inventory, hosts, console)
        unusable = {finding.target: finding.why for finding in findings if not finding.usable}
        possible = bench.possible(inventory, hosts, unusable)
        try:
            standing, packed = bench.bring_up(inventory, possible, console)
            console.stage("measure")
            reports = [
                run(inventory, host, standing, packed, request, repetitions, results, console)
                for host in possible
            ]
        finally:
            console.stage("take everything down")
            lifecycle.down(inventory, hosts, console, purge=False)
    if not _report(reports, format):
        raise typer.Exit(EXIT_RUN)


def _report(reports: Sequence[SelfTest], format: str) -> bool:
    """Print what the selftest found; whether all of it holds."""
    import json

    from harness.workflow.selftest import as_json, sentences

    if format == "json":
        print(json.dumps([as_json(each) for each in reports], indent=1, ensure_ascii=False))
    else:
        for each in reports:
            print("\n".join(sentences(each)))
    return all(each.holds for each in reports)
