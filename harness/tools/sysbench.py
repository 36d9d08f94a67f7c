"""Reads the report of sysbench 0.4.12, 0.5 and 1: cpu, memory, fileio, threads, mutex and oltp.

sysbench prints text for people, two digits after the point. Which test it was is told by its
figures; a report that does not reach its last line is refused. What 0.4 and 0.5 call MB is
1024² bytes, as the MiB of later releases.
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
    Metric("reads_per_s", "1/s", "higher"),
    Metric("writes_per_s", "1/s", "higher"),
    Metric("read_bw_mib_per_s", "MiB/s", "higher"),
    Metric("write_bw_mib_per_s", "MiB/s", "higher"),
    Metric("transactions_per_s", "1/s", "higher"),
    Metric("queries_per_s", "1/s", "higher"),
    Metric("latency_p95_ms", "ms", "lower"),
)

_TOOL = "sysbench"
_FAILURE = re.compile(r"^(?:FATAL|ALERT|PANIC)\b.*$", re.MULTILINE)
_RELEASE = re.compile(r"\Asysbench ([0-9]+)\.[0-9]+")
_EVENTS = re.compile(r"^ +events per second: +(\S+)$", re.MULTILINE)
_BANDWIDTH = re.compile(r"^\S+ Mi?B transferred \((\S+) Mi?B/sec\)$", re.MULTILINE)
_FILES = re.compile(
    r"^File operations:\n +reads/s: +(\S+)\n +writes/s: +(\S+)\n +fsyncs/s: +\S+\n\n"
    r"Throughput:\n +read, MiB/s: +(\S+)\n +written, MiB/s: +(\S+)$",
    re.MULTILINE,
)
_TRANSACTIONS = re.compile(r"^ +transactions: +[0-9]+ +\((\S+) per sec\.\)$", re.MULTILINE)
_QUERIES = re.compile(r"^ +queries: +[0-9]+ +\((\S+) per sec\.\)$", re.MULTILINE)
_BARE = re.compile(
    r"^Threads started!\n(?:Done\.\n)?\n+(?:Maximum prime number checked in CPU test: [0-9]+\n+)?"
    r"(?:General statistics|Test execution summary):$",
    re.MULTILINE,
)
"""Nothing but a count of events: threads and mutex; cpu before 1.0."""
_COUNT = re.compile(r"^ +total number of events: +(\S+)$", re.MULTILINE)
_TIME = re.compile(r"^ +total time: +(\S+)s$", re.MULTILINE)
_LATENCY = re.compile(
    r"^Latency \(ms\):\n +min: +\S+\n +avg: +\S+\n +max: +\S+\n"
    r" +(95th percentile|percentile stats): +(\S+)\n +sum: +\S+$",
    re.MULTILINE,
)
_OLD_LATENCY = re.compile(
    r"^ +(?:per-request statistics|response time):\n +min: +\S+ms\n +avg: +\S+ms\n +max: +\S+ms\n"
    r" +(approx\. +95 percentile): +(\S+)ms$",
    re.MULTILINE,
)
_LAST = re.compile(r"^ +execution time \(avg/stddev\): +[0-9.]+/[0-9.]+$", re.MULTILINE)
_VERSION = re.compile(r"sysbench [0-9]+\.[0-9]+[\w.+-]*")


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """What the test is about, and latency_p95_ms (ms, of one event).

    cpu, threads, mutex: events_per_s; memory: bandwidth_mib_per_s; fileio: reads_per_s and
    read_bw_mib_per_s where it read, writes_per_s and write_bw_mib_per_s where it wrote; oltp:
    transactions_per_s, from 1.0 on queries_per_s too. Where only a count is printed, events per
    second are count by time. The latency is left out where it is below the 0.01 ms that sysbench
    prints, or switched off (`--percentile=0`). ReadError for another percentile, and for any
    other, incomplete or failed report.
    """
    text = report(stdout, _TOOL)
    for stream in (text, decode(stderr, _TOOL, "stderr")):
        if failure := _FAILURE.search(stream):
            raise refuse(_TOOL, f"it failed: {excerpt(failure.group())}")
    release = one(_RELEASE, text, _TOOL, "the first line, 'sysbench' with its release,").group(1)
    if release not in ("0", "1"):
        raise refuse(_TOOL, f"it is of sysbench {release}, 0 and 1 are read")
    found = _figures(text, old=release == "0")
    one(_LAST, text, _TOOL, "'execution time', the last line,")
    if _number(_COUNT, text, "'total number of events'") < 1:
        raise refuse(_TOOL, "'total number of events' is zero: nothing was measured")
    samples = [sample(METRICS[name], value, _TOOL, where) for name, (value, where) in found.items()]
    where = "'95th percentile' of the latency"
    latency = one(_OLD_LATENCY if release == "0" else _LATENCY, text, _TOOL, where)
    if latency.group(1) != "percentile stats":
        p95 = number(latency.group(2), _TOOL, where)
        if p95 != 0:
            samples.append(sample(METRICS["latency_p95_ms"], p95, _TOOL, where))
    return tuple(samples)


def _figures(text: str, *, old: bool) -> dict[str, tuple[float, str]]:
    """The test's own figures by metric, with the words that name each in messages."""
    if "\nCPU speed:\n" in text:
        return {"events_per_s": _named(_EVENTS, text, "'events per second'")}
    if "B transferred (" in text:
        return {"bandwidth_mib_per_s": _named(_BANDWIDTH, text, "'MiB transferred'")}
    if "\nFile operations:\n" in text:
        return _files(text)
    if " transactions: " in text:
        found = {"transactions_per_s": _named(_TRANSACTIONS, text, "'transactions'")}
        return found if old else {**found, "queries_per_s": _named(_QUERIES, text, "'queries'")}
    if _BARE.search(text):
        count = _number(_COUNT, text, "'total number of events'")
        seconds = _number(_TIME, text, "'total time'")
        if seconds > 0:
            return {"events_per_s": (count / seconds, "'total number of events' by 'total time'")}
    raise refuse(_TOOL, "stdout holds no result of a test that is known")


def _files(text: str) -> dict[str, tuple[float, str]]:
    words = one(_FILES, text, _TOOL, "'File operations' and 'Throughput'").groups()
    reads, writes, read, written = (number(word, _TOOL, "'File operations'") for word in words)
    found = {}
    for name, bandwidth, rate, moved in (
        ("reads_per_s", "read_bw_mib_per_s", reads, read),
        ("writes_per_s", "write_bw_mib_per_s", writes, written),
    ):
        if (rate == 0) != (moved == 0):
            raise refuse(_TOOL, f"{name} and {bandwidth} contradict each other")
        if rate != 0:
            found[name] = (rate, "'File operations'")
            found[bandwidth] = (moved, "'Throughput'")
    return found


def _named(pattern: re.Pattern[str], text: str, where: str) -> tuple[float, str]:
    return _number(pattern, text, where), where


def _number(pattern: re.Pattern[str], text: str, where: str) -> float:
    return number(one(pattern, text, _TOOL, where).group(1), _TOOL, where)


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `sysbench 1.0.20`; ReadError where stdout states none."""
    return version_line(stdout, _TOOL, _VERSION)
