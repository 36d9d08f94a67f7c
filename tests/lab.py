"""A lab as it would be after many nights: run folders with known slowdowns, made by hand.

The workloads are the real ones. A target's slowdown is known by resource; the host drifts from
block to block; one target gets a new release and slows down in one night.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from harness.ledger.folders import RAW
from harness.ledger.writer import Ledger, run_id
from harness.model.plan import CONTROL
from harness.model.run import Run
from harness.model.target import BackendClass
from harness.model.workload import Workload
from harness.plan import workloads as files
from tests.synthetic import Kind, make_run

ROOT = Path(__file__).parents[1]
FIRST = datetime(2026, 10, 1, 1, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Lodger:
    """A target of the lab: what it is, its slowdown by resource (`""` for the rest), and the
    release of its hypervisor until and from the night of the update."""

    kind: Kind
    slowdown: dict[str, float]
    releases: tuple[str, str] | None = None


def native(host: str) -> Lodger:
    return Lodger(Kind(host, "baremetal", BackendClass.NATIVE, "baremetal"), {"": 1.0})


LODGERS = (
    Lodger(Kind("container", "docker", BackendClass.OS, "docker"), {"": 1.004, "network": 1.06}),
    Lodger(
        Kind("sandbox", "docker", BackendClass.SANDBOX, "gvisor"),
        {"": 1.02, "kernel": 4.1, "disk": 1.9, "network": 2.7},
    ),
    Lodger(
        Kind("kvm", "kvm", BackendClass.TYPE1, "kvm"),
        {"": 1.02, "kernel": 1.06, "disk": 1.24, "network": 1.35},
        ("10.0.2", "10.1.0"),
    ),
    Lodger(
        Kind("kvm-old", "kvm", BackendClass.TYPE1, "kvm"),
        {"": 1.03, "kernel": 1.08, "disk": 1.41, "network": 1.5},
        ("7.2.19", "7.2.19"),
    ),
    Lodger(
        Kind("guest", "kvm", BackendClass.EMULATED, "qemu-tcg"),
        {"": 8.5, "memory": 2.8, "disk": 4.2, "network": 6.9},
        ("10.0.2", "10.0.2"),
    ),
)
UPDATED = "kvm"
AFTER_UPDATE = 1.12
"""What the update costs the target `UPDATED` on disks."""


def workloads(count: int | None = None) -> list[Workload]:
    """The project's own workloads, or the first few of each resource."""
    every = list(files.load_all(ROOT / "workloads"))
    if count is None:
        return every
    kept: dict[str, list[Workload]] = {}
    for each in every:
        kept.setdefault(str(each.resource), []).append(each)
    return [each for of in kept.values() for each in of[:count]]


def night(
    number: int,
    host: str = "lab1",
    blocks: int = 10,
    update: int | None = None,
    of: Sequence[Workload] | None = None,
    lodgers: Sequence[Lodger] = LODGERS,
) -> Run:
    """The run of one night; from the night `update` on a new release of `UPDATED` is there."""
    whole = (native(host), *lodgers)
    known = {each.kind.name: each for each in whole}
    chosen = list(of) if of is not None else workloads()
    resources = {each.name: str(each.resource) for each in chosen}
    better = {(w.name, m.name): m.better for w in chosen for m in w.metrics}
    updated = update is not None and number >= update

    def value(arm: str, workload: str, metric: str, block: int) -> float:
        name = arm.removesuffix(CONTROL)
        resource = resources[workload]
        slowdown = known[name].slowdown.get(resource, known[name].slowdown[""])
        if name == UPDATED and updated and resource == "disk":
            slowdown *= AFTER_UPDATE
        words = f"{host} {arm} {workload} {metric}".encode()
        noise = np.random.default_rng([number, block, *words]).normal(scale=0.012)
        drift = np.random.default_rng([number, block]).normal(scale=0.03)
        sign = 1 if better[workload, metric] == "lower" else -1
        base = 10 ** (1 + int.from_bytes(hashlib.sha256(words[-9:]).digest()[:1]) % 4)
        return float(base * 1.37 * math.exp(sign * (math.log(slowdown) + drift) + noise))

    when = FIRST + timedelta(days=number)
    made = make_run(
        value, [each.kind for each in whole], chosen, blocks, run=run_id(host, when), host=host,
        control=True,
    )  # fmt: skip
    records = []
    for record in made.manifest.targets:
        releases = known[record.target.name].releases
        seen = replace(
            record.fingerprint,
            kernel="6.12.48",
            cpu_model="Made for tests 3000",
            clocksource="tsc",
            release=None if releases is None else releases[updated],
            inside={"microcode": "0x2f"},
        )
        records.append(replace(record, fingerprint=seen))
    manifest = replace(made.manifest, created_at=when.isoformat(), targets=tuple(records))
    trials = tuple(
        replace(
            trial,
            id=f"{trial.block:03}-{trial.position:03}",
            raw=f"{RAW}/{trial.block:03}-{trial.position:03}.out.zst",
            raw_sha256=hashlib.sha256(f"{manifest.run} {trial.id}".encode()).hexdigest(),
        )
        for trial in made.trials
    )
    return replace(made, manifest=manifest, trials=trials)


def save(run: Run, results: Path) -> Path:
    """The folder of `run` under `results`, as a ledger writes it; its outputs are short."""
    with Ledger.create(results / "runs", run.manifest) as ledger:
        ledger.record_all(run.trials)
        ledger.end(run.ended or "complete", run.used_s)
    for trial in run.trials:
        if trial.raw is not None:
            (ledger.folder / trial.raw).write_bytes(b"(made by hand)")
    return ledger.folder
