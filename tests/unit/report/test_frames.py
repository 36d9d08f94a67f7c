"""The frames of a notebook: what docs/python.md says of them is so, and its examples run."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pandas as pd  # type: ignore[import-untyped]
import polars as pl
import pytest

import harness
from harness.errors import HarnessError, UseError
from harness.model.trial import ClockOffset, CpuTime, HostLoad, TrialStatus
from harness.report import frames, runs
from harness.report.frame import Frame, to_pandas
from tests.lab import LODGERS, night, save, workloads
from tests.synthetic import CPU, NATIVE, make_run

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "python.md").read_text()
NIGHTS = [night(number, blocks=6, of=workloads(1)) for number in range(2)]
FAILED = NIGHTS[0].trials[0]
NIGHTS[0] = replace(
    NIGHTS[0],
    trials=tuple(
        replace(t, status=TrialStatus.FAILED, reason="exit status 9", samples=(), exit_status=9)
        if t is FAILED
        else t
        for t in NIGHTS[0].trials
    ),
)
NAMES = [run.manifest.run for run in NIGHTS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("notebook")
    for run in NIGHTS:
        save(run, made / "results")
    return made


@pytest.fixture(scope="module")
def results(folder: Path) -> frames.Results:
    return harness.results(folder / "results")


def of(results: frames.Results, name: str) -> Frame:
    made: Frame = getattr(results, name)()
    return made


def documented(name: str) -> list[list[str]]:
    """The rows of the page's table of the columns of a frame, without the marks of code."""
    _, _, section = PAGE.partition(f"## `{name}()`")
    table = section.partition("| column | type | unit | holds |\n")[2].partition("\n\n")[0]
    return [
        [cell.strip().strip("`") for cell in row.split("|")[1:-1]] for row in table.splitlines()[1:]
    ]


# ------------------------------------------------------------------ what the page says
@pytest.mark.parametrize("name", ["runs", "trials", "overheads", "table"])
def test_the_columns_and_types_are_those_of_the_page(results: frames.Results, name: str) -> None:
    made = of(results, name)
    rows = documented(name)
    assert [row[0] for row in rows] == made.columns
    assert [row[1] for row in rows] == [str(kind).partition("(")[0] for kind in made.dtypes]
    assert all(len(row[3]) > 5 for row in rows)
    assert not made.is_empty()


def test_the_columns_of_the_samples_are_those_of_the_dataset(results: frames.Results) -> None:
    page = (DOCS / "results.md").read_text()
    table = page.partition("| column | type | holds |")[2].partition("\n\n")[0]
    rows = [[cell.strip().strip("`") for cell in row.split("|")[1:3]] for row in table.split("\n")]
    kinds: dict[str, set[Any]] = {
        "text": {pl.String()},
        "number": {pl.UInt16(), pl.UInt32(), pl.Float64()},
        "truth": {pl.Boolean()},
        "time": {pl.Datetime("us", "UTC")},
    }
    made = results.samples()
    assert [name for name, _ in rows[2:]] == made.columns
    for (name, kind), seen in zip(rows[2:], made.dtypes, strict=True):
        assert seen in kinds[kind], name


@pytest.mark.parametrize("name", ["runs", "trials", "samples", "overheads", "table"])
def test_the_help_of_a_method_names_every_column(results: frames.Results, name: str) -> None:
    told = set(re.findall(r"`(\w+)`", getattr(frames.Results, name).__doc__))
    assert set(of(results, name).columns) <= told


@pytest.mark.parametrize("name", ["runs", "trials", "overheads", "table"])
def test_every_column_of_seconds_percents_and_ratios_says_so(name: str) -> None:
    units = {row[0]: row[2] for row in documented(name)}
    for column, unit in units.items():
        if column.endswith("_s"):
            assert unit == "s", column
        if column.endswith("percent") or column in {"overhead_low", "overhead_high"}:
            assert unit == "%", column
        if re.match(r"(native_)?value_", column):
            assert unit == "unit", column
        if column == "started":
            assert unit == "UTC"


def test_the_notebook_of_the_page_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    place: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 6
    for block in blocks:
        exec(block, place)
    values = [
        sample.value
        for trial in NIGHTS[1].trials
        for sample in trial.samples[:1]
        if trial.workload == NIGHTS[1].manifest.workloads[0].name and trial.arm == "lab1"
    ]
    (scatter,) = (
        place["scatter"]
        .filter(run=NAMES[1], workload=NIGHTS[1].manifest.workloads[0].name)
        .iter_rows(named=True)
    )
    assert scatter["blocks"] == len(values) == 6
    assert math.isclose(scatter["percent"], 100 * stdev(values) / mean(values), rel_tol=1e-9)
    known = {each.kind.name: each.slowdown for each in LODGERS}
    resources = {each.name: str(each.resource) for each in NIGHTS[0].manifest.workloads}
    assert set(place["slower"]["run"]) == set(NAMES)
    for row in place["slower"].iter_rows(named=True):
        resource = resources[row["workload"]]
        # The noise of a made value is 1.2 %: of 6 pairs the estimate is within 4 %.
        if row["guest"] is not None:
            truth = known["guest"].get(resource, known["guest"][""])
            assert abs(math.log(row["guest"] / truth)) < 0.04
    assert place["why"].rows() == [(FAILED.arm, "failed", "exit status 9", 1)]
    assert abs(place["overhead"].loc["guest", "cpu"] - 750) < 40
    assert isinstance(place["overhead"], pd.DataFrame)


# ------------------------------------------------------------------ what the frames hold
def test_a_failed_trial_has_its_reason_and_no_value(results: frames.Results) -> None:
    at = {"run": NAMES[0], "trial": FAILED.id}
    (trial,) = results.trials().filter(**at).iter_rows(named=True)
    assert (trial["status"], trial["reason"], trial["exit_status"]) == (
        "failed",
        "exit status 9",
        9,
    )
    assert trial["cpu_total_s"] is None
    values = results.samples().filter(**at)["value"]
    assert len(values) > 0
    assert values.null_count() == len(values)


def test_times_of_cpus_are_what_the_ledger_says(tmp_path: Path) -> None:
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    load = HostLoad(20.0, 8.0, 0.05, process_s=7.0, mhz_mean=3100.0)
    trials = tuple(
        replace(t, cpu=CpuTime(10.0, 5.0, 0.04, 4.9), host_load=load) for t in run.trials
    )
    save(replace(run, trials=trials), tmp_path)
    (row,) = harness.results(tmp_path).trials().head(1).iter_rows(named=True)
    seen = {name: value for name, value in row.items() if name.startswith(("cpu_", "host_"))}
    assert seen == {
        "cpu_total_s": 10.0,
        "cpu_busy_s": 5.0,
        "cpu_own_s": 4.9,
        "cpu_steal_s": 0.04,
        "host_total_s": 20.0,
        "host_busy_s": 8.0,
        "host_process_s": 7.0,
        "host_steal_s": 0.05,
        "host_mhz": 3100.0,
    }


def test_runs_say_when_they_began_and_how_they_ended(results: frames.Results) -> None:
    (first, second) = results.runs().iter_rows(named=True)
    assert [first["run"], second["run"]] == NAMES
    assert first["started"] == datetime(2026, 10, 1, 1, 30, tzinfo=UTC)
    assert (first["ended"], first["seed"], first["imported"]) == ("complete", "7", False)
    assert first["trials"] == len(NIGHTS[0].trials)


def test_the_table_has_the_figures_of_the_terminal(results: frames.Results, folder: Path) -> None:
    """The latest by itself, both pooled where they are named."""
    for names in ((), tuple(NAMES)):
        shown = runs.read([folder / "results" / "runs" / n for n in names or NAMES[-1:]]).table
        rows = results.table(*names).iter_rows(named=True)
        for group in shown.sections[0].groups:
            for row in group.rows:
                for column, figure in zip(shown.sections[0].columns, row.figures, strict=True):
                    mine = next(rows)
                    assert (mine["metric"], mine["header"]) == (row.metric, column.header)
                    assert mine["F"] == (figure.factor and figure.factor.point)
                    assert (mine["verdict"], mine["n"]) == (figure.verdict, figure.n)
        assert next(rows, None) is None


def test_what_a_check_doubts_is_suspect_in_every_frame(tmp_path: Path) -> None:
    """A clock that runs 2 % fast in all trials of a target."""
    run = make_run(lambda *_: 1.0, workloads=[CPU])
    drifting = tuple(
        replace(
            t,
            span_s=5.0,
            guest_s=5.0 * (1.02 if t.target != NATIVE.name else 1.0),
            apart=ClockOffset(0.0, 0.001),
        )
        for t in run.trials
    )
    save(replace(run, trials=drifting), tmp_path)
    made = harness.results(tmp_path)
    for frame in (made.overheads(), made.table()):
        paired = frame.filter(pl.col("F").is_not_null())
        assert set(paired["verdict"]) == {"suspect"}
        assert "suspect" not in set(frame.filter("native")["verdict"])


def test_runs_without_native_have_no_overhead_and_spoil_none(tmp_path: Path) -> None:
    alone = replace(NIGHTS[0], trials=tuple(t for t in NIGHTS[0].trials if t.target != NATIVE.name))
    save(alone, tmp_path)
    assert harness.results(tmp_path).overheads().shape == (0, len(frames.OVERHEADS))
    save(NIGHTS[1], tmp_path)
    assert set(harness.results(tmp_path).overheads()["run"]) == {NAMES[1]}


# ------------------------------------------------------------------ pandas
def test_pandas_gets_the_types_and_every_null(results: frames.Results) -> None:
    made = results.trials()
    told = made.to_pandas()
    assert list(told.columns) == made.columns
    kinds = {
        pl.String(): "str",
        pl.Boolean(): "boolean",
        pl.UInt32(): "UInt32",
        pl.Int32(): "Int32",
        pl.Float64(): "Float64",
        pl.Datetime("us", "UTC"): "datetime64[us, UTC]",
    }
    assert [str(kind) for kind in told.dtypes] == [kinds[kind] for kind in made.dtypes]
    for name in made.columns:
        mine = [None if pd.isna(value) else value for value in told[name]]
        assert mine == made[name].to_list(), name
    assert told["cpu_total_s"].isna().all()


def test_any_frame_of_polars_turns_into_pandas() -> None:
    frame = pl.DataFrame(
        {
            "many": [[1, 2], None],
            "time": [datetime(2026, 11, 1, 12), None],
            "kind": pl.Series(["a", None], dtype=pl.Categorical()),
            "zone": pl.Series([datetime(2026, 7, 1, 12, tzinfo=UTC), None]).dt.convert_time_zone(
                "Europe/Prague"
            ),
            "small": pl.Series([None, 255], dtype=pl.UInt8),
            "number": [float("inf"), None],
        }
    )
    made = to_pandas(frame)
    assert [str(kind) for kind in made.dtypes] == [
        "object",
        "datetime64[us]",
        "str",
        "datetime64[us, Europe/Prague]",
        "UInt8",
        "Float64",
    ]
    assert made["zone"][0].isoformat() == "2026-07-01T14:00:00+02:00"
    assert made["small"].to_list() == [pd.NA, 255]
    assert [bool(pd.isna(made[name][1])) for name in ("time", "kind", "zone", "number")] == [
        True
    ] * 4
    assert to_pandas(frame.clear()).shape == (0, 6)
    assert to_pandas(pl.DataFrame()).shape == (0, 0)


# ------------------------------------------------------------------ the door
def test_the_door_loads_nothing_until_it_is_used() -> None:
    program = (
        "import json, sys; before = set(sys.modules); import harness; harness.results; "
        "print(json.dumps(sorted({m.partition('.')[0] for m in set(sys.modules) - before} "
        "- set(sys.stdlib_module_names))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == ["harness"]


def test_what_cannot_be_read_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UseError, match="there is no run in") as told:
        harness.results(tmp_path).runs()
    assert "name another folder" in told.value.hint
    save(NIGHTS[0], tmp_path)
    with pytest.raises(UseError, match="there is no run 'gone'"):
        harness.results(tmp_path, ["gone"]).samples()
    broken = save(NIGHTS[1], tmp_path)
    ledger = broken / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"container"', '"box"', 1))
    with pytest.raises(HarnessError, match=f"of run {NAMES[1]} names workload"):
        harness.results(tmp_path).trials()
    ledger.write_text("no record\n")
    with pytest.raises(HarnessError, match=r"ledger\.jsonl:1"):
        harness.results(tmp_path).overheads()
    assert harness.results(tmp_path, NAMES[:1]).runs().height == 1
