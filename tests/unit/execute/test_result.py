"""What becomes of a reply: samples, or one sentence that says why there are none."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.execute.result import of_reply
from harness.model.trial import TrialStatus
from harness.model.workload import Metric, Resource, Workload
from harness.remote.session import Reply

OUTPUTS = Path(__file__).parents[1] / "outputs"


def reply(tool: str, name: str) -> Reply:
    """A real output as it comes from a target: the program's streams between the marks."""
    stdout = (OUTPUTS / tool / f"{name}.out").read_bytes()
    stderr = (OUTPUTS / tool / f"{name}.err").read_bytes()
    digest = hashlib.sha256(stdout).hexdigest().encode()
    marks = b"baremark begin 1 1000\n%bbaremark end 2000000000 0\n%b  -\n" % (stderr, digest)
    return Reply(0, stdout, marks, 2.0)


def workload(tool: str, *names: str) -> Workload:
    metrics = tuple(Metric(name, "1/s", "higher") for name in names)
    return Workload("mine", "Mine", 1, next(iter(Resource)), tool, (), metrics)


def test_a_metric_that_one_sample_bears_is_taken() -> None:
    outcome = of_reply(reply("fio", "v3.39-group"), workload("fio", "read_iops"), 60)
    assert (outcome.status, len(outcome.samples)) == (TrialStatus.OK, 1)


def test_a_metric_that_only_one_of_two_jobs_has_is_taken() -> None:
    outcome = of_reply(reply("fio", "v3.41-two-jobs"), workload("fio", "read_iops"), 60)
    assert [sample.labels for sample in outcome.samples] == [(("job", "reader"),)]


def test_a_metric_that_two_samples_bear_fails_the_trial_and_says_so() -> None:
    outcome = of_reply(reply("fio", "v3.39-numjobs"), workload("fio", "read_iops"), 60)
    assert (outcome.status, outcome.samples) == (TrialStatus.FAILED, ())
    assert outcome.reason == (
        "fio reported read_iops 2 times (job=both index=0; job=both index=1); a workload needs one"
    )


def test_a_metric_that_no_sample_bears_fails_the_trial_and_says_so() -> None:
    outcome = of_reply(reply("fio", "v3.39-group"), workload("fio", "write_iops"), 60)
    assert outcome.reason == "fio did not report write_iops"


def killed(guest_s: float) -> Reply:
    digest = hashlib.sha256(b"").hexdigest().encode()
    end = 1000 + int(guest_s * 1e9)
    marks = b"baremark begin 1 1000\nbaremark end %d 137\n%b  -\n" % (end, digest)
    return Reply(0, b"", marks, guest_s)


def test_a_program_that_others_kill_has_failed_and_did_not_reach_its_limit() -> None:
    """The kernel that runs out of memory ends a program as `timeout` does in the end."""
    outcome = of_reply(killed(1.5), workload("fio", "read_iops"), 60)
    assert (outcome.status, outcome.exit_status) == (TrialStatus.FAILED, 137)
    assert outcome.reason is not None
    assert "was killed (status 137)" in outcome.reason
    outcome = of_reply(killed(60.1), workload("fio", "read_iops"), 60)
    assert outcome.status is TrialStatus.TIMEOUT
