"""Targets of unequal size: another number of vCPUs, other CPUs, another amount of memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.analyze.validity import About, Finding, Outcome
from harness.model import Fingerprint, Size, Target, Trial

LIVE = False
MEMORY_KEPT = 0.25
"""The share of its memory that a guest's kernel may keep to itself before it counts as missing."""


def findings(trials: Sequence[Trial], about: About) -> Iterator[Finding]:  # noqa: ARG001
    """Refused where a target is not of the size declared for it, or it is declared of another
    size than native."""
    for record in about.targets:
        yield from objections(record.target, record.fingerprint)
        base = about.native.target.size if about.native else record.target.size
        for text, figures in _unlike(record.target.size, base):
            yield _finding(record.target, text, figures)


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
    pinned = seen.outside.get("cpus", seen.inside.get("cpus_allowed") if target.native else None)
    if pinned is not None and set(_numbers(pinned)) != set(size.cpus):
        declared = ",".join(map(str, size.cpus))
        yield _finding(
            target,
            f"it may run on the host's CPUs {pinned}, declared are {declared}",
            {"cpus": pinned, "declared_cpus": declared},
        )


def _unlike(mine: Size, base: Size) -> Iterator[tuple[str, dict[str, float | str | None]]]:
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


def _numbers(text: str) -> Iterator[int]:
    """The CPU numbers of a list as the kernel writes it: `0-2,5`."""
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        yield from range(int(first), int(last or first) + 1)


def _finding(target: Target, text: str, figures: dict[str, float | str | None]) -> Finding:
    return Finding(
        check="size",
        outcome=Outcome.REFUSED,
        target=target.name,
        text=text,
        figures=figures,
        suspect=True,
    )
