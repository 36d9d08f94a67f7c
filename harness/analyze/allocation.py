"""Where the time of a run goes: which cells of its next block are run, by plan and ledger alone.

A cell (workload × target) is settled once its verdict is decided, and gets no more trials; native
is in every block of every open workload, and a trial that gave no value is made up by a later
block, since a cell's n counts its pairs. Looking at every block is optional stopping: the rule as
it stands here is simulated as a whole, and docs/statistics.md has what came out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from statistics import fmean, stdev
from typing import TYPE_CHECKING

from harness.model.allocation import Choice, Rule
from harness.model.plan import Cell, Plan
from harness.model.run import Manifest
from harness.model.trial import Trial, TrialStatus
from harness.model.workload import Workload
from harness.plan.plan import FEWEST_BLOCKS, in_turn, trial_s

if TYPE_CHECKING:
    from harness.analyze.statistics.estimate import Floats, Ints

TENTH = 0.1
"""An overhead is known well enough where the half width of its interval is under this share of it,
or under δ: one of 17 times need not be known to 1 %."""
CLEAR = 0.5
"""It is called different only where the half width is under this share of it. The first look at
which an interval just excludes 0 is often one by chance: stopped there, the intervals of equal
targets covered .91 in place of .96 (docs/statistics.md)."""
_HALF_WIDTH = 2.0
"""Half width of a 95 % interval, in s_d/√n; what is predicted by it decides an order only."""
_TOST = 1.7
"""The same for the 90 % interval that must lie within ±δ."""

_Key = tuple[str, str]


def whole(plan: Plan, block: int) -> Choice:
    """All of block number `block`, or that there is none left."""
    if block >= len(plan.blocks):
        return Choice((), "complete")
    return Choice(tuple(range(len(plan.blocks[block].cells))))


def choose(manifest: Manifest, block: int, trials: Sequence[Trial], spent_s: float) -> Choice:
    """What is run of block number `block`, by the trials of the blocks before it.

    `spent_s` are the seconds that the run has taken. Trials of later blocks are not looked at, so
    that every choice of a run can be made again.
    """
    plan, rule = manifest.plan, manifest.plan.rule
    if rule is None or block >= len(plan.blocks):
        return whole(plan, block)
    cells = plan.blocks[block].cells
    earlier = [trial for trial in trials if trial.block < block]
    wanted = _open(manifest, rule, earlier)
    if block < rule.least:
        chosen = set(map(_key, cells))
    elif not wanted:
        return Choice((), "precise")
    else:
        chosen = set(wanted)
    if rule.budget_s is not None:
        left_s, costs = rule.budget_s - spent_s, _Costs(manifest, earlier)
        if block >= rule.least:
            chosen = _affordable(wanted, costs, left_s)
        else:
            chosen = _held(manifest, earlier, costs, left_s, block)
        if costs.block_s(chosen) > left_s:
            return Choice((), "budget")
    workloads = {workload for workload, _ in chosen}
    return Choice(
        tuple(
            at
            for at, cell in enumerate(cells)
            if _key(cell) in chosen or (cell.target == manifest.host and cell.workload in workloads)
        )
    )


def open_cells(manifest: Manifest, trials: Sequence[Trial]) -> list[_Key]:
    """The (workload, target) whose verdict is not decided yet, though more blocks might; none
    where the run has no rule that settles any."""
    rule = manifest.plan.rule
    if rule is None or not rule.precision:
        return []
    return sorted(_open(manifest, replace(rule, together=False), trials))


def hopeless(
    manifest: Manifest,
    trials: Sequence[Trial],
    made: Sequence[Trial],
    spent_s: float,
    sitting_s: float,
) -> bool:
    """Whether most cells of the last block would have no interval at the end of the run, if checks
    went on to reject as many of its trials as of those `made` in this sitting, and that is why:
    they would have one if none were rejected, or most trials are.

    `spent_s` are the seconds that all `trials` took, `sitting_s` those of `made`.
    """
    plan, rule = manifest.plan, manifest.plan.rule
    blocks = len({trial.block for trial in made})
    lost = [trial for trial in made if trial.status is not TrialStatus.OK]
    rejected = sum(trial.status is TrialStatus.REJECTED for trial in lost)
    if rule is None or 2 * rejected <= len(lost) or len(plan.blocks) < FEWEST_BLOCKS:
        return False
    last = max(trial.block for trial in made)
    left = float(len(plan.blocks) - 1 - last)
    if rule.budget_s is not None:
        left = min(left, max(0.0, rule.budget_s - spent_s) * blocks / sitting_s)
    pairs = log_ratios(trials, manifest.workloads, manifest.host)
    lately = log_ratios(made, manifest.workloads, manifest.host)
    tried = {
        (trial.workload, trial.target)
        for trial in made
        if trial.block == last and trial.target != manifest.host
    }
    without = sum(
        len(pairs.get(key, ())) + left * len(lately.get(key, ())) / blocks < FEWEST_BLOCKS
        for key in tried
    )
    why = last + 1 + left >= FEWEST_BLOCKS or 2 * rejected > len(made)
    return why and 2 * without > len(tried)


def settled(d: Floats, sizes: Ints, margins: Floats) -> list[bool]:
    """Whether each group of log ratios is settled: `d` and `sizes` as `estimate_groups` takes
    them, `margins` is ln(1 + δ) of each.

    Equivalent, or clear of 0 (`CLEAR`) and known to the larger of δ and a tenth.
    """
    import numpy as np

    from harness.analyze.statistics.estimate import estimate_groups

    found = estimate_groups(d, sizes, 0.95, margins)
    half, far = (found.high - found.low) / 2, np.abs(found.point)
    known = (half < np.maximum(margins, TENTH * far)) & (half <= CLEAR * far)
    over = np.isfinite(half) & ((found.p_margin <= 0.05 * (1 + 1e-12)) | known)
    return [bool(each) for each in over]


def log_ratios(
    trials: Iterable[Trial], workloads: Iterable[Workload], native: str
) -> dict[_Key, list[float]]:
    """Of each (workload, target) what its blocks say against native, as `blocks.pairs` has it: the
    headline metric, without its sign."""
    metric = {workload.name: workload.metrics[0].name for workload in workloads}
    values: dict[tuple[str, str, bool, int], list[float]] = defaultdict(list)
    for trial in trials:
        if trial.status is TrialStatus.OK:
            values[trial.workload, trial.target, trial.control, trial.block] += [
                sample.value for sample in trial.samples if sample.metric == metric[trial.workload]
            ]
    logs: dict[tuple[str, str, int], list[float]] = defaultdict(list)
    for (workload, target, _, block), of_trial in values.items():
        if of_trial and (value := fmean(of_trial)) > 0:
            logs[workload, target, block].append(math.log(value))
    found: dict[_Key, list[float]] = defaultdict(list)
    for (workload, target, block), (mine, *_) in logs.items():
        base = logs.get((workload, native, block))
        if target != native and base is not None:
            found[workload, target].append(mine - fmean(base))
    return found


def _open(manifest: Manifest, rule: Rule, trials: Sequence[Trial]) -> dict[_Key, int]:
    """The cells that are compared with native and not settled, with how many more blocks each is
    expected to take. One whose last tries all gave nothing is not open: more would not help."""
    import numpy as np

    resources = {each.name: str(each.resource) for each in manifest.workloads}
    elsewhere = {each.target.name for each in manifest.targets if each.target.elsewhere}
    d = log_ratios(trials, manifest.workloads, manifest.host)
    ok: dict[_Key, list[bool]] = defaultdict(list)
    for trial in trials:
        ok[trial.workload, trial.target].append(trial.status is TrialStatus.OK)
    compared = [
        key
        for key in dict.fromkeys(map(_key, manifest.plan.blocks[0].cells))
        if key[1] != manifest.host
        and (
            len(ok[key]) < rule.least
            or (d[key] and any(ok[key][-rule.least :]) and key[1] not in elsewhere)
        )
    ]
    margin = {key: math.log1p(rule.precision.get(resources[key[0]], 0.0)) for key in compared}
    judged = [key for key in compared if len(d[key]) >= rule.least]
    done = settled(
        np.array([value for key in judged for value in d[key]], dtype=np.float64),
        np.array([len(d[key]) for key in judged], dtype=np.int64),
        np.array([margin[key] for key in judged], dtype=np.float64),
    )
    left = set(compared) - {key for key, over in zip(judged, done, strict=True) if over}
    if rule.together:
        left = {key for key in compared if key[0] in {workload for workload, _ in left}}
    return {key: _expected(d[key], margin[key], rule.least) for key in compared if key in left}


def _expected(d: Sequence[float], margin: float, least: int) -> int:
    """How many more blocks until a cell is settled, by its deviation and by how far its interval
    is from a decision: different, or equivalent."""
    spread, far = (stdev(d), abs(fmean(d))) if len(d) > 1 else (0.0, 0.0)
    reach = min(max(margin, TENTH * far), CLEAR * far)
    ways = [_HALF_WIDTH * spread / reach] if reach > 0 else []
    ways += [_TOST * spread / (margin - far)] if far < margin else []
    needed = max(least, math.ceil(min(ways, default=0.0) ** 2))
    return max(1, needed - len(d))


def _key(cell: Cell) -> _Key:
    return cell.workload, cell.target


class _Costs:
    """Seconds of a trial of each cell: the mean of those made, before them what was planned."""

    def __init__(self, manifest: Manifest, trials: Iterable[Trial]) -> None:
        self._native = manifest.host
        self._planned = {
            each.name: trial_s(each, manifest.plan.seconds[each.name])
            for each in manifest.workloads
            if each.name in manifest.plan.seconds
        }
        self._cells = manifest.plan.blocks[0].cells
        self._made: dict[_Key, list[float]] = defaultdict(list)
        for trial in trials:
            if trial.controller_s is not None:
                self._made[trial.workload, trial.target].append(trial.controller_s)

    def trial_s(self, workload: str, target: str) -> float:
        """Of one trial."""
        made = self._made.get((workload, target))
        return fmean(made) if made else self._planned[workload]

    def native_s(self, workload: str) -> float:
        """Of native's trials of a workload in one block."""
        number = sum(
            cell.workload == workload and cell.target == self._native for cell in self._cells
        )
        return number * self.trial_s(workload, self._native)

    def block_s(self, chosen: Collection[_Key]) -> float:
        """Of one block of the `chosen` cells."""
        own = sum(self.trial_s(*key) for key in chosen if key[1] != self._native)
        return own + sum(self.native_s(workload) for workload in {key[0] for key in chosen})


def _held(
    manifest: Manifest, earlier: Sequence[Trial], costs: _Costs, left_s: float, block: int
) -> set[_Key]:
    """The cells of those workloads of the last block of which the time that is left holds as many
    blocks as an interval needs: in the order of the rule, and the first in any case."""
    cells = {_key(cell) for cell in manifest.plan.blocks[block].cells}
    going = {trial.workload for trial in earlier if trial.block == block - 1}
    chosen: set[_Key] = set()
    order = manifest.plan.rule.order if manifest.plan.rule else ()
    for name in in_turn(manifest.workloads, order):
        mine = {key for key in cells if key[0] == name and (block == 0 or name in going)}
        needed_s = max(1, FEWEST_BLOCKS - block) * costs.block_s(mine)
        if mine and (not chosen or needed_s <= left_s):
            chosen |= mine
            left_s -= needed_s
    return chosen


def _affordable(wanted: Mapping[_Key, int], costs: _Costs, left_s: float) -> set[_Key]:
    """Of the cells that `wanted` so many more blocks the cheapest to settle, as many as are
    expected to be settled in the time that is left; at least the cheapest."""
    sharing = {of: sum(of == workload for workload, _ in wanted) for of, _ in wanted}

    def cost_s(key: _Key) -> float:
        return wanted[key] * (costs.trial_s(*key) + costs.native_s(key[0]) / sharing[key[0]])

    chosen: set[_Key] = set()
    needed_s = 0.0
    native: dict[str, int] = defaultdict(int)
    for key in sorted(wanted, key=lambda each: (cost_s(each), each)):
        more = max(0, wanted[key] - native[key[0]])
        needed_s += wanted[key] * costs.trial_s(*key) + more * costs.native_s(key[0])
        if chosen and needed_s > left_s:
            break
        chosen.add(key)
        native[key[0]] += more
    return chosen
