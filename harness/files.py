"""Files that are written as a whole or not at all, and locks that end with their holder."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError, UseError


@contextmanager
def writing(folder: Path, hint: str) -> Iterator[None]:
    """Turns an operating-system error into a `HarnessError` that says what cannot be written."""
    try:
        yield
    except OSError as error:
        raise HarnessError(
            f"cannot write to {error.filename or folder}: {error.strerror or error}", hint
        ) from None


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


ELSEWHERE = "make room or make it writable; XDG_STATE_HOME and XDG_CACHE_HOME choose other folders"
"""What to do where state or cache cannot be written."""


@contextmanager
def alone(path: Path, otherwise: str) -> Iterator[None]:
    """Only one process at a time holds the lock file `path`; `UseError` says `otherwise`."""
    with lock(path, otherwise, "wait for it to end"):
        yield


@contextmanager
def lock(path: Path, otherwise: str, cure: str) -> Iterator[None]:
    """Hold the lock file `path`, which only its holder removes."""
    with writing(path.parent, ELSEWHERE):
        while True:
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                file = _opened(path)
            except FileNotFoundError:
                if path.is_symlink():
                    raise
                continue  # the last one there took the empty folder away
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                raise UseError(otherwise, cure) from None
            if _is_at(file, path):
                break
            os.close(file)  # its holder removed it between the opening and the locking
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


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


TEMPORARY = ".part"
LOCKED_S = 60.0
"""How long to wait for another process to end what takes it milliseconds."""
CURE = (
    "free space there or make the folder writable, or name another folder; "
    "the runs themselves are untouched"
)


def flock(file: int, folder: Path) -> None:
    end = time.monotonic() + LOCKED_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise HarnessError(
                    f"another process has been at work in {folder} for {LOCKED_S:.0f} s",
                    "wait for it to end, or stop it",
                ) from None
            time.sleep(0.01)
        else:
            return


def replace(path: Path, data: bytes) -> None:
    """Make `path` hold `data`, as a whole or not at all: temporary name, fsync, rename.

    Raises HarnessError naming the folder where it cannot be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=TEMPORARY, delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        temporary.replace(path)
        temporary = None
        sync_folder(path.parent)
    except OSError as error:
        raise HarnessError(
            f"cannot write {path.name} in {path.parent}: {error.strerror or error}", CURE
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
