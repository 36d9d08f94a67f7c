"""A hundred million samples, a thousand hosts over three years: how fast they become overhead.

`pytest tests/bench --benchmark-enable` makes them (a thousand nights of each host, the others
missed) and has the table made night by night, which is what histories are made of, and with all
nights of a host pooled; in a fresh process each, on two CPUs, its peak memory its own. The table
by night is made in turn with the same query written for DuckDB. DuckDB's is the easier one: it has
no tests, verdicts or counts of failures, and is handed the files in parts, because the whole query
at once spilled until a disk with about 70 GB free was full. Nothing timed is asserted;
`extra_info` holds the figures.

Without that option the same path runs over a few thousand rows.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from harness.analyze.overhead import overhead
from harness.dataset import dataset
from tests.bench.nights import ARMS, BYTES_A_ROW, METRICS, ROWS_A_RUN, generate
from tests.dataset.runs import read, read_by_host

ROOT = Path(__file__).parents[2]
SPILL_BYTES = 20e9
FIGURES = ["value_mean", "value_median", "native_value_mean", "native_value_median", "sd", "F",
           "F_low", "F_high"]  # fmt: skip
KEYS = ["run", "target", "workload", "metric"]
CHOSEN = "host in ('host-0000', 'host-0007', 'host-0998')"

OURS = """
import json, resource, sys, time
from pathlib import Path
import polars as pl
from harness.analyze.overhead import overhead
from harness.dataset import dataset
folder, out, by_run = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "night"
begin = time.perf_counter()
frame = dataset.read(folder, lambda parts: overhead(parts, by_run=by_run, judged=not by_run))
spent = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
if by_run:
    frame.sql(f"SELECT * FROM self WHERE {sys.argv[4].replace('host in', 'CAST(host AS TEXT) IN')}"
              ).write_parquet(out)
print(json.dumps({"seconds": spent, "peak_rss_mib": peak, "rows_out": frame.height,
                  "cpu_seconds": time.process_time()}))
"""

DUCKDB = """
import json, resource, sys, time
from pathlib import Path
import duckdb
folder, out, query, chosen, spill = sys.argv[1:6]
PART = 10
files = sorted(str(file) for file in Path(folder).glob("*.parquet"))
begin = time.perf_counter()
db = duckdb.connect()
db.execute("SET threads = 2; SET memory_limit = '7GB'; SET preserve_insertion_order = false")
db.execute("SET enable_progress_bar = false")
db.execute(f"SET temp_directory = '{out}.spill'; SET max_temp_directory_size = '{spill}GB'")
for start in range(0, len(files), PART):
    first = "CREATE TABLE found AS" if start == 0 else "INSERT INTO found"
    db.execute(f"{first} {query}", [files[start : start + PART]])
spent = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
rows = db.execute("SELECT count(*) FROM found").fetchone()[0]
db.execute(f"COPY (SELECT * FROM found WHERE {chosen}) TO '{out}' (FORMAT parquet)")
print(json.dumps({"seconds": spent, "peak_rss_mib": peak, "rows_out": rows,
                  "cpu_seconds": time.process_time()}))
"""

# The ranks at 95 % for so many pairs: Hollander, Wolfe & Chicken, table A.4.
QUERY = """
WITH cell AS (
    SELECT host, scenario, run, target, workload, metric, block,
           any_value(better) AS better, bool_or(native) AS native, bool_or(control) AS control,
           avg(value) AS value, CASE WHEN avg(value) > 0 THEN ln(avg(value)) END AS log
    FROM read_parquet($1) GROUP BY ALL),
beside AS (
    SELECT mine.*, base.value AS base, base.log AS first,
           CASE WHEN NOT mine.control THEN again.log END AS second
    FROM cell mine
    LEFT JOIN cell base
      ON base.native AND base.run = mine.run AND base.workload = mine.workload
     AND base.metric = mine.metric AND base.block = mine.block
    LEFT JOIN cell again
      ON again.control AND again.run = mine.run AND again.workload = mine.workload
     AND again.metric = mine.metric AND again.block = mine.block),
pair AS (
    SELECT *, CASE WHEN NOT native THEN CASE better WHEN 'lower' THEN 1 ELSE -1 END
        * (log - (coalesce(first, second) + coalesce(second, first)) / 2) END AS d
    FROM beside),
series AS (
    SELECT host, scenario, run, target, workload, metric, count(d) AS n,
           avg(value) AS value_mean, median(value) AS value_median,
           avg(base) AS native_value_mean, median(base) AS native_value_median,
           stddev_samp(d) AS sd, list(d) FILTER (d IS NOT NULL) AS d
    FROM pair GROUP BY ALL),
walsh AS (
    SELECT * EXCLUDE d, list_sort(flatten(list_transform(range(1, n + 1),
        lambda i: list_transform(d[i:], lambda x: (d[i] + x) / 2)))) AS w
    FROM series)
SELECT walsh.* EXCLUDE w, exp((w[(len(w) + 1) // 2] + w[len(w) // 2 + 1]) / 2) AS F,
       exp(w[k]) AS F_low, exp(w[len(w) + 1 - k]) AS F_high
FROM walsh LEFT JOIN (VALUES (6, 1), (7, 3), (8, 4), (9, 6), (10, 9)) rank (n, k) USING (n)
"""


@pytest.mark.parametrize(
    ("hosts", "nights", "files", "rounds"),
    [
        pytest.param(12, 4, 3, 1, id="small"),
        pytest.param(1000, 1000, 100, 3, id="full", marks=pytest.mark.long),
    ],
)
def test_samples_of_years_become_overhead(
    benchmark: Any,
    tmp_path: Path,
    pytestconfig: pytest.Config,
    hosts: int,
    nights: int,
    files: int,
    rounds: int,
) -> None:
    pytest.importorskip("duckdb")
    rows = hosts * nights * ROWS_A_RUN
    if rows > 1e6:
        if not pytestconfig.getoption("benchmark_enable"):
            pytest.skip("a hundred million rows only with --benchmark-enable")
        needed, free = rows * BYTES_A_ROW + SPILL_BYTES, shutil.disk_usage(tmp_path).free
        if free < needed:
            pytest.skip(f"{tmp_path} needs {needed / 1e9:.0f} GB, has {free / 1e9:.0f} GB")
    folder = generate(tmp_path / "dataset", hosts, nights, files)
    mine, theirs = tmp_path / "ours.parquet", tmp_path / "duckdb.parquet"
    spill = str(int(SPILL_BYTES / 1e9))

    by_night: list[dict[str, float]] = []
    in_sql: list[dict[str, float]] = []

    def both() -> None:
        by_night.append(alone(OURS, folder, mine, "night", CHOSEN))
        in_sql.append(alone(DUCKDB, folder, theirs, QUERY, CHOSEN, spill))

    try:
        benchmark.pedantic(both, rounds=rounds)
        pooled = alone(OURS, folder, mine, "pooled", CHOSEN)
    finally:
        left = pl.read_parquet(mine), pl.read_parquet(theirs)
        shutil.rmtree(folder)
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(by_night, in_sql, strict=True)]
    benchmark.extra_info.update(
        rows_in=rows, by_night=by_night, duckdb=in_sql, ratio_to_duckdb=median(ratios),
        pooled=pooled,
    )  # fmt: skip
    cells = hosts * len(ARMS) * len(METRICS)
    assert by_night[0]["rows_out"] == in_sql[0]["rows_out"] == cells * nights
    assert pooled["rows_out"] == cells
    agree(*left)


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


def agree(mine: pl.DataFrame, theirs: pl.DataFrame) -> None:
    """Both made the same of the runs that were chosen, to 1e-9."""
    frames = [
        frame.with_columns(pl.col(KEYS).cast(pl.String)).sort(KEYS).select(*KEYS, *FIGURES)
        for frame in (mine, theirs)
    ]
    assert frames[0].height > 0
    assert_frame_equal(*frames, rel_tol=1e-9, abs_tol=1e-12)


@pytest.mark.parametrize("by_run", [True, False])
@pytest.mark.parametrize("files", [1, 3, 7])
def test_parts_of_whole_hosts_give_exactly_what_all_at_once_gives(
    tmp_path: Path, files: int, by_run: bool
) -> None:
    folder = generate(tmp_path / "dataset", hosts=7, nights=3, files=files)
    whole = overhead(read(folder).lazy(), by_run=by_run)

    def in_parts(parts: list[pl.LazyFrame]) -> pl.DataFrame:
        assert len(parts) > 1
        return overhead(parts, by_run=by_run)

    for most in (1, 2 * 3 * ROWS_A_RUN, 4 * 3 * ROWS_A_RUN):
        found = dataset.read(folder, in_parts, most_rows=most)
        assert_frame_equal(found, whole, check_exact=True)


def test_a_host_in_several_files_is_not_split(tmp_path: Path) -> None:
    folder = generate(tmp_path / "one", hosts=3, nights=4, files=1)
    rows = read(folder)
    early = pl.col("started") < rows["started"].median()
    spread = tmp_path / "many"
    spread.mkdir()
    for name, part in (("a", rows.filter(early)), ("b", rows.filter(~early))):
        part.write_parquet(spread / f"{name}.parquet", metadata={"schema_version": "3"})
    parts = read_by_host(spread)
    assert [part["host"].cast(pl.String).unique().to_list() for part in parts] == [
        [f"host-000{number}"] for number in range(3)
    ]
    in_parts = dataset.read(spread, overhead, most_rows=1)
    assert_frame_equal(in_parts, overhead(rows.lazy()), check_exact=True)
