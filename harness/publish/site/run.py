"""What a site knows of each run: read once, and kept without its trials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from harness.errors import HarnessError
from harness.ledger.folders import MANIFEST
from harness.model.run import Manifest
from harness.publish.charts.blocks import Distribution
from harness.publish.charts.draw import distributions
from harness.report.runs import Analysis, read
from harness.report.table import RunFacts, Section, Table

Place = tuple[str, str]
"""Host and scenario."""


@dataclass(frozen=True, slots=True)
class RunPage:
    """A run with its table. `manifest` is without the blocks of its plan, `frame` the overhead
    frame with its text as text, `distributions` the slowdown of every block, `not_ok` the trials
    that did not end well."""

    manifest: Manifest
    table: Table
    frame: pl.DataFrame
    distributions: tuple[Distribution, ...]
    not_ok: int

    @property
    def name(self) -> str:
        return self.manifest.run

    @property
    def section(self) -> Section:
        return self.table.sections[0]

    @property
    def facts(self) -> RunFacts:
        return self.table.runs[0]

    @property
    def started(self) -> datetime:
        return datetime.fromisoformat(self.manifest.created_at).astimezone(UTC)

    @property
    def place(self) -> Place:
        return self.section.host, self.section.scenario

    @property
    def blocks(self) -> int:
        """The most blocks that any target gave a pair in."""
        return max(
            (f.n for g in self.section.groups for row in g.rows for f in row.figures), default=0
        )


@dataclass(frozen=True, slots=True)
class Unread:
    """A run that could not be read, and why."""

    name: str
    message: str


def folders(runs: Path) -> list[Path]:
    """Every folder under `runs` that is or should be a run, sorted by name."""
    if not runs.is_dir():
        return []
    return sorted(each for each in runs.iterdir() if each.is_dir() and each.name[0] != ".")


def reading_of(folder: Path) -> Analysis | Unread:
    """The run in `folder`, or why it has no place in a site."""
    if not (folder / MANIFEST).is_file():
        return Unread(folder.name, f"it has no {MANIFEST}: it was copied in part, or is no run")
    try:
        reading = read([folder])
    except HarnessError as error:
        return Unread(folder.name, error.message.replace(f"{folder}/", ""))
    if reading.runs[0].manifest.run != folder.name:
        said = reading.runs[0].manifest.run
        return Unread(folder.name, f"its manifest is that of run {said}")
    return reading


def night_of(reading: Analysis) -> RunPage:
    """What is kept of a run."""
    (run,) = reading.runs
    plan = replace(run.manifest.plan, blocks=())
    return RunPage(
        manifest=replace(run.manifest, plan=plan),
        table=reading.table,
        frame=reading.frame.with_columns(pl.col(pl.Categorical).cast(pl.String)),
        distributions=tuple(distributions(reading, reading.table.sections[0])),
        not_ok=sum(trial.status != "ok" for trial in run.trials),
    )


def newest(nights: Iterable[RunPage]) -> list[RunPage]:
    """The newest run of each host and scenario, by these. One that only compared releases, as a
    night does to confirm a shift, is not what such a machine costs, unless there is no other."""
    found: dict[Place, RunPage] = {}
    for night in sorted(nights, key=lambda n: (not n.manifest.releases, n.started, n.name)):
        found[night.place] = night
    return [found[place] for place in sorted(found)]


def of_workload(night: RunPage, workload: str) -> Iterator[Distribution]:
    return (each for each in night.distributions if each.workload == workload)
