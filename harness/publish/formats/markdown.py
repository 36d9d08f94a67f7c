"""The table in Markdown, as GitHub and others show it; bold where the interval excludes 0."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from harness.publish.formats import _grid
from harness.publish.formats._grid import Entry, Head
from harness.report import answer, numbers
from harness.report.provenance import provenance
from harness.report.table import Group, Section, Table


def render(table: Table) -> str:
    """The table as Markdown: a heading a host, a table a resource, the notes as lists."""
    return "\n".join(_lines(table)) + "\n"


def _lines(table: Table) -> Iterator[str]:
    for section in table.sections:
        yield f"## {escaped(_grid.heading(table, section))}"
        yield ""
        yield from (f"- {escaped(text)}" for text in answer.sentences(section))
        if doubts := answer.doubts(section):
            yield f"- {escaped(_grid.doubtful(doubts))}"
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
    head, *lines = _grid.of_architectures(section)
    yield _line(map(escaped, head))
    yield _line(["---", "---", *("---:" for _ in head[2:])])
    before = ""
    for name, *cells in lines:
        yield _line(["" if name == before else f"**{name}**", *map(escaped, cells)])
        before = name


def _group(section: Section, group: Group, by_architecture: bool) -> Iterator[str]:
    made = _grid.of_group(section, group, by_architecture)
    heads = [made.heads[span.start] for span in made.spans]
    yield _line(_head(section, head, by_architecture) for head in heads)
    yield _line(["---", "---", "---", *("---:" for _ in heads[3:])])
    for row, entries in zip(group.rows, made.rows, strict=True):
        cells = [_cell(head, entries[span]) for head, span in zip(heads, made.spans, strict=True)]
        yield _line(cells if row.headline else ["", *cells[1:]])
    yield _line([f"*{_grid.MEAN}*", *("".join(made.means[span]) for span in made.spans[1:])])


def _head(section: Section, head: Head, by_architecture: bool) -> str:
    if head.column is None:
        return head.name
    column = section.columns[head.column]
    architecture = f"{column.architecture}:<br>" if by_architecture else ""
    return f"{architecture}{escaped(column.header)}"


def _cell(head: Head, entries: Sequence[Entry]) -> str:
    """The value of a target above its overhead, or a text that describes the row."""
    if head.column is None:
        return escaped(entries[0].text)
    return "<br>".join(
        f"{f'**{each.told}**' if each.strong else each.told}{each.marks}"
        for each in entries
        if each.text
    )


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def escaped(text: str) -> str:
    """Text that Markdown leaves as it is. An underscore inside a word is no markup."""
    return re.sub(r"[\\`*|<>\[\]]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)
