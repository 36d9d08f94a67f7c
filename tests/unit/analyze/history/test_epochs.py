"""A history is cut where something known changed, and only there."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from harness.analyze.history import epochs
from harness.dataset import targets
from tests.nightly import night
from tests.synthetic import DOCKER, KVM, NATIVE, Kind

Facts = Mapping[str, Mapping[str, object]]


def seen(nights: Sequence[Facts], kinds: Sequence[Kind] = (NATIVE, KVM)) -> pl.DataFrame:
    return pl.concat(
        targets.frame(night(number, {}, facts, kinds).manifest)
        if kinds
        else pl.DataFrame(schema=targets.SCHEMA)
        for number, facts in enumerate(nights)
    )


def told(nights: Sequence[Facts], target: str = "kvm", **more: Sequence[Kind]) -> list[str | None]:
    """What is new from each night to the next, of one target."""
    found = epochs.states(seen(nights, **more))
    state = found.numbers.filter(target=target).sort("started")["state"].to_list()
    return [
        epochs.changed(found.known[a], found.known[b]) if a != b else None
        for a, b in itertools.pairwise(state)
    ]


def test_a_new_release_is_told_with_old_and_new() -> None:
    old, new = ({"kvm": {"release": release}} for release in ("QEMU 7.2", "QEMU 10.0"))
    assert told([old, old, new, new]) == [None, "release QEMU 7.2 → QEMU 10.0", None]


def test_what_was_not_observed_in_a_night_is_as_it_was() -> None:
    old, new = ({"kvm": {"kernel": kernel}} for kernel in ("6.1.0-18", "6.1.0-21"))
    nobody: Facts = {}
    assert told([nobody, old, nobody, old]) == [None, None, None]
    assert told([old, nobody, new]) == [None, "kernel 6.1.0-18 → 6.1.0-21"]


def test_native_is_watched_too() -> None:
    old, new = ({"lab1": {"microcode": code}} for code in ("0xa", "0xb"))
    assert told([old, new]) == ["native's microcode 0xa → 0xb"]


def test_what_a_container_shares_with_native_is_told_once() -> None:
    old, new = (
        {"lab1": {"kernel": kernel}, "container": {"kernel": kernel}} for kernel in ("5", "6")
    )
    assert told([old, new], "container", kinds=(NATIVE, DOCKER)) == ["kernel 5 → 6"]
    apart: Facts = {"lab1": {"kernel": "7"}, "container": {"kernel": "6"}}
    assert told([new, apart], "container", kinds=(NATIVE, DOCKER)) == ["native's kernel 6 → 7"]


def test_several_changes_of_one_night_are_told_together_and_going_back_is_one_too() -> None:
    old: Facts = {"kvm": {"kernel": "5", "accelerator": "tcg"}}
    new: Facts = {"kvm": {"kernel": "6", "accelerator": "kvm"}}
    assert told([old, new, old]) == [
        "accelerator tcg → kvm; kernel 5 → 6",
        "accelerator kvm → tcg; kernel 6 → 5",
    ]


def test_a_night_that_a_series_lacks_does_not_hide_what_changed_in_it() -> None:
    known = epochs.states(
        seen(
            [{"kvm": {"kernel": k, "release": r}} for k, r in (("5", "a"), ("6", "a"), ("6", "b"))]
        )
    )
    first, _, last = known.numbers.filter(target="kvm").sort("started")["state"]
    assert epochs.changed(known.known[first], known.known[last]) == "release a → b; kernel 5 → 6"


def test_each_mitigation_is_told_by_its_name() -> None:
    old = {"mitigations": '{"meltdown": "Not affected", "retbleed": "Vulnerable"}'}
    new = {"mitigations": '{"meltdown": "Not affected", "retbleed": "Mitigation: IBRS"}'}
    frames = [
        targets.frame(night(number, {}).manifest).with_columns(
            pl.lit(facts["mitigations"]).alias("mitigations")
        )
        for number, facts in enumerate((old, new))
    ]
    known = epochs.states(pl.concat(frames))
    first, last = known.numbers.filter(target="kvm").sort("started")["state"]
    said = epochs.changed(known.known[first], known.known[last])
    assert said == "mitigation retbleed Vulnerable → Mitigation: IBRS"


def test_targets_of_one_name_on_two_hosts_have_states_of_their_own() -> None:
    frames = [
        targets.frame(
            night(number, {}, {"kvm": {"release": release}},
                  (Kind(host, "baremetal", NATIVE.backend_class, "baremetal"), KVM),
                  host=host).manifest
        )
        for host, release in (("lab1", "a"), ("lab2", "b"))
        for number in range(2)
    ]  # fmt: skip
    known = epochs.states(pl.concat(frames))
    state = known.numbers.filter(pl.col("target").cast(pl.String) == "kvm")["state"].to_list()
    assert len(state) == 4
    assert len(set(state)) == 2


def test_a_digest_is_told_by_its_first_characters() -> None:
    before, after = {"bundle": "sha256:" + "ab" * 32}, {"bundle": "sha256:" + "cd" * 32}
    assert epochs.changed(before, after) == "bundle abababababab… → cdcdcdcdcdcd…"


def test_other_seconds_of_a_trial_are_told_and_a_workload_that_is_not_run_is_no_change() -> None:
    known: list[pl.DataFrame] = []
    for seconds in ({"cpu-one": 1.0, "disk": 1.0}, {"cpu-one": 1.0}, {"cpu-one": 4.0, "disk": 1.0}):
        made = night(len(known), {}, {}, (NATIVE, KVM)).manifest
        plan = replace(made.plan, seconds=seconds)
        known.append(targets.frame(replace(made, plan=plan)))
    found = epochs.states(pl.concat(known))
    first, second, third = found.numbers.filter(target="kvm").sort("started")["state"]
    assert first == second
    change = epochs.changed(found.known[first], found.known[third])
    assert change == "seconds of a trial of cpu-one 1 → 4"
