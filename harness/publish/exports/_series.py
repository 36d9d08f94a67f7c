"""The values behind a figure of the table, one a block, with all that labels them.

A block is the independent unit: repeats inside one are averaged here as they are for the table, so
that whoever reads an export counts what the table counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.model.plan import CONTROL
from harness.model.run import Run
from harness.model.trial import Trial, TrialStatus
from harness.report.table import Column, Figure, Group, Row, Section, Table


@dataclass(frozen=True, slots=True)
class Value:
    """What a target gave in one block, in the metric's unit. `trial` is the first that was made
    for it, `started_at` when that began (ISO 8601; "" where nobody knows)."""

    run: str
    block: int
    value: float
    trial: str
    started_at: str


@dataclass(frozen=True, slots=True)
class MetricSeries:
    """A metric of a workload on one target. `figure` is what the table says of it, None for
    native's second trial in each block (`control`), which has no place there."""

    section: Section
    group: Group
    row: Row
    column: Column
    control: bool
    figure: Figure | None
    values: tuple[Value, ...]

    @property
    def header(self) -> str:
        """The target's name with its labels, as tables have it."""
        return f"{self.column.header}{CONTROL if self.control else ''}"

    @property
    def target(self) -> str:
        return f"{self.column.target}{CONTROL if self.control else ''}"

    def labels(self) -> dict[str, str]:
        """What must be known of each value, by name; what was not observed is left out."""
        column = self.column
        found = {
            "host": self.section.host,
            "scenario": self.section.scenario,
            "target": column.target,
            "header": self.header,
            "backend": column.backend,
            "class": column.backend_class,
            "label": column.label,
            "native": _truth(column.native),
            "imported": _truth(column.imported),
            "control": _truth(self.control),
            "resource": self.group.resource,
            "workload_version": str(self.row.workload_version),
            "better": self.row.better,
        }
        if column.nested is not None:
            found["nested"] = _truth(column.nested)
        accepted = sorted(
            {f.check for f in self.section.checks if f.accepted and f.target == column.target}
        )
        if accepted:
            found["accepted"] = ",".join(accepted)
        return found


def of_table(table: Table, runs: Sequence[Run]) -> Iterator[MetricSeries]:
    """Every series that has a value, in the order of the table; native's second trials follow
    native's first. `runs` are those that `table` was made of."""
    made = {run.manifest.run: _by_cell(run) for run in runs}
    in_order = sorted(runs, key=lambda run: run.manifest.run)
    for section in table.sections:
        of_section = [
            run
            for run in in_order
            if (run.manifest.host, run.manifest.scenario) == (section.host, section.scenario)
        ]
        for group in section.groups:
            for row in group.rows:
                for column, figure in zip(section.columns, row.figures, strict=True):
                    for control in (False, True) if column.native else (False,):
                        values = tuple(_values(of_section, made, row, column, control))
                        told = None if control else figure
                        if values:
                            yield MetricSeries(section, group, row, column, control, told, values)


Cells = Mapping[tuple[str, str, bool], Sequence[Trial]]
"""The good trials of a run by workload, target, and whether they are native's second."""


def _by_cell(run: Run) -> Cells:
    found: dict[tuple[str, str, bool], list[Trial]] = {}
    for trial in run.trials:
        if trial.status is TrialStatus.OK:
            found.setdefault((trial.workload, trial.target, trial.control), []).append(trial)
    return found


def _values(
    runs: Sequence[Run], made: Mapping[str, Cells], row: Row, column: Column, control: bool
) -> Iterator[Value]:
    for run in runs:
        manifest = run.manifest
        if not (_is_of(run, column) and _has(run, row)):
            continue
        blocks: dict[int, list[tuple[float, Trial]]] = {}
        cells = made[manifest.run]
        for trial in cells.get((row.workload, column.target, control), ()):
            for sample in trial.samples:
                if sample.metric == row.metric and math.isfinite(sample.value):
                    blocks.setdefault(trial.block, []).append((sample.value, trial))
        for block, repeats in sorted(blocks.items()):
            first = repeats[0][1]
            mean = sum(value for value, _ in repeats) / len(repeats)
            yield Value(manifest.run, block, mean, first.id, first.started_at)


def _is_of(run: Run, column: Column) -> bool:
    """Whether the target of that name is in this run what the column says that it is."""
    for record in run.manifest.targets:
        seen = record.fingerprint
        if record.target.name == column.target:
            mine = (record.target.backend, str(seen.backend_class), seen.label, seen.nested)
            theirs = (column.backend, column.backend_class, column.label, column.nested)
            return mine == theirs
    return False


def _has(run: Run, row: Row) -> bool:
    """Whether the run has that metric of that version of the workload, in that unit."""
    return any(
        (workload.name, workload.version) == (row.workload, row.workload_version)
        and any((m.name, m.unit) == (row.metric, row.unit) for m in workload.metrics)
        for workload in run.manifest.workloads
    )


def _truth(value: bool) -> str:
    return str(value).lower()
