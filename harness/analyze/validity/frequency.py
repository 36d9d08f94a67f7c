"""Processors that did not run at the same frequency for both arms, or were slowed by heat."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import median

from harness.analyze.validity import FLAGGED_SHARE, About, Finding, Outcome
from harness.model import Trial, TrialStatus

LIVE = False
LEAST_TRIALS = 6


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Flagged where the median frequency at the end of a workload's trials differs from native's
    by over 1 %, where heat slowed a CPU, and where the governor is not native's."""
    native = about.native.target.name if about.native else None
    mhz: dict[tuple[str, str], list[float]] = defaultdict(list)
    hot: dict[str, int] = defaultdict(int)
    for trial in trials:
        if trial.status is TrialStatus.OK and trial.host_load is not None and not trial.control:
            if trial.host_load.mhz is not None:
                mhz[trial.workload, trial.target].append(trial.host_load.mhz)
            hot[trial.target] += bool(trial.host_load.thermal)
    for (workload, target), mine in mhz.items():
        base = mhz.get((workload, native or ""), [])
        if target == native or min(len(mine), len(base)) < LEAST_TRIALS:
            continue
        ours, theirs = median(mine), median(base)
        if abs(ours / theirs - 1) <= FLAGGED_SHARE:
            continue
        yield Finding(
            check="frequency",
            outcome=Outcome.FLAGGED,
            target=target,
            workload=workload,
            text=f"the CPUs ran at {ours:.0f} MHz, for native at {theirs:.0f} MHz (medians)",
            figures={"mhz": ours, "native_mhz": theirs},
        )
    for target, times in hot.items():
        if times:
            yield Finding(
                check="frequency",
                outcome=Outcome.FLAGGED,
                target=target,
                text=f"heat slowed its CPUs in {times} trials",
                figures={"thermal_trials": float(times)},
            )
