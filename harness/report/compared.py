"""The comparison of a candidate against a base: from the folders of their runs to the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.analyze import compare
from harness.analyze.compare import Pairing
from harness.analyze.confounds import confounds
from harness.errors import UseError
from harness.ledger import reader
from harness.ledger.tags import Selection
from harness.model.run import Run, TargetRecord
from harness.report.columns import called
from harness.report.comparison import Comparison, Row, rows
from harness.report.runs import judged_together
from harness.report.runs import rows as rows_of
from harness.validity import Finding

LEVEL = 0.95


def of_selections(base: Selection, candidate: Selection) -> Comparison:
    """Compare what two names stand for. Two targets of the same runs are compared inside their
    blocks; runs that differ by each side's overhead.

    Raises `UseError` where the two are the same, share no host, or a target is in neither.
    """
    old, findings = _read(base.folders)
    new = old
    if candidate.folders != base.folders:
        new, others = _read(candidate.folders)
        findings = (*findings, *others)
    names_old, names_new = ([run.manifest.run for run in side] for side in (old, new))
    same = names_old == names_new
    if same and base.target == candidate.target:
        raise UseError(
            f"{base.name} and {candidate.name} are the same",
            "name two targets of it, as RUN:TARGET, or two different runs or tags",
        )
    if not same and set(names_old) & set(names_new):
        both = sorted(set(names_old) & set(names_new))
        raise UseError(
            f"{base.name} and {candidate.name} share {', '.join(both)}",
            "a run can be on one side only",
        )
    hosts = sorted({_host(run) for run in old} & {_host(run) for run in new})
    if not hosts:
        sides = (", ".join(sorted({_host(run) for run in side})) for side in (old, new))
        raise UseError(
            f"{base.name} and {candidate.name} share no host: {' | '.join(sides)}",
            "overheads of different machines are not compared; name runs of one host",
        )
    made = []
    for host in hosts:
        before, after = ([run for run in side if _host(run) == host] for side in (old, new))
        pairing = _pairing(host, base, candidate, before, after)
        made.append(
            _of_host(host, base.name, candidate.name, before, after, pairing, findings, same)
        )
    notes = [note for each in made for note in each.notes]
    return replace(
        made[0],
        base_runs=tuple(names_old),
        candidate_runs=tuple(names_new),
        rows=tuple(row for each in made for row in each.rows),
        confounds=tuple(confound for each in made for confound in each.confounds),
        labels={name: label for each in made for name, label in each.labels.items()},
        notes=tuple(dict.fromkeys(notes)),
    )


def of_targets(folders: Sequence[Path], base: str, candidates: Sequence[str]) -> Comparison:
    """Compare targets of the same runs of one host, each of `candidates` against `base`."""
    runs, findings = _read(folders)
    pairing = [Pairing(base, each) for each in candidates]
    told = ", ".join(candidates)
    made = _of_host(_host(runs[0]), base, told, runs, runs, pairing, findings, same=True)
    names = tuple(run.manifest.run for run in runs)
    return replace(made, base_runs=names, candidate_runs=names)


def _read(folders: Sequence[Path]) -> tuple[tuple[Run, ...], tuple[Finding, ...]]:
    return judged_together([reader.read_run(folder) for folder in folders])


def _host(run: Run) -> str:
    return run.manifest.host


def _of_host(
    host: str,
    base: str,
    candidate: str,
    old: Sequence[Run],
    new: Sequence[Run],
    pairing: Sequence[Pairing],
    findings: Sequence[Finding],
    same: bool,
) -> Comparison:
    before = rows_of(old).lazy()
    if same:
        frame = compare.same_blocks(before, pairing, LEVEL)
        native = None
    else:
        after = rows_of(new).lazy()
        frame = compare.separate_runs(before, after, pairing, LEVEL)
        native = compare.native_moved(before, after)
    doubted, notes = _doubted(findings, {run.manifest.run for run in (*old, *new)})
    made = tuple(
        replace(row, verdict="suspect") if _is_doubted(row, host, doubted) else row
        for row in rows(frame, LEVEL)
    )
    if not made:
        raise UseError(
            f"{base} and {candidate} share no workload and metric on {host}",
            "compare runs of the same workloads, in the same versions",
        )
    kept = {each.workload for each in made}
    asked = {w.name for run in (*old, *new) for w in run.manifest.workloads}
    if lacking := sorted(asked - kept):
        notes.append(f"Only one side has results in a comparable version: {', '.join(lacking)}.")
    records = [record for run in (*old, *new) for record in run.manifest.targets]
    named = {name for each in pairing for name in (each.base, each.candidate)}
    notes += _notes([record for record in records if record.target.name in named | {host}])
    return Comparison(
        base=base,
        candidate=candidate,
        base_runs=(),
        candidate_runs=(),
        same_blocks=same,
        rows=made,
        confounds=confounds(old, new, pairing),
        native=native,
        labels={
            record.target.name: _label(record) for record in records if record.target.name in named
        },
        notes=tuple(notes),
        level=LEVEL,
    )


def _pairing(
    host: str,
    base: Selection,
    candidate: Selection,
    old: Sequence[Run],
    new: Sequence[Run],
) -> list[Pairing]:
    has = [
        {
            record.target.name
            for run in side
            for record in run.manifest.targets
            if not record.target.native
        }
        for side in (old, new)
    ]
    for side, selection in zip(has, (base, candidate), strict=True):
        if selection.target is not None and selection.target not in side:
            raise UseError(
                f"{selection.name}: there is no target {selection.target} of {host}",
                f"choose from: {', '.join(sorted(side)) or 'none but native'}",
            )
    if base.target is None and candidate.target is None:
        shared = sorted(has[0] & has[1])
        if not shared:
            sides = (", ".join(sorted(side)) or "none" for side in has)
            raise UseError(
                f"{base.name} and {candidate.name} share no target on {host}: {' | '.join(sides)}",
                "name one of each: RUN:TARGET RUN:TARGET",
            )
        return [Pairing(name, name) for name in shared]
    one = base.target or candidate.target or ""
    return [Pairing(base.target or one, candidate.target or one)]


def _doubted(
    findings: Sequence[Finding], runs: set[str]
) -> tuple[set[tuple[str, str | None]], list[str]]:
    """Which cells of `runs` a check doubts, and why."""
    found = [each for each in findings if each.suspect and each.run in runs]
    notes = dict.fromkeys(
        f"{each.target}{f', {each.workload}' if each.workload else ''}: "
        f"{each.outcome} ({each.check}): {each.text}."
        for each in found
    )
    return {(each.target, each.workload) for each in found}, list(notes)


def _is_doubted(row: Row, host: str, doubted: set[tuple[str, str | None]]) -> bool:
    places = {(row.base, row.workload), (row.candidate, row.workload), (host, row.workload)}
    return bool(doubted & {*places, *((target, None) for target, _ in places)})


def _label(record: TargetRecord) -> str:
    seen = record.fingerprint
    release = f"release {seen.release}" if seen.release else ""
    nested = "nested" if seen.nested else ""
    return called(record.target.name, seen.label, str(seen.backend_class), release, nested)


def _notes(records: Sequence[TargetRecord]) -> list[str]:
    """What must be known before any figure is read."""
    texts: dict[str, None] = {}
    for record in records:
        seen = record.fingerprint
        if record.target.native and seen.nested:
            texts["native is itself a guest: both sides are measured on a nested host."] = None
        if seen.backend_class == "emulated":
            texts[
                f"{_label(record)}: the processor is emulated in software; this says nothing of "
                "KVM's performance, nor of any hypervisor with hardware support."
            ] = None
    return list(texts)
