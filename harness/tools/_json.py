"""Strict JSON: a value that knows its place in the document. Shared by the readers.

A document damaged in one place must not read as a smaller one. So a key that is optional and
absent is an error where a key beside it differs from it in one character only.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import NoReturn

from harness.tools._text import SMALL_BYTES, excerpt, line_number, refuse

_ABSURD = 1e30
"""No tool counts as far as this; beyond it a number is a defect of the output."""
_BYTES_EACH = {"[": 72, "{": 200, ":": 96, ",": 64}
"""About what Python takes for the value that the character stands for, measured."""
_MOST_MEMBERS = 4096
"""fio runs no more jobs than this and has half as many buckets of latency."""
_KEYS_LIKE_OTHERS = frozenset({"io_bytes"})
"""Keys of their own that are another key (`io_kbytes`) but for one character."""
_RUN = re.compile(r"[^{}]+")
_MOST_GROWTH = 8
"""How many times its size a large document may take in memory."""


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
        """The value under `key`, None where it is absent.

        ReadError where this is no object, or where a key is there that is `key` but for one
        character changed, lost or added.
        """
        if not isinstance(self.value, dict):
            raise refuse(self.tool, f"{self.place or 'the document'} is not an object")
        if key not in self.value:
            for other in self.value:
                if other not in _KEYS_LIKE_OTHERS and _misspelt(other, key):
                    raise refuse(
                        self.tool, f"{self._below(key)} is missing: there is {other!r} instead"
                    )
            return None
        return Node(self.tool, self._below(key), self.value[key])

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


def _misspelt(other: str, key: str) -> bool:
    """Whether one character of `key` was changed, lost or added."""
    if len(other) == len(key):
        return sum(a != b for a, b in zip(other, key, strict=True)) == 1
    short, long = sorted((other, key), key=len)
    if len(long) != len(short) + 1:
        return False
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[at:] == long[at + 1 :]


def _is_dense(document: str) -> bool:
    """Whether, going by its punctuation, Python would need many times its size for it."""
    weight = sum(document.count(sign) * each for sign, each in _BYTES_EACH.items())
    return weight > _MOST_GROWTH * len(document) or any(
        document.count(":", run.start(), run.end()) > _MOST_MEMBERS
        for run in _RUN.finditer(document)
    )


def read_json(text: str, tool: str, start: int = 0, repeated: frozenset[str] = frozenset()) -> Node:
    """The one JSON document that standard output's `text` is from the offset `start` on.

    `repeated` are keys that the tool is known to write several times in one object.

    ReadError, with line and column, where it is truncated, not JSON, followed by anything, or
    holds NaN, an infinity, a number out of range, a key twice in one object or a key that
    cannot be printed; and where it would take many times its size in memory.
    """

    def constant(name: str) -> NoReturn:
        raise refuse(tool, f"stdout holds {name}, which is not a number")

    def decimal(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            raise refuse(tool, f"stdout holds {excerpt(text)}, which is out of range")
        return value

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        for key in found:
            if not key.isprintable():
                raise refuse(tool, f"stdout holds the key {excerpt(key)!r}, which is no key")
        if len(found) != len(pairs):
            times = Counter(key for key, _ in pairs if key not in repeated)
            twice = next((key for key, count in times.items() if count > 1), None)
            if twice is not None:
                raise refuse(tool, f"stdout holds the key {excerpt(twice)!r} twice in one object")
        return found

    document = text[start:]
    if len(document) > SMALL_BYTES and _is_dense(document):
        raise refuse(tool, "stdout holds more brackets, colons and commas than a report could")
    try:
        value: object = json.loads(
            document, parse_constant=constant, parse_float=decimal, object_pairs_hook=members
        )
    except json.JSONDecodeError as error:
        line = line_number(text, start) - 1 + error.lineno
        raise refuse(
            tool, f"stdout is not JSON at line {line} column {error.colno}: {error.msg}"
        ) from None
    except RecursionError:
        raise refuse(tool, "stdout is JSON nested too deeply to be a report") from None
    except ValueError:
        raise refuse(tool, "stdout holds an integer of too many digits") from None
    return Node(tool, "", value)
