"""A store lists, writes whole files and removes them, whatever it is; and says what is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.dataset.store import Entry, Store, open_store, snapshot
from harness.dataset.store.folder import Folder
from harness.errors import HarnessError, UseError
from harness.model import installed
from tests.dataset import objectstore


def test_what_was_written_is_listed_read_replaced_and_removed(root: str) -> None:
    store = open_store(root)
    assert store.entries() == ()
    for name in ("b.parquet", "a.parquet"):
        store.write(name, name.encode() * 1000)
    assert [(each.name, each.bytes) for each in store.entries()] == [
        ("a.parquet", 9000),
        ("b.parquet", 9000),
    ]
    before = store.find(["a.parquet", "none"])
    store.write("a.parquet", b"other")
    after = store.find(["a.parquet", "none"])
    assert before.keys() == after.keys() == {"a.parquet"}
    assert before["a.parquet"].stamp != after["a.parquet"].stamp
    assert after["a.parquet"].bytes == 5
    store.remove("a.parquet")
    store.remove("a.parquet")
    assert [each.name for each in store.entries()] == ["b.parquet"]


def test_a_folder_below_is_a_store_of_its_own(root: str) -> None:
    store = open_store(root)
    store.within("observed").write("x.parquet", b"1")
    store.write("y.parquet", b"2")
    assert [each.name for each in store.entries()] == ["y.parquet"]
    assert [each.name for each in store.within("observed").entries()] == ["x.parquet"]
    assert store.within("observed").address("x.parquet").endswith("/dataset/observed/x.parquet")


def test_a_new_file_never_takes_the_place_of_another(root: str) -> None:
    store = open_store(root)
    store.write("a.parquet", b"first", new=True)
    with pytest.raises(HarnessError, match="is there already"):
        store.write("a.parquet", b"second", new=True)
    assert store.entries()[0].bytes == len(b"first")


def test_hidden_files_are_not_listed(root: str) -> None:
    store = open_store(root)
    store.write(".half.part", b"1")
    assert store.entries() == ()


@pytest.mark.parametrize(
    "url", ["http://lab/x", "s3://", "gs:///x", "file://elsewhere/x", "file://", "ftp://a/b"]
)
def test_a_url_of_another_kind_is_refused_with_those_there_are(url: str) -> None:
    with pytest.raises(UseError, match="no place for a dataset") as error:
        open_store(url)
    assert "s3://bucket/prefix" in error.value.hint


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [("s3://lab/x", "s3fs", "s3"), ("gs://lab/x", "gcsfs", "gcs")],
)
def test_a_package_that_is_missing_is_named_with_its_extra(
    url: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UseError, match=f"needs the package {package}") as error:
        open_store(url)
    assert error.value.hint == installed.more(extra)
    assert extra in error.value.hint


def test_a_bucket_that_does_not_exist_is_named(s3: str) -> None:
    store = open_store("s3://no-such-bucket/x")
    with pytest.raises(HarnessError, match="there is no bucket 'no-such-bucket'"):
        store.entries()
    with pytest.raises(HarnessError, match="there is no bucket 'no-such-bucket'"):
        store.write("a", b"1")


def test_a_store_that_cannot_be_reached_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    endpoint = f"http://127.0.0.1:{objectstore.free_port()}"
    objectstore.set_environment(monkeypatch, endpoint)
    with pytest.raises(HarnessError, match="cannot list s3://lab/x") as error:
        open_store("s3://lab/x").entries()
    assert endpoint in error.value.hint


def test_wrong_credentials_are_said_to_be_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with objectstore.running(tmp_path / "log", INITIAL_NO_AUTH_ACTION_COUNT="0") as endpoint:
        objectstore.set_environment(monkeypatch, endpoint)
        with pytest.raises(HarnessError, match="may not list") as error:
            open_store("s3://lab/x").entries()
    assert "AWS_ACCESS_KEY_ID" in error.value.hint


def test_no_credentials_at_all_are_asked_for(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(HarnessError, match="may not list") as error:
        open_store(s3).entries()
    assert "AWS_ACCESS_KEY_ID" in error.value.hint


def test_a_lock_is_waited_for_and_ends_with_its_holder(tmp_path: Path) -> None:
    """The holder is killed, so nothing of its own could have freed the lock."""
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from harness.dataset.store.folder import Folder\n"
        "with Folder(Path(sys.argv[1])).locked():\n"
        "    print('held', flush=True)\n"
        "    time.sleep(3600)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    folder = Folder(tmp_path)
    patch = pytest.MonkeyPatch()
    patch.setattr("harness.dataset.store.folder._LOCKED_S", 0.1)
    try:
        with pytest.raises(HarnessError, match="another process has been at work"), folder.locked():
            pass
    finally:
        patch.undo()
        holder.kill()
        holder.wait()
    with folder.locked():
        assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_swept_away_once_it_is_old(tmp_path: Path) -> None:
    old, young = tmp_path / ".a.parquet.x.part", tmp_path / ".b.parquet.y.part"
    for file in (old, young):
        file.write_bytes(b"half")
    long_ago = time.time() - 7200
    os.utime(old, (long_ago, long_ago))
    Folder(tmp_path).sweep()
    assert [file.name for file in tmp_path.iterdir()] == [young.name]


def test_a_listing_that_a_merge_passes_through_is_made_again() -> None:
    """Files are listed one after another: one that missed both the merged file and what it was
    made of would lose rows."""
    merged, parts = Entry("00-m", 1, "m"), (Entry("a", 1, "a"), Entry("b", 1, "b"))

    listings: list[tuple[Entry, ...]] = [parts[:1], (merged,), (merged,)]

    class Moving(Folder):
        def entries(self) -> tuple[Entry, ...]:
            return listings.pop(0)

    store: Store = Moving(Path())
    assert snapshot(store) == {"00-m": merged}


def test_a_place_that_never_rests_is_told() -> None:
    class Restless(Folder):
        count = 0

        def entries(self) -> tuple[Entry, ...]:
            self.count += 1
            return (Entry(str(self.count), 1, ""),)

    with pytest.raises(HarnessError, match="changes all the time"):
        snapshot(Restless(Path()))


def test_a_file_url_is_the_folder_that_it_names(tmp_path: Path) -> None:
    path = tmp_path / "a place"
    open_store(path.as_uri()).write("a.parquet", b"1")
    assert path.as_uri().endswith("/a%20place")
    assert (path / "a.parquet").read_bytes() == b"1"
    assert open_store(f"file://localhost{path}").entries() == Folder(path).entries()
