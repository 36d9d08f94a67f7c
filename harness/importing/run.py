"""From the trials that a source tells to runs: one a host, each put in its place as a whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from harness import __version__, backends
from harness.backends import names
from harness.errors import HarnessError, UseError
from harness.importing import (
    Content,
    Declared,
    ImportedTrial,
    Source,
    arguments,
    outputs,
    perfkit,
    programs,
    pytest_benchmark,
    table,
)
from harness.ledger import folders, writer
from harness.ledger.reader import read_manifest
from harness.ledger.writer import Ledger
from harness.model.fingerprint import Fingerprint
from harness.model.plan import SCENARIO_OVERHEAD, Plan
from harness.model.run import Imported, Manifest, TargetRecord
from harness.model.target import NATIVE_BACKEND, BackendClass, Size, Target
from harness.model.trial import Trial, TrialStatus
from harness.model.workload import Metric, Resource, Workload

ENDED = "imported"

_NO_SIZE = Size(0, 0, 0, ())


HARNESSES: Mapping[str, Callable[[Path, Source], Content]] = {
    "perfkit": perfkit.read,
    "pytest-benchmark": pytest_benchmark.read,
}
"""Other harnesses whose files are read, by the name that `--tool` has for them."""


def read(source: Path, request: Source) -> Content:
    """What `source` holds: a folder of outputs, another harness's file, or a table. UseError where
    it cannot be read."""
    content = _content(source, request)
    return replace(content, notes=(*content.notes, *_single_values(content.trials)))


def _single_values(trials: Sequence[ImportedTrial]) -> list[str]:
    """A sentence for each host of which every cell has one value, as others publish them."""
    blocks: dict[str, set[int]] = {}
    for trial in trials:
        blocks.setdefault(trial.host, set()).add(trial.block)
    return [
        f"{host}: single values, one of each cell: how much they vary is not known, so there is no "
        "interval and no test"
        for host, of in sorted(blocks.items())
        if len(of) == 1
    ]


def _content(source: Path, request: Source) -> Content:
    reader = HARNESSES.get(request.tool or "")
    if reader is not None and not source.is_dir():
        return reader(source, request)
    for option, given in (
        ("--target-label", request.target_label),
        ("--block-label", request.block_label),
        ("--better", request.better),
    ):
        if given:
            raise UseError(
                f"{option} is for the files of other harnesses",
                "leave it out, or name whose file it is: --tool " + ", ".join(HARNESSES),
            )
    if source.is_dir():
        return outputs.read(source, request)
    for option, needless in (
        ("--tool", request.tool is not None),
        ("--host", request.host is not None),
        ("--ignore", bool(request.passed)),
    ):
        if needless:
            raise UseError(f"{option} is for folders; {source} is none", "leave it out")
    if request.backends:
        raise UseError(f"--backend is for folders; {source} is none", "it has a column for it")
    return table.read(source, request)


def save(content: Content, request: Source, results: Path) -> list[Path]:
    """Write the runs of `content` under `<results>/runs`; return their folders, by host.

    All or nothing: each folder is made aside and renamed once all are whole. UseError where the
    trials do not make runs, or the source is there already; HarnessError where nothing can be
    written.
    """
    runs = results / "runs"
    source = Imported(
        content.name + _without(request.passed) + _unread(content.differing), content.sha256
    )
    _refuse_again(runs, source)
    hosts = sorted({trial.host for trial in content.trials})
    made = [
        _run([t for t in content.trials if t.host == host], host, source, request) for host in hosts
    ]
    try:
        runs.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=".importing-", dir=runs))
    except OSError as error:
        raise _cannot_write(runs, error) from None
    try:
        for manifest, trials in made:
            _write(aside, manifest, trials)
        for manifest, _ in made:
            (aside / manifest.run).rename(runs / manifest.run)
    except OSError as error:
        raise _cannot_write(runs, error) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return [runs / manifest.run for manifest, _ in made]


def _unread(differing: Sequence[str]) -> str:
    """The same of columns that were not read, in which native and a target differ."""
    return f" (not read, though it differs: {', '.join(sorted(differing))})" if differing else ""


def _without(passed: Sequence[str]) -> str:
    """What the table says behind the source's name of the labels and options that were passed
    over: whoever reads it must know."""
    return f" (without regard to {', '.join(sorted(passed))})" if passed else ""


def _cannot_write(runs: Path, error: OSError) -> HarnessError:
    return HarnessError(
        f"cannot write to {runs}: {error.strerror or error}",
        "make room or make it writable, or choose another folder with --results",
    )


def _refuse_again(runs: Path, source: Imported) -> None:
    """The same values twice would count as twice as many blocks wherever runs are pooled."""
    for folder in folders.runs_in(runs):
        there = read_manifest(folder).imported
        if there is not None and there.sha256 == source.sha256:
            raise UseError(
                f"{source.name} was imported before, as {folder}",
                f"baremark table {folder.name} shows it; remove that folder to import it anew",
            )


def _run(
    found: Sequence[ImportedTrial], host: str, source: Imported, request: Source
) -> tuple[Manifest, list[tuple[Trial, ImportedTrial]]]:
    _check(found, host, source, request)
    workloads = _workloads(found, request)
    arguments.require_native_s(found, request.passed)
    stated = programs.by_target(found, request.accepted)
    targets = {trial.target: trial.backend for trial in found}
    said = {trial.target: trial.declared for trial in found}
    now = datetime.now(UTC)
    manifest = Manifest(
        schema=writer.SCHEMA,
        run=writer.run_id(host, now),
        created_at=now.isoformat(timespec="seconds"),
        baremark=__version__,
        scenario=SCENARIO_OVERHEAD,
        host=host,
        preset="",
        seed=0,
        plan=Plan(SCENARIO_OVERHEAD, host, "", 0, (), {}, ""),
        planned_s=0.0,
        bundle="",
        targets=tuple(
            TargetRecord(
                Target(target or host, backend if target else NATIVE_BACKEND, host, _NO_SIZE),
                _fingerprint(target, backend, said[target], request),
                stated.get(target, {}),
            )
            for target, backend in sorted(targets.items(), key=lambda t: (t[0] is not None, t))
        ),
        missing=(),
        workloads=workloads,
        accepted=request.accepted,
        imported=source,
    )
    return manifest, [
        (_trial(each, host, f"{number:06}"), each) for number, each in enumerate(found)
    ]


def _check(found: Sequence[ImportedTrial], host: str, source: Imported, request: Source) -> None:
    if not any(trial.target is None and not trial.control for trial in found):
        there = sorted({trial.backend for trial in found})
        raise UseError(
            f"{source.name}: host {host} has nothing of native, only of: {', '.join(there)}",
            f"overhead is measured against native, called {request.native!r} here (--native)",
        )
    for trial in found:
        if trial.target == host:
            raise UseError(
                f"{trial.place}: the target {host} is called as its host, which is native's name",
                "call it otherwise, or native with --native",
            )


def _workloads(found: Sequence[ImportedTrial], request: Source) -> tuple[Workload, ...]:
    """The workloads in the order in which they occur, each with its metrics in theirs."""
    metrics: dict[str, dict[str, Metric]] = {}
    resources: dict[str, Resource] = {}
    tools: dict[str, str] = {}
    for trial in found:
        of = metrics.setdefault(trial.workload, {})
        for sample in trial.samples:
            of.setdefault(sample.metric, Metric(sample.metric, sample.unit, sample.better))
        tools.setdefault(trial.workload, trial.tool)
        resource = request.resources.get(trial.workload) or trial.resource
        if resource or "" in request.resources:
            resources.setdefault(trial.workload, resource or request.resources[""])
    for name in metrics:
        if name not in resources:
            raise UseError(
                f"what {name} stresses is not known",
                f"--resource {name}={'|'.join(Resource)}, once for each workload, or a column "
                "`resource` in the table",
            )
    return tuple(
        Workload(name, name, 1, resources[name], tools[name], (), tuple(of.values()))
        for name, of in metrics.items()
        if of
    )


def _fingerprint(target: str | None, backend: str, said: Declared, request: Source) -> Fingerprint:
    """The class and label that were declared; nothing was observed."""
    kind, label = said.backend_class or _class(backend, request), said.label or backend
    if target is None:
        kind, label = said.backend_class or BackendClass.NATIVE, said.label or "native"
    return Fingerprint(
        backend=NATIVE_BACKEND if target is None else backend,
        backend_class=kind,
        label=label,
        nested=said.nested,
        release=None,
        accelerator=None,
        kernel=None,
        cpu_model=None,
        vcpus=None,
        memory_mib=None,
        clocksource=None,
    )


def _class(backend: str, request: Source) -> BackendClass:
    if backend == request.native:
        return BackendClass.NATIVE
    said = request.classes.get(backend)
    known = backends.load(backend).CLASS if backend in names() else None
    if known is BackendClass.NATIVE or said is BackendClass.NATIVE:
        raise UseError(
            f"{backend} is native, and native is called {request.native!r} here",
            f"--native {backend}, or another name or class for it",
        )
    if said and known and said not in {known, BackendClass.EMULATED}:
        raise UseError(
            f"--class {backend}={said}: it is {known}", f"leave it out, or {backend}=emulated"
        )
    kind = said or known
    if kind is None:
        others = [each for each in BackendClass if each is not BackendClass.NATIVE]
        raise UseError(
            f"there is no backend {backend!r}, so its class is not known",
            f"--class {backend}={'|'.join(others)}; known are: {', '.join(names())}",
        )
    return kind


def _trial(found: ImportedTrial, host: str, name: str) -> Trial:
    return Trial(
        id=name,
        scenario=SCENARIO_OVERHEAD,
        host=host,
        block=found.block,
        position=0,
        workload=found.workload,
        target=found.target or host,
        status=TrialStatus.OK if found.samples else TrialStatus.FAILED,
        started_at="",
        controller_s=None,
        guest_s=None,
        exit_status=None,
        samples=found.samples,
        raw=None,
        raw_sha256=None,
        reason=found.reason,
        control=found.control,
    )


def _write(aside: Path, manifest: Manifest, trials: Sequence[tuple[Trial, ImportedTrial]]) -> None:
    with Ledger.create(aside, manifest) as record:
        whole = []
        for trial, found in trials:
            if found.output is not None:
                raw, digest = record.keep_raw(trial.id, found.output.stdout, found.output.stderr)
                trial = replace(trial, raw=raw, raw_sha256=digest)
            whole.append(trial)
        record.record_all(whole)
        record.end(ENDED, None)
