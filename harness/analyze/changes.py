"""Whether the level of a series changed, and where: tests that bear autocorrelation.

Nights are not independent: a page cache, a disk that fills, the weather of a host last for days.
So the noise of a series is modelled as AR(1) about one level before and one after the split, its
coefficient ρ corrected for the bias that the two fitted levels give it, and the variance of a mean
is that of an AR(1) process, γ₀(1+ρ)/((1−ρ)n). With D the difference of the two levels, over its
standard error,

- where the split is known (`step`), D is as Student's t with n(1−ρ²)/(1+ρ²) − 2 degrees of
  freedom, the number of independent nights with as good an estimate of the variance;
- where it is not (`scan`), the largest |D| over all splits with `SIDE` nights on each side is as
  the maximum of a standardized Brownian bridge.

Both are first brought to the normal scale, where what is known of ρ and of the variance only by
estimate is allowed for by `_ALLOWANCE`: its constants are fitted to simulated null distributions
(tests/unit/test_changes.py makes them again). There is no resampling, and all segments are tested
at once. The split with the largest |D| is that of least squares, as ruptures finds it (the tests
compare the two); ruptures itself is not used here, for importing it takes longer than all of this.

Sources: bias of the autocorrelation, Marriott & Pope, Biometrika 41 (1954) 390; the maximum, Miller
& Siegmund, Biometrics 38 (1982) 1011; t on the normal scale, Wallace, Ann. Math. Statist. 30 (1959)
1124; the largest D as the split of least squares, Hawkins, JASA 72 (1977) 180; splitting again what
was split, Vostrikova, Soviet Math. Dokl. 24 (1981) 55.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.analyze.estimate import Floats, Ints

SIDE = 5
"""Nights on either side of a split that nobody knows of."""
LEAST = 12
"""Nights that a segment must have for such a split to be looked for."""
STEP_SIDE = 3
"""Nights on either side of a split at a known night."""

AGAIN = 20
"""Nights that a part must have to be split once more before the noise is judged."""

_SCAN_BIAS = ((2.4, 7.1), (3.2, 3.8))
_STEP_BIAS = ((1.9, 5.9), (0.0, 0.0))
"""(a, b), (a', b'): E(r) = ρ − (a + bρ + (a' + b'ρ)m)/n for the lag-1 autocorrelation r of what is
left about two levels and m more."""
_ALLOWANCE = {"scan": (1.9, 0.5), "step": (2.6, 1.2)}
_LARGEST = 0.95
"""ρ is not taken to be larger; there is hardly a level then that could change."""
_LEAST_SHARE = 0.2
"""Of the nights, for the degrees of freedom of the variance, however large ρ."""
_ROUNDING = 1e-9
"""A standard deviation on the log scale that is nothing but rounding."""
_CHUNK = 1 << 18
"""Nights held at a time."""

Flags = npt.NDArray[np.bool_]


class Scan(NamedTuple):
    """Of each segment: `split`, the number of nights before the likeliest change, and `p` of the
    test that there is none; -1 and 1 where the segment is shorter than `LEAST`."""

    split: Ints
    p: Floats


class Step(NamedTuple):
    """Of each segment, about a given split: the mean after minus the mean before, the half width
    of its interval, and `p` of the test that it is 0; NaN where a side is shorter than
    `STEP_SIDE`. `rho` is the autocorrelation of the nights about their levels."""

    shift: Floats
    half: Floats
    p: Floats
    rho: Floats


class _Noise(NamedTuple):
    rho: Floats
    long_run: Floats
    """The variance of a mean times the number of its nights."""
    freedom: Floats


def scan(values: Floats, starts: Ints, sizes: Ints) -> Scan:
    """The likeliest change of level inside each segment of `values`.

    Segment i is `sizes[i]` values from `starts[i]` on. Values must be finite.
    """
    split = np.full(sizes.size, -1, dtype=np.int64)
    p = np.ones(sizes.size)
    for chosen in _alike(sizes, np.flatnonzero(sizes >= LEAST)):
        rows, inside = _rows(values, starts[chosen], sizes[chosen])
        n = sizes[chosen].astype(np.float64)
        split[chosen], distance = _largest(rows, np.zeros_like(n), n)
        rest, levels = _rest_about_four(_rest(rows, inside, split[chosen], n), split[chosen], n)
        noise = _noise(rest, n, levels, _SCAN_BIAS)
        t = distance / np.sqrt(noise.long_run)
        z = _normal(t, noise.freedom) / _allowance(_ALLOWANCE["scan"], noise.rho, n)
        p[chosen] = _p_of_largest(z, n)
    return Scan(split, p)


def step(values: Floats, starts: Ints, sizes: Ints, splits: Ints, level: float = 0.95) -> Step:
    """The change of level of each segment at its given split; segments as in `scan`."""
    out = Step(*(np.full(sizes.size, np.nan) for _ in Step._fields))
    enough = (splits >= STEP_SIDE) & (sizes - splits >= STEP_SIDE)
    for chosen in _alike(sizes, np.flatnonzero(enough)):
        rows, inside = _rows(values, starts[chosen], sizes[chosen])
        n, before = sizes[chosen].astype(np.float64), splits[chosen].astype(np.float64)
        first, second = _levels(rows, inside, splits[chosen], n)
        rest = _rest(rows, inside, splits[chosen], n)
        noise = _noise(rest, n, np.full_like(n, 2.0), _STEP_BIAS)
        error = np.sqrt(noise.long_run * (1 / before + 1 / (n - before)))
        allowance = _allowance(_ALLOWANCE["step"], noise.rho, n)
        z = _normal(np.abs(second - first) / error, noise.freedom) / allowance
        wide = NormalDist().inv_cdf((1 + level) / 2) * allowance
        out.shift[chosen] = second - first
        out.half[chosen] = error * _student(wide, noise.freedom)
        out.p[chosen] = _two_sided(z)
        out.rho[chosen] = noise.rho
    return out


def _alike(sizes: Ints, chosen: Ints) -> Iterator[Ints]:
    """`chosen` in parts of similar sizes, few enough to be held as one matrix."""
    order = chosen[np.argsort(sizes[chosen], kind="stable")][::-1]
    while order.size:
        room = max(1, _CHUNK // int(sizes[order[0]]))
        # Padding a short segment to the length of a long one would be work for nothing.
        near = int(np.searchsorted(-sizes[order], -(sizes[order[0]] // 2), side="right"))
        take = max(1, min(room, near))
        yield order[:take]
        order = order[take:]


def _rows(values: Floats, starts: Ints, sizes: Ints) -> tuple[Floats, Flags]:
    """The segments as rows, centred and filled up with 0, and where they have values."""
    place = np.arange(int(sizes.max()))
    inside = place < sizes[:, None]
    rows = values[np.minimum(starts[:, None] + place, values.size - 1)]
    rows = np.where(inside, rows, 0.0)
    centre = rows.sum(axis=1) / sizes
    return np.where(inside, rows - centre[:, None], 0.0), inside


def _largest(rows: Floats, begin: Floats, end: Floats) -> tuple[Ints, Floats]:
    """The split of each row between `begin` and `end` with the largest |D|·√(k(n−k)/n), and that;
    `begin` and 0 where there is no room for one. The rows sum up to 0 before, and in, that part.
    """
    size = (end - begin)[:, None]
    k = np.arange(1, rows.shape[1] + 1) - begin[:, None]
    sums = np.cumsum(rows, axis=1)
    possible = (k >= SIDE) & (k <= size - SIDE)
    with np.errstate(divide="ignore", invalid="ignore"):
        # The sum of all n is 0, so the difference of the means is n/(k(n−k)) times that of k.
        distance = np.abs(sums) * np.sqrt(size / (k * (size - k)))
    distance = np.where(possible, distance, -1.0)
    at = distance.argmax(axis=1)
    largest = distance[np.arange(len(rows)), at]
    none = largest < 0
    return np.where(none, begin, at + 1).astype(np.int64), np.where(none, 0.0, largest)


def _levels(rows: Floats, inside: Flags, splits: Ints, n: Floats) -> tuple[Floats, Floats]:
    before = np.arange(rows.shape[1]) < splits[:, None]
    first = np.where(before, rows, 0.0).sum(axis=1) / splits
    second = np.where(~before & inside, rows, 0.0).sum(axis=1) / (n - splits)
    return first, second


def _rest(rows: Floats, inside: Flags, splits: Ints, n: Floats) -> Floats:
    """What each row is about its levels before and after its split; 0 where it has no value."""
    first, second = _levels(rows, inside, splits, n)
    before = np.arange(rows.shape[1]) < splits[:, None]
    return np.where(inside, rows - np.where(before, first[:, None], second[:, None]), 0.0)


def _rest_about_four(rest: Floats, splits: Ints, n: Floats) -> tuple[Floats, Floats]:
    """What is left when either part of `AGAIN` nights is split once more, and how many levels it
    then is about: a second shift must not pass for autocorrelation and hide the first."""
    middle = splits.astype(np.float64)
    place = np.arange(rest.shape[1])
    levels = np.full_like(n, 2.0)
    out = rest
    for begin, end in ((np.zeros_like(n), middle), (middle, n)):
        split, _ = _largest(rest, begin, end)
        again = (split > begin) & (end - begin >= AGAIN)
        one = (place >= begin[:, None]) & (place < split[:, None]) & again[:, None]
        other = (place >= split[:, None]) & (place < end[:, None]) & again[:, None]
        for part in (one, other):
            many = np.maximum(part.sum(axis=1), 1)
            mean = np.where(part, rest, 0.0).sum(axis=1) / many
            out = np.where(part, rest - mean[:, None], out)
        levels += again
    return out, levels


def _noise(
    rest: Floats, n: Floats, levels: Floats, bias: tuple[tuple[float, float], tuple[float, float]]
) -> _Noise:
    """AR(1) fitted to what the rows are about so many levels."""
    squares = np.maximum((rest**2).sum(axis=1), n * _ROUNDING**2)
    lag = (rest[:, :-1] * rest[:, 1:]).sum(axis=1)
    (a, b), (more_a, more_b) = bias
    a_, b_ = a + more_a * (levels - 2), b + more_b * (levels - 2)
    # Anticorrelation would make intervals narrower; nobody has seen nights that avoid each other.
    rho = np.clip((lag / squares + a_ / n) / np.maximum(1 - b_ / n, 0.1), 0.0, _LARGEST)
    inflation = (1 + rho) / (1 - rho)
    variance = squares / np.maximum(n - levels * inflation, _LEAST_SHARE * n)
    freedom = np.maximum(n * (1 - rho**2) / (1 + rho**2) - levels, 2.0)
    return _Noise(rho, variance * inflation, freedom)


def _allowance(constants: tuple[float, float], rho: Floats, n: Floats) -> Floats:
    """By how much a statistic on the normal scale is larger than it would be if ρ and the variance
    were known."""
    c, d = constants
    independent = np.maximum(n * (1 - rho) / (1 + rho), 1.0)
    out: Floats = 1 + c / independent + d / independent**2
    return out


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
    return np.array([math.erfc(each / math.sqrt(2)) for each in z.tolist()])


def _p_of_largest(z: Floats, n: Floats) -> Floats:
    """P(max |B⁰(t)|/√(t(1−t)) > z) over `SIDE`/n ≤ t ≤ 1 − `SIDE`/n (Miller & Siegmund 1982)."""
    b = np.maximum(z, 1.0)
    density = np.exp(-(b**2) / 2) / math.sqrt(2 * math.pi)
    p = density * (4 / b + (b - 1 / b) * 2 * np.log((n - SIDE) / SIDE))
    return np.where(z > 1, np.minimum(p, 1.0), 1.0)
