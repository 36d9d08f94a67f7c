"""The first lines of a table: what each target costs, resource by resource, and what to doubt."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.model.estimate import Estimate
from harness.model.run import Run
from harness.model.target import BackendClass
from harness.model.trial import TrialStatus
from harness.report import answer
from harness.report.runs import analysed
from harness.report.table import Section, Summary
from tests.synthetic import CPU, DISK, DOCKER, NATIVE, TCG, Kind, make_run

WOBBLE = [0.01, -0.01, 0.03, -0.03, 0.05, -0.05, 0.02, -0.02]
"""Of one value a block, around nothing."""


def section(run: Run) -> Section:
    return analysed([run]).table.sections[0]


def test_a_sentence_a_target_says_what_each_resource_costs_by_its_verdict() -> None:
    def value(target: str, workload: str, metric: str, block: int) -> float:
        if target == DOCKER.name:
            return math.exp(2 * WOBBLE[block]) if workload == DISK.name else 1.0
        return 2.5 if target == TCG.name and metric == "latency_p99" else 1.0

    made = section(make_run(value, [NATIVE, DOCKER, TCG]))
    container, guest = answer.sentences(made)
    assert container.startswith("container (docker, os): cpu equal (±1 %), disk open (")
    assert " … " in container
    assert guest == "guest (qemu-tcg, emulated): cpu equal (±1 %), disk equal (±3 %)"


def test_slower_is_told_with_its_interval_and_faster_is_suspect() -> None:
    speed = {NATIVE.name: 1.0, DOCKER.name: 0.5, TCG.name: 1.25}
    made = section(make_run(lambda target, *_: speed[target], [NATIVE, DOCKER, TCG], [CPU]))
    container, guest = answer.sentences(made)
    assert container == "container (docker, os): cpu 2.00× [2.00, 2.00]"
    # A suspect row enters no mean, so nothing is left to say.
    assert guest == "guest (qemu-tcg, emulated): cpu no result"
    assert answer.doubts(made) == ("1 headline figure suspect (‼)",)


def test_too_few_blocks_are_said_as_such() -> None:
    run = replace(make_run(lambda *_: 1.0, [NATIVE, DOCKER], [CPU], blocks=2), used_s=12.0)
    assert answer.sentences(section(run)) == (
        "container (docker, os): cpu open (2 blocks give no interval; 1 more minute)",
    )


def test_what_entered_is_said_where_it_is_not_all() -> None:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        lost = target == DOCKER.name and workload == "cpu-two"
        return (TrialStatus.LOST if lost else TrialStatus.OK), None

    two = replace(CPU, name="cpu-two")
    made = section(make_run(lambda *_: 1.0, [NATIVE, DOCKER], [CPU, two], ending=ending))
    assert answer.sentences(made) == ("container (docker, os): cpu equal (±1 %; 1 of 2 workloads)",)
    assert answer.doubts(made) == ("8 trials failed, timed out or were lost",)


def test_a_target_of_another_machine_is_compared_with_nothing() -> None:
    away = Kind("away", "hyperv", BackendClass.TYPE1, "hyperv, adopted, other machine", nested=None)
    run = make_run(lambda *_: 1.0, [NATIVE, away])
    targets = tuple(
        replace(each, target=replace(each.target, adopted=True, elsewhere=True))
        if each.target.name == "away"
        else each
        for each in run.manifest.targets
    )
    made = section(replace(run, manifest=replace(run.manifest, targets=targets)))
    (sentence,) = answer.sentences(made)
    assert sentence.endswith("on another machine than native, so it is compared with nothing")


def test_native_alone_has_no_sentence() -> None:
    assert answer.sentences(section(make_run(lambda *_: 1.0, [NATIVE]))) == ()


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (None, ""),
        (5.0, "1 more minute"),
        (61.0, "2 more minutes"),
        (90 * 60.0, "90 more minutes"),
        (2.2 * 3600, "3 more hours"),
        (25 * 3600.0, "not in a day"),
    ],
)
def test_how_much_longer(seconds: float | None, told: str) -> None:
    factor = Estimate(1.02, 0.99, 1.05, 0.95, 8, "")
    summary = Summary(factor, 0.2, 0.2, 0.2, 4.0, "unresolved", 2, 2, seconds)
    assert answer.more(summary) == told


def test_the_time_is_that_of_the_blocks_that_it_takes() -> None:
    """Twice the spread takes four times the blocks."""

    def more(scale: float) -> float:
        run = make_run(
            lambda target, workload, metric, block: (
                math.exp(0.012 + scale * WOBBLE[block]) if target == DOCKER.name else 1.0
            ),
            [NATIVE, DOCKER],
            [CPU],
        )
        (group,) = section(run).groups
        summary = group.summaries[1]
        assert summary is not None
        assert summary.factor is not None
        assert summary.more_s is not None
        return summary.more_s

    run = make_run(lambda *_: 1.0, [NATIVE, DOCKER], [CPU])
    whole = sum(trial.controller_s or 0 for trial in run.trials)
    share = (run.used_s or 0) / whole
    a_block = 3 * share * whole / len(run.trials)
    small, large = (more(scale) / a_block + 8 for scale in (1.0, 2.0))
    assert large / small == pytest.approx(4, rel=0.05)


def busy_run(bad_blocks: set[int], blocks: int = 8, native: bool = False) -> Run:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        bad = target.startswith(NATIVE.name) == native and block in bad_blocks
        return (TrialStatus.REJECTED, "other work") if bad else (TrialStatus.OK, None)

    return make_run(lambda *_: 1.0, [NATIVE, DOCKER], blocks=blocks, ending=ending)


@pytest.mark.parametrize("native", [False, True])
def test_a_machine_too_busy_for_an_answer_is_told(native: bool) -> None:
    told = "lab1 was too busy to measure on: 2 of 2 headline figures have no interval"
    (said,) = answer.too_busy(analysed([busy_run({0, 2, 4}, native=native)]).table)
    assert said.startswith(told)
    assert answer.too_busy(analysed([busy_run({0, 2}, native=native)]).table) == ()


def test_too_few_blocks_are_no_busy_machine_unless_the_run_gave_up_for_it() -> None:
    few = busy_run({0}, blocks=3)
    assert answer.too_busy(analysed([few]).table) == ()
    (said,) = answer.too_busy(analysed([replace(few, ended="busy")]).table)
    assert said.startswith("lab1 was too busy")
    assert answer.too_busy(analysed([replace(busy_run(set(), 3), ended="busy")]).table) == ()
