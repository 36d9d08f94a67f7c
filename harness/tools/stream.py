"""Reads the report of the classic STREAM benchmark, `stream.c` 5.9 and 5.10.

STREAM prints its best rates in MB/s of 10^6 bytes; here they are MiB/s of 2^20. It has no
option for its version: it states that in the first lines of every report. No Debian package
holds it, so it is in no bundle; its reader serves `baremark parse`.
"""

from __future__ import annotations

import re

from harness.model.workload import Metric, Sample
from harness.tools._sample import sample, table
from harness.tools._text import decode, excerpt, number, one, refuse, report, version_line

PROGRAM = "stream"
VERSION_ARGS = ()
BUNDLED = False
METRICS = table(
    Metric("copy_mib_per_s", "MiB/s", "higher"),
    Metric("scale_mib_per_s", "MiB/s", "higher"),
    Metric("add_mib_per_s", "MiB/s", "higher"),
    Metric("triad_mib_per_s", "MiB/s", "higher"),
)

_TOOL = "stream"
_MB = 1_000_000
_MIB = 1024 * 1024
_FAILURE = re.compile(r"^[ \t]*(?:Failed Validation|WEIRD).*$", re.MULTILINE)
_HEADING = re.compile(
    r"^[ \t]*Function +(?:Best Rate MB/s|Rate \(MB/s\)) +Avg time +Min time +Max time[ \t\r]*$",
    re.MULTILINE,
)
_VALID = re.compile(
    r"^[ \t]*Solution Validates(?:: avg error less than [0-9.e+-]+ on all three arrays)?[ \t\r]*$",
    re.MULTILINE,
)
_RULE = re.compile(r"^[ \t]*(-{20,})[ \t\r]*$", re.MULTILINE)
_VERSION = re.compile(r"STREAM version \$Revision: [0-9]+\.[0-9]+ \$")


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """copy, scale, add and triad (MiB/s): each kernel's best rate, as STREAM counts bytes.

    ReadError where the solution did not validate, or where a rate, its times or the rule under
    the report is missing or cannot be.
    """
    text = report(stdout, _TOOL)
    for stream in (text, decode(stderr, _TOOL, "stderr")):
        if failure := _FAILURE.search(stream):
            raise refuse(_TOOL, f"it failed: {excerpt(failure.group())}")
    one(_HEADING, text, _TOOL, "the heading 'Function'")
    valid = one(_VALID, text, _TOOL, "'Solution Validates'")
    rule, last = _RULE.search(text), _RULE.search(text, valid.end())
    if rule is None or last is None or last[1] != rule[1]:
        raise refuse(
            _TOOL, "there is no whole rule of dashes below 'Solution Validates': it is incomplete"
        )
    found = {name: _kernel(name, text) for name in ("Copy", "Scale", "Add", "Triad")}
    samples = tuple(
        sample(
            METRICS[f"{name.lower()}_mib_per_s"],
            rate * _MB / _MIB,
            _TOOL,
            f"'{name}'",
            fields=f"best rate of '{name}'",
        )
        for name, (rate, _) in found.items()
    )
    moved = {name: rate * least_s for name, (rate, least_s) in found.items()}
    for name, arrays in (("Scale", 2), ("Add", 3), ("Triad", 3)):
        if abs(moved[name] * 2 / arrays - moved["Copy"]) > 0.02 * moved["Copy"]:
            raise refuse(_TOOL, f"'{name}' has a rate and a time of other arrays than 'Copy' moved")
    return samples


def _kernel(name: str, text: str) -> tuple[float, float]:
    """The best rate (MB/s) and the shortest time (s) that it is taken from."""
    where = f"'{name}'"
    cells = rf"^[ \t]*{name}: +(\S+) +(\S+) +(\S+) +(\S+)[ \t\r]*$"
    row = one(re.compile(cells, re.MULTILINE), text, _TOOL, where)
    rate, mean, least, most = (number(cell, _TOOL, where) for cell in row.groups())
    if not 0 < least <= mean <= most:
        raise refuse(_TOOL, f"{where} has times of which the mean is not between the others")
    return rate, least


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `STREAM version $Revision: 5.10 $`, from a report; ReadError where there is none."""
    return version_line(stdout, _TOOL, _VERSION)
