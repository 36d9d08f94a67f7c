"""Work on the target's CPUs that is not the program's, seen by the target itself.

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
_JUDGED = {Resource.CPU, Resource.MEMORY, Resource.KERNEL}


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Flagged over 1 % of the CPUs' time beyond the rounding, rejected over 5 %."""
    for trial in trials:
        workload = about.workloads.get(trial.workload)
        if trial.cpu is None or trial.cpu.total_s <= 0:
            continue
        if workload is None or workload.resource not in _JUDGED or workload.needs_peer:
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
