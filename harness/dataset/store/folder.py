"""A folder as a store: temporary name, fsync and rename; a lock that ends with its holder."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.dataset.store import Entry, Store
from harness.errors import HarnessError
from harness.files import CURE, TEMPORARY, lock, replace

_REMAINS_S = 3600.0
"""A temporary file of a writer that was killed is removed once it is so old."""
_LOCKED_S = 60.0
"""How long to wait for another process to end what takes it milliseconds."""


class Folder:
    """A folder of this machine, or of a file system that it has mounted."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def url(self) -> str:
        return str(self.path)

    @property
    def options(self) -> dict[str, str | int] | None:
        return None

    def entries(self) -> tuple[Entry, ...]:
        found = []
        try:
            with os.scandir(self.path) as listed:
                for each in listed:
                    if not each.name.startswith("."):
                        found += _seen(each)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise HarnessError(
                f"cannot list {self.path}: {error.strerror or error}",
                "give the folder that holds the files",
            ) from None
        return tuple(sorted(found, key=lambda entry: entry.name))

    def find(self, names: Collection[str]) -> dict[str, Entry]:
        found = {}
        for name in names:
            try:
                seen = (self.path / name).stat()
            except FileNotFoundError:
                continue
            except OSError as error:
                raise HarnessError(
                    f"cannot read {self.path / name}: {error.strerror or error}",
                    "check the path and its permissions",
                ) from None
            found[name] = _entry(name, seen)
        return found

    def address(self, name: str) -> str:
        return f"{self.path}/{name}"

    def write(self, name: str, data: bytes, *, new: bool = False) -> None:
        if new and (self.path / name).exists():
            raise HarnessError(f"{self.path / name} is there already", "say it again")
        replace(self.path / name, data)

    def remove(self, name: str) -> None:
        try:
            (self.path / name).unlink(missing_ok=True)
        except OSError as error:
            raise HarnessError(
                f"cannot remove {self.path / name}: {error.strerror or error}",
                "make the folder writable",
            ) from None

    def within(self, folder: str) -> Store:
        return Folder(self.path / folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """By a lock on the folder itself, which ends with the process that holds it."""
        busy = HarnessError(
            f"another process has been at work in {self.path} for {_LOCKED_S:.0f} s",
            "wait for it to end, or stop it",
        )
        with ExitStack() as held:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                held.enter_context(lock(self.path, busy, _LOCKED_S))
            except OSError as error:
                raise HarnessError(
                    f"cannot write in {self.path}: {error.strerror or error}", CURE
                ) from None
            yield

    def sweep(self) -> None:
        for file in self.path.glob(f".*{TEMPORARY}"):
            try:
                if time.time() - file.stat().st_mtime > _REMAINS_S:
                    file.unlink(missing_ok=True)
            except OSError:
                continue  # another's, or gone: it is hidden and in nobody's way


def _seen(found: os.DirEntry[str]) -> list[Entry]:
    """Empty for what is no file, or gone since it was listed."""
    try:
        return [_entry(found.name, found.stat())] if found.is_file() else []
    except FileNotFoundError:
        return []


def _entry(name: str, seen: os.stat_result) -> Entry:
    stamp = f"{seen.st_ino}-{seen.st_mtime_ns}-{seen.st_size}"
    return Entry(name, seen.st_size, stamp, seen.st_mtime_ns)
