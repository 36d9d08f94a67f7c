"""What stress-ng's reader takes from outputs with other options, and from the logs of jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import tools
from harness.errors import ReadError

OUTPUTS = Path(__file__).parent.parent / "outputs" / "stress-ng"

OLD = """2026-03-02 09:28:50 mkdir -p /mnt/scratch
2026-03-02 09:28:51 stress-ng --timeout 30 --times --metrics-brief --flock 4 --stream 4
stress-ng: info:  [2114] setting to a 30 second run per stressor
stress-ng: info:  [2114] dispatching hogs: 4 flock, 4 stream
stress-ng: info:  [2114] successful run completed in 30.01s
stress-ng: info:  [2114] stressor       bogo ops real time  usr time  sys time   bogo ops/s     bogo ops/s
stress-ng: info:  [2114]                           (secs)    (secs)    (secs)   (real time) (usr+sys time)
stress-ng: info:  [2114] flock           5148820     30.00     58.20     61.10    171627.33       43158.59
stress-ng: info:  [2114] flock              9.88 nanoseconds per call (average per stressor)
stress-ng: info:  [2114] flock              9.88 locks per sec 1.00 2.00 3.00
stress-ng: info:  [2114] stream            21321     30.01    479.77      0.17       710.52          44.42
stress-ng: info:  [2114] stream          7669.86 memory rate (MB per sec) (average per stressor)
stress-ng: info:  [2114] for a 30.01s run time:
stress-ng: info:  [2114]      120.04s available CPU time
stress-ng: info:  [2114] load average: 3.92 1.58 0.58
umount /mnt/scratch
"""  # noqa: E501
OLD_VALUES = {"flock": 171627.33, "stream": 710.52}


def both(name: str) -> tuple[str, str]:
    return (OUTPUTS / f"{name}.out").read_text(), (OUTPUTS / f"{name}.err").read_text()


def explained(stdout: str, stderr: str = "") -> tools.Explained:
    return tools.explain("stress-ng", stdout.encode(), stderr.encode())


def values(stdout: str, stderr: str = "") -> dict[str, float]:
    return {dict(s.labels).get("stressor", ""): s.value for s in explained(stdout, stderr).samples}


def refusal(stdout: str, stderr: str = "") -> ReadError:
    with pytest.raises(ReadError) as caught:
        explained(stdout, stderr)
    return caught.value


@pytest.mark.parametrize(
    ("name", "cpu", "switch"),
    [
        ("v0.15.06-perf", 1151.734467, 342659.853895),
        ("v0.15.06-sn", 1363.939, 308769.0),
        ("v0.15.06-log-brief", 1500.712688, 283429.945989),
        ("v0.15.06-timestamp", 1483.907307, 361883.303141),
    ],
)
def test_options_that_change_the_output_change_no_value(
    name: str, cpu: float, switch: float
) -> None:
    stdout, stderr = both(name)
    assert values(stdout, stderr) == {"cpu": cpu, "switch": switch}
    assert values(stderr + stdout) == {"cpu": cpu, "switch": switch}
    table = values(stderr)
    assert table == {"cpu": pytest.approx(cpu, rel=1e-4), "switch": pytest.approx(switch, rel=1e-4)}


@pytest.mark.parametrize("name", ["v0.15.06-log-brief", "v0.15.06-timestamp"])
@pytest.mark.parametrize(
    ("old", "new"), [("successful run", "unsuccessful run"), ("successful run", "run")]
)
def test_without_the_words_of_success_there_is_no_value(name: str, old: str, new: str) -> None:
    stdout, stderr = both(name)
    refusal(stdout, stderr.replace(old, new))


def test_further_rows_of_an_old_table_and_lines_of_a_shell_are_passed_over() -> None:
    assert values(OLD) == OLD_VALUES


@pytest.mark.parametrize(
    "before", ["2026-03-02T09:28:51.123Z ", "Mar 02 09:28:51 rack7 stress-ng[2114]: ", "\x1b[32m"]
)
def test_something_before_each_line_is_passed_over(before: str) -> None:
    assert values("\n".join(before + line for line in OLD.splitlines())) == OLD_VALUES


def test_other_programs_may_stand_around_the_yaml() -> None:
    stdout, stderr = both("v0.15.06-perf")
    around = f"---\nusr sys idl\n---\n  1   2  97\n{stdout}---\nDefault string\n"
    assert values(around, stderr) == values(stdout, stderr)


def test_a_line_inside_the_yaml_that_is_not_its_own_is_refused_with_its_place() -> None:
    stdout, stderr = both("v0.15.06-perf")
    error = refusal(stdout.replace("metrics:\n", "Killed\nmetrics:\n"), stderr)
    line = stdout[: stdout.index("metrics:\n")].count("\n") + 1
    assert f"line {line} is not of the YAML report's form: 'Killed'" in error.message


def test_a_yaml_that_is_cut_is_not_read_from_the_table() -> None:
    stdout, stderr = both("v0.15.06-perf")
    assert "does not reach '...'" in refusal(stdout[: stdout.index("perfstats:")], stderr).message
    assert "without its first line, '---'" in refusal(stdout.replace("---\n", ""), stderr).message


def test_a_failure_in_a_job_s_log_is_refused() -> None:
    failed = OLD.replace(
        "info:  [2114] successful run", "fail:  [2116] flock: 3 instances could not lock\n"
        "stress-ng: info:  [2114] unsuccessful run"
    )  # fmt: skip
    assert "it failed: flock: 3 instances could not lock" in refusal(failed).message


def test_a_run_that_ended_before_its_time_is_told() -> None:
    """Real, stopped by SIGINT after one of its five seconds; stress-ng calls that a success."""
    found = explained(*both("v0.15.06-ended-early"))
    assert found.samples[0].value == 1449.198326
    assert found.notes == (
        "cpu ran 0.999863 s of the 5 s that it was set to: it was interrupted, or reached a number"
        " of operations (--cpu-ops)",
    )
    assert explained(*both("v0.15.06-perf")).notes == ()


@pytest.mark.parametrize(
    "words", ["1 min, 0.5 secs", "60 second (1 min, 0.00 secs)", "2 mins", "90 secs"]
)
def test_the_time_set_is_read_in_all_its_forms(words: str) -> None:
    notes = explained(OLD.replace("30 second", words)).notes
    assert [note.split()[0] for note in notes] == ["flock", "stream"]


def test_several_runs_in_one_output_are_named() -> None:
    assert "several runs" in refusal(OLD + OLD).message


def test_the_hint_asks_for_standard_error_only_where_it_was_not_given() -> None:
    stdout, _ = both("v0.15.06-perf")
    assert "standard error" in refusal(stdout).hint
    assert "standard error" not in refusal(stdout, "stress-ng: info:  [1] hello\n").hint


def test_each_value_names_its_fields() -> None:
    stdout, stderr = both("v0.15.06-perf")
    assert explained(stdout, stderr).fields == (
        "'bogo-ops-per-second-real-time' of cpu in the YAML",
        "'bogo-ops-per-second-real-time' of switch in the YAML",
    )
    assert "in the table" in explained(stderr).fields[0]
