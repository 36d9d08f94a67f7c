"""A run written: each record one line, one fsync; raw outputs beside it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import zstandard

from harness.errors import UseError
from harness.files import sync_folder, take, write_synced, writing
from harness.ledger.folders import LEDGER, MANIFEST, RAW
from harness.model.allocation import Allocated
from harness.model.run import Manifest
from harness.model.trial import Trial

SCHEMA = 3
"""Version of the run folder's format. 1: the first, which no release wrote. 2: a fingerprint has
its settings as typed fields, and a trial its calibration and the CPUs that its CPU time is over. 3:
a plan may have a rule, and the ledger then what it chose of each block."""
READ = (2, SCHEMA)
"""Those that are read; a plan of 2 has no rule, so its blocks are whole."""

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


def busy(folder: Path) -> UseError:
    """What is told where another process has the run in `folder` open for appending."""
    return UseError(
        f"the run {folder} is being written by another process", "wait for it to end, or stop it"
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
                write_synced(aside / MANIFEST, text.encode())
                write_synced(aside / LEDGER, b"")
                aside.rename(folder)
            except OSError:
                shutil.rmtree(aside, ignore_errors=True)
                raise
            sync_folder(runs)
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
                take(file, busy(folder))
            except BaseException:
                os.close(file)
                raise
        return cls(folder, file)

    def keep_raw(self, trial: str, stdout: bytes, stderr: bytes) -> tuple[str, str]:
        """Store what a trial printed, before the trial itself is recorded.

        Returns the path of the standard output inside the run's folder (the standard error lies
        beside it as `.err.zst` where there was any) and the sha256 of the output as printed.
        """
        name = f"{RAW}/{trial}.out.zst"
        with _writing(self.folder):
            write_synced(self.folder / name, self._raw.compress(stdout))
            if stderr:
                write_synced(self.folder / RAW / f"{trial}.err.zst", self._raw.compress(stderr))
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

    def allocate(self, allocated: Allocated) -> None:
        """Append what was chosen of a block, before its first trial."""
        self._append({"record": "allocated", "at": now(), **asdict(allocated)})

    def end(self, how: str, used_s: float | None) -> None:
        """Append how the run ended (`complete`, `precise`, `budget`, `interrupted`, `busy`,
        `imported`), after how long; None where nobody knows."""
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
