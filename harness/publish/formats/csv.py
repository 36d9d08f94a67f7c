"""The table as CSV, tidy: a line for each target and metric, every figure unrounded.

A line of kind `summary` holds what a target costs in a resource, one of kind `note` in its last
field what must be known of a host or a run. An empty field is a value that is not known.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from harness.report.provenance import provenance
from harness.report.table import Column, Figure, Group, Row, RunFacts, Section, Summary, Table

Fields = dict[str, object]

COLUMNS = (
    "kind",
    "host",
    "scenario",
    "runs",
    "target",
    "header",
    "backend",
    "class",
    "architecture",
    "label",
    "native",
    "nested",
    "imported",
    "resource",
    "workload",
    "workload_version",
    "title",
    "metric",
    "unit",
    "better",
    "headline",
    "value_median",
    "value_mean",
    "F",
    "F_low",
    "F_high",
    "overhead_percent",
    "overhead_low",
    "overhead_high",
    "ratio_of_medians",
    "level",
    "method",
    "p",
    "p_adjusted",
    "p_equivalent",
    "verdict",
    "detectable_percent",
    "n",
    "missing",
    "trials",
    "failed",
    "timeout",
    "lost",
    "rejected",
    "entered",
    "workloads",
    "notes",
)


def render(table: Table) -> str:
    """The table as CSV with a header line (RFC 4180, line feeds alone)."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for line in lines(table):
        writer.writerow({key: _field(value) for key, value in line.items()})
    return out.getvalue()


def lines(table: Table) -> Iterator[Fields]:
    """The lines of the table, by the names in `COLUMNS`; what is not known is None or left out."""
    for section in table.sections:
        place = (section.host, section.scenario)
        runs = [run for run in table.runs if (run.host, run.scenario) == place]
        found = list(_section(section))
        if table.by_architecture:
            names = [each.name for each in section.architectures]
            found.sort(key=lambda line: names.index(str(line["architecture"])))
        for line in [*found, *_notes(section, runs)]:
            line["runs"] = " ".join(run.run for run in runs)
            yield line


def _section(section: Section) -> Iterator[Fields]:
    numbered = {note.number: note.text for note in section.notes}
    for group in section.groups:
        for row in group.rows:
            for column, figure in zip(section.columns, row.figures, strict=True):
                yield {
                    "kind": "metric",
                    **_place(section, group, column),
                    **_row(row),
                    **_figure(figure),
                    "notes": " ".join(numbered[number] for number in figure.notes),
                }
        yield from _summaries(section, group)


def _summaries(section: Section, group: Group) -> Iterator[Fields]:
    for column, each in zip(section.columns, group.summaries, strict=True):
        if each is not None:
            yield {
                "kind": "summary",
                **_place(section, group, column),
                "metric": "geometric mean",
                **_judged(each),
                "n": each.factor.n if each.factor is not None else 0,
                "entered": each.entered,
                "workloads": each.workloads,
            }


def _notes(section: Section, runs: Sequence[RunFacts]) -> Iterator[Fields]:
    about = [note.text for note in section.notes if note.number is None]
    for text in [*about, *(provenance(run) for run in runs)]:
        yield {
            "kind": "note",
            "host": section.host,
            "scenario": section.scenario,
            "notes": text,
        }


def _place(section: Section, group: Group, column: Column) -> Fields:
    return {
        "host": section.host,
        "scenario": section.scenario,
        "target": column.target,
        "header": column.header,
        "backend": column.backend,
        "class": column.backend_class,
        "architecture": column.architecture,
        "label": column.label,
        "native": column.native,
        "nested": column.nested,
        "imported": column.imported,
        "resource": group.resource,
    }


def _row(row: Row) -> Fields:
    return {
        "workload": row.workload,
        "workload_version": row.workload_version,
        "title": row.title,
        "metric": row.metric,
        "unit": row.unit,
        "better": row.better,
        "headline": row.headline,
    }


def _figure(figure: Figure) -> Fields:
    return {
        **_judged(figure),
        "value_median": figure.median,
        "value_mean": figure.mean,
        "ratio_of_medians": figure.ratio_of_medians,
        "n": figure.n,
        "missing": figure.missing,
        "trials": figure.trials,
        "failed": figure.failed,
        "timeout": figure.timeout,
        "lost": figure.lost,
        "rejected": figure.rejected,
    }


def _judged(each: Figure | Summary) -> Fields:
    """An overhead with its interval and what it was judged by."""
    fields: Fields = {
        "p": each.p,
        "p_adjusted": each.p_adjusted,
        "p_equivalent": each.p_equivalent,
        "verdict": each.verdict,
        "detectable_percent": each.detectable_percent,
    }
    factor, overhead = each.factor, each.overhead
    if factor is not None and overhead is not None:
        fields |= {
            "F": factor.point,
            "F_low": factor.low,
            "F_high": factor.high,
            "overhead_percent": overhead.point,
            "overhead_low": overhead.low,
            "overhead_high": overhead.high,
            "level": factor.level,
            "method": factor.method,
        }
    return fields


def _field(value: object) -> object:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else value
