"""Runs made by hand for tests of what lies right of the ledger: no machine, known truths."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.ledger.writer import SCHEMA
from harness.model.fingerprint import Fingerprint
from harness.model.plan import CONTROL, Block, Cell, Plan
from harness.model.run import Manifest, Missing, Run, TargetRecord
from harness.model.target import ADOPTED, OTHER_MACHINE, BackendClass, Size, Target
from harness.model.trial import Trial, TrialStatus
from harness.model.workload import Better, Metric, Resource, Sample, Workload

Value = Callable[[str, str, str, int], float | None]
"""(target, workload, metric, block) → value, or None for a metric that is not yielded."""
Ending = Callable[[str, str, int], tuple[TrialStatus, str | None]]
"""(target, workload, block) → how the trial ends, and why."""


@dataclass(frozen=True)
class Kind:
    """A target to make: how it is labelled."""

    name: str
    backend: str
    backend_class: BackendClass
    label: str
    nested: bool | None = False


NATIVE = Kind("lab1", "baremetal", BackendClass.NATIVE, "baremetal")
NESTED_NATIVE = Kind("lab1", "baremetal", BackendClass.NATIVE, "baremetal", True)
DOCKER = Kind("container", "docker", BackendClass.OS, "docker")
KVM = Kind("kvm", "kvm", BackendClass.TYPE1, "kvm")
TCG = Kind("guest", "kvm", BackendClass.EMULATED, "qemu-tcg")


def workload(
    name: str, resource: Resource, metrics: Sequence[tuple[str, str, Better]], version: int = 1
) -> Workload:
    return Workload(
        name=name,
        title=name.replace("-", " "),
        version=version,
        resource=resource,
        tool="fio",
        args=(),
        metrics=tuple(Metric(*metric) for metric in metrics),
    )


CPU = workload("cpu-one", Resource.CPU, [("events", "1/s", "higher")])
DISK = workload(
    "disk-randread", Resource.DISK, [("iops", "1/s", "higher"), ("latency_p99", "µs", "lower")]
)


def ok(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
    return TrialStatus.OK, None


def make_run(
    value: Value,
    kinds: Sequence[Kind] = (NATIVE, DOCKER),
    workloads: Sequence[Workload] = (CPU, DISK),
    blocks: int = 8,
    ending: Ending = ok,
    run: str = "20261101T000000Z-lab1",
    host: str = "lab1",
    missing: Sequence[Missing] = (),
    repeats: int = 1,
    ended: str | None = "complete",
    control: bool = False,
) -> Run:
    """A run in which every cell of every block was tried `repeats` times.

    With `control` the first of `kinds`, native, has a second trial in each block, whose values
    and endings are asked for under the name `<native>+control`.
    """
    size = Size(vcpus=2, memory_mib=2048, disk_gib=8, cpus=(0, 1))
    cells = tuple(Cell(w.name, k.name) for w in workloads for k in kinds)
    if control:
        cells += tuple(Cell(w.name, kinds[0].name, control=True) for w in workloads)
    plan = Plan(
        scenario="overhead",
        host=host,
        preset="quick",
        seed=7,
        blocks=tuple(Block(index, cells) for index in range(blocks)),
        seconds={w.name: 5.0 for w in workloads},
        digest="sha256:" + "ab" * 32,
    )
    by_name = {w.name: w for w in workloads}
    trials = []
    for block in plan.blocks:
        for position, cell in enumerate(block.cells):
            for repeat in range(repeats):
                arm = f"{cell.target}{CONTROL if cell.control else ''}"
                status, reason = ending(arm, cell.workload, block.index)
                samples = []
                for metric in by_name[cell.workload].metrics if status == "ok" else ():
                    x = value(arm, cell.workload, metric.name, block.index)
                    if x is not None:
                        samples.append(Sample(metric.name, x, metric.unit, metric.better))
                trials.append(
                    Trial(
                        id=f"{block.index}-{position}-{repeat}",
                        scenario="overhead",
                        host=host,
                        block=block.index,
                        position=position,
                        workload=cell.workload,
                        target=cell.target,
                        status=status,
                        started_at="2026-11-01T00:00:00+00:00",
                        controller_s=5.1,
                        guest_s=5.0,
                        exit_status=0,
                        samples=tuple(samples),
                        raw=None,
                        raw_sha256=None,
                        reason=reason,
                        control=cell.control,
                    )
                )
    manifest = Manifest(
        schema=SCHEMA,
        run=run,
        created_at="2026-11-01T00:00:00+00:00",
        baremark="0.1.0",
        scenario="overhead",
        host=host,
        preset="quick",
        seed=7,
        plan=plan,
        planned_s=600.0,
        bundle="sha256:" + "cd" * 32,
        targets=tuple(_record(kind, host, size) for kind in kinds),
        missing=tuple(missing),
        workloads=tuple(workloads),
    )
    return Run(manifest, tuple(trials), ended, 612.0)


def _record(kind: Kind, host: str, size: Size) -> TargetRecord:
    return TargetRecord(
        target=Target(
            *(kind.name, kind.backend, host, size),
            adopted=ADOPTED in kind.label,
            elsewhere=kind.label.endswith(OTHER_MACHINE),
        ),
        fingerprint=Fingerprint(
            backend=kind.backend,
            backend_class=kind.backend_class,
            label=kind.label,
            nested=kind.nested,
            release=None,
            accelerator=None,
            kernel=None,
            cpu_model=None,
            vcpus=2,
            memory_mib=2048,
            clocksource=None,
        ),
        programs={},
    )


def noisy(
    slowdown: Mapping[str, float], base: Mapping[tuple[str, str], float], lower: set[str], seed: int
) -> Value:
    """Values with lognormal noise of 1 %, a shared 3 % drift a block, and known slowdowns.

    `slowdown` is F by target, `base` native's value by (workload, metric), `lower` the metrics
    where lower is better.
    """

    def value(target: str, workload: str, metric: str, block: int) -> float:
        drift = np.random.default_rng([seed, block]).normal(scale=0.03)
        words = f"{target} {workload} {metric}".encode()
        noise = np.random.default_rng([seed, block, *words]).normal(scale=0.01)
        sign = 1 if metric in lower else -1
        shift = sign * (math.log(slowdown[target]) + drift) + noise
        return base[workload, metric] * math.exp(shift)

    return value


def example(blocks: int = 10, host: str = "lab1", seed: int = 3) -> Run:
    """A run as a lab would have it: 20 workloads, a container, a guest, an emulated guest."""
    native = Kind(host, "baremetal", BackendClass.NATIVE, "baremetal", nested=True)
    kinds = (native, DOCKER, TCG)
    shape: list[tuple[str, Resource, list[tuple[str, str, Better]], list[float]]] = [
        ("cpu-prime-1", Resource.CPU, [("events", "1/s", "higher")], [1234.0]),
        ("cpu-prime-all", Resource.CPU, [("events", "1/s", "higher")], [2451.0]),
        ("cpu-matrix", Resource.CPU, [("ops", "1/s", "higher")], [8712.4]),
        ("mem-read", Resource.MEMORY, [("bandwidth", "MiB/s", "higher")], [21345.0]),
        ("mem-write", Resource.MEMORY, [("bandwidth", "MiB/s", "higher")], [12876.0]),
        ("mem-latency", Resource.MEMORY, [("latency", "ns", "lower")], [87.3]),
        ("kernel-syscall", Resource.KERNEL, [("calls", "1/s", "higher")], [4.3e6]),
        ("kernel-fork", Resource.KERNEL, [("forks", "1/s", "higher")], [5123.0]),
        ("kernel-switch", Resource.KERNEL, [("switches", "1/s", "higher")], [312456.0]),
        ("disk-seqread-128k", Resource.DISK, [("bandwidth", "MiB/s", "higher")], [1843.0]),
        ("disk-seqwrite-128k", Resource.DISK, [("bandwidth", "MiB/s", "higher")], [912.0]),
        ("disk-fdatasync", Resource.DISK, [("latency_mean", "µs", "lower")], [412.0]),
        ("net-tcp-up", Resource.NETWORK, [("throughput", "Mbit/s", "higher")], [23456.0]),
        ("net-tcp-down", Resource.NETWORK, [("throughput", "Mbit/s", "higher")], [24012.0]),
        (
            "net-rr",
            Resource.NETWORK,
            [("rate", "1/s", "higher"), ("p99", "µs", "lower")],
            [31234.0, 41.2],
        ),
    ]
    for mode in ("randread", "randwrite"):
        for depth in (1, 16):
            shape.append(
                (
                    f"disk-{mode}-4k-qd{depth}",
                    Resource.DISK,
                    [("iops", "1/s", "higher"), ("latency_p99", "µs", "lower")],
                    [8123.0 * depth**0.7, 181.2 * depth**0.4],
                )
            )
    workloads = [workload(name, resource, metrics) for name, resource, metrics, _ in shape]
    base = {
        (name, metric[0]): number
        for name, _, metrics, numbers in shape
        for metric, number in zip(metrics, numbers, strict=True)
    }
    lower = {"latency", "latency_mean", "latency_p99", "p99"}
    calm = noisy({host: 1, "container": 1.012, "guest": 11.7}, base, lower, seed)
    disk = noisy({host: 1, "container": 1.12, "guest": 2.6}, base, lower, seed)

    def value(target: str, workload: str, metric: str, block: int) -> float | None:
        return (disk if workload.startswith("disk") else calm)(target, workload, metric, block)

    def ending(target: str, workload: str, block: int) -> tuple[TrialStatus, str | None]:
        if target == "guest" and workload == "mem-latency":
            return TrialStatus.TIMEOUT, "it ran over its limit of 60 s"
        if target == "container" and workload == "disk-fdatasync" and block in (2, 5):
            return TrialStatus.FAILED, "fio ended with exit status 1: No space left on device"
        return TrialStatus.OK, None

    return make_run(
        value,
        kinds,
        workloads,
        blocks,
        ending,
        run=f"20261101T000000Z-{host}",
        host=host,
        missing=[Missing("vbox", "virtualbox", "the kernel module vboxdrv cannot be loaded here")],
    )
