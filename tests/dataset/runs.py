"""Nights of a lab as runs, and what a dataset of them must read as."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from harness.dataset import dataset
from harness.ledger.writer import Ledger
from harness.model.run import Run
from harness.model.target import BackendClass
from tests.synthetic import DOCKER, Kind, make_run

ORDER = ["run", "trial", "block", "position", "target", "workload", "metric"]


def night(
    day: str,
    value: float = 3.5,
    host: str = "lab1",
    blocks: int = 2,
    kinds: Sequence[Kind] = (DOCKER,),
) -> Run:
    """The run of `host` that began on `day` (`2026-11-03`) at one o'clock, every value the same."""
    began = datetime.fromisoformat(f"{day}T01:00:00").replace(tzinfo=UTC)
    native = Kind(host, "baremetal", BackendClass.NATIVE, "baremetal")
    made = make_run(
        lambda *_: value,
        (native, *kinds),
        blocks=blocks,
        host=host,
        run=f"{began:%Y%m%dT%H%M%SZ}-{host}",
    )
    return replace(made, manifest=replace(made.manifest, created_at=began.isoformat()))


def save(run: Run, runs: Path) -> Path:
    """Write `run` as a folder with manifest, ledger and a raw output a trial; return it."""
    with Ledger.create(runs, run.manifest) as record:
        for trial in run.trials:
            raw, digest = record.keep_raw(trial.id, b"as printed by " + trial.id.encode(), b"")
            record.record(replace(trial, raw=raw, raw_sha256=digest))
        record.end(run.ended or "complete", run.used_s)
    return record.folder


def rows(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with text for codes, in an order that no file has part in: equal frames are equal
    multisets of rows."""
    return frame.with_columns(pl.col(pl.Categorical).cast(pl.String)).sort(ORDER)


def of(runs: Iterable[Run]) -> pl.DataFrame:
    return rows(pl.concat([dataset.frame(run) for run in runs]))


def read(source: dataset.Source) -> pl.DataFrame:
    """Every row of `source`."""
    return dataset.read(source, lambda parts: pl.concat(parts).collect())


def read_by_host(source: dataset.Source) -> list[pl.DataFrame]:
    """The rows of `source` in the parts in which the largest dataset would be read."""
    return dataset.read(source, lambda parts: [part.collect() for part in parts], most_rows=1)


def assert_reads_as(source: dataset.Source, runs: Iterable[Run]) -> None:
    """Every row of `runs` is read from `source` once, and nothing else."""
    assert_frame_equal(rows(read(source)), of(runs), check_exact=True)
