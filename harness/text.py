"""Words for people that several places print: times, sizes, columns, sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

LONGEST_REASON = 160


def sentence(text: str, longest: int = LONGEST_REASON) -> str:
    """A reason on one line, without its full stop, and not so long that it hides the rest."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split()).rstrip(".")
    return shortened(line, longest)


def shortened(text: str, longest: int) -> str:
    """`text`, of which no more than the first `longest` characters stay."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def duration(seconds: float) -> str:
    """Seconds as people say them: `45 s`, `12 min 5 s`, `19 min`, `2 h 3 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def aligned(rows: Sequence[tuple[str, ...]], left: Iterable[int]) -> list[str]:
    """A line for each of `rows`, its columns as wide as the widest of their texts and two blanks
    apart; those at the places `left` begin on the left, the others end on the right."""
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
