"""Names that come from outside: fit for a table, a file's name and a terminal, or refused."""

from __future__ import annotations

import re

from harness.errors import UseError
from harness.model.plan import CONTROL

NO_UNIT = "1"
_LONGEST = 120
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def name(text: str, what: str, place: str) -> str:
    """`text`, where it can be the name of something; UseError saying where and why not."""
    wrong = None
    if not text:
        wrong = "is empty"
    elif text != text.strip() or not text.isprintable():
        wrong = f"is {text[:_LONGEST]!r}: it has blanks around it or characters that do not print"
    elif len(text) > _LONGEST:
        wrong = f"has {len(text)} characters"
    elif text.endswith(CONTROL):
        wrong = f"ends with {CONTROL!r}, the name of native's second trial"
    if wrong:
        raise UseError(f"{place}: {what} {wrong}", f"give it a name of 1 to {_LONGEST} letters")
    return text


def unit(text: str | None, place: str) -> str:
    """As `name`, for a unit; an empty one is that of a count or a score, which is written 1. None
    is no unit at all, and is refused."""
    if text is None:
        raise UseError(f"{place}: unit is missing", f"write {NO_UNIT} for a count or a score")
    return name(text if text.strip() else NO_UNIT, "unit", place)


def file_name(text: str, what: str, place: str) -> str:
    """As `name`, for what becomes part of the name of the run's folder."""
    if not _FILE.fullmatch(name(text, what, place)):
        raise UseError(
            f"{place}: {what} is {text!r}, which cannot be part of a folder's name",
            "use letters, digits, points, dashes and underscores, a letter or digit first",
        )
    return text
