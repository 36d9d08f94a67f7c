"""A run read back from its folder; damage is told with its line, never guessed over."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import zstandard
from pydantic import TypeAdapter, ValidationError

from harness.errors import HarnessError
from harness.ledger.folders import DROPPED, LEDGER, MANIFEST, RAW
from harness.ledger.writer import READ
from harness.model.allocation import Allocated, Choice
from harness.model.run import Manifest, Probe, Run
from harness.model.trial import ClockOffset, CpuTime, HostLoad, Trial, TrialStatus
from harness.model.workload import Sample


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
    if schema not in READ:
        raise HarnessError(
            f"{file} is of format {schema}, this Baremark reads format "
            f"{' or '.join(map(str, READ))}",
            "use the release of Baremark that wrote it",
        )
    try:
        return TypeAdapter(Manifest).validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise HarnessError(
            f"{file}: {place}: {first['msg'].lower()}", "restore the run from a copy"
        ) from None


def read_run(folder: Path) -> Run:
    """A run as recorded so far. Raises `HarnessError` naming the line that cannot be read."""
    manifest = read_manifest(folder)
    file = folder / LEDGER
    trials: list[Trial] = []
    ended: str | None = None
    used_s: float | None = None
    probes: list[Probe] = []
    allocated: list[Allocated] = []
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
                trials.append(_trial(record))
                ended = None
            elif kind == "end":
                ended = record["how"]
                spent = record["used_s"]
                used_s = used_s if spent is None else (used_s or 0.0) + spent
            elif kind == "probed":
                probes.append(
                    Probe(int(record["block"]), float(record["busy"]), float(record["waited_s"]))
                )
            elif kind == "allocated":
                allocated.append(_allocated(record))
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
    return Run(manifest, tuple(trials), ended, used_s, tuple(probes), tuple(allocated))


def _allocated(record: dict[str, Any]) -> Allocated:
    choice = record["choice"]
    return Allocated(
        int(record["block"]),
        float(record["spent_s"]),
        Choice(tuple(map(int, choice["positions"])), choice["ended"]),
    )


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


def _trial(record: dict[str, Any]) -> Trial:
    samples = tuple(_sample(sample) for sample in record.pop("samples"))
    status = TrialStatus(record.pop("status"))
    cpu, load = record.pop("cpu", None), record.pop("host_load", None)
    claimed = record.pop("claimed_mib_per_s", None)
    offset = record.pop("apart")
    return Trial(
        status=status,
        samples=samples,
        cpu=None if cpu is None else CpuTime(**cpu),
        host_load=None if load is None else HostLoad(**load),
        claimed_mib_per_s=None if claimed is None else (float(claimed[0]), float(claimed[1])),
        apart=None if offset is None else ClockOffset(**offset),
        **record,
    )


def _sample(record: dict[str, Any]) -> Sample:
    labels = tuple((str(key), str(value)) for key, value in record.pop("labels", ()))
    return Sample(**record, labels=labels)
