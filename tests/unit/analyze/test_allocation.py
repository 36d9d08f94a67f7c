"""Where the time of a run goes: settled cells leave, open ones stay, and all can be made again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from harness.analyze import blocks
from harness.analyze.allocation import choose, hopeless, log_ratios, open_cells
from harness.dataset.dataset import frame
from harness.model.allocation import Rule
from harness.model.plan import CONTROL
from harness.model.run import Run
from harness.model.target import OTHER_MACHINE, BackendClass
from harness.model.trial import TrialStatus
from harness.plan.request import PRECISION
from tests.allocated import carried_out, under
from tests.synthetic import CPU, DISK, DOCKER, KVM, NATIVE, Ending, Kind, Value, make_run, ok

DELTA = {str(resource): delta for resource, delta in PRECISION.items()}
RULE = Rule(DELTA, 8)
AWAY = Kind("away", "kvm", BackendClass.TYPE1, f"kvm{OTHER_MACHINE}")
TRIAL_S = 5.1
"""What a trial of `make_run` takes."""


def noisy(scale: Mapping[str, float], slowdown: Mapping[str, float] | None = None) -> Value:
    """Values around 100 with lognormal noise by workload, and slowdowns by target."""
    rng = np.random.default_rng(2)
    slow = slowdown or {}

    def value(target: str, workload: str, metric: str, block: int) -> float:
        return 100 / slow.get(target, 1.0) * float(rng.lognormal(sigma=scale[workload]))

    return value


QUIET = {CPU.name: 0.001, DISK.name: 0.001}
ROUGH_DISK = {CPU.name: 0.001, DISK.name: 0.2}


def run_of(
    scale: Mapping[str, float] = QUIET,
    rule: Rule | None = RULE,
    slowdown: Mapping[str, float] | None = None,
    kinds: tuple[Kind, ...] = (NATIVE, DOCKER),
    ending: Ending = ok,
    most: int = 30,
) -> Run:
    value = noisy(scale, slowdown)
    return carried_out(make_run(value, kinds=kinds, blocks=most, control=True, ending=ending), rule)


def counted(run: Run) -> Counter[tuple[str, str]]:
    """How many trials each arm of each workload had."""
    return Counter((trial.workload, trial.arm) for trial in run.trials)


def test_what_is_settled_ends_a_run_after_the_least_number_of_blocks() -> None:
    run = run_of()
    assert (run.ended, set(counted(run).values())) == ("precise", {8})
    assert open_cells(run.manifest, run.trials) == []


def test_without_a_rule_every_block_is_whole_up_to_the_cap() -> None:
    run = run_of(rule=None, most=12)
    assert (run.ended, set(counted(run).values())) == ("complete", {12})
    assert run.allocated == ()
    assert open_cells(run.manifest, run.trials) == []


def test_a_settled_workload_leaves_and_an_open_one_keeps_both_of_natives_trials() -> None:
    run = run_of(ROUGH_DISK, most=20)
    assert run.ended == "complete"
    assert open_cells(run.manifest, run.trials) == [(DISK.name, DOCKER.name)]
    for arm in (NATIVE.name, f"{NATIVE.name}{CONTROL}", DOCKER.name):
        assert counted(run)[CPU.name, arm] == 8
        assert counted(run)[DISK.name, arm] == 20


def test_a_settled_target_leaves_a_workload_that_is_open_for_another() -> None:
    """Docker of twice native's time is settled where a guest of the same speed is not."""
    run = run_of(
        {CPU.name: 0.012, DISK.name: 0.001}, slowdown={DOCKER.name: 2}, kinds=(NATIVE, DOCKER, KVM)
    )
    assert counted(run)[CPU.name, DOCKER.name] == 8
    assert counted(run)[CPU.name, NATIVE.name] == counted(run)[CPU.name, KVM.name] > 8


def test_targets_that_are_compared_with_each_other_stay_together() -> None:
    together = replace(RULE, together=True)
    run = run_of(
        {CPU.name: 0.012, DISK.name: 0.001}, together, {DOCKER.name: 2}, (NATIVE, DOCKER, KVM)
    )
    assert counted(run)[CPU.name, DOCKER.name] == counted(run)[CPU.name, KVM.name] > 8
    assert counted(run)[DISK.name, DOCKER.name] == 8


def test_trials_without_a_value_are_made_up() -> None:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        bad = target == DOCKER.name and workload == CPU.name and block in {1, 3, 4}
        return (TrialStatus.REJECTED, "busy") if bad else (TrialStatus.OK, None)

    run = run_of(ending=ending)
    assert (run.ended, counted(run)[CPU.name, DOCKER.name]) == ("precise", 11)
    assert counted(run)[DISK.name, DOCKER.name] == 8
    run = run_of(ending=ending, most=10)
    assert (run.ended, counted(run)[CPU.name, DOCKER.name]) == ("complete", 10)


def test_what_never_gave_a_value_does_not_keep_a_run_going() -> None:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        bad = target == DOCKER.name and workload == CPU.name
        return (TrialStatus.LOST, "gone") if bad else (TrialStatus.OK, None)

    run = run_of(ending=ending)
    assert (run.ended, counted(run)[CPU.name, DOCKER.name]) == ("precise", 8)


def test_a_target_that_dies_half_way_leaves_after_as_many_tries_without_a_value() -> None:
    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        dead = target == DOCKER.name and block >= 5
        return (TrialStatus.LOST, "gone") if dead else (TrialStatus.OK, None)

    run = run_of(ROUGH_DISK, kinds=(NATIVE, DOCKER, KVM), ending=ending, most=20)
    assert counted(run)[CPU.name, DOCKER.name] == counted(run)[DISK.name, DOCKER.name] == 13
    assert counted(run)[CPU.name, KVM.name] == 8
    assert counted(run)[DISK.name, KVM.name] == 20


def test_a_target_of_another_machine_is_not_waited_for() -> None:
    run = run_of(ROUGH_DISK, kinds=(NATIVE, AWAY))
    assert (run.ended, set(counted(run).values())) == ("precise", {8})


def test_native_alone_is_measured_the_least_number_of_blocks() -> None:
    run = run_of(kinds=(NATIVE,))
    assert (run.ended, set(counted(run).values())) == ("precise", {8})


@pytest.mark.parametrize(("slowdown", "n"), [(1.015, 8), (17.0, 8), (0.8, 8), (0.985, 8)])
def test_slower_and_faster_are_settled_alike(slowdown: float, n: int) -> None:
    assert counted(run_of(slowdown={DOCKER.name: slowdown}))[CPU.name, DOCKER.name] == n


def test_an_overhead_of_17_times_is_known_to_a_tenth_and_not_to_one_percent() -> None:
    rough = {CPU.name: 0.05, DISK.name: 0.001}
    assert counted(run_of(rough, slowdown={DOCKER.name: 17}))[CPU.name, DOCKER.name] == 8
    assert counted(run_of(rough))[CPU.name, DOCKER.name] > 20


def test_a_budget_ends_a_run_before_a_block_that_does_not_fit() -> None:
    one = 6 * TRIAL_S
    run = run_of(rule=replace(RULE, budget_s=7.5 * one))
    assert run.ended == "budget"
    assert set(counted(run).values()) <= {7, 8}
    assert run.allocated[-1].choice.positions == ()
    whole = run_of(rule=Rule({}, 30, 7.5 * one))
    assert whole.ended == "budget"
    assert len(whole.trials) * TRIAL_S <= 7.5 * one


def test_where_time_is_short_one_workload_gets_its_interval_and_none_is_kept_short() -> None:
    """Five and a half blocks of two workloads: no interval of either, or one of the first."""
    run = run_of(rule=replace(RULE, budget_s=5.5 * 6 * TRIAL_S))
    made = counted(run)
    assert made[CPU.name, DOCKER.name] >= 6
    assert made[DISK.name, DOCKER.name] <= 2


def test_what_is_cheapest_to_settle_is_served_first_and_the_rest_with_what_is_left() -> None:
    """After eight blocks there is time for the container's disk, and not for the guest's too."""
    rng = np.random.default_rng(3)
    rough = {DOCKER.name: 0.06, KVM.name: 0.3, NATIVE.name: 0.01}

    def value(target: str, workload: str, metric: str, block: int) -> float:
        scale = rough[target.removesuffix(CONTROL)] if workload == DISK.name else 0.001
        return float(rng.lognormal(sigma=scale))

    made = make_run(value, kinds=(NATIVE, DOCKER, KVM), blocks=30, control=True)
    run = carried_out(made, replace(RULE, budget_s=(8 * 8 + 20 * 3) * TRIAL_S))
    assert run.ended == "budget"
    later = [(t.block, t.workload, t.target) for t in run.trials if t.block >= 8]
    assert {workload for _, workload, _ in later} == {DISK.name}
    served = [target for _, _, target in later if target != NATIVE.name]
    assert served == sorted(served)  # the container, until it is settled; then the guest
    assert set(served) == {DOCKER.name, KVM.name}
    little = carried_out(made, replace(RULE, budget_s=(8 * 8 + 3.5) * TRIAL_S))
    assert (little.ended, counted(little)[DISK.name, DOCKER.name]) == ("budget", 9)
    assert counted(little)[DISK.name, KVM.name] == 8


def test_every_choice_can_be_made_again_from_the_whole_ledger() -> None:
    run = run_of(ROUGH_DISK, replace(RULE, budget_s=700.0))
    for each in run.allocated:
        assert choose(run.manifest, each.block, run.trials, each.spent_s) == each.choice


def test_the_digest_of_a_plan_covers_its_rule() -> None:
    run = make_run(lambda *_: 1.0)
    rules = [None, RULE, replace(RULE, least=9), replace(RULE, budget_s=300.0)]
    assert len({under(run, rule).manifest.plan.digest for rule in rules}) == len(rules)


def test_log_ratios_are_those_of_the_pairs() -> None:
    rng = np.random.default_rng(4)

    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        return (TrialStatus.FAILED, "why") if rng.random() < 0.3 else (TrialStatus.OK, None)

    def value(target: str, workload: str, metric: str, block: int) -> float:
        return 0.0 if rng.random() < 0.1 else float(rng.lognormal())

    run = make_run(value, kinds=(NATIVE, DOCKER, KVM), blocks=12, control=True, ending=ending)
    paired = blocks.pairs(blocks.cells(frame(run).lazy()))
    found = log_ratios(run.trials, run.manifest.workloads, NATIVE.name)
    table = paired.cells.table.with_row_index("row").cast({pl.Categorical: pl.String})
    for row in table.filter(pl.col("metric_index") == 0).to_dicts():
        if row["native"] or row["control"]:
            continue
        d = paired.d[row["row"]]
        sign = 1 if row["better"] == "lower" else -1
        mine = found[row["workload"], row["target"]]
        assert sorted(mine) == pytest.approx(sorted(sign * d[np.isfinite(d)]))


def rejecting(every: int, status: TrialStatus = TrialStatus.REJECTED) -> Ending:
    """Docker's trials give a value in each `every`th block only."""

    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        bad = target == DOCKER.name and block % every > 0
        return (status, "busy") if bad else (TrialStatus.OK, None)

    return ending


def hoped_for(ending: Ending, budget_blocks: int, made: int = 3) -> bool:
    """Whether there is hope after `made` of so many blocks as the budget holds."""
    block_s = 6 * TRIAL_S
    rule = replace(RULE, budget_s=budget_blocks * block_s)
    run = under(make_run(noisy(QUIET), blocks=30, control=True, ending=ending), rule)
    trials = [trial for trial in run.trials if trial.block < made]
    return not hopeless(run.manifest, trials, trials, made * block_s, made * block_s)


def test_a_machine_that_spoils_most_trials_leaves_no_hope_of_intervals() -> None:
    assert not hoped_for(rejecting(3), budget_blocks=12)
    assert hoped_for(rejecting(3), budget_blocks=20)
    assert hoped_for(rejecting(1), budget_blocks=12)


def test_what_fails_or_is_too_short_in_any_case_is_no_busy_machine() -> None:
    assert hoped_for(rejecting(3, TrialStatus.FAILED), budget_blocks=12)
    assert hoped_for(rejecting(3), budget_blocks=5)

    def nearly_all(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        return (TrialStatus.REJECTED if block else TrialStatus.OK), "busy"

    # A busy machine's blocks take long too, so that a budget holds few of them.
    assert not hoped_for(nearly_all, budget_blocks=5)
    run = run_of(rule=None)
    assert not hopeless(run.manifest, run.trials, run.trials, 1.0, 1.0)


def test_what_a_busy_machine_spoilt_before_is_not_held_against_a_run_that_goes_on() -> None:
    block_s = 6 * TRIAL_S
    run = under(
        make_run(noisy(QUIET), blocks=30, control=True, ending=rejecting(3)),
        replace(RULE, budget_s=12 * block_s),
    )
    before = [trial for trial in run.trials if trial.block < 3]
    since = [
        replace(trial, status=TrialStatus.OK, samples=run.trials[0].samples)
        for trial in run.trials
        if 3 <= trial.block < 6
    ]
    spoilt = [replace(trial, status=TrialStatus.REJECTED) for trial in since]
    assert not hopeless(run.manifest, before + since, since, 6 * block_s, 3 * block_s)
    assert hopeless(run.manifest, before + spoilt, spoilt, 6 * block_s, 3 * block_s)
