"""The plan: randomized complete blocks with a recorded seed, and the digest of all they fix.

Pure. Each block visits every cell of a host once, in an order of its own (randomized multiple
interleaved trials: Abedi & Brecht, ICPE 2017), and native a second time, so that drift of the
machine falls on all targets alike and the block, not the repeat, is the independent unit.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import zip_longest

from harness import tools
from harness.errors import UseError
from harness.model.allocation import Rule
from harness.model.plan import SCENARIO_OVERHEAD, Block, Cell, Plan, Preset
from harness.model.target import Host, Target
from harness.model.workload import Workload
from harness.plan.lengths import Lengths

PRESETS = {
    preset.name: preset
    for preset in (
        Preset("smoke", blocks=2, seconds=1, max_blocks=2),
        Preset("quick", 8, 1, 30, to_precision=True, budget_s=300),
        Preset("nightly", 8, 1, 30, to_precision=True, budget_s=1200),
        Preset("publication", 10, 5, 30, to_precision=True, budget_s=7200),
    )
}

FEWEST_BLOCKS = 6
"""Fewer have no interval at 95 %: a budget is not spread over more workloads than it holds so many
blocks of."""

MAX_BLOCKS = 30
"""Where a precision is asked for and not reached, the run ends here unless told otherwise."""

TRIAL_COST_S = 0.5
"""Expected time of a trial beyond the seconds asked of its program (its start, the laying out of
its memory, its report) where its tool's reader has no `START_S`. The announced time depends on it,
and which workloads a budget is expected to hold; no result does."""


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
    rule: Rule | None = None,
    lengths: Lengths | None = None,
) -> Plan:
    """The plan of one host: `blocks` (the preset's number by default) complete blocks, of which
    `rule` chooses. Where `lengths` has the seconds of a workload, they count.

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
    pilot = ""
    if lengths is not None:
        lengths.require(host.name, seconds)
        seconds |= {name: of for name, of in lengths.seconds.items() if name in seconds}
        pilot = lengths.pilot
    return Plan(
        scenario=SCENARIO_OVERHEAD,
        host=host.name,
        preset=chosen.name,
        seed=seed,
        blocks=planned,
        seconds=seconds,
        digest=digest_of(host.targets, workloads, seconds, planned, rule, pilot),
        rule=rule,
        pilot=pilot,
    )


def trial_s(workload: Workload, seconds: float) -> float:
    """Seconds that a trial is expected to take in which `seconds` are asked of its program."""
    return seconds + float(getattr(tools.load(workload.tool), "START_S", TRIAL_COST_S))


def expected_s(plan: Plan, blocks: int | None = None) -> float:
    """Seconds that the first `blocks` blocks (all by default) are expected to take at most."""
    counted = plan.blocks if blocks is None else plan.blocks[:blocks]
    whole_s = sum(
        plan.seconds[cell.workload] + TRIAL_COST_S for block in counted for cell in block.cells
    )
    budget_s = plan.rule.budget_s if plan.rule else None
    return whole_s if budget_s is None else min(whole_s, budget_s)


def within(made: Plan, workloads: Sequence[Workload], budget_s: float) -> tuple[str, ...]:
    """Which workloads a budget holds `FEWEST_BLOCKS` blocks of (or as many as the plan has): in
    the order of its rule, as long as they fit, and the first in any case.

    `UseError` where it does not even hold one block of that.
    """
    named = {each.name: each for each in workloads}
    cost_s: dict[str, float] = defaultdict(float)
    for cell in made.blocks[0].cells:
        cost_s[cell.workload] += trial_s(named[cell.workload], made.seconds[cell.workload])
    left_s = budget_s
    held: list[str] = []
    order = made.rule.order if made.rule else ()
    for name in in_turn([each for each in workloads if each.name in cost_s], order):
        needed_s = min(FEWEST_BLOCKS, len(made.blocks)) * cost_s[name]
        if not held and cost_s[name] > budget_s:
            raise UseError(
                f"a budget of {budget_s:.0f} s does not hold one block of {made.host}: "
                f"about {cost_s[name]:.0f} s for {name} alone",
                "raise --budget, or choose fewer targets (-t)",
            )
        if not held or needed_s <= left_s:
            held.append(name)
            left_s -= needed_s
    return tuple(held)


def in_turn(workloads: Sequence[Workload], order: Sequence[str] = ()) -> Iterator[str]:
    """Their names, as `order` has them; then those that it does not name: the first of each
    resource, the second of each, and so on, in a resource those that cost least first."""
    names = {each.name for each in workloads}
    yield from (name for name in order if name in names)
    resources: dict[str, list[str]] = defaultdict(list)
    for each in sorted(workloads, key=lambda each: trial_s(each, 0)):
        if each.name not in order:
            resources[each.resource].append(each.name)
    yield from (name for turn in zip_longest(*resources.values()) for name in turn if name)


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
    rule: Rule | None = None,
    pilot: str = "",
) -> str:
    """The sha256 of all that a plan fixes, in hexadecimal. A whole number of seconds counts as one,
    whether a file says 2 or 2.0."""
    fixed: dict[str, object] = {
        "scenario": SCENARIO_OVERHEAD,
        "targets": [asdict(target) for target in targets],
        "workloads": [_whole(asdict(workload)) for workload in workloads],
        "seconds": _whole(dict(seconds)),
        "blocks": [
            [[cell.workload, cell.target, cell.control] for cell in block.cells] for block in blocks
        ],
    }
    if rule is not None:
        stated = asdict(rule)
        if not rule.order:  # plans of version 1 of the rule had none
            del stated["order"]
        fixed["rule"] = _whole(stated)
    if pilot:
        fixed["pilot"] = pilot
    text = json.dumps(fixed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _whole(value: object) -> object:
    """`value` with 2 for 2.0, however deep."""
    if isinstance(value, dict):
        return {key: _whole(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
