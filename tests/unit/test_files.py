"""Files are whole or not there; a lock has one holder, and what happens to the others is told."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from harness import files
from harness.errors import HarnessError, UseError


def test_a_file_is_replaced_as_a_whole_and_its_folder_is_made(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    files.replace(path, b"longer than what follows")
    files.replace(path, b"short")
    assert path.read_bytes() == b"short"
    assert [each.name for each in path.parent.iterdir()] == ["file"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_what_cannot_be_replaced_leaves_nothing_and_names_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(HarnessError, match=f"cannot write file in {tmp_path}: ") as error:
        files.replace(tmp_path / "file", b"data")
    assert error.value.hint == files.CURE
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_disk_that_fills_up_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HarnessError, match="No space left on device"):
        files.replace(path, b"after")
    assert path.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_who_finds_a_lock_held_is_told_at_once_what_its_caller_says(tmp_path: Path) -> None:
    busy = UseError("somebody is there", "wait")
    with files.lock(tmp_path, busy):
        with pytest.raises(UseError) as error, files.lock(tmp_path, busy):
            pass
        assert error.value is busy
    with files.lock(tmp_path, busy):
        pass


def test_a_lock_is_waited_for_as_long_as_its_caller_says(tmp_path: Path) -> None:
    begin = time.monotonic()
    with (
        files.lock(tmp_path),
        pytest.raises(UseError, match="somebody is there"),
        files.lock(tmp_path, UseError("somebody is there"), wait_s=0.2),
    ):
        pass
    assert time.monotonic() - begin >= 0.2


@pytest.mark.parametrize("busy", [None, UseError("somebody is there")])
def test_who_waits_has_the_lock_once_it_is_free(tmp_path: Path, busy: UseError | None) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def second() -> None:
        waiting.set()
        with files.lock(tmp_path, busy, wait_s=600):
            order.append("second")

    with files.lock(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        waiting.wait()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_lock_leaves_what_it_locks(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"1")
    with files.lock(path):
        pass
    assert path.read_bytes() == b"1"


def test_what_is_not_there_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), files.lock(tmp_path / "none"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_is_there_as_long_as_it_is_held(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lock"
    busy = UseError("somebody is there")
    with files.alone(path, busy):
        with pytest.raises(UseError, match="somebody is there"), files.alone(path, busy):
            pass
        assert path.is_file()
    assert not path.exists()


def test_a_lock_whose_folder_goes_meanwhile_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = files._opened
    path = tmp_path / "home" / "lock"

    def late(place: Path) -> int:
        monkeypatch.setattr(files, "_opened", opened)
        place.parent.rmdir()
        return opened(place)

    monkeypatch.setattr(files, "_opened", late)
    with files.alone(path, UseError("somebody is there")):
        assert path.is_file()


def test_a_lock_that_its_holder_removed_is_not_held(tmp_path: Path) -> None:
    """The file that was opened may be gone by the time it is locked."""
    path = tmp_path / "lock"
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    assert files._is_at(file, path)
    path.unlink()
    assert not files._is_at(file, path)
    path.touch()
    assert not files._is_at(file, path)
    os.close(file)
