"""The table as JSON: every figure unrounded, every label and note. `version` is the format's."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from harness.report import answer
from harness.report.table import Figure, Group, Row, Section, Summary, Table

VERSION = 4
# History of the format.
#   1  first version
#   2  `judgements`: what each check came to for each target; findings have a `severity`
#   3  `ratio_of_medians`: null unless it was asked for
#   4  `answer` (a sentence a target) and `doubts`; geometric means have an interval and a verdict:
#      their `factor` and `overhead_percent` are objects, as those of figures


def render(table: Table) -> str:
    """The table as one JSON document; what is not known is null."""
    document = {
        "version": VERSION,
        "level": table.level,
        "method": table.method,
        "sections": [
            _section(section) | (_architectures(section) if table.by_architecture else {})
            for section in table.sections
        ],
        "notes": list(table.notes),
        "runs": [asdict(run) for run in table.runs],
    }
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _section(section: Section) -> dict[str, Any]:
    return {
        "host": section.host,
        "scenario": section.scenario,
        "answer": list(answer.sentences(section)),
        "doubts": list(answer.doubts(section)),
        "columns": [asdict(column) for column in section.columns],
        "groups": [_group(section, group) for group in section.groups],
        "control": _control(section),
        "checks": [asdict(finding) for finding in section.checks],
        "judgements": [asdict(judgement) for judgement in section.judgements],
        "notes": [asdict(note) for note in section.notes],
    }


def _architectures(section: Section) -> dict[str, Any]:
    """The geometric means by architecture, one for each target and resource."""
    return {
        "architectures": [
            {
                "name": each.name,
                "columns": [
                    {
                        "column": section.columns[place].header,
                        "geometric_means": {
                            group.resource: _summary(mean)
                            for group in section.groups
                            if (mean := group.summaries[place]) is not None
                        },
                    }
                    for place in each.columns
                ],
            }
            for each in section.architectures
        ]
    }


def _control(section: Section) -> dict[str, Any] | None:
    return None if section.control is None else section.control.document()


def _group(section: Section, group: Group) -> dict[str, Any]:
    names = [column.header for column in section.columns]
    return {
        "resource": group.resource,
        "rows": [_row(names, row) for row in group.rows],
        "geometric_means": [
            {"column": name, **_summary(each)}
            for name, each in zip(names, group.summaries, strict=True)
            if each is not None
        ],
    }


def _row(names: list[str], row: Row) -> dict[str, Any]:
    figures = [
        {"column": name, **_figure(figure)} for name, figure in zip(names, row.figures, strict=True)
    ]
    # One by one, not asdict: that would copy every figure first.
    return {
        "workload": row.workload,
        "workload_version": row.workload_version,
        "title": row.title,
        "metric": row.metric,
        "unit": row.unit,
        "better": row.better,
        "headline": row.headline,
        "figures": figures,
    }


def _figure(figure: Figure) -> dict[str, Any]:
    overhead = figure.overhead
    return {**asdict(figure), "overhead_percent": None if overhead is None else asdict(overhead)}


def _summary(each: Summary) -> dict[str, Any]:
    overhead = each.overhead
    return {**asdict(each), "overhead_percent": None if overhead is None else asdict(overhead)}
