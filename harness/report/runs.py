"""Runs read for everything that is said of them: judged again, paired once, nothing written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from harness import validity
from harness.analyze.blocks import cells, pairs
from harness.analyze.distribution import per_block
from harness.analyze.overhead import from_pairs, overhead
from harness.dataset import dataset
from harness.errors import HarnessError
from harness.ledger import reader
from harness.model.run import Run
from harness.report import table
from harness.report.table import Table


def judged(folder: Path) -> Run:
    """The run in `folder`, judged again from its ledger: what the dataset is made of."""
    return validity.judged_again(reader.read_run(folder))


def of_runs(folders: Sequence[Path], results: Path) -> Table:
    """The table of the runs in `folders`, judged again from their ledgers; their files in the
    dataset of `results` are brought up to date on the way."""
    known = [dataset.ledger_of(folder) for folder in folders]
    return of_judged([judged(folder) for folder in folders], results, known)


def of_judged(
    runs: Sequence[Run], results: Path, known: Sequence[tuple[int, str] | None] | None = None
) -> Table:
    """The table of runs that were judged; their files in the dataset of `results` are brought up
    to date on the way. `known` is what `dataset.ledger_of` said before they were read."""
    require(runs)
    for run, of_run in zip(runs, known or [None] * len(runs), strict=True):
        dataset.write(run, results, of_run)
    names = [run.manifest.run for run in runs]
    return table.build(dataset.read(results / "dataset", overhead, names), runs)


@dataclass(frozen=True, slots=True)
class Analysis:
    """Runs with what they say: the `table`, the overhead `frame` that it is made of, and the
    slowdown in every block (`harness.analyze.distribution.per_block`)."""

    runs: tuple[Run, ...]
    table: Table
    frame: pl.DataFrame
    blocks: pl.DataFrame


def read(folders: Sequence[Path]) -> Analysis:
    """The runs in `folders`, pooled, from their ledgers alone.

    Raises HarnessError for what cannot be read, has no native target, or must not be pooled.
    """
    runs = tuple(validity.judged_again(reader.read_run(folder)) for folder in folders)
    require(runs)
    samples = pl.concat([dataset.frame(run) for run in runs])
    paired = pairs(cells(samples.lazy()))
    frame = from_pairs(paired)
    return Analysis(runs, table.build(frame, runs), frame, per_block(paired))


def require(runs: Sequence[Run]) -> None:
    """Raise HarnessError where none of `runs` has a trial, and where one is there twice."""
    names = [run.manifest.run for run in runs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise HarnessError(
            f"run {', '.join(twice)} is there twice: one of the folders is a copy of the other",
            "name one of them; a run counts once",
        )
    if not any(run.trials for run in runs):
        raise HarnessError(
            f"run {', '.join(names)} holds no trial: it was stopped before its first one, or its "
            "ledger was copied in part",
            f"baremark run --resume {names[0]} goes on with it; or restore it from a copy, or name "
            "another run",
        )
