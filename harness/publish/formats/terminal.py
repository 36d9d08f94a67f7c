"""The table in a terminal: colour where the interval excludes "no difference", never cut off.

The widest of three layouts that fits is taken: value and overhead side by side, one above the
other, and as many tables as it takes to show all targets, native in each.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from harness.publish.formats._screen import Screen
from harness.report import numbers
from harness.report.provenance import provenance
from harness.report.table import Figure, Group, Row, Section, Table

_BLANK = "\u2800"
"""A blank that right-justifying keeps: it holds the place of a note's mark."""


def render(table: Table, width: int | None = None, color: bool | None = None) -> str:
    """The table as text `width` characters wide, with ANSI colours if `color`.

    Left out, both follow standard output: a terminal's width and colours (unless NO_COLOR is
    set), else 120 and none.
    """
    screen = Screen(width, color)
    console = screen.console
    for section in table.sections:
        by = table.by_architecture
        title = f"{section.host} · {section.scenario}{', by architecture' if by else ''}"
        console.print(Text(title, style="bold"))
        if by:
            console.print()
            console.print(_architectures(section))
        for columns, stacked in _layout(section, console.width, by):
            console.print()
            console.print(_grid(section, columns, stacked, by))
        console.print()
        for note in section.notes:
            _note(console, f"{numbers.mark(note.number)} " if note.number else "· ", note.text)
        console.print()
    for text in table.notes:
        _note(console, "· ", text)
    for run in table.runs:
        _note(console, "· ", provenance(run))
    return "".join(f"{line.replace(_BLANK, ' ').rstrip()}\n" for line in screen.text().splitlines())


def _architectures(section: Section) -> Grid:
    """The geometric means, a line a target, under the name of its architecture."""
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("geometric mean of the slowdown", overflow="fold")
    for group in section.groups:
        grid.add_column(group.resource, justify="right", overflow="fold")
    for each in section.architectures:
        grid.add_row(Text(each.name, style="bold underline"))
        for place in each.columns:
            means = [numbers.resource_mean(section, g.resource, place) for g in section.groups]
            grid.add_row(f"  {section.columns[place].header}", *means)
    return grid


def _layout(section: Section, width: int, by: bool) -> Iterator[tuple[list[int], bool]]:
    """Which columns go into each grid, and whether value and overhead are stacked in it."""
    native = [i for i, column in enumerate(section.columns) if column.native]
    others = [i for i, column in enumerate(section.columns) if not column.native]
    for stacked in (False, True):
        if _width(section, native + others, stacked, by) <= width:
            yield native + others, stacked
            return
    while others:
        take = len(others)
        while take > 1 and _width(section, native + others[:take], True, by) > width:
            take -= 1
        yield native + others[:take], True
        others = others[take:]


def _width(section: Section, columns: Sequence[int], stacked: bool, by: bool) -> int:
    grid = _grid(section, columns, stacked, by)
    return Console(width=10_000, file=io.StringIO()).measure(grid).maximum


def _grid(section: Section, columns: Sequence[int], stacked: bool, by: bool) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("", overflow="fold")
    if not stacked:
        grid.add_column("unit", overflow="fold")
    for i in columns:
        head = "\n".join(numbers.header(section.columns[i])).rstrip()
        head = f"{section.columns[i].architecture}:\n{head}" if by else head
        grid.add_column(head, justify="right", overflow="fold")
    grid.add_column("n", justify="right", overflow="fold")
    grid.add_column("Δ %", justify="right", overflow="fold")
    relative = [i for i in numbers.relative_columns(section) if i in columns]
    forms = {i: _Form(section, i, stacked) for i in columns}
    for group in section.groups:
        grid.add_row(Text(group.resource, style="bold underline"))
        before = ""
        for row in group.rows:
            unit = [] if stacked else [numbers.unit(row)]
            n, effect = numbers.blocks(row, relative), numbers.detectable(row, relative)
            cells = [forms[i].cell(row) for i in columns]
            grid.add_row(_name(row, before, stacked), *unit, *cells, Text(n), Text(effect))
            before = row.workload
        means = [forms[i].mean(group) for i in columns]
        name = Text("geometric mean", style="italic")
        grid.add_row(name, *([] if stacked else [""]), *means)
        if group is not section.groups[-1]:
            grid.add_row("")
    return grid


def _name(row: Row, before: str, stacked: bool) -> Text:
    if row.workload == before:
        return Text(f"  {row.metric}", style="dim")
    text = Text(row.workload)
    text.append(f"\n  {row.metric}" if stacked else f" {row.metric}", style="dim")
    return text


class _Form:
    """How the cells of one column are laid out: value and overhead side by side, each aligned,
    or one above the other; native with its unit below where the layout has no unit column."""

    def __init__(self, section: Section, column: int, stacked: bool) -> None:
        self._column = column
        self._native = section.columns[column].native
        self._stacked = stacked
        cells = [
            numbers.cell(row.figures[column], self._native)
            for group in section.groups
            for row in group.rows
        ]
        self._absolute = max(len(cell.absolute) for cell in cells)
        self._relative = max(len(cell.relative) for cell in cells)
        self._marks = max(len(cell.marks) for cell in cells)

    def cell(self, row: Row) -> Text:
        figure = row.figures[self._column]
        cell = numbers.cell(figure, self._native)
        marks = cell.marks.ljust(self._marks, _BLANK)
        if self._native:
            unit = f"\n{numbers.unit(row)}{_BLANK * self._marks}" if self._stacked else ""
            return Text(f"{cell.absolute}{marks}{unit}")
        if not cell.relative:
            return Text(cell.absolute + marks)
        if self._stacked:
            text = Text(f"{cell.absolute}{_BLANK * self._marks}\n")
        else:
            text = Text(f"{cell.absolute.rjust(self._absolute)}  ")
        text.append(cell.relative.rjust(0 if self._stacked else self._relative), _style(figure))
        return text.append(marks)

    def mean(self, group: Group) -> Text:
        summary = group.summaries[self._column]
        if summary is None:
            return Text()
        return Text(numbers.mean_effect(summary) + _BLANK * self._marks, "italic")


def _style(figure: Figure) -> str:
    if figure.factor is None or not figure.resolved:
        return ""
    return "red" if figure.factor.point > 1 else "green"


def _note(console: Console, mark: str, text: str) -> None:
    grid = Grid.grid(padding=0)
    grid.add_column(width=len(mark))
    grid.add_column(overflow="fold")
    grid.add_row(mark, text)
    console.print(Padding(grid, 0))
