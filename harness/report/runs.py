"""The one home of the way from runs to what is said of them: judged again once, paired once,
in memory. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from harness import validity
from harness.analyze.blocks import cells, pairs
from harness.analyze.distribution import per_block
from harness.analyze.overhead import from_pairs
from harness.dataset import samples
from harness.errors import HarnessError
from harness.ledger import reader
from harness.model.run import Run
from harness.report import summaries
from harness.report.assemble import assemble
from harness.report.table import Table
from harness.validity import Finding


@dataclass(frozen=True, slots=True)
class Analysis:
    """Runs with what they say: what the checks object to (`findings`), the `table`, the overhead
    `frame` that it is made of, and the slowdown in every block
    (`harness.analyze.distribution.per_block`)."""

    runs: tuple[Run, ...]
    findings: tuple[Finding, ...]
    frame: pl.DataFrame
    table: Table
    blocks: pl.DataFrame


def read(folders: Iterable[Path]) -> Analysis:
    """The runs in `folders`, pooled, from their ledgers alone.

    Raises HarnessError for what cannot be read, has no native target, or must not be pooled.
    """
    return analysed([reader.read_run(folder) for folder in folders])


def analysed(recorded: Sequence[Run]) -> Analysis:
    """Runs as their ledgers tell them, judged again and pooled. Raises as `read` does."""
    runs, findings = judged_together(recorded)
    paired = pairs(cells(rows(runs).lazy()))
    frame = from_pairs(paired)
    means = summaries.means(frame, paired, runs, findings)
    return Analysis(
        runs, findings, frame, assemble(frame, means, runs, findings), per_block(paired)
    )


def judged_together(recorded: Sequence[Run]) -> tuple[tuple[Run, ...], tuple[Finding, ...]]:
    """`recorded` judged again, and what the checks object to in them. Raises HarnessError as
    `require` does."""
    require(recorded)
    judged = [validity.judge(run) for run in recorded]
    return tuple(run for run, _ in judged), tuple(each for _, found in judged for each in found)


def judged(folder: Path) -> Run:
    """The run in `folder`, judged again from its ledger: what the dataset is made of."""
    return validity.judged_again(reader.read_run(folder))


def rows(runs: Iterable[Run]) -> pl.DataFrame:
    """The rows of `runs` (`harness.dataset.samples.SCHEMA`), in the order of their names, whatever
    order they are given in: where signs of blocks are flipped at random, that order counts."""
    return pl.concat([samples.frame(run) for run in sorted(runs, key=lambda r: r.manifest.run)])


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
