"""What may be said of an overhead, and what its blocks could have shown.

The rows of a host are judged together: the headline rows by Holm's procedure (the chance that any
of them is wrongly called different is at most α), the others by Benjamini & Hochberg's over all
rows (of those called different, a share α is expected to be wrongly so).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from harness.analyze.estimate import Floats, Ints
from harness.model import Resource

BASELINE = "baseline"
CONTROL = "control"
NO_RESULT = "no result"
TOO_SMALL = "n too small"
SLOWER = "slower"
SUSPECT = "suspect"
EQUIVALENT = "equivalent"
UNRESOLVED = "unresolved"

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
    """The verdict of a row from its columns `native`, `control`, `n`, `F`, `F_low`,
    `p_adjusted` and `p_equivalent`.

    `slower` where the adjusted test excludes 1. Faster than native beyond it is `suspect`:
    nothing runs faster for being virtualized, so something else was measured. `equivalent` where
    F lies within the margin. `unresolved` is not "no difference".
    """
    different = pl.col("p_adjusted") <= alpha * (1 + 1e-12)
    return (
        pl.when("native")
        .then(pl.lit(BASELINE))
        .when("control")
        .then(pl.lit(CONTROL))
        .when(pl.col("n") == 0)
        .then(pl.lit(NO_RESULT))
        .when(pl.col("F_low").is_null())
        .then(pl.lit(TOO_SMALL))
        .when(different & (pl.col("F") > 1))
        .then(pl.lit(SLOWER))
        .when(different & (pl.col("F") < 1))
        .then(pl.lit(SUSPECT))
        .when(pl.col("p_equivalent") <= _TOST_ALPHA * (1 + 1e-12))
        .then(pl.lit(EQUIVALENT))
        .otherwise(pl.lit(UNRESOLVED))
    )


def adjusted(frame: pl.DataFrame, family: Sequence[str]) -> pl.DataFrame:
    """Add `p_adjusted` to a frame with `p`, `headline` and `control`.

    `family` names the columns whose rows are judged together. The order of rows is not kept.
    Sources: Holm, Scand. J. Statist. 6 (1979); Benjamini & Hochberg, J. R. Statist. Soc. B 57
    (1995).
    """
    judged = pl.col("p").is_not_null() & ~pl.col("control")
    over = [*family, "_judged"]
    ranked = frame.with_columns(judged.alias("_judged")).sort("p", nulls_last=True)
    rank = pl.int_range(1, pl.len() + 1)
    holm = ((pl.len() - rank + 1) * pl.col("p")).cum_max().over([*over, "headline"])
    hochberg = (pl.len() / rank * pl.col("p")).cum_min(reverse=True).over(over)
    return ranked.with_columns(
        pl.when("_judged")
        .then(pl.when("headline").then(holm).otherwise(hochberg).clip(upper_bound=1.0))
        .otherwise("p")
        .alias("p_adjusted")
    ).drop("_judged")


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
