"""What cannot stand in an inventory together, though each variable for itself reads well.

Every check tells `mistakes` what it objects to, and goes on.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from harness import backends
from harness.errors import UseError
from harness.inventory.groups import PEER_GROUP
from harness.inventory.listing import has_collection
from harness.inventory.machines import same_place
from harness.inventory.mistakes import Mistakes
from harness.inventory.network import BENCH_NETWORK, HOST_ADDRESS, PEER_ADDRESS, free_addresses
from harness.inventory.variables import PREFIX, known_variables
from harness.model import installed
from harness.model.target import NATIVE_BACKEND, Endpoint, Host, Size, Target


def check_names(hostvars: Mapping[str, Mapping[str, Any]], mistakes: Mistakes) -> None:
    """A misspelt variable would be passed by in silence, and its default measured."""
    known = known_variables()
    for key, hosts in _hosts_by_variable(hostvars).items():
        if key.startswith(PREFIX) and key not in known:
            near = difflib.get_close_matches(key, sorted(known), 1)
            mistakes.add(
                ", ".join(hosts),
                key,
                "no role knows this variable" + (f"; is {near[0]} meant?" if near else ""),
            )


def _hosts_by_variable(hostvars: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for host, variables in sorted(hostvars.items()):
        for key in variables:
            found.setdefault(key, []).append(host)
    return found


def check_peers(
    hostvars: Mapping[str, Mapping[str, Any]], peers: Collection[str], mistakes: Mistakes
) -> None:
    for host, variables in sorted(hostvars.items()):
        peer = variables.get("baremark_peer")
        if peer is not None and peer not in peers:
            mistakes.add(
                host,
                "baremark_peer",
                f"{peer!r} is no peer: there is no such host in the group {PEER_GROUP}",
            )


def check_hosts(targets: Sequence[Target], natives: Collection[str], mistakes: Mistakes) -> None:
    by_name = {target.name: target for target in targets}
    for target in targets:
        native = by_name.get(target.host)
        if target.host in natives and native is None:
            continue  # its own mistake is told
        if native is None or not native.native:
            mistakes.add(
                target.name,
                "baremark_host",
                f"{target.host!r} is no native target: there is no such host in the group "
                f"{NATIVE_BACKEND}",
            )
            continue
        if native.adopted and not target.adopted:
            mistakes.add(
                target.name,
                "baremark_adopt",
                f"its machine {native.name} is adopted, so nothing is made there; adopt this "
                "target too",
            )
        if target.size != native.size:
            mistakes.add(
                target.name,
                "baremark_vcpus",
                f"is of another size ({_size(target.size)}) than its native target {native.name} "
                f"({_size(native.size)}); every target of a host must be equal",
            )


def check_addresses(targets: Sequence[Target], mistakes: Mistakes) -> None:
    taken: dict[tuple[str, str], str] = {}
    for target in targets:
        if target.native or not target.address:
            continue
        other = taken.setdefault((target.host, target.address), target.name)
        if other != target.name:
            mistakes.add(
                target.name,
                "baremark_address",
                f"two targets on one address and port: {target.address}:22 is {other}'s",
            )
        if ipaddress.IPv4Address(target.address) not in BENCH_NETWORK or target.address in {
            HOST_ADDRESS,
            PEER_ADDRESS,
        }:
            mistakes.add(
                target.name,
                "baremark_address",
                f"{target.address} is not a free address of the bench network {BENCH_NETWORK} "
                f"({HOST_ADDRESS} is the host's, {PEER_ADDRESS} the peer's)",
            )
    for host in sorted({target.host for target in targets}):
        on_host = [target for target in targets if target.host == host]
        without = sum(not target.address for target in on_host)
        if without > (free := sum(1 for _ in free_addresses(on_host))):
            mistakes.add(
                host,
                "baremark_host",
                f"{without} targets on it need an address of the bench network, which has {free} "
                "left; leave some out",
            )


def check_adopted(adopted: Mapping[str, Endpoint], mistakes: Mistakes) -> None:
    """One place may be adopted only once: two would measure, and remove, the same files."""
    taken: dict[tuple[str, int], str] = {}
    for name, endpoint in sorted(adopted.items()):
        other = taken.setdefault((same_place(endpoint.address), endpoint.port), name)
        if other != name:
            mistakes.add(
                name,
                "ansible_host",
                "two adopted targets on one address and port: "
                f"{endpoint.address}:{endpoint.port} is {other}'s",
            )


def require_collections(hosts: Sequence[Host]) -> None:
    """What makes the targets must be there. Raises `UseError` with what to type."""
    made = {each.backend for host in hosts for each in host.targets if not each.adopted}
    for backend in sorted(made):
        for collection, extra in backends.collections(backend).items():
            if not has_collection(collection):
                raise UseError(
                    f"targets of {backend} are made by Ansible's collection {collection}, which "
                    "is not here",
                    installed.more(extra),
                )


def _size(size: Size) -> str:
    return (
        f"{size.vcpus} vCPUs on {','.join(map(str, size.cpus))}, {size.memory_mib} MiB, "
        f"{size.disk_gib} GiB"
    )
