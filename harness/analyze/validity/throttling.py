"""A CPU quota that stopped the target while the program wanted to run (cgroup `nr_throttled`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analyze.validity import About, Finding, Outcome
from harness.model import Trial

LIVE = True


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:  # noqa: ARG001
    """Flagged where the quota stopped it at all during a trial."""
    for trial in trials:
        if trial.cpu is None or not trial.cpu.throttled:
            continue
        yield Finding(
            check="throttling",
            outcome=Outcome.FLAGGED,
            target=trial.target,
            workload=trial.workload,
            trial=trial.id,
            text=f"a CPU quota stopped it in {trial.cpu.throttled} periods",
            figures={"throttled_periods": float(trial.cpu.throttled)},
        )
