"""The lines that each test of sysbench prints of itself, and what stands in them.

A test's result is all of its lines in their order; a report of which one is missing or strange
is refused, with the words of that line.
"""

from __future__ import annotations

import re

from harness.errors import ReadError
from harness.tools._sysbench_report import TOOL, Report
from harness.tools._text import excerpt, number, refuse

_MIB_IN = {"": 1 / 1024**2, "K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}
_F = r"([0-9]+(?:\.[0-9]+)?)"
_N = r"([0-9]+)"
_PER_SEC = rf"{_N} +\({_F} per sec\.\)"
CPU = (r"CPU speed:", r"events per second: +(\S+)")
MEMORY = (
    rf"(?:Total operations|Operations performed): {_N} \( *{_F} (?:per second|ops/sec)\)",
    rf"{_F} (?:MiB|MB) transferred \((\S+) (?:MiB|MB)/sec\)",
)
FILES = (
    r"File operations:",
    rf"reads/s: +{_F}",
    rf"writes/s: +{_F}",
    rf"fsyncs/s: +{_F}",
    rf"read, MiB/s: +{_F}",
    rf"written, MiB/s: +{_F}",
)
FILES_0 = (
    rf"Operations performed:  {_N} [Rr]eads?, {_N} [Ww]rites?, {_N} Other = {_N} Total",
    rf"Read {_F}([KMGT]?)b  Written {_F}([KMGT]?)b  Total transferred {_F}([KMGT]?)b"
    rf"  \({_F}([KMGT]?)b/sec\)",
    rf"{_F} Requests/sec executed",
)
FILES_11 = (
    rf"read:  IOPS={_F} {_F} MiB/s \({_F} MB/s\)",
    rf"write: IOPS={_F} {_F} MiB/s \({_F} MB/s\)",
    rf"fsync: IOPS={_F}",
)
OLTP = (
    r"(?:SQL|OLTP test) statistics:",
    r"queries performed:",
    rf"read: +{_N}",
    rf"write: +{_N}",
    rf"other: +{_N}",
    rf"total: +{_N}",
    rf"transactions: +{_PER_SEC}",
    rf"(?:deadlocks|queries): +{_PER_SEC}",
    rf"(?:read/write requests|ignored errors): +{_PER_SEC}",
    rf"(?:other operations|reconnects): +{_PER_SEC}",
)
OLTP_05 = (
    *OLTP[:7],
    rf"read/write requests: +{_PER_SEC}",
    rf"other operations: +{_PER_SEC}",
    rf"ignored errors: +{_PER_SEC}",
    rf"reconnects: +{_PER_SEC}",
)


def unknown(found: Report) -> ReadError:
    """The error of lines that are of no test: of the first that no report has, or else of the
    first that is missing of the report that they are most like."""
    tests: tuple[tuple[str, ...], ...] = (*(CPU, MEMORY, FILES, FILES_0, FILES_11, OLTP, OLTP_05),)
    what = "stdout holds no result of cpu, memory, fileio, threads, mutex or oltp"
    for at, line in found.body:
        if not any(re.fullmatch(form, line) for forms in tests for form in forms):
            return refuse(TOOL, f"{what}: line {at} is of none ({excerpt(line)!r})")
    missing = {forms: _lacking(found, forms) for forms in tests}

    def unlikeness(forms: tuple[str, ...]) -> tuple[int, int]:
        lost = len(missing[forms])
        return lost, abs(len(forms) - lost - len(found.body))

    lacking = missing[min(tests, key=unlikeness)]
    if lacking:
        return refuse(TOOL, f"{what}: {_label(lacking[0])!r} is missing, or incomplete")
    at, line = found.body[0]
    return refuse(TOOL, f"{what}: line {at} and those after it are too many ({excerpt(line)!r})")


def _lacking(found: Report, forms: tuple[str, ...]) -> list[str]:
    return [f for f in forms if not any(re.fullmatch(f, line) for _, line in found.body)]


def _label(form: str) -> str:
    """The words with which a line of `form` begins."""
    words = form.replace(_F, "").replace(_N, "")
    words = re.sub(r"\(\?:(.*?)\)", lambda found: found[1].replace("|", " or "), words)
    return re.split(r"[:=]|\\?\(", words)[0].strip()


def figures(found: Report, forms: tuple[str, ...]) -> list[float]:
    """What stands in the test's lines, if they are of `forms`; none otherwise.

    A unit's prefix is handed on as its factor to MiB.
    """
    if len(forms) != len(found.body):
        return []
    cells: list[float] = []
    for (at, line), form in zip(found.body, forms, strict=True):
        matched = re.fullmatch(form, line)
        if matched is None:
            return []
        for cell in matched.groups():
            factor = _MIB_IN.get(cell)
            cells.append(number(cell, TOOL, f"stdout line {at}") if factor is None else factor)
    return cells
