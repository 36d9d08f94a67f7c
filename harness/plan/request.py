"""What is asked of a measurement, and how far it may go."""

from __future__ import annotations

from dataclasses import dataclass

from harness.errors import UseError
from harness.model.plan import Preset
from harness.model.workload import Resource, Workload
from harness.plan import plan

PRECISION = {
    Resource.CPU: 0.01,
    Resource.MEMORY: 0.01,
    Resource.KERNEL: 0.01,
    Resource.DISK: 0.03,
    Resource.NETWORK: 0.03,
}
"""δ: an interval on the log ratio is narrow enough when its half width is under ln(1 + δ)."""

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


def precision_of(request: Request) -> tuple[dict[str, float], int]:
    """δ by resource and the least number of blocks; nothing where no precision is asked for."""
    if request.precision is None and not request.preset.to_precision:
        return {}, 0
    wanted = {str(resource): request.precision or own for resource, own in PRECISION.items()}
    least = request.preset.blocks if request.preset.to_precision else LEAST_BLOCKS
    return wanted, least


def most_blocks(request: Request, least: int) -> int:
    """The cap: of the preset, of a run to a precision, or a lower one of the user's.

    `least` is the number of blocks before which no precision is looked for, 0 where none is
    asked for. Raises `UseError` for a cap under it.
    """
    most = request.preset.max_blocks if least == 0 else plan.MAX_BLOCKS
    if request.max_blocks is None:
        return most
    if request.max_blocks < least:
        raise UseError(
            f"--max-blocks {request.max_blocks} is under the {least} blocks before which no "
            "precision is looked for",
            f"give at least {least}, or ask for no precision",
        )
    return request.max_blocks if least else min(most, request.max_blocks)
