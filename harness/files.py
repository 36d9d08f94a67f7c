"""Files that are written as a whole or not at all, and locks that end with their holder.

Every lock is one of `flock`: the operating system frees it when its holder ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import HarnessError

ELSEWHERE = "make room or make it writable; XDG_STATE_HOME and XDG_CACHE_HOME choose other folders"
"""What to do where state or cache cannot be written."""
CURE = (
    "free space there or make the folder writable, or name another folder; "
    "the runs themselves are untouched"
)
"""What to do where something made of runs cannot be written."""
TEMPORARY = ".part"
"""How a hidden file ends that is not whole yet."""
_LOOK_AGAIN_S = 0.01


@contextmanager
def writing(folder: Path, hint: str) -> Iterator[None]:
    """Turns an operating-system error into a `HarnessError` that says what cannot be written."""
    try:
        yield
    except OSError as error:
        raise HarnessError(
            f"cannot write to {error.filename or folder}: {error.strerror or error}", hint
        ) from None


def replace(path: Path, data: bytes) -> None:
    """Make `path` hold `data`, as `write_whole` does; its folder is made if need be.

    Raises HarnessError naming the folder where it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
    except OSError as error:
        raise HarnessError(
            f"cannot write {path.name} in {path.parent}: {error.strerror or error}", CURE
        ) from error


def write_whole(path: Path, data: bytes) -> None:
    """Make `path` hold `data`, as a whole or not at all: temporary name, fsync, rename."""
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}.", suffix=TEMPORARY, delete=False
    ) as file:
        temporary = Path(file.name)
    try:
        temporary.chmod(0o644)
        write_synced(temporary, data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_synced(path: Path, data: bytes) -> None:
    """A file that could not be written to its end is not left there."""
    try:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def lock(path: Path, busy: HarnessError | None = None, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock on a file or a folder that is there; see `take`. It stays there."""
    file = os.open(path, os.O_RDONLY)
    try:
        take(file, busy, wait_s)
        yield
    finally:
        os.close(file)


def take(file: int, busy: HarnessError | None = None, wait_s: float = 0.0) -> None:
    """Lock an open file until it is closed. Raises `busy` where another process still has the
    lock after `wait_s` seconds; without `busy` it is waited for as long as it takes."""
    if busy is None:
        fcntl.flock(file, fcntl.LOCK_EX)
        return
    end = time.monotonic() + wait_s
    while not _took(file):
        if time.monotonic() >= end:
            raise busy
        time.sleep(_LOOK_AGAIN_S)


@contextmanager
def alone(path: Path, busy: HarnessError) -> Iterator[None]:
    """Hold the lock file `path`, which is made for this and which only its holder removes.

    Raises `busy` where another process holds it, HarnessError where it cannot be made.
    """
    with writing(path.parent, ELSEWHERE):
        file = _made_and_taken(path, busy)
    try:
        yield
    finally:
        with suppress(PermissionError):  # another user's, who was killed with it
            path.unlink(missing_ok=True)
        os.close(file)


def _made_and_taken(path: Path, busy: HarnessError) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = _opened(path)
        except FileNotFoundError:
            if path.is_symlink():
                raise
            continue  # the last one there took the empty folder away
        try:
            take(file, busy)
            if _is_at(file, path):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)  # its holder removed it between the opening and the locking


def _took(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(path: Path) -> int:
    """A file that another user made is only read: that is enough to lock it."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
    except PermissionError:
        return os.open(path, os.O_RDONLY)


def _is_at(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
