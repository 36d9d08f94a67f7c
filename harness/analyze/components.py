"""How long a trial should be, by the variances that a pilot measured: within a trial and between.

A pilot tries each workload in every block at two lengths, and at each the variance of the log
ratios over the blocks is s²(t) = between + within/t: what lies within a trial is averaged over its
seconds, what lies between trials is not. A block of a workload takes `start` + `rate`·t seconds, so
the time to a given precision is proportional to (start + rate·t)·(between + within/t), which is
least at t = √(start·within/(rate·between)) (Kalibera & Jones, ISMM 2013, section on dimensioning).

Variances of a few blocks are hardly known, so the choice is made over all that the pilot leaves
possible: each share that `between` may have of the variance at the shorter length is weighed by how
likely it makes the two variances that were seen (of normal noise, whatever its size; before that
each share is as likely as any other), and the seconds are those whose time is least in the mean of
its logarithm. With several targets each counts alike, however noisy it is.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median, variance
from typing import TYPE_CHECKING

from harness.model.run import Run
from harness.model.trial import Trial, TrialStatus
from harness.model.workload import Workload

if TYPE_CHECKING:
    from harness.analyze.statistics.estimate import Floats

PRESET = "pilot"
FEWEST = 4
"""Log ratios of a target at each length; of fewer no variance is estimated."""
ITSELF = ""
"""In place of a target: native's two trials of a block, where nothing else was measured."""
_OF_PAIR = 0.75
"""Var(target − mean of native's two) is 1.5 of a trial's variance where both are alike, that of the
difference of native's two trials is 2 of it."""
_SHARES = 200
_DRAWS = 4000
"""Of the shares of several targets together, to say between which seconds the best lies."""
_RANGE = (5.0, 95.0)


@dataclass(frozen=True, slots=True)
class Component:
    """Standard deviations of the log ratio of a target in a block: `between` trials, and `within`
    a trial of one second. `n` counts log ratios at the shorter and at the longer length."""

    target: str
    between: float
    within: float
    n: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Length:
    """The seconds of a trial of a workload, between the two `tried`.

    `low` and `high` enclose the best of nine tenths of what the pilot leaves possible; `gain` is
    the expected time to a given precision, as a share of that with the shorter of those tried.
    `start_s` is what a trial takes beside its seconds, `rate` what it takes for each. Where
    `reason` says why nothing could be estimated, `seconds` is the shorter and means nothing.
    """

    workload: str
    tried: tuple[int, int]
    start_s: float
    rate: float
    components: tuple[Component, ...]
    seconds: int
    low: int
    high: int
    gain: float
    reason: str = ""

    @property
    def open(self) -> bool:
        """Whether the pilot leaves it open: either length that was tried may be the best."""
        return (self.low, self.high) == self.tried


def variants(workload: Workload, lengths: tuple[int, int]) -> tuple[Workload, Workload]:
    """The workload at two lengths, each a workload of the pilot. Where its file asks for more
    seconds in a preset, both are longer by as much."""
    least = max(1.0, min(workload.seconds.values(), default=0) / lengths[0])
    short, long = (
        replace(workload, name=f"{workload.name}-{seconds}s", seconds={PRESET: seconds})
        for seconds in (math.ceil(least * length) for length in lengths)
    )
    return short, long


def lengths(run: Run) -> tuple[Length, ...]:
    """What a pilot's run says of each workload, in the order of its manifest."""
    asked = run.manifest.plan.seconds
    tried: dict[str, dict[int, Workload]] = defaultdict(dict)
    for each in run.manifest.workloads:
        if each.name in asked:
            seconds = int(asked[each.name])
            tried[each.name.removesuffix(f"-{seconds}s")][seconds] = each
    trials = [trial for trial in run.trials if trial.status is TrialStatus.OK]
    return tuple(
        _length(
            name, both, [t for t in trials if t.workload in {w.name for w in both.values()}], run
        )
        for name, both in tried.items()
        if len(both) == 2
    )


def _length(name: str, both: Mapping[int, Workload], trials: Sequence[Trial], run: Run) -> Length:
    short, long = sorted(both)
    at = {seconds: [t for t in trials if t.workload == both[seconds].name] for seconds in both}
    nothing = Length(name, (short, long), math.nan, math.nan, (), short, short, long, 1.0)
    if not at[short] or not at[long]:
        return replace(nothing, reason="no trial gave a value")
    took = {seconds: _mean_time(at[seconds]) for seconds in both}
    rate = (took[long] - took[short]) / (long - short)
    if rate <= 0:
        return replace(nothing, reason="longer trials took no longer")
    start_s = max(0.0, took[short] - rate * short)
    nothing = replace(nothing, start_s=start_s, rate=rate)
    native = run.manifest.host
    d = {seconds: _ratios(at[seconds], both[seconds], native) for seconds in both}
    seen = {target: (d[short].get(target, []), d[long].get(target, [])) for target in d[short]}
    others = {target: pair for target, pair in seen.items() if target != ITSELF}
    groups = {
        target: pair
        for target, pair in (others or seen).items()
        if min(map(len, pair)) >= FEWEST and all(len({*values}) > 1 for values in pair)
    }
    if not groups:
        return replace(nothing, reason="too few values that differ")
    return _chosen(nothing, groups)


def _mean_time(trials: Sequence[Trial]) -> float:
    """Seconds of a trial, the mean over the arms of the median of each."""
    arms: dict[str, list[float]] = defaultdict(list)
    for trial in trials:
        if trial.controller_s is not None:
            arms[trial.arm].append(trial.controller_s)
    return fmean(map(median, arms.values()))


def _ratios(trials: Sequence[Trial], workload: Workload, native: str) -> dict[str, list[float]]:
    """The log ratios of each target to native, a block each; of native's two under `ITSELF`."""
    logs: dict[tuple[int, str], list[float]] = defaultdict(list)
    for trial in trials:
        for sample in trial.samples:
            if sample.metric == workload.metrics[0].name and sample.value > 0:
                logs[trial.block, trial.target].append(math.log(sample.value))
    found: dict[str, list[float]] = defaultdict(list)
    for (block, target), values in sorted(logs.items()):
        base = logs.get((block, native), [])
        if target != native and base:
            found[target].append(values[0] - fmean(base))
        elif target == native and len(values) == 2:
            found[ITSELF].append(values[0] - values[1])
    return found


def _spread(target: str, values: Sequence[float]) -> tuple[float, int]:
    """The variance of a pair, and its degrees of freedom. Native and itself differ by 0 in the
    mean, which need not be estimated."""
    if target == ITSELF:
        return _OF_PAIR * fmean(each**2 for each in values), len(values)
    return variance(values), len(values) - 1


def _chosen(
    length: Length, groups: Mapping[str, tuple[Sequence[float], Sequence[float]]]
) -> Length:
    import numpy as np

    short, long = length.tried
    candidates = np.arange(short, long + 1, dtype=np.float64)
    shares = (np.arange(_SHARES) + 0.5) / _SHARES
    random = np.random.default_rng(0)
    paid = np.log(length.start_s + length.rate * candidates)
    noise = np.log(shares[:, None] + (1 - shares[:, None]) * short / candidates[None, :])
    expected, possible = paid.copy(), np.tile(paid, (_DRAWS, 1))
    found = []
    for target, pair in groups.items():
        (one, freedom), (other, more) = (_spread(target, values) for values in pair)
        weights = _weights(shares, (one, other), (freedom, more), short / long)
        expected += weights @ noise / len(groups)
        possible += noise[random.choice(_SHARES, _DRAWS, p=weights)] / len(groups)
        between, within = _split((one, other), (freedom, more), length.tried)
        numbers = len(pair[0]), len(pair[1])
        found.append(Component(target, math.sqrt(between), math.sqrt(within), numbers))
    low, high = np.percentile(candidates[possible.argmin(axis=1)], _RANGE, method="nearest")
    best = int(expected.argmin())
    return replace(
        length,
        components=tuple(found),
        seconds=int(candidates[best]),
        low=int(low),
        high=int(high),
        gain=float(np.exp(expected[best] - expected[0])),
    )


def _weights(
    shares: Floats, spreads: tuple[float, float], freedom: tuple[int, int], ratio: float
) -> Floats:
    """How likely each share of `between` makes the two variances, their size integrated out
    (Jeffreys); they sum to 1. `ratio` is the shorter length over the longer."""
    import numpy as np

    less = shares + (1 - shares) * ratio
    whole = freedom[0] * spreads[0] + freedom[1] * spreads[1] / less
    logs = -0.5 * (freedom[1] * np.log(less) + sum(freedom) * np.log(whole))
    weights: Floats = np.exp(logs - logs.max())
    weights /= weights.sum()
    return weights


def _split(
    spreads: tuple[float, float], freedom: tuple[int, int], tried: tuple[int, int]
) -> tuple[float, float]:
    """Variance between trials and within one of a second, from those at two lengths. One that
    would be negative is 0, and the other what both lengths together say of it alone."""
    (one, other), (short, long) = spreads, tried
    between = (long * other - short * one) / (long - short)
    within = (one - other) / (1 / short - 1 / long)
    if within < 0:
        return (freedom[0] * one + freedom[1] * other) / sum(freedom), 0.0
    if between < 0:
        return 0.0, (freedom[0] * short * one + freedom[1] * long * other) / sum(freedom)
    return between, within


def rows(found: Sequence[Length]) -> Iterator[tuple[str, ...]]:
    """The table of a pilot: a row for each workload and target, under a head."""
    yield ("workload", "target", "start", "between", "within", "best", "s", "time")
    for each in found:
        start = f"{each.start_s:.2f}" if not each.reason else "–"
        best = f"{each.low}–{each.high}" if each.low < each.high else f"{each.low}"
        told = ("–", "–", "–") if each.reason else (best, f"{each.seconds}", f"×{each.gain:.2f}")
        for at, of in enumerate(each.components or (Component("", math.nan, math.nan, (0, 0)),)):
            spread = (f"{100 * of.between:.2f}", f"{100 * of.within:.2f}")
            head = (each.workload, of.target or "native", start) if not at else ("", of.target, "")
            yield (
                *head,
                *(("–", "–") if each.reason else spread),
                *(told if not at else ("",) * 3),
            )
