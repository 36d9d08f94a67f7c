"""The rows that a catalogue counts, lazily: each run once, whatever the files are.

Files of an earlier version are read as if they had been written in this one, where that is exact
(`harness.dataset.catalogue.Format`). Works for every derived table; reads nothing by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from harness.dataset.catalogue import Catalogue, File, Format, Held, refuse_vanished
from harness.errors import HarnessError


@dataclass(frozen=True, slots=True)
class Part:
    """What is read of one file: its rows of `runs`, and of `hosts` alone where they are given.
    `whole` tells that this is all of it."""

    file: File
    runs: frozenset[str]
    whole: bool
    hosts: tuple[str, ...] | None = None


def parts(catalogue: Catalogue, runs: Collection[str] | None = None) -> list[Part]:
    """What is to be read for the runs of `catalogue`, or for those of them that are in `runs`."""
    found = []
    for file, counting in catalogue.counting.values():
        asked = counting if runs is None else counting & frozenset(runs)
        if asked:
            found.append(Part(file, asked, whole=len(asked) == len(file.runs)))
    return found


def scan(format: Format, wanted: Sequence[Part]) -> pl.LazyFrame:
    """The rows of `wanted`, of which there must be some, with the columns of `format`."""
    plain: list[File] = []
    others: list[Part] = []
    for piece in wanted:
        if piece.whole and piece.file.version == format.version:
            plain.append(piece.file)
        else:
            others.append(piece)
    frames = [_scanned(plain)] if plain else []
    frames += [_filtered(_migrated(piece.file, format), piece, format) for piece in others]
    return frames[0] if len(frames) == 1 else pl.concat(frames)


def by_host(wanted: Sequence[Part], most_rows: int) -> list[list[Part]]:
    """`wanted` in groups of whole hosts in the order of their names.

    A group has at most `most_rows` rows, or is one host; it has only files that hold its hosts.
    Where everything fits into one group nothing is cut.
    """
    held = _held(wanted)
    if sum(rows for of_file in held for rows in of_file.values()) <= most_rows:
        return [list(wanted)]
    rows_of: dict[str, int] = {}
    for of_file in held:
        for host, rows in of_file.items():
            rows_of[host] = rows_of.get(host, 0) + rows
    groups: list[list[str]] = []
    room = 0
    for host in sorted(rows_of):
        if not groups or rows_of[host] > room:
            groups.append([])
            room = most_rows
        groups[-1].append(host)
        room -= rows_of[host]
    return [_cut(wanted, held, frozenset(group)) for group in groups]


def _held(wanted: Sequence[Part]) -> list[dict[str, int]]:
    """For each piece its rows by host; the files that do not tell are looked into."""
    silent = [piece for piece in wanted if not piece.file.described]
    seen: dict[str, dict[str, int]] = {piece.file.address: {} for piece in silent}
    if silent:
        query = _scanned([piece.file for piece in silent], path="file")
        found = query.group_by("file", "host").len("rows")
        text = found.with_columns(pl.col("host").cast(pl.String)).collect(engine="streaming")
        for file, host, rows in text.select("file", "host", "rows").iter_rows():
            seen[file][host] = rows
    return [_told(piece) if piece.file.described else seen[piece.file.address] for piece in wanted]


def _told(piece: Part) -> dict[str, int]:
    rows: dict[str, int] = {}
    for run, held in piece.file.described.items():
        if run in piece.runs:
            rows[held.host] = rows.get(held.host, 0) + held.rows
    return rows


def _cut(
    wanted: Sequence[Part], held: Sequence[Mapping[str, int]], hosts: frozenset[str]
) -> list[Part]:
    """The part of `wanted` that is of `hosts`."""
    found = []
    for piece, rows in zip(wanted, held, strict=True):
        if rows.keys() <= hosts:
            if rows:
                found.append(piece)
        elif rows.keys() & hosts:
            theirs = tuple(sorted(rows.keys() & hosts))
            found.append(replace(piece, whole=False, hosts=theirs))
    return found


def _scanned(files: Sequence[File], path: str | None = None) -> pl.LazyFrame:
    addresses = [file.address for file in files]
    options = files[0].store.options
    return pl.scan_parquet(
        addresses,
        glob=False,
        hive_partitioning=False,
        storage_options=None if options is None else dict(options),
        include_file_paths=path,
    )


def _migrated(file: File, format: Format) -> pl.LazyFrame:
    frame = _scanned([file])
    if file.version == format.version:
        return frame
    lacking = [of.alias(name) for name, of in format.lacking[file.version].items()]
    version = pl.lit(format.version).cast(format.schema["schema_version"]).alias("schema_version")
    return frame.with_columns(version, *lacking).select(list(format.schema))


def _filtered(frame: pl.LazyFrame, piece: Part, format: Format) -> pl.LazyFrame:
    if len(piece.runs) < len(piece.file.runs):
        frame = frame.filter(_one_of("run", sorted(piece.runs), format))
    if piece.hosts is not None:
        frame = frame.filter(_one_of("host", piece.hosts, format))
    return frame


def _one_of(column: str, names: Collection[str], format: Format) -> pl.Expr:
    """Compared as the codes that they are stored as."""
    values = pl.Series(list(names)).cast(format.schema[column])
    return pl.col(column).is_in(values.implode())


def describe(file: File) -> dict[str, Held]:
    """The runs of `file`, from what it says or, where it says nothing, from its rows; empty where
    it does not hold the one run whose name it bears.

    Raises Gone where it has vanished, HarnessError where it cannot be read.
    """
    if file.described:
        return file.described
    try:
        found = (
            _scanned([file])
            .group_by(pl.col("run").cast(pl.String), pl.col("host").cast(pl.String))
            .agg(pl.col("started").first().dt.convert_time_zone("UTC"), pl.len().alias("rows"))
            .collect(engine="streaming")
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise unreadable(file, error) from None
    told = {
        str(run): Held(str(host), started.isoformat(), rows)
        for run, host, started, rows in found.select("run", "host", "started", "rows").iter_rows()
    }
    return told if told.keys() == file.runs.keys() else {}


def unreadable(file: File, error: Exception) -> HarnessError:
    """The error of a file whose rows cannot be read. Raises Gone where it has vanished."""
    refuse_vanished(file.store, file.entry, error)
    return HarnessError(
        f"cannot read the rows of {file.address}: {error}",
        "delete it, and have it built again from the ledger: baremark dataset build",
    )
