"""The table of runs: from their folders, through the dataset, to the table model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness import dataset, ledger
from harness.analyze import validity
from harness.analyze.overhead import overhead
from harness.model import Run
from harness.publish import table
from harness.publish.table import Table


def judged(folders: Sequence[Path]) -> list[Run]:
    """The runs in `folders`, judged again from their ledgers."""
    return [validity.judged_again(ledger.read_run(folder)) for folder in folders]


def of_judged(runs: Sequence[Run], results: Path) -> Table:
    """The table of runs that were judged; their files in the dataset of `results` are brought up
    to date on the way."""
    files = [dataset.write(each, results) for each in runs]
    return table.build(overhead(dataset.batches(files)), runs)


def of_runs(folders: Sequence[Path], results: Path) -> Table:
    """The table of the runs in `folders`: `judged`, then `of_judged`."""
    return of_judged(judged(folders), results)
