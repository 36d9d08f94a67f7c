"""Runs as Parquet: one immutable file a run, a row for each trial × declared metric.

The dataset is derived: it can be deleted and built again from the ledgers alone. It adds
nothing to them and computes nothing; it only gives them types and columns, so that any engine
that reads Parquet can scan years of runs. A trial that is not ok, and a metric that an ok trial
did not yield, have a null value: missing is missing, never 0.
"""

from __future__ import annotations

import io
import math
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from polars.datatypes import DataType

from harness.errors import HarnessError
from harness.model import Run, Trial

SCHEMA_VERSION = 3
# History of the format. A change that an older reader would misread gets a new number.
#   1  first version
#   2  control: native's second trial in each block, a target of its own
#   3  imported: figures that Baremark did not measure, never to be pooled with its own


def _names(column: str) -> pl.Categorical:
    """Text with few distinct values: dictionary-encoded, each column in a dictionary of its own."""
    return pl.Categorical(pl.Categories(f"baremark.{column}"))


SCHEMA: dict[str, DataType] = {
    "schema_version": pl.UInt16(),
    "run": _names("run"),
    "started": pl.Datetime("us", "UTC"),
    "scenario": _names("scenario"),
    "preset": _names("preset"),
    "host": _names("host"),
    "target": _names("target"),
    "backend": _names("backend"),
    "class": _names("class"),
    "label": _names("label"),
    "native": pl.Boolean(),
    "control": pl.Boolean(),
    "nested": pl.Boolean(),
    "imported": pl.Boolean(),
    "workload": _names("workload"),
    "workload_version": pl.UInt32(),
    "title": _names("title"),
    "resource": _names("resource"),
    "metric": _names("metric"),
    "metric_index": pl.UInt16(),
    "unit": _names("unit"),
    "better": _names("better"),
    "block": pl.UInt32(),
    "position": pl.UInt32(),
    "trial": pl.String(),
    "status": _names("status"),
    "value": pl.Float64(),
    "controller_s": pl.Float64(),
    "guest_s": pl.Float64(),
}
"""The columns. `started` is the run's `created_at`; `native` marks the baseline of the host,
`control` native's second trial in a block, whose `target` is named apart from native's;
`metric_index` is the metric's place in its workload, 0 being the headline; `value` is in `unit`;
`controller_s` and `guest_s` are seconds. `nested` null means "not observable". `imported` marks
what Baremark did not measure: its `started` is when it was imported, its `preset` and
`position` are null."""


BATCH_ROWS = 4_000_000
"""Rows that are analysed at a time: half a GiB of memory."""


def frame(run: Run) -> pl.DataFrame:
    """The rows of `run`, in the order of its ledger, with the columns of `SCHEMA`.

    Raises HarnessError where the ledger names a workload or target that the manifest lacks, or
    a sample's unit is not the declared one.
    """
    return pl.DataFrame(list(_rows(run)), schema=SCHEMA, orient="row")


def write(run: Run, results: Path) -> Path:
    """Write `run` to `<results>/dataset/<run id>.parquet` and return that path.

    A file of the same run is replaced as a whole, never changed in place. Raises HarnessError
    where the folder cannot be written; no partial file is left then.
    """
    buffer = io.BytesIO()
    frame(run).write_parquet(buffer, metadata={"schema_version": str(SCHEMA_VERSION)})
    path = _file(results, run.manifest.run)
    replace_file(path, buffer.getvalue())
    return path


def build(
    results: Path,
    read_run: Callable[[Path], Run],
    refused: Callable[[Path, HarnessError], None] | None = None,
) -> list[Path]:
    """Bring the dataset of `results` up to date with its ledgers; return all its files, sorted.

    A run is read (by `read_run`, from its folder) and written only where its file is missing or
    older than the ledger. What `read_run` and `write` raise of a run is told to `refused` with its
    folder, and the run left out; without `refused` it is raised.
    """
    paths = []
    for folder in sorted((results / "runs").glob("*/")):
        if not (folder / "manifest.json").is_file():
            continue
        path = _file(results, folder.name)
        try:
            if _stale(path, folder / "ledger.jsonl"):
                path = write(read_run(folder), results)
        except HarnessError as error:
            if refused is None:
                raise
            refused(folder, error)
        else:
            paths.append(path)
    return sorted(paths)


def scan(source: Path | Sequence[Path]) -> pl.LazyFrame:
    """The rows of a folder of dataset files, of one file, or of several, read lazily.

    Raises HarnessError where there is nothing to read, where a file is not Parquet, and where
    one was written in another version of the format.
    """
    return pl.scan_parquet(_checked(source))


def batches(source: Path | Sequence[Path], most_rows: int = BATCH_ROWS) -> list[pl.LazyFrame]:
    """The rows of `scan`, in parts of whole hosts in the order of their names.

    A part has at most `most_rows` rows, or is one host. It reads only the files that hold its
    hosts, so files of one host, or of neighbours, are read once. Raises what `scan` raises.
    """
    paths = _checked(source)
    held = (
        pl.scan_parquet(paths, include_file_paths="file")
        .group_by("file", "host")
        .len("rows")
        .with_columns(pl.col("host").cast(pl.String))
        .collect(engine="streaming")
    )
    if held["rows"].sum() <= most_rows:
        return [pl.scan_parquet(paths)]
    groups: list[list[str]] = []
    room = 0
    for host, rows in held.group_by("host").agg(pl.col("rows").sum()).sort("host").iter_rows():
        if not groups or rows > room:
            groups.append([])
            room = most_rows
        groups[-1].append(host)
        room -= rows
    return [_part(held, hosts) for hosts in groups]


def _part(held: pl.DataFrame, hosts: Sequence[str]) -> pl.LazyFrame:
    """All rows of `hosts`; `held` tells by `file` and `host` where they are."""
    theirs = held.filter(pl.col("host").is_in(hosts))
    files: list[str] = theirs["file"].unique().sort().to_list()
    part = pl.scan_parquet(files)
    if held.filter(pl.col("file").is_in(files)).height == theirs.height:
        return part
    return part.filter(pl.col("host").is_in(pl.Series(hosts).cast(SCHEMA["host"]).implode()))


def _checked(source: Path | Sequence[Path]) -> list[Path]:
    """The files of `source`, each of this version of the format; raises what `scan` raises."""
    if isinstance(source, Path):
        paths = sorted(source.glob("*.parquet")) if source.is_dir() else [source]
    else:
        paths = list(source)
    if not paths:
        raise HarnessError(
            f"there is no dataset file in {source}",
            "measure first with `baremark run`, or give the folder that holds the runs",
        )
    for path in paths:
        _check_version(path)
    return paths


def replace_file(path: Path, data: bytes) -> None:
    """Make `path` hold `data`, as a whole or not at all: temporary name, fsync, rename.

    Raises HarnessError naming the folder where it cannot be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        temporary.replace(path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        raise HarnessError(
            f"cannot write {path.name} in {path.parent}: {error.strerror or error}",
            "free space there or make the folder writable, or name another folder; "
            "the runs themselves are untouched",
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file(results: Path, run: str) -> Path:
    return results / "dataset" / f"{run}.parquet"


def _stale(path: Path, ledger: Path) -> bool:
    if not path.is_file() or _version(path) != str(SCHEMA_VERSION):
        return True
    return ledger.is_file() and ledger.stat().st_mtime_ns >= path.stat().st_mtime_ns


def _version(path: Path) -> str | None:
    """The version of the format that `path` says it has; None where it says nothing."""
    try:
        return pl.read_parquet_metadata(path).get("schema_version")
    except OSError as error:
        raise HarnessError(
            f"cannot read {path}: {error.strerror or error}", "check the path and its permissions"
        ) from error
    except pl.exceptions.PolarsError as error:
        raise HarnessError(
            f"{path} is not a Parquet file: {error}",
            "delete it: it is built again from the run's ledger",
        ) from error


def _check_version(path: Path) -> None:
    found = _version(path)
    if found != str(SCHEMA_VERSION):
        said = f"version {found}" if found is not None else "no version"
        raise HarnessError(
            f"{path} has {said} of the dataset format; this baremark knows {SCHEMA_VERSION}",
            "delete the file to have it built again from the run's ledger, "
            "or use the baremark that wrote it",
        )


def _rows(run: Run) -> Iterator[tuple[Any, ...]]:
    manifest = run.manifest
    started = datetime.fromisoformat(manifest.created_at)
    workloads = {workload.name: workload for workload in manifest.workloads}
    targets = {record.target.name: record for record in manifest.targets}
    for trial in run.trials:
        if trial.workload not in workloads or trial.target not in targets:
            raise HarnessError(
                f"trial {trial.id} of run {manifest.run} names workload {trial.workload} on "
                f"target {trial.target}, which the run's manifest does not declare",
                "the manifest and the ledger are not of the same run: restore the folder",
            )
        workload = workloads[trial.workload]
        record = targets[trial.target]
        seen = record.fingerprint
        values = _values(trial, {metric.name: metric.unit for metric in workload.metrics})
        for index, metric in enumerate(workload.metrics):
            yield (
                SCHEMA_VERSION,
                manifest.run,
                started,
                trial.scenario,
                manifest.preset if manifest.imported is None else None,
                trial.host,
                trial.arm,
                record.target.backend,
                str(seen.backend_class),
                seen.label,
                record.target.native and not trial.control,
                trial.control,
                seen.nested,
                manifest.imported is not None,
                workload.name,
                workload.version,
                workload.title,
                str(workload.resource),
                metric.name,
                index,
                metric.unit,
                metric.better,
                trial.block,
                trial.position if manifest.imported is None else None,
                trial.id,
                str(trial.status),
                values.get(metric.name),
                trial.controller_s,
                trial.guest_s,
            )


def _values(trial: Trial, units: dict[str, str]) -> dict[str, float]:
    """The values of an ok trial by metric; a value that is no finite number is missing."""
    if trial.status != "ok":
        return {}
    for sample in trial.samples:
        if sample.metric in units and sample.unit != units[sample.metric]:
            raise HarnessError(
                f"trial {trial.id} gives {sample.metric} in {sample.unit}, but its workload "
                f"{trial.workload} declares {units[sample.metric]}",
                "correct the unit in the workload file, raise its version, and measure again",
            )
    return {sample.metric: sample.value for sample in trial.samples if math.isfinite(sample.value)}
