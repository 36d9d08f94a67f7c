"""Whether the intervals cover a truth that is known: the harness judged by its own method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from harness.analyze.control import wilson
from harness.model import Trial, TrialStatus, Workload


@dataclass(frozen=True, slots=True)
class Coverage:
    """Of `repetitions` intervals for a known slowdown, `covered` held it; `low` and `high` are
    the 95 % Wilson interval of that share, `level` what is promised.

    `truth` and `estimate` are slowdown factors, medians over the repetitions; `half_width` is
    the median half width of the intervals on the log ratio. `lost` repetitions had too few
    blocks with both values for an interval.
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


def coverage(
    name: str,
    trials: Sequence[Trial],
    workload: Workload,
    arms: tuple[str, str],
    truths: Mapping[int, float],
    blocks: int,
    known_to: float = 0.0,
    level: float = 0.95,
) -> Coverage | None:
    """Cut the blocks of a run into repetitions of `blocks` each and judge each one's interval.

    `arms` names the target as it is and the one slowed down; `truths` gives the true slowdown
    factor of each block, known to the relative error `known_to`. Only the workload's first
    metric is judged. None where no repetition has an interval.
    """
    from harness.analyze.estimate import estimate

    metric = workload.metrics[0]
    sign = 1.0 if metric.better == "lower" else -1.0
    values: dict[tuple[str, int], float] = {}
    for trial in trials:
        if trial.status is TrialStatus.OK and trial.workload == workload.name:
            for sample in trial.samples:
                if sample.metric == metric.name:
                    values[trial.target, trial.block] = math.log(sample.value)
    plain, slowed = arms
    groups: dict[int, list[tuple[float, float]]] = {}
    for block, truth in truths.items():
        if (plain, block) in values and (slowed, block) in values:
            d = sign * (values[slowed, block] - values[plain, block])
            groups.setdefault(block // blocks, []).append((d, math.log(truth)))
    made = [
        (estimate([d for d, _ in group], level), sum(t for _, t in group) / len(group))
        for group in groups.values()
    ]
    judged = [
        (e.point, e.low, e.high, t) for e, t in made if e.low is not None and e.high is not None
    ]
    planned = len({block // blocks for block in truths})
    if not judged:
        return None
    slack = math.log1p(known_to)
    covered = sum(low - slack <= t <= high + slack for _, low, high, t in judged)
    low, high = wilson(covered, len(judged))
    return Coverage(
        name=name,
        covered=covered,
        repetitions=len(judged),
        lost=planned - len(judged),
        low=low,
        high=high,
        level=level,
        truth=math.exp(median(t for *_, t in judged)),
        estimate=math.exp(median(point for point, *_ in judged)),
        half_width=median((high - low) / 2 for _, low, high, _ in judged),
    )
