"""Pairs: same block, native of the same run, and nothing invented where one side is missing."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from harness.analyze import blocks
from harness.analyze.statistics import codes
from harness.dataset.dataset import frame
from harness.errors import HarnessError
from harness.model.run import Run
from harness.model.trial import TrialStatus
from harness.model.workload import Resource
from tests.synthetic import CPU, DISK, DOCKER, KVM, NATIVE, make_run, workload


def pairs(*runs: Run) -> blocks.Pairs:
    return blocks.pairs(blocks.cells(pl.concat([frame(run) for run in runs]).lazy()))


def row(paired: blocks.Pairs, **where: str) -> int:
    table = paired.cells.table.with_row_index("row")
    chosen = table.filter(*(pl.col(key).cast(pl.String) == value for key, value in where.items()))
    return int(chosen["row"].item())


def test_d_is_the_log_ratio_positive_where_slower() -> None:
    slow = {"iops": 0.5, "latency_p99": 4.0, "events": 0.8}

    def value(target: str, workload: str, metric: str, block: int) -> float:
        native = 100.0 + block
        return native * slow[metric] if target == DOCKER.name else native

    paired = pairs(make_run(value, blocks=3))
    for metric, ratio in {"iops": 2.0, "latency_p99": 4.0, "events": 1.25}.items():
        d = paired.d[row(paired, target=DOCKER.name, metric=metric)]
        assert d == pytest.approx([math.log(ratio)] * 3)
        assert np.isnan(paired.d[row(paired, target=NATIVE.name, metric=metric)]).all()


SECOND = f"{NATIVE.name}+control"


def test_the_baseline_is_both_trials_of_native_or_the_one_that_has_a_value() -> None:
    """Native gives 3, then 27: the mean of their logs is that of 9."""

    def value(target: str, workload: str, metric: str, block: int) -> float:
        return {NATIVE.name: 0.0 if block == 3 else 3.0, SECOND: 27.0}.get(target, 18.0)

    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        lost = (target, block) in {(NATIVE.name, 0), (SECOND, 1), (NATIVE.name, 4), (SECOND, 4)}
        return (TrialStatus.REJECTED, "why") if lost else (TrialStatus.OK, None)

    paired = pairs(make_run(value, blocks=5, control=True, ending=ending))
    at = row(paired, target=DOCKER.name, metric="latency_p99")
    ratios = np.exp(paired.d[at])
    assert ratios[:4] == pytest.approx([18 / 27, 18 / 3, 18 / 9, 18 / 27])
    assert np.isnan(ratios[4])
    assert (paired.missing[at], paired.invalid[at]) == (1, 0)
    own = row(paired, target=SECOND, metric="latency_p99")
    assert np.exp(paired.d[own][2]) == pytest.approx(27 / 3)
    assert np.isnan(paired.d[own]).tolist() == [True, True, False, True, True]
    assert (paired.missing[own], paired.invalid[own]) == (4, 1)


def test_repeats_in_a_block_are_averaged_and_are_not_more_n() -> None:
    numbers = iter(range(1, 1000))
    seen: dict[tuple[str, int], list[float]] = {}

    def value(target: str, workload: str, metric: str, block: int) -> float:
        x = float(next(numbers))
        seen.setdefault((target, block), []).append(x)
        return x

    only = workload("one", Resource.CPU, [("time", "s", "lower")])
    paired = pairs(make_run(value, workloads=[only], blocks=4, repeats=3))
    d = paired.d[row(paired, target=DOCKER.name)]
    expected = [
        math.log(np.mean(seen[DOCKER.name, block]) / np.mean(seen[NATIVE.name, block]))
        for block in range(4)
    ]
    assert d == pytest.approx(expected, rel=1e-12)


def test_a_block_lacking_either_side_drops_out_and_is_counted() -> None:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        if (target, block) in {(DOCKER.name, 1), (NATIVE.name, 4)}:
            return TrialStatus.FAILED, "exit status 1"
        return TrialStatus.OK, None

    paired = pairs(make_run(lambda *_: 10.0, blocks=6, ending=ending))
    at = row(paired, target=DOCKER.name, metric="iops")
    assert np.isnan(paired.d[at]).tolist() == [False, True, False, False, True, False]
    assert (paired.missing[at], paired.invalid[at]) == (2, 0)


def test_nothing_is_missing_of_blocks_that_a_target_has_left() -> None:
    run = make_run(lambda *_: 10.0, blocks=5)
    kept = tuple(t for t in run.trials if t.target == NATIVE.name or t.block < 2)
    paired = pairs(Run(run.manifest, kept, "interrupted", None))
    at = row(paired, target=DOCKER.name, metric="iops")
    assert int(np.isfinite(paired.d[at]).sum()) == 2
    assert paired.missing[at] == 0


@pytest.mark.parametrize("bad", [0.0, -3.0])
def test_values_without_a_logarithm_give_no_pair_and_are_counted(bad: float) -> None:
    def value(target: str, workload: str, metric: str, block: int) -> float:
        return bad if (target, block) == (DOCKER.name, 2) else 5.0

    paired = pairs(make_run(value, blocks=4))
    at = row(paired, target=DOCKER.name, metric="events")
    assert np.isnan(paired.d[at]).tolist() == [False, False, True, False]
    assert (paired.missing[at], paired.invalid[at]) == (1, 1)


def test_each_run_is_paired_with_its_own_native() -> None:
    first = make_run(lambda target, *_: 8.0 if target == DOCKER.name else 10.0, run="a")
    second = make_run(lambda target, *_: 80.0 if target == DOCKER.name else 100.0, run="b")
    paired = pairs(first, second)
    for run in ("a", "b"):
        d = paired.d[row(paired, run=run, target=DOCKER.name, metric="events")]
        assert d == pytest.approx([math.log(1.25)] * 8)


def test_a_run_without_native_is_refused_by_name() -> None:
    run = make_run(lambda *_: 10.0, kinds=[NATIVE, DOCKER], run="lonely")
    kept = tuple(trial for trial in run.trials if trial.target != NATIVE.name)
    with pytest.raises(HarnessError, match=r"lonely .*native target of host lab1") as error:
        pairs(Run(run.manifest, kept, None, None))
    assert error.value.hint


def test_nothing_measured_is_an_error_with_a_hint() -> None:
    run = make_run(lambda *_: 10.0, blocks=0)
    with pytest.raises(HarnessError, match="no samples"):
        pairs(run)


def test_workload_that_native_never_ran_pairs_with_nothing() -> None:
    run = make_run(lambda *_: 10.0, kinds=[NATIVE, KVM], workloads=[CPU, DISK])
    kept = tuple(t for t in run.trials if not (t.target == NATIVE.name and t.workload == DISK.name))
    paired = pairs(Run(run.manifest, kept, None, None))
    at = row(paired, target=KVM.name, metric="iops")
    assert paired.native[at] == -1
    assert np.isnan(paired.d[at]).all()
    assert paired.missing[at] == 8


def test_sparse_codes_are_numbered_like_dense_ones() -> None:
    sparse = np.array([7, 4_000_000_000, 7, 12], dtype=np.uint32)
    numbers, count = codes.dense(sparse)
    assert (numbers.tolist(), count) == ([0, 2, 0, 1], 3)
    dense, count = codes.dense(np.array([2, 0, 5, 2], dtype=np.uint32))
    assert (dense.tolist(), count) == ([1, 0, 2, 1], 3)
