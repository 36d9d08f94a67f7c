"""The page of a run that lists every trial with the digest of its raw output, and its archive."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import publish
from harness.ledger import MANIFEST
from harness.model import CONTROL, Manifest, Run, Trial, Workload
from harness.publish.charts.draw import ITSELF
from harness.publish.site import names
from harness.publish.site.evidence import Evidence
from harness.publish.site.pages import Pages
from harness.publish.site.record import Night
from harness.publish.site.views import Trials

_TIME = (1980, 1, 1, 0, 0, 0)
"""The time of every file in an archive: the oldest that a ZIP can say, so that it says nothing."""


@dataclass(frozen=True, slots=True)
class _Line:
    """A trial: how it ended and why, its values, and the address (None: not to be reached) and
    the sha256 of what its program printed."""

    block: int
    ended: str
    values: tuple[str, ...]
    trial: str
    href: str | None
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


def write(pages: Pages, night: Night, run: Run, evidence: Evidence, folder: Path) -> None:
    """Write the page of the trials of `run`, and its archive, into the site."""
    pages.write(
        names.trials_page(night.name),
        "trials.html",
        night=night,
        evidence=evidence,
        workloads=[
            (workload, list(_arms(place, workload, night, run, evidence)))
            for place, workload in enumerate(run.manifest.workloads)
        ],
    )
    pages.put(names.archive(night.name), _archive(night, folder))


def _anchor(workload: int, target: int) -> str:
    return f"w{workload}t{target}"


def _arms(
    place: int, workload: Workload, night: Night, run: Run, evidence: Evidence
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
    return _Line(
        block=trial.block,
        ended=f"{trial.status}: {trial.reason}" if trial.reason else str(trial.status),
        values=tuple(values.get(metric.name, "–") for metric in workload.metrics),
        trial=trial.id,
        href=evidence.link(trial.raw),
        digest=(trial.raw_sha256 or "–").rpartition(":")[2],
    )


def _archive(night: Night, folder: Path) -> bytes:
    """Manifest, byte for byte, and table of a run, the same bytes for the same run."""
    held = {
        MANIFEST: (folder / MANIFEST).read_bytes(),
        "table.csv": publish.render(night.table, "csv").encode(),
        "table.json": publish.render(night.table, "json").encode(),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name, data in held.items():
            info = zipfile.ZipInfo(f"{names.slug(night.name)}/{name}", _TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            packed.writestr(info, data, compresslevel=9)
    return out.getvalue()
