"""What may be said of an overhead, and what its blocks could have shown.

The rows of a host are judged together: the headline rows so that the chance that any of them is
wrongly called different is at most α (`statistics.step_down`; by Holm's procedure where there
are many blocks, or the rows have none in common), the others by Benjamini & Hochberg's over
all rows (of those called different, a share α is expected to be wrongly so).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from harness.analyze.statistics.codes import ordered_codes
from harness.analyze.statistics.estimate import Floats, Ints
from harness.analyze.statistics.step_down import MOST_BLOCKS, step_down
from harness.model.workload import Resource

Flags = npt.NDArray[np.bool_]

BASELINE = "baseline"
CONTROL = "control"
NO_RESULT = "no result"
TOO_SMALL = "n too small"
SLOWER = "slower"
SUSPECT = "suspect"
EQUIVALENT = "equivalent"
UNRESOLVED = "unresolved"
ELSEWHERE = "other machine"

BEYOND_SENSE = 1.5
"""How many times native's speed is beyond what is physically sensible on native's own hardware:
whoever publishes more has compared other work, or a cache."""

EQUIVALENT_WITHIN = {
    Resource.CPU: 0.01,
    Resource.MEMORY: 0.01,
    Resource.KERNEL: 0.01,
    Resource.DISK: 0.03,
    Resource.NETWORK: 0.03,
}
"""δ: an overhead shown to lie within ±δ is none worth telling."""

_TOST_ALPHA = 0.05
"""Each one-sided test; the 90 % interval then lies inside the margin (Schuirmann 1987)."""

_DETECTABLE_N = np.array([6, 8, 10, 15, 20, 30])
_DETECTABLE = np.array([1.44, 1.16, 1.00, 0.78, 0.66, 0.53])
_DETECTABLE_LIMIT = 2.80


def verdict(alpha: float) -> pl.Expr:
    """The verdict of a row from its columns `native`, `control`, `label`, `n`, `F`, `F_low`,
    `F_high`, `p_adjusted` and `p_equivalent`.

    None is passed on a target of another machine than native's: it has no overhead.
    `slower` where the adjusted test excludes 1. Faster than native beyond the row's own interval
    is `suspect`: nothing runs faster for being virtualized, so something else may have been
    measured. That is an alarm and no claim, so it waits for no correction: few blocks would
    otherwise never raise it. `equivalent` where F lies within the margin. `unresolved` is not
    "no difference".
    """
    different = pl.col("p_adjusted") <= alpha * (1 + 1e-12)
    return (
        pl.when("native")
        .then(pl.lit(BASELINE))
        .when("control")
        .then(pl.lit(CONTROL))
        .when(pl.col("elsewhere") & (pl.col("n") > 0))
        .then(pl.lit(ELSEWHERE))
        .when(pl.col("n") == 0)
        .then(pl.lit(NO_RESULT))
        .when(pl.col("F_low").is_null() & (pl.col("F") < 1 / BEYOND_SENSE))
        .then(pl.lit(SUSPECT))
        .when(pl.col("F_low").is_null())
        .then(pl.lit(TOO_SMALL))
        .when(different & (pl.col("F") > 1))
        .then(pl.lit(SLOWER))
        .when(pl.col("F_high") < 1)
        .then(pl.lit(SUSPECT))
        .when(pl.col("p_equivalent") <= _TOST_ALPHA * (1 + 1e-12))
        .then(pl.lit(EQUIVALENT))
        .otherwise(pl.lit(UNRESOLVED))
    )


FEW_BLOCKS = 8
"""With fewer, Benjamini & Hochberg's procedure can call no row different unless a third of all rows
is (six blocks: two thirds), however large the difference."""


class Blocks(NamedTuple):
    """What the rows of a frame are made of: the values `d` of one row after another, `n` (rows,)
    how many each has, and the `block` of each value, the same number being the same block. `n` is
    -1 for a row that has too many to be `flipped`, of which no values are given."""

    d: Floats
    n: Ints
    block: Ints


def flipped(headline: Flags, n: Ints) -> Flags:
    """Which rows of `n` blocks `adjusted` wants the values of."""
    return n <= np.where(headline, MOST_BLOCKS, FEW_BLOCKS - 1)


def adjusted(
    frame: pl.DataFrame, family: Sequence[str], blocks: Blocks | None = None, alpha: float = 0.05
) -> pl.DataFrame:
    """Add `p_adjusted` to a frame with `p`, `headline` and `control`, whose rows keep their order.

    `family` names the columns whose rows are judged together. With `blocks` the headline rows of
    a family are judged by `step_down`, and p is at least a row's own; without them, or where they
    are more than `MOST_BLOCKS`, by Holm's procedure. The others are judged by Benjamini &
    Hochberg's over all rows; where these have fewer than `FEW_BLOCKS`, by `step_down` over all.
    A row of so few blocks that no p could be `alpha` is not in the way of the others.
    Sources: Holm, Scand. J. Statist. 6 (1979); Benjamini & Hochberg, J. R. Statist. Soc. B 57
    (1995); of `step_down` see there.
    """
    out = frame["p"].to_numpy().copy()
    judged = np.flatnonzero((frame["p"].is_not_null() & ~frame["control"]).to_numpy())
    if judged.size:
        host, _ = ordered_codes([frame[name] for name in family])
        lead = frame["headline"].to_numpy()[judged]
        p, together = out[judged], host[judged].astype(np.int64)
        found = np.where(lead, _holm(p, 2 * together + lead), _hochberg(p, together))
        if blocks is not None:
            for group in _groups(together, np.flatnonzero(lead)):
                d = _matrix(blocks, judged[group], MOST_BLOCKS)
                if d is not None:
                    found[group] = np.maximum(p[group], _stepped(d, alpha))
            for group in _groups(together, np.arange(p.size)):
                d = _matrix(blocks, judged[group], FEW_BLOCKS - 1)
                if d is not None:
                    every = np.maximum(p[group], _stepped(d, alpha))
                    found[group] = np.where(lead[group], found[group], every)
        out[judged] = np.minimum(found, 1.0)
    return frame.with_columns(pl.Series("p_adjusted", out, nan_to_null=True))


def _groups(together: Ints, rows: Ints) -> list[Ints]:
    """`rows` by family."""
    rows = rows[np.argsort(together[rows], kind="stable")]
    parts = np.split(rows, np.flatnonzero(np.diff(together[rows])) + 1)
    return [part for part in parts if part.size]


def _stepped(d: Floats, alpha: float) -> Floats:
    """`step_down`; of the rows that can be called different at `alpha`, among themselves: the
    first that is not called so ends it for all that come after, and that with the largest t may
    be one of four blocks."""
    p = step_down(d)
    able = 2.0 ** (1 - np.isfinite(d).sum(axis=1)) <= alpha * (1 + 1e-12)
    if able.any() and not able.all():
        p[able] = step_down(d[able])
    return p


def _matrix(blocks: Blocks, rows: Ints, most: int) -> Floats | None:
    """The values of `rows` (rows, blocks), NaN where there is none; None where there are more than
    `most` blocks."""
    size = blocks.n[rows]
    if (size < 0).any():
        return None
    given = np.maximum(blocks.n, 0)
    starts = np.cumsum(given) - given
    within = np.arange(int(size.sum())) - np.repeat(np.cumsum(size) - size, size)
    chosen = np.repeat(starts[rows], size) + within
    distinct, column = np.unique(blocks.block[chosen], return_inverse=True)
    if distinct.size > most:
        return None
    d = np.full((rows.size, distinct.size), np.nan)
    d[np.repeat(np.arange(rows.size), size), column] = blocks.d[chosen]
    return d


def _holm(p: Floats, group: Ints) -> Floats:
    order, place, size = _ranked(p, group)
    out = np.empty_like(p)
    out[order] = _running(np.maximum, (size - place) * p[order], place)
    return out


def _hochberg(p: Floats, group: Ints) -> Floats:
    order, place, size = _ranked(p, group)
    backwards = (size / (place + 1) * p[order])[::-1]
    out = np.empty_like(p)
    out[order] = _running(np.minimum, backwards, (size - 1 - place)[::-1])[::-1]
    return out


def _ranked(p: Floats, group: Ints) -> tuple[Ints, Ints, Ints]:
    """The rows by group and then by p; for each in that order its place in its group, from 0,
    and the group's size."""
    order = np.lexsort((p, group))
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    sizes = np.diff(starts, append=group.size)
    return order, np.arange(group.size) - np.repeat(starts, sizes), np.repeat(sizes, sizes)


def _running(extreme: np.ufunc, values: Floats, place: Ints) -> Floats:
    """The running maximum or minimum inside each group, `place` being a value's place in its own.

    Each pass doubles how far back a value has looked, so there are as many passes as the largest
    group has binary digits.
    """
    step = 1
    while step <= place.max():
        before, inside = values, place[step:] >= step
        values = before.copy()
        extreme(before[step:], before[:-step], out=values[step:], where=inside)
        step *= 2
    return values


def margins(resources: pl.Series) -> Floats:
    """δ of each row, as a ratio, by its resource."""
    within = {str(resource): margin for resource, margin in EQUIVALENT_WITHIN.items()}
    of_row = resources.cast(pl.String).replace_strict(within, return_dtype=pl.Float64)
    return of_row.to_numpy()


def detectable_effect(n: Ints, deviation: Floats) -> Floats:
    """The minimum detectable effect Δ = f(n)·s_d on the log ratio (α = .05, power .8).

    `n` blocks and the standard deviation of d, by row; NaN below n = 6. f is the table of the
    project's statistics; between its entries f(n)·√n is interpolated linearly in 1/n, towards
    z(.975) + z(.8) = 2.80 for large n.
    """
    inverse = np.append(0.0, 1 / _DETECTABLE_N[::-1])
    scaled = np.append(_DETECTABLE_LIMIT, (_DETECTABLE * np.sqrt(_DETECTABLE_N))[::-1])
    enough = np.where(n >= _DETECTABLE_N[0], n, np.nan)
    return np.asarray(np.interp(1 / enough, inverse, scaled) / np.sqrt(enough) * deviation)
