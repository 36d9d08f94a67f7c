"""From an overhead frame and its runs to the table: every declared row and column has a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from harness import validity
from harness.analyze import comparable
from harness.analyze.control import Control, control
from harness.analyze.verdict import NO_RESULT, SUSPECT
from harness.errors import HarnessError, UseError
from harness.model.run import Run
from harness.model.trial import Trial
from harness.model.workload import Resource
from harness.report import guide, notes, provenance, remarks, summaries
from harness.report.columns import Record, estimate
from harness.report.columns import column as _column
from harness.report.columns import columns as _columns
from harness.report.table import Column, Figure, Group, Row, Section, Table
from harness.validity import Finding

_RESOURCES = [str(each) for each in Resource]


def assemble(
    frame: pl.DataFrame,
    means: Sequence[Record],
    runs: Sequence[Run],
    findings: Sequence[Finding],
) -> Table:
    """The table of an overhead frame (`harness.analyze.overhead.from_pairs`, runs pooled).

    `means` are what each target costs in each resource (`summaries.means`). `runs` are the runs
    the frame was made from: they tell what the frame cannot, namely why something is missing;
    `findings` is what the checks object to in them (`validity.judge`). Whatever they declare has
    its row and its column, with or without a result. Raises ValueError where the frame has two
    rows for one place in the table, as one made run by run has.
    """
    if frame.is_empty():
        raise HarnessError("there is nothing to make a table of", "measure with `baremark run`")
    records = frame.filter(~pl.col("control")).to_dicts()
    places = sorted({(str(r["host"]), str(r["scenario"])) for r in records})
    sections = tuple(
        _section(
            host,
            scenario,
            [r for r in records if (r["host"], r["scenario"]) == (host, scenario)],
            [m for m in means if (m["host"], m["scenario"]) == (host, scenario)],
            [r for r in runs if (r.manifest.host, r.manifest.scenario) == (host, scenario)],
            findings,
            control(
                frame.filter(
                    pl.col("host").cast(pl.String) == host,
                    pl.col("scenario").cast(pl.String) == scenario,
                )
            ),
        )
        for host, scenario in places
    )
    level, method = float(records[0]["level"]), str(records[0]["method"])
    return Table(
        sections=sections,
        notes=guide.how_to_read(sections, level, method),
        runs=tuple(sorted((provenance.facts(run) for run in runs), key=lambda f: (f.host, f.run))),
        level=level,
        method=method,
    )


def _section(
    host: str,
    scenario: str,
    records: list[Record],
    means: list[Record],
    runs: list[Run],
    findings: Sequence[Finding],
    itself: Control | None,
) -> Section:
    _refuse_mixture(runs)
    names = {run.manifest.run for run in runs}
    objections = [each for each in findings if each.run in names]
    judgements = validity.of_targets(runs, objections)
    accepted: dict[str, set[str]] = {}
    for each in objections:
        if each.accepted:
            accepted.setdefault(each.target, set()).add(each.check)
    columns = _columns(records, runs, accepted)
    found: dict[tuple[Any, ...], Record] = {}
    for record in records:
        key = (_column(record, accepted), _row_key(record))
        if key in found:
            raise ValueError(f"two rows of the frame for {key}: pool its runs first")
        found[key] = record
    trials = remarks.by_cell(runs)
    suspected = {(each.target, each.workload) for each in objections if each.suspect}
    numbered = remarks.Numbered()
    left_out = {
        (each.target, each.workload): each.reason for run in runs for each in run.manifest.left_out
    }

    def figure(column: Column, row: Record) -> Figure:
        made = trials.get((host, scenario, column.target, row["workload"]), [])
        record = found.get((column, _row_key(row)))
        why = left_out.get((column.target, row["workload"]), "no trial was made")
        made_of = _figure(record, column, made, numbered, why)
        doubted = suspected & {
            (target, workload)
            for target in (column.target, host)
            for workload in (row["workload"], None)
        }
        if doubted and made_of.factor is not None:
            return replace(made_of, verdict=SUSPECT)
        return made_of

    groups = []
    rows = _rows(records, runs)
    for resource in sorted({r["resource"] for r in rows}, key=_RESOURCES.index):
        of_resource = [r for r in rows if r["resource"] == resource]
        groups.append(
            Group(
                resource=resource,
                rows=tuple(
                    Row(
                        workload=row["workload"],
                        workload_version=row["workload_version"],
                        title=row["title"],
                        metric=row["metric"],
                        unit=row["unit"],
                        better=row["better"],
                        headline=row["metric_index"] == 0,
                        figures=tuple(figure(column, row) for column in columns),
                    )
                    for row in of_resource
                ),
                summaries=summaries.of_resource(columns, of_resource, means, accepted, runs),
            )
        )
    missing = [each for run in runs for each in run.manifest.missing]
    plain = [
        *notes.about_import(runs),
        *notes.about_host(columns, missing),
        *notes.about_machine(runs),
        *notes.about_rootless(columns, runs),
        *notes.about_adopted(columns, runs),
        *notes.about_differences(runs),
        *notes.about_checks(objections, runs),
        *notes.about_unseen(judgements, runs),
        *notes.about_precision(runs),
        *notes.about_control(itself),
    ]
    every = (*numbered.notes, *plain)
    return Section(
        host,
        scenario,
        columns,
        tuple(groups),
        itself,
        tuple(objections),
        every,
        tuple(judgements),
    )


def _refuse_mixture(runs: list[Run]) -> None:
    """Figures of a host that nobody may compare must not be judged together: imported with
    measured ones, and what was measured by other programs, sizes, kernels or hypervisors."""
    imported = [run.manifest.run for run in runs if run.manifest.imported is not None]
    if imported and len(imported) < len(runs):
        measured = next(run.manifest.run for run in runs if run.manifest.imported is None)
        raise UseError(
            f"run {imported[0]} was imported and run {measured} was measured, of one host",
            "show each in a table of its own",
        )
    for run in runs[1:]:
        if (found := comparable.difference(runs[0], run)) is not None:
            what, one, other = found
            raise UseError(
                f"runs {runs[0].manifest.run} and {run.manifest.run} of {run.manifest.host} "
                f"cannot be pooled (check: comparable): {what} is {one} in the one and {other} "
                "in the other",
                "show each in a table of its own; baremark compare tells all that differs",
            )


_ROW = ("resource", "workload", "workload_version", "metric", "unit", "better")


def _row_key(record: Record) -> tuple[Any, ...]:
    return tuple(record[key] for key in _ROW)


def _rows(records: list[Record], runs: list[Run]) -> list[Record]:
    """One record for each row of a section, in order: the frame's and what the runs declare."""
    found: dict[tuple[Any, ...], Record] = {_row_key(record): record for record in records}
    for run in runs:
        for workload in run.manifest.workloads:
            for index, metric in enumerate(workload.metrics):
                declared = {
                    "resource": str(workload.resource),
                    "workload": workload.name,
                    "workload_version": workload.version,
                    "title": workload.title,
                    "metric": metric.name,
                    "metric_index": index,
                    "unit": metric.unit,
                    "better": metric.better,
                }
                found.setdefault(_row_key(declared), declared)
    return sorted(
        found.values(),
        key=lambda r: (r["workload"], r["workload_version"], r["metric_index"], _row_key(r)),
    )


def _figure(
    record: Record | None, column: Column, made: list[Trial], numbered: remarks.Numbered, why: str
) -> Figure:
    """A figure from its record; `why` tells why there is none."""
    if record is None:
        note = numbered.number(f"{NO_RESULT}: {why}.")
        return Figure(
            *(None, None, None, None, None, None, None), NO_RESULT, *(0, 0, 0, 0, 0, 0, 0), (note,)
        )
    factor = None
    if record["F"] is not None:
        factor = estimate(record, record["level"], record["method"])
    text = remarks.remark(record, column, made)
    return Figure(
        median=record["value_median"],
        mean=record["value_mean"],
        factor=factor,
        p=record["p"],
        p_adjusted=record["p_adjusted"],
        p_equivalent=record["p_equivalent"],
        detectable_percent=record["mde_percent"],
        verdict=NO_RESULT if record["value_median"] is None else record["verdict"],
        n=record["n"],
        missing=record["n_missing"],
        trials=record["trials"],
        failed=record["failed"],
        timeout=record["timeout"],
        lost=record["lost"],
        rejected=record["rejected"],
        notes=(numbered.number(text),) if text else (),
    )
