"""The nouns of Baremark as frozen dataclasses. Standard library only; nothing here does anything.

The words are those of the design document and are used in code, files, columns and messages
alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
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


class TrialStatus(StrEnum):
    """How a trial ended. Only `ok` carries samples; the others are data too, never a zero."""

    OK = "ok"
    FAILED = "failed"
    TIMEOUT = "timeout"
    LOST = "lost"
    REJECTED = "rejected"


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


# ---------------------------------------------------------------- what happened
@dataclass(frozen=True, slots=True)
class CpuTime:
    """What a target's CPUs did during a trial, in seconds summed over them (/proc/stat).

    `busy_s` excludes idle, waiting and stolen time; `own_s` is the CPU time of the program and
    of the two readings of the clock around it. `user_s` and `own_user_s` are the parts of the two
    outside the kernel, whose own threads have no such time: what is another's of it is no work of
    the kernel for the program.
    """

    total_s: float
    busy_s: float
    steal_s: float
    own_s: float
    throttled: int | None = None
    """Periods in which the CPU quota of the target's control group stopped it."""
    cpus: int | None = None
    """How many CPUs are summed over: those that the program may run on. None in records of the
    first format, which sum over all that the target shows, and those may be more."""
    user_s: float | None = None
    own_user_s: float | None = None


@dataclass(frozen=True, slots=True)
class HostLoad:
    """What a target's host did during a trial, read on the host just before and after it.

    Times in seconds summed over the CPUs that the target is pinned to (/proc/stat); `process_s`
    is the CPU time of the one process that is the target (a guest's emulator), `user_s` and
    `process_user_s` the parts of the two outside the kernel. `peer_s` is the CPU time of the
    peer's server that worked most, and `peer_user_s` such a part of all of them, where the peer is
    on this host. `pressure_s` is how long any task of the whole host waited for a CPU
    (/proc/pressure/cpu, `some`). `read_bytes` and `written_bytes` are those of the block device
    that moved most. `mhz` is the mean frequency of the target's CPUs at the end, `mhz_mean` that
    over the whole trial, `governor` what chooses it, `thermal` how often heat slowed them.
    None: not observable.
    """

    total_s: float
    busy_s: float
    steal_s: float
    process_s: float | None = None
    read_bytes: float | None = None
    written_bytes: float | None = None
    mhz: float | None = None
    thermal: int | None = None
    user_s: float | None = None
    process_user_s: float | None = None
    peer_s: float | None = None
    peer_user_s: float | None = None
    pressure_s: float | None = None
    mhz_mean: float | None = None
    governor: str | None = None


@dataclass(frozen=True, slots=True)
class Apart:
    """How long the marks of programs that do nothing took by the controller's clock beyond the
    target's, in seconds: the median, and the range."""

    offset_s: float
    jitter_s: float

    @classmethod
    def of(cls, seen_s: Sequence[float]) -> Apart | None:
        """None where no such program could be timed."""
        return cls(median(seen_s), max(seen_s) - min(seen_s)) if seen_s else None


@dataclass(frozen=True, slots=True)
class Trial:
    """One execution of a cell in a block, as the ledger keeps it.

    `controller_s` is the controller's monotonic time from the call to the reply, `guest_s` the
    target's own time around the program, `span_s` the controller's between the arrivals of the
    marks before and after it; None where it never answered. `raw` and `raw_sha256`
    name the stored output. `reason` says in one sentence why a trial is not `ok`.
    """

    id: str
    scenario: str
    host: str
    block: int
    position: int
    workload: str
    target: str
    status: TrialStatus
    started_at: str
    controller_s: float | None
    guest_s: float | None
    exit_status: int | None
    samples: tuple[Sample, ...]
    raw: str | None
    raw_sha256: str | None
    reason: str | None
    connection: int = 1
    """Counts the connections of this target in this run; a reconnection shows as 2."""
    span_s: float | None = None
    cpu: CpuTime | None = None
    """None where the target does not tell."""
    control: bool = False
    """Whether this is native's second trial in the block (see `Cell`)."""
    host_load: HostLoad | None = None
    claimed_mib_per_s: tuple[float, float] | None = None
    """What a disk workload says that it read and wrote; None where it says nothing of it."""
    apart: Apart | None = None
    """How far the clocks of controller and target were apart when this session began."""

    @property
    def arm(self) -> str:
        """The name under which its samples are compared: the target's, or its control's."""
        return f"{self.target}{CONTROL}" if self.control else self.target


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


# ---------------------------------------------------------------- the record of a run
@dataclass(frozen=True, slots=True)
class TargetRecord:
    """A target that took part: as declared, as observed, and what its programs call themselves.

    `programs` maps a program of the bundle to the version line it printed on this target.
    """

    target: Target
    fingerprint: Fingerprint
    programs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Missing:
    """A declared target that did not take part, and why."""

    target: str
    backend: str
    reason: str


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A workload that is not run on a target that takes part, and why."""

    workload: str
    target: str
    reason: str


@dataclass(frozen=True, slots=True)
class Probe:
    """The host with no trial on it, just before a block: the share of its targets' CPUs that
    was busy all the same, after waiting `waited_s` seconds for it to fall."""

    block: int
    busy: float
    waited_s: float


@dataclass(frozen=True, slots=True)
class Source:
    """What a run was imported from: the name of the file or folder, without where it lay, and
    the sha256 of its content."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is fixed before the first trial of a run; written once, never changed.

    `schema` is the version of the run folder's format (manifest and ledger together).
    `planned_s` is the time the plan was expected to take, in seconds.
    """

    schema: int
    run: str
    created_at: str
    baremark: str
    scenario: str
    host: str
    preset: str
    seed: int
    plan: Plan
    planned_s: float
    bundle: str
    targets: tuple[TargetRecord, ...]
    missing: tuple[Missing, ...]
    workloads: tuple[Workload, ...]
    precision: Mapping[str, float] = field(default_factory=dict)
    """δ by resource, where the run ends once every headline interval is narrow enough."""
    least_blocks: int = 0
    """Where there is a precision: it is not looked for before so many blocks."""
    accepted: tuple[str, ...] = ()
    """The checks that the user overruled (`--accept`): what they object to is told, and counts."""
    left_out: tuple[LeftOut, ...] = ()
    """Cells that the plan does not have, such as network workloads where no peer is reached."""
    imported: Source | None = None
    """Where the figures come from if Baremark did not measure them. There was then no plan, no
    seed, no bundle, no preset and no declared size, and nobody saw the order or the time of a
    trial: the fields that would hold them are empty ("", 0, ()) and mean nothing."""
    by: str = ""
    """Who asked for it: BAREMARK_BY, or the name of the account. "" in older records."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run read back from its folder. `ended` tells how: `complete`, `precise` (it measured to
    a precision and has it), `interrupted`, `budget`, `imported`, or None where the record just
    stops (a kill, a power cut).
    """

    manifest: Manifest
    trials: tuple[Trial, ...]
    ended: str | None
    used_s: float | None
    calibrations: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """For each target, of programs that do nothing: the controller's time between the marks minus
    the target's, in seconds, as measured last. Each trial bears its own."""
    probes: tuple[Probe, ...] = ()
