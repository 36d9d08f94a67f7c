"""The plan: complete blocks, random order, one seed, one digest."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UseError
from harness.model.allocation import Rule
from harness.model.plan import CONTROL
from harness.model.target import Host, Size, Target
from harness.model.workload import Metric, Resource, Workload
from harness.plan import plan

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
BLOCK_S = 4 * 1.5
"""Of one workload: native twice, container and guest, a second each and what a trial costs."""


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


def test_a_workload_that_is_too_long_for_a_budget_leaves_room_for_others() -> None:
    several = (CPUS[0], workload("long", seconds={"quick": 60}), CPUS[1])
    made = plan.make(HOST, several, QUICK, 1)
    assert plan.within(made, several, 2 * 6 * BLOCK_S) == ("cpu0", "cpu1")


def test_the_time_of_a_plan_is_its_budget_at_most() -> None:
    rule = Rule({}, 30, 60.0)
    assert plan.expected_s(plan.make(HOST, CPUS, QUICK, 1, rule=rule)) == 60
    assert plan.expected_s(plan.make(HOST, CPUS, QUICK, 1), 1) == 3 * BLOCK_S


def test_a_budget_below_one_block_is_refused_with_what_it_would_take() -> None:
    made = plan.make(HOST, WORKLOADS, QUICK, 1)
    with pytest.raises(UseError, match="does not hold one block of native: about 6 s for w0"):
        plan.within(made, WORKLOADS, 5)


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(UseError) as caught:
        plan.preset("fast")
    assert "publication" in caught.value.hint
