"""Whether the level of a series changed, and where: tests that bear autocorrelation.

Nights are not independent: a page cache, a disk that fills, the weather of a host last for days.
So the noise of a series is modelled as AR(1) about one level before and one after the split, its
coefficient ρ corrected for the bias that the two fitted levels give it, and the variance of a mean
is that of an AR(1) process, γ₀(1+ρ)/((1−ρ)n). A series that is cut often has short segments, which
tell little of their noise; so it is that of all its segments together (`noise`), each about levels
of its own, except where one is noisier than that. With D the difference of the two levels, over its
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

NOISIER = 0.05
"""The level at which a segment is shown to be noisier than its series, in either way."""

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


class Noise(NamedTuple):
    """What is known of the noise of each segment or series, NaN where nothing is: the
    autocorrelation ρ, `long_run`, the variance of a mean times the number of its nights, the
    degrees of freedom of that, and of how many nights it is known."""

    rho: Floats
    long_run: Floats
    freedom: Floats
    nights: Floats

    @property
    def variance(self) -> Floats:
        return self.long_run * (1 - self.rho) / (1 + self.rho)

    def of(self, chosen: Ints) -> Noise:
        return Noise(*(each[chosen] for each in self))


class _Sums(NamedTuple):
    """Of the nights of a segment about its levels: what its noise is estimated from, and what is
    added to ρ and to its factor for the bias, times the nights. Those of segments add up."""

    squares: Floats
    lag: Floats
    nights: Floats
    levels: Floats
    bias: Floats
    shrinkage: Floats


def scan(values: Floats, starts: Ints, sizes: Ints, known: Noise | None = None) -> Scan:
    """The likeliest change of level inside each segment of `values`.

    Segment i is `sizes[i]` values from `starts[i]` on. Values must be finite. `known` is the noise
    of each segment's series, believed where the segment is not shown to be noisier.
    """
    split = np.full(sizes.size, -1, dtype=np.int64)
    p = np.ones(sizes.size)
    for chosen in _alike(sizes, np.flatnonzero(sizes >= LEAST)):
        n = sizes[chosen].astype(np.float64)
        split[chosen], distance, sums = _likeliest(values, starts[chosen], sizes[chosen])
        best = _noise(sums) if known is None else _best(sums, known.of(chosen))
        p[chosen] = _p_of_scan(distance, best, n)
    return Scan(split, p)


def noise(values: Floats, starts: Ints, sizes: Ints, series: Ints) -> Noise:
    """The noise of each of the series 0 … k−1, of which segment i is one of `series[i]`: that of
    all its segments of `LEAST` nights and more, each about levels of its own."""
    count = int(series.max()) + 1 if series.size else 0
    total = _Sums(*(np.zeros(count) for _ in _Sums._fields))
    for chosen in _alike(sizes, np.flatnonzero(sizes >= LEAST)):
        *_, sums = _likeliest(values, starts[chosen], sizes[chosen])
        for whole, part in zip(total, sums, strict=True):
            np.add.at(whole, series[chosen], part)
    none = total.nights == 0
    found = _noise(_Sums(*(np.where(none, 1.0, each) for each in total)))
    return Noise(*(np.where(none, np.nan, each) for each in found))


def _likeliest(values: Floats, starts: Ints, sizes: Ints) -> tuple[Ints, Floats, _Sums]:
    """Of each segment the likeliest split, |D|·√(k(n−k)/n) there, and what its noise is from."""
    rows, inside = _rows(values, starts, sizes)
    n = sizes.astype(np.float64)
    split, distance = _largest(rows, np.zeros_like(n), n)
    rest, levels = _rest_about_four(_rest(rows, inside, split, n), split, n)
    return split, distance, _sums(rest, n, levels, _SCAN_BIAS)


def _p_of_scan(distance: Floats, noise: Noise, n: Floats) -> Floats:
    z = _normal(distance / np.sqrt(noise.long_run), noise.freedom)
    return _p_of_largest(z / _allowance(_ALLOWANCE["scan"], noise), n)


def _best(own: _Sums, known: Noise) -> Noise:
    """What is known of the whole series, where neither the variance nor the autocorrelation of a
    segment's own nights is shown to be larger (each at `NOISIER`, the logarithm of a variance and
    an autocorrelation being about normal); else its own: one epoch may be noisier."""
    one = NormalDist().inv_cdf(1 - NOISIER)
    as_known = _noise_at(known.rho, own)
    expected = known.rho - (own.bias + own.shrinkage * known.rho) / own.nights
    spread = np.sqrt((1 - known.rho**2) / own.nights)
    with np.errstate(invalid="ignore"):
        believed = (
            as_known.variance <= np.exp(one * np.sqrt(2 / as_known.freedom)) * known.variance
        ) & (own.lag / own.squares <= expected + one * spread)
    return Noise(*(np.where(believed, *each) for each in zip(known, _noise(own), strict=True)))


def step(
    values: Floats,
    starts: Ints,
    sizes: Ints,
    splits: Ints,
    known: Noise | None = None,
    level: float = 0.95,
) -> Step:
    """The change of level of each segment at its given split; segments and `known` as in `scan`."""
    out = Step(*(np.full(sizes.size, np.nan) for _ in Step._fields))
    enough = (splits >= STEP_SIDE) & (sizes - splits >= STEP_SIDE)
    for chosen in _alike(sizes, np.flatnonzero(enough)):
        rows, inside = _rows(values, starts[chosen], sizes[chosen])
        n, before = sizes[chosen].astype(np.float64), splits[chosen].astype(np.float64)
        first, second = _levels(rows, inside, splits[chosen], n)
        rest = _rest(rows, inside, splits[chosen], n)
        sums = _sums(rest, n, np.full_like(n, 2.0), _STEP_BIAS)
        best = _noise(sums) if known is None else _best(sums, known.of(chosen))
        shift, apart = second - first, 1 / before + 1 / (n - before)
        p, half = _p_of_step(shift, best, apart, level)
        found = Step(shift, half, p, best.rho)
        for whole, part in zip(out, found, strict=True):
            whole[chosen] = part
    return out


def _p_of_step(shift: Floats, noise: Noise, apart: Floats, level: float) -> tuple[Floats, Floats]:
    """p and the half width of the interval of a difference of means, whose variance is `apart`
    times that of the noise."""
    error = np.sqrt(noise.long_run * apart)
    allowance = _allowance(_ALLOWANCE["step"], noise)
    z = _normal(np.abs(shift) / error, noise.freedom) / allowance
    wide = NormalDist().inv_cdf((1 + level) / 2) * allowance
    return _two_sided(z), error * _student(wide, noise.freedom)


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


def _sums(
    rest: Floats, n: Floats, levels: Floats, bias: tuple[tuple[float, float], tuple[float, float]]
) -> _Sums:
    squares = np.maximum((rest**2).sum(axis=1), n * _ROUNDING**2)
    lag = (rest[:, :-1] * rest[:, 1:]).sum(axis=1)
    (a, b), (more_a, more_b) = bias
    more = levels - 2
    return _Sums(squares, lag, n, levels, a + more_a * more, b + more_b * more)


def _noise(of: _Sums) -> Noise:
    """AR(1) fitted to what nights are about their levels."""
    n = of.nights
    corrected = (of.lag / of.squares + of.bias / n) / np.maximum(1 - of.shrinkage / n, 0.1)
    # Anticorrelation would make intervals narrower; nobody has seen nights that avoid each other.
    return _noise_at(np.clip(corrected, 0.0, _LARGEST), of)


def _noise_at(rho: Floats, of: _Sums) -> Noise:
    n = of.nights
    inflation = (1 + rho) / (1 - rho)
    variance = of.squares / np.maximum(n - of.levels * inflation, _LEAST_SHARE * n)
    freedom = np.maximum(n * (1 - rho**2) / (1 + rho**2) - of.levels, 2.0)
    return Noise(rho, variance * inflation, freedom, n)


def _allowance(constants: tuple[float, float], noise: Noise) -> Floats:
    """By how much a statistic on the normal scale is larger than it would be if ρ and the variance
    were known."""
    c, d = constants
    independent = np.maximum(noise.nights * (1 - noise.rho) / (1 + noise.rho), 1.0)
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
