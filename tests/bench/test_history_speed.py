"""How fast the history of three years, twenty cells and ten targets answers.

`pytest tests/bench/test_history_speed.py --benchmark-enable` makes the two tables of the dataset
as they stand after 1,095 nights (10 blocks each, 2.4 million rows; a kernel every six weeks, a
release every four months, a shift in every tenth series) and has the history made in a fresh
process: from everything, and as on the next morning, when one more night has come. `extra_info`
holds the figures; nothing timed is asserted. Without that option the same path runs over a few
nights.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from harness.dataset import dataset
from harness.dataset.targets import SCHEMA_VERSION, frame
from harness.ledger import writer
from harness.model.workload import Resource
from tests.nightly import FIRST
from tests.synthetic import KVM, NATIVE, Kind, make_run, workload

ROOT = Path(__file__).parents[2]
BLOCKS = 10
HISTORY = """
import json, resource, sys, time
begin = time.perf_counter()
from pathlib import Path
from harness.report import history
imported = time.perf_counter()
found = history.of_results(Path(sys.argv[1]))
done = time.perf_counter()
print(json.dumps({"seconds": done - imported, "imports_seconds": imported - begin,
                  "cpu_seconds": time.process_time(), "nights": found.nights.height,
                  "shifts": len(found.shifts), "warnings": len(found.warnings),
                  "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


@pytest.mark.parametrize(
    ("nights", "cells", "targets"),
    [pytest.param(40, 2, 2, id="small"), pytest.param(1095, 20, 10, id="three-years")],
)
def test_history_answers(
    benchmark: Any,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    nights: int,
    cells: int,
    targets: int,
) -> None:
    if nights > 100 and not pytestconfig.getoption("benchmark_enable"):
        pytest.skip("three years only with --benchmark-enable")
    results = generate(tmp_path / "results", nights, cells, targets)
    first = alone(HISTORY, results)
    morning: list[dict[str, float]] = []
    newest = sorted((results / "dataset").glob("*.parquet"))[-1]

    def next_day() -> None:
        os.utime(newest)  # as if it had just been written
        morning.append(alone(HISTORY, results))

    rounds = 3 if nights > 100 else 1
    benchmark.pedantic(next_day, rounds=rounds)
    command = [str(Path(sys.executable).with_name("baremark")), "history", "--results"]
    shown = alone(f"""
import json, subprocess, time
begin = time.perf_counter()
done = subprocess.run({command!r} + [{str(results)!r}], capture_output=True, check=True)
print(json.dumps({{"seconds": time.perf_counter() - begin, "bytes": len(done.stdout)}}))
""")
    benchmark.extra_info.update(from_everything=first, next_morning=morning, command=shown)
    assert first["warnings"] == 0
    assert {each["nights"] for each in (first, *morning)} == {nights * cells * targets}
    assert {each["shifts"] for each in morning} == {first["shifts"]}
    shutil.rmtree(results)


def alone(program: str, *args: object) -> dict[str, float]:
    """The figures that `program` prints, run in a process of its own on two CPUs."""
    cpus = ",".join(map(str, sorted(os.sched_getaffinity(0))[:2]))
    done = subprocess.run(
        ["taskset", "--cpu-list", cpus, sys.executable, "-c", program, *map(str, args)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "POLARS_MAX_THREADS": "2"},
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def generate(results: Path, nights: int, cells: int, targets: int) -> Path:
    """Folders of `nights` runs whose tables are up to date; the ledgers are never read."""
    workloads = [
        workload(f"cpu-{number:02}", Resource.CPU, [("events", "1/s", "higher")])
        for number in range(cells)
    ]
    kinds = (
        NATIVE,
        *(Kind(f"kvm-{n:02}", "kvm", KVM.backend_class, "kvm") for n in range(targets)),
    )
    one = make_run(lambda *_: 1.0, kinds, workloads, blocks=BLOCKS)
    rows = dataset.frame(one)
    seen = frame(one.manifest)
    (results / "dataset" / "observed").mkdir(parents=True)
    arms = rows.select("target", "workload").with_columns(pl.all().cast(pl.String))
    series = (arms["target"] + arms["workload"]).cast(pl.Categorical()).to_physical().to_numpy()
    native = rows["native"].to_numpy()
    for number, values in enumerate(_values(nights, series, native)):
        when = FIRST + timedelta(days=number)
        run = writer.run_id("lab1", when)
        folder = results / "runs" / run
        folder.mkdir(parents=True)
        for name in ("manifest.json", "ledger.jsonl"):
            (folder / name).write_text("{}\n")
            os.utime(folder / name, (1, 1))
        stamp = (
            pl.lit(run).cast(dataset.SCHEMA["run"]).alias("run"),
            pl.lit(when).cast(dataset.SCHEMA["started"]).alias("started"),
        )
        rows.with_columns(*stamp, pl.Series("value", values)).write_parquet(
            results / "dataset" / f"{run}.parquet",
            metadata={"schema_version": str(dataset.SCHEMA_VERSION)},
        )
        seen.with_columns(
            *stamp,
            pl.lit(f"6.1.0-{number // 42}").alias("kernel"),
            pl.lit(f"QEMU {number // 120}").alias("release"),
        ).write_parquet(
            results / "dataset" / "observed" / f"{run}.parquet",
            metadata={"schema_version": str(SCHEMA_VERSION)},
        )
    return results


def _values(
    nights: int, series: np.ndarray[Any, Any], native: np.ndarray[Any, Any]
) -> Iterator[np.ndarray[Any, Any]]:
    """The values of each night: noise of 1 % in a block and night, 2 % a series from night to
    night with autocorrelation .3; every tenth series loses 8 % at a night of its own."""
    rng = np.random.default_rng(1)
    count = int(series.max()) + 1
    drift = np.zeros(count)
    shift = rng.integers(nights // 4, nights, count)
    for number in range(nights):
        drift = 0.3 * drift + 0.02 * np.sqrt(1 - 0.09) * rng.standard_normal(count)
        lost = 0.08 * ((np.arange(count) % 10 == 0) & (number >= shift))
        level = np.where(native, 0.0, (drift - lost)[series])
        yield 1000 * np.exp(level + 0.01 * rng.standard_normal(series.size))
