"""What the playbooks are told of the inventory as it was validated: they hold no copy of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from harness.inventory import network
from harness.model import installed
from harness.model.target import Host, Size

BENCH_NETWORK = {
    "baremark_subnet": str(network.BENCH_NETWORK),
    "baremark_no_targets": network.NO_TARGETS,
    "baremark_bridge_address": network.HOST_ADDRESS,
    "baremark_peer_address": network.PEER_ADDRESS,
    "baremark_peer_netns": network.PEER_NETNS,
}
"""The bench network, the same for every host."""


def of(hosts: Sequence[Host]) -> dict[str, Any]:
    """The variables of every playbook that makes, looks for or removes targets of `hosts`."""
    targets = [target for host in hosts for target in host.targets]
    return {
        **BENCH_NETWORK,
        "baremark_targets": [target.name for target in targets],
        "baremark_addresses": {target.name: target.address for target in targets},
        "baremark_sizes": {target.name: size(target.size) for target in targets},
        "baremark_more_kvm": installed.more("kvm"),
    }


def size(given: Size) -> dict[str, Any]:
    """A size as the roles know it: `baremark_size`, with the CPUs as a list."""
    return {**asdict(given), "cpus": list(given.cpus)}
