"""What differs between two sets of runs besides what is compared: each may be the cause instead.

All of it is told; nothing is refused, for the reader must know it and the figures stay what they
are. Runs that would be pooled are held to more (`harness.analyze.comparable`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from harness.analyze.compare import Pairing
from harness.model.run import Run, TargetRecord

_UNKNOWN = "not observable"
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Confound:
    """`what` of `where` was `base` on the one side and `candidate` on the other; several values of
    one side stand with commas."""

    where: str
    what: str
    base: str
    candidate: str


def confounds(
    base: Sequence[Run], candidate: Sequence[Run], pairing: Sequence[Pairing]
) -> tuple[Confound, ...]:
    """What two sets of runs of one host differ in: the runs, native, and each pair of targets."""
    found = list(_differing("the run", _of_runs(base), _of_runs(candidate)))
    native = base[0].manifest.host
    for each in (Pairing(native, native), *pairing):
        old = [record for run in base if (record := _record(run, each.base)) is not None]
        new = [record for run in candidate if (record := _record(run, each.candidate)) is not None]
        where = each.base if each.base == each.candidate else f"{each.base} | {each.candidate}"
        found += _differing(where, _of_records(old), _of_records(new))
    return tuple(found)


def between(records: Sequence[TargetRecord], others: Sequence[TargetRecord]) -> tuple[str, ...]:
    """The names of what two sets of records of a target differ in."""
    return tuple(each.what for each in _differing("", _of_records(records), _of_records(others)))


def _record(run: Run, target: str) -> TargetRecord | None:
    return next((each for each in run.manifest.targets if each.target.name == target), None)


def _of_runs(runs: Sequence[Run]) -> dict[str, set[str]]:
    seen: dict[str, set[str]] = {}
    for run in runs:
        manifest = run.manifest
        for what, value in (
            ("programs (bundle)", manifest.bundle),
            ("baremark", manifest.baremark),
            ("preset", manifest.preset),
            ("imported", "no" if manifest.imported is None else "yes"),
        ):
            seen.setdefault(what, set()).add(value)
        for workload in manifest.workloads:
            said = f"version {workload.version}"
            if (seconds := manifest.plan.seconds.get(workload.name)) is not None:
                said += f", {seconds:g} s a trial"
            seen.setdefault(f"workload {workload.name}", set()).add(said)
    return seen


def _of_records(records: Sequence[TargetRecord]) -> dict[str, set[str]]:
    seen: dict[str, set[str]] = {}
    for record in records:
        size, print_ = record.target.size, record.fingerprint
        facts: dict[str, object] = {
            "label": print_.label,
            "hypervisor's release": print_.release,
            "accelerator": print_.accelerator,
            "kernel": print_.kernel,
            "CPU model": print_.cpu_model,
            "microcode": print_.inside.get("microcode"),
            "nested": print_.nested,
            "clock source": print_.clocksource,
            "size": f"{size.vcpus} vCPUs on {','.join(map(str, size.cpus))}, "
            f"{size.memory_mib} MiB, {size.disk_gib} GiB",
        }
        facts |= {name.replace("_", " "): value for name, value in asdict(print_.settings).items()}
        for what, value in facts.items():
            seen.setdefault(what, set()).add(_text(value))
    return seen


def _text(value: object) -> str:
    if value is None:
        return _UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "; ".join(f"{key}: {value[key]}" for key in sorted(value))
    if isinstance(value, tuple | list):
        return ",".join(map(str, value))
    return str(value)


def _differing(
    where: str, base: dict[str, set[str]], candidate: dict[str, set[str]]
) -> Iterator[Confound]:
    """What both sides know and does not agree, or only one of them could observe."""
    for what in [key for key in base if key in candidate]:
        if base[what] != candidate[what]:
            yield Confound(where, what, *map(_joined, _shown(base[what], candidate[what])))


def _shown(base: set[str], candidate: set[str]) -> tuple[list[str], list[str]]:
    """Of long lists of facts only the parts that differ."""
    if len(base) == len(candidate) == 1:
        old, new = (next(iter(side)).split("; ") for side in (base, candidate))
        if len(old) > 1 or len(new) > 1:
            return (
                ["; ".join(part for part in old if part not in new) or "–"],
                ["; ".join(part for part in new if part not in old) or "–"],
            )
    return sorted(base), sorted(candidate)


def _joined(values: Sequence[str]) -> str:
    text = ", ".join(values)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
