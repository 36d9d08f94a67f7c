"""Words for people that several places print: times, sizes, columns, sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

if TYPE_CHECKING:
    pass

LONGEST_REASON = 160


def sentence(text: str, longest: int = LONGEST_REASON) -> str:
    """A reason on one line, without its full stop, and not so long that it hides the rest."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split()).rstrip(".")
    return line if len(line) <= longest else f"{line[:longest]}…"


def aligned(rows: Sequence[tuple[str, ...]], left: Iterable[int]) -> list[str]:
    places = frozenset(left)
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            text.ljust(width) if at in places else text.rjust(width)
            for at, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


_UNITS: Mapping[str, int] = {"GiB": 2**30, "MiB": 2**20, "KiB": 2**10}


def size(number: int) -> str:
    """Bytes as people say them: `1.4 MiB`."""
    for unit, of in _UNITS.items():
        if number >= of:
            return f"{number / of:.1f} {unit}"
    return f"{number} bytes"
