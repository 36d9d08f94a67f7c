"""Strict JSON: a value that knows its place in the document. Shared by the readers."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import NoReturn

from harness.tools._text import excerpt, refuse, report

_OPENING = re.compile(r"^\{", re.MULTILINE)
"""Where a tool's report begins; warnings may stand before it."""
_SMALL = 64 * 1024
_COST = {"[": 64, "{": 232, ",": 100}
"""What Python takes for a list, a small dictionary and a member, in bytes."""
_ABSURD = 1e30
"""No tool counts as far as this; beyond it a number is a defect of the output."""


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
        """The value under `key`, None where it is absent; ReadError where this is no object."""
        if not isinstance(self.value, dict):
            raise refuse(self.tool, f"{self.place or 'the document'} is not an object")
        if key not in self.value:
            if near := next((other for other in self.value if _one_apart(key, other)), None):
                raise refuse(self.tool, f"{self._below(key)} is missing, {near!r} is in its place")
            return None
        return Node(self.tool, self._below(key), self.value[key])

    def items(self) -> list[Node]:
        """The elements of an array, in order; ReadError where this is none."""
        if not isinstance(self.value, list):
            raise refuse(self.tool, f"{self.place or 'the document'} is not an array")
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


def _one_apart(key: str, other: str) -> bool:
    """Whether a single changed character makes one of the other: then it was no other key."""
    return len(key) == len(other) and sum(a != b for a, b in zip(key, other, strict=True)) == 1


def _require_sparse(text: str, tool: str) -> None:
    """Refuse JSON that would take many times its own size in memory: no report is so dense."""
    most = 8 * len(text)
    if len(text) > _SMALL and sum(text.count(mark) * size for mark, size in _COST.items()) > most:
        raise refuse(tool, "stdout is JSON of nothing but brackets, commas and braces")


def read_json(stdout: bytes, tool: str) -> Node:
    """The one JSON document that `stdout` holds; lines of text may stand before it.

    ReadError, with line and column, where it is empty, truncated, not JSON, followed by
    anything, or holds NaN, an infinity, a number out of range, a key of two values in one object
    or one of characters that cannot be printed.
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
        if len(found) != len(pairs):
            # iperf3 says some things once a stream, in one object; that is no contradiction.
            for key, value in pairs:
                if value != found[key]:
                    raise refuse(
                        tool, f"stdout holds the key {excerpt(key)!r} twice in one object, unlike"
                    )
        for key in found:
            if not key.isprintable():
                raise refuse(tool, f"stdout holds the key {excerpt(repr(key))}, which cannot be")
        return found

    text = report(stdout, tool)
    _require_sparse(text, tool)
    opening = _OPENING.search(text)
    skipped = opening.start() if opening else 0
    try:
        value: object = json.loads(
            text[skipped:], parse_constant=constant, parse_float=decimal, object_pairs_hook=members
        )
    except json.JSONDecodeError as error:
        line = error.lineno + text.count("\n", 0, skipped)
        raise refuse(
            tool, f"stdout is not JSON at line {line} column {error.colno}: {error.msg}"
        ) from None
    except RecursionError:
        raise refuse(tool, "stdout is JSON nested too deeply to be a report") from None
    except ValueError:
        raise refuse(tool, "stdout holds an integer of too many digits") from None
    return Node(tool, "", value)
