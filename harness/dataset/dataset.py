"""Runs as Parquet: one immutable file a run, a row for each trial × declared metric.

The dataset is derived: it can be deleted and built again from the ledgers alone. Its columns
stand in `samples`. It lies in the folder of results, or wherever else polars can read (`store`);
files of runs that were merged (`compaction`) read as those of runs do.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import polars as pl

from harness.dataset import catalogue
from harness.dataset import scan as dataset_scan
from harness.dataset.catalogue import Catalogue, File
from harness.dataset.samples import FORMAT, held
from harness.dataset.samples import SCHEMA as SCHEMA
from harness.dataset.samples import SCHEMA_VERSION as SCHEMA_VERSION
from harness.dataset.samples import frame as frame
from harness.dataset.store import Store, open_store
from harness.dataset.store.folder import Folder
from harness.errors import HarnessError, UseError
from harness.model.run import Run

Source = Path | str | Store
"""A folder; a URL or a path as text; a store."""
T = TypeVar("T")

BATCH_ROWS = 4_000_000
"""Rows that are analysed at a time: half a GiB of memory."""


def write(run: Run, results: Path, ledger: tuple[int, str] | None = None) -> Path:
    """Write `run` to `<results>/dataset/<run id>.parquet` and return that path.

    A file of the same run is replaced as a whole, never changed in place. `ledger` is what
    `ledger_of` said of the run's folder before it was read. Raises HarnessError where the folder
    cannot be written; no partial file is left then.
    """
    folder = Folder(results / "dataset")
    return folder.path / put(run, folder, ledger)


def put(run: Run, store: Store, ledger: tuple[int, str] | None = None) -> str:
    """Write `run` to `store`, as `write` does; return the name of its file."""
    return _put(run, frame(run), store, ledger)


def _put(run: Run, rows: pl.DataFrame, store: Store, ledger: tuple[int, str] | None) -> str:
    name = catalogue.name_of(run.manifest.run)
    told = catalogue.metadata(SCHEMA_VERSION, {run.manifest.run: held(run, rows.height, ledger)})
    buffer = io.BytesIO()
    rows.write_parquet(buffer, metadata=told)
    with store.locked():
        store.write(name, buffer.getvalue())
    return name


def ledger_of(folder: Path) -> tuple[int, str] | None:
    """Length and sha256 of the ledger of a run; None where it has none that can be read."""
    try:
        data = (folder / "ledger.jsonl").read_bytes()
    except OSError:
        return None
    return len(data), hashlib.sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class Built:
    """What came of bringing a dataset up to date: the runs that were written, those that were
    up to date, and what kept others from being so, with the folder of each run or of the file.
    `holders` is where the runs were before."""

    written: tuple[str, ...]
    kept: tuple[str, ...]
    troubles: tuple[tuple[Path, HarnessError], ...]
    holders: Mapping[str, File]


def build(
    results: Path,
    read_run: Callable[[Path], Run],
    refused: Callable[[Path, HarnessError], None] | None = None,
) -> list[Path]:
    """Bring the dataset of `results` up to date with its ledgers; return the files in which its
    runs are, sorted.

    A run is read (by `read_run`, from its folder) and written only where the dataset does not
    hold it as its ledger is. A run that cannot be read is told to `refused` with its folder, and
    left out; without `refused` the first such error is raised once the others are written. Raises
    HarnessError where the dataset cannot be read or written.
    """
    folder = Folder(results / "dataset")
    built = update(results, folder, read_run)
    for place, error in built.troubles:
        if refused is None:
            raise error
        refused(place, error)
    holders = built.holders
    if built.written:
        holders = catalogue.of_store(folder, FORMAT, passed_over=[]).holders
    return sorted({folder.path / holders[run].name for run in (*built.written, *built.kept)})


def update(
    results: Path,
    store: Store,
    read_run: Callable[[Path], Run],
    *,
    check: bool = False,
) -> Built:
    """Bring the dataset in `store` up to date with the ledgers of `results`.

    A ledger is only ever appended to, so one of the length that the dataset knows is the one it
    knows; with `check` the sha256 is compared as well. A run that cannot be read is told, and
    costs the others nothing. Raises HarnessError where `store` cannot be read or written.
    """
    unread: list[HarnessError] = []
    holders = catalogue.of_store(store, FORMAT, passed_over=unread).holders
    written: list[str] = []
    kept: list[str] = []
    troubles: list[tuple[Path, HarnessError]] = []
    for folder in _runs(results):
        file = holders.get(folder.name)
        if file is not None and _fresh(file, folder, check):
            kept.append(folder.name)
            continue
        ledger = ledger_of(folder)
        try:
            run = read_run(folder)
            _require_own(run, folder)
            rows = frame(run)
        except HarnessError as error:
            troubles.append((folder, error))
            continue
        _put(run, rows, store, ledger)
        written.append(folder.name)
    if unread:  # those that bear the name of a run are written anew by now
        again: list[HarnessError] = []
        catalogue.of_store(store, FORMAT, passed_over=again)
        troubles += [(results / "dataset", error) for error in again]
    return Built(tuple(written), tuple(kept), tuple(troubles), holders)


def look(source: Source, runs: Collection[str] | None = None) -> Catalogue:
    """Which files hold which runs. `runs` limits that to files that may hold them.

    Raises UseError where there is nothing to read, and HarnessError where one of `runs` is not
    there, where a file is not Parquet, and where one was written in a version of the format that
    is not known.
    """
    store = _opened(source)
    found = catalogue.of_store(store, FORMAT, runs)
    lacking = sorted(frozenset(runs or ()) - found.holders.keys())
    if lacking:
        raise HarnessError(
            f"the dataset does not hold run {', '.join(lacking)}",
            "baremark dataset ls names the runs; baremark dataset build adds what is missing",
        )
    if not found.files:
        raise UseError(
            f"there is no dataset file in {store.url}",
            "measure first with `baremark run`, or give the folder that holds the runs",
        )
    return found


def stored(source: Path | str, run: str) -> tuple[str, pl.DataFrame] | None:
    """Where the rows of `run` are, and what they are, in the order of its ledger; None where the
    dataset does not hold it. Raises HarnessError where its file cannot be read."""
    file = catalogue.of_store(open_store(source), FORMAT, [run]).holders.get(run)
    if file is None:
        return None
    piece = dataset_scan.Part(file, frozenset({run}), whole=len(file.runs) == 1)
    try:
        return file.address, dataset_scan.scan(FORMAT, [piece]).collect()
    except (OSError, pl.exceptions.PolarsError) as error:
        raise dataset_scan.unreadable(file, error) from None


def read(
    source: Source,
    make: Callable[[list[pl.LazyFrame]], T],
    runs: Collection[str] | None = None,
    most_rows: int = BATCH_ROWS,
) -> T:
    """What `make` makes of the rows of `source`, or of its `runs` alone; made anew where files
    were merged meanwhile, so that the rows are always those of one moment, each run once.

    The rows are lazy, in parts of whole hosts in the order of their names. A part has at most
    `most_rows` rows, or is one host. It reads only the files that hold its hosts, so files of one
    host, or of neighbours, are read once.

    Raises what `look` raises, and HarnessError where the rows cannot be read.
    """
    store = _opened(source)
    try:
        return catalogue.at_one_moment(
            lambda: look(store, runs), lambda found: make(_batches(found, runs, most_rows))
        )
    except (OSError, pl.exceptions.ComputeError) as error:
        raise HarnessError(
            f"cannot read the rows of {store.url}: {error}",
            "baremark dataset build writes anew what is damaged, if it is deleted first",
        ) from error


def _opened(source: Source) -> Store:
    return open_store(source) if isinstance(source, str | Path) else source


def _batches(found: Catalogue, runs: Collection[str] | None, most_rows: int) -> list[pl.LazyFrame]:
    groups = dataset_scan.by_host(dataset_scan.parts(found, runs), most_rows)
    return [dataset_scan.scan(FORMAT, group) for group in groups]


def _runs(results: Path) -> Iterator[Path]:
    """The folders of runs, oldest first; a hidden one is not finished."""
    for manifest in sorted((results / "runs").glob("[!.]*/manifest.json")):
        yield manifest.parent


def _require_own(run: Run, folder: Path) -> None:
    if run.manifest.run != folder.name:
        raise HarnessError(
            f"{folder} holds the run {run.manifest.run}: it is a copy, or was renamed",
            "give the folder the name of its run, or move it elsewhere",
        )


def _fresh(file: File, folder: Path, check: bool) -> bool:
    """Whether `file` holds the run of `folder` as its ledger is."""
    if file.version != SCHEMA_VERSION:
        return False
    try:
        seen = (folder / "ledger.jsonl").stat()
    except OSError:
        return True  # there is nothing to make another one of
    changed_ns = file.entry.changed_ns
    newer = not file.compacted and changed_ns is not None and changed_ns > seen.st_mtime_ns
    told = file.runs[folder.name]
    if told is None or told.made_of is None:
        return newer
    if told.made_of[0] != seen.st_size:
        return False
    by_length = newer or file.compacted or changed_ns is None
    return (by_length and not check) or ledger_of(folder) == told.made_of
