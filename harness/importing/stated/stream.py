"""What STREAM's report states: sizes, repeats and threads."""

from __future__ import annotations

import re

from harness.importing.stated import Given, Stated

_ONE = {
    "bytes of an element": re.compile(r"^This system uses (\d+) bytes per", re.MULTILINE),
    "array size": re.compile(r"^Array size = (\d+)", re.MULTILINE),
    "offset": re.compile(r"\bOffset = (\d+)"),
    "times": re.compile(r"^Each (?:kernel will be executed|test is run) (\d+) times", re.MULTILINE),
    "threads": re.compile(r"^Number of Threads counted = (\d+)", re.MULTILINE),
}


def read(stdout: str, _: str) -> Stated:
    """The options of one execution."""
    found = {name: pattern.search(stdout) for name, pattern in _ONE.items()}
    given = {name: Given(each[1], each[1]) for name, each in found.items() if each}
    return Stated("text", given) if given else Stated()
