"""Which workload a labelled value is of: its name with the parameters that it was run with.

Whatever differs between two values besides target and block is what was run, unless it is known to
say what the target is. So a grid of parameters is several workloads, and what differs between a
target and native alone is refused (check `arguments`), never compared.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.errors import UseError
from harness.importing.arguments import CHECK

_LONGEST = 110
_OF_TARGET = re.compile(
    r"(?:.*_)?(?:perfkitbenchmarker_version|cloud|zone|region|machine_type|image|vm_count|os_info"
    r"|os_type|kernel_release|kernel_command_line|cpu_arch|cpu_version|num_cpus"
    r"|num_benchmark_cpus|threads_per_core|numa_node_count|dedicated_host|placement_group_style"
    r"|preemptible|boot_disk_\w+|data_disk_\w+|vm_platform|hostname|node|tcp_congestion_control"
    r"|architecture|virtualization|lscpu\w*|meminfo\w*|run_number)"
)
"""Labels that PerfKitBenchmarker itself puts on every sample, to say what the machine is."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value's labels that may say what was run. `parameters` do for certain; of `about` it shows
    by what they differ in. `target` is None for native, `called` what the source calls either;
    `where` is the host."""

    place: str
    where: str
    target: str | None
    block: int
    workload: str
    metric: str
    parameters: Mapping[str, str]
    about: Mapping[str, str]
    called: str


def names(values: Sequence[Value]) -> tuple[list[str], tuple[str, ...]]:
    """The name of each value's workload, and sentences on what was taken to be no part of it.

    UseError where a target's values differ from native's in a label that may say what was run, and
    where a target has no workload in common with native.
    """
    naming = _naming(values)
    found = [
        each.workload + _told({k: v for k, v in each.parameters.items() if k not in naming})
        for each in values
    ]
    split = _splitting(values, found)
    named = [
        name + _told({key: said for key in split[name] if (said := _meant(each, key)) is not None})
        for each, name in zip(values, found, strict=True)
    ]
    notes = _require_native_s(values, named)
    notes += _without_native(values, named)
    return [_short(name) for name in named], tuple(notes)


def _naming(values: Sequence[Value]) -> set[str]:
    """The parameters that are the target's name everywhere, though another label was said to be."""
    keys = {key for each in values for key in each.parameters}
    return {key for key in keys if all(v.parameters.get(key) == v.called for v in values)}


def _told(labels: Mapping[str, str]) -> str:
    """Labels behind a workload's name, as those of a metric are written."""
    return f" ({', '.join(f'{key} {labels[key]}' for key in sorted(labels))})" if labels else ""


def _short(name: str) -> str:
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 10].rstrip()}… {hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _splitting(values: Sequence[Value], found: Sequence[str]) -> dict[str, set[str]]:
    """By workload, the labels that tell several of them apart: those of which a target has two
    values in a block, and those that change with the block without being another name of it."""
    split: dict[str, set[str]] = defaultdict(set)
    for name, group in _grouped(values, found).items():
        for key in sorted({key for each in group for key in each.about}):
            if not _OF_TARGET.fullmatch(key) and (_is_grid(group, key) or _is_sweep(group, key)):
                split[name].add(key)
    return split


def _grouped(values: Sequence[Value], found: Sequence[str]) -> dict[str, list[Value]]:
    groups: dict[str, list[Value]] = defaultdict(list)
    for each, name in zip(values, found, strict=True):
        groups[name].append(each)
    return groups


def _is_grid(group: Sequence[Value], key: str) -> bool:
    seen: dict[tuple[object, ...], str | None] = {}
    for each in group:
        cell = each.where, each.target, each.block, each.metric
        if seen.setdefault(cell, _meant(each, key)) != _meant(each, key):
            return True
    return False


def _is_sweep(group: Sequence[Value], key: str) -> bool:
    """Whether a label is the same on all targets in each block, and the same in some blocks."""
    of_block: dict[tuple[str, int], set[str | None]] = defaultdict(set)
    for each in group:
        of_block[each.where, each.block].add(_meant(each, key))
    if any(len(meant) > 1 for meant in of_block.values()):
        return False
    distinct = {meant for of in of_block.values() for meant in of}
    return 1 < len(distinct) < len({block for _, block in of_block})


def _meant(value: Value, key: str) -> str | None:
    """A label's value without the target's name, which it may repeat (`group: io-kvm`)."""
    said = value.about.get(key)
    if said is None or not re.search(r"[A-Za-z]", value.called):
        return said
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(value.called)}(?![A-Za-z0-9])", "*", said)


def _require_native_s(values: Sequence[Value], named: Sequence[str]) -> list[str]:
    """UseError where a target differs from native in a label; the sentences on those that are
    taken to say what the target is."""
    native: dict[tuple[object, ...], Value] = {}
    for each, name in zip(values, named, strict=True):
        if each.target is None:
            native.setdefault((name, each.where, each.metric, each.block), each)
    taken: dict[str, set[str]] = defaultdict(set)
    for each, name in zip(values, named, strict=True):
        other = native.get((name, each.where, each.metric, each.block))
        if each.target is None or other is None:
            continue
        differing = list(_differing(each, other))
        if of_work := [key for key in differing if not _OF_TARGET.fullmatch(key)]:
            raise _refusal(name, of_work, other, each)
        taken[each.target].update(differing)
    return [
        f"{target}: what differs from native in {', '.join(sorted(keys))} is taken to be the "
        "target, and no part of the work"
        for target, keys in sorted(taken.items())
        if keys
    ]


def _differing(each: Value, native: Value) -> Iterator[str]:
    for key in sorted(each.about.keys() | native.about.keys()):
        if _meant(each, key) != _meant(native, key):
            yield key


def _refusal(name: str, keys: Sequence[str], native: Value, each: Value) -> UseError:
    key, *more = keys
    return UseError(
        f"{CHECK}: {name} is not one workload: its {key} is {native.about.get(key, 'not given')} "
        f"in {native.place} and {each.about.get(key, 'not given')} in {each.place}"
        + (f"; they differ in {', '.join(more)} too" if more else ""),
        "give what was run otherwise another name, or say of a label that it is no part of the "
        f"work: --ignore {key}",
    )


def _without_native(values: Sequence[Value], named: Sequence[str]) -> list[str]:
    """A sentence for each target on the workloads that native did not run. UseError where that is
    all of them, though native ran others."""
    ran: dict[tuple[str, str | None], dict[str, str]] = defaultdict(dict)
    for each, name in zip(values, named, strict=True):
        ran[each.where, each.target].setdefault(name, each.place)
    notes = []
    for (where, target), own in ran.items():
        native = ran.get((where, None), {})
        lone = [name for name in own if name not in native]
        if native and len(lone) == len(own):
            theirs, other = next(iter(native.items()))
            raise UseError(
                f"{CHECK}: {target} ran nothing that native ran: {lone[0]} ({own[lone[0]]}), and "
                f"native {theirs} ({other})",
                "compare what was run with the same parameters; a label that is no part of the "
                "work is passed over with --ignore KEY",
            )
        if native and lone:
            notes.append(f"{target}: no overhead of what native did not run: {', '.join(lone)}")
    return notes
