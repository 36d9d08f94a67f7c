"""The ledger: the append-only record of a run, the one source of every number.

A run is a folder: `manifest.json` (written once, before the first trial), `ledger.jsonl` (one
JSON object a line, fsynced one by one) and `raw/` (what each program printed, zstd). A crash
loses at most the trial in flight: an unterminated last line was never acknowledged, so it is
dropped on reading and cut off before the next append.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zstandard
from pydantic import TypeAdapter, ValidationError

from harness import settings
from harness.errors import HarnessError, UseError, writing
from harness.model import Sample
from harness.record import Apart, CpuTime, HostLoad, Manifest, Probe, Run, Trial, TrialStatus

SCHEMA = 2
"""Version of the run folder's format. 1: the first. 2: a fingerprint has its settings as typed
fields, and a trial its calibration and the CPUs that its CPU time is over. Both are read: what the
first format does not say is taken from the record it does hold, or is not known."""
_READ = {1, SCHEMA}

MANIFEST = "manifest.json"
LEDGER = "ledger.jsonl"
RAW = "raw"
LATEST = "latest"
"""Names the newest run."""
DROPPED = "raw-dropped.json"
"""Says that the raw outputs of a run were removed to make room (`harness.retention`)."""

_ASIDE = ".unfinished-"


def run_id(host: str, when: datetime) -> str:
    """The name of a run: when it began (UTC) and on which host."""
    return f"{when.astimezone(UTC):%Y%m%dT%H%M%SZ}-{host}"


def _writing(folder: Path) -> AbstractContextManager[None]:
    return writing(
        folder,
        "make room or make it writable, or choose another folder with --results; "
        "what was recorded before is kept, baremark run --resume goes on from it",
    )


class Ledger:
    """A run's folder opened for appending, by one process at a time."""

    def __init__(self, folder: Path, file: int) -> None:
        self.folder = folder
        self._file = file
        self._raw = zstandard.ZstdCompressor(level=3)

    @classmethod
    def create(cls, runs: Path, manifest: Manifest) -> Ledger:
        """Make the run's folder under `runs`, complete with its manifest, in one rename."""
        folder = runs / manifest.run
        aside = runs / f"{_ASIDE}{manifest.run}"
        with _writing(runs):
            (aside / RAW).mkdir(parents=True)
            try:
                text = json.dumps(asdict(manifest), indent=1, ensure_ascii=False) + "\n"
                _write_synced(aside / MANIFEST, text.encode())
                _write_synced(aside / LEDGER, b"")
                aside.rename(folder)
            except OSError:
                shutil.rmtree(aside, ignore_errors=True)
                raise
            _sync_folder(runs)
        return cls._open(folder)

    @classmethod
    def resume(cls, folder: Path) -> Ledger:
        """Open a run again; a torn last line is cut off."""
        ledger = cls._open(folder)
        with _writing(folder):
            text = (folder / LEDGER).read_bytes()
            os.ftruncate(ledger._file, text.rfind(b"\n") + 1)
        ledger._append({"record": "resumed", "at": now()})
        return ledger

    @classmethod
    def _open(cls, folder: Path) -> Ledger:
        with _writing(folder):
            file = os.open(folder / LEDGER, os.O_WRONLY | os.O_APPEND)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise UseError(
                f"the run {folder} is being written by another process",
                "wait for it to end, or stop it",
            ) from None
        return cls(folder, file)

    def keep_raw(self, trial: str, stdout: bytes, stderr: bytes) -> tuple[str, str]:
        """Store what a trial printed, before the trial itself is recorded.

        Returns the path of the standard output inside the run's folder (the standard error lies
        beside it as `.err.zst` where there was any) and the sha256 of the output as printed.
        """
        name = f"{RAW}/{trial}.out.zst"
        with _writing(self.folder):
            _write_synced(self.folder / name, self._raw.compress(stdout))
            if stderr:
                _write_synced(self.folder / RAW / f"{trial}.err.zst", self._raw.compress(stderr))
        return name, hashlib.sha256(stdout).hexdigest()

    def record(self, trial: Trial) -> None:
        """Append one trial; it is on the disk when this returns."""
        self._append({"record": "trial", **asdict(trial)})

    def record_all(self, trials: Iterable[Trial]) -> None:
        """Append many trials at once: for what was measured before, and so cannot be lost here."""
        self._append(*({"record": "trial", **asdict(trial)} for trial in trials))

    def note(self, record: str, **facts: object) -> None:
        """Append something that is not a trial: a file prepared, a connection opened."""
        self._append({"record": record, "at": now(), **facts})

    def end(self, how: str, used_s: float | None) -> None:
        """Append how the run ended (`complete`, `precise`, `budget`, `interrupted`, `imported`),
        after how long; None where nobody knows."""
        spent = None if used_s is None else round(used_s, 3)
        self._append({"record": "end", "at": now(), "how": how, "used_s": spent})

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, *records: Mapping[str, object]) -> None:
        lines = (json.dumps(each, ensure_ascii=False, allow_nan=False) + "\n" for each in records)
        text = "".join(lines).encode()
        with _writing(self.folder):
            before = os.fstat(self._file).st_size
            try:
                view = memoryview(text)
                while view:
                    view = view[os.write(self._file, view) :]
                os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, before)
                raise


def now() -> str:
    """The time of day in UTC, for people; durations are never computed from it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def runs_in(runs: Path) -> tuple[Path, ...]:
    """The folders of all runs under `runs`, oldest first."""
    return tuple(sorted(file.parent for file in runs.glob(f"[!.]*/{MANIFEST}")))


def without_manifest(runs: Path) -> tuple[Path, ...]:
    """The folders under `runs` that are no run, or a part of one."""
    folders = (each for each in runs.glob("[!.]*") if each.is_dir())
    return tuple(sorted(each for each in folders if not (each / MANIFEST).is_file()))


def lacks_manifest(folder: Path) -> HarnessError:
    """What is said of such a folder."""
    return HarnessError(
        f"{folder} has no {MANIFEST}, so it was copied in part or is no run",
        "restore it from a copy, or move it away",
    )


def passed_over(runs: Path) -> tuple[Path, ...]:
    """The folders under `runs` that would be the latest run if they had a manifest."""
    newest = runs_in(runs)[-1:]
    return tuple(each for each in without_manifest(runs) if not newest or each > newest[0])


def find(runs: Path, name: str) -> Path:
    """The folder of a run, by its name, its path or `latest`. Raises `UseError` where there is
    none, `HarnessError` where it has no manifest; the latest is the newest that has one."""
    folders = runs_in(runs)
    if name == LATEST and folders:
        return folders[-1]
    for folder in (Path(name), runs / name):
        if _is_file(folder / MANIFEST):
            return folder
    if (half := runs / name) in without_manifest(runs):
        raise lacks_manifest(half)
    raise UseError(
        f"there is no run {name!r} in {runs}",
        "choose from: " + ", ".join(folder.name for folder in folders[-5:])
        if folders
        else "make one with baremark bench",
    )


def _is_file(path: Path) -> bool:
    """Of a name that no file can have, too."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a run. Raises `HarnessError` if it is damaged or of another schema."""
    file = folder / MANIFEST
    try:
        document = _object(file.read_bytes())
        schema = document["schema"]
    except OSError as error:
        raise HarnessError(
            f"cannot read {file}: {error.strerror}", "restore the run from a copy, or leave it out"
        ) from None
    except (ValueError, KeyError) as error:
        raise HarnessError(
            f"{file} is not a manifest: {_told(error)}",
            "restore the run from a copy, or leave it out",
        ) from None
    if schema not in _READ:
        known = ", ".join(map(str, sorted(_READ)))
        raise HarnessError(
            f"{file} is of format {schema}, this Baremark reads formats {known}",
            "use the release of Baremark that wrote it",
        )
    try:
        manifest = TypeAdapter(Manifest).validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise HarnessError(
            f"{file}: {place}: {first['msg'].lower()}", "restore the run from a copy"
        ) from None
    return _with_settings(manifest) if schema == 1 else manifest


def _with_settings(manifest: Manifest) -> Manifest:
    """A manifest of the first format, its settings read from the observations that it holds."""
    targets = []
    for record in manifest.targets:
        seen = record.fingerprint
        read = settings.read(seen.inside, seen.outside)
        targets.append(replace(record, fingerprint=replace(seen, settings=read)))
    return replace(manifest, targets=tuple(targets))


def read_run(folder: Path) -> Run:
    """A run as recorded so far. Raises `HarnessError` naming the line that cannot be read."""
    manifest = read_manifest(folder)
    file = folder / LEDGER
    trials: list[Trial] = []
    ended: str | None = None
    used_s: float | None = None
    calibrations: dict[str, tuple[float, ...]] = {}
    probes: list[Probe] = []
    cut_short = False
    try:
        text = file.read_bytes()
    except OSError as error:
        raise HarnessError(
            f"cannot read {file}: {error.strerror}", "restore the run from a copy"
        ) from None
    complete = text[: text.rfind(b"\n") + 1]
    for number, line in enumerate(complete.splitlines(), 1):
        try:
            record = _object(line)
            kind = record.pop("record")
            if kind == "trial":
                trials.append(_trial(record, calibrations))
                ended = None
            elif kind == "end":
                ended = record["how"]
                spent = record["used_s"]
                used_s = used_s if spent is None else (used_s or 0.0) + spent
            elif kind == "calibrated":
                calibrations[record["target"]] = tuple(map(float, record["apart_s"]))
            elif kind == "probed":
                probes.append(
                    Probe(int(record["block"]), float(record["busy"]), float(record["waited_s"]))
                )
            elif kind == "resumed":
                cut_short = cut_short or ended is None
                ended = None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise HarnessError(
                f"{file}:{number}: not a ledger record: {_told(error)}",
                "restore the run from a copy; nothing is computed from a damaged ledger",
            ) from None
    if cut_short:
        used_s = None  # how long the part took that a kill ended, nobody recorded
    return Run(manifest, tuple(trials), ended, used_s, calibrations, tuple(probes))


def _object(text: bytes) -> dict[str, Any]:
    found: Any = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("it is no JSON object")
    return found


def _told(error: Exception) -> str:
    """Why JSON is not what was expected, in words that need no knowledge of Python."""
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}"
    if isinstance(error, UnicodeDecodeError):
        return "it is no UTF-8 text"
    if isinstance(error, TypeError | AttributeError):
        return f"a field is missing, unknown or wrong ({error})"
    return str(error)


def read_raw(folder: Path, trial: Trial) -> bytes:
    """What the trial's program printed, checked against the recorded sha256."""
    if trial.raw is None:
        raise HarnessError(
            f"trial {trial.id} has no output: {trial.reason}", "choose a trial that ended by itself"
        )
    if not (folder / trial.raw).exists() and (folder / DROPPED).exists():
        raise HarnessError(
            f"{folder / trial.raw} was dropped to make room, as {folder / DROPPED} says",
            "restore it from a copy; the ledger still has its sha256",
        )
    try:
        data = zstandard.ZstdDecompressor().decompress((folder / trial.raw).read_bytes())
    except (OSError, zstandard.ZstdError) as error:
        raise HarnessError(
            f"cannot read {folder / trial.raw}: {error}", "restore the run from a copy"
        ) from None
    if hashlib.sha256(data).hexdigest() != trial.raw_sha256:
        raise HarnessError(
            f"{folder / trial.raw} is not what the trial printed: its sha256 differs",
            "restore the run from a copy",
        )
    return data


def read_raw_errors(folder: Path, trial: Trial) -> bytes:
    """What stood on the trial's standard error, with the marks around its program; b"" for
    nothing."""
    file = folder / RAW / f"{trial.id}.err.zst"
    try:
        return zstandard.ZstdDecompressor().decompress(file.read_bytes())
    except FileNotFoundError:
        return b""
    except (OSError, zstandard.ZstdError) as error:
        raise HarnessError(f"cannot read {file}: {error}", "restore the run from a copy") from None


def _trial(record: dict[str, Any], calibrations: Mapping[str, tuple[float, ...]]) -> Trial:
    """A trial; one of the first format has the calibration that was the last before it."""
    samples = tuple(_sample(sample) for sample in record.pop("samples"))
    status = TrialStatus(record.pop("status"))
    cpu, load = record.pop("cpu", None), record.pop("host_load", None)
    claimed = record.pop("claimed_mib_per_s", None)
    if "apart" in record:
        said = record.pop("apart")
        apart = None if said is None else Apart(**said)
    else:
        apart = Apart.of(calibrations.get(record["target"], ()))
    return Trial(
        status=status,
        samples=samples,
        cpu=None if cpu is None else CpuTime(**cpu),
        host_load=None if load is None else HostLoad(**load),
        claimed_mib_per_s=None if claimed is None else (float(claimed[0]), float(claimed[1])),
        apart=apart,
        **record,
    )


def _sample(record: dict[str, Any]) -> Sample:
    labels = tuple((str(key), str(value)) for key, value in record.pop("labels", ()))
    return Sample(**record, labels=labels)


def _write_synced(path: Path, data: bytes) -> None:
    """A file that could not be written to its end is not left there."""
    try:
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
