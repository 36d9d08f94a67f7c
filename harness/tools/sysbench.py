"""Reads the report of sysbench 0.4, 0.5, 1.0 and 1.1 for cpu, memory, fileio, threads, mutex and
oltp.

sysbench prints text for people, mostly two digits after the point. What 0.4 and 0.5 call
"MB/sec" and "Mb/sec" is counted in 1024 × 1024 bytes like the "MiB/sec" of later versions;
both are MiB/s here. The reports of threads and mutex do not say which of the two they are.

The percentile is that of `--percentile`, 95 where it is not given; its number is in the metric's
name. Whatever takes longer than sysbench's histogram reaches is counted in the last bucket, so a
percentile printed as the histogram's end is "at least" and no value: it is left out, with a note.
"""

from __future__ import annotations

import re

from harness.model.workload import Metric, Sample
from harness.tools._sample import sample, table
from harness.tools._sysbench_report import TOOL, Report, parse, spans
from harness.tools._sysbench_tests import (
    CPU,
    FILES,
    FILES_0,
    FILES_11,
    MEMORY,
    OLTP,
    OLTP_05,
    figures,
    unknown,
)
from harness.tools._text import decode, excerpt, refuse, report, version_line
from harness.tools._trace import note

PROGRAM = "sysbench"
VERSION_ARGS = ("--version",)
BUNDLED = True
START_S = 0.15
"""Seconds that a trial takes beyond those asked of it: the mean over native (twice), a container
and an emulated guest, of cpu .1, of memory .27 (docs/statistics.md, "The core set")."""
METRICS = table(
    Metric("events_per_s", "1/s", "higher"),
    Metric("bandwidth_mib_per_s", "MiB/s", "higher"),
    Metric("read_iops", "1/s", "higher"),
    Metric("read_bw_mib_per_s", "MiB/s", "higher"),
    Metric("write_iops", "1/s", "higher"),
    Metric("write_bw_mib_per_s", "MiB/s", "higher"),
    Metric("transactions_per_s", "1/s", "higher"),
    Metric("queries_per_s", "1/s", "higher"),
    *(
        Metric(f"latency_p{rank}_ms", "ms", "lower")
        for rank in (95, *range(1, 95), *range(96, 101))
    ),
)

_TIME = "'total time'"
_EVENTS = f"'total number of events' / {_TIME}"
_SHORTEST_S = 0.02
"""Of less, four digits after the point do not tell a rate to a percent."""
_REPORT_LATE_S = 1.5
"""Most that sysbench may take from the end of the test to its report."""
_FAILURE = re.compile(r"^[ \t]*(?:FATAL|ALERT|PANIC)\b.*$", re.MULTILINE)
_VERSION = re.compile(r"sysbench [0-9]+\.[0-9]+[\w.+-]*")


def read(stdout: bytes, stderr: bytes) -> tuple[Sample, ...]:
    """cpu, threads and mutex: events_per_s (1/s); memory: bandwidth_mib_per_s (MiB/s).

    fileio: iops (1/s) and bw (MiB/s) of what it read and of what it wrote. oltp:
    transactions_per_s and queries_per_s (1/s). All also give latency_pN_ms (ms, of one event; N
    from --percentile) where it is not below the 0.01 ms that sysbench prints nor at the end of
    its histogram. A rate of cpu, threads, mutex and memory is the number printed over the total
    time printed; see `_over_total_time`.

    ReadError for any other, incomplete or failed report.
    """
    text = report(stdout, TOOL)
    for stream in (text, decode(stderr, TOOL, "stderr")):
        if failure := _FAILURE.search(stream):
            raise refuse(TOOL, f"it failed: {excerpt(failure.group())}")
    found = parse(text)
    samples = _result(found)
    if (percentile := found.percentile) is not None:
        name = f"latency_p{percentile.rank}_ms"
        if percentile.unusable:
            note(f"no {name}: {percentile.unusable}")
        elif percentile.ms == 0:
            note(f"no {name}: {percentile.name} is below the 0.01 ms that sysbench prints")
        else:
            samples.append(sample(METRICS[name], percentile.ms, TOOL, percentile.name))
    return tuple(samples)


def reports(stdout: bytes) -> tuple[bytes, ...]:
    """Each of the reports in an output that holds several, with what stands behind it."""
    text = decode(stdout, TOOL, "stdout")
    found = spans(text)
    return tuple(text[a:b].encode() for a, b in found) if len(found) > 1 else (stdout,)


def _result(found: Report) -> list[Sample]:
    """What the lines of the test itself give; those of threads and mutex have none."""
    if not found.body:
        return [_sample("events_per_s", _rate(found, found.events), "the rate of events", _EVENTS)]
    if cells := figures(found, CPU):
        rate = _over_total_time(cells[0], found.events, found, "'events per second'")
        return [_sample("events_per_s", rate, "'events per second'", _EVENTS)]
    if cells := figures(found, MEMORY):
        rate = _over_total_time(cells[3], cells[2], found, "'MiB transferred'")
        return [
            _sample(
                "bandwidth_mib_per_s", rate, "'MiB transferred'", f"'MiB transferred' / {_TIME}"
            )
        ]
    if cells := figures(found, FILES):
        _require_events_between(cells[:3], found)
        return _files(cells[0], cells[3], cells[1], cells[4])
    if cells := figures(found, FILES_11):
        return _files(cells[0], cells[1], cells[3], cells[4])
    if cells := figures(found, FILES_0):
        return _files_0(cells, found)
    if cells := (figures(found, OLTP) or figures(found, OLTP_05)):
        return _oltp(cells, found)
    raise unknown(found)


def _oltp(cells: list[float], found: Report) -> list[Sample]:
    if sum(cells[:3]) != cells[3]:
        raise refuse(TOOL, "the total of 'queries performed' is not the sum of its parts")
    _agree(cells[5], cells[4] / _time(found), "'transactions'")
    queries = "'queries performed', total"
    return [
        _sample("transactions_per_s", cells[5], "'transactions' per sec."),
        _sample("queries_per_s", _rate(found, cells[3]), queries, f"{queries} / {_TIME}"),
    ]


def _require_events_between(cells: list[float], found: Report) -> None:
    """ReadError where the events are fewer than reads and writes or more than all operations.

    An fsync is an event where it was a request, and none where it followed a write
    (--file-fsync-all) or the end of the test (--file-fsync-end: each thread, each file).
    """
    if found.events is None:
        return
    least, most = sum(cells[:2]) * _time(found), sum(cells) * _time(found)
    slack = 0.05 * found.events + 1
    if found.events < least - slack or found.events > most + slack:
        raise refuse(TOOL, "'reads/s' and those below contradict the number of events")


def _files(
    reads: float,
    read_mib: float,
    writes: float,
    written_mib: float,
    iops_of: str = "operations/s of '{}'",
    mib_of: str = "MiB/s of '{}'",
) -> list[Sample]:
    """`iops_of` and `mib_of` name the fields, with `read` or `write` in them."""
    samples = []
    for name, iops, mib in (("read", reads, read_mib), ("write", writes, written_mib)):
        if (iops == 0) != (mib == 0):
            raise refuse(TOOL, f"one of '{name}s/s' and its MiB/s is zero, the other is not")
        if iops:
            samples.append(_sample(f"{name}_iops", iops, f"'{name}s/s'", iops_of.format(name)))
            samples.append(
                _sample(f"{name}_bw_mib_per_s", mib, f"'{name}, MiB/s'", mib_of.format(name))
            )
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
    return _files(
        *(reads / time_s, read_mib / time_s, writes / time_s, written_mib / time_s),
        f"'Operations performed', {{}} / {_TIME}",
        f"'Read … Written …', {{}} / {_TIME}",
    )


def _sample(name: str, value: float, where: str, fields: str = "") -> Sample:
    return sample(METRICS[name], value, TOOL, where, fields=fields)


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
