"""Strict JSON: a value that knows its place in the document. Shared by the readers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import NoReturn

from harness.tools._text import excerpt, refuse, report

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


def read_json(stdout: bytes, tool: str) -> Node:
    """The one JSON document that `stdout` is.

    ReadError, with line and column, where it is empty, truncated, not JSON, followed by
    anything, or holds NaN, an infinity, a number out of range or a key twice in one object.
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
            keys = [key for key, _ in pairs]
            twice = next(key for key in found if keys.count(key) > 1)
            raise refuse(tool, f"stdout holds the key {excerpt(twice)!r} twice in one object")
        return found

    text = report(stdout, tool)
    try:
        value: object = json.loads(
            text, parse_constant=constant, parse_float=decimal, object_pairs_hook=members
        )
    except json.JSONDecodeError as error:
        raise refuse(
            tool, f"stdout is not JSON at line {error.lineno} column {error.colno}: {error.msg}"
        ) from None
    except RecursionError:
        raise refuse(tool, "stdout is JSON nested too deeply to be a report") from None
    except ValueError:
        raise refuse(tool, "stdout holds an integer of too many digits") from None
    return Node(tool, "", value)
