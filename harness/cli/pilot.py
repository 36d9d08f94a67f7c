"""`baremark pilot`: choose the seconds of trials by variances measured on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import arguments
from harness.cli.options import (
    LOCALHOST,
    WORKLOADS,
    AcceptOption,
    InventoryOption,
    Measuring,
    ResultsOption,
    SeedOption,
    TargetOption,
    WaitQuietOption,
    WorkloadOption,
    WorkloadsOption,
)
from harness.errors import EXIT_INTERRUPTED, EXIT_RUN, UseError

NATIVE = "baremetal"


def pilot(
    context: typer.Context,
    inventory: InventoryOption = LOCALHOST,
    target: TargetOption = None,
    workload: WorkloadOption = None,
    seconds: Annotated[
        str, typer.Option("--seconds", help="The two lengths to try, whole seconds.")
    ] = "1,4",
    blocks: Annotated[int, typer.Option("--blocks", min=4, help="Blocks of each.")] = 10,
    again: Annotated[
        str | None,
        typer.Option(
            "--of", metavar="RUN", help="Estimate again from this pilot; measure nothing."
        ),
    ] = None,
    accept: AcceptOption = None,
    seed: SeedOption = None,
    wait_quiet: WaitQuietOption = None,
    results: ResultsOption = Path("results"),
    workloads: WorkloadsOption = WORKLOADS,
) -> None:
    """Measure how long a trial of each workload should be here: on native, or on -t too.

    Writes a file for --seconds-from of run, bench, nightly and compare.
    """
    from harness.console import Console
    from harness.workflow import bench
    from harness.workflow import pilot as steps

    console = Console()
    arguments.writable(results)
    if again is not None:
        if given := arguments.given(context, _MEASURED):
            raise UseError(
                f"{', '.join(given)} cannot be given with --of: nothing is measured then",
                "leave it out; only --results goes with --of",
            )
        _tell(arguments.runs(results, [again]), results, console.say)
        return
    typed = Measuring(
        inventory=inventory,
        target=target or [NATIVE],
        workload=workload,
        accept=accept,
        seed=seed,
        wait_quiet=wait_quiet,
        workloads=workloads,
    )
    request = steps.request_of(typed.request(), _two(seconds), blocks)
    done = bench.run(inventory, typed.hosts(), request, results, console)
    _tell(done.measured.folders, results, console.say)
    for trouble in done.measured.errors:
        console.error(trouble)
    if not done.measured.whole:
        raise typer.Exit(EXIT_INTERRUPTED)
    if done.measured.errors or done.failed:
        raise typer.Exit(EXIT_RUN)


_MEASURED = (
    "inventory",
    "target",
    "workload",
    "seconds",
    "blocks",
    "accept",
    "seed",
    "wait_quiet",
    "workloads",
)
"""The parameters that say what to measure."""


def _two(text: str) -> tuple[int, int]:
    short, comma, long = text.partition(",")
    try:
        found = int(short), int(long)
    except ValueError:
        found = 0, 0
    if not (comma and 0 < found[0] < found[1]):
        raise UseError(f"--seconds {text!r} is not two lengths", "write the shorter first, as 1,4")
    return found


def _tell(folders: Sequence[Path], results: Path, say: Callable[[str], None]) -> None:
    """Print what each pilot says, and write its file."""
    from harness.workflow import pilot as steps

    for folder in folders:
        run, found = steps.estimate(folder)
        print("\n".join(steps.sentences(run, found)))
        if path := steps.write(run.manifest, found, results):
            say(f"written: {path}; baremark bench --seconds-from {path}")
