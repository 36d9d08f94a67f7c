"""Reads the report of `sockperf ping-pong --full-rtt`: the latency of request and response.

Latencies here are ROUND TRIPS, from sending a message to having its answer. Without
`--full-rtt` sockperf prints half of that and calls it latency; such a report is refused, so
that the two never meet under one name.
"""

from __future__ import annotations

import re

from harness.model.workload import Metric, Sample
from harness.tools._sample import sample, table
from harness.tools._text import decode, excerpt, number, one, refuse, report, version_line

PROGRAM = "sockperf"
VERSION_ARGS = ("--version",)
BUNDLED = True
START_S = 2.2
"""It calibrates the CPU's counter for about two seconds before it sends anything."""
METRICS = table(
    Metric("latency_mean_us", "µs", "lower"),
    Metric("latency_p99_us", "µs", "lower"),
)

_TOOL = "sockperf"
_COLOUR = re.compile("\x1b\\[[0-9;]*m")
_FAILURE = re.compile(r"^[ \t]*sockperf: (?:ERROR: |No valid observations).*$", re.MULTILINE)
_INTERRUPTED = re.compile(r"\bTest end \(interrupted by (?!timer\))[^)\n]*\)")
_RATE = re.compile(r"^[ \t]*sockperf: Summary: Message Rate is ", re.MULTILINE)
_HALF = re.compile(r"^[ \t]*sockperf: Summary: Latency is ", re.MULTILINE)
_LOST = re.compile(
    r"^[ \t]*sockperf: # dropped messages = (\S+); # duplicated messages = (\S+);"
    r" # out-of-order messages = (\S+)[ \t\r]*$",
    re.MULTILINE,
)
_MEAN = re.compile(r"^[ \t]*sockperf: Summary: Round trip is (\S+) usec[ \t\r]*$", re.MULTILINE)
_DIGITS = re.compile(r"\d+\.\d{3}")
_P99 = re.compile(r"^[ \t]*sockperf: ---> percentile 99\.000 = +(\S+)[ \t\r]*$", re.MULTILINE)
_MOST = re.compile(r"^[ \t]*sockperf: ---> <MAX> observation = +(\S+)[ \t\r]*$", re.MULTILINE)
_LEAST = re.compile(r"^[ \t]*sockperf: ---> <MIN> observation = +(\S+)[ \t\r]*$", re.MULTILINE)
_VERSION = re.compile(r"sockperf, version [0-9]+\.[0-9]+[\w.+-]*")


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """latency_mean_us and latency_p99_us (µs), both of whole round trips.

    ReadError where an ERROR is printed (sockperf ends with status 0 on a refused connection),
    where half round trips are given, where messages were lost, or where the report does not
    reach its last line, the smallest observation.
    """
    text = _COLOUR.sub("", report(stdout, _TOOL))
    for stream in (text, _COLOUR.sub("", decode(stderr, _TOOL, "stderr"))):
        if failure := _FAILURE.search(stream):
            raise refuse(_TOOL, f"it failed: {excerpt(failure.group())}")
    if interrupted := _INTERRUPTED.search(text):
        raise refuse(_TOOL, f"it was interrupted: {excerpt(interrupted.group())}",
                     "let it run to its end")  # fmt: skip
    if _RATE.search(text):
        raise refuse(
            _TOOL, "it is the report of a throughput test, which is not read", "run ping-pong"
        )
    if _HALF.search(text):
        raise refuse(_TOOL, "the summary gives half round trips", "run it with --full-rtt")
    lost = one(_LOST, text, _TOOL, "the count of dropped messages")
    if lost.groups() != ("0", "0", "0"):
        raise refuse(_TOOL, f"messages went astray: {excerpt(lost.group())}")
    least = _microseconds(_LEAST, text, "'<MIN> observation', the last line,")
    mean = _microseconds(_MEAN, text, "'Round trip is'")
    p99 = _microseconds(_P99, text, "'percentile 99.000'")
    most = _microseconds(_MOST, text, "'<MAX> observation'")
    if not (least <= mean <= most and least <= p99 <= most):
        raise refuse(_TOOL, "mean and percentile are not between '<MIN>' and '<MAX>'")
    return (
        sample(METRICS["latency_mean_us"], mean, _TOOL, "'Round trip is'"),
        sample(METRICS["latency_p99_us"], p99, _TOOL, "'percentile 99.000'"),
    )


def _microseconds(pattern: re.Pattern[str], text: str, where: str) -> float:
    found = number(cell := one(pattern, text, _TOOL, where).group(1), _TOOL, where)
    if not _DIGITS.fullmatch(cell):
        raise refuse(_TOOL, f"{where} is {cell}, without three digits after the point: cut off")
    return found


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `sockperf, version 3.7-no.git`; ReadError where stdout states none."""
    return version_line(stdout, _TOOL, _VERSION)
