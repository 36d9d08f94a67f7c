"""What runs on a target, and the values that come of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


class Resource(StrEnum):
    """What a workload stresses. Summaries are made inside a resource, never across."""

    CPU = "cpu"
    MEMORY = "memory"
    KERNEL = "kernel"
    DISK = "disk"
    NETWORK = "network"


Better = Literal["higher", "lower"]


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
