"""Which figures not to believe, and why: one small module a threat, found by its folder.

A check looks at trials and at what the manifest says of the targets, and touches no machine. The
live ones judge each trial as it ends, so that a bad one is known at once; all of them judge again
from the ledger alone, which gives the same answer. Each check comes to one outcome for each
target, with the figures it judged by; where it could not look, that is "not observable" and never
"ok" by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import import_module
from typing import Protocol, cast

from harness.errors import UseError
from harness.model.run import Probe, Run, TargetRecord
from harness.model.trial import CpuTime, Trial, TrialStatus
from harness.model.workload import Workload
from harness.patterns import modules


class Outcome(StrEnum):
    """`ok`: looked at, and nothing to object to. `not observable`: nobody could look. `flagged`:
    read it with care. `rejected`: the trial does not count. `refused`: the target must not be
    compared. From the best to the worst."""

    OK = "ok"
    UNSEEN = "not observable"
    FLAGGED = "flagged"
    REJECTED = "rejected"
    REFUSED = "refused"


Figures = Mapping[str, float | str | None]
"""What a check judged by; None is "not observable"."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check objects to. `figures` are what it judged by, `severity` tells the worst of
    several findings of one check.

    `workload` and `trial` are None where it is about the target as a whole. `suspect` tells
    that the overhead of that workload may be of something else than the backend.
    """

    check: str
    outcome: Outcome
    target: str
    text: str
    figures: Figures
    severity: float = 0.0
    workload: str | None = None
    trial: str | None = None
    suspect: bool = False
    accepted: bool = False
    """It would have been rejected or refused; the user overruled the check (`--accept`)."""
    run: str = field(default="", compare=False)
    """The run of the trial: the trials of several runs have the same names."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a check came to for one target: the worst outcome of its findings, or `ok` with the
    figures that it judged by, or `not observable` with what was missing as `text`."""

    check: str
    outcome: Outcome
    target: str
    text: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class About:
    """What is known beside the trials: the targets as observed, the workloads by name, and how
    busy the host was before each block."""

    targets: Sequence[TargetRecord] = ()
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    probes: Sequence[Probe] = ()

    @property
    def native(self) -> TargetRecord | None:
        """The record of the native target; None where none took part."""
        return next((record for record in self.targets if record.target.native), None)

    def record(self, target: str) -> TargetRecord | None:
        return next((record for record in self.targets if record.target.name == target), None)


class Check(Protocol):
    """What the module of a check offers. Its name is the module's."""

    LIVE: bool
    """Whether it can judge a trial by itself, as it ends: then it has `of_trial`."""

    UNSEEN: str
    """What is missing where it cannot look."""

    def findings(self, trials: Sequence[Trial], about: About) -> Iterator[Finding]:
        """What it objects to in all trials of a run together, beyond what it does in each."""
        ...

    def figures(
        self, trials: Sequence[Trial], record: TargetRecord, about: About
    ) -> Figures | None:
        """What it judges one target by, of whose trials `trials` are all. None: there is nothing
        to judge. Nothing in it but None: it cannot look."""
        ...


class LiveCheck(Check, Protocol):
    """A check that judges a trial by itself, whatever the others are and however it ended."""

    def of_trial(self, trial: Trial, about: About) -> Finding | None: ...


FLAGGED_SHARE = 0.01
REJECTED_SHARE = 0.05
LEAST_S = 0.5
"""Kernels count CPU time in hundredths of a second: over less than this they tell no share."""


def cpu_of(trial: Trial) -> CpuTime | None:
    """What the CPUs that the program could run on did; None where that is not told, and where it
    is too little to tell a share."""
    cpu = trial.cpu
    return cpu if cpu is not None and cpu.total_s >= LEAST_S else None


def graded(share: float) -> Outcome | None:
    """The outcome for a share of a trial's CPU time that was not the program's to use."""
    if share > REJECTED_SHARE:
        return Outcome.REJECTED
    return Outcome.FLAGGED if share > FLAGGED_SHARE else None


def names() -> tuple[str, ...]:
    """The checks there are, sorted."""
    return modules(__path__)


def load(name: str) -> Check:
    return cast(Check, import_module(f"{__name__}.{name}"))


ACCEPTABLE = ("clock", "foreign_load", "memory_settings", "programs", "size", "steal")
"""The checks that may be overruled: their threat can be known to be harmless, or be what one
wants to measure. What a target is, and whether its bytes arrived, is not open to debate."""


def require_acceptable(checks: Iterable[str]) -> tuple[str, ...]:
    """`checks` sorted, each once; UseError where one cannot be overruled."""
    found = tuple(sorted(set(checks)))
    for name in found:
        if name not in ACCEPTABLE:
            known = "there is no such check" if name not in names() else "it cannot be overruled"
            raise UseError(f"--accept {name}: {known}", "choose from: " + ", ".join(ACCEPTABLE))
    return found


def of_trial(trial: Trial, about: About, accepted: Sequence[str] = ()) -> Finding | None:
    """The first reason to reject a trial that ended well; None where there is none."""
    for name, check in _live().items():
        if name not in accepted:
            finding = check.of_trial(trial, about)
            if finding is not None and finding.outcome is Outcome.REJECTED:
                return finding
    return None


def judged_again(run: Run) -> Run:
    """`run` with every trial rejected that a live check rejects, from its ledger alone.

    A trial that was recorded as rejected stays so. Where the checks have become stricter since,
    or the ledger was changed, a figure counts what these checks let through and nothing else.
    """
    return _rejected(run, _one_by_one(run))


def judge(run: Run) -> tuple[Run, tuple[Finding, ...]]:
    """`run` as `judged_again`, and everything that any check objects to in it, from its ledger
    alone. Each check looks once, at each trial and at all together. The findings are sorted by
    check; those about a target as a whole come before those about a trial."""
    one_by_one = _one_by_one(run)
    again = _rejected(run, one_by_one)
    about = _about(run)
    objections: list[Finding] = []
    for name in names():
        together = list(load(name).findings(again.trials, about))
        of_target = [finding for finding in together if finding.trial is None]
        of_trials = [finding for finding in together if finding.trial is not None]
        objections += [*of_target, *one_by_one.get(name, ()), *of_trials]
    told = (replace(finding, run=run.manifest.run) for finding in objections)
    accepted = run.manifest.accepted
    return again, tuple(_overruled(each) if each.check in accepted else each for each in told)


def _live() -> dict[str, LiveCheck]:
    found = ((name, load(name)) for name in names())
    return {name: cast(LiveCheck, check) for name, check in found if check.LIVE}


def _one_by_one(run: Run) -> dict[str, list[Finding]]:
    """What each live check objects to in the trials of `run`, each by itself."""
    about = _about(run)
    return {
        name: [f for trial in run.trials if (f := check.of_trial(trial, about)) is not None]
        for name, check in _live().items()
    }


def _rejected(run: Run, found: Mapping[str, Sequence[Finding]]) -> Run:
    """`run` with those of its trials rejected that a check in `found` rejects and nobody
    overruled."""
    reasons: dict[str, str] = {}
    for name, findings in found.items():
        for finding in findings if name not in run.manifest.accepted else ():
            if finding.outcome is Outcome.REJECTED and finding.trial is not None:
                reasons.setdefault(finding.trial, finding.text)
    trials = tuple(
        replace(trial, status=TrialStatus.REJECTED, reason=reasons[trial.id])
        if trial.status is TrialStatus.OK and trial.id in reasons
        else trial
        for trial in run.trials
    )
    return replace(run, trials=trials)


def of_targets(runs: Iterable[Run], found: Sequence[Finding]) -> list[Judgement]:
    """What each check came to for each target of `runs`, where `found` is what they object to;
    of several runs the worst. Sorted by check and target."""
    order = list(Outcome)
    made: dict[tuple[str, str], Judgement] = {}
    for run in runs:
        about = _about(run)
        trials: dict[str, list[Trial]] = {}
        for trial in run.trials:
            trials.setdefault(trial.target, []).append(trial)
        for name in names():
            check = load(name)
            for record in run.manifest.targets:
                target = record.target.name
                seen = check.figures(trials.get(target, []), record, about)
                if seen is None:
                    continue
                unseen = all(figure is None for figure in seen.values())
                outcome = Outcome.UNSEEN if unseen else Outcome.OK
                mine = Judgement(name, outcome, target, check.UNSEEN if unseen else "", seen)
                known = made.get((name, target))
                if known is None or order.index(known.outcome) < order.index(outcome):
                    made[name, target] = mine
    for each in found:
        known = made.get((each.check, each.target))
        if known is None or order.index(known.outcome) < order.index(each.outcome):
            figures = {**(known.figures if known else {}), **each.figures}
            made[each.check, each.target] = Judgement(
                each.check, each.outcome, each.target, each.text, figures
            )
    return [made[key] for key in sorted(made)]


def _about(run: Run) -> About:
    workloads = {workload.name: workload for workload in run.manifest.workloads}
    return About(run.manifest.targets, workloads, run.probes)


def _overruled(finding: Finding) -> Finding:
    if finding.outcome is Outcome.FLAGGED:
        return finding
    return replace(finding, outcome=Outcome.FLAGGED, suspect=False, accepted=True)
