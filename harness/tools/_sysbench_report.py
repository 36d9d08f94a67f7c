"""The parts that every report of sysbench 0.4 to 1.1 has, whatever the test.

From "Threads started!" to the report's last line each line is of a known form. What the test
itself prints there is handed on as `body`; the rest is times, events, latencies and fairness.
Warnings and what `--debug` adds may stand anywhere; what comes behind the last line is not
sysbench's. How far a line is indented does not matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.errors import ReadError
from harness.tools._text import excerpt, filled_lines, line_number, number, refuse

TOOL = "sysbench"
_STARTED = "Threads started!"
_ASIDE = re.compile(
    r"|(?:WARNING|DEBUG): .*"
    r"|Done\.|Time limit exceeded, exiting\.\.\.|Maximum request number reached, exiting\.\.\."
    r"|Warming up for [0-9]+ seconds?\.\.\."
    r"|\(last message repeated [0-9]+ times\)"
    r"|\[ *[0-9.]+s ?\] .*"
    r"|Maximum prime number checked in CPU test: [0-9]+"
    r"|Latency histogram \(values are in milliseconds\)|value  -+ distribution -+ count"
    r"|[0-9.]+ \|[* ]+[0-9]+"
)
"""Lines that say nothing of the result."""
_CHECKPOINT = re.compile(r"\[ *[0-9.]+s ?\] Checkpoint report:")
_MS = r" +(?P<ms>[0-9]+\.[0-9]{2})(?:ms)?"
_S_OR_MS = rf"(?:{_MS}| +(?P<s>[0-9]+\.[0-9]{{4}})s)"
"""Before 0.4.10 latencies were printed in seconds."""
_FORMS = {
    "head": re.compile(
        r"General statistics:|Test execution summary:|Throughput:"
        r"|Latency \(ms\):|per-request statistics:|response time:|Threads fairness:"
    ),
    "rate": re.compile(r"events/s \(eps\): +(?P<value>[0-9]+\.[0-9]{4})"),
    "time": re.compile(r"(?:total time|time elapsed): +(?P<value>[0-9]+\.[0-9]{4})s"),
    "events": re.compile(r"total number of events: +(?P<value>[0-9]+)"),
    "taken": re.compile(r"total time taken by event execution: +(?P<value>[0-9]+\.[0-9]{4})s?"),
    "min": re.compile(rf"min:{_S_OR_MS}"),
    "avg": re.compile(rf"avg:{_S_OR_MS}"),
    "max": re.compile(rf"max:{_S_OR_MS}"),
    "percentile": re.compile(
        rf"(?:(?P<rank>[1-9][0-9]?|100)th percentile"
        rf"|approx\. +(?P<old_rank>[1-9][0-9]?|100) percentile):{_S_OR_MS}"
    ),
    "no percentile": re.compile(r"percentile stats: +disabled"),
    "sum": re.compile(rf"sum:{_MS}"),
    "spread": re.compile(r"events \(avg/stddev\): +(?P<value>[0-9]+\.[0-9]{4})/[0-9]+\.[0-9]{2}"),
    "last": re.compile(
        r"execution time \(avg/stddev\): +(?P<value>[0-9]+\.[0-9]{4})/[0-9]+\.[0-9]{2}"
    ),
}
_THREADS = re.compile(r"Number of threads: ([0-9]{1,9})")
_PERCENTILE = re.compile(r"(?:[0-9]+th|approx\. +[0-9]+) percentile: .*")
_HEAD = re.compile(r"^[ \t]*sysbench v?[0-9]+\.[0-9]+\S*(?:: | \(using )", re.MULTILINE)
_HISTOGRAM_ENDS_MS = {"rank": 100_000.0, "old_rank": 10_000_000.0}
"""Longest latency that has a bucket of its own: 100 s in 1.0 and 1.1, 10,000 s before."""
_LAST_BUCKET = 0.9996
"""A percentile of this share of it is of the histogram's end: its buckets are .03 % wide in 0.4
and 0.5, which may print the last but one, and 1.8 % in 1.0 and 1.1."""


@dataclass(frozen=True, slots=True)
class Percentile:
    """A percentile of the latencies as it is printed; `name` is how the report calls it.

    `unusable` says why it is no value where it is none.
    """

    rank: int
    ms: float
    name: str
    unusable: str = ""


@dataclass(slots=True)
class Report:
    """Times in s, latencies in ms. `body` are the test's own lines with their numbers.

    `time_s` and `events` are None only in the fileio test of 1.1, which does not give them.
    """

    body: list[tuple[int, str]] = field(default_factory=list)
    time_s: float | None = None
    events: float | None = None
    rate_per_s: float | None = None
    percentile: Percentile | None = None


def spans(text: str) -> list[tuple[int, int]]:
    """From where to where each report of a test in `text` reaches, as offsets.

    sysbench begins with the same words where it prepares or cleans up; that is no report.
    """
    begins = [found.start() for found in _HEAD.finditer(text)]
    every = zip(begins, [*begins[1:], len(text)], strict=True)
    return [(begin, end) for begin, end in every if _STARTED in text[begin:end]]


def parse(text: str, most_body_lines: int = 40) -> Report:
    """The report in `text`.

    ReadError where it is incomplete, a line is of no known form, a figure occurs twice, or the
    figures contradict one another.
    """
    found: dict[str, float] = {}
    result = Report()
    started_at = 0
    for at, line in filled_lines(text):
        line = line.lstrip()
        if line == _STARTED:
            if started_at:
                raise _several(text, started_at, at)
            started_at = at
        elif not started_at:
            if threads := _THREADS.fullmatch(line):
                found["threads"] = float(threads[1])
        elif _CHECKPOINT.fullmatch(line):
            raise refuse(
                TOOL,
                f"stdout line {at} begins a report of --report-checkpoints, which counts anew"
                " from there",
                "run it without --report-checkpoints",
            )
        elif not _ASIDE.fullmatch(line) and not _is_whole(found, result):
            _take(line, at, found, result, most_body_lines)
    if not started_at:
        raise refuse(TOOL, f"stdout does not say {_STARTED!r}: no test was run")
    return _checked(result, found)


def _several(text: str, first: int, second: int) -> ReadError:
    places = [line_number(text, begin) for begin, _ in spans(text)]
    if len(places) < 2:
        places = [first, second]
    where = ", ".join(map(str, places[:9]))
    return refuse(
        TOOL,
        f"stdout holds {len(places)} reports, at lines {where}",
        "say which: baremark parse sysbench FILE --report 1, or give them in files of their own",
    )


def _is_whole(found: dict[str, float], result: Report) -> bool:
    """Whether the report's last line was read; in the fileio test of 1.1 it is the sum."""
    return "last" in found or ("sum" in found and _has_iops(result))


def _has_iops(result: Report) -> bool:
    return any("IOPS=" in line for _, line in result.body)


def _take(line: str, at: int, found: dict[str, float], result: Report, most: int) -> None:
    for form, pattern in _FORMS.items():
        matched = pattern.fullmatch(line)
        if matched is None:
            continue
        if form == "head":
            return
        if form in found:
            raise refuse(TOOL, f"stdout line {at} gives {form!r} a second time")
        found[form] = _value(matched, at)
        if matched.groupdict().get("s"):
            found["in s"] = 1.0
        if form == "percentile":
            kind = "rank" if matched["rank"] else "old_rank"
            found[kind] = float(matched[kind])
        return
    if _PERCENTILE.fullmatch(line):
        raise refuse(TOOL, f"stdout line {at} is of no percentile from 1 to 100, or incomplete:"
                           f" {excerpt(line)!r}")  # fmt: skip
    if len(result.body) >= most:
        raise refuse(TOOL, f"stdout line {at} is of no known form: {excerpt(line)!r}")
    result.body.append((at, line))


def _value(matched: re.Match[str], at: int) -> float:
    """What the line states; of a latency its ms. 0 where it states nothing."""
    cells = matched.groupdict()
    where = f"stdout line {at}"
    if (seconds := cells.get("s")) is not None:
        return number(seconds, TOOL, where) * 1000
    value = cells.get("value") or cells.get("ms")
    return number(value, TOOL, where) if value else 0.0


def _checked(result: Report, found: dict[str, float]) -> Report:
    alone = _has_iops(result)
    needed = {"min", "avg", "max"}
    if not alone:
        needed |= {"time", "events", "last"}
    if missing := sorted(needed - found.keys()):
        raise refuse(TOOL, f"{_NAMES.get(missing[0], missing[0])} is missing from stdout,"
                           " or incomplete")  # fmt: skip
    if ("percentile" in found) == ("no percentile" in found):
        raise refuse(TOOL, "the percentile of the latencies is missing from stdout, or incomplete")
    if alone and "sum" not in found:
        raise refuse(TOOL, "'sum', the last line, is missing from stdout, or incomplete")
    if not found["min"] <= found["avg"] <= found["max"]:
        raise refuse(TOOL, "the average latency is not between min and max")
    _require_agreement(found)
    result.time_s, result.events = found.get("time"), found.get("events")
    result.rate_per_s = found.get("rate")
    if result.events is not None and result.events < 1:
        raise refuse(TOOL, "'total number of events' is zero: nothing was measured")
    if "percentile" in found:
        result.percentile = _percentile(found)
    return result


def _percentile(found: dict[str, float]) -> Percentile:
    """Where even the longest event has a bucket, the last bucket is one like any other.

    0.4 prints the histogram's end too where its search passes by all buckets, as it does where
    the longest latency alone lies beyond the percentile.
    """
    kind = "rank" if "rank" in found else "old_rank"
    ms, rank, most = found["percentile"], int(found[kind]), found["max"]
    name = f"'{rank}th percentile'" if kind == "rank" else f"'approx. {rank} percentile'"
    end_ms = _HISTOGRAM_ENDS_MS[kind]
    slack = 0.1 if "in s" in found else 0.01
    above = ms > 1.1 * most + slack
    if ms >= _LAST_BUCKET * end_ms and most > end_ms:
        return Percentile(
            rank, ms, name,
            f"{name} is at least {end_ms / 1000:,.0f} s, where sysbench's histogram ends",
        )  # fmt: skip
    if ms >= _LAST_BUCKET * end_ms and above and kind == "old_rank":
        return Percentile(
            rank, ms, name, f"{name} is the end of sysbench's histogram, above every latency"
        )
    if above or ms < 0.9 * found["min"] - slack:
        raise refuse(TOOL, f"{name} is not between min and max")
    return Percentile(rank, ms, name)


def _require_agreement(found: dict[str, float]) -> None:
    """The same is counted in three ways: in all, by event and by thread."""
    if "events" not in found:
        return
    events = found["events"]
    taken_ms = found["taken"] * 1000 if "taken" in found else found.get("sum")
    each_ms = events * found["avg"]
    rounding = 0.06 if "in s" in found else 0.006
    if taken_ms is not None and abs(each_ms - taken_ms) > 0.05 * taken_ms + rounding * events:
        raise refuse(TOOL, "the number of events contradicts their average and their time in all")
    if "threads" in found and "spread" in found:
        by_thread = found["threads"] * found["spread"]
        if abs(by_thread - events) > 0.01 * events + found["threads"]:
            raise refuse(TOOL, "the number of events contradicts the threads' average of them")


_NAMES = {
    "min": "'min' of the latencies",
    "avg": "'avg' of the latencies",
    "max": "'max' of the latencies",
    "events": "the number of events",
    "time": "'total time' ('time elapsed' in 1.1)",
    "last": "'execution time', the last line,",
}
