"""The Hodges–Lehmann estimate and its Wilcoxon signed-rank interval.

For one series and, the same figures, for hundreds of thousands of them at once. Source of every
formula: Hollander, Wolfe & Chicken, "Nonparametric Statistical Methods", 3rd edition, sections
3.1 (null distribution of T⁺), 3.2 (estimate) and 3.3 (interval). Nothing here knows of blocks,
targets or ratios.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.model import Estimate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

METHOD = "Hodges–Lehmann, Wilcoxon signed-rank"
_EXACT_N = 200
"""Up to here the null distribution is exact; beyond it is normal to four digits."""
_SORT_N = 1024
"""Up to here all Walsh averages are made and sorted; beyond, they are counted, never made."""
_CHUNK = 1 << 18
"""Walsh averages held at a time by one thread: 2 MiB, about what a core's cache holds."""


class Estimates(NamedTuple):
    """One element for each group: point, low and high; NaN where n allows none."""

    point: Floats
    low: Floats
    high: Floats


def estimate(values: npt.ArrayLike, level: float = 0.95) -> Estimate:
    """Median of the Walsh averages of `values` and the interval around it.

    The interval is the narrowest symmetric pair of order statistics of the Walsh averages that
    covers at least `level`; low and high are None where n is too small for any (n < 6 at .95).
    Ties and zeros need no treatment. Raises ValueError for no value at all or one not finite.
    """
    series = np.asarray(values, dtype=np.float64).ravel()
    if series.size == 0:
        raise ValueError("an estimate needs at least one value")
    found = estimate_groups(series, np.array([series.size]), level)
    low, high = float(found.low[0]), float(found.high[0])
    return Estimate(
        point=float(found.point[0]),
        low=None if math.isnan(low) else low,
        high=None if math.isnan(high) else high,
        level=level,
        n=int(series.size),
        method=METHOD,
    )


def estimate_groups(values: Floats, sizes: Ints, level: float = 0.95) -> Estimates:
    """`estimate` for many groups at once.

    `values` holds the groups one after another, `sizes` (groups,) how many values each has; a
    group of none has NaN throughout. Memory beyond the arguments is bounded by a few MiB a
    thread. Raises ValueError where a value is not finite or the sizes do not add up.
    """
    if int(sizes.sum()) != values.size:
        raise ValueError("the sizes of the groups do not add up to the number of values")
    if not np.isfinite(values).all():
        raise ValueError("an estimate needs finite values")
    out = Estimates(*(np.full(sizes.size, np.nan) for _ in range(3)))
    starts = np.cumsum(sizes) - sizes

    def fill(groups: Ints) -> None:
        rows = values[starts[groups][:, None] + np.arange(sizes[groups[0]])]
        out.point[groups], out.low[groups], out.high[groups] = _of_rows(rows, level)

    with ThreadPoolExecutor(max_workers=_threads()) as pool:
        for _ in pool.map(fill, _batches(sizes)):
            pass
    return out


def medians(values: Floats, sizes: Ints) -> Floats:
    """The median of each group; `values` and `sizes` as in `estimate_groups`, NaN for none."""
    out = np.full(sizes.size, np.nan)
    starts = np.cumsum(sizes) - sizes
    for groups in _batches(sizes):
        n = int(sizes[groups[0]])
        rows = np.sort(values[starts[groups][:, None] + np.arange(n)], axis=1)
        out[groups] = (rows[:, (n - 1) // 2] + rows[:, n // 2]) / 2
    return out


@cache
def interval_rank(n: int, level: float) -> int | None:
    """The k for which [W(k), W(M+1−k)] of the M = n(n+1)/2 Walsh averages covers `level`.

    The largest k with P(T⁺ ≤ k−1) ≤ (1−level)/2, so that the coverage, 1 − 2·P(T⁺ ≤ k−1), is
    never below the nominal level; None where even the extremes cover less. T⁺ is exact up to
    n = 200 and normal beyond (section 3.3, large-sample approximation).
    """
    tail = (1 - level) / 2
    if n > _EXACT_N:
        mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
        return math.floor(mean - NormalDist().inv_cdf(1 - tail) * math.sqrt(variance))
    # Rounding in the sum must not lose a rank whose tail probability equals the one asked for.
    below = np.cumsum(null_distribution(n)) <= tail * (1 + 1e-12)
    return int(below.sum()) or None


@cache
def null_distribution(n: int) -> Floats:
    """P(T⁺ = t) for t = 0 … n(n+1)/2: each rank 1 … n is in the sum with probability ½."""
    chance = np.zeros(n * (n + 1) // 2 + 1)
    chance[0] = 1.0
    for rank in range(1, n + 1):
        chance[rank:] = chance[rank:] + chance[:-rank]
        chance /= 2
    return chance


def _batches(sizes: Ints) -> Iterator[Ints]:
    """The indices of groups of equal size, as many at a time as fit a chunk; none for size 0."""
    order = np.argsort(sizes, kind="stable")
    order = order[np.searchsorted(sizes[order], 1) :]
    if order.size == 0:
        return
    for groups in np.split(order, np.flatnonzero(np.diff(sizes[order])) + 1):
        n = int(sizes[groups[0]])
        step = max(1, _CHUNK // (n * (n + 1) // 2))
        yield from (groups[at : at + step] for at in range(0, groups.size, step))


def _of_rows(rows: Floats, level: float) -> tuple[Floats, Floats, Floats]:
    """Point, low and high for each row of `rows` (g, n)."""
    n = rows.shape[1]
    pairs = n * (n + 1) // 2
    k = interval_rank(n, level)
    ranks = [(pairs + 1) // 2, pairs // 2 + 1] + ([k, pairs + 1 - k] if k else [])
    if n <= _SORT_N:
        first, second = np.triu_indices(n)
        sums = rows[:, first] + rows[:, second]
        # A full sort of short rows is vectorised in numpy, and several times faster than
        # np.partition at four ranks.
        sums.sort(axis=1)
        chosen = sums[:, np.array(ranks) - 1] / 2
    else:
        chosen = np.array([[_walsh_sum(np.sort(row), r) / 2 for r in ranks] for row in rows])
    point = (chosen[:, 0] + chosen[:, 1]) / 2
    if not k:
        nothing = np.full(len(rows), np.nan)
        return point, nothing, nothing
    return point, chosen[:, 2], chosen[:, 3]


def _walsh_sum(ordered: Floats, rank: int) -> float:
    """The `rank`-th smallest x_i + x_j (i ≤ j) of a sorted series, by bisection on the value.

    Exact to one unit in the last place of the largest |x|; O(n log n) time and O(n) memory.
    """
    low, high = 2 * float(ordered[0]), 2 * float(ordered[-1])
    tolerance = float(np.spacing(max(abs(low), abs(high))))
    index = np.arange(ordered.size)

    def at_most(limit: float) -> int:
        reach = np.searchsorted(ordered, limit - ordered, side="right") - index
        return int(np.maximum(reach, 0).sum())

    if at_most(low) >= rank:
        return low
    while high - low > tolerance:
        middle = low + (high - low) / 2
        if middle in (low, high):
            break
        if at_most(middle) >= rank:
            high = middle
        else:
            low = middle
    return high


def _threads() -> int:
    return min(8, len(os.sched_getaffinity(0)))
