"""What of old runs may go: their raw outputs, which are most of what a lab stores.

Manifest and ledger are never removed: from them every table and every check is made again. What
goes is what each program printed; the ledger keeps its sha256. `raw-dropped.json` in the folder
of a run says that, and when, it went.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import HarnessError, UseError
from harness.files import lock, replace, writing
from harness.ledger import reader, writer
from harness.ledger.folders import DROPPED, LEDGER, RAW, runs_in
from harness.model.run import Manifest

PUBLICATION = "publication"
_NAMING = ("*.yml", "*.yaml")


@dataclass(frozen=True, slots=True)
class Raw:
    """The raw outputs of a run that may go."""

    folder: Path
    created_at: str
    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A run that is old enough and keeps its raw outputs, and why."""

    folder: Path
    why: str


@dataclass(frozen=True, slots=True)
class Retention:
    """What goes and what stays of the runs that began before a day, oldest first."""

    before: datetime
    going: tuple[Raw, ...]
    kept: tuple[Kept, ...]

    @property
    def bytes(self) -> int:
        return sum(raw.bytes for raw in self.going)


def cutoff(keep_days: int | None, before: datetime | None, now: datetime) -> datetime:
    """The moment before which a run is old. UseError unless exactly one of the two is given."""
    if (keep_days is None) == (before is None):
        raise UseError("which runs are old?", "give --keep-days N or --before DATE (one of them)")
    if before is not None:
        return before
    if keep_days is None or keep_days < 1:
        raise UseError(f"--keep-days {keep_days} keeps nothing", "give 1 or more")
    try:
        return datetime.fromtimestamp(now.timestamp() - keep_days * 86400, UTC)
    except (OverflowError, ValueError, OSError):
        raise UseError(f"--keep-days {keep_days} is before all time", "give fewer") from None


def plan(results: Path, before: datetime, keep: Collection[str] = ()) -> Retention:
    """What may go of the runs of `results` that began before `before`; touches nothing.

    Kept are those in `keep`, the newest of each host, those measured for publication, and those
    that a YAML file of `results` (acknowledgements, tags) or a table in `results/published` names
    (other than the tables that are written there with every run). Raises UseError where a run to
    keep is not there.
    """
    folders = runs_in(results / "runs")
    unknown = sorted(set(keep) - {folder.name for folder in folders})
    if unknown:
        raise UseError(
            f"there is no run {', '.join(unknown)}", "baremark dataset ls names the runs"
        )
    manifests: dict[Path, Manifest | None] = {}
    newest: dict[str, Path] = {}
    for folder in folders:
        try:
            manifests[folder] = found = reader.read_manifest(folder)
        except HarnessError:
            manifests[folder] = None
            continue
        newest[found.host] = folder  # they come oldest first
    naming = _naming(results, [folder.name for folder in folders])
    going: list[Raw] = []
    kept: list[Kept] = []
    for folder, manifest in manifests.items():
        files = _files(folder)
        if not files:
            continue
        if manifest is None:
            kept.append(Kept(folder, "its manifest cannot be read"))
            continue
        if datetime.fromisoformat(manifest.created_at).astimezone(UTC) >= before:
            continue
        why = "it is to be kept" if folder.name in keep else naming.get(folder.name)
        if why is None and manifest.preset == PUBLICATION:
            why = "it was measured for publication"
        if why is None and newest[manifest.host] == folder:
            why = f"it is the newest of {manifest.host}"
        if why is None:
            size = sum(file.stat().st_size for file in files)
            going.append(Raw(folder, manifest.created_at, len(files), size))
        else:
            kept.append(Kept(folder, why))
    return Retention(before, tuple(going), tuple(kept))


def drop(raw: Raw) -> None:
    """Remove the raw outputs of a run, having written down that they go.

    Nobody measures this run, or goes on with it, meanwhile. Killed in between, it can be said
    again. Raises UseError where the run is being written, HarnessError where something cannot be
    removed.
    """
    with (
        writing(raw.folder, "restore the run from a copy, or leave it out"),
        lock(raw.folder / LEDGER, writer.busy(raw.folder)),
    ):
        said = {"at": writer.now(), "what": "the raw outputs were dropped (baremark dataset drop)"}
        replace(raw.folder / DROPPED, (json.dumps(said) + "\n").encode())
        with writing(raw.folder, "make the folder writable, and say it again"):
            for file in _files(raw.folder):
                file.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in (folder / RAW).glob("*") if file.is_file())


def _naming(results: Path, runs: Collection[str]) -> dict[str, str]:
    """By run, which file names it."""
    own = tuple(runs)
    found: dict[str, str] = {}
    files = [file for pattern in _NAMING for file in sorted(results.glob(pattern))]
    published = sorted((results / "published").glob("[!.]*"))
    # What is written with every run begins with the name of one.
    files += [file for file in published if not file.name.startswith(own)]
    for file in files:
        if not file.is_file():
            continue
        try:
            text = file.read_bytes()
        except OSError as error:
            raise HarnessError(
                f"cannot read {file}: {error.strerror or error}",
                "make it readable: it may name runs that must be kept",
            ) from None
        for run in runs:
            if run.encode() in text:
                found.setdefault(run, f"{file.relative_to(results)} names it")
    return found
