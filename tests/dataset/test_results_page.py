"""docs/results.md: its columns are those of the schema, and its examples do what they say."""

from __future__ import annotations

import math
import re
from pathlib import Path
from statistics import median
from typing import Any

import duckdb
import polars as pl
import pytest

from harness.dataset import compaction, dataset
from harness.dataset.samples import FORMAT
from harness.dataset.store import open_store
from tests.dataset.runs import night
from tests.dataset.test_compaction import put
from tests.synthetic import example

PAGE = Path(__file__).parents[2] / "docs" / "results.md"
RUN = example()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset with a merged file, a run in it that was written again, and what a killed
    compaction left."""
    store = open_store(tmp_path / "results" / "dataset")
    put(store, RUN, night("2026-11-03"), night("2026-11-04", 1.0))
    left = [(e.name, (tmp_path / "results/dataset" / e.name).read_bytes()) for e in store.entries()]
    compaction.compact(store, FORMAT)
    for name, data in left[:2]:
        store.write(name, data)
    put(store, night("2026-11-04", 4.0))
    store.within("observed").write("x.parquet", b"another table")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "results"


def slowdowns() -> dict[tuple[str, str, str], float]:
    """By target, workload and metric of the example: the median over its blocks of the ratio to
    native, turned so that above 1 is slower, from the samples themselves."""
    values: dict[tuple[str, str, str, int], float] = {}
    better: dict[tuple[str, str], str] = {}
    for trial in RUN.trials:
        for sample in trial.samples if trial.status == "ok" else ():
            values[trial.target, trial.workload, sample.metric, trial.block] = sample.value
            better[trial.workload, sample.metric] = sample.better
    ratios: dict[tuple[str, str, str], list[float]] = {}
    for (target, workload, metric, block), value in values.items():
        native = values.get(("lab1", workload, metric, block))
        if target != "lab1" and native is not None:
            lower = better[workload, metric] == "lower"
            ratio = value / native if lower else native / value
            ratios.setdefault((target, workload, metric), []).append(ratio)
    return {key: median(found) for key, found in ratios.items()}


def same(found: dict[tuple[str, str, str], float]) -> bool:
    expected = slowdowns()
    return found.keys() == expected.keys() and all(
        math.isclose(found[key], value, rel_tol=1e-9) for key, value in expected.items()
    )


def test_the_columns_are_those_of_the_schema() -> None:
    table = PAGE.read_text().partition("| column | type | holds |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in table.splitlines()[2:]]
    assert [row[0].strip("`") for row in rows] == list(dataset.SCHEMA)
    kinds: dict[str, Any] = {
        "text": (pl.Categorical, pl.String),
        "number": (pl.UInt16, pl.UInt32, pl.Float64),
        "truth": pl.Boolean,
        "time": pl.Datetime,
    }
    for (name, kind, holds), (column, of) in zip(rows, dataset.SCHEMA.items(), strict=True):
        assert isinstance(of, kinds[kind]), name
        assert len(holds) > 10, name
        assert column == name.strip("`")


def test_every_version_of_the_format_is_on_the_page() -> None:
    rows = re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)
    assert [int(row) for row in rows] == list(FORMAT.versions)


def test_the_examples_for_duckdb(results: Path) -> None:
    first, overhead, ended = blocks("sql")
    db = duckdb.connect()
    db.execute(first)
    total = db.execute("SELECT count(*), count(DISTINCT run) FROM samples").fetchone()
    assert total == (dataset.frame(RUN).height + 2 * 12, 3)
    values = "SELECT DISTINCT value FROM samples WHERE run = '20261104T010000Z-lab1'"
    assert db.execute(values).fetchall() == [(4.0,)]
    rows = db.execute(overhead).fetchall()
    names = [column[0] for column in db.description]
    records = [dict(zip(names, row, strict=True)) for row in rows]
    found = {
        (each["target"], each["workload"], each["metric"]): each["slowdown"]
        for each in records
        if each["run"] == RUN.manifest.run
    }
    assert same(found)
    counted = {row[:3]: row[3] for row in db.execute(ended).fetchall()}
    assert counted["guest", "mem-latency", "timeout"] == 10
    assert counted["container", "disk-fdatasync", "failed"] == 2


def test_the_examples_for_polars(results: Path) -> None:
    anywhere, ours = blocks("python")
    place: dict[str, Any] = {}
    exec(anywhere, place)
    assert place["samples"].collect().height == dataset.frame(RUN).height + 2 * 12
    found = {
        (row["target"], row["workload"], row["metric"]): row["slowdown"]
        for row in place["slowdowns"].filter(pl.col("run") == RUN.manifest.run).to_dicts()
    }
    assert same(found)
    place = {}
    exec(ours, place)
    frame = place["nights"]
    assert set(frame["run"].cast(pl.String)) == {
        RUN.manifest.run,
        "20261103T010000Z-lab1",
        "20261104T010000Z-lab1",
    }
    assert {"F", "F_low", "F_high", "verdict"} <= set(frame.columns)
