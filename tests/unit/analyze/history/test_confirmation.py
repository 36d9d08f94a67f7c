"""A shift at a change of release is confirmed or refuted by the two releases side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from harness.analyze.history.confirmation import SideBySide, confirmed, judged, side_by_side
from harness.analyze.history.history import Shift
from harness.dataset import dataset, targets
from harness.model.run import Run
from tests.nightly import FIRST, night
from tests.synthetic import DISK, KVM, NATIVE, Kind

OLD = Kind("old", "kvm", KVM.backend_class, "kvm")
NEW = Kind("new", "kvm", KVM.backend_class, "kvm")
FACTS = {"old": {"release": "7.2"}, "new": {"release": "10.0"}}


def shift(ratio: float = 1.1, metric: str = "latency_p99", **more: object) -> Shift:
    made = Shift(
        host="lab1", scenario="overhead", target="kvm", label="kvm", workload="disk-randread",
        metric=metric, run="later", started=FIRST + timedelta(days=9), before=1.1,
        after=1.1 * ratio, ratio=ratio, low=0.9 * ratio, high=1.1 * ratio, p=1e-5,
        moved="backend", changed="release 7.2 → 10.0", status="unconfirmed",
        releases=("7.2", "10.0"),
    )  # fmt: skip
    return replace(made, **more)  # type: ignore[arg-type]


def both(slowdown: Mapping[str, float], number: int = 20, blocks: int = 10) -> Run:
    return night(number, slowdown, FACTS, (NATIVE, OLD, NEW), (DISK,), blocks=blocks)


def asked(about: Shift, *runs: Run) -> Shift:
    known = side_by_side(pl.concat(targets.frame(run.manifest) for run in runs))
    samples = pl.concat(dataset.frame(run) for run in runs).with_columns(
        pl.col(pl.Categorical).cast(pl.String)
    )
    return confirmed(about, 1, "disk", known, samples)


@pytest.mark.parametrize("metric", ["iops", "latency_p99"])
def test_slower_side_by_side_confirms_a_slowdown_whichever_way_the_unit_goes(metric: str) -> None:
    run = both({"old": 1.1, "new": 1.21})
    said = asked(shift(metric=metric), run)
    assert (said.status, said.told) == ("confirmed", run.manifest.run)


def test_the_other_direction_refutes() -> None:
    assert asked(shift(), both({"old": 1.1, "new": 1.0})).status == "refuted"
    assert asked(shift(ratio=0.9), both({"old": 1.1, "new": 1.21})).status == "refuted"


def test_the_same_side_by_side_refutes() -> None:
    run = both({"old": 1.1, "new": 1.1}, blocks=20)
    assert (asked(shift(), run).status, asked(shift(), run).told) == ("refuted", run.manifest.run)


def test_too_few_blocks_say_nothing_and_the_run_is_named() -> None:
    run = both({"old": 1.1, "new": 1.21}, blocks=4)
    said = asked(shift(), run)
    assert said.status == "unconfirmed"
    assert said.told is not None
    assert run.manifest.run in said.told


def test_the_latest_run_that_can_tell_is_believed() -> None:
    early, late = both({"old": 1.1, "new": 1.0}, 20), both({"old": 1.1, "new": 1.21}, 21)
    short = both({"old": 1.1, "new": 1.0}, 22, blocks=4)
    assert asked(shift(), early, late, short).told == late.manifest.run


def test_without_a_run_of_both_releases_it_is_unconfirmed_and_says_what_to_do() -> None:
    alone = night(3, {"old": 1.1}, FACTS, (NATIVE, OLD), (DISK,))
    said = asked(shift(), alone)
    assert said.status == "unconfirmed"
    assert said.told is not None
    assert "no run has both 7.2 and 10.0" in said.told
    assert "--releases" in said.told


def test_another_host_label_release_or_version_confirms_nothing() -> None:
    run = both({"old": 1.1, "new": 1.21})
    for other in (
        shift(host="lab2"), shift(label="qemu-tcg"), shift(releases=("7.2", "11.0")),
    ):  # fmt: skip
        assert asked(other, run).status == "unconfirmed"
    known = side_by_side(targets.frame(run.manifest))
    samples = dataset.frame(run).with_columns(pl.col(pl.Categorical).cast(pl.String))
    assert confirmed(shift(), 2, "disk", known, samples).status == "unconfirmed"


def test_a_shift_that_is_no_change_of_release_is_left_as_it_is() -> None:
    about = shift(releases=None, changed="kernel 5 → 6")
    assert asked(about, both({"old": 1.1, "new": 1.21})) == about


def test_runs_with_two_releases_are_told_from_others() -> None:
    run = both({})
    same = night(21, {}, {"old": FACTS["old"], "new": FACTS["old"]}, (NATIVE, OLD, NEW))
    frame = pl.concat(targets.frame(each.manifest) for each in (run, same))
    assert side_by_side(frame) == (
        SideBySide(run.manifest.run, "lab1", "kvm", {"7.2": "old", "10.0": "new"}),
    )


def test_the_verdict_of_differences() -> None:
    """Ten equal blocks have the interval from their least to their greatest but one, or nearer."""
    spread = np.linspace(-0.004, 0.004, 10)
    assert judged(spread + 0.05, slower=True, margin=0.03) == "confirmed"
    assert judged(spread + 0.05, slower=False, margin=0.03) == "refuted"
    assert judged(spread, slower=True, margin=0.03) == "refuted"
    assert judged(spread, slower=True, margin=0.001) == "unconfirmed"
    assert judged(spread[:0], slower=True, margin=0.03) == "unconfirmed"
    assert judged(np.full(5, math.log(2)), slower=True, margin=0.03) == "unconfirmed"
