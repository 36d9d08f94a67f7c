"""Acknowledgements: shifts that somebody knows of, kept in a file beside the results.

`<results>/acknowledged.yml` is a list that people write and keep in their repository of results.
This is where a mistake in it is found, all mistakes at once. What an entry does not name it does
not restrict; who, why and until when must be said, so that nothing is forgotten for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness import files
from harness.analyze.history.history import ACKNOWLEDGED, REFUTED, Shift
from harness.errors import HarnessError, UseError
from harness.files import writing

NAME = "acknowledged.yml"
_PATTERNS = ("host", "target", "workload", "metric")
_CURE = "mend it; docs/history.md tells the keys"


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """Somebody knows of the shifts that match: of `host`, `target`, `workload` and `metric` (shell
    patterns), at `run`, or of the day `since` or later where that is given. It counts up to the
    day `until`, that day included."""

    who: str
    why: str
    until: date
    host: str = "*"
    target: str = "*"
    workload: str = "*"
    metric: str = "*"
    run: str | None = None
    since: date | None = None

    def expired(self, today: date) -> bool:
        return self.until < today

    def matches(self, shift: Shift) -> bool:
        named = all(
            fnmatchcase(getattr(shift, name), getattr(self, name)) for name in _PATTERNS
        ) and (self.run is None or shift.run == self.run)
        return named and (self.since is None or shift.started.date() >= self.since)

    @property
    def sentence(self) -> str:
        """The sentence that stands with a shift it matches."""
        return f"{self.who}: {self.why} (until {self.until})"


_Text = Annotated[str, Field(min_length=1, pattern=r"\S")]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    who: _Text
    why: _Text
    until: date
    host: _Text = "*"
    target: _Text = "*"
    workload: _Text = "*"
    metric: _Text = "*"
    run: _Text | None = None
    since: date | None = None


def read(results: Path) -> tuple[Acknowledgement, ...]:
    """The acknowledgements of a folder of results, in the order of the file; none without one.

    Raises UseError with every mistake: file, entry (from 1 on) and key.
    """
    file = results / NAME
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise HarnessError(f"cannot read {file}: {error}", _CURE) from None
    return _parsed(text, file)


def applied(
    shifts: Sequence[Shift], known: Sequence[Acknowledgement], today: date
) -> tuple[Shift, ...]:
    """`shifts` with those marked that an acknowledgement matches which has not expired on `today`;
    of several the first. One that was refuted stays so: there is nothing to know of."""
    counting = [each for each in known if not each.expired(today)]
    out = []
    for shift in shifts:
        match = next((each for each in counting if each.matches(shift)), None)
        if match is not None and shift.status != REFUTED:
            shift = replace(shift, status=ACKNOWLEDGED, told=match.sentence)
        out.append(shift)
    return tuple(out)


def expired(known: Sequence[Acknowledgement], today: date) -> tuple[str, ...]:
    """A sentence for each that no longer counts."""
    return tuple(
        f"{NAME}, entry {number}: the acknowledgement of {each.who} ({each.why}) ended on "
        f"{each.until} and counts no longer"
        for number, each in enumerate(known, 1)
        if each.expired(today)
    )


def append(results: Path, new: Acknowledgement) -> Path:
    """Add an entry at the end of the file, which keeps its comments and order; return its path.

    The file is replaced as a whole, and not at all where what comes out would not be what was
    there and the new entry. Two that append at once wait for each other: else one of the entries
    would be lost. Raises UseError there, and what `read` raises of what was there.
    """
    file = results / NAME
    with (
        writing(results, "make it writable, or name another folder with --results"),
        files.lock(results),
    ):
        before = read(results)
        text = file.read_text(encoding="utf-8") if file.is_file() else ""
        if text and not text.endswith("\n"):
            text += "\n"
        longer = text + _written(new)
        try:
            whole = _parsed(longer, file)
        except UseError:
            whole = ()
        if whole != (*before, new):
            raise UseError(
                f"cannot add to {file}: its list is not written as lines that begin with '- '",
                "write it so, or add the entry by hand:\n" + _written(new),
            )
        files.replace(file, longer.encode())
    return file


def _written(new: Acknowledgement) -> str:
    """The entry as YAML, without what it does not restrict."""
    keys = (*_PATTERNS, "run", "since", "who", "why", "until")
    values = {key: getattr(new, key) for key in keys}
    said = {key: value for key, value in values.items() if value not in {None, "*"}}
    text: str = yaml.safe_dump([said], sort_keys=False, allow_unicode=True, width=10_000)
    return text


def _parsed(text: str, file: Path) -> tuple[Acknowledgement, ...]:
    try:
        document: Any = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise UseError(f"{file}:{line}: not YAML: {error.problem}", _CURE) from None
    except yaml.YAMLError as error:
        raise UseError(f"{file}: not YAML: {error}", _CURE) from None
    if document is None:
        return ()
    if not isinstance(document, list):
        raise UseError(
            f"{file}: must be a list of entries, is {type(document).__name__}", _CURE
        ) from None
    found: list[Acknowledgement] = []
    mistakes: list[str] = []
    for number, each in enumerate(document, 1):
        try:
            entry = _Entry.model_validate(each)
        except ValidationError as error:
            mistakes += [_mistake(number, item) for item in error.errors()]
        else:
            found.append(Acknowledgement(**entry.model_dump()))
    if mistakes:
        raise UseError(
            f"{file} has mistakes:\n" + "\n".join(f"  {line}" for line in mistakes), _CURE
        )
    return tuple(found)


def _mistake(number: int, item: Any) -> str:  # noqa: ANN401 - pydantic's own dictionary
    key = ".".join(str(part) for part in item["loc"])
    return f"entry {number}: {f'{key}: ' if key else ''}{item['msg'].lower()}"
