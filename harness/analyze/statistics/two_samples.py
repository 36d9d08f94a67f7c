"""Two independent samples: by how much the one lies above the other, and its interval.

Source of every formula: Hollander, Wolfe & Chicken, "Nonparametric Statistical Methods", 3rd
edition, sections 4.1 (null distribution of the Mann–Whitney U), 4.2 (Hodges–Lehmann estimate of a
shift) and 4.3 (its interval). Used where no blocks pair the samples; where they do,
`harness.analyze.statistics.estimate` says more with fewer values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np

from harness.analyze.statistics.estimate import Floats

METHOD = "Hodges–Lehmann shift, Mann–Whitney"
_EXACT_N = 50
"""Up to here in both samples the null distribution is exact; beyond it is normal."""


@dataclass(frozen=True, slots=True)
class TwoSamples:
    """`point` is the median of all differences, `low` and `high` the interval around it (None
    where the samples are too small for any); `p` of the two-sided test that there is no shift, and
    `p_margin` of the test that it lies outside ± the margin (TOST). Test and interval agree: `p` ≤
    α exactly where the interval at 1 − α excludes 0."""

    point: float
    low: float | None
    high: float | None
    p: float
    p_margin: float


def shift(before: Floats, after: Floats, level: float, margin: float) -> TwoSamples:
    """How far `after` (n values) lies above `before` (m values). Raises `ValueError` where a
    sample has no value, or one that is not finite."""
    if before.size == 0 or after.size == 0:
        raise ValueError("a shift needs at least one value in each sample")
    if not (np.isfinite(before).all() and np.isfinite(after).all()):
        raise ValueError("a shift needs finite values")
    m, n = before.size, after.size
    differences = np.sort(np.subtract.outer(after, before).ravel())
    k = interval_rank(m, n, level)

    def at_most(limit: float) -> float:
        return lower_tail(m, n, int(np.searchsorted(differences, limit, side="right")))

    def at_least(limit: float) -> float:
        return lower_tail(m, n, m * n - int(np.searchsorted(differences, limit, side="left")))

    return TwoSamples(
        point=float(np.median(differences)),
        low=None if k is None else float(differences[k - 1]),
        high=None if k is None else float(differences[m * n - k]),
        p=min(1.0, 2 * min(at_most(0.0), at_least(0.0))),
        p_margin=max(at_most(-margin), at_least(margin)),
    )


@cache
def interval_rank(m: int, n: int, level: float) -> int | None:
    """The largest k for which [D(k), D(mn+1−k)] of the ordered differences covers `level`; None
    where even the extremes cover less."""
    tail = (1 - level) / 2
    if max(m, n) > _EXACT_N:
        mean, deviation = _moments(m, n)
        return max(0, math.floor(mean - NormalDist().inv_cdf(1 - tail) * deviation)) or None
    # Rounding in the sum must not lose a rank whose tail probability equals the one asked for.
    return int((np.cumsum(null_distribution(m, n)) <= tail * (1 + 1e-12)).sum()) or None


def lower_tail(m: int, n: int, u: int) -> float:
    """P(U ≤ u) where nothing tells the samples apart."""
    if max(m, n) > _EXACT_N:
        mean, deviation = _moments(m, n)
        return NormalDist(mean, deviation).cdf(u)
    return float(min(1.0, null_distribution(m, n)[: u + 1].sum()))


@cache
def null_distribution(m: int, n: int) -> Floats:
    """P(U = u) for u = 0 … mn: the largest of all values is in the first sample with probability
    m/(m+n), and then above n others."""
    if m == 0 or n == 0:
        return np.ones(1)
    chance = np.zeros(m * n + 1)
    chance[n:] += m / (m + n) * null_distribution(m - 1, n)
    chance[: m * (n - 1) + 1] += n / (m + n) * null_distribution(m, n - 1)
    return chance


def _moments(m: int, n: int) -> tuple[float, float]:
    return m * n / 2, math.sqrt(m * n * (m + n + 1) / 12)
