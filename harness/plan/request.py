"""What is asked of a measurement, and how far it may go."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import UseError
from harness.model.allocation import Rule
from harness.model.plan import Preset
from harness.model.workload import Resource, Workload
from harness.plan import plan
from harness.plan.lengths import Lengths

PRECISION = {
    Resource.CPU: 0.01,
    Resource.MEMORY: 0.01,
    Resource.KERNEL: 0.01,
    Resource.DISK: 0.03,
    Resource.NETWORK: 0.03,
}
"""δ: what lies within is equivalent, and an interval on the log ratio is narrow enough when its
half width is under ln(1 + δ)."""

LEAST_BLOCKS = 8
LIMIT_SLACK_S = 60.0
"""A program may take this factor of the seconds asked of it, and this much more, to its end."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure: on all hosts alike."""

    preset: Preset
    workloads: tuple[Workload, ...]
    seed: int | None = None
    budget_s: float | None = None
    precision: float | None = None
    """δ for every resource in place of the preset's own; asks for precision of any preset."""
    max_blocks: int | None = None
    accepted: tuple[str, ...] = ()
    """Checks whose objections count for nothing (`--accept`)."""
    releases: str = ""
    """The releases that the targets stand for, as `--releases` names them."""
    limit_slack_s: float = LIMIT_SLACK_S
    wait_quiet_s: float = 0.0
    """How long to wait, over the whole run, for the machine to fall quiet."""
    order: tuple[str, ...] = ()
    """Names of workloads: those that a budget keeps first."""
    lengths: Lengths | None = None
    """The seconds of a trial that a pilot chose, in place of the preset's."""


def rule_of(request: Request) -> Rule | None:
    """By which rule the cells of each block are chosen; None where every one is run."""
    preset = request.preset
    budget_s = preset.budget_s if request.budget_s is None else request.budget_s
    asked = {workload.name for workload in request.workloads}
    order = tuple(name for name in request.order if name in asked)
    if request.precision is None and not preset.to_precision:
        most = min(preset.max_blocks, request.max_blocks or preset.max_blocks)
        return None if budget_s is None else Rule({}, most, budget_s, order=order)
    wanted = {str(resource): request.precision or own for resource, own in PRECISION.items()}
    least = preset.blocks if preset.to_precision else LEAST_BLOCKS
    return Rule(wanted, least, budget_s, together=bool(request.releases), order=order)


def most_blocks(request: Request) -> int:
    """The cap: of the preset, of a run to a precision, or a lower one of the user's.

    Raises `UseError` for one under the blocks before which the precision that was asked for is not
    looked for.
    """
    preset, rule, most = request.preset, rule_of(request), request.max_blocks
    settles = rule is not None and bool(rule.precision)
    if most is None:
        return plan.MAX_BLOCKS if settles else preset.max_blocks
    if rule is not None and request.precision is not None and most < rule.least:
        raise UseError(
            f"--max-blocks {most} is under the {rule.least} blocks before which no precision is "
            "looked for",
            f"give at least {rule.least}, or ask for no precision",
        )
    return most if settles else min(preset.max_blocks, most)
