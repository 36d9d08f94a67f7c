"""Merging files loses no row and counts none twice: when killed, while read, while written."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from harness.dataset import catalogue, compaction, dataset, scan, targets
from harness.dataset.samples import FORMAT
from harness.dataset.store import Store, open_store
from harness.errors import HarnessError
from harness.ledger.reader import read_manifest
from harness.model.run import Manifest, Run
from tests import waiting
from tests.dataset.runs import assert_reads_as, night, of, read, read_by_host, rows, save

NOVEMBER = [night(f"2026-11-{day:02}", float(day)) for day in (3, 4, 5)]
DECEMBER = [night("2026-12-01", 12.0), night("2026-12-31", 13.0)]
ELSEWHERE = [night("2026-11-03", 21.0, "lab2"), night("2026-11-04", 22.0, "lab2")]


def put(store: Store, *runs: Run) -> None:
    for run in runs:
        dataset.put(run, store, ledger=(len(run.trials), "0" * 64))


def names(store: Store) -> list[str]:
    return [entry.name for entry in store.entries()]


def test_one_file_a_host_and_month_is_left(root: str) -> None:
    store = open_store(root)
    put(store, *NOVEMBER, *DECEMBER, *ELSEWHERE)
    merged = compaction.compact(store, FORMAT)
    assert [(each.host, each.month, each.files, each.runs) for each in merged] == [
        ("lab1", "2026-11", 3, 3),
        ("lab1", "2026-12", 2, 2),
        ("lab2", "2026-11", 2, 2),
    ]
    assert [each.rows for each in merged] == [3 * 12, 2 * 12, 2 * 12]
    assert names(store) == [
        "00-lab1-2026-11.000001.parquet",
        "00-lab1-2026-12.000001.parquet",
        "00-lab2-2026-11.000001.parquet",
    ]
    assert_reads_as(root, [*NOVEMBER, *DECEMBER, *ELSEWHERE])
    assert compaction.compact(store, FORMAT) == []


def test_the_merged_rows_are_in_the_order_of_time_each_run_as_its_ledger(root: str) -> None:
    store = open_store(root)
    put(store, *reversed(NOVEMBER))
    compaction.compact(store, FORMAT)
    expected = pl.concat([dataset.frame(run) for run in NOVEMBER])
    assert_frame_equal(read(root), expected, check_exact=True)


def test_a_merged_file_says_of_each_run_what_its_own_file_said(root: str) -> None:
    store = open_store(root)
    put(store, *NOVEMBER)
    before = {run: file.runs[run] for run, file in dataset.look(root).holders.items()}
    compaction.compact(store, FORMAT)
    (file,) = dataset.look(root).files
    assert dict(file.runs) == before
    assert None not in before.values()


def test_a_run_that_is_written_again_counts_before_the_merged_one(root: str) -> None:
    store = open_store(root)
    put(store, *NOVEMBER)
    compaction.compact(store, FORMAT)
    again = night("2026-11-04", 400.0)
    put(store, again)
    now = [NOVEMBER[0], again, NOVEMBER[2]]
    assert_reads_as(root, now)
    compaction.compact(store, FORMAT)
    assert names(store) == ["00-lab1-2026-11.000002.parquet"]
    assert_reads_as(root, now)


def test_the_year_of_a_host_is_read_file_by_file(root: str) -> None:
    """What `read` promises, after merging: a part for each host, from its own files alone."""
    store = open_store(root)
    put(store, *NOVEMBER, *DECEMBER, *ELSEWHERE)
    compaction.compact(store, FORMAT)
    parts = read_by_host(root)
    assert [part["host"].cast(pl.String).unique().to_list() for part in parts] == [
        ["lab1"],
        ["lab2"],
    ]
    assert_frame_equal(rows(parts[1]), of(ELSEWHERE))


def test_parts_of_hosts_leave_out_what_does_not_count(root: str) -> None:
    store = open_store(root)
    put(store, *NOVEMBER, *ELSEWHERE)
    compaction.compact(store, FORMAT)
    again = night("2026-11-04", 400.0)
    put(store, again)
    assert_frame_equal(
        rows(pl.concat(read_by_host(root))), of([NOVEMBER[0], again, NOVEMBER[2], *ELSEWHERE])
    )


def test_hosts_whose_names_become_the_same_file_name_do_not_meet(root: str) -> None:
    store = open_store(root)
    odd = [night(f"2026-11-0{day}", day, host) for day in (3, 4) for host in ("lab a", "lab_a")]
    put(store, *odd)
    compaction.compact(store, FORMAT)
    assert len(names(store)) == 2
    assert_reads_as(root, odd)


def test_a_run_without_a_trial_stays_known(root: str) -> None:
    store = open_store(root)
    empty = night("2026-11-09", blocks=0)
    put(store, *NOVEMBER, empty)
    compaction.compact(store, FORMAT)
    assert empty.manifest.run in dataset.look(root).holders
    assert_reads_as(root, NOVEMBER)


def test_the_files_of_another_table_are_merged_alike(root: str) -> None:
    """From files that say nothing of their runs but the version."""
    store = open_store(root).within(targets.FOLDER)
    manifests = [run.manifest for run in (*NOVEMBER, DECEMBER[0])]
    frames = [targets.frame(manifest) for manifest in manifests]
    for manifest, frame in zip(manifests, frames, strict=True):
        told = {"schema_version": str(targets.SCHEMA_VERSION)}
        store.write(catalogue.name_of(manifest.run), parquet(frame, told))
    merged = compaction.compact(store, targets.FORMAT)
    assert [(each.month, each.files, each.runs) for each in merged] == [("2026-11", 3, 3)]
    found = catalogue.of_store(store, targets.FORMAT)
    assert len(found.files) == 2
    rows_now = scan.scan(targets.FORMAT, scan.parts(found)).collect()
    assert_frame_equal(rows_now.sort("run", "target"), pl.concat(frames).sort("run", "target"))
    assert [entry.name for entry in open_store(root).entries()] == []


def test_a_file_that_does_not_hold_what_it_says_is_not_merged(root: str) -> None:
    store = open_store(root)
    put(store, *NOVEMBER)
    run = NOVEMBER[1].manifest.run
    less = dataset.frame(NOVEMBER[1]).head(5)
    held = dataset.look(root).holders[run].described
    store.write(catalogue.name_of(run), parquet(less, catalogue.metadata(3, held)))
    before = store.entries()
    with pytest.raises(HarnessError, match=rf"says that it holds 12 rows of {run}, and holds 5"):
        compaction.compact(store, FORMAT)
    assert store.entries() == before


def test_a_file_of_several_hosts_is_left_as_it_is(root: str) -> None:
    store = open_store(root)
    both = pl.concat([dataset.frame(NOVEMBER[0]), dataset.frame(ELSEWHERE[0])])
    store.write("zz.parquet", parquet(both, {"schema_version": "3"}))
    put(store, *NOVEMBER[1:])
    compaction.compact(store, FORMAT)
    assert names(store) == ["00-lab1-2026-11.000001.parquet", "zz.parquet"]


def parquet(frame: pl.DataFrame, metadata: dict[str, str]) -> bytes:
    import io

    buffer = io.BytesIO()
    frame.write_parquet(buffer, metadata=metadata)
    return buffer.getvalue()


# ------------------------------------------------------------------ killed at any moment
KILLED = """
import os, signal, sys
from importlib import import_module
from pathlib import Path
from harness.dataset import compaction
from harness.dataset.store import open_store
from harness.dataset.store.bucket import Bucket

url, at, step = sys.argv[1], int(sys.argv[2]), 0
FORMAT = import_module(sys.argv[3]).FORMAT


def moment():
    global step
    step += 1
    if step == at:
        os.kill(os.getpid(), signal.SIGKILL)


def watched(function):
    def watching(*args, **kwargs):
        moment()
        done = function(*args, **kwargs)
        moment()
        return done
    return watching


os.fsync = watched(os.fsync)
Path.replace = watched(Path.replace)
Path.unlink = watched(Path.unlink)
Bucket.write = watched(Bucket.write)
Bucket.remove = watched(Bucket.remove)
compaction.compact(open_store(url), FORMAT)
print(step)
"""


def compact_until(
    root: str, moment: int, table: str = "harness.dataset.samples"
) -> subprocess.CompletedProcess[str]:
    """Compact in a process of its own that is killed at that moment; 0: never."""
    return subprocess.run(
        [sys.executable, "-c", KILLED, root, str(moment), table],
        capture_output=True,
        text=True,
        timeout=waiting.GUARD_S,
        cwd=Path(__file__).parents[2],
    )


def test_killed_at_any_moment_every_row_is_there_once(root: str) -> None:
    """With a merged file of before, a run in it that was written again, and a new one; before and
    after every step by which a file comes to be or goes."""
    store = open_store(root)
    again, new = night("2026-11-04", 400.0), night("2026-11-20", 20.0)
    now = [NOVEMBER[0], again, NOVEMBER[2], new]

    def begin() -> None:
        for entry in store.entries():
            store.remove(entry.name)
        put(store, *NOVEMBER)
        compaction.compact(store, FORMAT)
        put(store, again, new)
        assert len(names(store)) == 3

    begin()
    done = compact_until(root, 0)
    assert done.returncode == 0, done.stderr
    moments = int(done.stdout)
    assert moments >= 2 * 4  # one file written and three removed, each with a before and an after
    seen = set()
    for moment in range(1, moments + 1):
        begin()
        killed = compact_until(root, moment)
        assert killed.returncode == -signal.SIGKILL, (moment, killed.stderr)
        assert_reads_as(root, now)
        assert_frame_equal(rows(pl.concat(read_by_host(root))), of(now), check_exact=True)
        seen.add(len(names(store)))
        compaction.compact(store, FORMAT)
        assert len(names(store)) == 1, moment
        assert_reads_as(root, now)
    assert seen == {1, 2, 3, 4}


def test_what_was_observed_is_whole_too_whenever_a_compaction_is_killed(tmp_path: Path) -> None:
    for run in NOVEMBER:
        save(run, tmp_path / "runs")
    folder = tmp_path / "dataset" / targets.FOLDER

    def rows_now() -> pl.DataFrame:
        def never(place: Path) -> Manifest:
            raise AssertionError(f"{place.name} is not there any more")

        return targets.read(tmp_path, targets.build(tmp_path, never)).sort("run", "target")

    targets.build(tmp_path, read_manifest)
    expected = rows_now()
    assert expected.height == 2 * len(NOVEMBER)
    shutil.copytree(folder, tmp_path / "before")
    moments = int(compact_until(str(folder), 0, "harness.dataset.targets").stdout)
    seen = set()
    for moment in range(1, moments + 1):
        shutil.rmtree(folder)
        shutil.copytree(tmp_path / "before", folder)
        killed = compact_until(str(folder), moment, "harness.dataset.targets")
        assert killed.returncode == -signal.SIGKILL, (moment, killed.stderr)
        assert_frame_equal(rows_now(), expected)
        seen.add(len(list(folder.glob("*.parquet"))))
        compaction.compact(open_store(folder), targets.FORMAT)
        assert_frame_equal(rows_now(), expected)
        assert len(list(folder.glob("*.parquet"))) == 1
    assert seen == {1, 2, 3, 4}


# ------------------------------------------------------------------ while others read and write
WRITER = """
import sys
from harness.dataset import compaction, dataset
from harness.dataset.samples import FORMAT
from harness.dataset.store import open_store
from tests.dataset.runs import night

store, rounds = open_store(sys.argv[1]), int(sys.argv[2])
runs = [night(f"2026-11-{day:02}", float(day), blocks=1) for day in range(1, 7)]
for turn in range(rounds):
    dataset.put(runs[turn % 6], store)
    dataset.put(runs[(turn + 3) % 6], store)
    compaction.compact(store, FORMAT)
"""


@pytest.mark.parametrize("rounds", [25])
def test_a_reader_beside_a_compaction_reads_every_row_once(root: str, rounds: int) -> None:
    runs = [night(f"2026-11-{day:02}", float(day), blocks=1) for day in range(1, 7)]
    put(open_store(root), *runs)
    expected = of(runs)
    writer = background(WRITER, root, str(rounds))
    reads = 0
    while writer.poll() is None or reads == 0:
        read = dataset.read(root, lambda scan: pl.concat(scan).collect())
        assert_frame_equal(rows(read), expected, check_exact=True)
        reads += 1
    assert writer.wait() == 0, writer.stderr.read() if writer.stderr else ""
    assert reads > 1


BUILDER = """
import sys
from harness.dataset import dataset
from harness.dataset.store import open_store
from tests.dataset.runs import night

store = open_store(sys.argv[1])
for value in range(1, 60):
    dataset.put(night("2026-11-04", float(value)), store)
"""


def test_what_is_written_beside_a_compaction_is_not_lost(tmp_path: Path) -> None:
    """Only a folder can promise it; an object store must have one writer."""
    root = str(tmp_path / "dataset")
    store = open_store(root)
    put(store, *NOVEMBER)
    builder = background(BUILDER, root)
    compactions = 0
    while builder.poll() is None:
        compactions += len(compaction.compact(store, FORMAT))
    assert builder.wait() == 0, builder.stderr.read() if builder.stderr else ""
    assert compactions > 0
    assert_reads_as(root, [NOVEMBER[0], night("2026-11-04", 59.0), NOVEMBER[2]])


def test_two_compactions_at_once_leave_what_one_leaves(tmp_path: Path) -> None:
    root = str(tmp_path / "dataset")
    put(open_store(root), *NOVEMBER, *DECEMBER, *ELSEWHERE)
    for _ in range(3):
        both = [background(KILLED, root, "0", "harness.dataset.samples") for _ in range(2)]
        for each in both:
            _, errors = each.communicate(timeout=waiting.GUARD_S)
            assert each.returncode == 0, errors
        assert_reads_as(root, [*NOVEMBER, *DECEMBER, *ELSEWHERE])
        put(open_store(root), *NOVEMBER, *DECEMBER)
    assert len(names(open_store(root))) == 3 + len(NOVEMBER) + len(DECEMBER)


def test_a_second_writer_of_an_object_store_is_found_out(s3: str) -> None:
    """Two that merge the same at once want the same name: the put of the second is refused."""
    store = open_store(s3)
    put(store, *NOVEMBER)
    (group,) = compaction.groups(dataset.look(s3))
    made = compaction._rows(group, FORMAT)
    name = compaction._name(store, group)

    class Late(type(store)):  # type: ignore[misc]
        """Looked for the name just before the other one put it."""

        def find(self, wanted: Any) -> Any:
            return {} if list(wanted) == [name] else store.find(wanted)

    late = Late("s3", *s3.removeprefix("s3://").split("/", 1))
    store.write(name, made[0])
    with pytest.raises(HarnessError, match="another process writes there too"):
        compaction._replace(late, group, made)
    assert_reads_as(s3, NOVEMBER)


def background(program: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ},
    )


def test_a_file_that_goes_between_looking_and_reading_is_looked_for_again(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    put(open_store(root), *NOVEMBER)
    looks = 0

    def make(scan: list[pl.LazyFrame]) -> pl.DataFrame:
        nonlocal looks
        looks += 1
        if looks == 1:
            compaction.compact(open_store(root), FORMAT)
        return pl.concat(scan).collect()

    assert_frame_equal(rows(dataset.read(root, make)), of(NOVEMBER))
    assert looks == 2


def test_a_reader_that_always_loses_has_the_writer_wait(root: str) -> None:
    """Only a folder can be locked; beside an object store's busy writer nothing is read wrongly."""
    store = open_store(root)
    put(store, *NOVEMBER)
    looks = 0

    def make(scan: list[pl.LazyFrame]) -> pl.DataFrame:
        nonlocal looks
        looks += 1
        if store.options is not None or is_free(Path(root)):
            put(store, NOVEMBER[looks % 3])
            compaction.compact(store, FORMAT)
        return pl.concat(scan).collect()

    if store.options is None:
        assert_frame_equal(rows(dataset.read(root, make)), of(NOVEMBER))
        assert is_free(Path(root))
    else:
        with pytest.raises(HarnessError, match="changes all the time"):
            dataset.read(root, make)
    assert looks == 6
    assert_reads_as(root, NOVEMBER)


def is_free(folder: Path) -> bool:
    """Whether a writer would have the lock of `folder` at once."""
    file = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True


def test_rows_that_cannot_be_read_end_in_one_message(tmp_path: Path) -> None:
    """The footer is whole, what it points to is not."""
    root = tmp_path / "dataset"
    put(open_store(root), *NOVEMBER)
    file = root / catalogue.name_of(NOVEMBER[0].manifest.run)
    data = bytearray(file.read_bytes())
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    data[4:footer] = bytes(footer - 4)
    file.write_bytes(data)
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    with pytest.raises(HarnessError, match="cannot read the rows of"):
        dataset.read(root, lambda scan: pl.concat(scan).collect())
    with pytest.raises(HarnessError, match=f"cannot read the rows of .*{file.name}"):
        compaction.compact(open_store(copy), FORMAT)
    assert len(list(copy.iterdir())) == 3


@pytest.fixture
def merging(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Whoever has looked at a dataset finds its files merged a moment later, the first time;
    the places where that was."""
    looked: list[str] = []
    look = dataset.look

    def watched(source: Any, runs: Any = None) -> catalogue.Catalogue:
        found = look(source, runs)
        if not looked:
            store = found.files[0].store
            looked.append(store.url)
            assert compaction.compact(store, FORMAT)
        return found

    monkeypatch.setattr(dataset, "look", watched)
    return looked


def test_a_history_beside_a_compaction_is_that_without_one(
    tmp_path: Path, merging: list[str]
) -> None:
    from harness.report.history import of_results

    for run in NOVEMBER:
        save(run, tmp_path / "runs")
    made = of_results(tmp_path)
    assert merging == [str(tmp_path / "dataset")]
    again = of_results(tmp_path)
    assert_frame_equal(rows_of_nights(again.nights), rows_of_nights(made.nights))
    assert again.warnings == made.warnings == ()


def rows_of_nights(nights: pl.DataFrame) -> pl.DataFrame:
    return nights.with_columns(pl.col(pl.Categorical).cast(pl.String)).sort(
        "run", "target", "workload", "metric"
    )
