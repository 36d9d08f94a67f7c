"""Whether the level of a series changed, and where: tests that bear autocorrelation.

Nights are not independent: a page cache, a disk that fills, the weather of a host last for days.
So a series is modelled as one level before and one after a split, and AR(1) noise about them, whose
coefficient ρ nobody knows. For each ρ of a grid everything is exact: the levels are estimated by
generalized least squares, and their difference over its standard error is Student's t with n − 2
degrees of freedom. Over the grid these are weighed by what the series itself tells of ρ, which is
the restricted likelihood (that of all contrasts in which no level is left), every ρ being as likely
before. So

- where the split is known (`step`), p is the weighted mean of the two-sided tails of t, and the
  interval holds all differences that would not be rejected so;
- where it is not (`scan`), the split is that of least squares, and each tail is made that of the
  largest of all splits with `SIDE` nights on each side (`_p_of_largest`).

A large and sharp change is found in few nights whatever ρ may be: noise that drifts from night to
night does not jump by many times its own steps.

A series that is cut often has short segments, which tell little of their noise; so it is that of
all its segments together (`noise`), each about levels of its own, except where a segment is shown
to be noisier than that. Nothing is resampled and no constant is fitted, and all segments are tested
at once. The split of least squares is the one that ruptures finds (the tests compare the two);
ruptures itself is not used here, for importing it takes longer than all of this.

Sources: the weighing of ρ, Zellner & Tiao, JASA 59 (1964) 763; restricted likelihood, Harville,
JASA 72 (1977) 320; the maximum, Miller & Siegmund, Biometrics 38 (1982) 1011; t on the normal
scale, Wallace, Ann. Math. Statist. 30 (1959) 1124; splitting again what was split, Vostrikova,
Soviet Math. Dokl. 24 (1981) 55.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from harness.analyze.statistics.ar1 import (
    GRID,
    Flags,
    Noise,
    TwoLevels,
    as_rows,
    of_similar_size,
    one_level,
    two_levels,
)
from harness.analyze.statistics.estimate import Floats, Ints

SIDE = 5
"""Nights on either side of a split that nobody knows of."""
LEAST = 12
"""Nights that a segment must have for such a split to be looked for."""
STEP_SIDE = 3
"""Nights on either side of a split at a known night."""

NOISIER = 0.05
"""The level at which a segment is shown to be noisier than its series, in either way."""

SHOWN = 0.05
"""The level at which a segment has two levels when its noise is judged."""
_HALVINGS = 40


class Scan(NamedTuple):
    """Of each segment: `split`, the number of nights before the likeliest change, and `p` of the
    test that there is none; -1 and 1 where the segment is shorter than `LEAST`."""

    split: Ints
    p: Floats


class Step(NamedTuple):
    """Of each segment, about a given split: the mean after minus the mean before, the interval of
    that, and `p` of the test that it is 0; NaN where a side is shorter than `STEP_SIDE`. `rho` is
    the autocorrelation of the nights about their levels, as weighed."""

    shift: Floats
    low: Floats
    high: Floats
    p: Floats
    rho: Floats


def scan(values: Floats, starts: Ints, sizes: Ints, known: Noise | None = None) -> Scan:
    """The likeliest change of level inside each segment of `values`.

    Segment i is `sizes[i]` values from `starts[i]` on. Values must be finite. `known` is the noise
    of each segment's series, believed where the segment is not shown to be noisier.
    """
    split = np.full(sizes.size, -1, dtype=np.int64)
    p = np.ones(sizes.size)
    for chosen in of_similar_size(sizes, np.flatnonzero(sizes >= LEAST)):
        rows, inside = as_rows(values, starts[chosen], sizes[chosen])
        split[chosen] = _least_squares(rows, sizes[chosen])
        fit = two_levels(rows, inside, split[chosen], sizes[chosen])
        best = fit.noise if known is None else _best(fit.noise, known.of(chosen))
        p[chosen] = _p_of_scan(fit, best, sizes[chosen])
    return Scan(split, p)


def _p_of_scan(fit: TwoLevels, noise: Noise, sizes: Ints) -> Floats:
    z = _normal(_t(fit, noise), noise.freedom[:, None])
    tails = _p_of_largest(z, sizes.astype(np.float64)[:, None])
    out: Floats = (noise.weights * tails).sum(axis=1)
    return out


def noise(values: Floats, starts: Ints, sizes: Ints, series: Ints) -> Noise:
    """The noise of each of the series 0 … k−1, of which segment i is one of `series[i]`: that of
    all its segments of `LEAST` nights and more, each about its level, or about two where a change
    of level is shown by itself (at `SHOWN`)."""
    count = int(series.max()) + 1 if series.size else 0
    total = Noise(np.zeros((count, GRID.size)), np.zeros((count, GRID.size)), np.zeros(count))
    for chosen in of_similar_size(sizes, np.flatnonzero(sizes >= LEAST)):
        rows, inside = as_rows(values, starts[chosen], sizes[chosen])
        fit = two_levels(rows, inside, _least_squares(rows, sizes[chosen]), sizes[chosen])
        # Two levels about the likeliest split always take something away, of noise as well.
        shown = _p_of_scan(fit, fit.noise, sizes[chosen]) <= SHOWN
        about = one_level(rows, sizes[chosen])
        for whole, one, two in zip(total, about, fit.noise, strict=True):
            np.add.at(whole, series[chosen], _where(shown, two, one))
    return total


def _best(own: Noise, known: Noise) -> Noise:
    """What is known of the whole series, where that is more than a segment tells of itself and
    neither the variance nor the autocorrelation of the segment's own nights is shown to be larger
    (each at `NOISIER`); else its own: one epoch may be noisier."""
    more = known.freedom > own.freedom + 1  # all of one segment about one level have that many
    known = Noise(*(_where(more, each, mine) for each, mine in zip(known, own, strict=True)))
    weights = known.weights
    here = np.arange(len(weights)), weights.argmax(axis=1)
    ratio = own.variance[here] / known.variance[here]
    # The logarithm of a variance ratio is about normal.
    one = NormalDist().inv_cdf(1 - NOISIER)
    larger = np.log(ratio) > one * np.sqrt(2 / own.freedom + 2 / known.freedom)
    above = (weights * GRID).sum(axis=1)[:, None] < GRID
    longer = (own.weights * above).sum(axis=1) > 1 - NOISIER
    believed = more & ~larger & ~longer
    return Noise(*(_where(believed, each, mine) for each, mine in zip(known, own, strict=True)))


def _where(flags: Flags, yes: Floats, no: Floats) -> Floats:
    return np.where(flags.reshape(-1, *([1] * (yes.ndim - 1))), yes, no)


def step(
    values: Floats,
    starts: Ints,
    sizes: Ints,
    splits: Ints,
    known: Noise | None = None,
    level: float | None = 0.95,
) -> Step:
    """The change of level of each segment at its given split; segments and `known` as in `scan`.
    Without `level` there are no intervals, which take longer than all else."""
    out = Step(*(np.full(sizes.size, np.nan) for _ in Step._fields))
    enough = (splits >= STEP_SIDE) & (sizes - splits >= STEP_SIDE)
    for chosen in of_similar_size(sizes, np.flatnonzero(enough)):
        rows, inside = as_rows(values, starts[chosen], sizes[chosen])
        fit = two_levels(rows, inside, splits[chosen], sizes[chosen])
        best = fit.noise if known is None else _best(fit.noise, known.of(chosen))
        found = _judged(fit, best, level)
        for whole, part in zip(out, found, strict=True):
            whole[chosen] = part
    return out


def _judged(fit: TwoLevels, noise: Noise, level: float | None) -> Step:
    weights = noise.weights
    error = np.sqrt(fit.apart * noise.variance)
    freedom = noise.freedom[:, None]

    def p(difference: Floats) -> Floats:
        z = _normal(np.abs(fit.difference - difference[:, None]) / error, freedom)
        out: Floats = (weights * _two_sided(z)).sum(axis=1)
        return out

    means = fit.difference[:, 0]  # those of ρ = 0; with autocorrelation others would be better
    none = np.zeros_like(means)
    low, high = none * np.nan, none * np.nan
    if level is not None:
        low, high = _interval(p, fit, weights, error * _far(level, freedom), level)
        low, high = np.minimum(low, means), np.maximum(high, means)
    return Step(means, low, high, p(none), (weights * GRID).sum(axis=1))


def _far(level: float, freedom: Floats) -> Floats:
    """In standard errors; no difference that is farther off has a p over 1 − `level`, for any ρ."""
    return _student(np.array(-NormalDist().inv_cdf((1 - level) / 4)), freedom)


def _interval(
    p: Callable[[Floats], Floats], fit: TwoLevels, weights: Floats, far: Floats, level: float
) -> tuple[Floats, Floats]:
    """The ends of the differences that `p` does not reject."""
    weighed = (weights * fit.difference).sum(axis=1)
    likely = fit.difference[np.arange(len(weights)), weights.argmax(axis=1)]
    middle = np.where(p(weighed) > 1 - level, weighed, likely)
    low = _edge(p, middle, (fit.difference - far).min(axis=1), 1 - level)
    high = _edge(p, middle, (fit.difference + far).max(axis=1), 1 - level)
    return low, high


def _edge(p: Callable[[Floats], Floats], inner: Floats, outer: Floats, alpha: float) -> Floats:
    """Where `p` falls to `alpha` between `inner`, where it is larger, and `outer`."""
    for _ in range(_HALVINGS):
        between = (inner + outer) / 2
        larger = p(between) > alpha
        inner, outer = np.where(larger, between, inner), np.where(larger, outer, between)
    return outer


def _t(fit: TwoLevels, noise: Noise) -> Floats:
    out: Floats = np.abs(fit.difference) / np.sqrt(fit.apart * noise.variance)
    return out


def _least_squares(rows: Floats, sizes: Ints) -> Ints:
    """The number of nights of each row before the split that leaves the least squares."""
    n = sizes.astype(np.float64)[:, None]
    k = np.arange(1, rows.shape[1] + 1)
    possible = (k >= SIDE) & (k <= n - SIDE)
    with np.errstate(divide="ignore", invalid="ignore"):
        # The sum of all n is 0, so the difference of the means is n/(k(n−k)) times that of k.
        distance = np.abs(np.cumsum(rows, axis=1)) * np.sqrt(n / (k * (n - k)))
    split: Ints = np.where(possible, distance, -1.0).argmax(axis=1) + 1
    return split


def _normal(t: Floats, freedom: Floats) -> Floats:
    """|t| on the normal scale (Wallace 1959, corrected): of equal tail probability to 0.02."""
    scaled: Floats = np.sqrt(freedom * np.log1p(t**2 / freedom))
    return scaled * (8 * freedom + 1) / (8 * freedom + 3)


def _student(z: Floats, freedom: Floats) -> Floats:
    """The inverse of `_normal`."""
    scaled = z * (8 * freedom + 3) / (8 * freedom + 1)
    out: Floats = np.sqrt(freedom * np.expm1(scaled**2 / freedom))
    return out


def _two_sided(z: Floats) -> Floats:
    flat = [math.erfc(each / math.sqrt(2)) for each in z.ravel().tolist()]
    return np.array(flat).reshape(z.shape)


def _p_of_largest(z: Floats, n: Floats) -> Floats:
    """P(max |z_k| > z) over the splits with `SIDE` ≤ k ≤ n − `SIDE`, for each ρ of `GRID`.

    Without autocorrelation that of a standardized Brownian bridge (Miller & Siegmund 1982). The
    larger ρ, the more a split is judged by its own jump and the less by what the others see too:
    towards ρ = 1 each is a test of its own, by Bonferroni. In between, their geometric mean with
    weight ρ; the tests measure that it errs no more often than promised.
    """
    b = np.maximum(z, 1.0)
    density = np.exp(-(b**2) / 2) / math.sqrt(2 * math.pi)
    bridge = density * (4 / b + (b - 1 / b) * 2 * np.log((n - SIDE) / SIDE))
    each = (n - 2 * SIDE + 1) * _two_sided(z)
    with np.errstate(divide="ignore"):
        p = np.exp((1 - GRID) * np.log(np.minimum(bridge, each)) + GRID * np.log(each))
    return np.where(z > 1, np.minimum(p, 1.0), 1.0)
