"""The nouns of Baremark as frozen dataclasses. Standard library only; nothing here does anything.

The words are those of the design document and are used in code, files, columns and messages
alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class BackendClass(StrEnum):
    """The kind of architecture a backend belongs to."""

    NATIVE = "native"
    TYPE1 = "type1"
    TYPE2 = "type2"
    OS = "os"
    SANDBOX = "sandbox"
    EMULATED = "emulated"


class Resource(StrEnum):
    """What a workload stresses. Summaries are made inside a resource, never across."""

    CPU = "cpu"
    MEMORY = "memory"
    KERNEL = "kernel"
    DISK = "disk"
    NETWORK = "network"


Better = Literal["higher", "lower"]
SCENARIO_OVERHEAD = "overhead"
CONTROL = "+control"
NATIVE_BACKEND = "baremetal"
ADOPTED = ", adopted"
"""Ends the label of a target that Baremark did not make."""
OTHER_MACHINE = ", other machine"
"""Ends the label of a target that has no native target on its own machine."""


# ---------------------------------------------------------------- where workloads run
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
class Settings:
    """What of a target's machine changes its speed, besides its size. None is "not observable":
    a False, or a text such as `none`, was seen.

    `container` is the kind of container that it is, `none` where it is none. `governor` is that of
    the CPUs that it may run on; names with commas between where they differ. `memory_nodes` are
    the NUMA nodes that it may take memory from, `numa_nodes` those that it shows. `cpu_quota` is
    in CPUs, known only where `cpu_limited`. `pressure` tells whether the kernel counts waiting
    (PSI). `route` leads to the peer: `on-link` or `routed`; `network` is what the host says that
    the target's card is connected to (`bridge`, `nat`, `user`).
    """

    container: str | None = None
    hypervisor_bit: bool | None = None
    mitigations: Mapping[str, str] | None = None
    governor: str | None = None
    huge_pages: str | None = None
    ksm: bool | None = None
    balloon: bool | None = None
    numa_nodes: tuple[int, ...] | None = None
    memory_nodes: tuple[int, ...] | None = None
    cpu_limited: bool | None = None
    cpu_quota: float | None = None
    pressure: bool | None = None
    disk_format: str | None = None
    disk_cache: str | None = None
    nic_model: str | None = None
    route: str | None = None
    network: str | None = None
    mtu: int | None = None
    offloads: Mapping[str, bool] | None = None


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a target really is, as observed. None means "not observable", never "no".

    `inside` and `outside` are the raw record: the observations by name, values as text, from
    inside the target and from its host (daemon API, libvirt, /proc); `settings` is what was
    understood of them. `label` is the name that tables
    carry: the backend's, unless what was observed is something else (`qemu-tcg`).
    """

    backend: str
    backend_class: BackendClass
    label: str
    nested: bool | None
    release: str | None
    accelerator: str | None
    kernel: str | None
    cpu_model: str | None
    vcpus: int | None
    memory_mib: int | None
    clocksource: str | None
    inside: Mapping[str, str | None] = field(default_factory=dict)
    outside: Mapping[str, str | None] = field(default_factory=dict)
    settings: Settings = Settings()


# ---------------------------------------------------------------- what runs there
@dataclass(frozen=True, slots=True)
class Metric:
    """A quantity that a tool reports. `unit` is written as in the tables (`1/s`, `MiB/s`, `µs`)."""

    name: str
    unit: str
    better: Better


@dataclass(frozen=True, slots=True)
class Sample:
    """One metric value of a trial, in the metric's unit.

    `labels` tell apart several values of one metric in one output: pairs such as
    ("job", "reader"). A workload's metric is a value without a namesake.
    """

    metric: str
    value: float
    unit: str
    better: Better
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """Something a workload needs on a target before its first trial: it leaves `creates` behind."""

    creates: str
    tool: str
    args: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Workload:
    """One tool with fixed arguments, a resource it stresses, and the metrics taken.

    `args` may hold the placeholders `{seconds}`, `{vcpus}`, `{memory_mib}`, `{peer}` and
    `{work}`; nothing else about it varies. `version` changes when the numbers of old runs
    must not be compared with new ones.
    """

    name: str
    title: str
    version: int
    resource: Resource
    tool: str
    args: tuple[str, ...]
    metrics: tuple[Metric, ...]
    prepare: tuple[Step, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Measuring time by preset where it differs from the preset's own."""

    @property
    def needs_peer(self) -> bool:
        return any("{peer}" in arg for arg in self.args)


# ---------------------------------------------------------------- the plan
@dataclass(frozen=True, slots=True)
class Cell:
    """Workload × target. `control` marks the native target's second trial of a workload in a
    block: native against itself (A/A) tells how often the harness errs."""

    workload: str
    target: str
    control: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """One visit to every cell of a host, in random order."""

    index: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Preset:
    """How much to measure: blocks, and seconds asked of each trial."""

    name: str
    blocks: int
    seconds: float
    max_blocks: int
    to_precision: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The frozen, seeded list of blocks of one host, with the digest of all that it fixes."""

    scenario: str
    host: str
    preset: str
    seed: int
    blocks: tuple[Block, ...]
    seconds: Mapping[str, float]
    """Seconds asked of one trial, by workload name."""
    digest: str


# ---------------------------------------------------------------- what it means
@dataclass(frozen=True, slots=True)
class Estimate:
    """A point with its interval. `low` and `high` are None where n allows no interval."""

    point: float
    low: float | None
    high: float | None
    level: float
    n: int
    method: str
