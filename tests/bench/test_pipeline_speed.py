"""How fast the dataset becomes the overhead table, and in how much memory.

`pytest tests/bench --benchmark-enable` measures ten million rows, thirty blocks a cell, in a
fresh process each round, so that its peak memory is its own; `extra_info` holds the figures.
Without that option the same path runs once over a few rows. Nothing timed is asserted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from harness.dataset.dataset import SCHEMA, SCHEMA_VERSION

BLOCKS = 30
ROWS_A_RUN = 20 * 2 * 5 * BLOCKS  # workloads × metrics × targets × blocks
PIPELINE = """
import json, resource, sys, time
from pathlib import Path
from harness.analyze.overhead import overhead
from harness.dataset import dataset
begin = time.perf_counter()
frame = dataset.read(Path(sys.argv[1]), overhead)
spent = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": spent, "peak_rss_mib": peak, "rows_out": frame.height,
                  "cpu_seconds": time.process_time(), "n": int(frame["n"].min())}))
"""


@pytest.mark.parametrize("files", [1, 40])
def test_samples_to_overhead_table(
    benchmark: Any,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    files: int,
) -> None:
    whole = pytestconfig.getoption("benchmark_enable")
    runs = max(files, (10_000_000 if whole else 240_000) // ROWS_A_RUN)
    folder = generate(tmp_path / "dataset", runs, files)

    def pipeline() -> dict[str, float]:
        command = [sys.executable, "-c", PIPELINE, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        figures: dict[str, float] = json.loads(done.stdout)
        return figures

    figures = benchmark.pedantic(pipeline, rounds=3 if whole else 1)
    per_file = runs // files
    benchmark.extra_info.update(figures, rows_in=per_file * files * ROWS_A_RUN, files=files)
    assert figures["rows_out"] == per_file * files * 20 * 2 * 5
    assert figures["n"] == BLOCKS


def generate(folder: Path, runs: int, files: int) -> Path:
    """`files` Parquet files with together about `runs` runs of `ROWS_A_RUN` rows."""
    rng = np.random.default_rng(1)
    folder.mkdir(parents=True)
    one = _one_run()
    for file in range(files):
        many = [
            one.with_columns(
                run=pl.lit(f"20261101T000000Z-{file}-{index}"),
                host=pl.lit(f"host-{file}-{index}"),
                value=pl.Series(rng.lognormal(sigma=0.1, size=one.height)),
            ).select(pl.col(name).cast(kind) for name, kind in SCHEMA.items())
            for index in range(runs // files)
        ]
        pl.concat(many).write_parquet(
            folder / f"{file:05}.parquet", metadata={"schema_version": str(SCHEMA_VERSION)}
        )
    return folder


def _one_run() -> pl.DataFrame:
    """The rows of a run in the order of its ledger: block by block."""
    axes = {"block": BLOCKS, "workload": 20, "target": 5, "metric": 2}
    grids = np.meshgrid(*(np.arange(size) for size in axes.values()), indexing="ij")
    at = pl.DataFrame({name: grid.ravel() for name, grid in zip(axes, grids, strict=True)})
    text = {
        "scenario": "overhead",
        "preset": "publication",
        "backend": "docker",
        "class": "os",
        "title": "a workload",
        "resource": "disk",
        "unit": "1/s",
        "status": "ok",
    }
    return at.select(
        "block",
        pl.format("workload-{}", "workload").alias("workload"),
        pl.format("target-{}", "target").alias("target"),
        pl.format("target-{}", "target").alias("label"),
        pl.format("metric-{}", "metric").alias("metric"),
        pl.col("metric").alias("metric_index"),
        (pl.col("target") == 0).alias("native"),
        pl.lit(False).alias("control"),
        pl.when(pl.col("metric") == 0)
        .then(pl.lit("higher"))
        .otherwise(pl.lit("lower"))
        .alias("better"),
        pl.int_range(pl.len()).cast(pl.String).alias("trial"),
        *(pl.lit(value).alias(name) for name, value in text.items()),
        schema_version=pl.lit(SCHEMA_VERSION),
        workload_version=pl.lit(1),
        position=pl.lit(0),
        nested=pl.lit(False),
        imported=pl.lit(False),
        elsewhere=pl.lit(False),
        adopted=pl.lit(False),
        started=pl.datetime(2026, 11, 1, time_zone="UTC"),
        controller_s=pl.lit(5.0),
        guest_s=pl.lit(5.0),
    )
