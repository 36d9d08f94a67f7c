"""From rows to pairs: in each block, a target's value against native's of the same block.

Native's two trials of a block are both native, so the baseline is the mean of their logs: it
varies less than either. Native's second trial itself stands against the first alone.

The block is the independent unit (Kalibera & Jones 2013), so repeats inside a block and cell
are averaged first and never counted as n. Nothing here estimates anything.

A cell is one target × workload × metric of one run. All arrays have a row a cell and a column a
block number; a hole is NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from harness.analyze.statistics.codes import combined, dense, first_rows, ordered_codes
from harness.analyze.statistics.estimate import Floats, Ints
from harness.errors import HarnessError

Flags = npt.NDArray[np.bool_]

_OF_TARGET = (
    "host",
    "scenario",
    "backend",
    "class",
    "label",
    "native",
    "control",
    "nested",
    "imported",
    "elsewhere",
    "adopted",
)
_OF_METRIC = ("workload_version", "title", "resource", "metric_index", "unit", "better")
_KEYS = ("run", "target", "workload", "metric")
_NOT_OK = ("failed", "timeout", "lost", "rejected")


@dataclass(frozen=True, slots=True)
class Cells:
    """The samples of every cell, a value a block.

    `table` has a row a cell: the columns of the dataset that are fixed in a cell, and the
    counts `trials`, `failed`, `timeout`, `lost`, `rejected`. `values` (cells, blocks) holds the
    mean of a cell's values in a block, `tried` (cells, blocks) whether a trial was made there.
    """

    table: pl.DataFrame
    values: Floats
    tried: Flags


@dataclass(frozen=True, slots=True)
class Pairs:
    """What each cell says against native of the same run.

    `native` (cells,) is the row of native's first trials of a cell's workload, or -1 where native
    never ran that workload, or is on another machine. `d` (cells, blocks) is
    s·(ln x_target − ln x_native), s = +1 where lower is better and −1 where higher is, NaN where
    there is no pair and throughout native's own rows. ln x_native is the mean of the logarithms of
    native's two trials in the block, or that of the one that has any; against its control it is
    that of the first trial. `missing` (cells,) counts the blocks in which the cell was tried and
    which yet gave no pair (of a target of another machine: no value), `invalid` those among them
    where a value was zero or less and so has no logarithm. Where a cell was not tried nothing is
    missing: it may have left the blocks.
    """

    cells: Cells
    native: Ints
    d: Floats
    missing: Ints
    invalid: Ints


def cells(samples: pl.LazyFrame) -> Cells:
    """Arrange the rows of a dataset by cell and block.

    `samples` has the columns of `harness.dataset.samples.SCHEMA` (text as String or Categorical).
    Raises HarnessError where it has no rows.
    """
    schema = samples.collect_schema()
    text = [key for key in _KEYS if schema[key] == pl.String]
    coded = samples.with_columns(pl.col(text).cast(pl.Categorical()))
    ended = [pl.col("status").eq(status).alias(status) for status in _NOT_OK]
    rows = coded.select(*_KEYS, "block", "value", *ended).collect()
    if rows.is_empty():
        raise HarnessError("there are no samples to analyse", "measure first with `baremark run`")

    # In the order of their names, not of their numbers, which depend on what was read before: the
    # logarithm of a value may differ in its last digit by where in an array it stands.
    cell, count = ordered_codes([rows[key] for key in _KEYS])
    first = first_rows(cell, count)
    block, width = dense(rows["block"].to_numpy())
    slot = combined(cell, block, count, width)
    tried = np.zeros(count * width, dtype=np.bool_)
    tried[slot] = True
    value = rows["value"].fill_null(np.nan).to_numpy()
    present = np.isfinite(value)
    if not present.all():
        slot, value = slot[present], value[present]
    shape = (count, width)
    total = np.bincount(slot, weights=value, minlength=count * width)
    number = np.bincount(slot, minlength=count * width)
    with np.errstate(invalid="ignore"):
        values = (total / number).reshape(shape)

    table = rows.select(_KEYS)[first].with_columns(
        pl.Series("trials", np.bincount(cell, minlength=count)),
        *(
            pl.Series(name, np.bincount(cell[rows[name].to_numpy()], minlength=count))
            for name in _NOT_OK
        ),
    )
    return Cells(_with_facts(table, coded), values, tried.reshape(shape))


def pairs(cells: Cells) -> Pairs:
    """Pair each cell with native of the same run, host, scenario, workload, metric and block.

    Raises HarnessError where a run has no native target: there is then nothing to compare with.
    """
    table, values = cells.table, cells.values
    _refuse_without_native(table)
    alone = table["elsewhere"].to_numpy()
    native = np.where(alone, -1, _rows_of(table, "native"))
    own = table["native"].to_numpy()
    second = np.where(alone | own | table["control"].to_numpy(), -1, _rows_of(table, "control"))
    present = np.isfinite(values)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(values > 0, np.log(values), np.nan)
    baseline = _mean(_taken(logs, native), _taken(logs, second))
    sign = np.where(table.select(pl.col("better").eq("lower")).to_series().to_numpy(), 1.0, -1.0)
    d = sign[:, None] * (logs - baseline)
    both = present & (_taken(present, native) | _taken(present, second))
    paired = np.isfinite(d).sum(axis=1)
    d[own] = np.nan
    given = np.where(alone, present.sum(axis=1), paired)
    return Pairs(cells, native, d, cells.tried.sum(axis=1) - given, both.sum(axis=1) - paired)


def _taken(matrix: npt.NDArray[Any], rows: Ints) -> npt.NDArray[Any]:
    """The `rows` of `matrix`; for -1 a row of nothing: NaN, or False."""
    taken = matrix[rows]
    taken[rows < 0] = False if matrix.dtype == np.bool_ else np.nan
    return taken


def _mean(first: Floats, second: Floats) -> Floats:
    """Their mean, or the one that is there; `first` is overwritten."""
    lone = np.isnan(first)
    first[lone] = second[lone]
    np.copyto(second, first, where=np.isnan(second))
    first += second
    first /= 2
    return first


def _with_facts(table: pl.DataFrame, samples: pl.LazyFrame) -> pl.DataFrame:
    """Add what is fixed for a target of a run, and for a metric of a workload of a run."""
    facts = ((("run", "target"), _OF_TARGET), (("run", "workload", "metric"), _OF_METRIC))
    queries = [samples.group_by(keys).agg(pl.col(names).first()) for keys, names in facts]
    for (keys, _), found in zip(facts, pl.collect_all(queries, engine="streaming"), strict=True):
        table = table.join(found, on=keys, how="left", maintain_order="left")
    return table


def _refuse_without_native(table: pl.DataFrame) -> None:
    found = table.group_by("run", "host", "scenario").agg(pl.col("native").any())
    lacking = found.filter(~pl.col("native")).select(pl.col("run", "host").cast(pl.String))
    if not lacking.is_empty():
        run, host = lacking.sort("run", "host").row(0)
        raise HarnessError(
            f"run {run} has no trial of the native target of host {host}"
            + (f" (nor have {len(lacking) - 1} other runs)" if len(lacking) > 1 else ""),
            "overhead is measured against native on the same host: include the native target",
        )


def _rows_of(table: pl.DataFrame, arm: str) -> Ints:
    """For each cell the row of the cell of `arm` (`native`, or its `control`) of the same run,
    workload and metric, or -1."""
    keys = ["run", "host", "scenario", "workload", "metric"]
    numbered = table.select(*keys, arm).with_row_index("row")
    found = numbered.filter(arm).select(*keys, pl.col("row").alias("found"))
    joined = numbered.join(found, on=keys, how="left", maintain_order="left", validate="m:1")
    return joined["found"].cast(pl.Int64).fill_null(-1).to_numpy()
