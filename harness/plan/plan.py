"""The plan: randomized complete blocks with a recorded seed, and the digest of all they fix.

Pure. Each block visits every cell of a host once, in an order of its own (randomized multiple
interleaved trials: Abedi & Brecht, ICPE 2017), and native a second time, so that drift of the
machine falls on all targets alike and the block, not the repeat, is the independent unit.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace

from harness.errors import UseError
from harness.model.plan import SCENARIO_OVERHEAD, Block, Cell, Plan, Preset
from harness.model.target import Host, Target
from harness.model.workload import Workload

PRESETS = {
    preset.name: preset
    for preset in (
        Preset("smoke", blocks=2, seconds=1, max_blocks=2),
        Preset("quick", blocks=6, seconds=2, max_blocks=6),
        Preset("nightly", blocks=10, seconds=5, max_blocks=10),
        Preset("publication", blocks=10, seconds=10, max_blocks=30, to_precision=True),
    )
}

MAX_BLOCKS = 30
"""Where a precision is asked for and not reached, the run ends here unless told otherwise."""

TRIAL_COST_S = 0.5
"""Expected time of a trial beyond the seconds asked of its program: the program's own start, the
laying out of its memory, its report. Only the announced time depends on it, no result does."""


def preset(name: str) -> Preset:
    """The preset of that name; `UseError` names the others."""
    try:
        return PRESETS[name]
    except KeyError:
        raise UseError(f"no preset {name!r}", "choose from: " + ", ".join(PRESETS)) from None


def make(
    host: Host,
    workloads: Sequence[Workload],
    chosen: Preset,
    seed: int,
    *,
    blocks: int | None = None,
    without: Collection[tuple[str, str]] = (),
) -> Plan:
    """The plan of one host: `blocks` (the preset's number by default) complete blocks.

    `without` names the cells, as (workload, target), that cannot be run there.
    The same arguments give the same plan on every machine and Python version: the shuffle is
    our own over `random.Random(seed).random`, whose sequence Python guarantees.
    """
    number = chosen.max_blocks if blocks is None else blocks
    cells = [
        Cell(workload.name, target.name)
        for workload in workloads
        for target in host.targets
        if (workload.name, target.name) not in without
    ]
    if not cells:
        raise UseError(
            f"nothing to measure on {host.name}: no workload or no target is chosen",
            "widen --workload or --target",
        )
    cells += [replace(cell, control=True) for cell in cells if cell.target == host.native.name]
    random_unit = random.Random(seed).random  # noqa: S311 - an order, not a secret
    planned = tuple(Block(index, _shuffled(cells, random_unit)) for index in range(number))
    seconds = {
        workload.name: workload.seconds.get(chosen.name, chosen.seconds) for workload in workloads
    }
    return Plan(
        scenario=SCENARIO_OVERHEAD,
        host=host.name,
        preset=chosen.name,
        seed=seed,
        blocks=planned,
        seconds=seconds,
        digest=digest_of(host.targets, workloads, seconds, planned),
    )


def expected_s(plan: Plan, blocks: int | None = None) -> float:
    """Seconds that the first `blocks` blocks (all by default) are expected to take."""
    counted = plan.blocks if blocks is None else plan.blocks[:blocks]
    return sum(
        plan.seconds[cell.workload] + TRIAL_COST_S for block in counted for cell in block.cells
    )


def blocks_within(plan: Plan, budget_s: float) -> int:
    """How many whole blocks the budget is expected to allow; at least one, or `UseError`."""
    one = expected_s(plan, 1)
    number = math.floor(budget_s / one)
    if number < 1:
        raise UseError(
            f"a budget of {budget_s:.0f} s does not hold one block of {plan.host}: "
            f"{len(plan.blocks[0].cells)} trials, about {one:.0f} s",
            "raise --budget, or choose fewer workloads (-w) or targets (-t)",
        )
    return min(number, len(plan.blocks))


def _shuffled(cells: Sequence[Cell], random_unit: Callable[[], float]) -> tuple[Cell, ...]:
    order = list(cells)
    for last in range(len(order) - 1, 0, -1):
        other = int(random_unit() * (last + 1))
        order[last], order[other] = order[other], order[last]
    return tuple(order)


def digest_of(
    targets: Sequence[Target],
    workloads: Sequence[Workload],
    seconds: Mapping[str, float],
    blocks: Sequence[Block],
) -> str:
    """The sha256 of all that a plan fixes, in hexadecimal. A whole number of seconds counts as one,
    whether a file says 2 or 2.0."""
    fixed = {
        "scenario": SCENARIO_OVERHEAD,
        "targets": [asdict(target) for target in targets],
        "workloads": [_whole(asdict(workload)) for workload in workloads],
        "seconds": _whole(dict(seconds)),
        "blocks": [
            [[cell.workload, cell.target, cell.control] for cell in block.cells] for block in blocks
        ],
    }
    text = json.dumps(fixed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _whole(value: object) -> object:
    """`value` with 2 for 2.0, however deep."""
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
