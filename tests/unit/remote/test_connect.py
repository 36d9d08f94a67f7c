"""The way to a target: by itself, through its machine's native target, or as its owner says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.model.target import Endpoint, Host, Size, Target
from harness.remote import connect

NATIVE = Target("lab1", "baremetal", "lab1", Size(1, 256, 2, (0,)))
GUEST = replace(NATIVE, name="guest", backend="kvm")
ADOPTED = replace(GUEST, name="theirs", adopted=True)
AT = Endpoint("198.18.0.1", 22, "root", "ssh-ed25519 AAAA", "/work", "/store")


@pytest.mark.parametrize(
    ("target", "local", "expected"),
    [
        (NATIVE, True, ("own key", "lab1", "direct")),
        (NATIVE, False, ("own key", "lab1", "direct")),
        (GUEST, True, ("own key", "guest", "direct")),
        (GUEST, False, ("own key", "guest", "through native")),
        (ADOPTED, True, ("their key", "theirs", "direct")),
        (ADOPTED, False, ("their key", "theirs", "direct")),
    ],
)
def test_only_a_guest_of_another_machine_goes_through_its_native_target(
    target: Target, local: bool, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def native() -> Any:
        asked.append("native")
        return "through native"

    def own(name: str, _: Endpoint, key: object, *, through: object = None) -> Any:
        return key, name, through or "direct"

    monkeypatch.setattr(connect, "connect", own)
    monkeypatch.setattr(connect, "to_adopted", lambda name, _: ("their key", name, "direct"))
    host = Host("lab1", (NATIVE, GUEST, ADOPTED), local, "")
    key: Any = "own key"
    way: Any = connect.to(target, host, AT, key, native)
    assert way == expected
    assert asked == (["native"] if "through native" in expected else [])
