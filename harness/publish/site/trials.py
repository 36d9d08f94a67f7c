"""The page of a run that lists every trial with the digest of its raw output, and its manifest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.ledger.folders import MANIFEST, RAW
from harness.model.plan import CONTROL
from harness.model.run import Manifest, Run
from harness.model.trial import Trial
from harness.model.workload import Workload
from harness.publish.charts.style import ITSELF
from harness.publish.site import urls
from harness.publish.site.pages import Pages
from harness.publish.site.raw_links import Evidence
from harness.publish.site.run import RunPage
from harness.publish.site.views import Trials
from harness.publish.site.zip import packed


@dataclass(frozen=True, slots=True)
class _Line:
    """A trial: why it did not end well ("": it did), its values, and of what its program printed
    the address (None: not to be reached) and the sha256. `plain` tells whether the address follows
    from the trial's name."""

    block: int
    trouble: str
    values: tuple[str, ...]
    trial: str
    href: str | None
    plain: bool
    digest: str


@dataclass(frozen=True, slots=True)
class _Arm:
    """The trials of a workload on a target."""

    anchor: str
    header: str
    lines: tuple[_Line, ...]


def addresses(manifest: Manifest, page: str) -> Trials:
    """Where in `page` the trials of a workload on a target are listed."""
    workloads = {each.name: place for place, each in enumerate(manifest.workloads)}
    targets = {each.target.name: place for place, each in enumerate(manifest.targets)}

    def of(workload: str, target: str) -> str | None:
        if workload not in workloads or target not in targets:
            return None
        return f"{page}#{_anchor(workloads[workload], targets[target])}"

    return of


def write(
    pages: Pages, night: RunPage, run: Run, evidence: Evidence, folder: Path, linked: bool
) -> None:
    """Write the page of the trials of `run`, and its manifest, packed, into the site.

    `linked` has a link to every output in the page itself; otherwise the page's script makes them
    of the outputs' names, which takes half the room.
    """
    pages.write(
        urls.trials_page(night.name),
        "trials.html",
        night=night,
        evidence=evidence,
        linked=linked,
        raw=None if evidence.base is None else f"{evidence.base}{RAW}/",
        workloads=[
            (workload, list(_arms(place, workload, night, run, evidence)))
            for place, workload in enumerate(run.manifest.workloads)
        ],
    )
    manifest = {f"{urls.slug(night.name)}/{MANIFEST}": (folder / MANIFEST).read_bytes()}
    pages.put(urls.archive(night.name), packed(manifest))


def _anchor(workload: int, target: int) -> str:
    return f"w{workload}t{target}"


def _arms(
    place: int, workload: Workload, night: RunPage, run: Run, evidence: Evidence
) -> Iterator[_Arm]:
    headers = {column.target: column.header for column in night.section.columns}
    of: dict[str, list[Trial]] = {}
    for trial in run.trials:
        if trial.workload == workload.name:
            of.setdefault(trial.arm, []).append(trial)
    for number, record in enumerate(run.manifest.targets):
        name = record.target.name
        for arm in (name, f"{name}{CONTROL}"):
            if arm in of:
                yield _Arm(
                    _anchor(place, number) if arm == name else "",
                    headers.get(name, name) if arm == name else ITSELF,
                    tuple(_line(trial, workload, evidence) for trial in of[arm]),
                )


def _line(trial: Trial, workload: Workload, evidence: Evidence) -> _Line:
    values = {sample.metric: f"{sample.value:.6g}" for sample in trial.samples}
    ended = str(trial.status)
    href = evidence.link(trial.raw)
    return _Line(
        block=trial.block,
        trouble="" if ended == "ok" else f"{ended}: {trial.reason or 'no reason is recorded'}",
        values=tuple(values.get(metric.name, "–") for metric in workload.metrics),
        trial=trial.id,
        href=href,
        plain=href is not None and trial.raw == f"{RAW}/{trial.id}.out.zst",
        digest=(trial.raw_sha256 or "–").rpartition(":")[2],
    )
