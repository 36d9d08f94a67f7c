"""The history of all runs in a folder of results: from their folders, through the dataset.

What cannot be read is told and costs the others nothing.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from harness.analyze.history.confirmation import able, confirmed, side_by_side
from harness.analyze.history.history import History, Shift
from harness.analyze.history.series import nights
from harness.analyze.history.shifts import shifts
from harness.analyze.overhead import overhead
from harness.dataset import dataset, targets
from harness.errors import HarnessError, UseError
from harness.ledger import folders, reader
from harness.report import acknowledgements, dates, overhead_cache
from harness.report.runs import judged

_MOST_NAMED = 10
_SKEW = timedelta(minutes=5)
"""Clocks of two controllers may differ by so much without a word."""
_Series = tuple[pl.DataFrame, tuple[Shift, ...]]
_OF_SHIFT = ("host", "scenario", "target", "label", "workload", "metric", "run")


def of_results(results: Path, today: date | None = None) -> History:
    """The history of the runs in `results`, judged again from their ledgers; the two tables of its
    dataset are brought up to date on the way, where they can be written. Acknowledgements
    count as of `today` (UTC), and runs of later days are told.

    Raises HarnessError where no run is left to make a history of, and UseError where there never
    was one or the file of acknowledgements has mistakes.
    """
    known = acknowledgements.read(results)
    now = datetime.now(UTC) + _SKEW
    if today is not None:
        now = datetime.combine(today, time.max, UTC)
    with _place(results) as place:
        found, told, facts = _found(place, _Told(results, place))
    return History(
        nights=found[0],
        shifts=acknowledgements.applied(found[1], known, today or datetime.now(UTC).date()),
        warnings=(
            *told.warnings,
            *dates.to_come(facts, now),
            *acknowledgements.expired(known, today or datetime.now(UTC).date()),
        ),
    )


@contextmanager
def _place(results: Path) -> Iterator[Path]:
    """Where the tables of the dataset are kept: in `results`, or, where those are another user's or
    cannot be written, in a folder that is gone afterwards and has the same runs."""
    kept = results / "dataset"
    folders = [results, *(each for each in (kept, *kept.glob("*")) if each.is_dir())]
    if not results.is_dir() or all(os.access(each, os.W_OK) for each in folders):
        yield results
        return
    with tempfile.TemporaryDirectory(prefix="baremark-history-") as aside:
        (Path(aside) / "runs").symlink_to((results / "runs").resolve())
        yield Path(aside)


def _found(results: Path, told: _Told) -> tuple[_Series, _Told, pl.DataFrame]:
    """The nights and shifts of the runs in `results`, and what was observed of their targets."""
    told.without_manifest(results / "runs")
    files = dataset.build(results, judged, told.refused)
    seen = targets.build(results, reader.read_manifest, told.refused)
    if not files or not seen:
        raise _nothing(told)
    facts = targets.read(results, seen)
    told.imported(facts)
    runs = set(facts["run"].cast(pl.String).unique()) - told.runs
    by_run = overhead_cache.by_run(runs, results, _overhead)
    told.without_overhead(facts, by_run)
    if by_run is None:
        raise _nothing(told)
    found = nights(by_run, facts)
    return (
        (found.table, _confirmed(shifts(found), found.table, facts, results)),
        told,
        facts,
    )


class _Told:
    """What is not in the history, and why: a sentence for each run."""

    def __init__(self, results: Path, place: Path) -> None:
        self._results, self._place = str(results), str(place)
        self._by_run: dict[str, str] = {}

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._by_run[run] for run in sorted(self._by_run))

    @property
    def runs(self) -> set[str]:
        return set(self._by_run)

    @property
    def runs_folder(self) -> Path:
        return Path(self._results) / "runs"

    def left_out(self, run: str, why: str) -> None:
        why = why.replace(self._place, self._results)
        self._by_run.setdefault(run, f"run {run} is left out: {why}")

    def refused(self, folder: Path, error: HarnessError) -> None:
        hint = f" ({error.hint})" if error.hint else ""
        self.left_out(folder.name, f"{error.message}{hint}")

    def without_manifest(self, runs: Path) -> None:
        for folder in folders.without_manifest(runs):
            self.refused(folder, folders.lacks_manifest(folder))

    def imported(self, facts: pl.DataFrame) -> None:
        for run in facts.filter("imported")["run"].cast(pl.String).unique():
            self.left_out(run, "it was imported, so nobody knows when it was measured")

    def without_overhead(self, facts: pl.DataFrame, by_run: pl.DataFrame | None) -> None:
        """Tell of the runs in `facts` that `by_run` lacks."""
        measured = set() if by_run is None else set(by_run["run"].unique().cast(pl.String))
        seen = facts.group_by("run").agg(pl.col("native").any())
        for run, native in seen.with_columns(pl.col("run").cast(pl.String)).iter_rows():
            if run not in measured and native:
                self.left_out(run, "its ledger holds no trial, or none of native")
            elif run not in measured:
                self.left_out(run, "it has no native target, which overhead is measured against")


def _overhead(parts: list[pl.LazyFrame]) -> pl.DataFrame | None:
    """The overhead of each run that has trials of native; None where none has."""
    try:
        return overhead(parts, by_run=True, judged=False)
    except HarnessError:
        # Rare, so looked for only where there was trouble.
        lacking = [run for part in parts for run in _without_native(part)]
        whole = [part.filter(~pl.col("run").cast(pl.String).is_in(lacking)) for part in parts]
        left = [part for part in whole if part.select(pl.len()).collect().item()]
        if not lacking and len(left) == len(parts):
            raise
    return overhead(left, by_run=True, judged=False) if left else None


def _without_native(part: pl.LazyFrame) -> list[str]:
    of_run = part.group_by("run", "host", "scenario").agg(pl.col("native").any())
    lacking = of_run.filter(~pl.col("native")).select(pl.col("run").cast(pl.String).unique())
    runs: list[str] = lacking.collect(engine="streaming")["run"].to_list()
    return runs


def _nothing(told: _Told) -> HarnessError:
    shown = [*told.warnings[:_MOST_NAMED]]
    if (more := len(told.warnings) - len(shown)) > 0:
        shown.append(f"and {more} more")
    kind = HarnessError if shown else UseError
    return kind(
        f"there is no run in {told.runs_folder} to make a history of"
        + "".join(f"\n  {text}" for text in shown),
        "mend what is told, measure with baremark bench, or name another folder with --results",
    )


def _confirmed(
    found: tuple[Shift, ...], table: pl.DataFrame, facts: pl.DataFrame, results: Path
) -> tuple[Shift, ...]:
    """The shifts at a change of release, judged by the runs that have both releases."""
    asking = [shift for shift in found if shift.releases is not None]
    if not asking:
        return found
    known = side_by_side(facts)
    needed = sorted({pair.run for shift in asking for pair in able(shift, known)})
    samples = _samples(results, needed)
    rows = _rows_of(asking, table)
    return tuple(
        confirmed(shift, *rows[_key(shift)], known, samples) if shift.releases else shift
        for shift in found
    )


def _samples(results: Path, runs: Sequence[str]) -> pl.DataFrame:
    """The rows of `runs`, text as String."""
    text = pl.col(pl.Categorical).cast(pl.String)
    if not runs:
        return pl.DataFrame(schema=dataset.SCHEMA).with_columns(text)
    return dataset.read(
        results / "dataset",
        lambda parts: pl.concat(parts).with_columns(text).collect(engine="streaming"),
        runs,
    )


def _rows_of(
    asking: Sequence[Shift], table: pl.DataFrame
) -> dict[tuple[Any, ...], tuple[int, str]]:
    """The workload's version and resource of each shift."""
    of_runs = table.filter(pl.col("run").is_in(sorted({shift.run for shift in asking})))
    rows = of_runs.select(*_OF_SHIFT, "workload_version", "resource").iter_rows()
    return {row[:-2]: row[-2:] for row in rows}


def _key(shift: Shift) -> tuple[Any, ...]:
    return tuple(getattr(shift, name) for name in _OF_SHIFT)
