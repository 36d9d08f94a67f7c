"""Files of other harnesses as runs: our own exports come back whole, others are asked about."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from harness.analyze.overhead import overhead
from harness.dataset import dataset
from harness.errors import UseError
from harness.importing import Source, options, run
from harness.ledger import reader
from harness.model.run import Run
from harness.model.target import BackendClass
from harness.model.workload import Resource
from harness.publish import exports
from harness.report.runs import analysed
from tests import waiting
from tests.contract.test_exports_contract import export, small
from tests.synthetic import DOCKER, NESTED_NATIVE, TCG, make_run, noisy
from tests.unit.publish.test_exports import OPERATIONS, RATE, TIME

ROOT = Path(__file__).parents[3]
HARNESSES = ("perfkit", "pytest-benchmark")
BASE = {("load-time", "latency"): 120.0, ("load-rate", "bandwidth"): 900.0}
BASE |= {("load-ops", "ops"): 5e4}
VALUE = noisy(
    {"lab1": 1.0, "lab1+control": 1.0, "container": 1.07, "guest": 8.0}, BASE, {"latency"}, seed=9
)


def measured(name: str = "20261101T000000Z-lab1", shift: float = 1.0) -> Run:
    return make_run(
        lambda t, w, m, b: (VALUE(t, w, m, b) or 0.0) * shift,
        [NESTED_NATIVE, DOCKER, TCG],
        [TIME, RATE, OPERATIONS],
        blocks=9,
        control=True,
        run=name,
    )


def exported(format: str, folder: Path, *runs: Run) -> Path:
    file = folder / f"{format}.json"
    file.write_text(exports.render(export(*runs), format).text)
    return file


def bring(source: Path, results: Path, request: Source) -> list[Path]:
    return run.save(run.read(source, request), request, results)


def refused(source: Path, results: Path, request: Source) -> str:
    with pytest.raises(UseError) as error:
        bring(source, results, request)
    assert error.value.hint
    assert not list(results.glob("runs/*")), "something was left behind"
    return f"{error.value.message} | {error.value.hint}"


every_harness = pytest.mark.parametrize("harness", HARNESSES)


# ------------------------------------------------------------------ our own exports
@every_harness
def test_an_export_comes_back_with_the_same_values_and_overhead(
    harness: str, tmp_path: Path
) -> None:
    before = measured()
    (folder,) = bring(exported(harness, tmp_path, before), tmp_path, Source(tool=harness))
    after = reader.read_run(folder)
    key = ["target", "workload", "metric", "block"]
    kept = [
        dataset.frame(each)
        .with_columns(pl.col(pl.Categorical).cast(pl.String))
        .select(*key, "control", "native", "unit", "better", "value")
        .sort(key)
        for each in (before, after)
    ]
    assert kept[0].height == 3 * 4 * 9
    assert_frame_equal(*kept, check_exact=True)
    frames = [
        overhead(dataset.frame(each).lazy())
        .with_columns(pl.col(pl.Categorical).cast(pl.String))
        .drop("run", "imported", "title")
        for each in (before, after)
    ]
    assert frames[0]["F"].count() > 0
    assert_frame_equal(*frames, check_exact=True)


@every_harness
def test_no_label_is_lost_on_the_way(harness: str, tmp_path: Path) -> None:
    (folder,) = bring(exported(harness, tmp_path, measured()), tmp_path, Source(tool=harness))
    read = reader.read_run(folder)
    table = analysed([read]).table
    assert [column.header for column in table.sections[0].columns] == [
        "native (nested, imported)",
        "container (docker, os, imported)",
        "guest (qemu-tcg, emulated, imported)",
    ]
    assert read.ended == "imported"


@every_harness
def test_a_block_without_a_value_stays_without_one(harness: str, tmp_path: Path) -> None:
    (folder,) = bring(exported(harness, tmp_path, small()), tmp_path, Source(tool=harness))
    blocks = {
        trial.block
        for trial in reader.read_run(folder).trials
        if (trial.target, trial.workload) == ("container", "cpu-one")
    }
    assert blocks == {0, 1, 3, 4, 5, 6, 7}


@every_harness
def test_blocks_of_two_runs_stay_apart(harness: str, tmp_path: Path) -> None:
    both = [measured(), measured("20261102T000000Z-lab1", 1.5)]
    (folder,) = bring(exported(harness, tmp_path, *both), tmp_path, Source(tool=harness))
    back = overhead(dataset.frame(reader.read_run(folder)).lazy())
    whole = overhead(pl.concat([dataset.frame(each) for each in both]).lazy())
    assert back["n"].max() == 18
    assert back.filter(target="guest")["F"].to_list() == whole.filter(target="guest")["F"].to_list()


@every_harness
def test_the_same_file_twice_is_refused(harness: str, tmp_path: Path) -> None:
    source = exported(harness, tmp_path, measured())
    bring(source, tmp_path, Source(tool=harness))
    with pytest.raises(UseError, match="imported before"):
        bring(source, tmp_path, Source(tool=harness))


# ------------------------------------------------------------------ somebody else's samples
def sample(metal: str, number: int, value: float, **more: Any) -> dict[str, Any]:
    """As PerfKitBenchmarker publishes: only its own labels."""
    return {
        "metric": "Throughput",
        "value": value,
        "unit": "Mbits/sec",
        "timestamp": 1700000000.5,
        "test": "iperf",
        "run_uri": f"{number:08x}",
        "labels": f"|machine_type:{metal}|,|zone:x,y|,|attempt:{number}|",
        **more,
    }


FOREIGN = [
    sample(metal, number, value + number)
    for number in range(6)
    for metal, value in (("c3-metal", 900.0), ("c3-guest", 700.0))
]
ASKED = Source(
    native="c3-metal",
    host="c3",
    tool="perfkit",
    target_label="machine_type",
    block_label="attempt",
    backends={"c3-guest": "kvm"},
    resources={"": Resource.NETWORK},
    better={"": "higher"},
)


def lines(folder: Path, samples: list[dict[str, Any]]) -> Path:
    file = folder / "samples.json"
    file.write_text("".join(json.dumps(each) + "\n" for each in samples))
    return file


def asked(**changed: Any) -> Source:
    return Source(**({k: getattr(ASKED, k) for k in ASKED.__slots__} | changed))


def test_samples_of_perfkitbenchmarker_become_a_run(tmp_path: Path) -> None:
    (folder,) = bring(lines(tmp_path, FOREIGN), tmp_path, ASKED)
    read = reader.read_run(folder)
    assert {t.target for t in read.trials} == {"c3", "c3-guest"}
    frame = overhead(dataset.frame(read).lazy()).filter(target="c3-guest")
    ratios = sorted((900.0 + n) / (700.0 + n) for n in range(6))
    (factor,) = frame["F"].to_list()
    assert ratios[0] < factor < ratios[-1]
    assert frame["class"].to_list() == ["type1"]
    assert read.manifest.workloads[0].metrics[0].unit == "Mbits/sec"


def test_a_plain_field_and_an_object_of_metadata_are_labels_too(tmp_path: Path) -> None:
    plain = [
        {**each, "labels": "", "metadata": {"machine_type": each["labels"][14:22]}}
        for each in FOREIGN
    ]
    assert plain[0]["metadata"] == {"machine_type": "c3-metal"}
    (folder,) = bring(lines(tmp_path, plain), tmp_path, asked(block_label="run_uri"))
    assert {trial.block for trial in reader.read_run(folder).trials} == set(range(6))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"target_label": None, "backends": {}},
            "which label tells the target is not said; it has",
        ),
        ({"block_label": None}, "which label tells the block is not said; it has: attempt, "),
        ({"target_label": "cloud"}, "it has no label 'cloud' (--target-label); it has: attempt"),
        ({"host": None}, "the host is not said | name it: --host"),
        ({"better": {}}, "whether a higher or a lower Throughput is better is not said | --better"),
        ({"resources": {}}, "what iperf stresses is not known"),
        ({"native": "n2-metal"}, "has nothing of native, only of: c3-metal, kvm"),
        ({"backends": {"c3-guest": "kvm", "x": "kvm"}}, "--backend x=…: machine_type has no such"),
        ({"target_label": None}, "--backend has no target to be of"),
        ({"backends": {}}, "there is no backend 'c3-guest', so its class is not known"),
    ],
)
def test_what_samples_do_not_tell_is_asked_for(
    changed: dict[str, Any], said: str, tmp_path: Path
) -> None:
    request = asked(classes={"c3-metal": BackendClass.TYPE1}, **changed)
    if changed.get("native"):
        request = asked(**changed)
    assert said in refused(lines(tmp_path, FOREIGN), tmp_path, request)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"value": float("nan")}, "line 13: value is nan, which has no ratio"),
        ({"value": 0}, "line 13: value is 0.0, which has no ratio"),
        ({"value": "fast"}, "line 13: value is 'fast', which is no number"),
        ({"value": True}, "line 13: value is True, which is no number"),
        ({"value": None}, "line 13 has no value; it has: metric"),
        ({"unit": None}, "line 13 has no unit"),
        ({"unit": "Gbits/sec"}, "unit of iperf, Throughput is 'Gbits/sec', but 'Mbits/sec' in"),
        ({"labels": "|a:b"}, "its labels are not |key:value|"),
        ({"labels": ["a"]}, "its labels are neither text nor an object"),
        ({"labels": "|machine_type:c3-guest|,|attempt:5|"}, "in block 5 once more, after"),
    ],
)
def test_a_bad_sample_is_named_with_its_cure(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    bad = {**sample("c3-guest", 9, 1.0), **change}
    assert said in refused(lines(tmp_path, [*FOREIGN, bad]), tmp_path, ASKED)


@every_harness
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b'{"benchmarks": [{"name"', "is not JSON"),
        (b"[1, 2]\n", "no sample|no list of benchmarks"),
        (b"{}\n", "has no metric, value, unit, test|no list of benchmarks"),
        (b'{"benchmarks": []}', "has no metric|no list of benchmarks"),
        (b'{"benchmarks": [{}]}', "has no metric|benchmark 0 has no name"),
        (b'{"benchmarks": [{"name": "x"}]}', "has no metric|has no stats"),
        (b"\xff\xfe\x00", "is no text in UTF-8"),
    ],
)
def test_what_is_no_such_file_is_refused(
    harness: str, content: bytes, said: str, tmp_path: Path
) -> None:
    (tmp_path / "file.json").write_bytes(content)
    message = refused(tmp_path / "file.json", tmp_path, Source(tool=harness))
    assert re.search(said, message)
    assert "cannot read" in refused(tmp_path / "none.json", tmp_path, Source(tool=harness))


@every_harness
def test_a_file_that_was_cut_short_is_refused(harness: str, tmp_path: Path) -> None:
    source = exported(harness, tmp_path, measured())
    whole = source.read_bytes()
    source.write_bytes(whole[: len(whole) * 2 // 3 - 7])
    assert "is not JSON" in refused(source, tmp_path, Source(tool=harness))


# ------------------------------------------------------------------ pytest-benchmark's own files
def changed(source: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    document = json.loads(source.read_text())
    change(document["benchmarks"][0])
    source.write_text(json.dumps(document))
    return source


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda b: b["extra_info"]["values"].pop(),
            "runs, blocks, values and data are not as many",
        ),
        (lambda b: b["stats"]["data"].reverse(), "its data are not the seconds of its values"),
        (
            lambda b: b["extra_info"].update(unit="s"),
            "unit of load-time, latency is 'µs', but 's' in",
        ),
        (lambda b: b["extra_info"].update({"class": "fast"}), "class is 'fast' | choose from"),
        (lambda b: b["extra_info"].update(scenario="density"), "its scenario is 'density'"),
        (lambda b: b["extra_info"]["values"].__setitem__(0, float("nan")), "value is nan"),
    ],
)
def test_an_export_that_was_changed_is_refused(
    change: Callable[[dict[str, Any]], None], said: str, tmp_path: Path
) -> None:
    source = changed(exported("pytest-benchmark", tmp_path, measured()), change)
    request = Source(tool="pytest-benchmark")
    assert said in refused(source, tmp_path, request)


BENCHMARKS = """
import pytest

@pytest.mark.parametrize("attempt", range(3))
@pytest.mark.parametrize("where", ["metal", "guest"])
def test_sum(benchmark, where, attempt):
    benchmark.pedantic(sum, (range(20000 if where == "metal" else 60000),), rounds=5)
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that pytest-benchmark itself wrote."""
    folder = tmp_path_factory.mktemp("benchmarks")
    (folder / "test_it.py").write_text(BENCHMARKS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    # As from a shell: in a worker of pytest-xdist it would measure nothing.
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    subprocess.run(
        [*command, "--benchmark-json", "saved.json", "test_it.py"],
        cwd=folder,
        env=own,
        check=True,
        capture_output=True,
    )
    return folder / "saved.json"


THEIRS = Source(
    native="metal",
    host="desk",
    tool="pytest-benchmark",
    target_label="where",
    block_label="attempt",
    backends={"guest": "docker"},
    resources={"": Resource.CPU},
)


def test_a_label_of_the_block_makes_rounds_repeats(saved: Path, tmp_path: Path) -> None:
    (folder,) = bring(saved, tmp_path, THEIRS)
    read = reader.read_run(folder)
    found = {(t.target, t.block): t.samples[0].value for t in read.trials}
    assert len(found) == 2 * 3
    for each in json.loads(saved.read_text())["benchmarks"]:
        target = "desk" if each["params"]["where"] == "metal" else "guest"
        assert found[target, each["params"]["attempt"]] == pytest.approx(each["stats"]["mean"])
    (workload,) = read.manifest.workloads
    assert (workload.name, workload.metrics[0].unit) == ("test_sum", "s")
    assert workload.metrics[0].better == "lower"


def test_rounds_are_blocks_only_where_that_is_said(saved: Path, tmp_path: Path) -> None:
    def only_first(document: dict[str, Any]) -> None:
        document["benchmarks"] = [b for b in document["benchmarks"] if b["params"]["attempt"] == 0]

    document = json.loads(saved.read_text())
    only_first(document)
    source = tmp_path / "one.json"
    source.write_text(json.dumps(document))
    theirs = {k: getattr(THEIRS, k) for k in THEIRS.__slots__}
    silent = Source(**(theirs | {"block_label": None}))
    assert "--block-label round where the rounds of all targets" in refused(
        source, tmp_path, silent
    )
    (folder,) = bring(source, tmp_path, Source(**(theirs | {"block_label": "round"})))
    data = {b["params"]["where"]: b["stats"]["data"] for b in document["benchmarks"]}
    guest = [t.samples[0].value for t in reader.read_run(folder).trials if t.target == "guest"]
    assert guest == data["guest"]
    for each in document["benchmarks"]:
        del each["stats"]["data"]
    source.write_text(json.dumps(document))
    rounds = Source(**(theirs | {"block_label": "round"}))
    with pytest.raises(UseError, match="has no data, so no round is known"):
        bring(source, tmp_path, rounds)


# ------------------------------------------------------------------ the command line
def test_options_of_files_are_refused_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x\n1\n")
    for given in (
        Source(target_label="a"),
        Source(block_label="a"),
        Source(better={"": "higher"}),
    ):
        with pytest.raises(UseError, match="is for the files of other harnesses"):
            run.read(tmp_path / "t.csv", given)


def test_a_direction_that_is_none() -> None:
    with pytest.raises(UseError, match="--better 'x=more' is none"):
        options.request("n", None, None, (), (), (), (), better=["x=more"])
    found = options.request("n", None, None, (), (), (), (), better=["x=lower", "higher"])
    assert found.better == {"x": "lower", "": "higher"}


def test_the_commands_work_end_to_end(tmp_path: Path) -> None:
    baremark = str(Path(sys.executable).with_name("baremark"))
    file, where = str(tmp_path / "x.json"), ["--results", str(tmp_path)]
    for command in (
        ["export", "perfkit", "docs/example", "-o", file, *where],
        ["import", file, "--tool", "perfkit", *where],
        ["table", "-f", "markdown", *where],
    ):
        done = subprocess.run(
            [baremark, *command], cwd=ROOT, capture_output=True, text=True, timeout=waiting.GUARD_S
        )
        assert done.returncode == 0, done.stderr
    assert "guest (qemu-tcg, emulated, nested, imported)" in done.stdout
    assert (
        "estimates: they are made anew"
        in subprocess.run(
            [baremark, "import", file, "--tool", "perfkit", "--results", str(tmp_path / "other")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stderr
    )
