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
from functools import cache, partial
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.analyze.statistics.walsh import count, walsh_sums
from harness.model.estimate import Estimate

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

METHOD = "Hodges–Lehmann, Wilcoxon signed-rank"
_EXACT_N = 200
"""Up to here the null distribution is exact; beyond it is normal to four digits."""
_SORT_N = 250
"""Up to here all Walsh averages are made and sorted; beyond, they are counted, never made."""
_CHUNK = 1 << 18
"""Walsh averages held at a time by one thread: 2 MiB, about what a core's cache holds."""


class Estimates(NamedTuple):
    """One element for each group: point, low and high, NaN where n allows none; `p`, of the
    two-sided signed-rank test that the location is 0, and `p_margin`, of the test that it is
    outside ± the group's margin (TOST: the larger of the two one-sided p), NaN without values.

    Test and interval agree: `p` ≤ α exactly where the interval at 1 − α excludes 0, and
    `p_margin` ≤ α exactly where the one at 1 − 2α lies inside the margin.
    """

    point: Floats
    low: Floats
    high: Floats
    p: Floats
    p_margin: Floats


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


def estimate_groups(
    values: Floats, sizes: Ints, level: float = 0.95, margins: Floats | None = None
) -> Estimates:
    """`estimate` for many groups at once, with their tests.

    `values` holds the groups one after another, `sizes` (groups,) how many values each has; a
    group of none has NaN throughout. `margins` (groups,) are the half widths of equivalence on
    the scale of the values; left out, or NaN, there is no `p_margin`. Memory beyond the
    arguments is bounded by a few MiB a thread. Raises ValueError where a value is not finite or
    the sizes do not add up.
    """
    if int(sizes.sum()) != values.size:
        raise ValueError("the sizes of the groups do not add up to the number of values")
    if not np.isfinite(values).all():
        raise ValueError("an estimate needs finite values")
    out = Estimates(*(np.full(sizes.size, np.nan) for _ in Estimates._fields))
    starts = np.cumsum(sizes) - sizes

    def fill(groups: Ints) -> None:
        rows = values[starts[groups][:, None] + np.arange(sizes[groups[0]])]
        margin = None if margins is None else margins[groups]
        for column, found in zip(out, _of_rows(rows, level, margin), strict=True):
            column[groups] = found

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


def _of_rows(rows: Floats, level: float, margins: Floats | None) -> Estimates:
    """The estimates of each row of `rows` (g, n), with `margins` (g,)."""
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
        at_most = partial(_at_most, sums)
    else:
        ordered = np.sort(rows, axis=1)
        chosen = np.array([walsh_sums(row, ranks) for row in ordered]) / 2
        at_most = partial(_counted_at_most, ordered)
    tail = partial(_lower_tail, n)
    zero = np.zeros(len(rows))
    # Few averages at or under 0 speak for a location above it, few at or over 0 for one below.
    p = np.minimum(1, 2 * np.minimum(tail(at_most(zero)), tail(at_most(zero, from_above=True))))
    nothing = np.full(len(rows), np.nan)
    p_margin = nothing
    if margins is not None:
        bound = np.nan_to_num(margins)
        inside = np.maximum(tail(at_most(-bound)), tail(at_most(bound, from_above=True)))
        p_margin = np.where(np.isfinite(margins), inside, np.nan)
    point = (chosen[:, 0] + chosen[:, 1]) / 2
    if not k:
        return Estimates(point, nothing, nothing, p, p_margin)
    return Estimates(point, chosen[:, 2], chosen[:, 3], p, p_margin)


def _at_most(sums: Floats, limit: Floats, *, from_above: bool = False) -> Ints:
    """For each row of sums x_i + x_j how many averages are ≤ `limit`; or ≥ it."""
    bound = 2 * limit[:, None]
    found: Ints = ((sums >= bound) if from_above else (sums <= bound)).sum(axis=1)
    return found


def _counted_at_most(ordered: Floats, limit: Floats, *, from_above: bool = False) -> Ints:
    """`_at_most` without making the sums, from sorted rows."""
    pairs = [
        (-row[::-1], -bound) if from_above else (row, bound)
        for row, bound in zip(ordered, limit, strict=True)
    ]
    return np.array([count(row, 2 * float(bound)) for row, bound in pairs])


def _lower_tail(n: int, t: Ints) -> Floats:
    """P(T⁺ ≤ t), by element; exact up to n = 200, normal beyond (section 3.1)."""
    if n <= _EXACT_N:
        return _cumulative(n)[t]
    mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
    normal = NormalDist(mean, math.sqrt(variance))
    return np.array([normal.cdf(each) for each in t])


@cache
def _cumulative(n: int) -> Floats:
    return np.minimum(np.cumsum(null_distribution(n)), 1.0)


def _threads() -> int:
    return min(8, len(os.sched_getaffinity(0)))
