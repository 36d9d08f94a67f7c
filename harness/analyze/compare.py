"""A candidate against a base: two targets of the same blocks, or the overheads of two sets of runs.

Two targets that ran in the same blocks are compared block by block, and native only stands beside
them: that is the honest comparison of two releases. Runs of different nights share no block; there
each side's overhead, paired with its own native, is a sample of its own, and what else differed
between the nights is in the difference.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from harness.analyze.blocks import Cells, Flags, Pairs, cells, pairs
from harness.analyze.statistics import estimate, two_samples
from harness.analyze.statistics.estimate import Floats
from harness.analyze.verdict import (
    EQUIVALENT,
    SLOWER,
    TOO_SMALL,
    UNRESOLVED,
    Blocks,
    adjusted,
    detectable_effect,
    flipped,
    margins,
)

FASTER = "faster"
RUNS_FOR_RUNS = 4
"""From so many runs on each side the run is the unit, not the block: the smallest number for which
there is a 95 % interval, and what differs between nights is then in it."""

_KEYS = ("host", "scenario", "resource", "workload", "workload_version", "metric", "unit", "better")
_TOST_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Pairing:
    """Which target of the base stands against which of the candidate."""

    base: str
    candidate: str


SCHEMA: dict[str, Any] = {
    "host": pl.String,
    "scenario": pl.String,
    "base": pl.String,
    "candidate": pl.String,
    "resource": pl.String,
    "workload": pl.String,
    "workload_version": pl.UInt32,
    "title": pl.String,
    "metric": pl.String,
    "metric_index": pl.UInt16,
    "headline": pl.Boolean,
    "unit": pl.String,
    "better": pl.String,
    "unit_of_n": pl.String,
    "n_base": pl.Int64,
    "n_candidate": pl.Int64,
    "value_base": pl.Float64,
    "value_candidate": pl.Float64,
    "F_base": pl.Float64,
    "F_candidate": pl.Float64,
    "ratio": pl.Float64,
    "ratio_low": pl.Float64,
    "ratio_high": pl.Float64,
    "p": pl.Float64,
    "p_equivalent": pl.Float64,
    "mde_percent": pl.Float64,
    "method": pl.String,
    "control": pl.Boolean,
}
"""`ratio` is the candidate's slowdown over the base's, above 1 is slower than the base, with its
interval; `value_…` the medians in `unit`, `F_…` each side's own slowdown against native; `n_…`
count `unit_of_n` (`block` or `run`)."""


def same_blocks(
    samples: pl.LazyFrame, pairing: Sequence[Pairing], level: float = 0.95
) -> pl.DataFrame:
    """Targets of the same runs, block by block: a row for each pairing and metric, with the columns
    of `SCHEMA`, `p_adjusted` and `verdict`."""
    paired = pairs(cells(samples))
    rows: list[dict[str, Any]] = []
    inside: list[dict[tuple[str, int], float]] = []
    for each in pairing:
        before, after = _by_key(paired, each.base), _by_key(paired, each.candidate)
        for key in before.keys() & after.keys():
            runs = sorted(before[key].keys() & after[key].keys())
            sign = 1.0 if key[-1] == "lower" else -1.0
            ratios = {
                (run, block): ratio
                for run in runs
                for block, ratio in _log_ratios(
                    paired.cells.values[before[key][run]],
                    paired.cells.values[after[key][run]],
                    sign,
                )
            }
            inside.append(ratios)
            d = np.array(list(ratios.values()))
            if d.size == 0:
                rows.append(_row(paired, each, key, before[key], after[key]))
                continue
            margin = math.log1p(float(margins(pl.Series([key[2]]))[0]))
            found = estimate.estimate_groups(
                d, np.array([d.size]), level, np.array([margin], dtype=np.float64)
            )
            deviation = np.array([d.std(ddof=1) if d.size > 1 else math.nan])
            effect = float(detectable_effect(np.array([d.size]), deviation)[0])
            rows.append(
                _row(paired, each, key, before[key], after[key])
                | _estimated(
                    float(found.point[0]),
                    _known(float(found.low[0])),
                    _known(float(found.high[0])),
                    float(found.p[0]),
                    float(found.p_margin[0]),
                )
                | {"unit_of_n": "block", "n_base": d.size, "n_candidate": d.size}
                | {"method": estimate.METHOD, "mde_percent": _known(100 * math.expm1(effect))}
            )
    return _judged(rows, level, inside)


def separate_runs(
    base: pl.LazyFrame,
    candidate: pl.LazyFrame,
    pairing: Sequence[Pairing],
    level: float = 0.95,
) -> pl.DataFrame:
    """The overheads of two sets of runs: a row for each pairing and metric, as `same_blocks`."""
    first, second = pairs(cells(base)), pairs(cells(candidate))
    rows = []
    for each in pairing:
        before, after = _by_key(first, each.base), _by_key(second, each.candidate)
        for key in before.keys() & after.keys():
            row = _row(first, each, key, before[key], {}) | _side(second, "candidate", after[key])
            by_run = min(len(before[key]), len(after[key])) >= RUNS_FOR_RUNS
            old, new = (
                _sample(side, rows_of[key], by_run)
                for side, rows_of in ((first, before), (second, after))
            )
            row |= {"unit_of_n": "run" if by_run else "block"}
            row |= {"n_base": old.size, "n_candidate": new.size, "method": two_samples.METHOD}
            if old.size and new.size:
                margin = math.log1p(float(margins(pl.Series([key[2]]))[0]))
                found = two_samples.shift(old, new, level, margin)
                row |= _estimated(found.point, found.low, found.high, found.p, found.p_margin)
            rows.append(row)
    return _judged(rows, level)


@dataclass(frozen=True, slots=True)
class NativeMoved:
    """Native itself between two sets of runs: of `metrics` headline metrics `differing` moved (each
    by itself at 5 %, nothing corrected); the largest by `largest` as a slowdown factor."""

    metrics: int
    differing: int
    largest: float


def native_moved(base: pl.LazyFrame, candidate: pl.LazyFrame) -> NativeMoved | None:
    """Whether the host itself is what it was; None where the sides share no metric."""
    first, second = cells(base), cells(candidate)
    differing, factors = 0, []
    old, new = _native_values(first), _native_values(second)
    for key in old.keys() & new.keys():
        found = two_samples.shift(old[key], new[key], 0.95, 0.0)
        factors.append(math.exp(abs(found.point)))
        differing += found.p <= 0.05
    return NativeMoved(len(factors), differing, max(factors)) if factors else None


def _native_values(side: Cells) -> dict[tuple[Any, ...], Floats]:
    found: dict[tuple[Any, ...], list[Floats]] = {}
    table = side.table.with_row_index("row").filter(
        pl.col("native"), ~pl.col("control"), pl.col("metric_index") == 0
    )
    for record in table.select("row", *_KEYS).cast({pl.Categorical: pl.String}).iter_rows():
        values = side.values[record[0]]
        usable = values[np.isfinite(values) & (values > 0)]
        if usable.size:
            found.setdefault(record[1:], []).append(np.log(usable))
    return {key: np.concatenate(parts) for key, parts in found.items()}


def _by_key(paired: Pairs, target: str) -> dict[tuple[Any, ...], dict[str, int]]:
    """For each metric of a target the row of its cell in each run."""
    table = paired.cells.table.with_row_index("row").filter(
        pl.col("target").cast(pl.String) == target, ~pl.col("control")
    )
    found: dict[tuple[Any, ...], dict[str, int]] = {}
    wanted = table.select("row", "run", *_KEYS).with_columns(
        pl.col(name).cast(pl.String) for name in ("run", *_KEYS) if name != "workload_version"
    )
    for row, run, *key in wanted.iter_rows():
        found.setdefault(tuple(key), {})[run] = row
    return found


def _log_ratios(old: Floats, new: Floats, sign: float) -> Iterator[tuple[int, float]]:
    """The blocks in which both have a value, with what it says."""
    usable = np.isfinite(old) & np.isfinite(new) & (old > 0) & (new > 0)
    ratios = sign * (np.log(new[usable]) - np.log(old[usable]))
    return zip(np.flatnonzero(usable).tolist(), ratios.tolist(), strict=True)


def _sample(paired: Pairs, rows: Mapping[str, int], by_run: bool) -> Floats:
    """The log overheads of one side: a value a block, or the median of each run's blocks."""
    parts = [paired.d[row][np.isfinite(paired.d[row])] for row in rows.values()]
    parts = [part for part in parts if part.size]
    if by_run:
        return np.array([float(np.median(part)) for part in parts])
    return np.concatenate(parts) if parts else np.empty(0)


def _row(
    paired: Pairs,
    each: Pairing,
    key: tuple[Any, ...],
    base: Mapping[str, int],
    candidate: Mapping[str, int],
) -> dict[str, Any]:
    facts = paired.cells.table.row(next(iter(base.values())), named=True)
    return {
        **dict(zip(_KEYS, key, strict=True)),
        "base": each.base,
        "candidate": each.candidate,
        "title": facts["title"],
        "metric_index": facts["metric_index"],
        "headline": facts["metric_index"] == 0,
        "control": False,
        "unit_of_n": "block",
        "n_base": 0,
        "n_candidate": 0,
        "method": estimate.METHOD,
        **_side(paired, "base", base),
        **(_side(paired, "candidate", candidate) if candidate else {}),
    }


def _side(paired: Pairs, name: str, rows: Mapping[str, int]) -> dict[str, Any]:
    """A side's median value, and its slowdown against native."""
    values = np.concatenate([paired.cells.values[row] for row in rows.values()])
    values = values[np.isfinite(values)]
    d = _sample(paired, rows, by_run=False)
    return {
        f"value_{name}": float(np.median(values)) if values.size else None,
        f"F_{name}": math.exp(estimate.estimate(d).point) if d.size else None,
    }


def _estimated(
    point: float, low: float | None, high: float | None, p: float, p_margin: float
) -> dict[str, Any]:
    return {
        "ratio": math.exp(point),
        "ratio_low": None if low is None else math.exp(low),
        "ratio_high": None if high is None else math.exp(high),
        "p": p,
        "p_equivalent": p_margin,
    }


def _known(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _judged(
    rows: list[dict[str, Any]],
    level: float,
    inside: Sequence[Mapping[tuple[str, int], float]] | None = None,
) -> pl.DataFrame:
    """Adjust for how many rows are judged together, a family for each pairing, and say what may
    be said. `inside` has the ratios of each row by run and block, where both sides share them."""
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row").with_row_index("row").sort(
        "host", "scenario", "base", "candidate", "resource", "workload", "workload_version",
        "metric_index", "metric",
    )  # fmt: skip
    blocks = None
    if inside is not None:
        blocks = _blocks([inside[row] for row in frame["row"]], frame["headline"].to_numpy())
    alpha = (1 - level) * (1 + 1e-12)
    different = pl.col("p_adjusted") <= alpha
    said = (
        pl.when(pl.col("ratio").is_null())
        .then(pl.lit("no result"))
        .when(pl.col("ratio_low").is_null())
        .then(pl.lit(TOO_SMALL))
        .when(different & (pl.col("ratio") > 1))
        .then(pl.lit(SLOWER))
        .when(different & (pl.col("ratio") < 1))
        .then(pl.lit(FASTER))
        .when(pl.col("p_equivalent") <= _TOST_ALPHA * (1 + 1e-12))
        .then(pl.lit(EQUIVALENT))
        .otherwise(pl.lit(UNRESOLVED))
    )
    family = ["host", "scenario", "base", "candidate"]
    return adjusted(frame.drop("row"), family, blocks, 1 - level).with_columns(verdict=said)


def _blocks(inside: Sequence[Mapping[tuple[str, int], float]], headline: Flags) -> Blocks:
    numbers = {block: number for number, block in enumerate(sorted(set().union(*inside)))}
    n = np.array([len(of_row) for of_row in inside], dtype=np.int64)
    wanted = flipped(headline, n)
    few = [of_row for of_row, chosen in zip(inside, wanted, strict=True) if chosen]
    return Blocks(
        np.array([ratio for of_row in few for ratio in of_row.values()]),
        np.where(wanted, n, -1),
        np.array([numbers[block] for of_row in few for block in of_row], dtype=np.int64),
    )
