"""Time that a hypervisor took from the target's CPUs while the program wanted to run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analyze.validity import LEAST_S, About, Finding, graded
from harness.model import Trial

LIVE = True


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:  # noqa: ARG001
    """Flagged over 1 % of the CPUs' time, rejected over 5 % (/proc/stat of the target)."""
    for trial in trials:
        if trial.cpu is None or trial.cpu.total_s < LEAST_S:
            continue
        share = trial.cpu.steal_s / trial.cpu.total_s
        if (outcome := graded(share)) is None:
            continue
        yield Finding(
            check="steal",
            outcome=outcome,
            target=trial.target,
            workload=trial.workload,
            trial=trial.id,
            text=f"{100 * share:.1f} % of its CPU time was stolen by a hypervisor under it",
            figures={"share": share},
        )
