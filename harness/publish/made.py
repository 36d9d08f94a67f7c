"""The table of runs: from their folders, through the dataset, to the table model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness import dataset, ledger
from harness.analyze import validity
from harness.analyze.overhead import overhead
from harness.publish import reading, table
from harness.publish.table import Table
from harness.record import Run


def judged(folder: Path) -> Run:
    """The run in `folder`, judged again from its ledger: what the dataset is made of."""
    return validity.judged_again(ledger.read_run(folder))


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
    reading.require(runs)
    for run, of_run in zip(runs, known or [None] * len(runs), strict=True):
        dataset.write(run, results, of_run)
    names = [run.manifest.run for run in runs]
    return table.build(dataset.read(results / "dataset", overhead, names), runs)
