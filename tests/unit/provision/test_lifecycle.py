"""What a role hands back becomes the endpoint of its target."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from harness.console import Console
from harness.model.target import Endpoint
from harness.provision import lifecycle
from harness.state import Standing

TOLD = {
    "address": "198.18.0.11",
    "port": 22,
    "user": "root",
    "host_key": "ssh-ed25519 AAAA",
    "work": "/w",
    "store": "/s",
    "accelerator": "tcg",
    "reason": "",
    "declared": {"disk_bus": "virtio", "vcpus": 2, "release": ""},
}


def endpoint() -> Endpoint:
    return TypeAdapter(Endpoint).validate_python(lifecycle._endpoint(TOLD))


def test_what_is_declared_is_a_fact_of_its_own_each_and_what_is_empty_is_none() -> None:
    made = endpoint()
    assert made.facts == {
        "accelerator": "tcg",
        "declared_disk_bus": "virtio",
        "declared_vcpus": "2",
    }
    assert (made.address, made.port, made.user, made.work) == ("198.18.0.11", 22, "root", "/w")


def test_up_tells_what_was_found_out_and_not_what_the_inventory_declares(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Console().standing(Standing("digest", {"guest": endpoint()}, {}))
    assert "guest is up at 198.18.0.11:22 (accelerator tcg)" in capsys.readouterr().err
