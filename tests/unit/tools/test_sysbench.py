"""What sysbench's reader takes from the reports of all versions, and what it leaves out and says.

The figures are written into the reports below, and the values worked out from them by hand.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import tools
from harness.errors import ReadError

OUTPUTS = Path(__file__).parent.parent / "outputs" / "sysbench"

WARNING = (
    "WARNING: Operation time (0.000000) is less than minimal counted value, counting as 1.000000\n"
    "WARNING: Percentile statistics will be inaccurate\n"
)
OLD_THREADS = """sysbench 0.4.12:  multi-threaded system evaluation benchmark

Running the test with following options:
Number of threads: 8

Doing thread subsystem performance test
Thread yields per test: 1000 Locks used: 8
Threads started!
Done.


Test execution summary:
    total time:                          12.3456s
    total number of events:              10000
    total time taken by event execution: 98.5440
    per-request statistics:
         min:                                  0.00ms
         avg:                                  9.85ms
         max:                                412.07ms
         approx.  95 percentile:              38.19ms

Threads fairness:
    events (avg/stddev):           1250.0000/31.20
    execution time (avg/stddev):   12.3180/0.08
"""
OLD_THREADS_VALUES = {"events_per_s": 10000 / 12.3456, "latency_p95_ms": 38.19}
MUTEX = """sysbench 1.0.20 (using system LuaJIT 2.1.0-beta3)

Running the test with following options:
Number of threads: 64
Initializing random number generator from current time


Initializing worker threads...

Threads started!


General statistics:
    total time:                          142.8125s
    total number of events:              64

Latency (ms):
         min:                               120310.41
         avg:                               131250.25
         max:                               142801.77
         95th percentile:                   100000.00
         sum:                              8400016.00

Threads fairness:
    events (avg/stddev):           1.0000/0.00
    execution time (avg/stddev):   131.2502/4.05

"""


def explained(report: str) -> tools.Explained:
    return tools.explain("sysbench", report.encode(), b"")


def values(report: str) -> dict[str, float]:
    return {sample.metric: sample.value for sample in explained(report).samples}


def refusal(report: str) -> ReadError:
    with pytest.raises(ReadError) as caught:
        explained(report)
    return caught.value


def test_a_percentile_at_the_end_of_the_histogram_is_no_value_and_says_why() -> None:
    assert values(MUTEX) == {"events_per_s": pytest.approx(64 / 142.8125)}
    assert explained(MUTEX).notes == (
        "no latency_p95_ms: '95th percentile' is at least 100 s, where sysbench's histogram ends",
    )


def test_the_last_bucket_is_one_like_any_other_where_no_event_is_beyond_it() -> None:
    report = MUTEX.replace("142801.77", "100000.00").replace("120310.41", " 98215.46")
    report = report.replace("131250.25", " 99000.00").replace("8400016.00", "6336000.00")
    assert values(report)["latency_p95_ms"] == 100_000.0
    assert explained(report).notes == ()


def test_the_last_bucket_but_one_is_a_value() -> None:
    report = MUTEX.replace("   100000.00", "    98215.46").replace("120310.41", " 90000.00")
    assert values(report)["latency_p95_ms"] == 98215.46


def test_the_histogram_of_0_4_ends_at_ten_thousand_seconds() -> None:
    report = (
        OLD_THREADS.replace("12.3456s", "12010.5000s")
        .replace("              10000\n", "              8\n")
        .replace("98.5440", "72040.0000")
        .replace("       0.00ms", " 2000000.00ms")
        .replace("       9.85ms", " 9005000.00ms")
        .replace("     412.07ms", "12000000.00ms")
        .replace("      38.19ms", "10000000.00ms")
        .replace("1250.0000/31.20", "1.0000/0.00")
    )
    assert values(report) == {"events_per_s": pytest.approx(8 / 12010.5)}
    assert "at least 10,000 s" in explained(report).notes[0]


def test_0_4_prints_the_histogram_s_end_above_every_latency_where_its_search_fails() -> None:
    report = OLD_THREADS.replace("      38.19ms", "10000000.00ms")
    assert values(report) == {"events_per_s": pytest.approx(10000 / 12.3456)}
    assert "above every latency" in explained(report).notes[0]


@pytest.mark.parametrize("line", range(OLD_THREADS.count("\n") + 1))
def test_warnings_may_stand_anywhere(line: int) -> None:
    parts = OLD_THREADS.splitlines(keepends=True)
    report = "".join([*parts[:line], WARNING, *parts[line:]])
    assert values(report) == OLD_THREADS_VALUES


def test_warm_up_repeated_and_debug_lines_say_nothing_of_the_result() -> None:
    more = (
        "Threads started!\n\nWarming up for 30 seconds...\n(last message repeated 1 times)\n"
        "DEBUG: Worker thread (#0) started\n"
    )
    assert values(OLD_THREADS.replace("Threads started!\n", more)) == OLD_THREADS_VALUES


def test_a_line_of_another_program_inside_the_report_is_refused_with_its_place() -> None:
    report = OLD_THREADS.replace("Done.\n", "Segmentation fault (core dumped)\nDone.\n")
    assert "line 9 is of none ('Segmentation fault" in refusal(report).message


def test_what_a_shell_says_behind_the_report_is_passed_over() -> None:
    assert values(OLD_THREADS + "\nreal\t0m12.4s\n+ exit 0\n") == OLD_THREADS_VALUES


@pytest.mark.parametrize("rank", [1, 50, 95, 99, 100])
def test_the_metric_carries_the_number_of_the_percentile(rank: int) -> None:
    old = OLD_THREADS.replace("approx.  95 perc", f"approx. {rank:3d} perc")
    assert values(old)[f"latency_p{rank}_ms"] == 38.19
    new = (OUTPUTS / "p99.out").read_text().replace(" 99th perc", f"{rank:3d}th perc")
    assert values(new)[f"latency_p{rank}_ms"] == 0.22


@pytest.mark.parametrize("rank", ["0th", "101th", "05th"])
def test_a_percentile_that_cannot_be_asked_for_is_refused(rank: str) -> None:
    report = (OUTPUTS / "p99.out").read_text().replace("99th", rank)
    assert "is of no percentile from 1 to 100" in refusal(report).message


def test_latencies_in_seconds_as_before_0_4_10() -> None:
    report = OLD_THREADS
    for ms, s in (("0.00ms", "0.0000s"), ("9.85ms", "0.0099s"), ("412.07ms", "0.4121s")):
        report = report.replace(ms, s)
    assert values(report.replace("38.19ms", "0.0382s"))["latency_p95_ms"] == pytest.approx(38.2)


def test_fsyncs_at_the_end_of_fileio_are_no_events() -> None:
    """Real: 3000 writes by 4 threads, then each syncs 128 files, which makes 512 fsyncs."""
    report = (OUTPUTS / "fileio-final-fsyncs.out").read_text()
    assert values(report)["write_iops"] == 6850.47
    contradiction = report.replace("events:              3000", "events:              4000")
    contradiction = contradiction.replace("214.92", "280.00").replace("750.0000/", "1000.0000/")
    assert "'reads/s' and those below contradict" in refusal(contradiction).message


def test_several_reports_are_named_and_can_be_chosen_from() -> None:
    both = "+ sysbench\n" + OLD_THREADS + "+ sysbench\n" + MUTEX
    error = refusal(both)
    second = OLD_THREADS.count("\n") + 3
    assert f"holds 2 reports, at lines 2, {second}" in error.message
    assert "--report" in error.hint
    first, other = tools.reports("sysbench", both.encode())
    assert values(first.decode()) == OLD_THREADS_VALUES
    assert values(other.decode()) == values(MUTEX)


def test_what_prepares_and_cleans_up_is_no_report() -> None:
    head = "sysbench 0.4.12:  multi-threaded system evaluation benchmark\n"
    job = f"{head}\nCreating files...\n{OLD_THREADS}{head}\nRemoving test files...\n"
    assert values(job) == OLD_THREADS_VALUES
    assert tools.reports("sysbench", job.encode()) == (job.encode(),)


def test_other_tools_have_one_report() -> None:
    assert tools.reports("fio", b"{}") == (b"{}",)


def test_each_value_names_its_fields() -> None:
    found = explained(OLD_THREADS)
    assert found.fields == (
        "'total number of events' / 'total time'",
        "'approx. 95 percentile'",
    )
