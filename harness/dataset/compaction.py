"""Many small files of a table made few: one a host and month, without a moment of doubt.

The steps, in an order in which every prefix leaves a table that reads the same: the merged file
is written whole, under a name that counts before the compacted ones that it was made of; then
those, and the runs' own files, which count before it and hold the same rows, are removed one by
one. Killed in between, the next compaction takes what is left as it takes anything else.

In a folder the last step is made under its lock, and only if nothing that was read has been
replaced since, so `build` may run at the same time. An object store must have one writer.

Works for every derived table whose files have the columns `run`, `host` and `started`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from harness.dataset import catalogue, scan
from harness.dataset.catalogue import COMPACTED, SUFFIX, Catalogue, File, Format, Held
from harness.dataset.store import Store, Vanished, file_name
from harness.errors import HarnessError

_ATTEMPTS = 5
"""How often to read a group anew because its files were written meanwhile."""
_GENERATIONS = 6
"""Digits of the number at the end of a compacted file's name, so that names sort as numbers do."""
COMPRESSION_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Group:
    """The files that become one: all that hold runs of `host` that began in `month` (`2026-11`,
    UTC) and nothing else. `runs` are those that count."""

    host: str
    month: str
    files: tuple[File, ...]
    runs: Mapping[str, Held]

    @property
    def bytes(self) -> int:
        return sum(file.entry.bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Merged:
    """What one group became: the file `name`, and what went."""

    host: str
    month: str
    name: str
    files: int
    runs: int
    rows: int
    bytes_before: int
    bytes_after: int


def groups(found: Catalogue) -> list[Group]:
    """What is worth merging: the groups that have more than one file.

    A file of several hosts or months is none of ours and stays as it is. Raises HarnessError
    where a file that does not describe its runs cannot be read.
    """
    members: dict[tuple[str, str], list[tuple[File, dict[str, Held]]]] = {}
    for file in found.files:
        told = scan.describe(file)
        keys = {(held.host, month_of(held.started)) for held in told.values()}
        if len(keys) == 1:
            members.setdefault(keys.pop(), []).append((file, told))
    holders = found.holders
    made = []
    for (host, month), files in sorted(members.items()):
        runs = {
            run: held for file, told in files for run, held in told.items() if holders[run] is file
        }
        if len(files) > 1 and runs:
            made.append(Group(host, month, tuple(file for file, _ in files), runs))
    return made


def month_of(started: str) -> str:
    """The month of a time of day in ISO 8601, in UTC: `2026-11`."""
    return f"{datetime.fromisoformat(started).astimezone(UTC):%Y-%m}"


def compact(
    store: Store, format: Format, told: Callable[[Merged], None] = lambda _: None
) -> list[Merged]:
    """Merge the files of `store` by host and month; say each as it is done.

    Can be said again at any time, and killed at any time. Raises HarnessError where the store
    cannot be read or written, and where a file does not hold what it says.
    """
    store.sweep()
    done = []
    for planned in _groups(store, format):
        merged = _merge(store, format, planned)
        if merged is not None:
            done.append(merged)
            told(merged)
    return done


def _groups(store: Store, format: Format) -> list[Group]:
    """`groups` of the store as it is now, while others may be writing there."""
    for _ in range(_ATTEMPTS):
        try:
            return groups(catalogue.of_store(store, format))
        except Vanished:
            continue
    raise HarnessError(f"{store.url} changes all the time", "compact when nothing is written there")


def _merge(store: Store, format: Format, planned: Group) -> Merged | None:
    """Make one file of the group as it is now; None where there is nothing left to merge."""
    group: Group | None = planned
    for _ in range(_ATTEMPTS):
        if group is None:
            return None
        try:
            rows = _rows(group, format)
            with store.locked():
                merged = _replace(store, group, rows)
        except Vanished:
            merged = None
        if merged is not None:
            return merged
        group = _again(store, format, planned)
    with store.locked():  # so much is written here that reading must be under the lock too
        group = _again(store, format, planned)
        if group is None:
            return None
        merged = _replace(store, group, _rows(group, format))
    if merged is None:
        raise HarnessError(
            f"the files of {planned.host} of {planned.month} in {store.url} change all the time",
            "an object store must have one writer at a time: compact when nothing is written there",
        )
    return merged


def _again(store: Store, format: Format, planned: Group) -> Group | None:
    """The group as it is now; None where it is one file."""
    for group in _groups(store, format):
        if (group.host, group.month) == (planned.host, planned.month):
            return group
    return None


def _rows(group: Group, format: Format) -> tuple[bytes, Mapping[str, Held]]:
    """The merged file's content, runs in the order of their time, and what it holds."""
    order = sorted(group.runs, key=lambda run: (group.runs[run].started, run))
    wanted = Catalogue(format, group.files)
    by_run: dict[str, pl.DataFrame] = {}
    for piece in scan.parts(wanted):
        by_run |= _by_run(piece, format)
    frames: list[pl.DataFrame] = []
    holds: dict[str, Held] = {}
    for run in order:
        said = group.runs[run]
        found = by_run.get(run)
        holds[run] = said
        if found is None and said.rows == 0:
            continue
        if found is None or found.height != said.rows:
            raise HarnessError(
                f"{wanted.holders[run].address} says that it holds {said.rows} rows of {run}, and "
                f"holds {0 if found is None else found.height}",
                "delete it, and have it built again from the ledger: baremark dataset build",
            )
        frames.append(found)
    buffer = io.BytesIO()
    whole_frame = pl.concat(frames) if frames else _empty(wanted, format)
    whole_frame.write_parquet(
        buffer,
        compression_level=COMPRESSION_LEVEL,
        metadata=catalogue.metadata(format.version, holds, format.source),
    )
    return buffer.getvalue(), holds


def _by_run(piece: scan.Part, format: Format) -> dict[str, pl.DataFrame]:
    try:
        rows = scan.scan(format, [piece]).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise scan.unreadable(piece.file, error) from None
    split = rows.partition_by("run", maintain_order=True, as_dict=True)
    return {str(run): part for (run,), part in split.items()}


def _empty(wanted: Catalogue, format: Format) -> pl.DataFrame:
    return scan.scan(format, scan.parts(wanted)).collect()


def _replace(store: Store, group: Group, made: tuple[bytes, Mapping[str, Held]]) -> Merged | None:
    """Write the merged file and remove what it was made of; None, and nothing is changed, where
    any of that has been replaced since it was read. The caller holds the lock of the store."""
    data, holds = made
    now = store.find([file.name for file in group.files])
    if any(now.get(file.name) != file.entry for file in group.files):
        return None
    name = _name(store, group)
    store.write(name, data, new=True)
    for file in group.files:
        store.remove(file.name)
    return Merged(
        group.host,
        group.month,
        name,
        len(group.files),
        len(holds),
        sum(held.rows for held in holds.values()),
        group.bytes,
        len(data),
    )


def _name(store: Store, group: Group) -> str:
    """A name after those of the group's compacted files, and never that of a file that is there."""
    stem = f"{COMPACTED}{file_name(group.host)}-{group.month}."
    older = [
        file.name.removesuffix(SUFFIX).rpartition(".")[2] for file in group.files if file.compacted
    ]
    number = 1 + max((int(each) for each in older if each.isdecimal()), default=0)
    while store.find([name := f"{stem}{number:0{_GENERATIONS}}{SUFFIX}"]):
        number += 1
    return name
