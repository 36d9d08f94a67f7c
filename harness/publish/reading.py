"""Runs read for tables and charts at once: judged again, paired once, nothing written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from harness import dataset, ledger
from harness.analyze import validity
from harness.analyze.blocks import cells, pairs
from harness.analyze.distribution import per_block
from harness.analyze.overhead import from_pairs
from harness.errors import HarnessError
from harness.publish import table
from harness.publish.table import Table
from harness.record import Run


@dataclass(frozen=True, slots=True)
class Reading:
    """Runs with what they say: the `table`, the overhead `frame` that it is made of, and the
    slowdown in every block (`harness.analyze.distribution.per_block`)."""

    runs: tuple[Run, ...]
    table: Table
    frame: pl.DataFrame
    blocks: pl.DataFrame


def read(folders: Sequence[Path]) -> Reading:
    """The runs in `folders`, pooled, from their ledgers alone.

    Raises HarnessError for what cannot be read, has no native target, or must not be pooled.
    """
    runs = tuple(validity.judged_again(ledger.read_run(folder)) for folder in folders)
    require(runs)
    samples = pl.concat([dataset.frame(run) for run in runs])
    paired = pairs(cells(samples.lazy()))
    frame = from_pairs(paired)
    return Reading(runs, table.build(frame, runs), frame, per_block(paired))


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
