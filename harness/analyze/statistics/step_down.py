"""Rows measured in the same blocks, judged together without losing what few blocks can show.

Under the hypothesis that a target is as fast as native the sign of its d in a block is a coin,
and a block has one coin for all its rows, however they depend on each other. So the signs of whole
blocks are flipped, all rows at once, and a row is called different where its t is larger than the
largest t of all rows still in question is in all but a share α of the flips: the step-down
procedure of Romano & Wolf, J. Am. Statist. Assoc. 100 (2005) 94, after Westfall & Young,
"Resampling-based multiple testing" (1993). The chance that any row is wrongly called different is
α at most. The smallest p that n blocks can give is 2^(1−n), whatever the number of rows; by Holm's
procedure it is that times the number.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST_BLOCKS = 24
"""With more blocks a single p can be so small that Holm's procedure loses little; it costs nothing,
and thousands of hosts are judged in seconds."""
_ALL_FLIPS = 13
"""Blocks up to which every way to flip signs is tried: there are 2^(n−1) that differ in |t|."""
_FLIPS = 4_999
"""Beyond, so many at random; they and the data as they are, so that p is never 0 (Phipson & Smyth,
Stat. Appl. Genet. Mol. Biol. 9 (2010) 39)."""
_AT_A_TIME = 512


def step_down(d: Floats) -> Floats:
    """The p of each row of `d` (rows, blocks), adjusted for all of them; NaN where a row has no
    value in a block. The same `d` gives the same p."""
    present = np.isfinite(d)
    used = present.any(axis=0)
    values = np.where(present, d, 0.0)[:, used]
    n = present.sum(axis=1)
    norm = np.sqrt(n * (values**2).sum(axis=1))
    # A row of one value, or of nothing but 0, has no t: it is never the largest.
    values = values / np.where((norm > 0) & (n > 1), norm, np.inf)[:, None]
    own = _like_t(values.sum(axis=1)[None], n)[0]
    order = np.argsort(own, kind="stable")
    values, n, own = values[order], n[order], own[order]
    reached = np.zeros(len(d))
    count = 0
    for signs in _flips(int(used.sum())):
        # Of a row and those with a smaller t, which are all in question when it is judged.
        largest = np.maximum.accumulate(_like_t(signs @ values.T, n), axis=1)
        reached += (largest >= own * (1 - 1e-9)).sum(axis=0)
        count += len(signs)
    p = np.empty(len(d))
    p[order] = np.maximum.accumulate((reached / count)[::-1])[::-1]
    return p


def _like_t(sums: Floats, n: npt.NDArray[np.int64]) -> Floats:
    """What orders rows as |t| does, from their sums over √(n·Σd²): that itself, which is
    |t|/√(t² + n − 1), where all have one n; else t²."""
    if n.min() == n.max():
        return np.abs(sums)
    share = np.minimum(sums**2, 1.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.maximum(n - 1, 0) * share / (1 - share)
    return np.where(n > 1, t, 0.0)


@lru_cache(maxsize=4)
def _flips(blocks: int) -> list[Floats]:
    """The signs of the blocks (flips, blocks), in parts; those of the data as they are come
    first."""
    if blocks <= _ALL_FLIPS:
        number = np.arange(1 << max(blocks - 1, 0))
        signs = np.where((number[:, None] >> np.arange(blocks)) & 1, -1.0, 1.0)
    else:
        drawn = np.random.default_rng(blocks).choice([-1.0, 1.0], (_FLIPS, blocks))
        signs = np.vstack([np.ones(blocks), drawn])
    return [signs[at : at + _AT_A_TIME] for at in range(0, len(signs), _AT_A_TIME)]
