"""The series of a history that somebody asks for, and what they say to programs: JSON and CSV."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import polars as pl

from harness import patterns
from harness.analyze.history.history import NIGHT, SERIES, History, Shift
from harness.errors import UseError

_AT = ("×", "@")
"""What stands between workload and target in the name of a cell."""
OF_SHIFT = ("ratio", "low", "high", "p", "moved", "status", "told")


@dataclass(frozen=True, slots=True)
class HistorySeries:
    """One series: `name` is what `SERIES` says of it, `nights` its rows with the columns `NIGHT`,
    `shifts` those among these nights, oldest first."""

    name: Mapping[str, Any]
    nights: pl.DataFrame
    shifts: tuple[Shift, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which series, and since when: shell patterns of cells (`disk-*`, `disk-*@kvm`), targets or
    backends, and workloads; `since` a time in UTC."""

    cell: str | None = None
    targets: Sequence[str] = ()
    workloads: Sequence[str] = ()
    since: datetime | None = None


def choose(history: History, asked: Filter) -> tuple[HistorySeries, ...]:
    """The series that `asked` chooses, in the order of the history; one without a night since
    then is left out. Raises UseError where there is none, or where one pattern of several matches
    nothing, with what there is."""
    require(history.nights, asked.workloads, asked.targets)
    chosen = [series for series in _all(history) if _wanted(series.name, asked)]
    if not chosen:
        cells = (
            f"{each}@{target}" for each, target in _names(history.nights, "workload", "target")
        )
        raise UseError(
            f"no series matches {_said(asked)}", patterns.suggest(asked.cell or "", cells)
        )
    if asked.since is None:
        return tuple(chosen)
    since = asked.since
    late = (
        HistorySeries(
            each.name,
            each.nights.filter(pl.col("started") >= since),
            tuple(shift for shift in each.shifts if shift.started >= since),
        )
        for each in chosen
    )
    found = tuple(each for each in late if each.nights.height)
    if not found:
        newest = max(time for each in chosen for time in each.nights["started"].to_list())
        raise UseError(
            f"there is no night of {_said(asked)} since {since:%Y-%m-%d}",
            f"the newest is of {newest:%Y-%m-%d}; choose an earlier day",
        )
    return found


def require(nights: pl.DataFrame, workloads: Sequence[str], targets: Sequence[str]) -> None:
    """Raise UseError for a pattern of a workload, or of a target or backend, that matches nothing
    in the rows of `nights`; where there are no rows, nobody is to blame for it."""
    if nights.is_empty():
        return
    patterns.require_match("workload", workloads, _names(nights, "workload"))
    patterns.require_match("target", targets, _names(nights, "target", "backend"))


def _all(history: History) -> Iterator[HistorySeries]:
    table = history.nights
    if table.is_empty():
        return
    begins = table.select(
        pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(1)) for name in SERIES)
    ).to_series()
    first = np.flatnonzero(begins.to_numpy())
    shifts: dict[tuple[Any, ...], list[Shift]] = {}
    for shift in history.shifts:
        shifts.setdefault(_place(asdict(shift)), []).append(shift)
    for start, size in zip(
        first.tolist(), np.diff(first, append=table.height).tolist(), strict=True
    ):
        rows = table.slice(start, size)
        name = rows.select(SERIES).row(0, named=True)
        runs = set(rows["run"])
        theirs = [each for each in shifts.get(_place(name), []) if each.run in runs]
        yield HistorySeries(
            name, rows.select(NIGHT), tuple(sorted(theirs, key=lambda s: s.started))
        )


def _place(of: Mapping[str, Any]) -> tuple[Any, ...]:
    keys = ("host", "scenario", "target", "label", "workload", "metric")
    return tuple(of[key] for key in keys)


def _wanted(name: Mapping[str, Any], asked: Filter) -> bool:
    workload, target = name["workload"], name["target"]
    if asked.cell is not None:
        of_workload, of_target = parts(asked.cell)
        if not (fnmatchcase(workload, of_workload) and fnmatchcase(target, of_target)):
            return False
    by_target = patterns.matches((target, name["backend"]), asked.targets)
    return by_target and patterns.matches((workload,), asked.workloads)


def parts(cell: str) -> tuple[str, str]:
    """The patterns of workload and target in the name of a cell."""
    for sign in _AT:
        workload, found, target = cell.partition(sign)
        if found:
            return workload.strip() or "*", target.strip() or "*"
    return cell, "*"


def _said(asked: Filter) -> str:
    cell = () if asked.cell is None else (asked.cell,)
    words = [repr(each) for each in (*cell, *asked.targets, *asked.workloads)]
    return ", ".join(words) or "what was asked for"


def _names(nights: pl.DataFrame, *columns: str) -> Iterator[tuple[str, ...]]:
    return nights.select(columns).unique().sort(columns).iter_rows()
