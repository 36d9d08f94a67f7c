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
    samples = pl.concat([dataset.frame(run) for run in runs])
    paired = pairs(cells(samples.lazy()))
    frame = from_pairs(paired)
    return Reading(runs, table.build(frame, runs), frame, per_block(paired))
