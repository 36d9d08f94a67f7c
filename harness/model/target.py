"""Where workloads run: hosts, their targets, and where each answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class BackendClass(StrEnum):
    """The kind of architecture a backend belongs to."""

    NATIVE = "native"
    TYPE1 = "type1"
    TYPE2 = "type2"
    OS = "os"
    SANDBOX = "sandbox"
    EMULATED = "emulated"


NATIVE_BACKEND = "baremetal"
ADOPTED = ", adopted"
"""Ends the label of a target that Baremark did not make."""
OTHER_MACHINE = ", other machine"
"""Ends the label of a target that has no native target on its own machine."""


@dataclass(frozen=True, slots=True)
class Size:
    """What a target is given. `cpus` are host CPU numbers, one for each vCPU."""

    vcpus: int
    memory_mib: int
    disk_gib: int
    cpus: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """One place on a host where workloads run, as declared in the inventory.

    `name` is the inventory's host name, `backend` its group, `host` the name of the native
    target of the same physical machine (its own name for a native target).
    """

    name: str
    backend: str
    host: str
    size: Size
    address: str = ""
    """The address on the bench bridge; assigned by the order of names unless declared."""
    adopted: bool = False
    """It was there before and stays: nothing of it is provisioned or removed."""
    elsewhere: bool = False
    """Its native target is on another machine, so it has no overhead: an adopted target's that
    says so, and of every hypervisor on whose machine no native Linux runs."""

    @property
    def native(self) -> bool:
        return self.name == self.host


@dataclass(frozen=True, slots=True)
class Host:
    """A physical machine: its native target first, then every other target on it.

    `local` tells whether it is the controller's own machine; the targets of another machine
    are reached through the SSH connection of its native target. `peer` is the address that
    the network workloads talk to. `adopted` tells by name where its adopted targets answer.
    """

    name: str
    targets: tuple[Target, ...]
    local: bool
    peer: str
    adopted: Mapping[str, Endpoint] = field(default_factory=dict)

    @property
    def native(self) -> Target:
        return self.targets[0]


DECLARED = "declared_"
"""Begins the name of an endpoint's fact that says what the inventory declares of the target."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a target answers SSH, and the host key it must show (`ssh-ed25519 AAAA…`).

    `work` is the folder for the workloads' files on the target, `store` the one in which the
    bundle is unpacked. `facts` is what provisioning knows besides (domain name, accelerator,
    socket of the daemon), for the observation from the host side.
    """

    address: str
    port: int
    user: str
    host_key: str
    work: str
    store: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `doctor` says of a target: can it be made here, why (not), and what to type."""

    target: str
    backend: str
    usable: bool
    why: str
    fix: str
    packages: tuple[str, ...] = ()
    """What it lacks, where only an administrator can install it."""
