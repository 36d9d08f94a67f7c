"""Which figures not to believe, and why: one small module a threat, found by its folder.

A check looks at trials and at what the manifest says of the targets, and touches no machine. The
live ones judge each trial as it ends, so that a bad one is known at once; all of them judge again
from the ledger alone, which gives the same answer. A check that finds nothing to object to says
nothing; one that could not look says so in its figures and never "ok" by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol, cast

from harness.errors import UseError
from harness.model import Probe, Run, TargetRecord, Trial, TrialStatus, Workload


class Outcome(StrEnum):
    """`flagged`: read it with care. `rejected`: the trial does not count. `refused`: the target
    must not be compared."""

    FLAGGED = "flagged"
    REJECTED = "rejected"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check objects to. `figures` are what it judged by; None is "not observable".

    `workload` and `trial` are None where it is about the target as a whole. `suspect` tells
    that the overhead of that workload may be of something else than the backend.
    """

    check: str
    outcome: Outcome
    target: str
    text: str
    figures: Mapping[str, float | str | None]
    workload: str | None = None
    trial: str | None = None
    suspect: bool = False
    accepted: bool = False
    """It would have been rejected or refused; the user overruled the check (`--accept`)."""


@dataclass(frozen=True, slots=True)
class About:
    """What is known beside the trials: the targets as observed, the workloads by name, and for
    each target how far the two clocks were apart around a program that does nothing (seconds)."""

    targets: Sequence[TargetRecord] = ()
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    calibrations: Mapping[str, Sequence[float]] = field(default_factory=dict)
    probes: Sequence[Probe] = ()

    @property
    def native(self) -> TargetRecord | None:
        """The record of the native target; None where none took part."""
        return next((record for record in self.targets if record.target.native), None)


class Check(Protocol):
    """What the module of a check offers. Its name is the module's."""

    LIVE: bool
    """Whether it can judge a trial by itself, as it ends."""

    def findings(self, trials: Sequence[Trial], about: About) -> Iterator[Finding]: ...


FLAGGED_SHARE = 0.01
REJECTED_SHARE = 0.05
LEAST_S = 0.5
"""Kernels count CPU time in hundredths of a second: over less than this they tell no share."""


def graded(share: float) -> Outcome | None:
    """The outcome for a share of a trial's CPU time that was not the program's to use."""
    if share > REJECTED_SHARE:
        return Outcome.REJECTED
    return Outcome.FLAGGED if share > FLAGGED_SHARE else None


def names() -> tuple[str, ...]:
    """The checks there are, sorted."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def load(name: str) -> Check:
    return cast(Check, import_module(f"{__name__}.{name}"))


ACCEPTABLE = ("clock", "foreign_load", "programs", "size", "steal")
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
    for name in names():
        check = load(name)
        if check.LIVE and name not in accepted:
            for finding in check.findings([trial], about):
                if finding.outcome is Outcome.REJECTED:
                    return finding
    return None


def judged_again(run: Run) -> Run:
    """`run` with every trial rejected that a live check rejects, from its ledger alone.

    A trial that was recorded as rejected stays so. Where the checks have become stricter since,
    or the ledger was changed, a figure counts what these checks let through and nothing else.
    """
    about = _about(run)
    reasons: dict[str, str] = {}
    for name in names():
        check = load(name)
        if check.LIVE and name not in run.manifest.accepted:
            for finding in check.findings(run.trials, about):
                if finding.outcome is Outcome.REJECTED and finding.trial is not None:
                    reasons.setdefault(finding.trial, finding.text)
    trials = tuple(
        replace(trial, status=TrialStatus.REJECTED, reason=reasons[trial.id])
        if trial.status is TrialStatus.OK and trial.id in reasons
        else trial
        for trial in run.trials
    )
    return replace(run, trials=trials)


def _about(run: Run) -> About:
    return About(
        run.manifest.targets,
        {workload.name: workload for workload in run.manifest.workloads},
        run.calibrations,
        run.probes,
    )


def of_runs(runs: Iterable[Run]) -> list[Finding]:
    """Everything that any check objects to in `runs`, from their ledgers alone."""
    found: list[Finding] = []
    for run in runs:
        about = _about(run)
        for name in names():
            overruled = name in run.manifest.accepted
            for finding in load(name).findings(run.trials, about):
                found.append(_overruled(finding) if overruled else finding)
    return found


def _overruled(finding: Finding) -> Finding:
    if finding.outcome is Outcome.FLAGGED:
        return finding
    return replace(finding, outcome=Outcome.FLAGGED, suspect=False, accepted=True)
