"""Strict text: bytes to lines to numbers, and a refusal that says where. Shared by the readers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.errors import ReadError

MOST_BYTES = 64 * 1024 * 1024
"""More than this is no report of one trial, whatever it holds."""
SMALL_BYTES = 64 * 1024
"""Up to this size an input cannot hurt by what it takes in memory."""

_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")
"""Control characters no report holds. Tab, line feed, carriage return and escape may occur."""
_WIDE = re.compile("[\U00010000-\U0010ffff]")
"""One of these makes Python store the whole text with four bytes a character."""
_LINE = re.compile(r"^.*$", re.MULTILINE)
_FILLED = re.compile(r"^[ \t\r]*[^ \t\r\n].*$", re.MULTILINE)


def refuse(tool: str, what: str, hint: str = "") -> ReadError:
    """The error to raise for `tool`; `what` says the place and what is wrong there."""
    return ReadError(f"{tool}: {what}", hint or "docs/import.md says which outputs are read")


def excerpt(line: str) -> str:
    """`line` in a length fit for a message."""
    line = line[:400].strip()
    return line if len(line) <= 160 else f"{line[:157]}..."


def decode(data: bytes, tool: str, stream: str) -> str:
    """`data` as text without a byte-order mark; `stream` is the name in messages (`stdout`).

    ReadError where it is over `MOST_BYTES`, not UTF-8, or holds control characters, or where a
    large one holds characters beyond U+FFFF. Empty input is an empty text: whether that is an
    error is the reader's to say.
    """
    if len(data) > MOST_BYTES:
        raise refuse(tool, f"{stream} has {len(data)} bytes, more than any report has")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(data) > 1 and 0 in data[:2]):
        raise refuse(tool, f"{stream} is UTF-16, not UTF-8", "save it as UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse(tool, f"{stream} is not UTF-8 at byte {error.start}") from None
    if found := _CONTROL.search(text):
        raise refuse(
            tool,
            f"{stream} line {line_number(text, found.start())} holds control character"
            f" {found.group()!r}",
        )
    if len(data) > SMALL_BYTES and (found := _WIDE.search(text)):
        raise refuse(
            tool,
            f"{stream} line {line_number(text, found.start())} holds {found.group()!r}, which no"
            " report of this size holds",
        )
    return text.removeprefix("\ufeff")


def report(data: bytes, tool: str) -> str:
    """The text of a standard output that must not be empty; otherwise as `decode`."""
    text = decode(data, tool, "stdout")
    if not text or text.isspace():
        raise refuse(tool, "stdout is empty")
    return text


def lines(text: str, start: int = 0) -> Iterator[tuple[int, str]]:
    """Each line of `text` from the offset `start` on, without its trailing spaces, with its
    number in the whole text. One at a time: a list of them could be many times the text."""
    for at, found in enumerate(_LINE.finditer(text, start), line_number(text, start)):
        yield at, found.group().rstrip()


def filled_lines(text: str) -> Iterator[tuple[int, str]]:
    """As `lines`, without the blank ones, of which a million cost nothing."""
    at, counted = 1, 0
    for found in _FILLED.finditer(text):
        at += text.count("\n", counted, found.start())
        counted = found.start()
        yield at, found.group().rstrip()


def line_number(text: str, offset: int) -> int:
    """The number of the line of `text` that `offset` is in, from 1."""
    return text.count("\n", 0, offset) + 1


def number(text: str, tool: str, where: str) -> float:
    """`text` as a plain decimal number; ReadError for `nan`, `inf` and everything else."""
    if not _NUMBER.fullmatch(text):
        raise refuse(tool, f"{where} is {excerpt(text)!r}, not a number")
    return float(text)


def one(pattern: re.Pattern[str], text: str, tool: str, where: str) -> re.Match[str]:
    """The only match of `pattern` in `text`; ReadError where there is none or a second one.

    `where` names in messages what was looked for.
    """
    matches = pattern.finditer(text)
    first = next(matches, None)
    if first is None:
        raise refuse(tool, f"{where} is missing from stdout, or incomplete")
    if next(matches, None) is not None:
        raise refuse(tool, f"{where} occurs twice in stdout")
    return first


def version_line(stdout: bytes, tool: str, pattern: re.Pattern[str]) -> str:
    """What `pattern` matches at the start of a line of `stdout`; ReadError where nothing does."""
    for _, line in lines(report(stdout, tool)):
        if found := pattern.match(line):
            return found.group()
    raise refuse(tool, "stdout states no version")
