"""The plan: complete blocks, random order, one seed, one digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UseError
from harness.model.allocation import Rule
from harness.model.plan import CONTROL
from harness.model.target import Host, Size, Target
from harness.model.workload import Metric, Resource, Workload
from harness.plan import order, plan, workloads
from harness.plan.lengths import Lengths
from harness.plan.request import Request, rule_of

SIZE = Size(2, 1024, 2, (0, 1))
HOST = Host(
    "native",
    (
        Target("native", "baremetal", "native", SIZE, "198.18.0.1"),
        Target("container", "docker", "native", SIZE, "198.18.0.10"),
        Target("guest", "kvm", "native", SIZE, "198.18.0.11"),
    ),
    local=True,
    peer="198.18.0.2",
)


def workload(name: str, **changes: object) -> Workload:
    made = Workload(
        name=name,
        title=name,
        version=1,
        resource=Resource.CPU,
        tool="sysbench",
        args=("cpu", "run"),
        metrics=(Metric("events_per_s", "1/s", "higher"),),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


WORKLOADS = tuple(workload(f"w{number}") for number in range(5))
QUICK = plan.preset("quick")
FIRST_BLOCK_OF_SEED_1 = [
    "w0/native",
    "w0/guest",
    "w1/native",
    "w0/native+control",
    "w1/native+control",
    "w1/container",
    "w1/guest",
    "w0/container",
]


def test_a_cell_that_cannot_be_run_is_in_no_block_and_native_still_runs_twice() -> None:
    made = plan.make(HOST, WORKLOADS, QUICK, 1, without={("w0", "guest")})
    for block in made.blocks:
        cells = {(cell.workload, cell.target, cell.control) for cell in block.cells}
        assert ("w0", "guest", False) not in cells
        assert ("w1", "guest", False) in cells
        assert {("w0", "native", False), ("w0", "native", True)} <= cells
    without_native = plan.make(HOST, WORKLOADS, QUICK, 1, without={("w0", "native")})
    names = {(cell.workload, cell.control) for cell in without_native.blocks[0].cells}
    assert ("w0", True) not in names
    assert made.digest != plan.make(HOST, WORKLOADS, QUICK, 1).digest


@given(seed=st.integers(0, 2**32))
def test_every_block_visits_every_cell_of_the_host_exactly_once(seed: int) -> None:
    made = plan.make(HOST, WORKLOADS, QUICK, seed)
    everything = {(w.name, t.name, False) for w in WORKLOADS for t in HOST.targets}
    everything |= {(w.name, "native", True) for w in WORKLOADS}
    assert len(made.blocks) == 30
    for block in made.blocks:
        visited = [(cell.workload, cell.target, cell.control) for cell in block.cells]
        assert len(visited) == len(everything)
        assert set(visited) == everything


def test_the_same_seed_gives_the_same_plan_and_digest() -> None:
    assert plan.make(HOST, WORKLOADS, QUICK, 7) == plan.make(HOST, WORKLOADS, QUICK, 7)


def test_the_order_of_a_seed_never_changes_between_releases() -> None:
    """Written down once by hand: a new release that shuffles otherwise breaks old seeds."""
    first = plan.make(HOST, WORKLOADS[:2], QUICK, 1).blocks[0].cells
    assert [
        f"{cell.workload}/{cell.target}{CONTROL if cell.control else ''}" for cell in first
    ] == FIRST_BLOCK_OF_SEED_1


def test_another_seed_gives_another_order() -> None:
    orders = {plan.make(HOST, WORKLOADS, QUICK, seed).blocks for seed in range(20)}
    assert len(orders) == 20


def test_the_blocks_of_a_plan_differ_in_order() -> None:
    made = plan.make(HOST, WORKLOADS, QUICK, 3)
    assert len({block.cells for block in made.blocks}) == len(made.blocks)


def test_each_place_in_a_block_is_equally_likely_for_native() -> None:
    """Position 0 goes to each of native's two trials in a quarter of 3000 blocks; ±5 standard
    errors."""
    many = plan.make(HOST, WORKLOADS[:1], QUICK, 11, blocks=3000)
    for control in (False, True):
        first = sum(
            (block.cells[0].target, block.cells[0].control) == ("native", control)
            for block in many.blocks
        )
        assert abs(first - 750) < 5 * (3000 * (1 / 4) * (3 / 4)) ** 0.5


@pytest.mark.parametrize(
    "changed",
    [
        {"workloads": WORKLOADS[:4]},
        {"workloads": (replace(WORKLOADS[0], version=2), *WORKLOADS[1:])},
        {"workloads": (replace(WORKLOADS[0], args=("cpu", "--threads=2", "run")), *WORKLOADS[1:])},
        {"host": replace(HOST, targets=HOST.targets[:2])},
        {"seed": 8},
    ],
)
def test_the_digest_changes_with_anything_that_is_fixed(changed: dict[str, object]) -> None:
    given_all: dict[str, object] = {"host": HOST, "workloads": WORKLOADS, "seed": 7, **changed}
    other = plan.make(given_all["host"], given_all["workloads"], QUICK, given_all["seed"])  # type: ignore[arg-type]
    assert other.digest != plan.make(HOST, WORKLOADS, QUICK, 7).digest


def test_a_workload_may_ask_for_other_seconds_in_a_preset() -> None:
    slow = workload("slow", seconds={"quick": 4})
    made = plan.make(HOST, (slow, WORKLOADS[0]), QUICK, 1)
    assert made.seconds == {"slow": 4, "w0": 1}


CPUS = tuple(workload(f"cpu{number}") for number in range(3))
DISKS = tuple(workload(f"disk{number}", resource=Resource.DISK) for number in range(2))
BLOCK_S = 4 * plan.trial_s(CPUS[0], 1)
"""Of one workload: native twice, container and guest, a second each and what a trial costs."""
FOLDER = Path(__file__).parents[3] / "workloads"
EVERY = workloads.load_all(FOLDER)
ORDER = order.load(FOLDER, {each.name for each in EVERY})


@pytest.mark.parametrize(
    ("budget_s", "held"),
    [
        (5 * 6 * BLOCK_S, ("cpu0", "disk0", "cpu1", "disk1", "cpu2")),
        (4.5 * 6 * BLOCK_S, ("cpu0", "disk0", "cpu1", "disk1")),
        (2 * 6 * BLOCK_S, ("cpu0", "disk0")),
        (BLOCK_S, ("cpu0",)),
    ],
)
def test_a_budget_is_spread_over_what_it_holds_six_blocks_of_each_resource_in_turn(
    budget_s: float, held: tuple[str, ...]
) -> None:
    made = plan.make(HOST, CPUS + DISKS, QUICK, 1)
    assert plan.within(made, CPUS + DISKS, budget_s) == held


def test_an_order_that_is_stated_comes_before_cost_and_name() -> None:
    stated = ("cpu2", "disk1", "elsewhere")
    assert tuple(plan.in_turn(CPUS + DISKS, stated)) == ("cpu2", "disk1", "cpu0", "disk0", "cpu1")
    made = plan.make(HOST, CPUS + DISKS, QUICK, 1, rule=Rule({}, 8, order=stated))
    assert plan.within(made, CPUS + DISKS, 2 * 6 * BLOCK_S) == ("cpu2", "disk1")


def test_five_minutes_hold_the_ten_workloads_of_the_core_on_three_targets() -> None:
    rule = rule_of(Request(QUICK, EVERY, order=ORDER))
    assert rule is not None
    assert rule.budget_s == 300
    held = plan.within(plan.make(HOST, EVERY, QUICK, 1, rule=rule), EVERY, rule.budget_s)
    assert held == ORDER[:10]
    resources = {each.name: each.resource for each in EVERY}
    assert {resources[name] for name in ORDER[:5]} == set(Resource)


def test_every_workload_has_its_place_in_the_order() -> None:
    assert sorted(ORDER) == [each.name for each in EVERY]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("- {workload: one}", "0.because: field required"),
        ("- {workload: one, because: ''}", "0.because: string should have at least 1"),
        ("- {workload: two, because: it shows}", "there is no workload 'two'"),
        ("[{workload: one, because: a}, {workload: one, because: b}]", "one is named 2 times"),
        ("{", "cannot be read"),
    ],
)
def test_a_mistake_in_the_order_is_told_with_its_file(
    tmp_path: Path, text: str, wrong: str
) -> None:
    (tmp_path / order.FILE).write_text(text)
    with pytest.raises(UseError) as caught:
        order.load(tmp_path, {"one"})
    assert str(tmp_path / order.FILE) in caught.value.message
    assert wrong in caught.value.message


def test_a_folder_without_an_order_states_none(tmp_path: Path) -> None:
    assert order.load(tmp_path, {"one"}) == ()


def test_the_digest_of_a_rule_without_an_order_is_as_it_was_before_there_was_one() -> None:
    """Taken from a plan that was made before the field was."""
    fields = {"precision": {}, "least": 8, "budget_s": None, "together": False}
    stated = {**fields, "name": "settle", "version": 1}
    fixed = {
        **{"scenario": "overhead", "targets": [], "workloads": [], "seconds": {}, "blocks": []},
        "rule": stated,
    }
    text = json.dumps(fixed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    before = hashlib.sha256(text.encode()).hexdigest()
    assert plan.digest_of((), (), {}, (), Rule({}, 8, version=1)) == before
    assert plan.digest_of((), (), {}, (), Rule({}, 8, version=1, order=("a",))) != before


LENGTHS = Lengths("20261201T000000Z-native", "native", "", {"w0": 3, "w9": 5})


def test_seconds_of_a_pilot_take_the_place_of_the_presets_and_are_in_the_digest() -> None:
    own = workload("w0", seconds={"quick": 4})
    plain = plan.make(HOST, (own, WORKLOADS[1]), QUICK, 7)
    made = plan.make(HOST, (own, WORKLOADS[1]), QUICK, 7, lengths=LENGTHS)
    assert (plain.seconds, plain.pilot) == ({"w0": 4, "w1": 1}, "")
    assert (made.seconds, made.pilot) == ({"w0": 3, "w1": 1}, LENGTHS.pilot)
    other = plan.make(HOST, (own, WORKLOADS[1]), QUICK, 7, lengths=replace(LENGTHS, pilot="x"))
    assert len({plain.digest, made.digest, other.digest}) == 3


@pytest.mark.parametrize(
    ("lengths", "told"),
    [
        (replace(LENGTHS, host="lab1"), "was made on lab1, not on native"),
        (replace(LENGTHS, seconds={"w9": 5}), "has seconds of none of these workloads: w9"),
    ],
)
def test_seconds_of_another_host_or_of_other_workloads_are_refused(
    lengths: Lengths, told: str
) -> None:
    with pytest.raises(UseError, match=told):
        plan.make(HOST, WORKLOADS, QUICK, 7, lengths=lengths)


def test_a_workload_that_is_too_long_for_a_budget_leaves_room_for_others() -> None:
    several = (CPUS[0], workload("long", seconds={"quick": 60}), CPUS[1])
    made = plan.make(HOST, several, QUICK, 1)
    assert plan.within(made, several, 2 * 6 * BLOCK_S) == ("cpu0", "cpu1")


def test_the_time_of_a_plan_is_its_budget_at_most() -> None:
    rule = Rule({}, 30, 60.0)
    assert plan.expected_s(plan.make(HOST, CPUS, QUICK, 1, rule=rule)) == 60
    assert plan.expected_s(plan.make(HOST, CPUS, QUICK, 1), 1) == 3 * 4 * (1 + plan.TRIAL_COST_S)


def test_a_budget_below_one_block_is_refused_with_what_it_would_take() -> None:
    made = plan.make(HOST, WORKLOADS, QUICK, 1)
    with pytest.raises(UseError, match="does not hold one block of native: about 5 s for w0"):
        plan.within(made, WORKLOADS, 4)


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(UseError) as caught:
        plan.preset("fast")
    assert "publication" in caught.value.hint
