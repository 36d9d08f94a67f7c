"""Targets of unequal size: another number of vCPUs, other CPUs, another amount of memory, memory of
other NUMA nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model.cpus import numbers
from harness.model.fingerprint import Fingerprint
from harness.model.run import TargetRecord
from harness.model.target import BackendClass, Size, Target
from harness.model.trial import Trial
from harness.validity import About, Figures, Finding, Outcome

LIVE = False
UNSEEN = "neither it nor its host tells of its size"
MEMORY_KEPT = 0.25
"""The share of its memory that a guest's kernel may keep to itself before it counts as missing."""


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:
    """Refused where a target is not of the size declared for it, or it is declared of another
    size than native, or takes its memory from other nodes. Flagged where native may use more
    memory, and where a guest shows another number of nodes."""
    native = about.native
    for record in about.targets:
        yield from objections(record.target, record.fingerprint)
        base = native.target.size if native else record.target.size
        for text, figures in _unlike(record.target.size, base):
            yield _finding(record.target, text, figures)
        if native is not None and not record.target.native:
            yield from _more_memory(record, native)
            yield from _nodes(record, native)


def objections(target: Target, seen: Fingerprint) -> Iterator[Finding]:
    """What a target is found to have against what was declared for it."""
    size = target.size
    if seen.vcpus is not None and seen.vcpus != size.vcpus:
        yield _finding(
            target,
            f"it has {seen.vcpus} vCPUs, declared are {size.vcpus}",
            {"vcpus": float(seen.vcpus), "declared_vcpus": float(size.vcpus)},
        )
    if seen.memory_mib is not None and seen.memory_mib < (1 - MEMORY_KEPT) * size.memory_mib:
        yield _finding(
            target,
            f"it sees {seen.memory_mib} MiB, declared are {size.memory_mib}",
            {"memory_mib": float(seen.memory_mib), "declared_memory_mib": float(size.memory_mib)},
        )
    given = seen.outside.get("memory_mib")
    if given is not None and given != str(size.memory_mib):
        yield _finding(
            target,
            f"it is given {given} MiB, declared are {size.memory_mib}",
            {"given_memory_mib": given, "declared_memory_mib": float(size.memory_mib)},
        )
    pinned = _pinned(target, seen)
    cpus = numbers(pinned)
    if cpus is not None and set(cpus) != set(size.cpus):
        declared = ",".join(map(str, size.cpus))
        yield _finding(
            target,
            f"it may run on the host's CPUs {pinned}, declared are {declared}",
            {"cpus": pinned, "declared_cpus": declared},
        )


def figures(
    trials: Sequence[Trial],
    record: TargetRecord,
    about: About,
) -> Figures | None:
    seen = record.fingerprint
    pinned = _pinned(record.target, seen)
    nodes = seen.settings.memory_nodes
    return {
        "vcpus": None if seen.vcpus is None else float(seen.vcpus),
        "memory_mib": None if seen.memory_mib is None else float(seen.memory_mib),
        "cpus": pinned if numbers(pinned) is not None else None,
        "memory_nodes": None if nodes is None else ",".join(map(str, nodes)),
    }


def _pinned(target: Target, seen: Fingerprint) -> str | None:
    """The host's CPUs that a target may run on, as its host says, or native itself."""
    return seen.outside.get("cpus", seen.inside.get("cpus_allowed") if target.native else None)


def _unlike(mine: Size, base: Size) -> Iterator[tuple[str, Figures]]:
    for name, unit in (("vcpus", "vCPUs"), ("memory_mib", "MiB of memory")):
        ours, theirs = getattr(mine, name), getattr(base, name)
        if ours != theirs:
            yield (
                f"it is declared with {ours} {unit}, native with {theirs}",
                {name: float(ours), f"native_{name}": float(theirs)},
            )
    if set(mine.cpus) != set(base.cpus):
        ours, theirs = (",".join(map(str, each.cpus)) for each in (mine, base))
        yield (
            f"it is declared on the host's CPUs {ours}, native on {theirs}",
            {"cpus": ours, "native_cpus": theirs},
        )


def _more_memory(record: TargetRecord, native: TargetRecord) -> Iterator[Finding]:
    """Native with more memory has a larger page cache, which no guest of the declared size has.
    What a guest's kernel keeps to itself is no difference."""
    ours, theirs = record.fingerprint.memory_mib, native.fingerprint.memory_mib
    if ours is None or theirs is None or ours >= (1 - MEMORY_KEPT) * theirs:
        return
    yield _finding(
        record.target,
        f"it may use {ours} MiB of memory, native {theirs}",
        {"memory_mib": float(ours), "native_memory_mib": float(theirs)},
        Outcome.FLAGGED,
    )


def _nodes(record: TargetRecord, native: TargetRecord) -> Iterator[Finding]:
    """Memory of other NUMA nodes than native's: another distance to each CPU."""
    mine, base = record.fingerprint.settings, native.fingerprint.settings.memory_nodes
    if base is None:
        return
    if record.fingerprint.backend_class in {BackendClass.NATIVE, BackendClass.OS}:
        # It names the nodes of the host, as native does.
        if mine.memory_nodes is not None and mine.memory_nodes != base:
            ours, theirs = (",".join(map(str, each)) for each in (mine.memory_nodes, base))
            yield _finding(
                record.target,
                f"it takes memory from the NUMA nodes {ours}, native from {theirs}",
                {"memory_nodes": ours, "native_memory_nodes": theirs},
            )
    elif mine.numa_nodes is not None and len(mine.numa_nodes) != len(base):
        yield _finding(
            record.target,
            f"it shows {len(mine.numa_nodes)} NUMA nodes, native takes memory from {len(base)}",
            {"numa_nodes": float(len(mine.numa_nodes)), "native_memory_nodes": float(len(base))},
            Outcome.FLAGGED,
        )


def _finding(
    target: Target, text: str, figures: Figures, outcome: Outcome = Outcome.REFUSED
) -> Finding:
    return Finding(
        check="size",
        outcome=outcome,
        target=target.name,
        text=text,
        figures=figures,
        suspect=outcome is Outcome.REFUSED,
    )
