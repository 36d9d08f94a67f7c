"""Whether the intervals cover a truth that is known: the harness judged by its own method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from harness.analyze.control import wilson
from harness.model.trial import Trial, TrialStatus
from harness.model.workload import Workload


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of `repetitions` intervals for a known slowdown, `covered` held it; `low` and `high` are
    the 95 % Wilson interval of that share, `level` what is promised.

    `truth` and `estimate` are slowdown factors, medians over the repetitions; `half_width` is
    the median half width of the intervals on the log ratio. For `lost` of the repetitions asked
    for there were not enough blocks with both values.
    """

    name: str
    covered: int
    repetitions: int
    lost: int
    low: float
    high: float
    level: float
    truth: float
    estimate: float
    half_width: float

    @property
    def kept(self) -> bool:
        """False where even the upper bound of the coverage is under what is promised."""
        return self.high >= self.level


def pairs(
    trials: Sequence[Trial], workload: Workload, arms: tuple[str, str]
) -> dict[int, tuple[float, float]]:
    """By block, the values of the workload's first metric on both `arms`: the target as it is and
    the one slowed down. A block in which either has none is left out."""
    name = workload.metrics[0].name
    values: dict[tuple[str, int], float] = {}
    for trial in trials:
        if trial.status is TrialStatus.OK and trial.workload == workload.name:
            for sample in trial.samples:
                if sample.metric == name:
                    values[trial.target, trial.block] = sample.value
    plain, slowed = arms
    blocks = sorted({block for _, block in values})
    return {
        block: (values[plain, block], values[slowed, block])
        for block in blocks
        if (plain, block) in values and (slowed, block) in values
    }


def coverage(
    name: str,
    found: Mapping[int, tuple[float, float]],
    workload: Workload,
    truths: Mapping[int, float],
    asked: tuple[int, int],
    known_to: float = 0.0,
    level: float = 0.95,
) -> Coverage | None:
    """Cut the `pairs` that were found into repetitions and judge each one's interval.

    `asked` is how many repetitions of how many blocks: each takes the next blocks that have both
    values, so that a block lost to a rejected trial costs a block and no repetition. `truths`
    gives the true slowdown factor of each block, known to the relative error `known_to`; a block
    without one is left out. None where no repetition is whole.
    """
    from harness.analyze.statistics.estimate import estimate

    repetitions, blocks = asked
    sign = 1.0 if workload.metrics[0].better == "lower" else -1.0
    usable = [
        (sign * (math.log(slowed) - math.log(plain)), math.log(truths[block]))
        for block, (plain, slowed) in sorted(found.items())
        if block in truths
    ]
    whole = min(repetitions, len(usable) // blocks)
    groups = [usable[at * blocks : (at + 1) * blocks] for at in range(whole)]
    made = [
        (estimate([d for d, _ in group], level), sum(t for _, t in group) / len(group))
        for group in groups
    ]
    judged = [
        (e.point, e.low, e.high, t) for e, t in made if e.low is not None and e.high is not None
    ]
    if not judged:
        return None
    slack = math.log1p(known_to)
    covered = sum(low - slack <= t <= high + slack for _, low, high, t in judged)
    low, high = wilson(covered, len(judged))
    return Coverage(
        name=name,
        covered=covered,
        repetitions=len(judged),
        lost=repetitions - len(judged),
        low=low,
        high=high,
        level=level,
        truth=math.exp(median(t for *_, t in judged)),
        estimate=math.exp(median(point for point, *_ in judged)),
        half_width=median((high - low) / 2 for _, low, high, _ in judged),
    )
