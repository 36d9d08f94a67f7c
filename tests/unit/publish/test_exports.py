"""Exports, as the programs that they are for read them."""

from __future__ import annotations

import json
import math
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import junitparser
import numpy as np
import pytest
from prometheus_client import parser as prometheus
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.samples import Sample
from pytest_benchmark.stats import Stats

from harness.model.run import Run
from harness.model.target import OTHER_MACHINE, BackendClass
from harness.model.workload import Resource
from harness.publish import exports
from harness.publish.exports import Export, _units
from harness.publish.exports import pytest_benchmark as rounds
from tests import command
from tests.contract.test_exports_contract import export, small
from tests.synthetic import DOCKER, NATIVE, TCG, Kind, make_run, noisy, workload

ROOT = Path(__file__).parents[3]
BAREMARK = Path(sys.executable).with_name("baremark")
TIME = workload("load-time", Resource.CPU, [("latency", "µs", "lower")])
RATE = workload("load-rate", Resource.DISK, [("bandwidth", "MiB/s", "higher")])
OPERATIONS = workload("load-ops", Resource.DISK, [("ops", "1/s", "higher")])
FREQUENCY = workload("load-clock", Resource.CPU, [("clock", "MHz", "higher")])
BASE = {("load-time", "latency"): 120.0, ("load-rate", "bandwidth"): 900.0}
BASE |= {("load-ops", "ops"): 5e4, ("load-clock", "clock"): 3000.0}
SLOWDOWN = {"lab1": 1.0, "lab1+control": 1.0, "container": 1.2, "guest": 11.7}
VALUE = noisy(SLOWDOWN, BASE, {"latency"}, seed=4)


def four_units() -> Run:
    return make_run(
        VALUE, [NATIVE, DOCKER, TCG], [TIME, RATE, OPERATIONS, FREQUENCY], blocks=10, control=True
    )


def values(run: Run, load: str, target: str, control: bool = False) -> list[float]:
    """The values of a cell by block, from the ledger's record alone."""
    return [
        trial.samples[0].value
        for trial in run.trials
        if (trial.workload, trial.target, trial.control) == (load, target, control)
        and trial.samples
    ]


# ------------------------------------------------------------------ pytest-benchmark
def benchmarks(of: Export) -> dict[str, Any]:
    document = json.loads(exports.render(of, "pytest-benchmark").text)
    return {each["name"]: each for each in document["benchmarks"]}


def test_pytest_benchmark_compares_and_lists_an_export(tmp_path: Path) -> None:
    made = export(four_units())
    storage = tmp_path / "storage" / "lab"
    storage.mkdir(parents=True)
    file = storage / "0001_lab.json"
    file.write_text(exports.render(made, "pytest-benchmark").text)
    command = [
        str(Path(sys.executable).with_name("pytest-benchmark")),
        "--storage",
        f"file://{tmp_path / 'storage'}",
    ]
    listed = subprocess.run(
        [*command, "list"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert listed.stdout.strip() == str(file)
    compared = subprocess.run(
        [*command, "compare", "--csv", str(tmp_path / "read.csv"), str(file)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert compared.returncode == 0, compared.stderr
    assert "Failed to load" not in compared.stdout + compared.stderr
    for name in benchmarks(made):
        assert name in compared.stdout
    groups = re.findall(r"benchmark '(.*?)': (\d) tests", compared.stdout)
    assert [count for _, count in groups] == ["4", "4", "4"]
    read = (tmp_path / "read.csv").read_text()
    run = four_units()
    for target in ("lab1", "container", "guest"):
        least = min(values(run, "load-time", target)) * 1e-6
        assert any(math.isclose(float(x), least) for x in re.findall(r",([\d.e-]+)", read))


def test_the_unit_of_a_benchmark_is_said_and_true() -> None:
    run = four_units()
    found = benchmarks(export(run))
    time = found["load-time latency (s)[container (docker, os)]"]
    assert time["stats"]["data"] == pytest.approx(
        [x * 1e-6 for x in values(run, "load-time", "container")], rel=1e-15
    )
    rate = found["load-rate bandwidth (s per MiB)[container (docker, os)]"]
    measured = values(run, "load-rate", "container")
    assert rate["stats"]["data"] == pytest.approx([1 / x for x in measured], rel=1e-15)
    assert rate["stats"]["ops"] == pytest.approx(statistics.harmonic_mean(measured))
    assert "load-ops ops (s per operation)[container (docker, os)]" in found
    assert "s per operation" in found["load-ops ops (s per operation)[native]"]["group"]


def test_a_metric_that_is_neither_time_nor_rate_is_left_out_and_named() -> None:
    made = exports.render(export(four_units()), "pytest-benchmark")
    assert made.left_out == ("load-clock clock is in MHz, which is neither a time nor a rate",)
    assert "load-clock" not in made.text


def test_what_was_measured_stands_beside_the_seconds() -> None:
    run = four_units()
    extra = benchmarks(export(run))["load-rate bandwidth (s per MiB)[guest (qemu-tcg, emulated)]"][
        "extra_info"
    ]
    assert (extra["unit"], extra["better"], extra["class"]) == ("MiB/s", "higher", "emulated")
    assert extra["values"] == values(run, "load-rate", "guest")
    assert extra["blocks"] == list(range(10))
    assert set(extra["runs"]) == {run.manifest.run}
    assert extra["slowdown"]["F_low"] < 11.7 < extra["slowdown"]["F_high"]
    assert extra["slowdown"]["n"] == 10


def test_the_control_is_a_benchmark_beside_native() -> None:
    run = four_units()
    second = benchmarks(export(run))["load-time latency (s)[native+control]"]["extra_info"]
    assert second["values"] == values(run, "load-time", "lab1", control=True)
    assert second["control"] == "true"
    assert "slowdown" not in second


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 30])
def test_the_statistics_are_those_of_pytest_benchmark(count: int) -> None:
    data = np.random.default_rng(count).lognormal(sigma=1, size=count).tolist()
    theirs = Stats()  # type: ignore[no-untyped-call]
    for each in data:
        theirs.update(each)  # type: ignore[no-untyped-call]
    mine = rounds.stats(data)
    assert mine.keys() - {"data", "iterations"} == set(theirs.fields)
    for name, value in theirs.as_dict().items():  # type: ignore[no-untyped-call]
        assert mine[name] == (value if isinstance(value, str) else pytest.approx(value)), name


def test_blocks_without_a_value_are_no_rounds() -> None:
    found = benchmarks(export(small()))
    extra = found["cpu-one events (s per operation)[container (docker, os)]"]["extra_info"]
    assert extra["blocks"] == [0, 1, 3, 4, 5, 6, 7]
    assert not [name for name in found if "disk-randread" in name and "guest" in name]


def test_repeats_in_a_block_are_one_round_of_their_mean() -> None:
    numbers = iter(range(1, 1000))
    run = make_run(lambda *_: float(next(numbers)), [NATIVE, DOCKER], [TIME], 2, repeats=2)
    (native, _) = benchmarks(export(run)).values()
    assert native["extra_info"]["values"] == [1.5, 5.5]


# ------------------------------------------------------------------ OpenMetrics
def both(text: str) -> tuple[list[Sample], list[Sample]]:
    """The samples as OpenMetrics' parser and as that of the older text format reads them."""
    families = [*openmetrics.text_string_to_metric_families(text)]  # type: ignore[no-untyped-call]
    assert {family.type for family in families} == {"gauge"}
    older = [*prometheus.text_string_to_metric_families(text)]
    return (
        [sample for family in families for sample in family.samples],
        [sample for family in older for sample in family.samples],
    )


def test_both_parsers_of_prometheus_read_the_same() -> None:
    text = exports.render(export(small()), "openmetrics").text
    new, old = both(text)
    plain = [[(s.name, sorted(s.labels.items()), s.value) for s in each] for each in (new, old)]
    assert plain[0] == plain[1]
    assert len(plain[0]) > 50
    assert all(math.isfinite(sample.value) for sample in new)
    assert all(sample.timestamp is None for sample in new)
    assert text.endswith("# EOF\n")
    assert not [line for line in text.splitlines() if line.startswith("# HELP") and '"' in line]


def pick(samples: Sequence[Sample], name: str, **labels: str) -> float:
    (found,) = [
        sample.value
        for sample in samples
        if sample.name == f"baremark_{name}" and labels.items() <= sample.labels.items()
    ]
    return float(found)


def test_gauges_are_in_base_units_and_say_what_the_table_says() -> None:
    run = four_units()
    made = export(run)
    samples, _ = both(exports.render(made, "openmetrics").text)
    time = pick(samples, "time_seconds", target="guest", workload="load-time")
    assert time == pytest.approx(1e-6 * statistics.median(values(run, "load-time", "guest")))
    rate = pick(samples, "throughput_bytes_per_second", target="guest")
    assert rate == pytest.approx(2**20 * statistics.median(values(run, "load-rate", "guest")))
    operations = pick(samples, "rate_per_second", target="guest")
    assert operations == statistics.median(values(run, "load-ops", "guest"))
    (section,) = made.table.sections
    for group in section.groups:
        for row in group.rows:
            factor = row.figures[1].factor
            assert factor is not None
            where = {"target": "container", "workload": row.workload}
            assert pick(samples, "slowdown_ratio", **where) == factor.point
            assert pick(samples, "slowdown_low_ratio", **where) == factor.low
            assert pick(samples, "slowdown_high_ratio", **where) == factor.high
            assert pick(samples, "blocks", **where) == 10
    assert section.control is not None
    assert pick(samples, "control_pairs", host="lab1") == section.control.pairs
    assert pick(samples, "run_created_timestamp_seconds", run=run.manifest.run) == 1793491200


def test_a_unit_without_a_base_unit_has_its_slowdown_and_no_value() -> None:
    made = exports.render(export(four_units()), "openmetrics")
    assert made.left_out == ("the values of load-clock clock: MHz has no base unit",)
    samples, _ = both(made.text)
    names = {s.name for s in samples if s.labels.get("workload") == "load-clock"}
    assert "baremark_slowdown_ratio" in names
    assert not names & {"baremark_time_seconds", "baremark_rate_per_second"}


def test_a_target_without_a_result_has_trials_and_no_value() -> None:
    samples, _ = both(exports.render(export(small()), "openmetrics").text)
    silent = {"target": "guest", "workload": "disk-randread", "metric": "iops"}
    assert pick(samples, "trials", status="timeout", **silent) == 8
    assert pick(samples, "trials", status="ok", **silent) == 0
    assert pick(samples, "verdict", verdict="no result", **silent) == 1
    names = {s.name for s in samples if silent.items() <= s.labels.items()}
    assert "baremark_rate_per_second" not in names
    assert "baremark_slowdown_ratio" not in names


@pytest.mark.parametrize(
    ("unit", "seconds", "base"),
    [
        ("ns", 2e-9, ("seconds", 2e-9)),
        ("ms", 2e-3, ("seconds", 2e-3)),
        ("s", 2.0, ("seconds", 2)),
        ("1/s", 0.5, ("per_second", 2)),
        ("MiB/s", 0.5, ("bytes_per_second", 2097152)),
        ("Mbit/s", 0.5, ("bytes_per_second", 250000)),
        ("kB/s", 0.5, ("bytes_per_second", 2000)),
        ("frames/s", 0.5, None),
        ("MHz", None, None),
        ("%", None, None),
        ("/s", None, None),
    ],
)
def test_units_are_exact_or_not_known(
    unit: str, seconds: float | None, base: tuple[str, float] | None
) -> None:
    how, where = _units.in_seconds(unit), _units.in_base(unit)
    assert (None if how is None else how.of(2.0)) == seconds
    assert (None if where is None else (where.name, where.of(2.0))) == base


def test_a_rate_of_zero_takes_no_time() -> None:
    how = _units.in_seconds("1/s")
    assert how is not None
    assert how.of(0.0) is None


# ------------------------------------------------------------------ PerfKitBenchmarker
def samples_of(text: str) -> list[dict[str, Any]]:
    """As BigQuery users read it: JSON lines, labels by a pattern over their text."""
    read = []
    for line in text.splitlines():
        sample = json.loads(line)
        sample["told"] = dict(re.findall(r"\|(.*?):(.*?)\|", sample.pop("labels")))
        read.append(sample)
    return read


def test_a_sample_a_block_and_an_estimate_a_target() -> None:
    run = four_units()
    made = export(run)
    read = samples_of(exports.render(made, "perfkit").text)
    measured = [each for each in read if each["told"]["kind"] == "value"]
    assert len(measured) == 4 * 4 * 10
    for sample in measured:
        assert sample["run_uri"] == run.manifest.run
        assert sample["timestamp"] == 1793491200
        assert sample["product_name"] == "baremark"
    guest = [
        (int(s["told"]["block"]), s["value"], s["unit"])
        for s in measured
        if (s["test"], s["told"]["target"]) == ("load-clock", "guest")
    ]
    assert guest == [(n, v, "MHz") for n, v in enumerate(values(run, "load-clock", "guest"))]
    assert len({each["sample_uri"] for each in read}) == len(read)
    estimates = [each for each in read if each["told"]["kind"] == "estimate"]
    assert len(estimates) == 4 * 2
    (section,) = made.table.sections
    for group in section.groups:
        for row in group.rows:
            factor = row.figures[2].factor
            assert factor is not None
            (told,) = [
                each
                for each in estimates
                if (each["test"], each["told"]["target"]) == (row.workload, "guest")
            ]
            assert (told["value"], told["unit"]) == (factor.point, "ratio")
            assert float(told["told"]["low"]) == factor.low
            assert told["told"]["header"] == "guest (qemu-tcg, emulated)"


def test_a_bar_in_a_label_ends_no_value() -> None:
    run = make_run(
        lambda *_: 1.0, [NATIVE, Kind("x", "docker", BackendClass.OS, "a|b")], [TIME], blocks=2
    )
    read = samples_of(exports.render(export(run), "perfkit").text)
    assert {each["told"]["label"] for each in read} == {"baremetal", "a%7Cb"}


# ------------------------------------------------------------------ JUnit
def suites(of: Export) -> junitparser.JUnitXml:
    return junitparser.JUnitXml.fromstring(exports.render(of, "junit").text.encode())


def outcomes(of: Export) -> dict[tuple[str, str], list[str]]:
    return {
        (case.classname, case.name): [type(each).__name__ for each in case.result]
        for suite in suites(of)
        for case in suite
    }


def test_junitparser_counts_what_the_document_says() -> None:
    for made in (export(small()), export(four_units(), fail_slower=0.0)):
        document = suites(made)
        (suite,) = list(document)
        found = list(suite)
        kinds = [type(each).__name__ for case in found for each in case.result]
        assert suite.tests == document.tests == len(found)
        assert suite.failures == document.failures == kinds.count("Failure")
        assert suite.errors == document.errors == kinds.count("Error")
        assert suite.skipped == kinds.count("Skipped")
        assert suite.hostname == "lab1"


def test_slower_fails_only_where_it_was_asked_for_and_beyond_the_limit() -> None:
    run = four_units()
    slower = ("lab1.guest (qemu-tcg, emulated)", "load-time latency")
    little = ("lab1.container (docker, os)", "load-time latency")
    assert outcomes(export(run))[slower] == []
    found = outcomes(export(run, fail_slower=0.0))
    assert (found[slower], found[little]) == (["Failure"], ["Failure"])
    found = outcomes(export(run, fail_slower=0.5))
    assert (found[slower], found[little]) == (["Failure"], [])
    assert outcomes(export(run, fail_slower=20.0))[slower] == []


def test_no_result_is_an_error_with_its_reason_and_an_absent_target_is_skipped() -> None:
    made = export(small())
    found = outcomes(made)
    assert found["lab1.guest (qemu-tcg, emulated)", "disk-randread iops"] == ["Error"]
    assert found["lab1.vbox", "takes part"] == ["Skipped"]
    said = {
        (case.name, case.classname): case.result[0].message
        for case in next(iter(suites(made)))
        if case.result
    }
    silent = said["disk-randread iops", "lab1.guest (qemu-tcg, emulated)"]
    assert "8 of 8 trials timed out" in silent
    assert said["takes part", "lab1.vbox"] == "vbox (virtualbox) took no part: no kernel module <&>"


def test_faster_than_native_is_an_error() -> None:
    run = make_run(
        lambda t, w, m, b: (100.0 + b) * (0.5 if t == "container" else 1.0),
        [NATIVE, DOCKER],
        [TIME],
    )
    assert outcomes(export(run))["lab1.container (docker, os)", "load-time latency"] == ["Error"]


def test_too_few_blocks_and_another_machine_are_skipped() -> None:
    few = make_run(VALUE, [NATIVE, DOCKER], [TIME], blocks=3)
    found = outcomes(export(few))
    assert found["lab1.container (docker, os)", "load-time latency"] == ["Skipped"]
    assert found["lab1.native", "native against itself"] == ["Skipped"]
    apart = Kind("far", "kvm", BackendClass.TYPE1, f"kvm{OTHER_MACHINE}")
    other = make_run(lambda *_: 5.0, [NATIVE, apart], [TIME])
    assert outcomes(export(other))[
        f"lab1.far (kvm{OTHER_MACHINE}, type1)", "load-time latency"
    ] == ["Skipped"]


def test_native_that_differs_from_itself_is_an_error() -> None:
    loads = [workload(f"w{n}", Resource.CPU, [("t", "s", "lower")]) for n in range(12)]
    run = make_run(
        lambda t, w, m, b: (100.0 + b) * (1.3 if t == "lab1+control" else 1.0),
        [NATIVE, DOCKER],
        loads,
        blocks=8,
        control=True,
    )
    assert outcomes(export(run))["lab1.native", "native against itself"] == ["Error"]
    assert outcomes(export(four_units()))["lab1.native", "native against itself"] in ([], ["Error"])


# ------------------------------------------------------------------ the command
def baremark(*args: str) -> subprocess.CompletedProcess[str]:
    return command.run("export", *args, folder=ROOT)


@pytest.mark.parametrize("name", exports.FORMATS)
def test_the_committed_run_is_exported(name: str, tmp_path: Path) -> None:
    where = ["--results", str(tmp_path)]
    printed = baremark(name, "docs/example", *where)
    assert printed.returncode == 0, printed.stderr
    assert "left out" not in printed.stderr
    file = tmp_path / "out"
    written = baremark(name, "docs/example", "-o", str(file), *where)
    assert (written.returncode, written.stdout) == (0, "")
    assert file.read_text() == printed.stdout != ""


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["xml"], "there is no export format 'xml'"),
        (["perfkit", "--fail-slower", "1%"], "perfkit tells of no success"),
        (["junit", "--fail-slower", "1"], "'1' is no share"),
        (["junit", "--fail-slower", "-1%"], "is no share"),
        (["junit", "nowhere"], "there is no run 'nowhere'"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(
    args: list[str], said: str, tmp_path: Path
) -> None:
    done = baremark(*args, "--results", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "\nto do: " in done.stderr


def test_the_help_names_every_format() -> None:
    said = baremark("--help").stdout
    for name in exports.FORMATS:
        assert name in said


def test_a_file_that_cannot_be_written_is_not_half_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = baremark(
        "junit", "docs/example", "-o", str(tmp_path / "file" / "x"), "--results", str(tmp_path)
    )
    assert done.returncode == 1
    assert "cannot write x in" in done.stderr
