"""A candidate against a base: the nouns that every format renders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.model.estimate import Estimate

if TYPE_CHECKING:
    import polars as pl

    from harness.analyze.compare import NativeMoved
    from harness.analyze.confounds import Confound


@dataclass(frozen=True, slots=True)
class Row:
    """One metric of a pair of targets; see `harness.analyze.compare.SCHEMA` for the fields."""

    host: str
    scenario: str
    base: str
    candidate: str
    resource: str
    workload: str
    workload_version: int
    title: str
    metric: str
    headline: bool
    unit: str
    better: str
    unit_of_n: str
    n_base: int
    n_candidate: int
    value_base: float | None
    value_candidate: float | None
    F_base: float | None
    F_candidate: float | None
    ratio: Estimate | None
    p: float | None
    p_adjusted: float | None
    p_equivalent: float | None
    mde_percent: float | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`base` and `candidate` are what was asked for, `base_runs` and `candidate_runs` the names of
    the runs. `same_blocks`: whether both sides ran in the same blocks. `labels` tells what each
    target is, by name, as the headers of a table do."""

    base: str
    candidate: str
    base_runs: tuple[str, ...]
    candidate_runs: tuple[str, ...]
    same_blocks: bool
    rows: tuple[Row, ...]
    confounds: tuple[Confound, ...]
    native: NativeMoved | None
    labels: Mapping[str, str]
    notes: tuple[str, ...]
    level: float

    @property
    def slower(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.verdict == "slower")


def rows(frame: pl.DataFrame, level: float) -> tuple[Row, ...]:
    """The rows of a frame of `harness.analyze.compare`."""
    made = []
    for record in frame.to_dicts():
        ratio = None
        if record["ratio"] is not None:
            n = min(record["n_base"], record["n_candidate"])
            interval = (record["ratio_low"], record["ratio_high"])
            ratio = Estimate(record["ratio"], *interval, level, n, record["method"])
        plain = {name: record[name] for name in Row.__dataclass_fields__ if name != "ratio"}
        made.append(Row(**plain, ratio=ratio))
    return tuple(made)
