"""What is recorded of a run: what was fixed before it, who took part, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.allocation import Allocated
from harness.model.fingerprint import Fingerprint
from harness.model.plan import Plan
from harness.model.target import Target
from harness.model.trial import Trial
from harness.model.workload import Workload


@dataclass(frozen=True, slots=True)
class TargetRecord:
    """A target that took part: as declared, as observed, and what its programs call themselves.

    `programs` maps a program of the bundle to the version line it printed on this target.
    """

    target: Target
    fingerprint: Fingerprint
    programs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Missing:
    """A declared target that did not take part, and why."""

    target: str
    backend: str
    reason: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A workload that is not run on a target that takes part, and why."""

    workload: str
    target: str
    reason: str


OVER_BUDGET = "the budget does not hold enough blocks of it"
"""The reason of a workload that is left out for time."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The host with no trial on it, just before a block: the share of its targets' CPUs that
    was busy all the same, after waiting `waited_s` seconds for it to fall."""

    block: int
    busy: float
    waited_s: float


@dataclass(frozen=True, slots=True)
class Imported:
    """What a run was imported from: the name of the file or folder, without where it lay, and
    the sha256 of its content."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is fixed before the first trial of a run; written once, never changed.

    `schema` is the version of the run folder's format (manifest and ledger together).
    `planned_s` is the time the plan was expected to take, in seconds.
    """

    schema: int
    run: str
    created_at: str
    baremark: str
    scenario: str
    host: str
    preset: str
    seed: int
    plan: Plan
    planned_s: float
    bundle: str
    targets: tuple[TargetRecord, ...]
    missing: tuple[Missing, ...]
    workloads: tuple[Workload, ...]
    accepted: tuple[str, ...] = ()
    """The checks that the user overruled (`--accept`): what they object to is told, and counts."""
    left_out: tuple[LeftOut, ...] = ()
    """Cells that the plan does not have, such as network workloads where no peer is reached."""
    imported: Imported | None = None
    """Where the figures come from if Baremark did not measure them. There was then no plan, no
    seed, no bundle, no preset and no declared size, and nobody saw the order or the time of a
    trial: the fields that would hold them are empty ("", 0, ()) and mean nothing."""
    by: str = ""
    """Who asked for it: BAREMARK_BY, or the name of the account. "" in older records."""
    releases: str = ""
    """What was provisioned to be compared side by side (`qemu=7.2,10.0`); "" in all other runs."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run read back from its folder.

    `ended` tells how: `complete`, `precise` (every cell is settled), `interrupted`, `budget`,
    `busy` (with other work), `imported`, or None where the record just stops (a kill, a power cut).
    `allocated` is what the rule of its plan, if it has one, chose of each block.
    """

    manifest: Manifest
    trials: tuple[Trial, ...]
    ended: str | None
    used_s: float | None
    probes: tuple[Probe, ...] = ()
    allocated: tuple[Allocated, ...] = ()

    @property
    def planned_trials(self) -> int:
        """How many trials were to be made: all of the plan, or what its rule chose of it."""
        if self.manifest.plan.rule is not None:
            return sum(len(each.choice.positions) for each in self.allocated)
        return sum(len(block.cells) for block in self.manifest.plan.blocks)
