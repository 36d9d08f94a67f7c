"""One overhead a target and resource: the mean over its workloads, block by block.

The mean of d over the workloads of a block is one value a block; from those come the point, the
interval and the verdict as for any row. Never across resources.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import count
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from harness.analyze.blocks import Pairs
from harness.analyze.statistics.estimate import Floats, Ints, estimate_groups, interval_rank
from harness.analyze.verdict import Blocks, adjusted, detectable_effect, flipped, margins, verdict

OF_TARGET = (
    "host",
    "scenario",
    "target",
    "backend",
    "class",
    "label",
    "nested",
    "imported",
    "elsewhere",
    "adopted",
    "resource",
)
_TEXT = pl.col(pl.Categorical).cast(pl.String)
_SHARED = (*OF_TARGET, "workload", "workload_version", "metric", "unit", "better")


class _Mean(NamedTuple):
    """The mean of d in each block that all of the `entered` workloads have, and these blocks."""

    d: Floats
    block: Ints
    entered: int


def summary(paired: Pairs, frame: pl.DataFrame, level: float = 0.95) -> pl.DataFrame:
    """A row for each host, scenario, target and resource of `frame`, native aside.

    `frame` is the overhead frame of `paired`; headline rows whose F is null there do not enter.
    Columns: `OF_TARGET`, `workloads` (how many the host has in this resource), `entered` (how many
    of them the row rests on), and of the mean what an overhead frame has of a row: `n`, `F`,
    `F_low`, `F_high`, `p`, `p_adjusted` (all rows of a host judged together), `margin`,
    `p_equivalent`, `sd`, `mde_percent` and `verdict`; `n_needed` is the number of blocks that is
    expected to resolve it, null where fewer than two are known. A mean over fewer workloads than
    another target's must not be compared with it, so the two counts belong beside it.
    """
    headline = frame.filter("headline", ~pl.col("control")).with_columns(_TEXT)
    whole = headline.group_by("host", "scenario", "resource").agg(
        pl.struct("workload", "workload_version").n_unique().alias("workloads")
    )
    targets = headline.filter(~pl.col("native")).select(OF_TARGET).unique().sort(OF_TARGET)
    values = _values(paired, headline.filter(~pl.col("native"), pl.col("F").is_not_null()))
    made = [_mean(values.get(key, []), level) for key in targets.iter_rows()]
    n = np.array([each.d.size for each in made], dtype=np.int64)
    d = np.concatenate([np.empty(0), *(each.d for each in made)])
    margin = margins(targets["resource"])
    found = estimate_groups(d, n, level, np.log1p(margin))
    deviation = np.array([each.d.std(ddof=1) if each.d.size > 1 else np.nan for each in made])
    columns: dict[str, Any] = {
        "entered": [each.entered for each in made],
        "n": n,
        "F": np.exp(found.point),
        "F_low": np.exp(found.low),
        "F_high": np.exp(found.high),
        "p": found.p,
        "margin": margin,
        "p_equivalent": found.p_margin,
        "sd": deviation,
        "mde_percent": 100 * np.expm1(detectable_effect(n, deviation)),
    }
    rows = targets.with_columns(
        *(pl.Series(name, of, nan_to_null=True) for name, of in columns.items()),
        *(pl.lit(flag).alias(name) for name, flag in _EVERY.items()),
    )
    together = rows.select(pl.len().over("host", "scenario")).to_series().to_numpy()
    needed = blocks_needed(found.point, deviation, np.log1p(margin), (1 - level) / together)
    return (
        adjusted(rows, ["host", "scenario"], _blocks(made, n), 1 - level)
        .with_columns(pl.Series("n_needed", needed, nan_to_null=True))
        .with_columns(verdict(1 - level).alias("verdict"))
        .drop(*_EVERY)
        .join(whole, on=["host", "scenario", "resource"], how="left")
    )


LEAST_BLOCKS = 8
"""Nothing is called resolved for good with fewer."""
_EFFICIENCY = 0.955
"""Of the signed-rank test against Student's t on normal values, 3/π (Hollander, Wolfe & Chicken,
section 3.11)."""


def blocks_needed(theta: Floats, deviation: Floats, margin: Floats, alpha: Floats) -> Floats:
    """How many blocks are expected to resolve each mean of d: `theta`, with the standard deviation
    `deviation`, if it stays what it is; NaN where either is not known.

    The fewer of what shows that it is not 0, two-sided at `alpha`, and what shows that it lies
    within ±`margin` (each one-sided test at .05); all on the log ratio. From n = (z·s/distance)²,
    by normal approximation.
    """
    apart = np.abs(theta)
    different = np.array([NormalDist().inv_cdf(1 - each / 2) for each in alpha])
    equal = np.where(apart < margin, margin - apart, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        routes = (different / apart, NormalDist().inv_cdf(0.95) / equal)
        n = np.fmin(*((each * deviation) ** 2 for each in routes)) / _EFFICIENCY
    return np.maximum(np.ceil(n), LEAST_BLOCKS)


_EVERY = {"headline": True, "control": False, "native": False}
"""What is so of every mean."""


def _values(
    paired: Pairs, entering: pl.DataFrame
) -> dict[tuple[Any, ...], list[tuple[Ints, Floats]]]:
    """By target and resource, for each workload that enters its blocks and their d."""
    cells = paired.cells.table.with_row_index("cell").with_columns(
        _TEXT, pl.col("run").to_physical().cast(pl.Int64).alias("of_run")
    )
    width = paired.d.shape[1]
    grouped = (
        cells.filter(~pl.col("native"), ~pl.col("control"))
        .join(entering, on=_SHARED, how="semi", nulls_equal=True)
        .group_by(_SHARED, maintain_order=True)
        .agg("cell", "of_run")
    )
    found: dict[tuple[Any, ...], list[tuple[Ints, Floats]]] = {}
    for *key, rows, runs in grouped.select(*_SHARED, "cell", "of_run").iter_rows():
        d = paired.d[rows]
        number = np.array(runs, dtype=np.int64)[:, None] * width + np.arange(width)
        present = np.isfinite(d)
        of = found.setdefault(tuple(key[: len(OF_TARGET)]), [])
        of.append((number[present], d[present]))
    return found


def _mean(workloads: Sequence[tuple[Ints, Floats]], level: float) -> _Mean:
    """The mean of `workloads` over the blocks that they share.

    Those with the most blocks come first; one that would leave fewer shared blocks than an
    interval needs does not enter, nor one that shares none.
    """
    order = sorted(workloads, key=lambda each: -each[0].size)
    if not order:
        return _Mean(np.empty(0), np.empty(0, dtype=np.int64), 0)
    shared = order[0][0]
    least = min(_fewest(level), shared.size)
    entered = [order[0]]
    for each in order[1:]:
        both = np.intersect1d(shared, each[0])
        if both.size >= max(1, least):
            shared, entered = both, [*entered, each]
    shared = np.sort(shared)
    return _Mean(np.mean([_at(shared, each) for each in entered], axis=0), shared, len(entered))


def _at(blocks: Ints, workload: tuple[Ints, Floats]) -> Floats:
    number, d = workload
    order = np.argsort(number)
    return d[order][np.searchsorted(number[order], blocks)]


def _fewest(level: float) -> int:
    """The fewest blocks that allow an interval at `level`."""
    return next(n for n in count(1) if interval_rank(n, level) is not None)


def _blocks(made: Iterable[_Mean], n: Ints) -> Blocks:
    """The values as `adjusted` takes them."""
    wanted = flipped(np.ones(n.size, dtype=np.bool_), n)
    few = [each for each, chosen in zip(made, wanted, strict=True) if chosen]
    return Blocks(
        np.concatenate([np.empty(0), *(each.d for each in few)]),
        np.where(wanted, n, -1),
        np.concatenate([np.empty(0, dtype=np.int64), *(each.block for each in few)]),
    )
