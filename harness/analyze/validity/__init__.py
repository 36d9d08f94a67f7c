"""Which figures not to believe, and why: one small module a threat, found by its folder.

A check looks at trials and at what the manifest says of the targets, and touches no machine. The
live ones judge each trial as it ends, so that a bad one is known at once; all of them judge again
from the ledger alone, which gives the same answer. A check that finds nothing to object to says
nothing; one that could not look says so in its figures and never "ok" by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol, cast

from harness.model import Run, TargetRecord, Trial, Workload


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


@dataclass(frozen=True, slots=True)
class About:
    """What is known beside the trials: the targets as observed, the workloads by name, and for
    each target how far the two clocks were apart around a program that does nothing (seconds)."""

    targets: Sequence[TargetRecord] = ()
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    calibrations: Mapping[str, Sequence[float]] = field(default_factory=dict)


class Check(Protocol):
    """What the module of a check offers. Its name is the module's."""

    LIVE: bool
    """Whether it can judge a trial by itself, as it ends."""

    def findings(self, trials: Sequence[Trial], about: About) -> Iterator[Finding]: ...


FLAGGED_SHARE = 0.01
REJECTED_SHARE = 0.05


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


def of_trial(trial: Trial, about: About) -> Finding | None:
    """The first reason to reject a trial that ended well; None where there is none."""
    for name in names():
        check = load(name)
        if check.LIVE:
            for finding in check.findings([trial], about):
                if finding.outcome is Outcome.REJECTED:
                    return finding
    return None


def of_runs(runs: Iterable[Run]) -> list[Finding]:
    """Everything that any check objects to in `runs`, from their ledgers alone."""
    found: list[Finding] = []
    for run in runs:
        about = About(
            run.manifest.targets,
            {workload.name: workload for workload in run.manifest.workloads},
            run.calibrations,
        )
        for name in names():
            found += load(name).findings(run.trials, about)
    return found
