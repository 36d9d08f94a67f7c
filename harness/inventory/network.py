"""The bench network of a host: which of its addresses are taken, and which are left."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

from harness.model.target import Target

BENCH_NETWORK = ipaddress.IPv4Network("198.18.0.0/24")
"""RFC 2544 sets 198.18.0.0/15 aside for benchmarking, so it collides with nobody's network."""
HOST_ADDRESS = str(BENCH_NETWORK[1])
PEER_ADDRESS = str(BENCH_NETWORK[2])
LOOPBACK = "127.0.0.1"
"""What a user without root has in place of the bench network: of both ends."""
PEER_NETNS = "bmpeer"
"""The network namespace of the peer's servers, where the peer is no machine of its own."""
FIRST_TARGET = 10
LAST_TARGET = 126
NO_TARGETS = str(list(BENCH_NETWORK.subnets())[1])
"""The upper half, in which no target has its address: for daemons that must hand out some."""


def free_addresses(targets: Sequence[Target]) -> Iterator[str]:
    """The addresses that a host hands out and no target of it has declared, in order."""
    taken = {target.address for target in targets}
    addresses = (str(BENCH_NETWORK[number]) for number in range(FIRST_TARGET, LAST_TARGET))
    return (address for address in addresses if address not in taken)
