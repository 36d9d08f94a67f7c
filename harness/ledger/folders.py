"""Where runs lie, and which of them is meant."""

from __future__ import annotations

from pathlib import Path

from harness.errors import HarnessError, UseError

MANIFEST = "manifest.json"
LEDGER = "ledger.jsonl"
RAW = "raw"
LATEST = "latest"
"""Names the newest run."""
DROPPED = "raw-dropped.json"
"""Says that the raw outputs of a run were removed to make room (`harness.ledger.retention`)."""


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
