"""What goes of old runs is said before; manifests and ledgers never go, and no table changes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from harness.errors import HarnessError, UseError
from harness.ledger import reader, retention
from harness.ledger.writer import Ledger
from harness.publish import formats
from harness.report import runs
from tests.dataset.runs import night, save

BEFORE = datetime(2026, 11, 10, tzinfo=UTC)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Three old nights and a young one of one host, and an old one of another."""
    results = tmp_path / "results"
    for day in ("2026-11-03", "2026-11-04", "2026-11-05", "2026-11-20"):
        save(night(day), results / "runs")
    save(night("2026-11-04", host="lab2"), results / "runs")
    return results


def going(results: Path, *keep: str) -> list[str]:
    return [raw.folder.name[:8] for raw in retention.plan(results, BEFORE, keep).going]


def test_old_raw_outputs_go_and_the_newest_run_of_each_host_stays(results: Path) -> None:
    found = retention.plan(results, BEFORE)
    assert [raw.folder.name for raw in found.going] == [
        f"202611{day}T010000Z-lab1" for day in ("03", "04", "05")
    ]
    assert [(kept.folder.name, kept.why) for kept in found.kept] == [
        ("20261104T010000Z-lab2", "it is the newest of lab2")
    ]
    for raw in found.going:
        files = list((raw.folder / "raw").iterdir())
        assert (raw.files, raw.bytes) == (len(files), sum(f.stat().st_size for f in files))
        assert raw.files == len(night("2026-11-03").trials)
    assert found.bytes == sum(raw.bytes for raw in found.going)


def test_planning_touches_nothing(results: Path) -> None:
    before = {file: file.read_bytes() for file in results.rglob("*") if file.is_file()}
    retention.plan(results, BEFORE)
    assert {file: file.read_bytes() for file in results.rglob("*") if file.is_file()} == before


def test_dropping_removes_raw_outputs_alone_and_no_table_changes(results: Path) -> None:
    raw = retention.plan(results, BEFORE).going[0]
    table = formats.render(runs.read([raw.folder]).table, "json")
    kept = {name: (raw.folder / name).read_bytes() for name in ("manifest.json", "ledger.jsonl")}
    retention.drop(raw)
    assert list((raw.folder / "raw").iterdir()) == []
    assert {name: (raw.folder / name).read_bytes() for name in kept} == kept
    assert formats.render(runs.read([raw.folder]).table, "json") == table
    assert raw.folder.name[:8] not in going(results)


def test_an_output_that_was_dropped_is_said_to_have_been(results: Path) -> None:
    raw = retention.plan(results, BEFORE).going[0]
    trial = reader.read_run(raw.folder).trials[0]
    assert reader.read_raw(raw.folder, trial).startswith(b"as printed by")
    retention.drop(raw)
    with pytest.raises(HarnessError, match=r"was dropped to make room, as .*raw-dropped\.json"):
        reader.read_raw(raw.folder, trial)


def test_a_run_goes_on_after_its_raw_outputs_went(results: Path) -> None:
    raw = retention.plan(results, BEFORE).going[0]
    retention.drop(raw)
    with Ledger.resume(raw.folder) as record:
        record.keep_raw("more", b"printed", b"")
    assert [file.name for file in (raw.folder / "raw").iterdir()] == ["more.out.zst"]


@pytest.mark.parametrize("name", ["acknowledged.yml", "tags.yaml", "published/release-2.md"])
def test_a_run_that_is_acknowledged_tagged_or_cited_is_kept(results: Path, name: str) -> None:
    (results / name).parent.mkdir(exist_ok=True)
    (results / name).write_text("run: 20261104T010000Z-lab1\n")
    assert going(results) == ["20261103", "20261105"]
    (kept, _) = retention.plan(results, BEFORE).kept
    assert kept.why == f"{name} names it"


@pytest.mark.parametrize(
    "name", ["20261104T010000Z-lab1.md", "20261104T010000Z-lab1+20261104T010000Z-lab2.csv"]
)
def test_the_tables_that_every_run_gets_keep_nothing(results: Path, name: str) -> None:
    (results / "published").mkdir()
    (results / "published" / name).write_text("20261104T010000Z-lab1")
    assert going(results) == ["20261103", "20261104", "20261105"]


def test_a_run_measured_for_publication_is_kept(results: Path) -> None:
    run = night("2026-11-02")
    save(replace(run, manifest=replace(run.manifest, preset="publication")), results / "runs")
    assert going(results) == ["20261103", "20261104", "20261105"]


def test_a_run_named_by_the_user_is_kept_and_must_be_there(results: Path) -> None:
    assert going(results, "20261103T010000Z-lab1") == ["20261104", "20261105"]
    with pytest.raises(UseError, match="there is no run 20261103"):
        going(results, "20261103")


def test_a_run_whose_manifest_cannot_be_read_is_kept(results: Path) -> None:
    (results / "runs" / "20261103T010000Z-lab1" / "manifest.json").write_text("{")
    assert going(results) == ["20261104", "20261105"]


def test_a_run_that_is_being_written_is_left_alone(results: Path) -> None:
    raw = retention.plan(results, BEFORE).going[0]
    with Ledger.resume(raw.folder), pytest.raises(UseError, match="written by another process"):
        retention.drop(raw)
    assert len(list((raw.folder / "raw").iterdir())) == raw.files


def test_a_drop_that_was_killed_is_ended_by_the_next(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = retention.plan(results, BEFORE).going[0]
    unlink = Path.unlink

    def killed(self: Path, missing_ok: bool = False) -> None:
        if len(list((raw.folder / "raw").iterdir())) < raw.files:
            raise KeyboardInterrupt
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        retention.drop(raw)
    monkeypatch.undo()
    assert (raw.folder / "raw-dropped.json").is_file()
    (again,) = [each for each in retention.plan(results, BEFORE).going if each.folder == raw.folder]
    assert again.files == raw.files - 1
    retention.drop(again)
    assert list((raw.folder / "raw").iterdir()) == []


def test_which_runs_are_old() -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert retention.cutoff(30, None, now) == datetime(2026, 10, 31, 12, tzinfo=UTC)
    assert retention.cutoff(None, BEFORE, now) == BEFORE
    refused: list[tuple[int | None, datetime | None]] = [
        (None, None),
        (1, BEFORE),
        (0, None),
        (-3, None),
        (10**9, None),
    ]
    for days, day in refused:
        with pytest.raises(UseError):
            retention.cutoff(days, day, now)


def test_a_run_without_raw_outputs_is_not_spoken_of(results: Path) -> None:
    shutil.rmtree(results / "runs" / "20261103T010000Z-lab1" / "raw")
    assert going(results) == ["20261104", "20261105"]
