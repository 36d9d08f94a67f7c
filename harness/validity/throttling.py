"""A CPU quota that stopped the target while the program wanted to run (cgroup `nr_throttled`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model.run import TargetRecord
from harness.model.trial import Trial
from harness.validity import About, Figures, Finding, Outcome

LIVE = True
UNSEEN = "it shows no control group's counters, and nobody says that it has no CPU quota"


def of_trial(trial: Trial, about: About) -> Finding | None:
    """Flagged where the quota stopped it at all during a trial."""
    if trial.cpu is None or not trial.cpu.throttled:
        return None
    return Finding(
        check="throttling",
        outcome=Outcome.FLAGGED,
        target=trial.target,
        workload=trial.workload,
        trial=trial.id,
        text=f"a CPU quota stopped it in {trial.cpu.throttled} periods",
        figures={"throttled_periods": float(trial.cpu.throttled)},
        severity=float(trial.cpu.throttled),
    )


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Nothing beyond what `of_trial` tells of each."""
    yield from ()


def figures(
    trials: Sequence[Trial],
    record: TargetRecord,
    about: About,
) -> Figures | None:
    if not trials:
        return None
    seen = [t.cpu.throttled for t in trials if t.cpu is not None and t.cpu.throttled is not None]
    settings = record.fingerprint.settings
    return {
        "throttled_periods": float(sum(seen)) if seen else None,
        "trials": float(len(seen)) if seen else None,
        "cpu_quota": "no" if settings.cpu_limited is False else settings.cpu_quota,
    }
