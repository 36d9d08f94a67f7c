"""Which file of a derived table holds which run, so that each run is read once and from one file.

A table is a flat store of Parquet files of a versioned format. A file holds one run and bears its
name, or it is a compacted one that holds all runs of a host and month. Each says in its metadata
which runs it holds, with host, time and rows. While a compaction is under way, or after one was
killed, a run may be in several files. Then one rule decides, for everybody: of the files that
hold a run, the last by name counts. The name of a compacted file begins with `00-` and ends with
its generation; that of a run begins with its date. So a run that was written anew counts before
what was compacted, and a later compaction before an earlier one.

Knows no table's columns; reads and writes no rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

import polars as pl
from polars.datatypes import DataType

from harness.dataset.store import Entry, Store, Vanished, snapshot
from harness.errors import HarnessError

T = TypeVar("T")

SUFFIX = ".parquet"
COMPACTED = "00-"
_READERS = 16
"""Requests at a time to an object store, which answers each in milliseconds."""
_LOOKS = 20
_UNLOCKED = 5
"""How often to begin anew beside a writer before it has to wait for the reader."""


@dataclass(frozen=True, slots=True)
class Format:
    """A derived table: its `name`, its columns, the version of its files.

    `lacking` tells by earlier version which columns its files do not have, and what every row of
    that version would have there: those are read as if they had them. Files of another version
    are refused, never read as something they are not. `source` is which file of a run its rows are
    made of.
    """

    name: str
    version: int
    schema: Mapping[str, DataType]
    lacking: Mapping[int, Mapping[str, pl.Expr]] = field(default_factory=dict)
    source: str = "ledger"

    @property
    def versions(self) -> tuple[int, ...]:
        return tuple(sorted({*self.lacking, self.version}))


@dataclass(frozen=True, slots=True)
class Held:
    """What a file says of a run in it. `made_of` is of the ledger, or of whatever file the table
    is made of: its length in bytes and its sha256, None where that is not known."""

    host: str
    started: str
    rows: int
    made_of: tuple[int, str] | None = None


@dataclass(frozen=True, slots=True)
class File:
    """A file of a table. A `run` in `runs` is None where the file does not describe it."""

    store: Store
    entry: Entry
    version: int
    runs: Mapping[str, Held | None]

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def compacted(self) -> bool:
        return self.name.startswith(COMPACTED)

    @property
    def address(self) -> str:
        return self.store.address(self.name)

    @property
    def described(self) -> dict[str, Held]:
        """Its runs, where it describes every one; else empty."""
        found = {run: held for run, held in self.runs.items() if held is not None}
        return found if len(found) == len(self.runs) else {}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The files of a table at one moment, by name."""

    format: Format
    files: tuple[File, ...]

    @property
    def holders(self) -> dict[str, File]:
        """By run the file that counts."""
        return {run: file for file in self.files for run in file.runs}

    @property
    def counting(self) -> dict[str, tuple[File, frozenset[str]]]:
        """By address the files that count, each with the runs that are read of it."""
        runs: dict[str, set[str]] = {}
        for run, file in self.holders.items():
            runs.setdefault(file.address, set()).add(run)
        files = {file.address: file for file in self.files}
        return {at: (files[at], frozenset(runs[at])) for at in sorted(runs)}

    @property
    def stores(self) -> dict[str, Store]:
        """By URL those in which its files are."""
        return {file.store.url: file.store for file in self.files}

    @property
    def changed(self) -> bool:
        """Whether one of its files is not there any more, or is another one by now."""
        now = {(url, entry) for url, store in self.stores.items() for entry in store.entries()}
        return any((file.store.url, file.entry) not in now for file in self.files)

    @property
    def spare(self) -> tuple[File, ...]:
        """The files of which nothing is read: what a killed compaction left."""
        counting = self.counting
        return tuple(file for file in self.files if file.address not in counting)


def of_store(
    store: Store,
    format: Format,
    runs: Collection[str] | None = None,
    passed_over: list[HarnessError] | None = None,
) -> Catalogue:
    """The catalogue of the Parquet files of `store`; of those alone that may hold `runs`.

    Raises HarnessError where the store cannot be read, and where one of the files is not Parquet
    or not of this table; where `passed_over` is given, such files are left out and told there.
    """
    for _ in range(_LOOKS):
        entries = _candidates(snapshot(store), runs)
        files: list[File] = []
        refused: list[HarnessError] = []
        for found in _described(store, entries, format):
            if isinstance(found, File):
                files.append(found)
            else:
                refused.append(found)
        if any(isinstance(error, Vanished) for error in refused):
            continue
        if refused and passed_over is None:
            raise refused[0]
        if passed_over is not None:
            passed_over += refused
        return Catalogue(format, tuple(files))
    raise HarnessError(f"{store.url} changes all the time", "say it again when the others are done")


def at_one_moment(look: Callable[[], Catalogue], make: Callable[[Catalogue], T]) -> T:
    """What `make` makes of the rows of what `look` finds, those of one moment though files may be
    merged or written anew meanwhile: then it is made anew.

    A writer that is never done could take away the files of every look. After some, a folder is
    read under its lock, so the next does come to its end; an object store has no lock.

    Raises what `look` raises, what `make` raises of files that are still there (OSError or
    PolarsError where they cannot be read), and HarnessError where they changed every time.
    """
    stores: dict[str, Store] = {}
    for turn in range(_UNLOCKED + 1):
        with ExitStack() as locks:
            if turn == _UNLOCKED:
                for url in sorted(stores):
                    locks.enter_context(stores[url].locked())
            found = look()
            try:
                return make(found)
            except (OSError, pl.exceptions.PolarsError):
                if not found.changed:
                    raise
            stores = found.stores
    raise HarnessError("the dataset changes all the time", "say it again when it is at rest")


def name_of(run: str) -> str:
    """The name of the file that holds just `run`."""
    return f"{run}{SUFFIX}"


def metadata(version: int, runs: Mapping[str, Held], source: str = "ledger") -> dict[str, str]:
    """What a file that holds `runs` says of itself, for `polars.DataFrame.write_parquet`."""
    told: dict[str, dict[str, object]] = {}
    for run, held in runs.items():
        told[run] = {"host": held.host, "started": held.started, "rows": held.rows}
        if held.made_of is not None:
            size, digest = held.made_of
            told[run] |= {f"{source}_bytes": size, f"{source}_sha256": digest}
    return {"schema_version": str(version), "runs": json.dumps(told, ensure_ascii=False)}


def _candidates(found: Mapping[str, Entry], runs: Collection[str] | None) -> list[Entry]:
    """The Parquet files; for `runs` their own ones, and compacted ones where one has none."""
    parquet = [entry for name, entry in sorted(found.items()) if name.endswith(SUFFIX)]
    if runs is None:
        return parquet
    own = {name_of(run) for run in runs}
    if own <= found.keys():
        return [entry for entry in parquet if entry.name in own]
    return [e for e in parquet if e.name in own or e.name.startswith(COMPACTED)]


def _described(store: Store, entries: list[Entry], format: Format) -> list[File | HarnessError]:
    def one(entry: Entry) -> File | HarnessError:
        try:
            return _file(store, entry, format)
        except HarnessError as error:
            return error

    if store.options is None:
        return [one(entry) for entry in entries]
    with ThreadPoolExecutor(max_workers=_READERS) as pool:
        return list(pool.map(one, entries))


def _file(store: Store, entry: Entry, format: Format) -> File:
    address = store.address(entry.name)
    said = _metadata(store, entry, format.source)
    told = said.get("schema_version")
    known = format.versions
    if told is None or not told.isdecimal() or int(told) not in known:
        what = f"version {told}" if told is not None else "no version"
        raise HarnessError(
            f"{address} has {what} of the {format.name} format; this baremark knows "
            f"{', '.join(map(str, known))}",
            f"delete the file to have it built again from the run's {format.source}, use the "
            "baremark that wrote it, or move it elsewhere if it is not Baremark's",
        )
    stem = entry.name.removesuffix(SUFFIX)
    return File(
        store, entry, int(told), _runs(said.get("runs"), address, format.source) or {stem: None}
    )


def _runs(text: str | None, address: str, source: str) -> dict[str, Held | None]:
    """What the metadata tell of the runs; empty where they tell nothing, as they once did."""
    if text is None:
        return {}
    try:
        found: dict[str, dict[str, Any]] = json.loads(text)
        return {
            run: Held(
                host=str(told["host"]),
                started=str(told["started"]),
                rows=int(told["rows"]),
                made_of=(int(told[f"{source}_bytes"]), str(told[f"{source}_sha256"]))
                if f"{source}_bytes" in told
                else None,
            )
            for run, told in found.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HarnessError(
            f"{address} does not say which runs it holds: {error}",
            f"delete it: it is built again from the {source}s",
        ) from None


def _metadata(store: Store, entry: Entry, source: str) -> dict[str, str]:
    address = store.address(entry.name)
    try:
        if store.options is None:
            return pl.read_parquet_metadata(address)
        return pl.read_parquet_metadata(address, storage_options=store.options)
    except (OSError, pl.exceptions.PolarsError) as error:
        refuse_vanished(store, entry, error)
        if isinstance(error, OSError):
            raise HarnessError(
                f"cannot read {address}: {error.strerror or error}",
                "check the path and its permissions",
            ) from None
        raise HarnessError(
            f"{address} is not a Parquet file, or only a part of one: {error}",
            f"delete it: it is built again from the run's {source}",
        ) from None


def refuse_vanished(store: Store, entry: Entry, error: Exception) -> None:
    """Raise Gone where the file is not there any more, or is another one by now."""
    if entry not in store.entries():
        raise Vanished(f"{store.address(entry.name)} is gone: {error}", "say it again") from None
