"""From folders of runs to a history; and what cannot be read is told and costs the others nothing.

The nights are those of `tests.nightly`: 1 % noise a block, eight blocks, so about half a per cent
a night.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from harness.dataset import dataset, targets
from harness.errors import HarnessError, UseError
from harness.ledger import reader
from harness.ledger.folders import runs_in
from harness.model.run import Imported
from harness.report import acknowledgements
from harness.report.history import of_results
from tests.nightly import night, save
from tests.synthetic import CPU, DISK, KVM, NATIVE, NESTED_NATIVE, Kind
from tests.unit.cli.test_cli import baremark, refused

UPGRADE = 8
NIGHTS = 16
OLD, NEW = "QEMU 7.2", "QEMU 10.0"
TODAY = date(2026, 11, 24)


def folders(results: Path, numbers: Sequence[int] = range(NIGHTS)) -> list[Path]:
    """A guest of 10 % overhead which a new release makes 8 % slower."""
    out = []
    for number in numbers:
        new = number >= UPGRADE
        facts = {"kvm": {"release": NEW if new else OLD}}
        run = night(number, {"kvm": 1.1 * (1.08 if new else 1)}, facts, workloads=(CPU, DISK))
        out.append(save(run, results))
    return out


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen nights, none of them damaged."""
    results = tmp_path_factory.mktemp("results")
    folders(results)
    return results


@pytest.fixture
def results(kept: Path, tmp_path: Path) -> Path:
    return shutil.copytree(kept, tmp_path / "results")


def test_a_release_that_made_a_guest_slower_is_a_shift_of_every_metric(results: Path) -> None:
    found = of_results(results, TODAY)
    assert found.warnings == ()
    assert found.nights.height == NIGHTS * 3
    assert found.nights["epoch"].to_list() == ([0] * UPGRADE + [1] * (NIGHTS - UPGRADE)) * 3
    assert {(s.workload, s.metric) for s in found.shifts} == {
        ("cpu-one", "events"), ("disk-randread", "iops"), ("disk-randread", "latency_p99"),
    }  # fmt: skip
    for shift in found.shifts:
        assert shift.changed == f"release {OLD} → {NEW}"
        assert shift.low < 1.08 < shift.high
        assert (shift.moved, shift.status) == ("backend", "unconfirmed")
        assert shift.releases == (OLD, NEW)
        assert shift.told is not None
        assert "no run has both" in shift.told


def test_both_tables_are_brought_up_to_date_and_read_again_unchanged(results: Path) -> None:
    first = of_results(results, TODAY)
    for folder in (results / "dataset", results / "dataset" / "observed"):
        assert len(list(folder.glob("*.parquet"))) == NIGHTS
    again = of_results(results, TODAY)
    assert again.nights.equals(first.nights)
    assert again.shifts == first.shifts


def test_a_run_of_both_releases_confirms(results: Path) -> None:
    old, new = (Kind(name, "kvm", KVM.backend_class, "kvm") for name in ("old", "new"))
    facts = {"old": {"release": OLD}, "new": {"release": NEW}}
    run = night(40, {"old": 1.1, "new": 1.188}, facts, (NATIVE, old, new), (CPU, DISK), blocks=10)
    save(run, results)
    statuses = {(s.status, s.told) for s in of_results(results, TODAY).shifts}
    assert statuses == {("confirmed", run.manifest.run)}


def test_an_acknowledged_shift_says_so_until_it_expires(results: Path) -> None:
    entry = acknowledgements.Acknowledgement(who="Ada", why="known", until=TODAY, workload="cpu-*")
    acknowledgements.append(results, entry)
    found = {s.workload: s.status for s in of_results(results, TODAY).shifts}
    assert found == {"cpu-one": "acknowledged", "disk-randread": "unconfirmed"}
    later = of_results(results, date(2026, 11, 25))
    assert {s.status for s in later.shifts} == {"unconfirmed"}
    assert "ended on 2026-11-24" in later.warnings[-1]


def test_mistakes_in_the_acknowledgements_are_told_before_anything_is_read(results: Path) -> None:
    (results / acknowledgements.NAME).write_text("- who: Ada\n")
    with pytest.raises(UseError, match="entry 1: why"):
        of_results(results, TODAY)
    assert not (results / "dataset").exists()


# ------------------------------------------------------------------ what cannot be read
def damaged(results: Path) -> dict[str, str]:
    """Damage a run in each way; what is told of it, by run."""
    runs = runs_in(results / "runs")
    trials = (runs[0] / "ledger.jsonl").read_text()
    (runs[0] / "ledger.jsonl").write_text(trials.replace('"unit": "1/s"', '"unit": "furlong"', 3))
    (runs[1] / "ledger.jsonl").unlink()
    (runs[2] / "ledger.jsonl").write_bytes((runs[2] / "ledger.jsonl").read_bytes()[:40] + b"\n")
    (runs[3] / "manifest.json").unlink()
    document = json.loads((runs[12] / "manifest.json").read_text())
    (runs[12] / "manifest.json").write_text(json.dumps({**document, "schema": 99}))
    (runs[13] / "manifest.json").write_text('{"schema": 2, "run": ')
    (runs[14] / "ledger.jsonl").write_bytes(b"")
    return {
        runs[0].name: f"of run {runs[0].name} gives ",
        runs[1].name: "cannot read",
        runs[2].name: "ledger.jsonl:1: not a ledger record",
        runs[3].name: "has no manifest.json",
        runs[12].name: "is of format 99, this Baremark reads format 2",
        runs[13].name: "is not a manifest",
        runs[14].name: "its ledger holds no trial, or none of native",
    }


def test_runs_that_cannot_be_read_are_told_one_by_one_and_the_others_are_shown(
    results: Path,
) -> None:
    said = damaged(results)
    found = of_results(results, TODAY)
    assert len(found.warnings) == len(said)
    for warning, (run, why) in zip(found.warnings, sorted(said.items()), strict=True):
        assert warning.startswith(f"run {run} is left out: ")
        assert why in warning
    assert found.nights["run"].n_unique() == NIGHTS - len(said)
    assert found.shifts


def test_a_run_whose_last_line_is_torn_is_read_up_to_it(results: Path) -> None:
    file = runs_in(results / "runs")[0] / "ledger.jsonl"
    with file.open("ab") as end:
        end.write(b'{"record": "trial", "id": ')
    found = of_results(results, TODAY)
    assert found.warnings == ()
    assert found.nights["run"].n_unique() == NIGHTS


def test_a_run_without_native_is_told_and_left_out(results: Path) -> None:
    run = night(30, {"kvm": 1.1, "lab1": 1.0}, kinds=(replace_native(), KVM))
    save(run, results)
    found = of_results(results, TODAY)
    assert found.warnings == (
        f"run {run.manifest.run} is left out: it has no native target, which overhead is "
        "measured against",
    )
    assert found.nights["run"].n_unique() == NIGHTS


def replace_native() -> Kind:
    """A guest in the place of native: its name is not the host's."""
    return Kind("other", "docker", KVM.backend_class, "docker")


def test_only_runs_without_native_are_no_history(tmp_path: Path) -> None:
    save(night(0, {"kvm": 1.1}, kinds=(replace_native(), KVM)), tmp_path)
    with pytest.raises(HarnessError, match="no native target"):
        of_results(tmp_path, TODAY)


def test_an_imported_run_is_told_and_left_out(results: Path) -> None:
    run = night(30, {"kvm": 1.1})
    manifest = replace(run.manifest, imported=Imported("a.csv", "sha256:00"))
    save(replace(run, manifest=manifest), results)
    found = of_results(results, TODAY)
    assert found.warnings == (
        f"run {run.manifest.run} is left out: it was imported, so nobody knows when it was "
        "measured",
    )
    assert run.manifest.run not in found.nights["run"].to_list()


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(UseError, match="there is no run in"):
        of_results(tmp_path, TODAY)


def test_where_every_run_is_damaged_each_is_told(tmp_path: Path) -> None:
    for folder in folders(tmp_path, range(3)):
        (folder / "ledger.jsonl").unlink()
    with pytest.raises(HarnessError) as caught:
        of_results(tmp_path, TODAY)
    assert caught.value.message.count("is left out: cannot read") == 3


def test_of_many_damaged_runs_the_first_ten_are_told_and_the_others_counted(
    tmp_path: Path,
) -> None:
    for number in range(13):
        folder = tmp_path / "runs" / f"202611{number + 10}T010000Z-lab1"
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}\n")
    with pytest.raises(HarnessError) as caught:
        of_results(tmp_path, TODAY)
    lines = caught.value.message.splitlines()
    assert [line.split()[1][:8] for line in lines[1:-1]] == [f"202611{n + 10}" for n in range(10)]
    assert lines[-1] == "  and 3 more"


def test_a_torn_file_of_the_dataset_is_told_with_its_cure(results: Path) -> None:
    of_results(results, TODAY)
    (file, *_) = sorted((results / "dataset").glob("*.parquet"))
    file.write_bytes(b"torn")
    warnings = of_results(results, TODAY).warnings
    assert len(warnings) <= 1  # built again, or told
    assert all("delete it" in text for text in warnings)
    assert (
        targets.read(results, [run.name for run in runs_in(results / "runs")]).height == 2 * NIGHTS
    )


def test_the_dataset_alone_still_raises_for_a_run_it_cannot_read(results: Path) -> None:
    damaged(results)
    with pytest.raises(HarnessError):
        dataset.build(results, reader.read_run)


# ------------------------------------------------------------------ the verbs
def test_the_overview_has_a_line_a_series_with_its_shift(results: Path) -> None:
    done = baremark("history", "--results", str(results))
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = [each for each in done.stdout.splitlines() if each.startswith("cpu-one events")]
    assert "\nkvm (type1)\n" in done.stdout
    for expected in ("│", " 16 ", " 2 ", "▲", "2026-08-09 unconfirmed"):
        assert expected in line
    assert "latency_p99" not in done.stdout
    assert "1 series of further metrics: name a cell to see them" in done.stdout


def test_a_cell_in_detail_tells_epochs_shifts_and_nights(results: Path) -> None:
    done = baremark("history", "disk-*@kvm", "--results", str(results))
    assert done.returncode == 0, done.stderr
    for expected in (
        "lab1 · disk-randread iops × kvm (type1)",
        "lab1 · disk-randread latency_p99 × kvm (type1)",
        "epoch 0 from 2026-08-01: 8 nights, geometric mean +",
        "epoch 1 from 2026-08-09: 8 nights, geometric mean +",
        f"new: release {OLD} → {NEW}",
        "native did not move",
        "no run has both",
        "20260816T010000Z-lab1",
    ):
        assert expected in done.stdout
    assert baremark("history", "disk-*×kvm", "--results", str(results)).stdout == done.stdout


def test_nested_results_say_so_in_every_table(tmp_path: Path) -> None:
    save(night(0, {"kvm": 1.1}, kinds=(NESTED_NATIVE, replace(KVM, nested=True))), tmp_path)
    for asked in ((), ("cpu-one",)):
        said = baremark("history", *asked, "--results", str(tmp_path)).stdout
        assert "kvm (type1, nested)" in said
    document = json.loads(baremark("history", "-f", "json", "--results", str(tmp_path)).stdout)
    assert document["series"][0]["nights"][0]["nested"] is True


def test_since_leaves_out_the_nights_before(results: Path) -> None:
    done = baremark("history", "cpu-one", "--since", "2026-08-12", "--results", str(results))
    assert "20260812T" in done.stdout
    assert "20260811T" not in done.stdout
    said = refused("history", "--since", "2027-01-01", "--results", str(results))
    assert "the newest is of 2026-08-16" in said


def test_json_and_csv_hold_every_night_and_shift_unrounded(results: Path) -> None:
    found = of_results(results)
    text = baremark("history", "-f", "json", "--results", str(results)).stdout
    document = json.loads(text)
    assert document["version"] == 1
    assert [len(series["nights"]) for series in document["series"]] == [NIGHTS] * 3
    factors = [night["F"] for series in document["series"] for night in series["nights"]]
    assert factors == found.nights["F"].to_list()
    assert sum(len(series["shifts"]) for series in document["series"]) == 3
    rows = list(
        csv.DictReader(
            io.StringIO(baremark("history", "-f", "csv", "--results", str(results)).stdout)
        )
    )
    assert [float(row["F"]) for row in rows] == factors
    assert sum(bool(row["shift_ratio"]) for row in rows) == 3
    assert {row["shift_status"] for row in rows} == {"", "unconfirmed"}
    assert rows[0]["started"] == "2026-08-01T01:00:00+00:00"


def test_warnings_are_told_beside_the_table(results: Path) -> None:
    damaged(results)
    done = baremark("history", "--results", str(results))
    assert done.returncode == 0
    assert done.stderr.count("is left out: ") == 7
    assert "cpu-one events" in done.stdout


def test_what_matches_nothing_says_what_there_is(results: Path) -> None:
    said = refused("history", "gpu-*", "--results", str(results))
    assert "no series matches 'gpu-*'" in said
    assert "cpu-one@kvm" in said
    assert "is no date" in refused("history", "--since", "yesterday", "--results", str(results))
    assert "no format 'pdf'" in refused("history", "-f", "pdf", "--results", str(results))


def test_acknowledge_adds_an_entry_and_says_what_it_matches(results: Path) -> None:
    asked = ("acknowledge", "cpu-*@kvm", "--who", "Ada", "--results", str(results))
    said = ("--why", "known: #12", "--until", "2100-01-31")
    done = baremark(*asked, *said)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "acknowledged: lab1: cpu-one events × kvm, 2026-08-09, run 20260809T010000Z-lab1"
    ]
    shown = baremark("history", "cpu-one", "--results", str(results)).stdout
    assert "acknowledged (Ada: known: #12 (until 2100-01-31))" in " ".join(shown.split())
    other = baremark(*asked, *said, "--host", "lab9")
    assert (other.returncode, other.stdout) == (0, "")
    assert "no shift of now matches it" in other.stderr
    assert len(acknowledgements.read(results)) == 2
    assert "is over" in refused(*asked, "--why", "x", "--until", "2020-01-01")
    assert "--why is empty" in refused(*asked, "--why", " ", "--until", "2100-01-01")
    assert "is no date" in refused(*asked, "--why", "x", "--until", "soon")


def test_results_that_cannot_be_written_have_the_same_history(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(results / "dataset", ignore_errors=True)
    half = results / "runs" / "20260701T000000Z-half"
    half.mkdir()
    there = set(results.rglob("*"))
    with monkeypatch.context() as denied:
        denied.setattr("harness.report.history.os.access", lambda *_: False)
        shown = of_results(results, TODAY)
    assert set(results.rglob("*")) == there
    usual = of_results(results, TODAY)
    assert (results / "dataset").is_dir()
    assert shown.nights.equals(usual.nights)
    assert shown.shifts == usual.shifts
    assert shown.warnings == usual.warnings
    assert str(half) in shown.warnings[0]


def test_a_run_dated_in_the_future_is_told(results: Path) -> None:
    (told,) = of_results(results, date(2026, 8, 15)).warnings
    assert "is dated 2026-08-16" in told
    assert "still to come" in told
