"""Straight-line models of a series whose noise is autocorrelated, by generalized least squares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.analyze.statistics.estimate import Floats, Ints

GRID = np.linspace(0.0, 0.95, 20)
"""The ρ that are weighed. Beyond there is hardly a level that could change; nights that avoid each
other, which would make intervals narrower, nobody has seen."""
_ROUNDING = 1e-9
"""A standard deviation on the log scale that is nothing but rounding."""
_CHUNK = 1 << 18
"""Nights held at a time."""

Flags = npt.NDArray[np.bool_]


class Noise(NamedTuple):
    """What is known of the noise of segments or series. `squares` (k, G) is for each ρ of `GRID`
    the sum of squares of what is left when it is taken away, on `freedom` (k,) degrees of freedom;
    `logs` (k, G) what the determinants add to the log likelihood of ρ. Those of segments add up.
    Where `freedom` is 0 nothing is known."""

    squares: Floats
    logs: Floats
    freedom: Floats

    def of(self, chosen: Ints) -> Noise:
        return Noise(*(each[chosen] for each in self))

    @property
    def weights(self) -> Floats:
        """How likely each ρ of `GRID` is, summing up to 1."""
        likely = self.logs - self.freedom[:, None] / 2 * np.log(self.squares)
        weights = np.exp(likely - likely.max(axis=1, keepdims=True))
        out: Floats = weights / weights.sum(axis=1, keepdims=True)
        return out

    @property
    def variance(self) -> Floats:
        """Of the part of a night that the night before does not tell, for each ρ."""
        out: Floats = self.squares / self.freedom[:, None]
        return out


class TwoLevels(NamedTuple):
    """Two levels about a split, for each ρ of `GRID`: their difference, by what its variance is
    larger than the noise's, and the noise about them."""

    difference: Floats
    apart: Floats
    noise: Noise


def of_similar_size(sizes: Ints, chosen: Ints) -> Iterator[Ints]:
    """`chosen` in parts of similar sizes, few enough to be held as one matrix."""
    order = chosen[np.argsort(sizes[chosen], kind="stable")][::-1]
    while order.size:
        room = max(1, _CHUNK // int(sizes[order[0]]))
        # Padding a short segment to the length of a long one would be work for nothing.
        near = int(np.searchsorted(-sizes[order], -(sizes[order[0]] // 2), side="right"))
        take = max(1, min(room, near))
        yield order[:take]
        order = order[take:]


def as_rows(values: Floats, starts: Ints, sizes: Ints) -> tuple[Floats, Flags]:
    """The segments as rows, centred and filled up with 0, and where they have values."""
    place = np.arange(int(sizes.max()))
    inside = place < sizes[:, None]
    rows = values[np.minimum(starts[:, None] + place, values.size - 1)]
    rows = np.where(inside, rows, 0.0)
    centre = rows.sum(axis=1) / sizes
    return np.where(inside, rows - centre[:, None], 0.0), inside


def two_levels(rows: Floats, inside: Flags, splits: Ints, sizes: Ints) -> TwoLevels:
    """Generalized least squares of two levels about each row's split, for each ρ of `GRID`.

    With w₁ = √(1−ρ²)·y₁ and w_t = y_t − ρ·y_{t−1} the noise is independent; what the levels have
    there is 1−ρ a night, and ρ or 1 where one takes the other's place. Everything is made of a few
    sums of the y.
    """
    row, rho = np.arange(len(rows)), GRID[None, :]
    before = splits.astype(np.float64)[:, None]
    after = sizes.astype(np.float64)[:, None] - before
    first, last = rows[:, :1], rows[row, sizes - 1][:, None]
    ends, begins = rows[row, splits - 1][:, None], rows[row, splits][:, None]
    ahead = np.where(np.arange(rows.shape[1]) < splits[:, None], rows, 0.0).sum(axis=1)[:, None]
    behind = np.where(inside, rows, 0.0).sum(axis=1)[:, None] - ahead
    jump = begins - rho * ends
    of_one = (1 - rho**2) * first + (1 - rho) * (ahead - first - rho * (ahead - ends)) - rho * jump
    of_other = jump + (1 - rho) * (behind - begins - rho * (behind - last))
    one = 1 - rho**2 + (before - 1) * (1 - rho) ** 2 + rho**2
    other = 1 + (after - 1) * (1 - rho) ** 2
    determinant = one * other - rho**2
    level = (other * of_one + rho * of_other) / determinant
    then = (one * of_other + rho * of_one) / determinant
    n = before + after
    rest = np.maximum(
        _whitened(rows, first, last) - level * of_one - then * of_other, n * _ROUNDING**2
    )
    logs = 0.5 * (np.log(1 - rho**2) - np.log(determinant))
    apart = (one + other - 2 * rho) / determinant
    return TwoLevels(then - level, apart, Noise(rest, logs, n[:, 0] - 2))


def one_level(rows: Floats, sizes: Ints) -> Noise:
    """The noise about one level, as in `_fit`."""
    rho = GRID[None, :]
    n = sizes.astype(np.float64)[:, None]
    first, last = rows[:, :1], rows[np.arange(len(rows)), sizes - 1][:, None]
    whole = _whitened(rows, first, last)
    # The rows sum up to 0, so all but the first do to minus that.
    of_level = (1 - rho**2) * first + (1 - rho) * (rho * last - first)
    level = 1 - rho**2 + (n - 1) * (1 - rho) ** 2
    rest = np.maximum(whole - of_level**2 / level, n * _ROUNDING**2)
    return Noise(rest, 0.5 * (np.log(1 - rho**2) - np.log(level)), n[:, 0] - 1)


def _whitened(rows: Floats, first: Floats, last: Floats) -> Floats:
    """The sum of the squares of w."""
    squares = (rows**2).sum(axis=1)[:, None]
    lag = (rows[:, :-1] * rows[:, 1:]).sum(axis=1)[:, None]
    out: Floats = squares + GRID**2 * (squares - first**2 - last**2) - 2 * GRID * lag
    return out
