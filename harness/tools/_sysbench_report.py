"""The parts that every report of sysbench 0.4.12, 0.5, 1.0 and 1.1 has, whatever the test.

From "Threads started!" to the end each line is of a known form. What the test itself prints
there is handed on as `body`; the rest is times, events, latencies and fairness.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.tools._text import excerpt, lines, number, refuse

TOOL = "sysbench"
_STARTED = "Threads started!"
_ASIDE = re.compile(
    r"|Done\.|Time limit exceeded, exiting\.\.\.|Maximum request number reached, exiting\.\.\."
    r"|\(last message repeated [0-9]+ times\)"
    r"|\[ *[0-9.]+s ?\] .*"
    r"|Maximum prime number checked in CPU test: [0-9]+"
    r"|Latency histogram \(values are in milliseconds\)|       value  -+ distribution -+ count"
    r"| +[0-9.]+ \|[* ]+[0-9]+"
)
"""Lines that say nothing of the result."""
_LATENCY = r" +(?P<value>[0-9]+\.[0-9]{2})(?:ms)?"
_FORMS = {
    "head": re.compile(
        r"General statistics:|Test execution summary:|Throughput:"
        r"|Latency \(ms\):|    per-request statistics:|    response time:|Threads fairness:"
    ),
    "rate": re.compile(r"    events/s \(eps\): +(?P<value>[0-9]+\.[0-9]{4})"),
    "time": re.compile(r"    (?:total time|time elapsed): +(?P<value>[0-9]+\.[0-9]{4})s"),
    "events": re.compile(r"    total number of events: +(?P<value>[0-9]+)"),
    "taken": re.compile(r"    total time taken by event execution: +(?P<value>[0-9]+\.[0-9]{4})s?"),
    "min": re.compile(rf" +min:{_LATENCY}"),
    "avg": re.compile(rf" +avg:{_LATENCY}"),
    "max": re.compile(rf" +max:{_LATENCY}"),
    "p95": re.compile(rf" +(?:95th|approx\. +95) percentile:{_LATENCY}"),
    "no p95": re.compile(r" +percentile stats: +disabled"),
    "sum": re.compile(rf" +sum:{_LATENCY}"),
    "spread": re.compile(
        r"    events \(avg/stddev\): +(?P<value>[0-9]+\.[0-9]{4})/[0-9]+\.[0-9]{2}"
    ),
    "last": re.compile(
        r"    execution time \(avg/stddev\): +(?P<value>[0-9]+\.[0-9]{4})/[0-9]+\.[0-9]{2}"
    ),
}
_THREADS = re.compile(r"Number of threads: ([0-9]{1,9})")
_PERCENTILE = re.compile(r" +(?:[0-9]+th|approx\. +[0-9]+) percentile: .*")


@dataclass(slots=True)
class Report:
    """Times in s, latencies in ms. `body` are the test's own lines with their numbers.

    `time_s` and `events` are None only in the fileio test of 1.1, which does not give them.
    """

    body: list[tuple[int, str]] = field(default_factory=list)
    time_s: float | None = None
    events: float | None = None
    rate_per_s: float | None = None
    p95_ms: float | None = None


def parse(text: str, most_body_lines: int = 40) -> Report:
    """The report in `text`.

    ReadError where it is incomplete, a line is of no known form, a figure occurs twice, or the
    figures contradict one another.
    """
    found: dict[str, float] = {}
    result = Report()
    started = False
    for at, line in lines(text):
        if not started:
            started = line == _STARTED
            if threads := _THREADS.fullmatch(line):
                found["threads"] = float(threads[1])
            continue
        form, value = _form(line, at)
        if form in ("aside", "head"):
            continue
        if form == "body":
            if len(result.body) >= most_body_lines:
                raise refuse(TOOL, f"stdout line {at} is of no known form: {excerpt(line)!r}")
            result.body.append((at, line))
        elif form in found:
            raise refuse(TOOL, f"stdout line {at} gives {form!r} a second time")
        else:
            found[form] = value
    if not started:
        raise refuse(TOOL, f"stdout does not say {_STARTED!r}: no test was run")
    return _checked(result, found)


def _form(line: str, at: int) -> tuple[str, float]:
    if _ASIDE.fullmatch(line):
        return "aside", 0.0
    for form, pattern in _FORMS.items():
        if matched := pattern.fullmatch(line):
            value = matched.groupdict().get("value")
            where = f"stdout line {at}"
            return form, number(value, TOOL, where) if value else 0.0
    if _PERCENTILE.fullmatch(line):
        raise refuse(
            TOOL,
            f"stdout line {at} is of another percentile, or incomplete: {excerpt(line)!r}",
            "run it with --percentile=95",
        )
    return "body", 0.0


def _checked(result: Report, found: dict[str, float]) -> Report:
    alone = any("IOPS=" in line for _, line in result.body)
    needed = {"min", "avg", "max"}
    if not alone:
        needed |= {"time", "events", "last"}
    if missing := sorted(needed - found.keys()):
        raise refuse(TOOL, f"{_NAMES.get(missing[0], missing[0])} is missing from stdout,"
                           " or incomplete")  # fmt: skip
    if ("p95" in found) == ("no p95" in found):
        raise refuse(TOOL, "'95th percentile' is missing from stdout, or incomplete")
    if alone and "sum" not in found:
        raise refuse(TOOL, "'sum', the last line, is missing from stdout, or incomplete")
    if not found["min"] <= found["avg"] <= found["max"]:
        raise refuse(TOOL, "the average latency is not between min and max")
    _require_agreement(found)
    result.time_s, result.events = found.get("time"), found.get("events")
    result.rate_per_s = found.get("rate")
    if result.events is not None and result.events < 1:
        raise refuse(TOOL, "'total number of events' is zero: nothing was measured")
    p95 = found.get("p95")
    if p95 is not None:
        if not 0.9 * found["min"] - 0.01 <= p95 <= 1.1 * found["max"] + 0.01:
            raise refuse(TOOL, "'95th percentile' is not between min and max")
        result.p95_ms = p95 or None
    return result


def _require_agreement(found: dict[str, float]) -> None:
    """The same is counted in three ways: in all, by event and by thread."""
    if "events" not in found:
        return
    events = found["events"]
    taken_ms = found["taken"] * 1000 if "taken" in found else found.get("sum")
    each_ms = events * found["avg"]
    if taken_ms is not None and abs(each_ms - taken_ms) > 0.05 * taken_ms + 0.006 * events:
        raise refuse(TOOL, "the number of events contradicts their average and their time in all")
    if "threads" in found and "spread" in found:
        by_thread = found["threads"] * found["spread"]
        if abs(by_thread - events) > 0.01 * events + found["threads"]:
            raise refuse(TOOL, "the number of events contradicts the threads' average of them")


_NAMES = {
    "events": "the number of events",
    "time": "'total time'",
    "last": "'execution time', the last line,",
}
