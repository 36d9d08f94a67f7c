"""What is asked of a measurement: by which rule, how many blocks, in what time."""

from __future__ import annotations

import pytest

from harness.errors import UseError
from harness.model.allocation import Rule
from harness.model.workload import Resource
from harness.plan.plan import preset
from harness.plan.request import PRECISION, Request, most_blocks, rule_of
from tests.synthetic import CPU

DELTA = {str(resource): delta for resource, delta in PRECISION.items()}


def test_a_preset_has_its_rule_and_the_user_may_change_it() -> None:
    assert rule_of(Request(preset("smoke"), ())) is None
    assert rule_of(Request(preset("quick"), ())) == Rule(DELTA, 8, 300)
    assert rule_of(Request(preset("publication"), ())) == Rule(DELTA, 10, 7200)
    given = rule_of(Request(preset("quick"), (), precision=0.02, budget_s=60))
    assert given == Rule(dict.fromkeys(map(str, Resource), 0.02), 8, 60)
    assert rule_of(Request(preset("smoke"), (), precision=0.02)) == Rule(given.precision, 8)


def test_a_budget_of_whole_blocks_settles_nothing() -> None:
    assert rule_of(Request(preset("smoke"), (), budget_s=60)) == Rule({}, 2, 60)
    assert rule_of(Request(preset("smoke"), (), budget_s=60, max_blocks=1)) == Rule({}, 1, 60)


def test_releases_are_compared_in_the_same_blocks() -> None:
    rule = rule_of(Request(preset("quick"), (), releases="qemu=7.2,10.0"))
    assert rule is not None
    assert rule.together


@pytest.mark.parametrize(
    ("name", "precision", "asked", "most"),
    [
        ("smoke", None, None, 2),
        ("smoke", None, 100, 2),
        ("smoke", None, 1, 1),
        ("smoke", 0.01, None, 30),
        ("quick", None, None, 30),
        ("quick", None, 3, 3),
        ("quick", 0.01, 40, 40),
        ("publication", None, 12, 12),
    ],
)
def test_most_blocks_are_the_presets_or_fewer_but_to_a_precision_what_is_asked(
    name: str, precision: float | None, asked: int | None, most: int
) -> None:
    request = Request(preset(name), (CPU,), precision=precision, max_blocks=asked)
    assert most_blocks(request) == most


@pytest.mark.parametrize(("name", "asked"), [("quick", 7), ("publication", 9)])
def test_a_cap_under_which_a_precision_is_not_looked_for_is_refused(name: str, asked: int) -> None:
    request = Request(preset(name), (CPU,), precision=0.01, max_blocks=asked)
    with pytest.raises(UseError, match=f"--max-blocks {asked} is under the"):
        most_blocks(request)
