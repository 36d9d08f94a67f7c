"""A candidate against a base: what is paired with what, what is refused, and what is told."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from harness.errors import HarnessError, UseError
from harness.ledger import tags
from harness.ledger.writer import Ledger
from harness.model.run import Run
from harness.model.target import BackendClass
from harness.publish import comparison
from harness.report import compared
from harness.report.comparison import Comparison, Row
from tests.synthetic import CPU, DISK, NATIVE, Kind, Value, make_run, noisy
from tests.unit.cli.test_cli import refused

OLD = Kind("guest-a", "kvm", BackendClass.TYPE1, "kvm")
NEW = Kind("guest-b", "kvm", BackendClass.TYPE1, "kvm")
BASE = {
    ("cpu-one", "events"): 1000.0,
    ("disk-randread", "iops"): 8000.0,
    ("disk-randread", "latency_p99"): 180.0,
}


def value(a: float, b: float, seed: int = 1) -> Value:
    """Guests whose slowdowns against native are known."""
    return noisy({"lab1": 1, "guest-a": a, "guest-b": b}, BASE, {"latency_p99"}, seed)


def save(results: Path, *runs: Run) -> None:
    for run in runs:
        with Ledger.create(results / "runs", run.manifest) as record:
            record.record_all(run.trials)
            record.end("complete", 10.0)


def night(number: int, a: float, b: float = 1.1, kinds: Sequence[Kind] = (NATIVE, OLD, NEW)) -> Run:
    return make_run(value(a, b, number), kinds, run=f"202611{number:02}T010000Z-lab1")


def compare(results: Path, base: str, candidate: str) -> Comparison:
    return compared.of_selections(tags.select(results, base), tags.select(results, candidate))


def row(made: Comparison, metric: str) -> Row:
    (found,) = [each for each in made.rows if each.metric == metric]
    return found


def test_two_targets_of_a_run_are_compared_inside_its_blocks(tmp_path: Path) -> None:
    run = night(1, 1.10, 1.10 * 1.05)
    save(tmp_path, run)
    made = compare(tmp_path, "latest:guest-a", "latest:guest-b")
    assert made.same_blocks
    assert made.native is None
    cpu = row(made, "events")
    assert cpu.ratio is not None
    assert (cpu.n_base, cpu.n_candidate, cpu.unit_of_n) == (8, 8, "block")
    values = {
        name: np.array(
            [
                trial.samples[0].value
                for trial in run.trials
                if (trial.target, trial.workload) == (name, "cpu-one")
            ]
        )
        for name in ("guest-a", "guest-b")
    }
    d = np.log(values["guest-a"]) - np.log(values["guest-b"])
    walsh = [(d[i] + d[j]) / 2 for i in range(8) for j in range(i, 8)]
    assert cpu.ratio.point == pytest.approx(math.exp(float(np.median(walsh))))
    assert cpu.p == pytest.approx(stats.wilcoxon(d, method="exact").pvalue)
    assert cpu.verdict == "slower"
    assert cpu.F_base == pytest.approx(1.10, rel=0.02)
    assert row(made, "latency_p99").ratio is not None


def test_the_drift_of_blocks_that_both_share_is_not_in_the_interval(tmp_path: Path) -> None:
    """3 % drift a block against 1 % noise: paired, a 5 % change is seen; its interval is narrow."""
    save(tmp_path, night(1, 1.10, 1.10 * 1.05))
    ratio = row(compare(tmp_path, "latest:guest-a", "latest:guest-b"), "events").ratio
    assert ratio is not None
    assert ratio.low is not None
    assert ratio.high is not None
    assert ratio.low < 1.05 < ratio.high
    assert ratio.high / ratio.low < 1.04


def test_runs_of_two_nights_are_compared_by_their_overheads(tmp_path: Path) -> None:
    save(tmp_path, night(1, 1.10), night(2, 1.21))
    made = compare(tmp_path, "20261101T010000Z-lab1:guest-a", "20261102T010000Z-lab1:guest-a")
    assert not made.same_blocks
    cpu = row(made, "events")
    assert cpu.ratio is not None
    assert cpu.ratio.point == pytest.approx(1.1, rel=0.02)
    assert cpu.verdict == "slower"
    assert made.native is not None
    assert made.native.metrics == 2
    text = comparison.render(made, "terminal")
    assert "What differs from one night to the next" in text
    assert "Native itself: " in text


def test_four_runs_on_each_side_make_the_run_the_unit(tmp_path: Path) -> None:
    save(tmp_path, *(night(number, 1.1) for number in range(1, 6)))
    save(tmp_path, *(night(number, 1.2) for number in range(11, 15)))
    runs = sorted(folder.name for folder in (tmp_path / "runs").iterdir())
    tags.add(tmp_path, "old", runs[:5])
    tags.add(tmp_path, "new", runs[5:])
    cpu = row(compare(tmp_path, "old:guest-a", "new:guest-a"), "events")
    assert (cpu.unit_of_n, cpu.n_base, cpu.n_candidate) == ("run", 5, 4)
    assert cpu.ratio is not None
    assert cpu.ratio.point == pytest.approx(1.2 / 1.1, rel=0.01)


def test_faster_equivalent_and_unresolved_are_told_apart(tmp_path: Path) -> None:
    save(tmp_path, night(1, 1.3, 1.1))
    assert row(compare(tmp_path, "latest:guest-a", "latest:guest-b"), "events").verdict == "faster"
    same = tmp_path / "same"
    save(same, make_run(value(1.1, 1.1), (NATIVE, OLD, NEW), blocks=30))
    assert row(compare(same, "latest:guest-a", "latest:guest-b"), "iops").verdict == "equivalent"
    few = tmp_path / "few"
    save(few, make_run(value(1.1, 1.1), (NATIVE, OLD, NEW), blocks=6))
    assert row(compare(few, "latest:guest-a", "latest:guest-b"), "events").verdict == "unresolved"


def test_what_differs_is_told_for_run_native_and_target(tmp_path: Path) -> None:
    first, second = night(1, 1.1), night(2, 1.1)
    records = tuple(
        replace(
            record,
            fingerprint=replace(
                record.fingerprint,
                kernel="6.12.9" if record.target.native else record.fingerprint.kernel,
                release="10.0.7" if record.target.name == "guest-a" else None,
            ),
        )
        for record in second.manifest.targets
    )
    second = replace(
        second, manifest=replace(second.manifest, targets=records, bundle="sha256:" + "ef" * 32)
    )
    save(tmp_path, first, second)
    made = compare(tmp_path, "20261101T010000Z-lab1", "20261102T010000Z-lab1")
    told = {(each.where, each.what): (each.base, each.candidate) for each in made.confounds}
    assert told["lab1", "kernel"] == ("not observable", "6.12.9")
    assert told["guest-a", "release"] == ("not observable", "10.0.7")
    assert ("the run", "programs (bundle)") in told
    assert ("guest-b", "release") not in told
    for format in ("terminal", "markdown"):
        assert "6.12.9" in comparison.render(made, format)


def test_other_seconds_of_a_trial_are_told(tmp_path: Path) -> None:
    """As a pilot chooses them: the preset is the same, the measurement is another."""
    first, second = night(1, 1.1), night(2, 1.1)
    plan = second.manifest.plan
    longer = replace(plan, seconds={**plan.seconds, "cpu-one": 9.0})
    save(tmp_path, first, replace(second, manifest=replace(second.manifest, plan=longer)))
    made = compare(tmp_path, "20261101T010000Z-lab1", "20261102T010000Z-lab1")
    told = {each.what: (each.base, each.candidate) for each in made.confounds}
    assert told["workload cpu-one"] == ("version 1, 5 s a trial", "version 1, 9 s a trial")
    assert not [what for what in told if what.startswith("workload disk")]


@pytest.mark.parametrize(
    ("base", "candidate", "told"),
    [
        ("latest", "latest", "are the same"),
        ("latest:guest-a", "latest:nobody", "there is no target nobody of lab2"),
        ("nothing", "latest", "there is no run 'nothing'"),
        ("20261101T010000Z-lab1", "20261103T010000Z-lab2", "share no host: lab1 | lab2"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    tmp_path: Path, base: str, candidate: str, told: str
) -> None:
    other = make_run(
        noisy({"lab2": 1, "guest-a": 1.1}, BASE, {"latency_p99"}, 3),
        (replace(NATIVE, name="lab2"), OLD),
        host="lab2",
        run="20261103T010000Z-lab2",
    )
    save(tmp_path, night(1, 1.1), other)
    with pytest.raises(UseError, match=told.replace("|", r"\|")):
        compare(tmp_path, base, candidate)


@pytest.mark.parametrize("given", [("-w", "cpu-*"), ("-t", "guest-a"), ("--preset", "quick")])
def test_what_only_a_measurement_reads_is_refused_beside_runs(given: tuple[str, str]) -> None:
    """`-w` would look like a choice of rows, and was ignored."""
    said = refused("compare", "one", "other", *given)
    assert "cannot be given with runs" in said
    assert "--releases" in said


def test_a_workload_of_another_version_is_not_compared_and_told(tmp_path: Path) -> None:
    newer = make_run(
        value(1.1, 1.1, 5),
        (NATIVE, OLD, NEW),
        (replace(CPU, version=2), DISK),
        run="20261105T010000Z-lab1",
    )
    save(tmp_path, night(1, 1.1), newer)
    made = compare(tmp_path, "20261101T010000Z-lab1", "latest")
    assert "cpu-one" not in {each.workload for each in made.rows}
    assert any("comparable version: cpu-one" in note for note in made.notes)


def test_every_format_holds_every_row_and_its_labels(tmp_path: Path) -> None:
    save(tmp_path, night(1, 1.1, 1.2))
    made = compare(tmp_path, "latest:guest-a", "latest:guest-b")
    for format in ("terminal", "markdown"):
        text = comparison.render(made, format)
        assert "guest-b (kvm, type1) against guest-a (kvm, type1)" in text
        assert all(
            each.metric.replace("_", "\\_") in text or each.metric in text for each in made.rows
        )
    document = json.loads(comparison.render(made, "json"))
    assert len(document["rows"]) == 3
    assert document["rows"][0]["ratio"]["point"] == row(made, "events").ratio.point  # type: ignore[union-attr]
    lines = list(csv.DictReader(io.StringIO(comparison.render(made, "csv"))))
    assert [float(line["ratio"]) for line in lines] == [
        each.ratio.point for each in made.rows if each.ratio
    ]
    with pytest.raises(UseError, match="no format"):
        comparison.render(made, "xml")


def test_tags_are_added_to_and_bad_ones_refused(tmp_path: Path) -> None:
    save(tmp_path, night(1, 1.1), night(2, 1.1))
    assert tags.add(tmp_path, "old", ["latest"]) == ("20261102T010000Z-lab1",)
    assert len(tags.add(tmp_path, "old", ["latest", "20261101T010000Z-lab1"])) == 2
    with pytest.raises(UseError, match="cannot be a tag"):
        tags.add(tmp_path, "latest", ["latest"])
    with pytest.raises(UseError, match="there is no run"):
        tags.add(tmp_path, "new", ["nothing"])
    assert "new" not in tags.read(tmp_path)
    (tmp_path / "tags.yml").write_text("old: [unclosed\n")
    with pytest.raises(HarnessError, match="no list of runs by tag"):
        tags.read(tmp_path)
