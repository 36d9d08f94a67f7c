"""The playbooks are told what the inventory was read as: they read nothing of it again."""

from __future__ import annotations

import json
from pathlib import Path

from harness import inventory
from harness.provision import variables

INVENTORY = """\
all:
  vars:
    {baremark_vcpus: "2", baremark_memory_mib: "512", baremark_disk_gib: 2, baremark_cpus: "2-3"}
baremetal:
  hosts:
    metal: {ansible_connection: local}
kvm:
  vars: {baremark_host: metal}
  hosts:
    guest: {}
    pinned: {baremark_cpus: [2, "3"]}
"""


def test_sizes_are_numbers_and_cpus_a_list_however_the_inventory_writes_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    told = variables.of(inventory.load(tmp_path / "hosts.yml"))
    size = {"vcpus": 2, "memory_mib": 512, "disk_gib": 2, "cpus": [2, 3]}
    assert told["baremark_sizes"] == {"metal": size, "guest": size, "pinned": size}
    assert json.loads(json.dumps(told)) == told


def test_every_target_has_its_address_on_the_network_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    told = variables.of(inventory.load(tmp_path / "hosts.yml"))
    assert set(told["baremark_targets"]) == set(told["baremark_addresses"])
    network = told["baremark_subnet"].removesuffix("0/24")
    addresses = [*told["baremark_addresses"].values(), told["baremark_peer_address"]]
    assert all(address.startswith(network) for address in addresses)
    assert told["baremark_addresses"]["metal"] == told["baremark_bridge_address"]
    assert told["baremark_no_targets"] == f"{network}128/25"
