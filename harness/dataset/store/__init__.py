"""Where derived files lie: a folder, or a prefix of a bucket in an object store.

A store lists, reads, writes and removes whole files by name, and tells polars where each one is.
A file is never seen half: a folder gets it by temporary name, fsync and rename, an object store
by one put. Folders below are stores of their own (`within`) and are never listed along.

It knows nothing of what the files hold.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from harness.errors import HarnessError, UseError

_LISTINGS = 100
"""How often to list anew while others change the store."""


class Vanished(HarnessError):
    """A file that was there a moment ago is not any more: list again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a store. `stamp` differs whenever the file was replaced; `changed_ns` is when
    that was by the clock of the file system, None where the store's clock is another."""

    name: str
    bytes: int
    stamp: str
    changed_ns: int | None = None


class Store(Protocol):
    """A flat place for files."""

    @property
    def url(self) -> str:
        """What people call it: a path, or a URL."""
        ...

    @property
    def options(self) -> dict[str, str | int] | None:
        """What polars must know to reach it (`storage_options`); None for a folder."""
        ...

    def entries(self) -> tuple[Entry, ...]:
        """Its files by name, without hidden ones; none where the place itself is not there yet.

        Raises HarnessError where it cannot be reached or may not be listed.
        """
        ...

    def find(self, names: Collection[str]) -> dict[str, Entry]:
        """Those of its files that have these names, as they are now. Raises as `entries` does."""
        ...

    def address(self, name: str) -> str:
        """Where polars finds the file."""
        ...

    def write(self, name: str, data: bytes, *, new: bool = False) -> None:
        """Make the file hold `data`, as a whole or not at all, on the disk when this returns.

        With `new` there must be none of that name yet. Raises HarnessError.
        """
        ...

    def remove(self, name: str) -> None:
        """Remove the file; that it is not there is no error. Raises HarnessError."""
        ...

    def within(self, folder: str) -> Store:
        """The store of that name below this one."""
        ...

    def locked(self) -> AbstractContextManager[None]:
        """Nobody else changes it meanwhile. Only a folder can promise that: an object store
        must have a single writer."""
        ...

    def sweep(self) -> None:
        """Remove what writers that were killed left behind."""
        ...


def open_store(root: str | Path) -> Store:
    """The store at `root`: a path, or a `file://`, `s3://bucket/prefix` or `gs://…` URL.

    Raises UseError for a URL of another kind, or where the package for it is not installed.
    Nothing is contacted yet.
    """
    from harness.dataset.store.folder import Folder

    if isinstance(root, Path) or "://" not in root:
        return Folder(Path(root))
    parts = urlsplit(root)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path:
        return Folder(Path(unquote(parts.path)))
    if parts.scheme in {"s3", "gs"} and parts.netloc:
        from harness.dataset.store.bucket import Bucket  # fsspec: only where it is asked for

        return Bucket(parts.scheme, parts.netloc, parts.path.strip("/"))
    raise UseError(
        f"{root} is no place for a dataset",
        "give a folder, file:///path, s3://bucket/prefix or gs://bucket/prefix",
    )


def file_name(text: str) -> str:
    """`text` as a part of a file's name that every store takes."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)


def snapshot(store: Store) -> Mapping[str, Entry]:
    """The entries of `store` by name, of one moment.

    A listing is not one: a file that is written and one that it replaces can both be missed by a
    listing that passes between. Two equal ones after another miss nothing, since the second began
    when the first had ended. Raises HarnessError where the store never comes to rest.
    """
    before: tuple[Entry, ...] | None = None
    for _ in range(_LISTINGS):
        found = store.entries()
        if found == before:
            return {entry.name: entry for entry in found}
        before = found
    raise HarnessError(f"{store.url} changes all the time", "say it again when the others are done")
