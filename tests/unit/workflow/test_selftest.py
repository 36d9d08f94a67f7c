"""The harness judged by itself: what counts as a truth covered, and what the report says."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest

from harness.analyze.control import Control
from harness.analyze.coverage import Coverage, coverage, pairs
from harness.model.trial import TrialStatus
from harness.workflow.selftest import SelfTest, as_json, sentences
from tests.synthetic import CPU, DOCKER, NATIVE, make_run

ARMS = (NATIVE.name, DOCKER.name)


def judged(factor: float, truth: float, *, blocks: int = 60, known_to: float = 0.0) -> Coverage:
    noise = random.Random(3)

    def value(target: str, *_: object) -> float:
        return 100 / (factor if target == DOCKER.name else 1) * noise.lognormvariate(0, 0.01)

    run = make_run(value, workloads=[CPU], blocks=blocks)
    truths = dict.fromkeys(range(blocks), truth)
    found = coverage(
        "slowed", pairs(run.trials, CPU, ARMS), CPU, truths, (blocks // 6, 6), known_to
    )
    assert found is not None
    return found


def test_a_truth_that_is_one_is_covered() -> None:
    found = judged(1.25, 1.25)
    assert found.repetitions == 10
    assert found.covered >= 8
    assert found.kept
    assert found.estimate == pytest.approx(1.25, rel=0.01)
    assert found.low < found.covered / 10 <= found.high


def test_a_truth_that_is_none_is_not_and_the_intervals_are_told_not_to_hold() -> None:
    found = judged(1.25, 1.5)
    assert (found.covered, found.kept) == (0, False)


def test_what_is_known_to_a_percent_is_covered_to_a_percent() -> None:
    assert judged(1.25, 1.27, known_to=0.05).covered == 10


def with_failures(blocks: int, *failed: int) -> dict[int, tuple[float, float]]:
    run = make_run(lambda *_: 100.0, workloads=[CPU], blocks=blocks)
    trials = [
        replace(trial, status=TrialStatus.FAILED) if trial.block in failed else trial
        for trial in run.trials
    ]
    return pairs(trials, CPU, ARMS)


def test_a_block_without_both_values_is_made_up_for_by_the_next() -> None:
    truths = dict.fromkeys(range(13), 1.0)
    found = coverage("slowed", with_failures(13, 3), CPU, truths, (2, 6))
    assert found is not None
    assert (found.repetitions, found.lost) == (2, 0)


def test_a_repetition_without_enough_blocks_is_lost_and_counted() -> None:
    truths = dict.fromkeys(range(12), 1.0)
    found = coverage("slowed", with_failures(12, 3), CPU, truths, (2, 6))
    assert found is not None
    assert (found.repetitions, found.lost) == (1, 1)
    assert coverage("slowed", {}, CPU, {0: 1.0}, (1, 6)) is None


def test_a_block_whose_truth_is_not_known_is_left_out() -> None:
    found = coverage("slowed", with_failures(12), CPU, dict.fromkeys(range(11), 1.0), (2, 6))
    assert found is not None
    assert found.lost == 1


@pytest.mark.parametrize("truth", [1.25, 1.5])
def test_the_report_says_what_holds(truth: float) -> None:
    control = Control(1, 20, 0.01, 0.24, 0.05)
    report = SelfTest("lab1", "container", control, (judged(1.25, truth),), ("a", "b"))
    text = "\n".join(sentences(report))
    assert report.holds is (truth == 1.25)
    assert ("DOES NOT HOLD" in text) is (truth != 1.25)
    assert "1 of 20 headline metrics called different" in text
    assert json.loads(json.dumps(as_json(report)))["holds"] is report.holds


def test_a_harness_that_was_not_compared_with_itself_does_not_hold() -> None:
    assert not SelfTest("lab1", "container", None, (judged(1.25, 1.25),), ("a", "b")).holds
