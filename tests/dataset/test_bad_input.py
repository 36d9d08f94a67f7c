"""What is wrong with a dataset, or with the runs it is made of, is said and never misread."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from harness.analyze.overhead import overhead
from harness.dataset import catalogue, compaction, dataset
from harness.dataset.samples import FORMAT
from harness.dataset.store import open_store
from harness.errors import HarnessError, UseError
from harness.ledger.tags import Selection
from harness.model.run import Manifest, Run
from harness.model.workload import Metric, Sample
from harness.report import compared, stored
from harness.report import runs as report_runs
from harness.report.runs import judged
from harness.workflow.verify import verify
from tests.dataset.runs import assert_reads_as, night, of, read, read_by_host, rows, save
from tests.dataset.test_compaction import parquet, put

RUNS = [night("2026-11-03", 3.0), night("2026-11-04", 4.0), night("2026-11-05", 5.0)]


def older(run: Run) -> bytes:
    """The file of `run` as version 3 wrote it: two columns less, and nothing said of the runs."""
    frame = dataset.frame(run).drop("elsewhere", "adopted")
    frame = frame.with_columns(pl.lit(3, pl.UInt16).alias("schema_version"))
    return parquet(frame, {"schema_version": "3"})


def test_an_earlier_version_is_read_as_if_written_today(root: str) -> None:
    store = open_store(root)
    store.write(catalogue.name_of(RUNS[0].manifest.run), older(RUNS[0]))
    put(store, *RUNS[1:])
    assert dict(read(root).schema) == dataset.SCHEMA
    assert_reads_as(root, RUNS)
    assert_frame_equal(
        dataset.read(root, lambda parts: overhead(parts, by_run=True)),
        overhead(pl.concat([dataset.frame(run) for run in RUNS]).lazy(), by_run=True),
        check_exact=True,
    )
    assert_frame_equal(rows(pl.concat(read_by_host(root))), of(RUNS))
    compaction.compact(store, FORMAT)
    (file,) = dataset.look(root).files
    assert file.version == dataset.SCHEMA_VERSION
    assert_reads_as(root, RUNS)


@pytest.mark.parametrize("version", [1, 2, 99])
def test_an_unknown_version_is_refused_and_others_are_not_touched(root: str, version: int) -> None:
    store = open_store(root)
    put(store, *RUNS[1:])
    frame = dataset.frame(RUNS[0])
    store.write("20261103T010000Z-lab1.parquet", parquet(frame, {"schema_version": str(version)}))
    before = store.entries()
    for refused in (dataset.look, read, lambda at: compaction.compact(store, FORMAT)):
        with pytest.raises(HarnessError, match=rf"has version {version} .*knows 3, 4$"):
            refused(root)
    assert store.entries() == before


def test_a_parquet_file_of_someone_else_is_refused_by_name(root: str) -> None:
    store = open_store(root)
    put(store, *RUNS)
    store.write("sales.parquet", parquet(pl.DataFrame({"a": [1]}), {}))
    with pytest.raises(HarnessError, match=r"sales\.parquet has no version") as error:
        read(root)
    assert "move it elsewhere" in error.value.hint


@pytest.mark.parametrize("keep", [0, 3, 200, -1])
def test_a_torn_file_is_refused_by_name_and_built_again(
    root: str, keep: int, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    for run in RUNS:
        save(run, results / "runs")
    store = open_store(root)
    dataset.update(results, store, judged)
    name = catalogue.name_of(RUNS[0].manifest.run)
    whole = parquet(dataset.frame(RUNS[0]), {"schema_version": "3"})
    store.write(name, whole[:keep])
    with pytest.raises(HarnessError, match=rf"{name} is not a Parquet file, or only a part"):
        read(root)
    built = dataset.update(results, store, judged)
    assert (built.written, built.troubles) == ((RUNS[0].manifest.run,), ())
    assert len(dataset.look(root).files) == 3


def test_metadata_that_do_not_say_which_runs_are_refused(root: str) -> None:
    store = open_store(root)
    store.write("a.parquet", parquet(dataset.frame(RUNS[0]), {"schema_version": "3", "runs": "["}))
    with pytest.raises(HarnessError, match=r"a\.parquet does not say which runs it holds"):
        read(root)


def test_sub_folders_are_not_read_by_accident(root: str) -> None:
    store = open_store(root)
    put(store, *RUNS)
    store.within("observed").write("x.parquet", parquet(pl.DataFrame({"a": [1]}), {}))
    assert_reads_as(root, RUNS)


def test_half_copied_runs_are_told_and_cost_the_others_nothing(root: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    folders = [save(run, results / "runs") for run in RUNS]
    (folders[0] / "ledger.jsonl").unlink()
    (folders[1] / "manifest.json").write_text((folders[1] / "manifest.json").read_text()[:100])
    store = open_store(root)
    built = dataset.update(results, store, judged)
    assert built.written == (RUNS[2].manifest.run,)
    assert [folder for folder, _ in built.troubles] == folders[:2]
    for folder, error in built.troubles:
        assert str(folder) in str(error)
    assert_reads_as(root, RUNS[2:])


def test_runs_that_contradict_themselves_are_told_and_cost_the_others_nothing(
    root: str, tmp_path: Path
) -> None:
    """A sample in another unit than its workload declares, and a target that nobody declared."""
    results = tmp_path / "results"
    folders = [save(run, results / "runs") for run in RUNS]
    for folder, (said, instead) in zip(
        folders, [('"unit": "1/s"', '"unit": "furlong"'), ('"container"', '"box"')], strict=False
    ):
        ledger = folder / "ledger.jsonl"
        ledger.write_text(ledger.read_text().replace(said, instead, 1))
    built = dataset.update(results, open_store(root), judged)
    assert built.written == (folders[2].name,)
    first, second = (str(error) for _, error in built.troubles)
    assert f"of run {folders[0].name} gives " in first
    assert "in furlong, but its workload" in first
    assert f"of run {folders[1].name} names workload " in second
    assert_reads_as(root, RUNS[2:])


def test_a_run_without_a_trial_is_named(root: str, tmp_path: Path) -> None:
    run = night("2026-11-09", blocks=0)
    folder = save(run, tmp_path / "results" / "runs")
    expected = f"{run.manifest.run} holds no trial"
    for refused in (
        lambda: report_runs.read([folder]),
        lambda: verify(folder, tmp_path / "results"),
        lambda: compared.of_selections(
            Selection("a:container", (folder,), "container"),
            Selection("a:kvm", (folder,), "kvm"),
        ),
    ):
        with pytest.raises(HarnessError, match=expected):
            refused()
    put(open_store(root), run)
    with pytest.raises(HarnessError, match=f"of run {run.manifest.run} the dataset holds no trial"):
        stored.of_dataset(root)


def test_a_run_is_not_pooled_with_a_copy_of_itself(tmp_path: Path) -> None:
    folder = save(RUNS[0], tmp_path / "results" / "runs")
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    with pytest.raises(HarnessError, match=f"run {folder.name} is there twice"):
        report_runs.read([folder, copy])


def test_a_ledger_that_was_torn_while_it_was_written_gives_the_trials_that_are_whole(
    tmp_path: Path,
) -> None:
    """An unterminated last line was never acknowledged; a damaged one before it is an error."""
    results = tmp_path / "results"
    file = save(RUNS[0], results / "runs") / "ledger.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-2]) + lines[-2][:50])
    built = dataset.update(results, open_store(results / "dataset"), judged)
    assert built.troubles == ()
    rows_a_trial = {"cpu-one": 1, "disk-randread": 2}
    expected = sum(rows_a_trial[trial.workload] for trial in RUNS[0].trials[: len(lines) - 2])
    assert read(results / "dataset").height == expected
    file.write_bytes(lines[0][:50] + b"\n" + b"".join(lines[1:]))
    built = dataset.update(results, open_store(results / "dataset"), judged)
    assert "ledger.jsonl:1: not a ledger record" in str(built.troubles[0][1])


def test_a_copy_of_a_run_under_another_name_is_told(tmp_path: Path) -> None:
    results = tmp_path / "results"
    folder = save(RUNS[0], results / "runs")
    shutil.copytree(folder, folder.with_name("copy"))
    built = dataset.update(results, open_store(results / "dataset"), judged)
    assert built.written == (folder.name,)
    assert f"holds the run {folder.name}" in str(built.troubles[0][1])
    assert_reads_as(results / "dataset", RUNS[:1])


def test_two_copies_of_a_file_count_once(root: str) -> None:
    store = open_store(root)
    put(store, RUNS[0])
    told = dataset.look(root).files[0].described
    copy = parquet(dataset.frame(RUNS[0]), catalogue.metadata(3, told))
    store.write("a copy.parquet", copy)
    assert_reads_as(root, RUNS[:1])


def test_a_run_without_native_is_named(root: str) -> None:
    alone = replace(
        RUNS[0], trials=tuple(trial for trial in RUNS[0].trials if trial.target != "lab1")
    )
    put(open_store(root), alone)
    with pytest.raises(HarnessError, match=f"{alone.manifest.run} has no trial of the native"):
        stored.of_dataset(root)


def in_other_unit(run: Run) -> Run:
    """`run` with the same values of `iops` in thousands a second, under the same version."""

    def changed(manifest: Manifest) -> Manifest:
        workloads = tuple(
            replace(
                workload,
                metrics=tuple(
                    Metric(m.name, "k/s", m.better) if m.name == "iops" else m
                    for m in workload.metrics
                ),
            )
            for workload in manifest.workloads
        )
        return replace(manifest, workloads=workloads)

    trials = tuple(
        replace(
            trial,
            samples=tuple(
                Sample(s.metric, s.value / 1000, "k/s", s.better) if s.metric == "iops" else s
                for s in trial.samples
            ),
        )
        for trial in run.trials
    )
    return replace(run, manifest=changed(run.manifest), trials=trials)


def test_units_that_disagree_are_never_one_figure(root: str, tmp_path: Path) -> None:
    runs = [RUNS[0], in_other_unit(RUNS[1])]
    put(open_store(root), *runs)
    frame = dataset.read(root, overhead).filter(pl.col("metric").cast(pl.String) == "iops")
    found = frame.select(pl.col("unit").cast(pl.String), "runs", "value_median").unique()
    assert sorted(found.rows()) == [("1/s", 1, 3.0), ("k/s", 1, 0.004)]
    folders = [save(run, tmp_path / "results" / "runs") for run in runs]
    with pytest.raises(UseError, match=r"the unit of iops of disk-randread is 1/s .* and k/s"):
        report_runs.read(folders)
