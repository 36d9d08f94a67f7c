"""What each run observed of each target, as Parquet: one immutable file a run, a row a target.

The second table of the dataset, derived from the manifests alone: it can be deleted and built
again from them. It exists because reading thousands of manifests is too slow to be done whenever
somebody asks what changed. It judges nothing. What was not observable is null, never a default.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from polars.datatypes import DataType

from harness import dataset
from harness.errors import HarnessError
from harness.record import Manifest, TargetRecord

SCHEMA_VERSION = 1
# History of the format. A change that an older reader would misread gets a new number.
#   1  first version

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

SCHEMA: dict[str, DataType] = {
    "schema_version": pl.UInt16(),
    **{name: dataset.SCHEMA[name] for name in _SHARED},
    "adopted": pl.Boolean(),
    "bundle": pl.String(),
    "baremark": pl.String(),
    "release": pl.String(),
    "accelerator": pl.String(),
    "kernel": pl.String(),
    "cpu_model": pl.String(),
    "microcode": pl.String(),
    "clocksource": pl.String(),
    "vcpus": pl.UInt32(),
    "memory_mib": pl.UInt32(),
    "disk_gib": pl.UInt32(),
    "cpus": pl.String(),
    "seen_vcpus": pl.UInt32(),
    "seen_memory_mib": pl.UInt32(),
    "mitigations": pl.String(),
    "governor": pl.String(),
    "huge_pages": pl.String(),
    "ksm": pl.Boolean(),
    "container": pl.String(),
    "cpu_quota": pl.Float64(),
    "disk_format": pl.String(),
    "disk_cache": pl.String(),
    "nic_model": pl.String(),
    "network": pl.String(),
    "mtu": pl.UInt32(),
    "programs": pl.String(),
}
"""The columns. Those of `harness.dataset.SCHEMA` of the same name mean the same. `vcpus`,
`memory_mib`, `disk_gib` and `cpus` (host CPUs, `0,1`) are what the target was given, `seen_vcpus`
and `seen_memory_mib` what it shows from inside, where `kernel`, `cpu_model` and `microcode` were
read too; `release` is the hypervisor's or the daemon's. `mitigations` and `programs` are JSON
objects with sorted keys: the kernel's words by vulnerability, and what each program of the bundle
calls itself. `cpu_quota` is in CPUs. The size and the bundle of an imported run are null, as its
preset is."""


def frame(manifest: Manifest) -> pl.DataFrame:
    """A row for each target that took part in the run, with the columns of `SCHEMA`."""
    return pl.DataFrame(list(_rows(manifest)), schema=SCHEMA, orient="row")


def write(manifest: Manifest, results: Path) -> Path:
    """Write what `manifest` tells to `<results>/dataset/observed/<run>.parquet`, and return that
    path. A file of the same run is replaced as a whole. Raises HarnessError where the folder
    cannot be written; no partial file is left then.
    """
    buffer = io.BytesIO()
    frame(manifest).write_parquet(buffer, metadata={"schema_version": str(SCHEMA_VERSION)})
    path = file_of(results, manifest.run)
    dataset.replace_file(path, buffer.getvalue())
    return path


def file_of(results: Path, run: str) -> Path:
    """Where the file of a run is, or will be."""
    return results / "dataset" / FOLDER / f"{run}.parquet"


def build(
    results: Path,
    read_manifest: Callable[[Path], Manifest],
    refused: Callable[[Path, HarnessError], None] | None = None,
) -> list[Path]:
    """Bring the table of `results` up to date with its manifests; return all its files, sorted.

    A manifest is read (by `read_manifest`, from its folder) and written only where its file is
    missing, older, or of another version of the format. What cannot be read or written is told to
    `refused` with its folder and left out; without `refused` it is raised.
    """
    paths = []
    for folder in sorted((results / "runs").glob("*/")):
        source = folder / "manifest.json"
        if folder.name.startswith(".") or not source.is_file():
            continue
        path = file_of(results, folder.name)
        try:
            if _stale(path, source):
                path = write(read_manifest(folder), results)
        except HarnessError as error:
            if refused is None:
                raise
            refused(folder, error)
        else:
            paths.append(path)
    return sorted(paths)


def scan(source: Path | Sequence[Path]) -> pl.LazyFrame:
    """The rows of a folder of such files, of one file, or of several, read lazily.

    Raises HarnessError where there is nothing to read, where a file is not Parquet, and where one
    was written in another version of the format.
    """
    if isinstance(source, Path):
        paths = sorted(source.glob("*.parquet")) if source.is_dir() else [source]
    else:
        paths = list(source)
    if not paths:
        raise HarnessError(
            f"there is no file of observed targets in {source}",
            "measure first with `baremark run`, or give the folder that holds the runs",
        )
    for path in paths:
        found = _version(path)
        if found != str(SCHEMA_VERSION):
            said = f"version {found}" if found is not None else "no version"
            raise HarnessError(
                f"{path} has {said} of the format of observed targets; "
                f"this baremark knows {SCHEMA_VERSION}",
                "delete the file to have it built again from the run's manifest, "
                "or use the baremark that wrote it",
            )
    return pl.scan_parquet(paths)


def _stale(path: Path, manifest: Path) -> bool:
    """A torn file is stale too: all that it holds is in the manifest."""
    try:
        if not path.is_file() or _version(path) != str(SCHEMA_VERSION):
            return True
    except HarnessError:
        return True
    return manifest.stat().st_mtime_ns >= path.stat().st_mtime_ns


def _version(path: Path) -> str | None:
    """The version of the format that `path` says it has; None where it says nothing."""
    try:
        return pl.read_parquet_metadata(path).get("schema_version")
    except (OSError, pl.exceptions.PolarsError) as error:
        raise HarnessError(
            f"cannot read {path}: {error}",
            "delete it: it is built again from the run's manifest",
        ) from error


def _rows(manifest: Manifest) -> Iterator[tuple[Any, ...]]:
    measured = manifest.imported is None
    started = datetime.fromisoformat(manifest.created_at)
    for record in manifest.targets:
        target, seen = record.target, record.fingerprint
        size, settings = target.size, seen.settings
        yield (
            SCHEMA_VERSION,
            manifest.run,
            started,
            manifest.scenario,
            manifest.preset if measured else None,
            manifest.host,
            target.name,
            target.backend,
            str(seen.backend_class),
            seen.label,
            target.native,
            seen.nested,
            not measured,
            target.adopted,
            manifest.bundle if measured else None,
            manifest.baremark,
            seen.release,
            seen.accelerator,
            seen.kernel,
            seen.cpu_model,
            seen.inside.get("microcode"),
            seen.clocksource,
            size.vcpus if measured else None,
            size.memory_mib if measured else None,
            size.disk_gib if measured else None,
            ",".join(map(str, size.cpus)) if measured else None,
            seen.vcpus,
            seen.memory_mib,
            _json(settings.mitigations),
            settings.governor,
            settings.huge_pages,
            settings.ksm,
            settings.container,
            settings.cpu_quota,
            settings.disk_format,
            settings.disk_cache,
            settings.nic_model,
            settings.network,
            settings.mtu,
            _programs(record),
        )


def _programs(record: TargetRecord) -> str | None:
    return _json(record.programs) if record.programs else None


def _json(values: Mapping[str, str] | None) -> str | None:
    if values is None:
        return None
    return json.dumps(dict(values), ensure_ascii=False, sort_keys=True)
