"""What a verb made: in which format, and into the file of `--output` or to standard output."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import UseError

_INSTEAD = str.maketrans("─━═│┃┊–—−•…≤≥≈▁▂▃▄▅▆▇█Δμ→←", "--=|||---*.<>~12345678du><")
"""What stands in for a character that a terminal lacks: one for one, so that columns hold."""


def take_any_terminal() -> None:
    """Have standard output and error write any text in the locale of the terminal: what it lacks
    is replaced. Files are written in UTF-8 and do not come by here."""
    codecs.register_error("baremark", _replaced)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="baremark")


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end].translate(_INSTEAD)
    return "".join(each if each.isascii() else "?" for each in lacking), error.end


def require_format(format: str, known: Sequence[str]) -> None:
    """Refuse a format that is not one of the `known` ones of a verb."""
    if format not in known:
        raise UseError(f"no format {format!r}", f"choose from: {', '.join(known)}")


def require_place(format: str, output: Path | None) -> None:
    """Refuse a table format that is no text where a terminal would get it."""
    from harness.publish import formats

    if formats.binary(format) and output is None and sys.stdout.isatty():
        raise UseError(f"{format} is no text for a terminal", "write it to a file: -o FILE")


def put(content: str | bytes, output: Path | None) -> None:
    """Write `content` to the file `output`, or print it where there is none."""
    from harness.publish import formats

    if output is not None:
        formats.write(content, output)
    elif isinstance(content, bytes):
        sys.stdout.buffer.write(content)
    else:
        print(content, end="")
