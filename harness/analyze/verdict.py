"""What may be said of an overhead, and what its blocks could have shown.

So far each row is judged by its own interval; nothing is corrected for the number of rows.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from harness.analyze.estimate import Floats, Ints

BASELINE = "baseline"
NO_RESULT = "no result"
TOO_SMALL = "n too small"
SLOWER = "slower"
FASTER = "faster"
UNRESOLVED = "unresolved"

_DETECTABLE_N = np.array([6, 8, 10, 15, 20, 30])
_DETECTABLE = np.array([1.44, 1.16, 1.00, 0.78, 0.66, 0.53])
_DETECTABLE_LIMIT = 2.80


def verdict() -> pl.Expr:
    """The verdict of a row from its columns `native`, `n`, `F`, `F_low` and `F_high`.

    `slower` or `faster` only where the row's interval excludes 1; `unresolved` is not "no
    difference".
    """
    return (
        pl.when("native")
        .then(pl.lit(BASELINE))
        .when(pl.col("n") == 0)
        .then(pl.lit(NO_RESULT))
        .when(pl.col("F_low").is_null())
        .then(pl.lit(TOO_SMALL))
        .when(pl.col("F_low") > 1)
        .then(pl.lit(SLOWER))
        .when(pl.col("F_high") < 1)
        .then(pl.lit(FASTER))
        .otherwise(pl.lit(UNRESOLVED))
    )


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
