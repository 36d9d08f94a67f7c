"""Tags: names that a lab gives to sets of runs, kept in `results/tags.yml`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from harness import files
from harness.errors import HarnessError, UseError
from harness.ledger.folders import MANIFEST, find

FILE = "tags.yml"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._+-]{0,63}")


@dataclass(frozen=True, slots=True)
class Selection:
    """Runs that a name stands for, and the target in them that is meant (None: all)."""

    name: str
    folders: tuple[Path, ...]
    target: str | None


def read(results: Path) -> Mapping[str, tuple[str, ...]]:
    """The runs of each tag; nothing where none was given. Raises `HarnessError`."""
    file = results / FILE
    try:
        said = yaml.safe_load(file.read_text(encoding="utf-8"))
        return TypeAdapter(dict[str, tuple[str, ...]]).validate_python(said or {})
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise HarnessError(
            f"{file} is no list of runs by tag: {error}", "mend it, or remove it"
        ) from None


def add(results: Path, name: str, runs: Sequence[str]) -> tuple[str, ...]:
    """Give a tag to runs besides those that have it; all that have it now.

    Raises `UseError` for a name that is no tag or could be a run's.
    """

    if not _NAME.fullmatch(name) or name == "latest":
        raise UseError(
            f"{name!r} cannot be a tag",
            "begin with a letter; letters, digits and . _ + - follow; latest is taken",
        )
    known = dict(read(results))
    folders = [find(results / "runs", run) for run in runs]
    had = known.get(name, ())
    known[name] = (*had, *(each.name for each in folders if each.name not in had))
    text = yaml.safe_dump({key: list(known[key]) for key in sorted(known)}, sort_keys=False)
    files.replace(results / FILE, text.encode())
    return known[name]


def select(results: Path, text: str) -> Selection:
    """What `NAME` or `NAME:TARGET` stands for: a tag, a run, its path, or `latest`."""
    name, target = text, None
    known = read(results)
    if name not in known and ":" in text and not (Path(text) / MANIFEST).is_file():
        name, _, target = text.rpartition(":")
    runs = known.get(name)
    if runs is not None:
        if not runs:
            raise UseError(f"the tag {name!r} has no runs", "baremark tag NAME RUN adds one")
        return Selection(text, tuple(find(results / "runs", run) for run in runs), target)
    try:
        return Selection(text, (find(results / "runs", name),), target)
    except UseError as error:
        tags = f"; tags: {', '.join(sorted(known))}" if known else ""
        raise UseError(f"{error.message}, and no such tag", f"{error.hint}{tags}") from None
