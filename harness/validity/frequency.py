"""Processors that did not run at the same frequency for both arms, or were slowed by heat."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from harness.model.run import TargetRecord
from harness.model.trial import Trial, TrialStatus
from harness.validity import FLAGGED_SHARE, About, Figures, Finding, Outcome

LIVE = False
UNSEEN = "its host shows neither the frequency of the CPUs nor what chooses it"
LEAST_TRIALS = 6
_HOW = {"mean": "mean over each trial", "end": "as read at the end of each trial"}
"""The better first."""


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Flagged where the median frequency over a workload's trials differs from native's by over
    1 %, where heat slowed a CPU, and where the CPUs' governor is not the one that native had.

    The frequency is the mean over each trial where the kernel tells that, else what was read at
    its end, and the text says which.
    """
    native = about.native.target.name if about.native else None
    mhz: dict[tuple[str, str], dict[str, list[float]]] = {}
    hot: dict[str, int] = defaultdict(int)
    for trial in _counted(trials):
        for how, value in _mhz(trial).items():
            cell = mhz.setdefault((trial.workload, trial.target), {})
            cell.setdefault(how, []).append(value)
        hot[trial.target] += bool(trial.host_load and trial.host_load.thermal)
    for (workload, target), mine in mhz.items():
        base = mhz.get((workload, native or ""), {})
        both = [
            how
            for how in _HOW
            if min(map(len, (mine.get(how, []), base.get(how, [])))) >= LEAST_TRIALS
        ]
        if target == native or not both:
            continue
        how = both[0]
        ours, theirs = median(mine[how]), median(base[how])
        if abs(ours / theirs - 1) <= FLAGGED_SHARE:
            continue
        yield Finding(
            check="frequency",
            outcome=Outcome.FLAGGED,
            target=target,
            workload=workload,
            text=(
                f"the CPUs ran at {ours:.0f} MHz, for native at {theirs:.0f} MHz (medians, "
                f"{_HOW[how]})"
            ),
            figures={"mhz": ours, "native_mhz": theirs},
            severity=abs(ours / theirs - 1),
        )
    yield from _governors(trials, about)
    for target, times in hot.items():
        if times:
            yield Finding(
                check="frequency",
                outcome=Outcome.FLAGGED,
                target=target,
                text=f"heat slowed its CPUs in {times} trials",
                figures={"thermal_trials": float(times)},
            )


def figures(
    trials: Sequence[Trial],
    record: TargetRecord,
    about: About,
) -> Figures | None:
    if not trials:
        return None
    mine = list(_counted(trials))
    seen = [_mhz(trial) for trial in mine]
    by = {how: [each[how] for each in seen if how in each] for how in _HOW}
    heat = [t.host_load.thermal for t in mine if t.host_load and t.host_load.thermal is not None]
    governors = _of_target(mine, record)
    return {
        "mhz_mean": median(by["mean"]) if by["mean"] else None,
        "mhz_at_end": median(by["end"]) if by["end"] else None,
        "governor": ", ".join(governors) or None,
        "thermal": float(sum(heat)) if heat else None,
    }


def _counted(trials: Sequence[Trial]) -> Iterator[Trial]:
    for trial in trials:
        if trial.status is TrialStatus.OK and trial.host_load is not None and not trial.control:
            yield trial


def _mhz(trial: Trial) -> Mapping[str, float]:
    load = trial.host_load
    seen = {"mean": load.mhz_mean, "end": load.mhz} if load is not None else {}
    return {how: value for how, value in seen.items() if value is not None}


def _governors(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    by_target: dict[str, list[Trial]] = defaultdict(list)
    for trial in _counted(trials):
        by_target[trial.target].append(trial)
    base = about.native
    theirs = _of_target(by_target[base.target.name], base) if base else []
    for record in about.targets:
        ours = _of_target(by_target[record.target.name], record)
        if not ours or not theirs or (ours == theirs and len(ours) == 1):
            continue
        mine, native = ", ".join(ours), ", ".join(theirs)
        yield Finding(
            check="frequency",
            outcome=Outcome.FLAGGED,
            target=record.target.name,
            text=(
                f"what chose the frequency of its CPUs (governor) was {mine}, native's {native}: "
                "not the same throughout"
            ),
            figures={"governor": mine, "native_governor": native},
        )


def _of_target(trials: Sequence[Trial], record: TargetRecord) -> list[str]:
    """The governors of the CPUs that a target was pinned to, as its host told during the trials;
    else as it told itself."""
    told = {t.host_load.governor for t in trials if t.host_load and t.host_load.governor}
    if not told and record.fingerprint.settings.governor:
        told = {record.fingerprint.settings.governor}
    return sorted({name.strip() for text in told for name in text.split(",")})
