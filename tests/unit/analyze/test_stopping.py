"""Measuring to a precision: which overheads still need blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.analyze.stopping import too_wide
from harness.errors import UseError
from harness.execute.measurement import _enough
from harness.model.run import Run
from harness.model.trial import TrialStatus
from harness.model.workload import Resource
from harness.plan.plan import preset
from harness.plan.request import PRECISION, Request, most_blocks, precision_of
from tests.synthetic import CPU, DISK, DOCKER, NATIVE, make_run

DELTA = {str(resource): delta for resource, delta in PRECISION.items()}


def noisy_run(scale: float, blocks: int) -> Run:
    rng = np.random.default_rng(2)
    return make_run(lambda *_: float(rng.lognormal(sigma=scale)), blocks=blocks, control=True)


def wide(run: Run) -> list[tuple[str, str]]:
    return too_wide(run.trials, run.manifest.workloads, NATIVE.name, DELTA)


def test_narrow_intervals_need_no_more_blocks_and_wide_ones_do() -> None:
    assert wide(noisy_run(0.001, 8)) == []
    assert wide(noisy_run(0.01, 8)) == [(CPU.name, DOCKER.name)]
    assert wide(noisy_run(0.3, 8)) == [(CPU.name, DOCKER.name), (DISK.name, DOCKER.name)]


def test_what_has_no_interval_is_too_wide() -> None:
    assert len(wide(noisy_run(0.0001, 5))) == 2


def test_a_target_that_never_gave_a_value_does_not_keep_the_run_going() -> None:
    run = noisy_run(0.001, 8)
    failed = tuple(
        replace(each, status=TrialStatus.FAILED, samples=())
        if each.target == DOCKER.name and each.workload == CPU.name
        else each
        for each in run.trials
    )
    assert wide(replace(run, trials=failed)) == []


def test_a_preset_or_the_user_asks_for_precision() -> None:
    assert precision_of(Request(preset("quick"), ())) == ({}, 0)
    assert precision_of(Request(preset("publication"), ())) == (DELTA, 10)
    assert precision_of(Request(preset("quick"), (), precision=0.02)) == (
        dict.fromkeys(map(str, Resource), 0.02),
        8,
    )


def test_no_run_stops_before_its_least_number_of_blocks() -> None:
    run = noisy_run(0.001, 8)
    asked = replace(run.manifest, precision=DELTA, least_blocks=8)
    assert _enough(asked, 8, run.trials)
    assert not _enough(asked, 7, run.trials)
    assert not _enough(run.manifest, 8, run.trials)


@pytest.mark.parametrize(
    ("name", "precision", "asked", "most"),
    [
        ("quick", None, None, 6),
        ("quick", None, 100, 6),
        ("quick", None, 3, 3),
        ("quick", 0.01, None, 30),
        ("quick", 0.01, 40, 40),
        ("publication", None, None, 30),
        ("publication", None, 12, 12),
    ],
)
def test_most_blocks_are_the_presets_or_fewer_but_to_a_precision_what_is_asked(
    name: str, precision: float | None, asked: int | None, most: int
) -> None:
    request = Request(preset(name), (CPU,), precision=precision, max_blocks=asked)
    assert most_blocks(request, precision_of(request)[1]) == most


@pytest.mark.parametrize(("name", "asked"), [("quick", 7), ("publication", 9)])
def test_a_cap_under_which_no_precision_is_looked_for_is_refused(name: str, asked: int) -> None:
    request = Request(preset(name), (CPU,), precision=0.01, max_blocks=asked)
    with pytest.raises(UseError, match=f"--max-blocks {asked} is under the"):
        most_blocks(request, precision_of(request)[1])
