"""Measuring to a precision: which overheads still need blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.analyze.stopping import PRECISION, too_wide
from harness.measure import Request, _enough, _precision
from harness.model import Resource, Run, TrialStatus
from harness.plan import preset
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
    assert _precision(Request(preset("quick"), ())) == ({}, 0)
    assert _precision(Request(preset("publication"), ())) == (DELTA, 10)
    assert _precision(Request(preset("quick"), (), precision=0.02)) == (
        dict.fromkeys(map(str, Resource), 0.02),
        8,
    )


def test_no_run_stops_before_its_least_number_of_blocks() -> None:
    run = noisy_run(0.001, 8)
    asked = replace(run.manifest, precision=DELTA, least_blocks=8)
    assert _enough(asked, 8, run.trials)
    assert not _enough(asked, 7, run.trials)
    assert not _enough(run.manifest, 8, run.trials)
