"""Patterns choose by name; one that matches nothing is refused with what there is."""

from __future__ import annotations

import pytest

from harness.errors import UseError
from harness.patterns import matches, require_match, suggest

TARGETS = [("lab1", "baremetal"), ("guest", "kvm"), ("box-1", "docker")]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ([], ["lab1", "guest", "box-1"]),
        (["box-*"], ["box-1"]),
        (["kvm", "lab?"], ["lab1", "guest"]),
        (["k*"], []),  # a backend is named whole
        (["Guest"], []),
    ],
)
def test_a_pattern_is_of_the_name_and_a_backend_is_named_whole(
    patterns: list[str], expected: list[str]
) -> None:
    assert [names[0] for names in TARGETS if matches(names, patterns)] == expected


def test_each_pattern_must_match_something() -> None:
    require_match("target", ["guest", "docker"], TARGETS)
    with pytest.raises(UseError, match="no target matches 'xen'") as caught:
        require_match("target", ["guest", "xen"], TARGETS)
    assert caught.value.hint == "choose from: lab1, guest, box-1"


def test_of_many_names_the_nearest_are_offered() -> None:
    hint = suggest("disk-raed-7", [f"{kind}-7" for kind in ("disk-read", "net")] * 2)
    assert hint == "choose from: disk-read-7, net-7"
    many = [f"cpu-{number}" for number in range(100)] + ["disk-read-7"]
    hint = suggest("disk-raed-7", many)
    assert hint.startswith("the nearest of 101: disk-read-7, ")
    assert hint.count(",") < 20
    assert suggest("disk-*", []) == "there is nothing to choose from"
