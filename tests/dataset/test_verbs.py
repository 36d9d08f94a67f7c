"""`baremark dataset …` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.dataset.store import open_store
from tests import command
from tests.dataset.runs import assert_reads_as, night, save
from tests.dataset.test_compaction import put
from tests.synthetic import example

BAREMARK = Path(sys.executable).with_name("baremark")
RUNS = [night("2026-11-03"), night("2026-11-04"), night("2026-11-04", host="lab2")]


def baremark(*args: str, folder: Path, expected: int = 0) -> subprocess.CompletedProcess[str]:
    done = command.run("dataset", *args, folder=folder, COLUMNS="200")
    assert done.returncode == expected, done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A folder with results."""
    for run in RUNS:
        save(run, tmp_path / "results" / "runs")
    return tmp_path


def test_help_names_the_verbs(tmp_path: Path) -> None:
    shown = baremark("--help", folder=tmp_path).stdout
    for verb in ("build", "ls", "compact", "table", "drop"):
        assert f"\n  {verb}" in shown


def test_build_tells_of_a_run_that_was_copied_without_its_manifest(lab: Path) -> None:
    run = lab / "results" / "runs" / RUNS[0].manifest.run
    (run / "manifest.json").unlink()
    done = baremark("build", folder=lab, expected=1)
    assert f"{run.name} has no manifest.json, so it was copied in part" in done.stderr
    assert "2 runs written, 0 were up to date, 1 could not be read" in done.stderr


def test_build_list_compact_and_list_again(root: str, lab: Path) -> None:
    done = baremark("build", "--to", root, folder=lab)
    assert "3 runs written, 0 were up to date" in done.stderr
    assert "0 runs written, 3 were up to date" in baremark("build", "--to", root, folder=lab).stderr
    assert_reads_as(root, RUNS)
    listed = baremark("ls", "--dataset", root, folder=lab).stdout.splitlines()
    assert [line.split()[:3] for line in listed[1:-1]] == [
        ["20261103T010000Z-lab1.parquet", "1", "12"],
        ["20261104T010000Z-lab1.parquet", "1", "12"],
        ["20261104T010000Z-lab2.parquet", "1", "12"],
    ]
    assert listed[-1].startswith("3 files, 3 runs, ")
    done = baremark("compact", "--dataset", root, folder=lab)
    assert "lab1 2026-11: 2 files" in done.stderr
    assert "2 files became 1" in done.stderr
    assert "nothing to merge" in baremark("compact", "--dataset", root, folder=lab).stderr
    document = json.loads(baremark("ls", "--dataset", root, "-f", "json", folder=lab).stdout)
    assert [(each["name"], len(each["runs"]), each["counts"]) for each in document["files"]] == [
        ("00-lab1-2026-11.000001.parquet", 2, True),
        ("20261104T010000Z-lab2.parquet", 1, True),
    ]
    assert_reads_as(root, RUNS)


def test_the_folder_of_results_is_where_it_is_by_default(lab: Path) -> None:
    baremark("build", folder=lab)
    assert_reads_as(lab / "results" / "dataset", RUNS)
    assert "3 files, 3 runs" in baremark("ls", folder=lab).stdout


def test_files_that_a_killed_compaction_left_are_marked(lab: Path) -> None:
    baremark("build", folder=lab)
    dataset = lab / "results" / "dataset"
    first = dataset / "20261103T010000Z-lab1.parquet"
    baremark("compact", folder=lab)
    merged = next(dataset.glob("00-lab1*"))
    merged.with_name("00-lab1-2026-11.000000.parquet").write_bytes(merged.read_bytes())
    assert not first.exists()
    lines = baremark("ls", folder=lab).stdout.splitlines()
    assert [line.startswith("00-lab1-2026-11.000000") for line in lines if "merged already" in line]
    assert lines[-1].startswith("3 files, 3 runs")


def test_the_table_of_the_dataset_alone(root: str, tmp_path: Path) -> None:
    put(open_store(root), example())
    shown = baremark("table", "--dataset", root, "-f", "markdown", folder=tmp_path).stdout
    assert "guest (qemu-tcg, emulated, nested)" in shown or "guest (qemu-tcg, emulated)" in shown
    assert "Made from the dataset alone" in shown
    out = tmp_path / "table.json"
    arguments = ["--dataset", root, "--host", "lab1", "--since", "2026-10-01", "-f", "json"]
    baremark("table", *arguments, "-o", str(out), folder=tmp_path)
    assert json.loads(out.read_text())["sections"][0]["host"] == "lab1"


def test_drop_says_what_would_go_and_removes_it_only_when_told(lab: Path) -> None:
    old = lab / "results" / "runs" / "20261103T010000Z-lab1"
    bytes_there = sum(file.stat().st_size for file in (old / "raw").iterdir())
    done = baremark("drop", "--before", "2026-11-10", folder=lab)
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[0] for row in rows if row[-1] == "goes"] == [old.name]
    assert str(bytes_there) in rows[1]
    assert "nothing was removed; --yes" in done.stderr
    assert len(list((old / "raw").iterdir())) > 0
    done = baremark("drop", "--before", "2026-11-10", "--yes", folder=lab)
    assert list((old / "raw").iterdir()) == []
    assert (old / "ledger.jsonl").stat().st_size > 0
    assert "raw outputs of 0 runs" in baremark("drop", "--keep-days", "1", folder=lab).stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["drop"], "--keep-days N or --before DATE"),
        (["drop", "--keep-days", "1", "--results", "nowhere"], "there are no runs in nowhere"),
        (["compact", "--dataset", "nowhere"], "there is no dataset in nowhere"),
        (["drop", "--before", "soon"], "'soon' is no date"),
        (["ls", "-f", "xml"], "no format 'xml'"),
        (["ls", "--dataset", "http://lab/x"], "no place for a dataset"),
        (["build", "--to", "s3://"], "no place for a dataset"),
        (["table", "-f", "docx"], "no table format 'docx'"),
        (["table", "--since", "never"], "'never' is no date"),
        (["table", "gone"], "does not hold run gone"),
        (["build", "--results", "elsewhere"], "there are no runs in elsewhere"),
    ],
)
def test_a_mistake_is_one_message_with_its_cure(lab: Path, args: Sequence[str], said: str) -> None:
    baremark("build", folder=lab)
    done = baremark(*args, folder=lab, expected=2)
    assert done.stdout == ""
    assert said in done.stderr
    assert "\nto do: " in done.stderr


def test_a_run_that_cannot_be_read_ends_with_one_and_the_others_are_written(lab: Path) -> None:
    (lab / "results" / "runs" / "20261103T010000Z-lab1" / "ledger.jsonl").unlink()
    done = baremark("build", folder=lab, expected=1)
    assert "20261103T010000Z-lab1" in done.stderr
    assert "2 runs written" in done.stderr
    assert "1 could not be read" in done.stderr
    assert_reads_as(lab / "results" / "dataset", RUNS[1:])


@pytest.mark.parametrize("verb", ["ls", "compact", "table", "build"])
def test_a_bucket_that_does_not_exist_is_one_message(lab: Path, s3: str, verb: str) -> None:
    option = "--to" if verb == "build" else "--dataset"
    done = baremark(verb, option, "s3://no-such-bucket/x", folder=lab, expected=1)
    assert "there is no bucket 'no-such-bucket'" in done.stderr
