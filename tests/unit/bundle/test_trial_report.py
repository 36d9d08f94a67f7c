"""The marks around a program's standard error, and the sha256 of what it printed."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.bundle import trial_report
from harness.execute.result import of_reply
from harness.model.trial import CpuTime, TrialStatus
from harness.model.workload import Metric, Resource, Workload
from harness.remote.session import Reply

OUTPUTS = Path(__file__).parents[1] / "outputs"
OUTPUT = (OUTPUTS / "sysbench" / "cpu-sysbench-1t.out").read_bytes()
WORK = Workload(
    "cpu", "cpu", 1, Resource.CPU, "sysbench", (), (Metric("events_per_s", "1/s", "higher"),)
)
SAID = (
    b"baremark begin 77 1000000000\nprinted by the program\nbaremark end 3500000000 0\n"
    b"baremark throttled 4 9\n"
    b"baremark stat cpu3 100 0 50 1000 5 1 2 0 0 0 to cpu3 290 0 60 1195 5 1 2 4 0 0\n"
    b"0m0.000000s 0m0.000000s\n0m1.900000s 1m0.100000s\n" + b"%s  -\n"
)


def reply(digest: str, stdout: bytes = OUTPUT) -> Reply:
    return Reply(0, stdout, SAID % digest.encode(), 3.0)


def test_the_marks_are_read_and_the_programs_own_words_remain() -> None:
    found = trial_report.parse(reply("ab" * 32))
    assert (found.process, found.status, found.guest_s) == (77, 0, 2.5)
    assert found.sha256 == "ab" * 32
    assert found.cpu is not None
    assert found.cpu.throttled == 5
    assert found.stderr == b"printed by the program\n"


def test_counters_that_the_target_does_not_show_are_unknown_and_not_zero() -> None:
    said = SAID.replace(b"throttled 4 9", b"throttled - -") % (b"0" * 64)
    found = trial_report.parse(Reply(0, b"", said, 3.0))
    assert found.cpu is not None
    assert found.cpu.throttled is None


def test_a_kernel_that_counts_no_cpu_time_is_not_taken_for_an_idle_one() -> None:
    """gVisor has a /proc/stat with nothing but zeros in it."""
    line = re.compile(rb"(?<=baremark stat ).*")
    assert line.search(SAID)
    nothing = line.sub(b"cpu0 0 0 0 0 0 0 0 0 0 0 to cpu0 0 0 0 0 0 0 0 0 0 0", SAID)
    found = trial_report.parse(Reply(0, b"", nothing % (b"0" * 64), 3.0))
    assert found.cpu is None
    assert found.guest_s == 2.5
    assert found.stderr == b"printed by the program\n"


def test_output_that_arrives_as_it_was_printed_is_read() -> None:
    outcome = of_reply(reply(hashlib.sha256(OUTPUT).hexdigest()), WORK, 60)
    assert outcome.status is TrialStatus.OK
    assert [sample.value for sample in outcome.samples] == [3144 / 1.0008]


def test_a_digit_that_changed_on_the_way_is_a_failed_trial_that_names_both_digests() -> None:
    changed = OUTPUT.replace(b"3132.25", b"3932.25")
    digest = hashlib.sha256(OUTPUT).hexdigest()
    outcome = of_reply(reply(digest, changed), WORK, 60)
    assert (outcome.status, outcome.samples) == (TrialStatus.FAILED, ())
    assert outcome.reason is not None
    assert digest[:12] in outcome.reason
    assert hashlib.sha256(changed).hexdigest()[:12] in outcome.reason


@pytest.mark.parametrize("cut", [1, 40, 66, 67])
def test_output_without_its_digest_is_a_failed_trial(cut: int) -> None:
    whole = reply(hashlib.sha256(OUTPUT).hexdigest())
    outcome = of_reply(replace(whole, stderr=whole.stderr[:-cut]), WORK, 60)
    assert outcome.status is TrialStatus.FAILED


def test_cpu_time_is_read_from_the_marks() -> None:
    said = (
        b"baremark begin 7 1\nbaremark end 2 0\n"
        b"baremark stat cpu2 100 0 50 1000 5 1 2 0 0 0 cpu3 0 0 0 0 0 0 0 0 0 0"
        b" to cpu2 200 0 60 1195 5 1 2 4 0 0 cpu3 90 0 0 0 0 0 0 0 0 0\n"
        b"0m0.000000s 0m0.000000s\n0m1.900000s 1m0.100000s\n"
    )
    assert trial_report.cpu_time(said) == CpuTime(
        total_s=3.99,
        busy_s=2.0,
        steal_s=0.04,
        own_s=62.0,
        cpus=2,
        user_s=1.9,
        own_user_s=1.9,
    )
    assert trial_report.cpu_time(b"baremark stat to\n0m0.0s 0m0.0s\n0m0.0s 0m0.0s\n") is None
    other = said.replace(b"to cpu2", b"to cpu7")
    assert trial_report.cpu_time(other) is None
    assert trial_report.cpu_time(b"") is None
