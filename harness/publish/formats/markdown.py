"""The table in Markdown, as GitHub and others show it; bold where the interval excludes 0."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.report import numbers
from harness.report.provenance import provenance
from harness.report.table import Figure, Group, Row, Section, Table


def render(table: Table) -> str:
    """The table as Markdown: a heading a host, a table a resource, the notes as lists."""
    return "\n".join(_lines(table)) + "\n"


def _lines(table: Table) -> Iterator[str]:
    for section in table.sections:
        by = ", by architecture" if table.by_architecture else ""
        yield f"## {escaped(section.host)} · {escaped(section.scenario)}{by}"
        if table.by_architecture:
            yield ""
            yield from _architectures(section)
        for group in section.groups:
            yield ""
            yield f"### {escaped(group.resource)}"
            yield ""
            yield from _group(section, group, table.by_architecture)
        yield ""
        for note in section.notes:
            mark = f"{numbers.mark(note.number)} " if note.number else ""
            yield f"- {mark}{escaped(note.text)}"
        yield ""
    yield "### How to read this"
    yield ""
    yield from (f"- {escaped(text)}" for text in table.notes)
    yield "- Bold: the interval excludes 0."
    yield ""
    yield from (f"- {escaped(provenance(run))}" for run in table.runs)


def _architectures(section: Section) -> Iterator[str]:
    """The geometric means, a line a target, under the name of its architecture."""
    resources = [group.resource for group in section.groups]
    yield _line(["architecture", "target", *(f"{escaped(name)}: mean" for name in resources)])
    yield _line(["---", "---", *("---:" for _ in resources)])
    for each in section.architectures:
        for number, place in enumerate(each.columns):
            name = f"**{each.name}**" if number == 0 else ""
            means = [numbers.resource_mean(section, one, place) for one in resources]
            yield _line([name, escaped(section.columns[place].header), *means])


def _group(section: Section, group: Group, by_architecture: bool) -> Iterator[str]:
    heads = [
        f"{column.architecture}:<br>{escaped(column.header)}"
        if by_architecture
        else escaped(column.header)
        for column in section.columns
    ]
    yield _line(["workload", "metric", "unit", *heads, "n", "Δ %"])
    yield _line(["---", "---", "---", *("---:" for _ in heads), "---:", "---:"])
    relative = numbers.relative_columns(section)
    for row in group.rows:
        cells = [
            _cell(figure, column.native)
            for figure, column in zip(row.figures, section.columns, strict=True)
        ]
        n, effect = numbers.blocks(row, relative), numbers.detectable(row, relative)
        yield _line(
            [_workload(row), escaped(row.metric), escaped(numbers.unit(row)), *cells, n, effect]
        )
    means = ["" if each is None else numbers.mean_effect(each) for each in group.summaries]
    yield _line(["*geometric mean*", "", "", *means, "", ""])


def _workload(row: Row) -> str:
    return escaped(row.workload) if row.headline else ""


def _cell(figure: Figure, native: bool) -> str:
    cell = numbers.cell(figure, native)
    if not cell.relative:
        return escaped(cell.lone)
    shown = f"**{cell.relative}**" if figure.resolved else cell.relative
    return f"{cell.absolute}<br>{shown}{cell.marks}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """Text that Markdown leaves as it is. An underscore inside a word is no markup."""
    return re.sub(r"[\\`*|<>\[\]]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)
