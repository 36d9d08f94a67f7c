"""Order statistics of the n(n+1)/2 sums x_i + x_j (i ≤ j) of a long series, most never made.

The sums up to a limit are counted in O(n log n). A few such counts close in on a rank, and only the
sums that then are left are made and sorted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_MADE = 8
"""So many times n sums are few enough to be made."""
_SAMPLE = 128
_NEAR = 0.02
"""How far, as a share of all sums, a rank may be off that is guessed from a sample."""


def count(ordered: Floats, limit: float) -> int:
    """How many x_i + x_j (i ≤ j) of a sorted series are ≤ `limit`; O(n log n)."""
    low = int(np.searchsorted(ordered, limit / 2, side="right"))
    # The smaller of the two is at most half of the limit. Ascending keys are searched faster.
    reach = np.searchsorted(ordered, limit - ordered[:low][::-1], side="right")
    return int(np.maximum(reach - np.arange(low - 1, -1, -1), 0).sum())


def walsh_sums(ordered: Floats, ranks: Sequence[int]) -> list[float]:
    """The sums x_i + x_j (i ≤ j) of a sorted series that have these `ranks`, 1 being the smallest.

    Exact to one unit in the last place of the largest |x|.
    """
    n = ordered.size
    sample = ordered[np.linspace(0, n - 1, min(n, _SAMPLE)).round().astype(np.int64)]
    first, second = np.triu_indices(sample.size)
    guesses = np.sort(sample[first] + sample[second])
    out: list[float] = []
    below, made = 0, np.empty(0)
    for rank in ranks:
        # Two ranks that are neighbours, as those of a median are, lie among the same sums.
        if not below < rank <= below + made.size:
            below, made = _around(ordered, rank, guesses)
        out.append(float(np.partition(made, rank - below - 1)[rank - below - 1]))
    return out


class _Bracket:
    """Two values with the number of sums up to each: fewer than `rank`, and at least as many."""

    def __init__(self, ordered: Floats, rank: int) -> None:
        self._ordered = ordered
        self._rank = rank
        self.low, self.high = 2 * float(ordered[0]), 2 * float(ordered[-1])
        self.below, self.upto = count(ordered, self.low), ordered.size * (ordered.size + 1) // 2

    @property
    def between(self) -> int:
        return self.upto - self.below

    def cut(self, at: float) -> None:
        """Make it narrower by what is counted up to `at`, which may lie outside."""
        if not self.low < at < self.high:
            return
        found = count(self._ordered, at)
        if found >= self._rank:
            self.high, self.upto = at, found
        else:
            self.low, self.below = at, found

    def place(self, rank: float) -> float:
        """Where a rank is, if the sums are spread evenly between the two values."""
        return self.low + (self.high - self.low) * (rank - self.below) / self.between


def _around(ordered: Floats, rank: int, guesses: Floats) -> tuple[int, Floats]:
    """Sums among which is that of `rank`, and how many are smaller than them all."""
    n = ordered.size
    bracket = _Bracket(ordered, rank)
    if bracket.below >= rank:
        return 0, np.full(bracket.below, bracket.low)
    share = rank / bracket.upto
    for near in (share - _NEAR, share + _NEAR):
        bracket.cut(float(guesses[int(np.clip(near, 0, 1) * (guesses.size - 1))]))
    tolerance = float(np.spacing(max(abs(bracket.low), abs(bracket.high))))
    while bracket.between > _MADE * n and bracket.high - bracket.low > tolerance:
        before = bracket.between
        bracket.cut(bracket.place(rank - _MADE * n / 4))
        bracket.cut(bracket.place(rank + _MADE * n / 4))
        if bracket.between > before / 2:
            bracket.cut(bracket.low + (bracket.high - bracket.low) / 2)
    if bracket.between > _MADE * n:
        # More sums than that are one number, but for the last place.
        return rank - 1, np.array([bracket.high])
    return bracket.below, _between(ordered, bracket.low, bracket.high)


def _between(ordered: Floats, low: float, high: float) -> Floats:
    """All sums over `low` and up to `high`, by the same comparisons as `count`."""
    own = np.arange(ordered.size)
    begin, end = (
        np.maximum(np.searchsorted(ordered, limit - ordered[::-1], side="right")[::-1], own)
        for limit in (low, high)
    )
    many = end - begin
    first = np.repeat(own, many)
    second = (
        np.arange(first.size) - np.repeat(np.cumsum(many) - many, many) + np.repeat(begin, many)
    )
    sums: Floats = ordered[first] + ordered[second]
    return sums
