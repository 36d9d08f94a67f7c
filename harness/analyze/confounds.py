"""What differs between two sets of runs besides what is compared: each may be the cause instead.

All of it is told; nothing is refused, for the reader must know it and the figures stay what they
are. Runs that would be pooled are held to more (`harness.analyze.comparable`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from harness.analyze.compare import Pairing
from harness.model.facts import FACTS, UNKNOWN, Fact, Value, differing_parts, text
from harness.model.run import Run, TargetRecord
from harness.text import shortened

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
        told = {(known.what, known.base, known.candidate) for known in found}
        # A container runs on native's own kernel: what changed alike is not said twice.
        found += (
            each
            for each in _of_records(where, old, new)
            if (each.what, each.base, each.candidate) not in told
        )
    return tuple(found)


def _record(run: Run, target: str) -> TargetRecord | None:
    return next((each for each in run.manifest.targets if each.target.name == target), None)


def _of_runs(runs: Sequence[Run]) -> dict[str, list[str]]:
    seen: dict[str, list[str]] = {}
    for run in runs:
        manifest = run.manifest
        told = {
            "programs (bundle)": manifest.bundle,
            "baremark": manifest.baremark,
            "preset": manifest.preset,
            "imported": "no" if manifest.imported is None else "yes",
        }
        for workload in manifest.workloads:
            said = f"version {workload.version}"
            if (seconds := manifest.plan.seconds.get(workload.name)) is not None:
                said += f", {seconds:g} s a trial"
            told[f"workload {workload.name}"] = said
        for what, value in told.items():
            seen.setdefault(what, []).append(value)
    return seen


def _of_records(
    where: str, base: Sequence[TargetRecord], candidate: Sequence[TargetRecord]
) -> Iterator[Confound]:
    """The facts in which two sets of records of a target differ, or that only one of them
    tells."""
    if not base or not candidate:
        return
    for fact in FACTS:
        old = [fact.of(record) for record in base]
        new = [fact.of(record) for record in candidate]
        if not _alike(fact, old, new):
            yield _confound(where, fact.title, map(text, old), map(text, new))


def _alike(fact: Fact, old: Sequence[Value | None], new: Sequence[Value | None]) -> bool:
    return all(any(fact.same(one, other) for other in new) for one in old) and all(
        any(fact.same(one, other) for one in old) for other in new
    )


def _differing(
    where: str, base: dict[str, list[str]], candidate: dict[str, list[str]]
) -> Iterator[Confound]:
    """What both sides tell and does not agree."""
    for what in [key for key in base if key in candidate]:
        if {*base[what]} != {*candidate[what]}:
            yield _confound(where, what, base[what], candidate[what])


def _confound(where: str, what: str, base: Iterable[str], candidate: Iterable[str]) -> Confound:
    """Of long lists of facts only the parts that differ."""
    old, new = sorted({*base}), sorted({*candidate})
    if len(old) == len(new) == 1 and UNKNOWN not in (old[0], new[0]):
        old[0], new[0] = differing_parts(old[0], new[0])
    return Confound(where, what, _joined(old), _joined(new))


def _joined(values: Sequence[str]) -> str:
    return shortened(", ".join(values), _LONGEST)
