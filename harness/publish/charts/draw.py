"""From runs to a chart of one of the kinds: what `baremark plot` draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from harness.errors import UseError
from harness.ledger.folders import find
from harness.model.plan import CONTROL
from harness.patterns import matches, require_match
from harness.publish.charts import Spec
from harness.publish.charts.blocks import Distribution, blocks
from harness.publish.charts.heatmap import heatmap
from harness.publish.charts.history import history
from harness.publish.charts.intervals import intervals, of_section
from harness.publish.charts.style import ITSELF
from harness.report import series
from harness.report.columns import headers
from harness.report.runs import Analysis, read
from harness.report.table import Column, Section


def of_runs(
    kind: str, folders: Sequence[Path], workloads: Sequence[str], targets: Sequence[str]
) -> Spec:
    """The chart of that kind (but for `history`) of the runs in `folders`, pooled, with the
    workloads and the targets or backends that match a pattern; with all for none.

    Raises UseError where the runs are not of one host, or a pattern matches nothing.
    """
    reading = read(folders)
    if len(reading.table.sections) != 1:
        places = ", ".join(f"{each.host} ({each.scenario})" for each in reading.table.sections)
        raise UseError(f"these runs are of {places}", "draw one chart for each of them")
    (whole,) = reading.table.sections
    order = [column.header for column in whole.columns if not column.native]
    section = narrowed(whole, workloads, targets)
    about = f"{section.host}, {', '.join(run.manifest.run for run in reading.runs)}"
    if kind == "heatmap":
        return heatmap(section)
    if kind == "intervals":
        return intervals(of_section(section), about, order=order)
    return blocks(distributions(reading, section), about, order=order)


def of_results(results: Path, workloads: Sequence[str], targets: Sequence[str]) -> Spec:
    """The history of all runs in `results`: a chart for each headline metric, and for every
    metric of the workloads that match a pattern.

    Raises UseError where a pattern, or all together, match nothing, HarnessError where no run has
    an overhead.
    """
    from harness.report import history as every_night

    past = every_night.of_results(results)
    nights = past.nights.with_columns(pl.col(pl.Categorical).cast(pl.String))
    series.require(nights, workloads, targets)
    chosen = nights.filter(
        _matching(nights, ("workload",), workloads)
        & _matching(nights, ("target", "backend"), targets)
    )
    if not workloads:
        chosen = chosen.filter("headline")
    if chosen.is_empty() and not nights.is_empty():
        asked = [*(f"-w {each}" for each in workloads), *(f"-t {each}" for each in targets)]
        raise UseError(
            f"nothing there matches {' '.join(asked)} together",
            "see what is there with: baremark history",
        )
    newest = nights.sort("started").group_by("host", maintain_order=True).agg(pl.col("run").last())
    tables = (read([find(results / "runs", run)]).table for run in newest["run"])
    names = headers(section for table in tables for section in table.sections)
    return history(chosen, past.shifts, names)


def distributions(reading: Analysis, section: Section) -> list[Distribution]:
    """The blocks of every row of `section` that `reading` has: native against itself first, then
    the targets in the order of their columns."""
    factors: dict[tuple[str, ...], list[float]] = {}
    keys = ("host", "scenario", "target", "label", "workload", "workload_version", "metric", "F")
    for *key, factor in reading.blocks.select(keys).iter_rows():
        factors.setdefault(tuple(map(str, key)), []).append(factor)
    found = []
    for group in section.groups:
        for row in group.rows:
            for column, figure in zip(section.columns, row.figures, strict=True):
                target = f"{column.target}{CONTROL}" if column.native else column.target
                of = (section.host, section.scenario, target, column.label, row.workload,
                      str(row.workload_version), row.metric)  # fmt: skip
                found.append(
                    Distribution(
                        workload=row.workload,
                        metric=row.metric,
                        series=ITSELF if column.native else column.header,
                        factors=tuple(factors.get(of, ())),
                        estimate=figure.factor,
                    )
                )
    return found


def narrowed(section: Section, workloads: Sequence[str], targets: Sequence[str]) -> Section:
    """`section` with the rows and columns that match, native always among these.

    Raises UseError where a pattern matches nothing, or no target is left besides native.
    """
    rows = [(row.workload,) for group in section.groups for row in group.rows]
    require_match("workload", workloads, rows)
    require_match("target", targets, ((each.target, each.backend) for each in section.columns))

    def chosen(column: Column) -> bool:
        return column.native or matches((column.target, column.backend), targets)

    places = [place for place, column in enumerate(section.columns) if chosen(column)]
    kept = section.only(places)
    if targets and all(column.native for column in kept.columns):
        others = [column.target for column in section.columns if not column.native]
        raise UseError(
            f"-t {' '.join(targets)} leaves native alone, which the others are drawn against",
            f"choose from: {', '.join(others)}" if others else "name runs that have other targets",
        )
    groups = (
        replace(group, rows=tuple(r for r in group.rows if matches((r.workload,), workloads)))
        for group in kept.groups
    )
    return replace(kept, groups=tuple(group for group in groups if group.rows))


def _matching(nights: pl.DataFrame, columns: Sequence[str], patterns: Sequence[str]) -> pl.Series:
    rows = nights.select(columns).iter_rows()
    return pl.Series([matches(names, patterns) for names in rows], dtype=pl.Boolean)
