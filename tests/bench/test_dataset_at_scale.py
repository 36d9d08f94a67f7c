"""A year of nights as a dataset: listing, scanning and compacting it, before and after.

`pytest tests/bench/test_dataset_at_scale.py --benchmark-enable` makes 365 nights of three hosts,
24 metrics on three targets in ten blocks each; without that option a few. Nothing timed is
asserted; `extra_info` holds the figures.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
import pytest

from harness.analyze.overhead import overhead
from harness.dataset import catalogue, compaction, dataset
from harness.dataset.catalogue import Held
from harness.dataset.samples import FORMAT
from harness.dataset.store import open_store
from tests.synthetic import example

HOSTS = 3
T = TypeVar("T")


def test_a_year_of_nights(benchmark: Any, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    nights = 365 if pytestconfig.getoption("benchmark_enable") else 40
    folder = tmp_path / "dataset"
    rows = make(folder, nights)
    before = look(folder, rows)
    merged = benchmark.pedantic(
        lambda: compaction.compact(open_store(folder), FORMAT), rounds=1, iterations=1
    )
    after = look(folder, rows)
    benchmark.extra_info.update(
        rows=rows,
        before=before,
        after=after,
        compacted_rows_per_s=round(rows / benchmark.stats.stats.mean) if benchmark.stats else None,
    )
    months = {datetime.fromisoformat(f"{each.month}-01") for each in merged}
    assert after["files"] == HOSTS * len(months)
    assert before["files"] == HOSTS * nights
    assert after["sum"] == pytest.approx(before["sum"], rel=1e-12)


def make(folder: Path, nights: int) -> int:
    """Write the dataset, one file a run; return how many rows it has."""
    folder.mkdir()
    rows = 0
    rng = np.random.default_rng(1)
    for number in range(HOSTS):
        host = f"lab{number}"
        one = dataset.frame(example(host=host, seed=number))
        for night in range(nights):
            began = datetime(2026, 1, 1, 1, tzinfo=UTC) + timedelta(days=night)
            run = f"{began:%Y%m%dT%H%M%SZ}-{host}"
            frame = one.with_columns(
                pl.lit(run).cast(dataset.SCHEMA["run"]).alias("run"),
                pl.lit(began).cast(dataset.SCHEMA["started"]).alias("started"),
                pl.col("value") * pl.Series(rng.lognormal(sigma=0.02, size=one.height)),
            )
            held = Held(host, began.isoformat(), frame.height, (1, "0" * 64))
            frame.write_parquet(
                folder / catalogue.name_of(run),
                metadata=catalogue.metadata(dataset.SCHEMA_VERSION, {run: held}),
            )
            rows += frame.height
    return rows


def look(folder: Path, rows: int) -> dict[str, float]:
    """How long the dataset takes to be listed, scanned and analysed as it is now."""

    def scanned() -> float:
        read = dataset.read(
            folder,
            lambda parts: (
                pl.concat(parts).select(pl.col("value").sum(), pl.len().alias("rows")).collect()
            ),
        )
        assert read["rows"].item() == rows
        return float(read["value"].item())

    def analysed(parts: list[pl.LazyFrame]) -> pl.DataFrame:
        return overhead(parts, by_run=True, judged=False)

    listed_s, found = timed(lambda: dataset.look(folder))
    scanned_s, total = timed(scanned)
    analysed_s, frame = timed(lambda: dataset.read(folder, analysed))
    assert frame["run"].n_unique() == len(found.holders)
    return {
        "files": len(found.files),
        "mib": round(sum(file.entry.bytes for file in found.files) / 2**20, 2),
        "listed_s": round(listed_s, 3),
        "scanned_s": round(scanned_s, 3),
        "scanned_rows_per_s": round(rows / scanned_s),
        "analysed_s": round(analysed_s, 2),
        "sum": total,
    }


def timed(work: Callable[[], T]) -> tuple[float, T]:
    begin = time.perf_counter()
    done = work()
    return time.perf_counter() - begin, done
