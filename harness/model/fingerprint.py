"""What a target really is, as it was observed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.target import BackendClass

Observed = Mapping[str, str | None]
"""Observations as text by name. A name that is missing, or None, was not observable."""


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
