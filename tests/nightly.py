"""Folders of runs as a lab's nights leave them, with known truths and known fingerprints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.ledger import writer
from harness.model.fingerprint import Fingerprint
from harness.model.run import Run
from harness.model.workload import Workload
from tests.synthetic import CPU, KVM, NATIVE, Kind, make_run, noisy

FIRST = datetime(2026, 8, 1, 1, tzinfo=UTC)
BASE = {("cpu-one", "events"): 1000.0, ("disk-randread", "iops"): 8000.0,
        ("disk-randread", "latency_p99"): 180.0}  # fmt: skip
LOWER = {"latency_p99"}


def night(
    number: int,
    slowdown: Mapping[str, float],
    facts: Mapping[str, Mapping[str, object]] | None = None,
    kinds: Sequence[Kind] = (NATIVE, KVM),
    workloads: Sequence[Workload] = (CPU,),
    host: str = "lab1",
    native: float = 1.0,
    blocks: int = 8,
    control: bool = False,
) -> Run:
    """The run of a night, `number` days after the first.

    `slowdown` is F by target, 1 where left out; `facts` are fields of the fingerprints by target;
    `native` scales all values of all targets.
    """
    when = FIRST + timedelta(days=number)
    base = {key: value * native for key, value in BASE.items()}
    truth = {kind.name: 1.0 for kind in kinds} | {f"{kinds[0].name}+control": 1.0, **slowdown}
    run = make_run(
        noisy(truth, base, LOWER, seed=number),
        kinds,
        workloads,
        blocks=blocks,
        run=writer.run_id(host, when),
        host=host,
        control=control,
    )
    records = tuple(
        replace(record, fingerprint=_seen(record.fingerprint, (facts or {}).get(name, {})))
        for record in run.manifest.targets
        for name in [record.target.name]
    )
    manifest = replace(run.manifest, created_at=when.isoformat(), targets=records)
    return replace(run, manifest=manifest)


def _seen(fingerprint: Fingerprint, facts: Mapping[str, object]) -> Fingerprint:
    own = {key: value for key, value in facts.items() if key in Fingerprint.__slots__}
    inside = {key: str(value) for key, value in facts.items() if key not in own}
    return replace(fingerprint, **own, inside={**fingerprint.inside, **inside})  # type: ignore[arg-type]


def save(run: Run, results: Path) -> Path:
    """Write a run as its folder under `results`, and return that."""
    with writer.Ledger.create(results / "runs", run.manifest) as file:
        file.record_all(run.trials)
        file.end(run.ended or "complete", run.used_s)
        return file.folder
