"""The dataset: typed, whole or absent, and missing values stay missing."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from harness.dataset import dataset
from harness.errors import HarnessError
from harness.model.run import Run
from harness.model.trial import TrialStatus
from harness.model.workload import Sample
from tests.dataset.runs import read
from tests.synthetic import DOCKER, NATIVE, NESTED_NATIVE, TCG, make_run


def text(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Categorical).cast(pl.String))


def test_a_row_for_each_trial_and_declared_metric(tmp_path: Path) -> None:
    run = make_run(lambda *_: 3.5, [NESTED_NATIVE, TCG], blocks=2)
    path = dataset.write(run, tmp_path)
    assert path == tmp_path / "dataset" / f"{run.manifest.run}.parquet"
    written = read(path.parent)
    assert dict(written.schema) == dataset.SCHEMA
    assert written.height == 2 * 2 * 3  # blocks × targets × (1 + 2 metrics)
    row = text(written).filter(target="guest", metric="latency_p99").row(0, named=True)
    assert row["started"] == datetime(2026, 11, 1, tzinfo=UTC)
    told = ("class", "label", "nested", "native", "unit", "better", "metric_index", "value")
    assert tuple(row[name] for name in told) == (
        "emulated", "qemu-tcg", False, False, "µs", "lower", 1, 3.5,
    )  # fmt: skip
    assert text(written).filter(target="lab1")["nested"].all()


def test_version_of_the_format_is_in_the_metadata_and_in_every_row(tmp_path: Path) -> None:
    path = dataset.write(make_run(lambda *_: 1.0), tmp_path)
    assert pl.read_parquet_metadata(path)["schema_version"] == str(dataset.SCHEMA_VERSION)
    assert pl.read_parquet(path)["schema_version"].unique().to_list() == [dataset.SCHEMA_VERSION]


@pytest.mark.parametrize("status", [s for s in TrialStatus if s != "ok"])
def test_trial_that_is_not_ok_has_no_value_even_if_it_left_samples(status: TrialStatus) -> None:
    good = make_run(lambda *_: 1.0, blocks=1)
    trials = tuple(
        type(t)(**{name: getattr(t, name) for name in t.__slots__} | {"status": status})
        for t in good.trials
    )
    read = dataset.frame(Run(good.manifest, trials, None, None))
    assert read["value"].null_count() == read.height == 6


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_metric_without_a_finite_value_is_null(value: float | None) -> None:
    read = dataset.frame(make_run(lambda t, w, m, b: value if m == "iops" else 2.0, blocks=1))
    values = text(read).filter(metric="iops")["value"]
    assert values.to_list() == [None, None]
    assert text(read).filter(metric="latency_p99")["value"].to_list() == [2.0, 2.0]


def test_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    first = dataset.write(make_run(lambda *_: 1.0), tmp_path / "a").read_bytes()
    dataset.write(make_run(lambda *_: 2.0, run="between", kinds=[NATIVE, TCG]), tmp_path / "c")
    assert dataset.write(make_run(lambda *_: 1.0), tmp_path / "b").read_bytes() == first


def test_several_files_are_one_frame(tmp_path: Path) -> None:
    for name in "ab":
        dataset.write(make_run(lambda *_: 1.0, run=name), tmp_path)
    assert read(tmp_path / "dataset").height == 2 * 48


def test_other_version_is_refused_with_both_versions(tmp_path: Path) -> None:
    path = dataset.write(make_run(lambda *_: 1.0), tmp_path)
    pl.read_parquet(path).write_parquet(path, metadata={"schema_version": "99"})
    with pytest.raises(HarnessError, match=rf"{path.name} has version 99 .*knows 3, 4$") as error:
        dataset.look(path.parent)
    assert "delete" in error.value.hint


def test_parquet_of_someone_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)
    with pytest.raises(HarnessError, match="no version"):
        dataset.look(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no parquet at all", b"PAR1" + b"\0" * 40 + b"PAR1"])
def test_file_that_is_not_parquet_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.parquet"
    path.write_bytes(content)
    with pytest.raises(HarnessError, match=r"bad\.parquet"):
        dataset.look(tmp_path)


def test_an_empty_folder_and_a_file_in_its_place_are_named(tmp_path: Path) -> None:
    for empty in (tmp_path, tmp_path / "gone"):
        with pytest.raises(HarnessError, match=f"no dataset file in {empty}"):
            dataset.look(empty)
    path = dataset.write(make_run(lambda *_: 1.0), tmp_path)
    with pytest.raises(HarnessError, match=f"cannot list {path}"):
        dataset.look(path)


def test_unit_other_than_declared_is_refused() -> None:
    run = make_run(lambda *_: 1.0, blocks=1)
    first = run.trials[0]
    wrong = type(first)(
        **{name: getattr(first, name) for name in first.__slots__}
        | {"samples": (Sample("events", 1.0, "1/min", "higher"),)}
    )
    with pytest.raises(HarnessError, match=r"events in 1/min.*declares 1/s"):
        dataset.frame(Run(run.manifest, (wrong,), None, None))


def test_trial_of_another_run_is_refused() -> None:
    run = make_run(lambda *_: 1.0)
    other = make_run(lambda *_: 1.0, kinds=[NATIVE, TCG])
    with pytest.raises(HarnessError, match="does not declare"):
        dataset.frame(Run(run.manifest, other.trials, None, None))


def test_folder_that_cannot_be_made_is_named_with_a_cure(tmp_path: Path) -> None:
    (tmp_path / "dataset").write_text("a file where the folder should be")
    with pytest.raises(HarnessError, match=r"in .*dataset") as error:
        dataset.write(make_run(lambda *_: 1.0), tmp_path)
    assert "writable" in error.value.hint


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_full_disk_leaves_the_old_file_and_no_half_of_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    path = dataset.write(make_run(lambda *_: 1.0), tmp_path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if failing == "fsync" else Path, failing, full)
    with pytest.raises(HarnessError, match="No space left on device"):
        dataset.write(make_run(lambda *_: 2.0), tmp_path)
    monkeypatch.undo()
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == before


def test_build_reads_only_what_is_new(tmp_path: Path) -> None:
    read: list[str] = []

    def read_run(folder: Path) -> Run:
        read.append(folder.name)
        return make_run(lambda *_: 1.0, kinds=[NATIVE, DOCKER], run=folder.name)

    for name in ("a", "b"):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        for file in ("manifest.json", "ledger.jsonl"):
            (folder / file).touch()
            os.utime(folder / file, (1, 1))
    (tmp_path / "runs" / "no-run").mkdir()
    expected = [tmp_path / "dataset" / f"{name}.parquet" for name in ("a", "b")]
    assert dataset.build(tmp_path, read_run) == expected
    assert dataset.build(tmp_path, read_run) == expected
    assert read == ["a", "b"]
    (tmp_path / "runs" / "b" / "ledger.jsonl").write_text("one more trial\n")
    dataset.build(tmp_path, read_run)
    assert read == ["a", "b", "b"]
