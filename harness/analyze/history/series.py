"""Night by night: the overhead of every run in its series, cut into epochs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from harness.analyze.history import epochs
from harness.analyze.history.epochs import State
from harness.analyze.history.history import NIGHT, SERIES
from harness.analyze.statistics.codes import Codes, ordered_codes
from harness.analyze.statistics.estimate import Floats, Ints


@dataclass(frozen=True, slots=True)
class Table:
    """`table` is `History.nights`. By its rows: `series` numbers them from 0, `state` is the place
    of what was known of the target in `known`."""

    table: pl.DataFrame
    series: Codes
    state: Ints
    known: tuple[State, ...]

    @property
    def epoch(self) -> Ints:
        return self.table["epoch"].to_numpy().astype(np.int64)

    def logs(self, column: str) -> Floats:
        """The logarithms of a column, NaN where it is null, or zero or less."""
        values = self.table[column].fill_null(np.nan).to_numpy()
        out = np.full(values.size, np.nan)
        np.log(values, out=out, where=values > 0)
        return out


def nights(by_run: pl.DataFrame, observed: pl.DataFrame) -> Table:
    """The nights of every series.

    `by_run` is `harness.analyze.overhead.overhead` of single runs, `observed` has the columns of
    `harness.dataset.targets.SCHEMA`. Left out are native itself, what is on another machine than
    native, what was imported (nobody knows when it was measured), and runs that `observed` lacks.
    A night that gave no overhead stays, without one.
    """
    known = epochs.states(observed)
    place = known.numbers.with_columns(
        pl.col(name).cast(by_run.schema[name]) for name in ("run", "target")
    )
    rows = by_run.filter(
        ~pl.col("native") & ~pl.col("control") & ~pl.col("imported") & ~pl.col("elsewhere")
    ).join(place, on=["run", "target"], how="inner", maintain_order="left")
    rows = rows.rename({"native_value_median": "native_value"})
    if rows.is_empty():
        nobody = np.zeros(0, dtype=np.int64)
        empty = _ended(rows, nobody, pl.Series("changed", [], dtype=pl.String))
        return Table(empty, nobody, nobody, known.known)
    series, _ = ordered_codes([rows[name] for name in SERIES])
    order = np.lexsort((rows["started"].to_physical().to_numpy(), series))
    rows, series = rows[order], series[order]
    state = rows["state"].to_numpy()
    began = np.flatnonzero((np.diff(series) == 0) & (np.diff(state) != 0)) + 1
    told: dict[tuple[int, int], str | None] = {}
    changed: list[str | None] = [None] * rows.height
    cut = np.zeros(rows.height, dtype=np.int64)
    for row in began.tolist():
        pair = (int(state[row - 1]), int(state[row]))
        if pair not in told:
            told[pair] = epochs.changed(known.known[pair[0]], known.known[pair[1]])
        changed[row] = told[pair]
        cut[row] = told[pair] is not None
    cuts = np.cumsum(cut)
    first = np.flatnonzero(np.diff(series, prepend=-1))
    epoch = cuts - np.repeat(cuts[first], np.diff(first, append=series.size))
    table = _ended(rows, epoch, pl.Series("changed", changed, dtype=pl.String))
    return Table(table, series, state, known.known)


def _ended(rows: pl.DataFrame, epoch: Ints, changed: pl.Series) -> pl.DataFrame:
    return rows.with_columns(pl.Series("epoch", epoch, dtype=pl.UInt32), changed).select(
        *(pl.col(name).cast(_plain(rows.schema[name])) for name in SERIES),
        pl.col("run").cast(pl.String),
        *NIGHT[1:],
    )


def _plain(kind: pl.DataType) -> pl.DataType:
    return pl.String() if isinstance(kind, pl.Categorical | pl.Enum) else kind
