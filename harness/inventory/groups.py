"""The groups of an inventory: the one that has a backend's name makes its hosts targets of it."""

from __future__ import annotations

from harness import backends
from harness.inventory.listing import Answer
from harness.inventory.mistakes import Mistakes

PEER_GROUP = "peer"


def members(answer: Answer, mistakes: Mistakes) -> dict[str, str]:
    """Every inventory host with its backend: the one group among its groups that is a backend."""
    known = sorted({*backends.names(), *backends.adoptable()})
    found = {}
    for host, names in sorted(answer.groups_of_hosts().items()):
        of_backends = [name for name in names if name in known]
        if len(of_backends) == 1:
            found[host] = of_backends[0]
        elif len(of_backends) > 1:
            mistakes.add(host, of_backends[1], f"is in two backends: {', '.join(of_backends)}")
        elif PEER_GROUP not in names:
            said = [name for name in names if name != "ungrouped"]
            mistakes.add(
                host,
                said[0] if said else host,
                (f"unknown group {', '.join(said)}" if said else "is in no group")
                + f"; a target's group is its backend: {', '.join(known)}",
            )
    return found
