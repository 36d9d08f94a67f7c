"""Reads the report of sysbench 0.4.12, 0.5, 1.0 and 1.1 for cpu, memory, fileio, threads,
mutex and oltp.

sysbench prints text for people, mostly two digits after the point. What 0.4 and 0.5 call
"MB/sec" and "Mb/sec" is counted in 1024 × 1024 bytes like the "MiB/sec" of later versions;
both are MiB/s here. The reports of threads and mutex do not say which of the two they are.
"""

from __future__ import annotations

import re

from harness.model.workload import Metric, Sample
from harness.tools._sample import sample, table
from harness.tools._sysbench_report import TOOL, Report, parse
from harness.tools._text import decode, excerpt, number, refuse, report, version_line

PROGRAM = "sysbench"
VERSION_ARGS = ("--version",)
BUNDLED = True
METRICS = table(
    Metric("events_per_s", "1/s", "higher"),
    Metric("bandwidth_mib_per_s", "MiB/s", "higher"),
    Metric("read_iops", "1/s", "higher"),
    Metric("read_bw_mib_per_s", "MiB/s", "higher"),
    Metric("write_iops", "1/s", "higher"),
    Metric("write_bw_mib_per_s", "MiB/s", "higher"),
    Metric("transactions_per_s", "1/s", "higher"),
    Metric("queries_per_s", "1/s", "higher"),
    Metric("latency_p95_ms", "ms", "lower"),
)

_SHORTEST_S = 0.02
"""Of less, four digits after the point do not tell a rate to a percent."""
_REPORT_LATE_S = 1.5
"""Most that sysbench may take from the end of the test to its report."""
_MIB_IN = {"": 1 / 1024**2, "K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}
_FAILURE = re.compile(r"^(?:FATAL|ALERT|PANIC)\b.*$", re.MULTILINE)
_F = r"([0-9]+(?:\.[0-9]+)?)"
_N = r"([0-9]+)"
_PER_SEC = rf"{_N} +\({_F} per sec\.\)"
_CPU = (r"CPU speed:", r"    events per second: +(\S+)")
_MEMORY = (
    rf"(?:Total operations|Operations performed): {_N} \( *{_F} (?:per second|ops/sec)\)",
    rf"{_F} (?:MiB|MB) transferred \((\S+) (?:MiB|MB)/sec\)",
)
_FILES = (
    r"File operations:",
    rf"    reads/s: +{_F}",
    rf"    writes/s: +{_F}",
    rf"    fsyncs/s: +{_F}",
    rf"    read, MiB/s: +{_F}",
    rf"    written, MiB/s: +{_F}",
)
_FILES_0 = (
    rf"Operations performed:  {_N} [Rr]eads?, {_N} [Ww]rites?, {_N} Other = {_N} Total",
    rf"Read {_F}([KMGT]?)b  Written {_F}([KMGT]?)b  Total transferred {_F}([KMGT]?)b"
    rf"  \({_F}([KMGT]?)b/sec\)",
    rf" *{_F} Requests/sec executed",
)
_FILES_11 = (
    rf"         read:  IOPS={_F} {_F} MiB/s \({_F} MB/s\)",
    rf"         write: IOPS={_F} {_F} MiB/s \({_F} MB/s\)",
    rf"         fsync: IOPS={_F}",
)
_OLTP = (
    r"(?:SQL|OLTP test) statistics:",
    r"    queries performed:",
    rf"        read: +{_N}",
    rf"        write: +{_N}",
    rf"        other: +{_N}",
    rf"        total: +{_N}",
    rf"    transactions: +{_PER_SEC}",
    rf"(?:    (?:deadlocks|queries): +{_PER_SEC})",
    rf"    (?:read/write requests|ignored errors): +{_PER_SEC}",
    rf"    (?:other operations|reconnects): +{_PER_SEC}",
)
_OLTP_05 = (
    *_OLTP[:7],
    rf"    read/write requests: +{_PER_SEC}",
    rf"    other operations: +{_PER_SEC}",
    rf"    ignored errors: +{_PER_SEC}",
    rf"    reconnects: +{_PER_SEC}",
)
_VERSION = re.compile(r"sysbench [0-9]+\.[0-9]+[\w.+-]*")


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """cpu, threads and mutex: events_per_s (1/s); memory: bandwidth_mib_per_s (MiB/s).

    fileio: iops (1/s) and bw (MiB/s) of what it read and of what it wrote. oltp:
    transactions_per_s and queries_per_s (1/s). All also give latency_p95_ms (ms, of one
    event) where it is not below the 0.01 ms that sysbench prints. A rate of cpu, threads, mutex
    and memory is the number printed over the total time printed; see `_over_total_time`.

    ReadError for any other, incomplete or failed report.
    """
    text = report(stdout, TOOL)
    for stream in (text, decode(stderr, TOOL, "stderr")):
        if failure := _FAILURE.search(stream):
            raise refuse(TOOL, f"it failed: {excerpt(failure.group())}")
    found = parse(text)
    samples = _result(found)
    if found.p95_ms is not None:
        metric = METRICS["latency_p95_ms"]
        samples.append(sample(metric, found.p95_ms, TOOL, "'95th percentile'"))
    return tuple(samples)


def _result(found: Report) -> list[Sample]:
    """What the lines of the test itself give; those of threads and mutex have none."""
    if not found.body:
        return [_sample("events_per_s", _rate(found, found.events), "the rate of events")]
    if cells := _cells(found, _CPU):
        rate = _over_total_time(cells[0], found.events, found, "'events per second'")
        return [_sample("events_per_s", rate, "'events per second'")]
    if cells := _cells(found, _MEMORY):
        rate = _over_total_time(cells[3], cells[2], found, "'MiB transferred'")
        return [_sample("bandwidth_mib_per_s", rate, "'MiB transferred'")]
    if cells := _cells(found, _FILES):
        if found.events is not None:
            counted = sum(cells[:3]) * _time(found)
            if abs(counted - found.events) > 0.05 * found.events + 1:
                raise refuse(TOOL, "'reads/s' and those below contradict the number of events")
        return _files(cells[0], cells[3], cells[1], cells[4])
    if cells := _cells(found, _FILES_11):
        return _files(cells[0], cells[1], cells[3], cells[4])
    if cells := _cells(found, _FILES_0):
        return _files_0(cells, found)
    if cells := (_cells(found, _OLTP) or _cells(found, _OLTP_05)):
        if sum(cells[:3]) != cells[3]:
            raise refuse(TOOL, "the total of 'queries performed' is not the sum of its parts")
        _agree(cells[5], cells[4] / _time(found), "'transactions'")
        return [
            _sample("transactions_per_s", cells[5], "'transactions'"),
            _sample("queries_per_s", _rate(found, cells[3]), "'queries performed'"),
        ]
    at, line = found.body[0]
    raise refuse(
        TOOL,
        f"stdout holds no result of cpu, memory, fileio, threads, mutex or oltp: line {at}"
        f" and those after it are of none ({excerpt(line)!r})",
    )


def _cells(found: Report, forms: tuple[str, ...]) -> list[float]:
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


def _files(reads: float, read_mib: float, writes: float, written_mib: float) -> list[Sample]:
    samples = []
    for name, iops, mib in (("read", reads, read_mib), ("write", writes, written_mib)):
        if (iops == 0) != (mib == 0):
            raise refuse(TOOL, f"one of '{name}s/s' and its MiB/s is zero, the other is not")
        if iops:
            samples.append(_sample(f"{name}_iops", iops, f"'{name}s/s'"))
            samples.append(_sample(f"{name}_bw_mib_per_s", mib, f"'{name}, MiB/s'"))
    if not samples:
        raise refuse(TOOL, "it neither read nor wrote: nothing was measured")
    return samples


def _files_0(cells: list[float], found: Report) -> list[Sample]:
    reads, writes, other, total = cells[:4]
    read_mib, written_mib = cells[4] * cells[5], cells[6] * cells[7]
    if reads + writes + other != total:
        raise refuse(TOOL, "'Operations performed' is not the sum of its parts")
    _agree(cells[12], (reads + writes) / _time(found), "'Requests/sec executed'")
    _agree(cells[8] * cells[9], read_mib + written_mib, "'Total transferred'")
    time_s = _time(found)
    return _files(reads / time_s, read_mib / time_s, writes / time_s, written_mib / time_s)


def _sample(name: str, value: float, where: str) -> Sample:
    return sample(METRICS[name], value, TOOL, where)


def _time(found: Report) -> float:
    if found.time_s is None or found.time_s < _SHORTEST_S:
        raise refuse(
            TOOL, f"'total time' is {found.time_s} s, too short to take a rate from", "let it run"
        )
    return found.time_s


def _rate(found: Report, count: float | None) -> float:
    if count is None:
        raise refuse(TOOL, "the number of events is missing from stdout, or incomplete")
    rate = count / _time(found)
    if found.rate_per_s is not None and count == found.events:
        _agree(found.rate_per_s, rate, "'events/s (eps)'")
    return rate


def _over_total_time(stated: float, count: float | None, found: Report, where: str) -> float:
    """The count over the total time, with which the stated rate must agree.

    sysbench divides by another clock, read when it writes its report: the end of the threads
    and of the timer is in it, .1 to .3 % of a second's run here, and nearly a second of its
    own where a processor is interpreted. What the test itself took is the total time.
    """
    rate = _rate(found, count)
    if stated == 0:
        raise refuse(TOOL, f"{where} is zero: nothing was measured")
    if stated > rate or (rate / stated - 1) * _time(found) > _REPORT_LATE_S:
        _agree(stated, rate, where)
    return rate


def _agree(stated: float, counted: float, where: str) -> None:
    """Figures printed apart agree to 5 percent: their clocks are not read at one moment."""
    if stated != 0 and abs(stated - counted) > 0.05 * max(stated, counted) + 0.01:
        raise refuse(TOOL, f"{where} is {stated:g} where the figures beside it give {counted:g}")


def version(stdout: bytes, stderr: bytes) -> str:  # noqa: ARG001
    """Such as `sysbench 1.0.20`; ReadError where stdout states none."""
    return version_line(stdout, TOOL, _VERSION)
