"""What each run observed of each target, as Parquet: a file a run, merged as those of the dataset
are (`harness.dataset.compaction`), a row a target.

The second table of the dataset, derived from the manifests alone: it can be deleted and built
again from them. It exists because reading thousands of manifests is too slow to be done whenever
somebody asks what changed. It judges nothing. What was not observable is null, never a default.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
from polars.datatypes import DataType

from harness.dataset import catalogue, dataset
from harness.dataset import scan as dataset_scan
from harness.dataset.catalogue import Catalogue, File, Format, Held
from harness.dataset.store.folder import Folder
from harness.errors import HarnessError
from harness.model.facts import FACTS, GIVEN, Fact, text
from harness.model.run import Manifest, TargetRecord

SCHEMA_VERSION = 4
# History of the format. A change that an older reader would misread gets a new number.
#   1  first version
#   2  a column for every fact of harness.model.facts
#   3  user, rootless
#   4  seconds

FOLDER = "observed"
"""Inside the folder of the dataset: its own files lie beside it, and are of another table."""

_SHARED = (
    "run",
    "started",
    "scenario",
    "preset",
    "host",
    "target",
    "backend",
    "class",
    "label",
    "native",
    "nested",
    "imported",
)

_TYPES: dict[str, DataType] = {
    "text": pl.String(),
    "count": pl.UInt64(),
    "number": pl.Float64(),
    "truth": pl.Boolean(),
    "map": pl.String(),
}

SCHEMA: dict[str, DataType] = {
    "schema_version": pl.UInt16(),
    **{name: dataset.SCHEMA[name] for name in _SHARED},
    "bundle": pl.String(),
    "seconds": pl.String(),
    "baremark": pl.String(),
    "seen_memory_mib": pl.UInt64(),
    "programs": pl.String(),
    **{fact.name: _TYPES[fact.kind] for fact in FACTS if fact.name not in _SHARED},
}
"""The columns. Those of `harness.dataset.samples.SCHEMA` of the same name mean the same; each fact
of `harness.model.facts` has one. `vcpus`, `memory_mib`, `disk_gib` and `cpus` (host CPUs, `0,1`)
are what the target was given, `seen_vcpus` and `seen_memory_mib` what it shows from inside;
`release` is the hypervisor's or the daemon's. `mitigations`, `offloads`, `programs` and `seconds`
are JSON objects with sorted keys: the kernel's words by vulnerability, what each program of the
bundle calls itself, and the seconds asked of a trial by workload. `cpu_quota` is in CPUs. The size
and the bundle of an imported run are null, as its preset is."""


FORMAT = Format("observed targets", SCHEMA_VERSION, SCHEMA, source="manifest")


def frame(manifest: Manifest) -> pl.DataFrame:
    """A row for each target that took part in the run, with the columns of `SCHEMA`."""
    return pl.DataFrame(list(_rows(manifest)), schema=SCHEMA)


def write(manifest: Manifest, results: Path, made_of: tuple[int, str] | None = None) -> Path:
    """Write what `manifest` tells to `<results>/dataset/observed/<run>.parquet`, and return that
    path. A file of the same run is replaced as a whole. `made_of` is length and sha256 of the
    manifest's file. Raises HarnessError where the folder cannot be written; no partial file is
    left then.
    """
    rows = frame(manifest)
    started = datetime.fromisoformat(manifest.created_at).astimezone(UTC).isoformat()
    held = Held(manifest.host, started, rows.height, made_of)
    told = catalogue.metadata(SCHEMA_VERSION, {manifest.run: held}, FORMAT.source)
    buffer = io.BytesIO()
    rows.write_parquet(buffer, metadata=told)
    store = Folder(results / "dataset" / FOLDER)
    with store.locked():
        store.write(catalogue.name_of(manifest.run), buffer.getvalue())
    return file_of(results, manifest.run)


def file_of(results: Path, run: str) -> Path:
    """Where the file of a run alone is, or will be."""
    return results / "dataset" / FOLDER / catalogue.name_of(run)


def build(
    results: Path,
    read_manifest: Callable[[Path], Manifest],
    refused: Callable[[Path, HarnessError], None] | None = None,
) -> list[str]:
    """Bring the table of `results` up to date with its manifests; return the runs that it holds
    of them, sorted.

    A manifest is read (by `read_manifest`, from its folder) and written only where no file holds
    it as it is. What cannot be read or written is told to `refused` with its folder and left out;
    without `refused` it is raised.
    """
    holders = _catalogue(results).holders
    runs = []
    for folder in sorted((results / "runs").glob("*/")):
        source = folder / "manifest.json"
        if folder.name.startswith(".") or not source.is_file():
            continue
        try:
            file = holders.get(folder.name)
            if file is None or not _fresh(file, folder.name, source):
                made_of = _digest(source)
                write(read_manifest(folder), results, made_of)
        except HarnessError as error:
            if refused is None:
                raise
            refused(folder, error)
        else:
            runs.append(folder.name)
    return runs


def read(results: Path, runs: Collection[str]) -> pl.DataFrame:
    """The rows of `runs`, which the table of `results` holds; those of one moment, though files
    may be merged meanwhile. Raises HarnessError where they cannot be read."""
    try:
        return catalogue.at_one_moment(
            lambda: _catalogue(results), lambda found: _scanned(found, runs).collect()
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        raise HarnessError(
            f"cannot read the rows of {results / 'dataset' / FOLDER}: {error}",
            "delete that folder: it is built again from the manifests of the runs",
        ) from None


def _scanned(found: Catalogue, runs: Collection[str]) -> pl.LazyFrame:
    return dataset_scan.scan(FORMAT, dataset_scan.parts(found, runs))


def _catalogue(results: Path) -> Catalogue:
    """The files of the table; those that cannot be read do not count, and are built again."""
    return catalogue.of_store(Folder(results / "dataset" / FOLDER), FORMAT, passed_over=[])


def _fresh(file: File, run: str, manifest: Path) -> bool:
    """Whether `file` holds `run` as its manifest is, which is written once."""
    seen = manifest.stat()
    changed_ns = file.entry.changed_ns
    newer = changed_ns is not None and changed_ns > seen.st_mtime_ns
    told = file.runs[run]
    if told is None or told.made_of is None:
        return newer and not file.compacted
    return told.made_of[0] == seen.st_size and (newer or told.made_of == _digest(manifest))


def _digest(manifest: Path) -> tuple[int, str] | None:
    try:
        data = manifest.read_bytes()
    except OSError:
        return None  # whoever reads it says so
    return len(data), hashlib.sha256(data).hexdigest()


def _rows(manifest: Manifest) -> Iterator[dict[str, Any]]:
    measured = manifest.imported is None
    started = datetime.fromisoformat(manifest.created_at)
    for record in manifest.targets:
        target, seen = record.target, record.fingerprint
        yield {
            **{
                fact.name: _cell(fact, record)
                for fact in FACTS
                if measured or fact.name not in GIVEN
            },
            "schema_version": SCHEMA_VERSION,
            "run": manifest.run,
            "started": started,
            "scenario": manifest.scenario,
            "preset": manifest.preset if measured else None,
            "host": manifest.host,
            "target": target.name,
            "class": str(seen.backend_class),
            "native": target.native,
            "imported": not measured,
            "bundle": manifest.bundle if measured else None,
            "seconds": _json(manifest.plan.seconds) if manifest.plan.seconds else None,
            "baremark": manifest.baremark,
            "seen_memory_mib": seen.memory_mib,
            "programs": _json(record.programs) if record.programs else None,
        }


def _cell(fact: Fact, record: TargetRecord) -> Any:  # noqa: ANN401 - a cell of any column
    value = fact.of(record)
    if value is None or fact.kind in {"count", "number", "truth"}:
        return value
    return _json(value) if isinstance(value, Mapping) else text(value)


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), ensure_ascii=False, sort_keys=True)
