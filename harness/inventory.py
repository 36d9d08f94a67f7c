"""Inventory: what `ansible-inventory` says → hosts and targets, validated.

Ansible reads the inventory, so vault, group_vars and dynamic inventories just work; this module
reads only Ansible's answer. All mistakes are reported at once, with the file and the key.
"""

from __future__ import annotations

import difflib
import fnmatch
import ipaddress
import json
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from harness import adoption, identity
from harness.errors import UseError
from harness.model import NATIVE_BACKEND, Endpoint, Host, Size, Target

BENCH_NETWORK = ipaddress.IPv4Network("198.18.0.0/24")
"""RFC 2544 sets 198.18.0.0/15 aside for benchmarking, so it collides with nobody's network."""
HOST_ADDRESS = str(BENCH_NETWORK[1])
PEER_ADDRESS = str(BENCH_NETWORK[2])
FIRST_TARGET = 10
LAST_TARGET = 126
PEER_GROUP = "peer"
MOST_CPUS = 8192
"""More than a Linux kernel can be built for (x86); no larger number is ever counted up to."""
PLAYBOOKS = Path(__file__).parent.parent / "playbooks"
PREFIX = "baremark_"
"""Begins every variable that is Baremark's; all others are Ansible's or the user's own."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


def backend_names() -> tuple[str, ...]:
    """The backends there are: the name is the module, so the folder is the list."""
    folder = Path(__file__).with_name("backends")
    return tuple(sorted(module.name for module in pkgutil.iter_modules([str(folder)])))


def cpu_list(value: object) -> tuple[int, ...]:
    """`0,2-3`, `[0, 2, 3]` or `0` as host CPU numbers. Raises `ValueError`."""
    if isinstance(value, bool):
        raise ValueError("must be host CPU numbers such as 0,2-3")
    if isinstance(value, int) and 0 <= value < MOST_CPUS:
        return (value,)
    if isinstance(value, list | tuple):
        return tuple(cpu for part in value for cpu in cpu_list(part))
    numbers: list[int] = []
    for part in str(value).split(","):
        match = re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part)
        if match is None:
            raise ValueError(f"must be host CPU numbers such as 0,2-3, is {value!r}")
        first, last = int(match[1]), int(match[2] or match[1])
        if first > last:
            raise ValueError(f"must be host CPU numbers, the smaller one first, is {value!r}")
        if last >= MOST_CPUS:
            raise ValueError(f"must be host CPU numbers below {MOST_CPUS}, is {value!r}")
        numbers += range(first, last + 1)
    return tuple(numbers)


class _TargetVars(BaseModel):
    """The variables that Baremark reads of one inventory host; Ansible's own pass by."""

    model_config = ConfigDict(extra="ignore")

    baremark_vcpus: Annotated[int, Field(ge=1, le=MOST_CPUS)]
    baremark_memory_mib: Annotated[int, Field(ge=256)]
    baremark_disk_gib: Annotated[int, Field(ge=2)]
    baremark_cpus: Annotated[tuple[int, ...] | None, BeforeValidator(cpu_list)] = None
    baremark_host: str | None = None
    baremark_address: ipaddress.IPv4Address | None = None
    baremark_adopt: bool = False


def known_variables() -> frozenset[str]:
    """Every variable of Baremark's that means something, by name.

    Those of this module's own, and whatever stands as a key in a role's arguments and defaults
    and in the playbooks' group variables: a new role's are known by its files.
    """
    files = [
        *PLAYBOOKS.glob("roles/*/meta/argument_specs.yml"),
        *PLAYBOOKS.glob("roles/*/defaults/main.yml"),
        *PLAYBOOKS.glob("group_vars/*.yml"),
    ]
    keys = re.compile(rf"^\s*({PREFIX}\w+)\s*:", re.MULTILINE)
    found = {name for file in files for name in keys.findall(file.read_text(encoding="utf-8"))}
    return frozenset(found | set(_TargetVars.model_fields) | set(adoption.AdoptedVars.model_fields))


def load(path: Path) -> tuple[Host, ...]:
    """The hosts of the inventory at `path`, each with its targets, native first.

    Raises `UseError`: no such inventory, Ansible cannot read it, or mistakes in it.
    """
    if not path.exists():
        raise UseError(
            f"there is no inventory {path}",
            "name one with -i; inventories/localhost measures this machine",
        )
    answer = ask_ansible(path)
    hostvars: dict[str, dict[str, Any]] = answer.get("_meta", {}).get("hostvars", {})
    groups = {name: group for name, group in answer.items() if name != "_meta"}
    mistakes = _Mistakes(path)
    targets: list[Target] = []
    local: dict[str, bool] = {}
    machines: dict[tuple[str, str], str] = {}
    adopted: dict[str, Endpoint] = {}
    members = _members(groups, hostvars, mistakes)
    _check_names(hostvars, mistakes)
    _check_peers(hostvars, _hosts_under(PEER_GROUP, groups), mistakes)
    for name, backend in members.items():
        variables = hostvars.get(name, {})
        try:
            read = _TargetVars.model_validate(variables)
        except ValidationError as error:
            for item in error.errors():
                key = str(item["loc"][0])
                mistakes.add(name, key, f"{item['msg'].lower()}{_shown(variables, key)}")
            continue
        native = backend == NATIVE_BACKEND
        if read.baremark_adopt:
            endpoint = adoption.read(name, backend, variables, mistakes.add)
            if endpoint is not None:
                adopted[name] = endpoint
        elif backend not in backend_names():
            mistakes.add(
                name,
                backend,
                f"no target can be made by {backend}, only adopted: baremark_adopt: true",
            )
            continue
        target = _target(name, backend, native, read, variables, mistakes)
        if target is not None:
            targets.append(target)
        if native:
            local[name] = variables.get("ansible_connection") == "local"
            _check_machine(name, variables, machines, mistakes)
    if not members:
        mistakes.add("(none)", NATIVE_BACKEND, "there is no target in this inventory")
    natives = {name for name, backend in members.items() if backend == NATIVE_BACKEND}
    _check_hosts(targets, natives, mistakes)
    _check_addresses(targets, mistakes)
    _check_adopted(adopted, mistakes)
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

    def matches(target: Target, pattern: str) -> bool:
        return fnmatch.fnmatchcase(target.name, pattern) or target.backend == pattern

    everything = [target for host in hosts for target in host.targets]
    for pattern in wanted:
        if not any(matches(target, pattern) for target in everything):
            raise UseError(
                f"no target matches {pattern!r}",
                "choose from: " + ", ".join(target.name for target in everything),
            )
    chosen = []
    for host in hosts:
        kept = tuple(t for t in host.targets if any(matches(t, pattern) for pattern in wanted))
        if kept:
            chosen.append(replace(host, targets=(host.native, *(t for t in kept if not t.native))))
    return tuple(chosen)


class _Mistakes:
    """Collects mistakes, each with the file and line that mention its key."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: list[str] = []

    def add(self, host: str, key: str, what: str) -> None:
        self._found.append(f"{self._where(key)}: host {host}: {key}: {what}")

    def raise_any(self) -> None:
        if self._found:
            raise UseError(
                f"the inventory {self._path} has mistakes:\n"
                + "\n".join(f"  {line}" for line in self._found),
                "mend them and ask again: baremark doctor -i " + str(self._path),
            )

    def _where(self, key: str) -> str:
        """`file:line` of every place in the inventory that sets the key, or the inventory."""
        places = []
        for file in self._files():
            if file.suffix not in {".yml", ".yaml", ".ini", ".json", ""} or not file.is_file():
                continue
            try:
                lines = file.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError):
                continue
            places += [
                f"{file}:{number}"
                for number, line in enumerate(lines, 1)
                if re.search(rf"(?<![\w]){re.escape(key)}[\"']?\s*[:=]", line)
            ]
        return ", ".join(places[:3]) if places else str(self._path)

    def _files(self) -> list[Path]:
        """What Ansible reads: all of a folder, or a file and the variables beside it."""
        if self._path.is_dir():
            return sorted(self._path.rglob("*"))
        beside = [self._path.parent / name for name in ("group_vars", "host_vars")]
        return [self._path, *(file for folder in beside for file in sorted(folder.rglob("*")))]


def ask_ansible(path: Path) -> dict[str, Any]:
    """What `ansible-inventory --list` says of the inventory at `path`. Raises `UseError`."""
    program = Path(sys.executable).with_name("ansible-inventory")
    done = subprocess.run(
        [str(program), "-i", str(path), "--list"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1", "ANSIBLE_NOCOLOR": "1"},
    )
    if done.returncode != 0:
        raise UseError(
            f"Ansible cannot read the inventory {path}:\n{_told(done.stderr)}",
            f"ask Ansible itself: ansible-inventory -i {path} --list",
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _told(text: str, number: int = 6) -> str:
    """Ansible tells the cause first and each plugin's despair after it."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "\n".join(f"  {line}" for line in lines[:number])


def _members(
    groups: Mapping[str, Any], hostvars: Mapping[str, Any], mistakes: _Mistakes
) -> dict[str, str]:
    """Every inventory host with its backend: the one group among its groups that is a backend."""
    known = sorted({*backend_names(), *identity.adoptable()})
    of_host: dict[str, list[str]] = {
        host: []
        for host in [
            *hostvars,
            *(host for group in groups.values() for host in group.get("hosts", [])),
        ]
    }
    for name in groups:
        for host in _hosts_under(name, groups):
            if name != "all" and host in of_host:
                of_host[host].append(name)
    members = {}
    for host, names in sorted(of_host.items()):
        of_backends = [name for name in names if name in known]
        if len(of_backends) == 1:
            members[host] = of_backends[0]
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
    return members


def _hosts_under(name: str, groups: Mapping[str, Any]) -> set[str]:
    group = groups.get(name, {})
    found = set(group.get("hosts", []))
    for child in group.get("children", []):
        found |= _hosts_under(child, groups)
    return found


def _shown(variables: Mapping[str, Any], key: str) -> str:
    return f" (is {variables[key]!r})" if key in variables else ""


def _target(
    name: str,
    backend: str,
    native: bool,
    read: _TargetVars,
    variables: Mapping[str, Any],
    mistakes: _Mistakes,
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
            variables.get("baremark_same_machine") is False
            if read.baremark_adopt
            else not identity.leaves_room(backend)
        ),
    )


def _check_names(hostvars: Mapping[str, Mapping[str, Any]], mistakes: _Mistakes) -> None:
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


def _check_peers(
    hostvars: Mapping[str, Mapping[str, Any]], peers: Collection[str], mistakes: _Mistakes
) -> None:
    for host, variables in sorted(hostvars.items()):
        peer = variables.get("baremark_peer")
        if peer is not None and peer not in peers:
            mistakes.add(
                host,
                "baremark_peer",
                f"{peer!r} is no peer: there is no such host in the group {PEER_GROUP}",
            )


def _check_hosts(targets: Sequence[Target], natives: Collection[str], mistakes: _Mistakes) -> None:
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


def _check_addresses(targets: Sequence[Target], mistakes: _Mistakes) -> None:
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
        if without > (free := sum(1 for _ in _free_addresses(on_host))):
            mistakes.add(
                host,
                "baremark_host",
                f"{without} targets on it need an address of the bench network, which has {free} "
                "left; leave some out",
            )


def _check_adopted(adopted: Mapping[str, Endpoint], mistakes: _Mistakes) -> None:
    """One place may be adopted only once: two would measure, and remove, the same files."""
    taken: dict[tuple[str, int], str] = {}
    for name, endpoint in sorted(adopted.items()):
        other = taken.setdefault((endpoint.address, endpoint.port), name)
        if other != name:
            mistakes.add(
                name,
                "ansible_host",
                "two adopted targets on one address and port: "
                f"{endpoint.address}:{endpoint.port} is {other}'s",
            )


def _check_machine(
    name: str,
    variables: Mapping[str, Any],
    machines: dict[tuple[str, str], str],
    mistakes: _Mistakes,
) -> None:
    """A machine may be native only once: two would share one port, and measure each other."""
    if variables.get("ansible_connection") == "local":
        machine, key = ("localhost", "local"), "ansible_connection"
    else:
        address = str(variables.get("ansible_host", name))
        machine, key = (address, str(variables.get("ansible_port", 22))), "ansible_host"
    other = machines.setdefault(machine, name)
    if other != name:
        mistakes.add(
            name,
            key,
            f"two native targets on one machine and port: {':'.join(machine)} is {other} too",
        )


def _size(size: Size) -> str:
    return (
        f"{size.vcpus} vCPUs on {','.join(map(str, size.cpus))}, {size.memory_mib} MiB, "
        f"{size.disk_gib} GiB"
    )


def _host(
    name: str, targets: Sequence[Target], local: bool, adopted: Mapping[str, Endpoint]
) -> Host:
    """Targets without a declared address get the free ones in the order of their names."""
    free = _free_addresses(targets)
    placed = [
        target if target.address or target.adopted else replace(target, address=next(free))
        for target in sorted(targets, key=lambda target: (not target.native, target.name))
    ]
    reached = {target.name: _endpoint(target, adopted) for target in placed if target.adopted}
    return Host(name, tuple(placed), local, PEER_ADDRESS, reached)


def _free_addresses(targets: Sequence[Target]) -> Iterator[str]:
    """The addresses that a host hands out and no target of it has declared, in order."""
    taken = {target.address for target in targets}
    addresses = (str(BENCH_NETWORK[number]) for number in range(FIRST_TARGET, LAST_TARGET))
    return (address for address in addresses if address not in taken)


def _endpoint(target: Target, adopted: Mapping[str, Endpoint]) -> Endpoint:
    """Of an adopted machine itself only the CPUs are used that were declared."""
    endpoint = adopted[target.name]
    if not target.native:
        return endpoint
    cpus = ",".join(map(str, target.size.cpus))
    return replace(endpoint, facts={**endpoint.facts, "confine": cpus})
