"""`build` reads what is new, wherever the dataset is and however its files were merged."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from harness.dataset import compaction, dataset
from harness.dataset.samples import FORMAT
from harness.dataset.store import open_store
from harness.errors import HarnessError
from harness.ledger import reader
from harness.ledger.writer import Ledger
from harness.model.run import Run
from harness.report import runs
from tests.dataset.runs import assert_reads_as, night, save

RUNS = [night("2026-11-03", 3.0), night("2026-11-04", 4.0), night("2026-11-05", 5.0)]
NAMES = tuple(run.manifest.run for run in RUNS)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for run in RUNS:
        save(run, tmp_path / "results" / "runs")
    return tmp_path / "results"


def more(results: Path, run: str) -> Run:
    """The run after it was gone on with: a block was measured twice as long afterwards."""
    folder = results / "runs" / run
    known = reader.read_run(folder)
    with Ledger.resume(folder) as record:
        for trial in known.trials[:6]:
            record.record(replace(trial, id=f"again-{trial.id}", block=9))
        record.end("complete", 1.0)
    return reader.read_run(folder)


@pytest.mark.parametrize("merged", [False, True])
def test_only_a_run_that_went_on_is_read_again(root: str, results: Path, merged: bool) -> None:
    store = open_store(root)
    assert dataset.update(results, store, runs.judged).written == NAMES
    if merged:
        compaction.compact(store, FORMAT)
    built = dataset.update(results, store, runs.judged)
    assert (built.written, built.kept) == ((), NAMES)
    longer = more(results, NAMES[1])
    built = dataset.update(results, store, runs.judged)
    assert (built.written, built.kept) == ((NAMES[1],), (NAMES[0], NAMES[2]))
    assert_reads_as(root, [RUNS[0], longer, RUNS[2]])
    compaction.compact(store, FORMAT)
    assert dataset.update(results, store, runs.judged).written == ()
    assert_reads_as(root, [RUNS[0], longer, RUNS[2]])


def test_what_was_merged_as_it_was_before_the_run_went_on_is_not_taken_for_new(
    root: str, results: Path
) -> None:
    """The merged file is younger than the ledger, and does not hold what is in it."""
    store = open_store(root)
    dataset.update(results, store, runs.judged)
    longer = more(results, NAMES[0])
    compaction.compact(store, FORMAT)
    assert dataset.update(results, store, runs.judged).written == (NAMES[0],)
    assert_reads_as(root, [longer, *RUNS[1:]])


def test_a_ledger_of_equal_length_and_other_content_is_found_by_its_digest(
    root: str, results: Path
) -> None:
    store = open_store(root)
    dataset.update(results, store, runs.judged)
    compaction.compact(store, FORMAT)
    file = results / "runs" / NAMES[0] / "ledger.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"value": 3.0', b'"value": 7.0'))
    assert dataset.update(results, store, runs.judged).written == ()
    assert dataset.update(results, store, runs.judged, check=True).written == (NAMES[0],)
    assert_reads_as(root, [night("2026-11-03", 7.0), *RUNS[1:]])


def test_a_ledger_that_was_only_touched_is_not_read(results: Path) -> None:
    folder = results / "dataset"
    dataset.build(results, runs.judged)
    later = (folder / f"{NAMES[0]}.parquet").stat().st_mtime + 10
    os.utime(results / "runs" / NAMES[0] / "ledger.jsonl", (later, later))

    def never(folder: Path) -> Run:
        raise AssertionError(folder)

    assert [path.stem for path in dataset.build(results, never)] == list(NAMES)


def test_build_names_the_merged_files_that_its_runs_are_in(results: Path) -> None:
    dataset.build(results, runs.judged)
    compaction.compact(open_store(results / "dataset"), FORMAT)
    files = dataset.build(results, runs.judged)
    assert [file.name for file in files] == ["00-lab1-2026-11.000001.parquet"]
    assert_reads_as(results / "dataset", RUNS)


def test_build_raises_the_first_trouble_after_the_others_are_written(results: Path) -> None:
    (results / "runs" / NAMES[0] / "ledger.jsonl").write_text("not a record\n")
    with pytest.raises(HarnessError, match=r"ledger\.jsonl:1"):
        dataset.build(results, runs.judged)
    assert_reads_as(results / "dataset", RUNS[1:])


def test_the_table_of_a_merged_run_is_the_table_of_that_run(results: Path) -> None:
    from harness.publish import formats

    folders = [results / "runs" / name for name in NAMES[:1]]
    before = formats.render(runs.read(folders).table, "json")
    dataset.build(results, runs.judged)
    compaction.compact(open_store(results / "dataset"), FORMAT)
    assert formats.render(runs.read(folders).table, "json") == before


def test_build_tells_of_a_run_that_cannot_be_read_and_goes_on(results: Path) -> None:
    (results / "runs" / NAMES[0] / "ledger.jsonl").unlink()
    told: list[tuple[Path, str]] = []
    files = dataset.build(
        results, runs.judged, lambda folder, error: told.append((folder, error.message))
    )
    assert [file.stem for file in files] == list(NAMES[1:])
    ((folder, message),) = told
    assert folder == results / "runs" / NAMES[0]
    assert str(folder) in message


def test_what_is_stored_of_a_run_is_found_wherever_it_is(root: str, results: Path) -> None:
    store = open_store(root)
    dataset.update(results, store, runs.judged)
    for name in (f"{NAMES[1]}.parquet", "00-lab1-2026-11.000001.parquet"):
        found = dataset.stored(root, NAMES[1])
        assert found is not None
        assert found[0].endswith(f"/{name}")
        assert found[1].equals(dataset.frame(RUNS[1]))
        compaction.compact(store, FORMAT)
    assert dataset.stored(root, "gone") is None


def test_a_foreign_file_is_told_and_keeps_no_run_from_being_built(results: Path) -> None:
    (results / "dataset").mkdir()
    (results / "dataset" / "sales.parquet").write_bytes(b"no Parquet")
    told: list[str] = []
    for _ in range(2):
        files = dataset.build(results, runs.judged, lambda _, error: told.append(error.message))
        assert [file.stem for file in files] == list(NAMES)
    assert len(told) == 2
    assert all("sales.parquet is not a Parquet file" in message for message in told)
