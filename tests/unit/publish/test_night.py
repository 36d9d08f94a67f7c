"""A night's summary: ten lines at most, the exit status, and what programs read of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import junitparser
import pytest

from harness.analyze.control import Control
from harness.analyze.history.history import Shift
from harness.errors import UseError
from harness.model.trial import TrialStatus
from harness.publish import night
from harness.report import night as report_night
from harness.report.night import Summary
from harness.report.runs import analysed
from tests.synthetic import DOCKER, example, make_run

SHIFT = Shift(
    host="lab1",
    scenario="overhead",
    target="guest",
    label="kvm",
    workload="disk-randread-4k-qd1",
    metric="iops",
    run="20261120T010000Z-lab1",
    started=datetime(2026, 11, 20, 1, tzinfo=UTC),
    before=1.2,
    after=1.5,
    ratio=1.25,
    low=1.2,
    high=1.3,
    p=0.0001,
    moved="backend",
    changed="hypervisor's release: 7.2.22 → 10.0.7",
    status="unconfirmed",
)


def made(*shifts: Shift, **changes: object) -> Summary:
    run = example()
    whole = Summary(
        began=datetime(2026, 11, 24, 1, 30, tzinfo=UTC),
        table=analysed([run]).table,
        absent=(),
        shifts=shifts,
        warnings=(),
        whole=True,
        measuring_s=612.0,
        total_s=700.0,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("of", "code", "verdict"),
    [
        (made(), 0, "quiet"),
        (made(SHIFT), 0, "quiet"),
        (made(replace(SHIFT, status="confirmed")), 1, "a regression is confirmed"),
        (made(replace(SHIFT, status="confirmed", ratio=0.8)), 0, "quiet"),
        (made(replace(SHIFT, status="acknowledged")), 0, "quiet"),
        (made(replace(SHIFT, moved="host")), 0, "quiet"),
        (made(absent=(("vbox", "no driver"),)), 3, "partial"),
        (made(whole=False), 3, "partial"),
        (made(table=None), 3, "partial"),
        (
            made(replace(SHIFT, status="confirmed"), absent=(("vbox", "no driver"),)),
            1,
            "a regression is confirmed, and the night is partial",
        ),
    ],
)
def test_only_a_confirmed_regression_fails_a_night(of: Summary, code: int, verdict: str) -> None:
    assert (of.exit_code, of.verdict) == (code, verdict)
    assert night.render(of, "text").splitlines()[0].endswith(f": {verdict}.")


def test_a_night_in_which_native_differs_from_itself_is_partial_and_says_so() -> None:
    of = made()
    assert of.table is not None
    (section,) = of.table.sections
    control = Control(differing=5, pairs=19, low=0.12, high=0.49, alpha=0.05)
    of = replace(of, table=replace(of.table, sections=(replace(section, control=control),)))
    assert (of.exit_code, of.verdict) == (3, "partial")
    assert "so its table is not to be trusted" in night.render(of, "text")
    assert '<failure message="the table is not to be trusted"' in night.render(of, "junit")


def test_a_summary_has_ten_lines_at_most() -> None:
    """With everything at once that there is to tell, many times over."""
    kinds = [
        replace(SHIFT, status=status, moved=moved, ratio=ratio, workload=f"w{number}")
        for number in range(6)
        for status, moved, ratio in (
            ("confirmed", "backend", 1.2),
            ("confirmed", "backend", 0.8),
            ("unconfirmed", "backend", 3.1),
            ("unconfirmed", "host", 1.1),
            ("acknowledged", "backend", 1.1),
        )
    ]
    full = made(
        *kinds,
        absent=tuple((f"t{number}", "it did not boot\nat all") for number in range(9)),
        warnings=("a run cannot be read",) * 5,
        confirming=("20261124T020000Z-lab1",),
        publishing_s=12.0,
        confirming_s=300.0,
        written=("a.md", "a.csv"),
    )
    lines = night.render(full, "text").splitlines()
    assert len(lines) <= 10
    text = "\n".join(lines)
    for told in (
        "12 s to analyse and publish",
        "Regressions, confirmed",
        "unconfirmed",
        "Native moved too",
        "and 6 more",
    ):
        assert told in text


def test_every_shift_says_what_where_and_since_when() -> None:
    text = night.render(made(SHIFT), "text")
    assert "lab1: disk-randread-4k-qd1 iops on guest +25.0 % since 2026-11-20" in text
    assert "new that night: hypervisor's release: 7.2.22 → 10.0.7" in text


def test_junit_is_read_by_junitparser(tmp_path: Path) -> None:
    of = made(
        replace(SHIFT, status="confirmed"),
        replace(SHIFT, workload="net-rr"),
        absent=(("vbox", "no driver\x00 here"),),
    )
    file = tmp_path / "night.xml"
    file.write_text(night.render(of, "junit"), encoding="utf-8")
    (suite,) = junitparser.JUnitXml.fromfile(str(file))
    cases = {case.name: case for case in suite}
    # Skipped: the shift, and native against itself, which has too few blocks.
    assert (suite.failures, suite.errors, suite.skipped) == (1, 1, 2)
    assert len(cases) == suite.tests
    (failure,) = [
        result for case in cases.values() for result in case.result if result._tag == "failure"
    ]
    assert "+25.0 %" in failure.text
    assert "took no part" in str(cases["vbox"].result[0].message)


def test_json_holds_what_the_text_tells() -> None:
    of = made(SHIFT, absent=(("vbox", "no driver"),))
    document = json.loads(night.render(of, "json"))
    assert document["summary"] == report_night.lines(of)
    assert document["exit_code"] == 3
    assert document["shifts"][0]["ratio"] == 1.25
    assert document["absent"] == {"vbox": "no driver"}


def test_markdown_leaves_names_as_they_are() -> None:
    text = night.render(made(replace(SHIFT, workload="a*b|c")), "markdown")
    assert text.startswith("**Night of 2026-11-24 01:30 UTC: quiet.**")
    assert r"a\*b\|c" in text


def test_a_summary_file_of_no_known_ending_is_refused() -> None:
    with pytest.raises(UseError, match="no format has this ending"):
        night.format_of(Path("night.doc"))


def test_a_night_on_a_machine_too_busy_to_measure_on_is_partial() -> None:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        bad = target == DOCKER.name and block % 3 > 0
        return (TrialStatus.REJECTED, "other work took 9 %") if bad else (TrialStatus.OK, None)

    busy = replace(made(), table=analysed([make_run(lambda *_: 1.0, ending=ending)]).table)
    assert (busy.verdict, busy.exit_code) == ("partial", report_night.EXIT_PARTIAL)
    assert "lab1 was too busy to measure on: " in report_night.measured(busy)
    assert made().busy == ()
