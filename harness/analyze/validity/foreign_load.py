"""Work on the target's CPUs that is not the program's, seen by the target and by its host.

A guest does not see what its host does: there, all that the guest's own process did not use of
the CPUs that it is pinned to was used by others.

Where the kernel works for the program in threads of its own (disk, network), its time cannot be
told from a stranger's, so only workloads that do neither are judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analyze.validity import About, Finding, graded
from harness.model import Resource, Trial

LIVE = True
TICK_S = 0.01
"""/proc/stat counts in hundredths of a second, a CPU at a time: a few of them are rounding."""
ROUNDING_TICKS = 3
HOST_ROUNDING_TICKS = 8
"""On the host, reading its counters over SSH is work too: some hundredths of a second."""
_JUDGED = {Resource.CPU, Resource.MEMORY, Resource.KERNEL}


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Flagged over 1 % of the CPUs' time beyond the rounding, rejected over 5 %."""
    for trial in trials:
        workload = about.workloads.get(trial.workload)
        if workload is None or workload.resource not in _JUDGED or workload.needs_peer:
            continue
        yield from _on_host(trial)
        if trial.cpu is None or trial.cpu.total_s <= 0:
            continue
        other_s = trial.cpu.busy_s - trial.cpu.own_s - ROUNDING_TICKS * TICK_S
        share = other_s / trial.cpu.total_s
        if (outcome := graded(share)) is None:
            continue
        yield Finding(
            check="foreign_load",
            outcome=outcome,
            target=trial.target,
            workload=trial.workload,
            trial=trial.id,
            text=f"other work took {100 * share:.1f} % of its CPU time",
            figures={
                "share": share,
                "busy_s": trial.cpu.busy_s,
                "own_s": trial.cpu.own_s,
                "total_s": trial.cpu.total_s,
            },
        )


def _on_host(trial: Trial) -> Iterator[Finding]:
    load = trial.host_load
    if load is None or load.process_s is None or load.total_s <= 0:
        return
    other_s = load.busy_s - load.process_s - HOST_ROUNDING_TICKS * TICK_S
    share = other_s / load.total_s
    if (outcome := graded(share)) is None:
        return
    yield Finding(
        check="foreign_load",
        outcome=outcome,
        target=trial.target,
        workload=trial.workload,
        trial=trial.id,
        text=f"other work took {100 * share:.1f} % of its CPUs' time on its host",
        figures={
            "share": share,
            "busy_s": load.busy_s,
            "own_s": load.process_s,
            "total_s": load.total_s,
        },
    )
