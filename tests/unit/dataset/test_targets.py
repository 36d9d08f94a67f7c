"""What was observed, as a table: from the manifest alone, typed, and nothing invented."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from harness.dataset import compaction, targets
from harness.dataset.store import open_store
from harness.errors import HarnessError
from harness.ledger import reader
from harness.model.fingerprint import Settings
from harness.model.run import Imported, Manifest
from tests.nightly import night, save
from tests.synthetic import DOCKER, KVM, NATIVE, make_run


def text(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.col(pl.Categorical).cast(pl.String))


def seen() -> Manifest:
    """A manifest in which the guest tells much and native little."""
    run = night(0, {"kvm": 1.1}, {"kvm": {"release": "QEMU 7.2", "microcode": "0xb000040"}})
    guest = run.manifest.targets[1]
    settings = Settings(
        mitigations={"spectre_v2": "Mitigation: Retpolines; IBPB", "meltdown": "Not affected"},
        governor="performance",
        ksm=False,
        disk_cache="none",
        cpu_quota=1.5,
    )
    guest = replace(
        guest,
        fingerprint=replace(guest.fingerprint, settings=settings),
        programs={"fio": "fio-3.33"},
    )
    return replace(run.manifest, targets=(run.manifest.targets[0], guest))


def test_a_row_for_each_target_with_typed_columns(tmp_path: Path) -> None:
    manifest = seen()
    path = targets.write(manifest, tmp_path)
    assert path == tmp_path / "dataset" / "observed" / f"{manifest.run}.parquet"
    read = targets.read(tmp_path, [manifest.run])
    assert dict(read.schema) == targets.SCHEMA
    assert read.height == 2
    guest = text(read).filter(target="kvm").row(0, named=True)
    assert guest["started"] == datetime(2026, 8, 1, 1, tzinfo=UTC)
    told = ("release", "microcode", "vcpus", "memory_mib", "cpus", "governor", "ksm", "disk_cache")
    assert tuple(guest[name] for name in told) == (
        "QEMU 7.2", "0xb000040", 2, 2048, "0,1", "performance", False, "none",
    )  # fmt: skip
    assert json.loads(guest["mitigations"])["meltdown"] == "Not affected"
    assert json.loads(guest["programs"]) == {"fio": "fio-3.33"}
    assert guest["cpu_quota"] == 1.5


def test_what_was_not_observable_is_null(tmp_path: Path) -> None:
    native = text(targets.frame(seen())).filter("native").row(0, named=True)
    for name in ("release", "kernel", "microcode", "mitigations", "governor", "ksm", "programs"):
        assert native[name] is None


def test_an_imported_run_has_no_size_no_bundle_and_no_preset() -> None:
    manifest = replace(make_run(lambda *_: 1.0).manifest, imported=Imported("a.csv", "sha256:00"))
    rows = targets.frame(manifest)
    assert rows["imported"].all()
    for name in ("vcpus", "memory_mib", "disk_gib", "cpus", "bundle", "preset"):
        assert rows[name].null_count() == rows.height == 2


def test_several_files_are_one_frame_and_a_folder_is_all_of_them(tmp_path: Path) -> None:
    runs = [targets.write(night(n, {"kvm": 1.0}).manifest, tmp_path).stem for n in range(3)]
    assert targets.read(tmp_path, runs[:2]).height == 4
    assert targets.read(tmp_path, runs).height == 6


def test_only_what_is_new_is_read(tmp_path: Path) -> None:
    read: list[str] = []

    def manifest(folder: Path) -> Manifest:
        read.append(folder.name)
        return reader.read_manifest(folder)

    folders = [save(night(n, {"kvm": 1.0}), tmp_path) for n in range(2)]
    for folder in folders:
        os.utime(folder / "manifest.json", (1, 1))
    runs = targets.build(tmp_path, manifest)
    assert runs == [folder.name for folder in folders] == read
    assert targets.build(tmp_path, manifest) == runs
    assert len(read) == 2
    paths = [targets.file_of(tmp_path, run) for run in runs]
    later = paths[1].stat().st_mtime_ns + 1
    os.utime(folders[1] / "manifest.json", ns=(later, later))
    targets.build(tmp_path, manifest)
    assert len(read) == 2, "it was only touched"
    text = (folders[1] / "manifest.json").read_text()
    (folders[1] / "manifest.json").write_text(text.replace('"seed": ', '"seed": 1'))
    paths[0].write_bytes(b"PAR1 torn")
    targets.build(tmp_path, manifest)
    assert read[2:] == runs
    pl.read_parquet(paths[0]).write_parquet(paths[0], metadata={"schema_version": "99"})
    targets.build(tmp_path, manifest)
    assert read[4:] == runs[:1]


@pytest.mark.parametrize("described", [True, False], ids=["now", "as they once were"])
def test_merged_files_read_as_those_of_the_runs(tmp_path: Path, described: bool) -> None:
    """With the facts of a run that was built again since, and of one that came since."""
    folders = [save(night(n, {"kvm": 1.0}), tmp_path) for n in range(3)]
    runs = targets.build(tmp_path, reader.read_manifest)
    expected = targets.read(tmp_path, runs).sort("run", "target")
    assert expected.height == 6
    store = open_store(tmp_path / "dataset" / targets.FOLDER)
    if not described:
        for run in runs:
            path = targets.file_of(tmp_path, run)
            pl.read_parquet(path).write_parquet(
                path, metadata={"schema_version": str(targets.SCHEMA_VERSION)}
            )
    (merged,) = compaction.compact(store, targets.FORMAT)
    assert (merged.files, merged.runs, merged.rows) == (3, 3, 6)
    read: list[str] = []

    def manifest(folder: Path) -> Manifest:
        read.append(folder.name)
        return reader.read_manifest(folder)

    assert targets.build(tmp_path, manifest) == runs
    assert read == ([] if described else runs)
    assert_frame_equal(targets.read(tmp_path, runs).sort("run", "target"), expected)
    document = json.loads((folders[0] / "manifest.json").read_text())
    document["targets"][1]["fingerprint"]["kernel"] = "6.12.48 of another day"
    (folders[0] / "manifest.json").write_text(json.dumps(document))
    runs.append(save(night(3, {"kvm": 1.0}), tmp_path).name)
    assert targets.build(tmp_path, reader.read_manifest) == runs
    now = targets.read(tmp_path, runs)
    assert now.height == 8
    assert now["kernel"].unique().to_list().count("6.12.48 of another day") == 1
    assert targets.read(tmp_path, runs[1:2]).height == 2


def test_a_merged_file_that_is_torn_is_built_again(tmp_path: Path) -> None:
    for n in range(2):
        save(night(n, {"kvm": 1.0}), tmp_path)
    runs = targets.build(tmp_path, reader.read_manifest)
    expected = targets.read(tmp_path, runs)
    store = open_store(tmp_path / "dataset" / targets.FOLDER)
    (merged,) = compaction.compact(store, targets.FORMAT)
    (tmp_path / "dataset" / targets.FOLDER / merged.name).write_bytes(b"PAR1 torn")
    assert targets.build(tmp_path, reader.read_manifest) == runs
    assert_frame_equal(targets.read(tmp_path, runs), expected)


def test_a_manifest_that_cannot_be_read_is_told_and_costs_the_others_nothing(
    tmp_path: Path,
) -> None:
    good, bad = (save(night(n, {"kvm": 1.0}), tmp_path) for n in range(2))
    document = json.loads((bad / "manifest.json").read_text())
    (bad / "manifest.json").write_text(json.dumps({**document, "schema": 99}))
    told: list[tuple[str, str]] = []
    runs = targets.build(
        tmp_path, reader.read_manifest, lambda folder, error: told.append((folder.name, str(error)))
    )
    assert runs == [good.name]
    assert [name for name, _ in told] == [bad.name]
    assert "format 99" in told[0][1]
    with pytest.raises(HarnessError, match="format 99"):
        targets.build(tmp_path, reader.read_manifest)


def test_a_file_of_another_version_or_of_somebody_else_is_not_merged(tmp_path: Path) -> None:
    path = targets.write(seen(), tmp_path)
    store = open_store(path.parent)
    pl.read_parquet(path).write_parquet(path, metadata={"schema_version": "99"})
    with pytest.raises(
        HarnessError, match=rf"has version 99 .* knows {targets.SCHEMA_VERSION}"
    ) as error:
        compaction.compact(store, targets.FORMAT)
    assert "manifest" in error.value.hint
    path.write_bytes(b"no parquet")
    with pytest.raises(HarnessError, match="is not a Parquet file"):
        compaction.compact(store, targets.FORMAT)


def test_kinds_of_targets_keep_their_labels() -> None:
    rows = text(targets.frame(make_run(lambda *_: 1.0, [NATIVE, DOCKER, KVM]).manifest))
    assert rows.select("target", "backend", "class", "label", "native").rows() == [
        ("lab1", "baremetal", "native", "baremetal", True),
        ("container", "docker", "os", "docker", False),
        ("kvm", "kvm", "type1", "kvm", False),
    ]
