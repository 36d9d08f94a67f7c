"""The overhead frame: what each target costs against native on the same host.

A row for each host, scenario, target, workload and metric. Runs of one host are pooled, a block
being then a (run, block), unless they are asked for one by one. Rows are pooled only where
nothing that makes numbers comparable differs: the label, the class, the nesting, whether it was
imported, the workload's version and the metric's unit are part of the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl

from harness.analyze.blocks import Flags, Pairs, cells, pairs
from harness.analyze.statistics.codes import ordered_codes
from harness.analyze.statistics.estimate import METHOD, Floats, Ints, estimate_groups, medians
from harness.analyze.verdict import (
    Blocks,
    adjusted,
    detectable_effect,
    flipped,
    margins,
    verdict,
)

KEYS = (
    "host",
    "scenario",
    "target",
    "backend",
    "class",
    "label",
    "native",
    "control",
    "nested",
    "imported",
    "elsewhere",
    "adopted",
    "resource",
    "workload",
    "workload_version",
    "metric",
    "metric_index",
    "unit",
    "better",
)
_COUNTS = ("trials", "failed", "timeout", "lost", "rejected", "n_missing", "n_invalid")
_ORDER = ("host", "scenario", "resource", "workload", "workload_version", "metric_index", "metric")
_AT_A_TIME = 2
"""Parts in work at once: while one computes in Python the other can read and sort."""
_PERCENT = {"F": "overhead_percent", "F_low": "overhead_low", "F_high": "overhead_high"}
_TIES = ("target", "backend", "class", "label", "nested", "imported", "elsewhere", "unit", "better")


def overhead(
    samples: pl.LazyFrame | Sequence[pl.LazyFrame],
    level: float = 0.95,
    by_run: bool = False,
    judged: bool = True,
) -> pl.DataFrame:
    """The overhead frame of `samples` (columns of `harness.dataset.samples.SCHEMA`).

    Several are parts of whole hosts in the order of their names (`dataset.read`): what
    is said of a host depends on its own rows alone, so they are taken two at a time, in the memory
    that the two largest need, and the result is the same.

    Beside `KEYS`:

    - `run`: the run, or null where several were pooled; `runs`: how many; `title`.
    - `headline`: whether this is the workload's first metric.
    - `n`: pairs of target and native; for native itself, and for a target of another machine,
      its blocks with a value.
    - `n_missing`: blocks where the target was tried and that gave no pair; `n_invalid`: those
      among them with a value of zero or less.
    - `trials`, `failed`, `timeout`, `lost`, `rejected`: of the target.
    - `n_values`, `value_mean`, `value_median`, and the same of native over the same runs
      (`native_n_values`, …), in `unit`, over blocks.
    - `F`, `F_low`, `F_high`: slowdown factor exp θ, θ the Hodges–Lehmann estimate of
      s·(ln x_target − ln x_native) with both of native's trials (`blocks.Pairs`), and its interval
      at `level`; above 1 is slower than native.
    - `overhead_percent`, `overhead_low`, `overhead_high`: 100·(F − 1).
    - `p`: of the signed-rank test that θ is 0; `p_adjusted`: over the rows of the host, see
      `harness.analyze.verdict.adjusted` (a control's is its `p`); `margin`: the half width of
      equivalence as a ratio; `p_equivalent`: of the test that F lies outside it.
    - `sd`: of d; `mde`, `mde_percent`: minimum detectable effect on the log ratio, in percent.
    - `level`, `method`, `verdict` (see `harness.analyze.verdict`).

    Where rows are not to be `judged`, `p_adjusted` and `verdict` are left out: of thousands of runs
    that is most of the work. Native's own rows come first in each metric and have no F. What is not
    known is null.
    Raises HarnessError where there are no rows or a run has no native target.
    """
    if isinstance(samples, pl.LazyFrame):
        return from_pairs(pairs(cells(samples)), level, by_run, judged)
    with ThreadPoolExecutor(max_workers=_AT_A_TIME) as pool:
        parts = pool.map(
            lambda each: from_pairs(pairs(cells(each)), level, by_run, judged), samples
        )
        return pl.concat(list(parts), rechunk=False)


def from_pairs(
    paired: Pairs, level: float = 0.95, by_run: bool = False, judged: bool = True
) -> pl.DataFrame:
    """`overhead` from pairs already made."""
    table = paired.cells.table.with_columns(
        pl.Series("n_missing", paired.missing), pl.Series("n_invalid", paired.invalid)
    ).with_row_index("cell")
    # Sorted here, where there are few columns yet; what is added below keeps the order.
    grouped = _sorted(_one_by_one(table) if by_run else _pooled(table), by_run).with_columns(
        pl.col("metric_index").eq(0).alias("headline")
    )
    order = grouped["cell"].explode().to_numpy().astype(np.int64)
    in_group = grouped["cell"].list.len().to_numpy().astype(np.int64)

    columns = _absolute("", paired.cells.values, order, in_group)
    columns |= _absolute("native_", paired.cells.values, paired.native[order], in_group)
    d, n = _flat(paired.d, order, in_group)
    deviation = _deviation(d, n)
    margin = margins(grouped["resource"])
    alone = grouped.select(pl.col("native") | pl.col("elsewhere")).to_series().to_numpy()
    theta = estimate_groups(d, n, level, np.log1p(margin))
    effect = detectable_effect(n, deviation)
    columns |= {
        "n": np.where(alone, columns["n_values"], n),
        "F": np.exp(theta.point),
        "F_low": np.exp(theta.low),
        "F_high": np.exp(theta.high),
        "p": theta.p,
        "margin": margin,
        "p_equivalent": theta.p_margin,
        "sd": deviation,
        "mde": effect,
        "mde_percent": 100 * np.expm1(effect),
    }
    made = (
        grouped.drop("cell")
        .with_columns(pl.Series(key, of, nan_to_null=True) for key, of in columns.items())
        .with_columns((100 * (pl.col(f) - 1)).alias(name) for f, name in _PERCENT.items())
        .with_columns(
            pl.when(pl.col("runs") == 1).then("run").alias("run"),
            pl.lit(level).alias("level"),
            pl.lit(METHOD).alias("method"),
        )
    )
    if not judged:
        return made
    wanted = flipped(grouped["headline"].to_numpy(), n) & ~grouped["control"].to_numpy()
    blocks = _blocks(paired, order, in_group, wanted, n)
    family = ["host", "scenario", *(["run"] if by_run else [])]
    return made.pipe(adjusted, family, blocks, 1 - level).with_columns(
        verdict(1 - level).alias("verdict")
    )


def _blocks(paired: Pairs, order: Ints, in_group: Ints, wanted: Flags, n: Ints) -> Blocks:
    """The values of the groups `wanted`, as `adjusted` takes them; a block is one of a run."""
    cell = order[np.repeat(wanted, in_group)]
    d = paired.d[cell]
    run = paired.cells.table["run"].to_physical().to_numpy().astype(np.int64)[cell]
    number = run[:, None] * d.shape[1] + np.arange(d.shape[1])
    present = np.isfinite(d)
    return Blocks(d[present], np.where(wanted, n, -1), number[present])


def _pooled(table: pl.DataFrame) -> pl.DataFrame:
    """A row for each group of comparable cells, whatever their runs; `cell` lists them."""
    return (
        table.sort("run")
        .group_by(KEYS, maintain_order=True)
        .agg(
            "cell",
            pl.col(_COUNTS).sum(),
            pl.col("run").first(),
            pl.col("title").last(),
            pl.len().alias("runs"),
        )
    )


def _one_by_one(table: pl.DataFrame) -> pl.DataFrame:
    """The columns of `_pooled` where each cell is a group of its own."""
    return table.select(
        *KEYS, "run", pl.col("cell").reshape((-1, 1)).arr.to_list(), *_COUNTS, "title",
        pl.lit(1, pl.UInt32).alias("runs"),
    )  # fmt: skip


def _sorted(grouped: pl.DataFrame, by_run: bool) -> pl.DataFrame:
    by = [grouped[name] for name in (*_ORDER, *_TIES, *(["run"] if by_run else []))]
    by.insert(len(_ORDER), ~grouped["native"])
    code, _ = ordered_codes(by)
    return grouped[np.argsort(code, kind="stable")]


def _absolute(prefix: str, values: Floats, order: Ints, in_group: Ints) -> dict[str, Floats | Ints]:
    """Count, mean and median over the blocks of each group, as columns."""
    flat, n = _flat(values, order, in_group)
    return {
        f"{prefix}n_values": n,
        f"{prefix}value_mean": _sums(flat, n) / np.where(n > 0, n, np.nan),
        f"{prefix}value_median": medians(flat, n),
    }


def _flat(matrix: Floats, order: Ints, in_group: Ints) -> tuple[Floats, Ints]:
    """The rows `order` of `matrix` without their holes, one after another, and how many values
    each group has; a row of -1 has none. Consecutive `in_group` rows make a group."""
    rows = matrix[order]
    rows[order < 0] = np.nan
    present = np.isfinite(rows)
    starts = np.cumsum(in_group) - in_group
    return rows[present], np.add.reduceat(present.sum(axis=1), starts)


def _sums(flat: Floats, sizes: Ints) -> Floats:
    """The sum of each group of `flat`; 0 for an empty one."""
    group = np.repeat(np.arange(sizes.size), sizes)
    return np.bincount(group, weights=flat, minlength=sizes.size).astype(np.float64)


def _deviation(flat: Floats, sizes: Ints) -> Floats:
    """The standard deviation (n − 1) of each group, NaN for fewer than two values."""
    mean = _sums(flat, sizes) / np.where(sizes > 0, sizes, np.nan)
    squares = _sums((flat - np.repeat(mean, sizes)) ** 2, sizes)
    return np.sqrt(squares / np.where(sizes > 1, sizes - 1, np.nan))
