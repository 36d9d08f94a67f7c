"""JSON whose values know their place in the document. Shared by the readers.

What a reader asks for must be there once and be what it says. What nobody asks for does not
matter: fio repeats options, iperf3 the sizes of its sockets, and either may print a figure that
is no number beside those that are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from json import JSONDecodeError, JSONDecoder

from harness.errors import ReadError
from harness.tools._text import SMALL_BYTES, excerpt, refuse

_ABSURD = 1e30
"""No tool counts as far as this; beyond it a number is a defect of the output."""
_MOST_MEMBERS = 4096
"""fio runs no more jobs than this and has half as many buckets of latency."""
_MOST_VALUES = 2 * _MOST_MEMBERS
"""In what stands between two braces. The long arrays of a report are of objects."""
_LEAST_OBJECT = 16
"""Characters. The objects of a report are longer, on average, in the tersest writing."""
_RUN = re.compile(r"[^{}]+")
_C_NAN = re.compile(r"(?<=[:\s,\[])-?(?:nan|inf)(?=\s*[,}\]])")
"""How a C program prints what is no number, where JSON has no word for it."""


class _Repeating(dict[str, object]):
    """An object in which keys stand more than once; of each it holds the last value."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__()
        self.unclear: set[str] = set()
        """Those whose values are not the same."""
        for key, value in pairs:
            if self.setdefault(key, value) != value:
                self.unclear.add(key)
                self[key] = value


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a JSON document with its place (`jobs[0].read.iops`), for messages."""

    tool: str
    place: str
    value: object

    def child(self, key: str) -> Node:
        """The value under `key`; ReadError where this is no object or has no such key."""
        found = self.get(key)
        if found is None:
            raise refuse(self.tool, f"{self._below(key)} is missing")
        return found

    def get(self, key: str) -> Node | None:
        """The value under `key`, None where it is absent or `null`.

        ReadError where this is no object, or where the key stands in it with two values.
        """
        if not isinstance(self.value, dict):
            raise refuse(self.tool, f"{self.place or 'the document'} is not an object")
        value: object = self.value.get(key)
        if value is None:
            return None
        if isinstance(self.value, _Repeating) and key in self.value.unclear:
            raise refuse(self.tool, f"{self._below(key)} stands there with two values")
        return Node(self.tool, self._below(key), value)

    def items(self) -> list[Node]:
        """The elements of an array, in order; ReadError where this is none or very long."""
        if not isinstance(self.value, list):
            raise refuse(self.tool, f"{self.place or 'the document'} is not an array")
        if len(self.value) > _MOST_MEMBERS:
            raise refuse(self.tool, f"{self.place} has {len(self.value)} entries, too many")
        return [Node(self.tool, f"{self.place}[{i}]", v) for i, v in enumerate(self.value)]

    def number(self) -> float:
        """A finite, non-negative number; ReadError otherwise (`true` is no number)."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refuse(self.tool, f"{self.place} is not a number")
        if not 0 <= value < _ABSURD:
            raise refuse(self.tool, f"{self.place} is {excerpt(repr(value))}, which cannot be")
        return float(value)

    def text(self) -> str:
        """A string; ReadError otherwise."""
        if not isinstance(self.value, str):
            raise refuse(self.tool, f"{self.place} is not text")
        return self.value

    def _below(self, key: str) -> str:
        return f"{self.place}.{key}" if self.place else key


def read_json(text: str, tool: str, start: int = 0) -> Node:
    """The one JSON document that standard output's `text` is from the offset `start` on.

    ReadError as of `first_json`, and where anything but blanks follows.
    """
    document, end = first_json(text, tool, start)
    rest = len(text) - len(text[end:].lstrip())
    if rest < len(text):
        raise not_json(tool, JSONDecodeError("Extra data", text, rest))
    return document


def first_json(text: str, tool: str, start: int) -> tuple[Node, int]:
    """The JSON document that begins in standard output's `text` at `start`, and where it ends.

    ReadError, with line and column, where it is truncated or not JSON, and where it holds more
    values in one place than any report does, which would take many times its size in memory.
    """
    _require_bounds(text, tool, start)
    try:
        try:
            value, end = _DECODER.raw_decode(text, start)
        except JSONDecodeError as error:
            if not _C_NAN.match(text, error.pos):
                raise
            value, end = _DECODER.raw_decode(_C_NAN.sub(_json_nan, text), start)
    except JSONDecodeError as error:
        raise not_json(tool, error) from None
    except RecursionError:
        raise refuse(tool, "stdout is JSON nested too deeply to be a report") from None
    except ValueError:
        raise refuse(tool, "stdout holds an integer of too many digits") from None
    return Node(tool, "", value), end


def not_json(tool: str, error: JSONDecodeError) -> ReadError:
    """The error to raise for a text that is no JSON, with line and column."""
    where = f"line {error.lineno} column {error.colno}"
    return refuse(tool, f"stdout is not JSON at {where}: {error.msg}")


def _json_nan(found: re.Match[str]) -> str:
    """In the same length, so that lines and columns stay."""
    return "NaN".rjust(len(found.group()))


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Repeating(pairs)


_DECODER = JSONDecoder(object_pairs_hook=_members)


def _require_bounds(text: str, tool: str, start: int) -> None:
    """ReadError where one object or array holds far more than any of a report does.

    Blanks do not count: a report written without them is the same report.
    """
    end = _end(text, start)
    if end - start <= SMALL_BYTES:
        return
    if text.count("{", start, end) * _LEAST_OBJECT > end - start or any(
        text.count(":", *run.span()) > _MOST_MEMBERS or text.count(",", *run.span()) > _MOST_VALUES
        for run in _RUN.finditer(text, start, end)
        if run.end() - run.start() > _MOST_MEMBERS
    ):
        raise refuse(tool, "stdout holds more values in one place than any report does")


def _end(text: str, start: int) -> int:
    """Where the document can end at the latest: what a program prints behind it is no JSON."""
    last = text.rfind("}", start) + 1
    follows = text[last : last + 80].lstrip()
    return last if last and not follows.startswith((",", "]")) else len(text)
