"""`baremark selftest`: the harness judged by known truths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import EXIT_RUN, UseError
from harness.verbs import asked
from harness.verbs.options import (
    LOCALHOST,
    InventoryOption,
    ResultsOption,
    WorkloadOption,
    WorkloadsOption,
)
from harness.verbs.output import require_format

if TYPE_CHECKING:
    from harness.selftest import SelfTest


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
    workloads: WorkloadsOption = Path("workloads"),
) -> None:
    """Judge the harness: native against itself, and slowdowns of known size."""
    from harness import adopt, provision
    from harness import bench as steps
    from harness import workload as files
    from harness.console import Console
    from harness.measure import Request
    from harness.model import Preset

    require_format(format, ("text", "json"))
    console = Console()
    chosen = files.choose(files.load_all(workloads), workload or ())
    request = Request(Preset("selftest", blocks, seconds, blocks), chosen)
    asked.writable(results)
    hosts = adopt.provisioned(asked.hosts(inventory, ["baremetal", "docker"]))
    if not hosts:
        raise UseError(f"every target of {inventory} is adopted", "judge the harness elsewhere: -i")
    with steps.locked(inventory, hosts):
        findings = provision.doctor(inventory, hosts, console.step)
        unusable = {finding.target: finding.why for finding in findings if not finding.usable}
        possible = steps.possible(inventory, hosts, unusable)
        try:
            standing, packed = steps.bring_up(inventory, possible, console)
            reports = [
                steps.judge(
                    inventory, host, standing, packed, request, repetitions, results, console
                )
                for host in possible
            ]
        finally:
            console.say("take everything down")
            provision.down(inventory, hosts, console.step, purge=False)
    if not _report(reports, format):
        raise typer.Exit(EXIT_RUN)


def _report(reports: Sequence[SelfTest], format: str) -> bool:
    """Print what the selftest found; whether all of it holds."""
    import json

    from harness.selftest import as_json, sentences

    if format == "json":
        print(json.dumps([as_json(each) for each in reports], indent=1, ensure_ascii=False))
    else:
        for each in reports:
            print("\n".join(sentences(each)))
    return all(each.holds for each in reports)
