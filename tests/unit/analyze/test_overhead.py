"""The overhead frame: known truths are found, and nothing missing becomes a number."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from harness.analyze.control import Control, control, wilson
from harness.analyze.overhead import overhead
from harness.analyze.verdict import detectable_effect
from harness.dataset.dataset import frame
from harness.model.run import Run
from harness.model.target import BackendClass
from harness.model.trial import TrialStatus
from harness.model.workload import Resource
from tests.synthetic import CPU, DISK, DOCKER, NATIVE, TCG, Kind, make_run, noisy, workload

BASE = {("cpu-one", "events"): 1e3, ("disk-randread", "iops"): 9e3}
BASE |= {("disk-randread", "latency_p99"): 120.0}


def of(*runs: Run, by_run: bool = False) -> pl.DataFrame:
    return overhead(pl.concat([frame(run) for run in runs]).lazy(), by_run=by_run)


def one(found: pl.DataFrame, target: str, metric: str) -> dict[str, Any]:
    chosen = found.filter(
        pl.col("target").cast(pl.String) == target, pl.col("metric").cast(pl.String) == metric
    )
    return chosen.row(0, named=True)


def test_known_slowdowns_are_found_whatever_direction_is_better() -> None:
    value = noisy({NATIVE.name: 1, DOCKER.name: 1.2}, BASE, {"latency_p99"}, seed=1)
    found = of(make_run(value, blocks=10))
    for metric in ("events", "iops", "latency_p99"):
        row = one(found, DOCKER.name, metric)
        assert row["F_low"] < 1.2 < row["F_high"]
        assert row["F"] == pytest.approx(1.2, rel=0.02)
        assert row["overhead_percent"] == pytest.approx(100 * (row["F"] - 1))
        assert row["verdict"] == "slower"
        assert row["n"] == 10


def test_native_has_its_values_and_no_overhead() -> None:
    row = one(of(make_run(lambda *a: 10.0 + a[3], blocks=4)), NATIVE.name, "events")
    assert row["verdict"] == "baseline"
    assert (row["n"], row["value_mean"], row["value_median"]) == (4, 11.5, 11.5)
    assert (row["F"], row["F_low"], row["mde"]) == (None, None, None)


def test_identical_targets_with_little_noise_are_equivalent_and_with_much_unresolved() -> None:
    value = noisy({NATIVE.name: 1, DOCKER.name: 1}, BASE, {"latency_p99"}, seed=4)
    found = of(make_run(value, blocks=10)).filter(~pl.col("native"))
    assert found["verdict"].to_list() == ["equivalent"] * 3
    rng = np.random.default_rng(4)
    found = of(make_run(lambda *_: float(rng.lognormal(sigma=0.3)), blocks=10))
    assert found.filter(~pl.col("native"))["verdict"].to_list() == ["unresolved"] * 3


def test_faster_than_native_is_suspect() -> None:
    value = noisy({NATIVE.name: 1, DOCKER.name: 0.8}, BASE, {"latency_p99"}, seed=1)
    found = of(make_run(value, blocks=10)).filter(~pl.col("native"))
    assert found["verdict"].to_list() == ["suspect"] * 3


def unsteady(target: str, workload: str, metric: str, block: int) -> float:
    """Half of native's time on the CPU, give or take; on the disk as much more as less, in turn:
    that row's t is as large as any where the signs of every other block are flipped."""
    if target != DOCKER.name:
        return 100.0
    if workload == CPU.name:
        return 100.0 * (1.2, 1.9, 1.4, 2.2, 1.1, 1.6)[block]
    return 100.0 * (1.5 if block % 2 else 1 / 1.5)


def test_faster_than_native_is_suspect_where_too_few_blocks_could_call_it_different() -> None:
    """An alarm waits for no adjusted p."""
    found = of(make_run(unsteady, blocks=6)).filter(~pl.col("native"))
    row = one(found, DOCKER.name, "events")
    assert row["p"] == pytest.approx(1 / 32)
    assert row["p_adjusted"] == pytest.approx(2 / 32)
    assert row["verdict"] == "suspect"


def test_six_blocks_can_tell_however_many_headline_rows_are_judged_together() -> None:
    """p = 1/32 at best for each by itself and, as the blocks are flipped for all at once, for all
    of them together."""
    value = noisy({NATIVE.name: 1, DOCKER.name: 1.5}, BASE, {"latency_p99"}, seed=1)
    found = of(make_run(value, blocks=6)).filter(~pl.col("native"))
    assert found["p"].to_list() == pytest.approx([1 / 32] * 3)
    assert found["p_adjusted"].to_list() == pytest.approx([1 / 32] * 3)
    assert found["verdict"].to_list() == ["slower"] * 3


def test_a_row_of_four_blocks_is_not_in_the_way_of_one_of_six() -> None:
    """Its t may be the largest of all, and its p is 1/8 at least."""

    def value(target: str, workload: str, metric: str, block: int) -> float:
        if workload == CPU.name:
            slow = 20 * (1 + 1e-4 * (block % 3)) if block < 4 else 0.0
        else:
            slow = 3 * (1 + 0.1 * (block % 3))
        sign = 1 if metric == "latency_p99" else -1
        return 100.0 * slow**sign if target == DOCKER.name and slow else 100.0

    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        lost = target == DOCKER.name and workload == CPU.name and block >= 4
        return (TrialStatus.FAILED, "why") if lost else (TrialStatus.OK, None)

    found = of(make_run(value, blocks=6, ending=ending)).filter(~pl.col("native"))
    assert one(found, DOCKER.name, "events")["verdict"] == "n too small"
    assert one(found, DOCKER.name, "iops")["p_adjusted"] == pytest.approx(1 / 32)
    assert one(found, DOCKER.name, "iops")["verdict"] == "slower"


def test_more_blocks_than_are_flipped_are_judged_by_holm() -> None:
    value = noisy({NATIVE.name: 1, DOCKER.name: 1.003}, BASE, {"latency_p99"}, seed=3)
    few, many = (
        of(make_run(value, blocks=n)).filter("headline", ~pl.col("native")) for n in (24, 25)
    )
    p = sorted(many["p"])
    assert sorted(many["p_adjusted"]) == pytest.approx([min(2 * p[0], 1), max(2 * p[0], p[1])])
    assert 1e-4 < min(few["p_adjusted"]) < 1


def test_native_against_itself_is_a_row_of_its_own_and_enters_no_mean() -> None:
    def value(target: str, workload: str, metric: str, block: int) -> float:
        return 20.0 + block if target == f"{NATIVE.name}+control" else 10.0 + block

    run = make_run(value, control=True)
    found = of(run)
    own = one(found, f"{NATIVE.name}+control", "events")
    assert (own["verdict"], own["control"], own["native"]) == ("control", True, False)
    assert own["F"] < 1
    assert own["p_adjusted"] == own["p"] == pytest.approx(2 / 2**8)
    assert one(found, NATIVE.name, "events")["value_mean"] == 13.5
    halfway = np.exp(np.mean(np.log([(20.0 + b) / (10.0 + b) for b in range(8)])) / 2)
    assert one(found, DOCKER.name, "events")["F"] == pytest.approx(halfway, rel=0.01)


def test_the_harness_own_error_is_counted_with_its_wilson_interval() -> None:
    assert control(of(make_run(lambda *_: 1.0))) is None
    assert control(of(make_run(lambda *_: 1.0, control=True, blocks=5))) is None

    def value(target: str, workload: str, metric: str, block: int) -> float:
        return 2.0 if target.endswith("+control") and workload == CPU.name else 1.0

    found = control(of(make_run(value, control=True)))
    assert found is not None
    assert (found.differing, found.pairs) == (1, 2)
    assert found.alpha == pytest.approx(0.05)
    assert found.chance == pytest.approx(1 - 0.95**2)
    assert found.trusted is True  # of two, one is called different in every tenth table
    assert found.document()["trusted"] is True
    # By hand, z = 1.959964: (.5 + z²/4) / (1 + z²/2) ± …
    assert found.low == pytest.approx(0.0945, abs=1e-4)
    assert found.high == pytest.approx(0.9055, abs=1e-4)


@pytest.mark.parametrize("pairs", [1, 2, 3, 4, 5, 8, 19, 40, 200])
def test_a_harness_that_errs_as_promised_is_distrusted_in_a_fortieth_of_tables_at_most(
    pairs: int,
) -> None:
    """Of three metrics one is enough to lift Wilson's lower bound above α: in every seventh."""
    every = [Control(k, pairs, *wilson(k, pairs), 0.05) for k in range(pairs + 1)]
    for each in every:
        assert each.chance == pytest.approx(stats.binom.sf(each.differing - 1, pairs, 0.05))
    distrusted = [each.differing for each in every if not each.trusted]
    assert sum(stats.binom.pmf(distrusted, pairs, 0.05)) <= 0.025
    assert distrusted == list(range(min(distrusted, default=2), pairs + 1))
    assert not [k for k in distrusted if every[k].low <= 0.05]
    if pairs > 3:  # one that calls half of them different is found out, mostly
        assert stats.binom.sf(min(distrusted) - 1, pairs, 0.5) > 0.6
    if pairs == 3:
        assert every[1].low > 0.05
        assert every[1].trusted


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [(0, 10, 0, 0.2775), (5, 100, 0.0215, 0.1118), (10, 10, 0.7225, 1)],
)
def test_wilson_intervals_as_published(hits: int, trials: int, low: float, high: float) -> None:
    found = wilson(hits, trials)
    assert found[0] == pytest.approx(low, abs=1e-4)
    assert found[1] == pytest.approx(high, abs=1e-4)


def test_under_six_blocks_there_is_a_point_and_no_interval() -> None:
    row = one(
        of(make_run(lambda t, *_: 8.0 if t == "container" else 10.0, blocks=5)),
        "container",
        "events",
    )
    assert row["F"] == pytest.approx(1.25)
    assert (row["F_low"], row["F_high"], row["mde"]) == (None, None, None)
    assert row["verdict"] == "n too small"


def test_failed_trials_never_become_zeros() -> None:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        return (TrialStatus.TIMEOUT if target == DOCKER.name and block < 3 else TrialStatus.OK), "x"

    row = one(of(make_run(lambda *_: 10.0, blocks=10, ending=ending)), DOCKER.name, "events")
    assert (row["value_mean"], row["value_median"], row["F"]) == (10.0, 10.0, 1.0)
    assert (row["n"], row["n_missing"], row["trials"], row["timeout"]) == (7, 3, 10, 3)


def test_target_without_any_ok_trial_keeps_its_rows() -> None:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        return (TrialStatus.FAILED if target == DOCKER.name else TrialStatus.OK), "no such program"

    row = one(of(make_run(lambda *_: 10.0, ending=ending)), DOCKER.name, "iops")
    assert row["verdict"] == "no result"
    assert (row["value_mean"], row["F"], row["n"], row["failed"]) == (None, None, 0, 8)
    assert row["native_value_mean"] == 10.0


def test_metric_that_an_ok_trial_did_not_yield_is_missing() -> None:
    def value(target: str, workload: str, metric: str, block: int) -> float | None:
        return None if metric == "latency_p99" and target == DOCKER.name else 10.0

    found = of(make_run(value))
    assert one(found, DOCKER.name, "latency_p99")["value_mean"] is None
    assert one(found, DOCKER.name, "iops")["n"] == 8


def test_runs_of_a_host_are_pooled_by_run_and_block() -> None:
    runs = [
        make_run(lambda t, *_, f=factor: 10.0 * (f if t == "container" else 1), run=name, blocks=4)
        for name, factor in (("a", 0.8), ("b", 0.5))
    ]
    found = of(*runs)
    row = one(found, DOCKER.name, "events")
    assert (row["n"], row["runs"], row["run"]) == (8, 2, None)
    walsh = [math.log(1.25)] * 10 + [math.log(2)] * 10 + [math.log(2.5) / 2] * 16
    assert row["F"] == pytest.approx(math.exp(float(np.median(walsh))))
    apart = of(*runs, by_run=True)
    assert apart.height == 2 * found.height
    assert set(apart["run"].cast(pl.String)) == {"a", "b"}


def test_what_is_not_comparable_is_not_pooled() -> None:
    newer = workload("cpu-one", Resource.CPU, [("events", "1/s", "higher")], version=2)
    relabelled = Kind("container", "docker", BackendClass.SANDBOX, "gvisor")
    runs = [
        make_run(lambda *_: 10.0, run="a"),
        make_run(lambda *_: 10.0, run="b", workloads=[newer, DISK]),
        make_run(lambda *_: 10.0, run="c", kinds=[NATIVE, relabelled]),
    ]
    found = of(*runs).filter(pl.col("metric").cast(pl.String) == "events", ~pl.col("native"))
    keys = found.select(pl.col("label").cast(pl.String), "workload_version", "n").sort("label")
    assert sorted(keys.rows()) == [("docker", 1, 8), ("docker", 2, 8), ("gvisor", 1, 8)]


def test_native_beside_a_target_is_that_of_the_same_runs() -> None:
    runs = [
        make_run(lambda *_: 10.0, run="a", kinds=[NATIVE, DOCKER]),
        make_run(lambda *_: 30.0, run="b", kinds=[NATIVE, TCG]),
    ]
    found = of(*runs)
    assert one(found, DOCKER.name, "events")["native_value_mean"] == 10.0
    assert one(found, TCG.name, "events")["native_value_mean"] == 30.0
    assert one(found, NATIVE.name, "events")["value_mean"] == 20.0


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.floats(1e-6, 1e6))
def test_swapping_target_and_native_inverts_F_and_units_do_not_matter(
    seed: int, unit: float
) -> None:
    values = np.random.default_rng(seed).lognormal(sigma=0.3, size=(2, 3, 9))
    place = {"events": 0, "iops": 1, "latency_p99": 2}

    def run(order: tuple[int, int], scale: float) -> Run:
        arms = {NATIVE.name: order[0], DOCKER.name: order[1]}
        return make_run(lambda t, w, m, b: scale * float(values[arms[t], place[m], b]), blocks=9)

    here, swapped, scaled = (
        of(run(o, s)) for o, s in (((0, 1), 1.0), ((1, 0), 1.0), ((0, 1), unit))
    )
    for metric in place:
        a, b, c = (one(f, DOCKER.name, metric) for f in (here, swapped, scaled))
        assert a["F"] * b["F"] == pytest.approx(1, rel=1e-9)
        assert a["F_low"] * b["F_high"] == pytest.approx(1, rel=1e-9)
        for name in ("F", "F_low", "F_high", "mde"):
            assert c[name] == pytest.approx(a[name], rel=1e-6)


@pytest.mark.parametrize(
    ("n", "f"), [(6, 1.44), (8, 1.16), (10, 1.00), (15, 0.78), (20, 0.66), (30, 0.53)]
)
def test_detectable_effect_is_the_table(n: int, f: float) -> None:
    assert detectable_effect(np.array([n]), np.array([2.0]))[0] == pytest.approx(2 * f)


@pytest.mark.parametrize("n", [6, 7, 9, 12, 17, 25, 40, 100, 1000])
def test_detectable_effect_has_power_point_eight_by_the_noncentral_t(n: int) -> None:
    f = float(detectable_effect(np.array([n]), np.array([1.0]))[0])
    limit = stats.t.ppf(0.975, n - 1)
    power = stats.nct.sf(limit, n - 1, f * math.sqrt(n))
    assert power == pytest.approx(0.8, abs=0.01)


def test_no_detectable_effect_below_six() -> None:
    assert np.isnan(detectable_effect(np.array([0, 5]), np.array([1.0, 1.0]))).all()


AWAY = Kind("away", "hyperv", BackendClass.TYPE1, "hyperv, adopted, other machine", nested=None)


def test_a_target_of_another_machine_has_values_and_no_overhead_and_weighs_on_nobody() -> None:
    """The container beside it is judged exactly as if it were not there."""
    value = noisy({NATIVE.name: 1, DOCKER.name: 1.2, AWAY.name: 0.5}, BASE, {"latency_p99"}, 1)
    alone = of(make_run(value, [NATIVE, DOCKER], blocks=10))
    found = of(make_run(value, [NATIVE, DOCKER, AWAY], blocks=10))
    for metric in ("events", "iops", "latency_p99"):
        row = one(found, "away", metric)
        assert row["verdict"] == "other machine"
        assert row["value_median"] is not None
        assert (row["n"], row["n_missing"]) == (10, 0)
        for name in ("F", "F_low", "overhead_percent", "p", "p_adjusted", "mde"):
            assert row[name] is None
        beside, before = one(found, "container", metric), one(alone, "container", metric)
        assert beside["F"] == before["F"]
        assert beside["p_adjusted"] == before["p_adjusted"]


def test_a_target_of_another_machine_that_gave_nothing_has_no_result() -> None:
    def failing(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        return (TrialStatus.FAILED if target == AWAY.name else TrialStatus.OK), "gone"

    value = noisy({NATIVE.name: 1, AWAY.name: 2}, BASE, {"latency_p99"}, 1)
    row = one(of(make_run(value, [NATIVE, AWAY], blocks=8, ending=failing)), "away", "events")
    assert (row["verdict"], row["n"], row["n_missing"]) == ("no result", 0, 8)
