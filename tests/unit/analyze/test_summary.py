"""What a target costs in a resource: one value a block, with interval and verdict as any row."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest

from harness.analyze.blocks import Pairs, cells, pairs
from harness.analyze.overhead import from_pairs
from harness.analyze.statistics.estimate import estimate
from harness.analyze.summary import blocks_needed, summary
from harness.dataset.samples import frame
from harness.model.run import Run
from harness.model.target import BackendClass
from harness.model.trial import TrialStatus
from harness.model.workload import Resource
from tests.synthetic import CPU, DOCKER, NATIVE, TCG, Kind, make_run, workload

THREE = [
    workload("a", Resource.CPU, [("t", "s", "lower"), ("other", "s", "lower")]),
    workload("b", Resource.CPU, [("t", "s", "lower")]),
    workload("c", Resource.DISK, [("t", "s", "lower")]),
]


def paired(*runs: Run) -> Pairs:
    return pairs(cells(pl.concat([frame(run) for run in runs]).lazy()))


def of(*runs: Run) -> dict[tuple[str, str], dict[str, Any]]:
    found = paired(*runs)
    rows = summary(found, from_pairs(found)).iter_rows(named=True)
    return {(row["target"], row["resource"]): row for row in rows}


def noise(seed: int, blocks: int) -> dict[tuple[str, int], float]:
    drawn = np.random.default_rng(seed).normal(0, 0.02, (2, blocks))
    return {(name, b): float(drawn[i, b]) for i, name in enumerate("ab") for b in range(blocks)}


def test_it_is_the_mean_over_headline_metrics_within_a_resource() -> None:
    factors = {"a": 2.0, "b": 8.0, "c": 1.5}

    def value(target: str, workload: str, metric: str, block: int) -> float:
        if target == NATIVE.name:
            return 1.0
        return 100.0 if metric == "other" else factors[workload]

    rows = of(make_run(value, workloads=THREE))
    cpu, disk = rows[DOCKER.name, "cpu"], rows[DOCKER.name, "disk"]
    assert (cpu["F"], disk["F"]) == (pytest.approx(4.0), pytest.approx(1.5))
    assert (cpu["entered"], cpu["workloads"], cpu["n"]) == (2, 2, 8)
    assert not any(target == NATIVE.name for target, _ in rows)


def test_a_block_gives_one_value_and_they_are_estimated_as_a_row_is() -> None:
    drawn = noise(1, 12)

    def value(target: str, workload: str, metric: str, block: int) -> float:
        if target != DOCKER.name or metric == "other":
            return 1.0
        return 1.1 * math.exp(drawn.get((workload, block), 0.0))

    row = of(make_run(value, [NATIVE, DOCKER], workloads=THREE, blocks=12))[DOCKER.name, "cpu"]
    means = [math.log(1.1) + (drawn["a", b] + drawn["b", b]) / 2 for b in range(12)]
    alone = estimate(means)
    assert alone.low is not None
    assert alone.high is not None
    assert row["F"] == pytest.approx(math.exp(alone.point))
    assert row["F_low"] == pytest.approx(math.exp(alone.low))
    assert row["F_high"] == pytest.approx(math.exp(alone.high))
    assert row["verdict"] == "slower"


def test_native_against_itself_is_called_different_in_one_table_of_twenty_at_most() -> None:
    """Two resources of two targets, all equal: the verdicts of a host are judged together."""
    random, wrong = np.random.default_rng(7), 0
    kinds = [NATIVE, DOCKER, TCG]
    for _ in range(200):
        drawn = {
            (kind.name, each.name): np.exp(random.normal(0, 0.03, 8))
            for kind in kinds
            for each in THREE
        }
        rows = of(
            make_run(
                lambda t, w, m, b, drawn=drawn: float(drawn[t, w][b]),  # type: ignore[misc]
                kinds,
                workloads=THREE,
                blocks=8,
            )
        )
        wrong += any(row["verdict"] == "slower" for row in rows.values())
    # 95 % of 200 tables are 10; more than 18 come by chance once in a hundred such tests.
    assert wrong <= 18


def test_it_rests_on_the_blocks_that_all_workloads_share() -> None:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        lost = target == DOCKER.name and workload == "b" and block < 2
        return (TrialStatus.LOST if lost else TrialStatus.OK), None

    row = of(make_run(lambda *_: 1.0, ending=ending, workloads=THREE))[DOCKER.name, "cpu"]
    assert (row["n"], row["entered"], row["workloads"]) == (6, 2, 2)


def test_a_workload_that_would_cost_the_interval_does_not_enter() -> None:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        lost = target == DOCKER.name and workload == "b" and block < 3
        return (TrialStatus.LOST if lost else TrialStatus.OK), None

    row = of(make_run(lambda *_: 1.0, ending=ending, workloads=THREE))[DOCKER.name, "cpu"]
    assert (row["n"], row["entered"], row["workloads"]) == (8, 1, 2)
    assert row["F_low"] is not None


def test_what_has_no_result_or_another_machine_has_no_mean() -> None:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        lost = target == DOCKER.name and workload == CPU.name
        return (TrialStatus.LOST if lost else TrialStatus.OK), None

    away = Kind("away", "hyperv", BackendClass.TYPE1, "hyperv, adopted, other machine", nested=None)
    rows = of(make_run(lambda *_: 10.0, [NATIVE, DOCKER, away], ending=ending))
    lost = rows[DOCKER.name, "cpu"]
    assert (lost["F"], lost["n"], lost["entered"], lost["workloads"]) == (None, 0, 0, 1)
    assert (rows["away", "cpu"]["F"], rows["away", "cpu"]["verdict"]) == (None, "no result")


def test_what_is_left_out_of_the_frame_does_not_enter() -> None:
    found = paired(make_run(lambda *_: 10.0, workloads=THREE))
    named = pl.col("workload").cast(pl.String) == "a"
    frame = from_pairs(found).with_columns(pl.when(~named).then("F").alias("F"))
    rows = summary(found, frame).filter(pl.col("resource") == "cpu")
    assert set(rows["entered"]) == {1}


def test_a_block_of_another_run_is_another_block() -> None:
    runs = [make_run(lambda *_: 1.0, run=name, workloads=THREE, blocks=4) for name in "xy"]
    assert of(*runs)[DOCKER.name, "cpu"]["n"] == 8


@pytest.mark.parametrize(("theta", "deviation"), [(0.05, 0.06), (0.002, 0.02), (-0.03, 0.05)])
def test_so_many_blocks_resolve_it_about_every_second_time(theta: float, deviation: float) -> None:
    """By simulation of what the formula promises: the interval excludes 0, or lies in ±1 %."""
    margin = math.log1p(0.01)
    needed = int(blocks_needed(*map(np.array, ([theta], [deviation], [margin], [0.05])))[0])
    random, resolved = np.random.default_rng(3), 0
    for _ in range(200):
        d = random.normal(theta, deviation, needed)
        wide, narrow = estimate(d), estimate(d, 0.90)
        assert wide.low is not None
        assert wide.high is not None
        assert narrow.low is not None
        assert narrow.high is not None
        inside = narrow.low > -margin and narrow.high < margin
        resolved += inside or wide.low > 0 or wide.high < 0
    assert 60 <= resolved <= 160


def test_nothing_is_resolved_in_fewer_than_eight_blocks_nor_told_of_one() -> None:
    some = blocks_needed(
        np.array([3.0, 0.1]), np.array([0.01, np.nan]), np.full(2, 0.01), np.full(2, 0.05)
    )
    assert some[0] == 8
    assert np.isnan(some[1])
