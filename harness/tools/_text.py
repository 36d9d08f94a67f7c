"""Strict text: bytes to lines to numbers, and a refusal that says where. Shared by the readers."""

from __future__ import annotations

import codecs
import re

from harness.errors import ReadError

MOST_BYTES = 64 * 1024 * 1024
"""More than this is no report of one trial, whatever it holds."""

_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")
"""Control characters no report holds. Tab, line feed, carriage return and escape may occur."""


def refuse(tool: str, what: str, hint: str = "") -> ReadError:
    """The error to raise for `tool`; `what` says the place and what is wrong there."""
    return ReadError(f"{tool}: {what}", hint or "see the trial's stored raw output")


def excerpt(line: str) -> str:
    """`line` in a length fit for a message."""
    line = line.strip()
    return line if len(line) <= 160 else f"{line[:157]}..."


def decode(data: bytes, tool: str, stream: str) -> str:
    """`data` as text; `stream` is the name used in messages (`stdout`).

    ReadError where it is over `MOST_BYTES`, not UTF-8, or holds control characters. Empty
    input is an empty text: whether that is an error is the reader's to say. A byte-order mark
    of UTF-8 is left out.
    """
    if len(data) > MOST_BYTES:
        raise refuse(tool, f"{stream} has {len(data)} bytes, more than any report has")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise refuse(tool, f"{stream} is UTF-16, not UTF-8", "save it as the tool printed it")
    try:
        text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        raise refuse(tool, f"{stream} is not UTF-8 at byte {error.start}") from None
    if text and max(text) > "\uffff":
        raise refuse(tool, f"{stream} holds {max(text)!r}, which no report does")
    if found := _CONTROL.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise refuse(tool, f"{stream} line {line} holds control character {found.group()!r}")
    return text


def report(data: bytes, tool: str) -> str:
    """The text of a standard output that must not be empty; otherwise as `decode`."""
    text = decode(data, tool, "stdout")
    if not text.strip():
        raise refuse(tool, "stdout is empty")
    return text


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
    for line in report(stdout, tool).splitlines():
        if found := pattern.match(line):
            return found.group()
    raise refuse(tool, "stdout states no version")
