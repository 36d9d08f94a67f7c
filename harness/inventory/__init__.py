"""Inventory: what `ansible-inventory` says → hosts and targets, validated.

Ansible reads the inventory, so vault, group_vars and dynamic inventories just work; Baremark
reads only Ansible's answer. All mistakes are reported at once, with the file and the key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness import backends
from harness.backends import names
from harness.errors import UseError
from harness.inventory import adopted as inventory_adopted
from harness.inventory.checks import (
    check_addresses,
    check_adopted,
    check_hosts,
    check_names,
    check_peers,
)
from harness.inventory.connection import check_direct, check_names_agree
from harness.inventory.groups import PEER_GROUP, members
from harness.inventory.listing import ask_ansible
from harness.inventory.machines import Place, check_machines, place
from harness.inventory.mistakes import Mistakes
from harness.inventory.network import HOST_ADDRESS, PEER_ADDRESS, free_addresses
from harness.inventory.variables import TargetVars
from harness.model.target import NATIVE_BACKEND, Endpoint, Host, Size, Target
from harness.patterns import matches, require_match

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


def load(path: Path) -> tuple[Host, ...]:
    """The hosts of the inventory at `path`, each with its targets, native first.

    Raises `UseError`: no such inventory, Ansible cannot read it, or mistakes in it.
    """
    if not path.exists():
        raise UseError(
            f"there is no inventory {path}",
            "name one with -i, or baremark init writes one that measures this machine",
        )
    answer = ask_ansible(path)
    mistakes = Mistakes(path)
    targets: list[Target] = []
    local: dict[str, bool] = {}
    machines: list[Place] = []
    adopted: dict[str, Endpoint] = {}
    backends = members(answer, mistakes)
    check_names(answer.hostvars, mistakes)
    check_peers(answer.hostvars, answer.hosts_under(PEER_GROUP), mistakes)
    for name, backend in backends.items():
        variables = answer.hostvars.get(name, {})
        try:
            read = TargetVars.model_validate(variables)
        except ValidationError as error:
            for item in error.errors():
                key = str(item["loc"][0])
                mistakes.add(name, key, f"{item['msg'].lower()}{_shown(variables, key)}")
            continue
        native = backend == NATIVE_BACKEND
        if read.baremark_adopt or (native and variables.get("ansible_connection") != "local"):
            check_names_agree(name, variables, mistakes.add)
            check_direct(name, variables, read.baremark_adopt, mistakes.add)
        if read.baremark_adopt:
            endpoint = inventory_adopted.read(name, backend, variables, mistakes.add)
            if endpoint is not None:
                adopted[name] = endpoint
        elif backend not in names():
            mistakes.add(
                name,
                backend,
                f"no target can be made by {backend}, only adopted: baremark_adopt: true",
            )
            continue
        target = _target(name, backend, native, read, mistakes)
        if target is not None:
            targets.append(target)
        if native:
            local[name] = variables.get("ansible_connection") == "local"
            pinned = adopted[name].host_key if name in adopted else ""
            machines.append(place(name, variables, pinned))
    if not backends:
        mistakes.add("(none)", NATIVE_BACKEND, "there is no target in this inventory")
    natives = {name for name, backend in backends.items() if backend == NATIVE_BACKEND}
    check_hosts(targets, natives, mistakes)
    check_machines(machines, mistakes)
    check_addresses(targets, mistakes)
    check_adopted(adopted, mistakes)
    mistakes.raise_any()
    return tuple(
        _host(name, [t for t in targets if t.host == name], local[name], adopted)
        for name in sorted(local)
    )


def choose(hosts: Sequence[Host], patterns: Iterable[str]) -> tuple[Host, ...]:
    """The hosts cut down to the targets that match any pattern (a target's name or backend).

    The native target stays wherever another target of its host does: it is the baseline.
    """
    wanted = tuple(patterns)
    if not wanted:
        return tuple(hosts)
    require_match("target", wanted, ((t.name, t.backend) for host in hosts for t in host.targets))
    chosen = []
    for host in hosts:
        kept = tuple(t for t in host.targets if matches((t.name, t.backend), wanted))
        if kept:
            chosen.append(replace(host, targets=(host.native, *(t for t in kept if not t.native))))
    return tuple(chosen)


def _shown(variables: Mapping[str, Any], key: str) -> str:
    return f" (is {variables[key]!r})" if key in variables else ""


def _target(
    name: str,
    backend: str,
    native: bool,
    read: TargetVars,
    mistakes: Mistakes,
) -> Target | None:
    if not _NAME.fullmatch(name):
        mistakes.add(
            name, name, "a target's name is at most 40 small letters, digits and inner hyphens"
        )
    cpus = read.baremark_cpus
    if cpus is None:
        cpus = tuple(range(read.baremark_vcpus))
    if len(cpus) != read.baremark_vcpus or len(set(cpus)) != len(cpus):
        mistakes.add(
            name,
            "baremark_cpus",
            f"names {len(set(cpus))} CPUs for {read.baremark_vcpus} vCPUs; one for each is needed",
        )
    if read.baremark_host is None and not native:
        mistakes.add(
            name,
            "baremark_host",
            f"is missing: the {NATIVE_BACKEND} target of the machine that this one runs on",
        )
        return None
    if native and read.baremark_host not in {None, name}:
        mistakes.add(name, "baremark_host", "a native target is its own host; leave it out")
    size = Size(read.baremark_vcpus, read.baremark_memory_mib, read.baremark_disk_gib, cpus)
    address = HOST_ADDRESS if native else str(read.baremark_address or "")
    if read.baremark_adopt:
        address = ""
        if read.baremark_address is not None:
            mistakes.add(
                name, "baremark_address", "an adopted target is reached at its ansible_host"
            )
    return Target(
        name,
        backend,
        name if native else str(read.baremark_host),
        size,
        address,
        adopted=read.baremark_adopt,
        elsewhere=not native
        and (
            read.baremark_same_machine is False
            if read.baremark_adopt
            else not backends.leaves_room(backend)
        ),
    )


def _host(
    name: str, targets: Sequence[Target], local: bool, adopted: Mapping[str, Endpoint]
) -> Host:
    """Targets without a declared address get the free ones in the order of their names."""
    free = free_addresses(targets)
    placed = [
        target if target.address or target.adopted else replace(target, address=next(free))
        for target in sorted(targets, key=lambda target: (not target.native, target.name))
    ]
    reached = {target.name: _endpoint(target, adopted) for target in placed if target.adopted}
    return Host(name, tuple(placed), local, PEER_ADDRESS, reached)


def _endpoint(target: Target, adopted: Mapping[str, Endpoint]) -> Endpoint:
    """Of an adopted machine itself only the CPUs are used that were declared."""
    endpoint = adopted[target.name]
    if not target.native:
        return endpoint
    cpus = ",".join(map(str, target.size.cpus))
    return replace(endpoint, facts={**endpoint.facts, "confine": cpus})
