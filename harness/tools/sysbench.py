"""Reads the report of sysbench 1.0 for its tests `cpu` and `memory`.

sysbench prints text for people, two digits after the point. Its other tests are refused, as
is a report that does not reach its last line.
"""

from __future__ import annotations

import re

from harness.model import Metric, Sample
from harness.tools._sample import sample, table
from harness.tools._text import decode, excerpt, number, one, refuse, report, version_line

PROGRAM = "sysbench"
VERSION_ARGS = ("--version",)
METRICS = table(
    Metric("events_per_s", "1/s", "higher"),
    Metric("bandwidth_mib_per_s", "MiB/s", "higher"),
    Metric("latency_p95_ms", "ms", "lower"),
)

_TOOL = "sysbench"
_FAILURE = re.compile(r"^(?:FATAL|ALERT|PANIC)\b.*$", re.MULTILINE)
_EVENTS = re.compile(r"^ +events per second: +(\S+)$", re.MULTILINE)
_BANDWIDTH = re.compile(r"^\S+ MiB transferred \((\S+) MiB/sec\)$", re.MULTILINE)
_COUNT = re.compile(r"^ +total number of events: +(\S+)$", re.MULTILINE)
_LATENCY = re.compile(
    r"^Latency \(ms\):\n +min: +\S+\n +avg: +\S+\n +max: +\S+\n"
    r" +(95th percentile|percentile stats): +(\S+)\n +sum: +\S+$",
    re.MULTILINE,
)
_LAST = re.compile(r"^ +execution time \(avg/stddev\): +[0-9.]+/[0-9.]+$", re.MULTILINE)
_VERSION = re.compile(r"sysbench [0-9]+\.[0-9]+[\w.+-]*")


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """`cpu`: events_per_s (1/s); `memory`: bandwidth_mib_per_s (MiB/s).

    Both also give latency_p95_ms (ms, of one event) where it is not below the 0.01 ms that
    sysbench prints, and not switched off (`--percentile=0`). ReadError for any other percentile,
    and for any other, incomplete or failed report.
    """
    text = report(stdout, _TOOL)
    for stream in (text, decode(stderr, _TOOL, "stderr")):
        if failure := _FAILURE.search(stream):
            raise refuse(_TOOL, f"it failed: {excerpt(failure.group())}")
    if "\nCPU speed:\n" in text:
        name, where, pattern = "events_per_s", "'events per second'", _EVENTS
    elif " MiB transferred (" in text:
        name, where, pattern = "bandwidth_mib_per_s", "'MiB transferred'", _BANDWIDTH
    else:
        raise refuse(_TOOL, "stdout holds no result of the tests cpu or memory")
    one(_LAST, text, _TOOL, "'execution time', the last line,")
    if number(one(_COUNT, text, _TOOL, "the number of events").group(1), _TOOL, "it") < 1:
        raise refuse(_TOOL, "'total number of events' is zero: nothing was measured")
    found = one(pattern, text, _TOOL, where).group(1)
    samples = [sample(METRICS[name], number(found, _TOOL, where), _TOOL, where)]
    where = "'95th percentile' below 'Latency (ms)'"
    latency = one(_LATENCY, text, _TOOL, where)
    if latency.group(1) == "95th percentile":
        p95 = number(latency.group(2), _TOOL, where)
        if p95 != 0:
            samples.append(sample(METRICS["latency_p95_ms"], p95, _TOOL, where))
    return tuple(samples)


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `sysbench 1.0.20`; ReadError where stdout states none."""
    return version_line(stdout, _TOOL, _VERSION)
