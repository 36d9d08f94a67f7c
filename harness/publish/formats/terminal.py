"""The table in a terminal: colour where the interval excludes "no difference", never cut off.

The widest of three layouts that fits is taken: value and overhead side by side, one above the
other, and as many tables as it takes to show all targets, native in each.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from harness.publish.formats import _grid
from harness.publish.formats._grid import Entry
from harness.publish.formats._screen import Screen
from harness.report import numbers
from harness.report.provenance import provenance
from harness.report.table import Figure, Row, Section, Table

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
        console.print(Text(_grid.heading(table, section), style="bold"))
        if table.by_architecture:
            console.print()
            console.print(_architectures(section))
        for grid in _layout(section, console.width, table.by_architecture):
            console.print()
            console.print(grid)
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
    _, *lines = _grid.of_architectures(section)
    for name, of_one in groupby(lines, key=lambda line: line[0]):
        grid.add_row(Text(name, style="bold underline"))
        for _, target, *means in of_one:
            grid.add_row(f"  {target}", *means)
    return grid


def _layout(section: Section, width: int, by: bool) -> Iterator[Grid]:
    """The grids that show all targets, as many to each as fit into `width`."""
    native = [i for i, column in enumerate(section.columns) if column.native]
    others = [i for i, column in enumerate(section.columns) if not column.native]
    for stacked in (False, True):
        grid = _laid_out(section.only(native + others), stacked, by)
        if _width(grid) <= width:
            yield grid
            return
    while others:
        for take in range(len(others), 0, -1):
            grid = _laid_out(section.only(native + others[:take]), True, by)
            if _width(grid) <= width:
                break
        yield grid
        others = others[take:]


def _width(grid: Grid) -> int:
    return Console(width=10_000, file=io.StringIO()).measure(grid).maximum


def _laid_out(section: Section, stacked: bool, by: bool) -> Grid:
    """All groups in one; `stacked`: the overhead below the value, and the unit below native's."""
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column("", overflow="fold")
    if not stacked:
        grid.add_column("unit", overflow="fold")
    for column in section.columns:
        head = "\n".join(numbers.header(column)).rstrip()
        head = f"{column.architecture}:\n{head}" if by else head
        grid.add_column(head, justify="right", overflow="fold")
    grid.add_column(_grid.N, justify="right", overflow="fold")
    grid.add_column(_grid.DETECTABLE, justify="right", overflow="fold")
    made = [_grid.of_group(section, group) for group in section.groups]
    targets = made[0].targets
    lines = [line for each in made for line in each.rows]
    forms = [_Form([line[span] for line in lines], stacked) for span in targets]
    for group, each in zip(section.groups, made, strict=True):
        grid.add_row(Text(group.resource, style="bold underline"))
        before = ""
        for row, line in zip(group.rows, each.rows, strict=True):
            unit = line[2].text
            cells = [
                form.cell(line[span], figure, unit)
                for form, span, figure in zip(forms, targets, row.figures, strict=True)
            ]
            ends = (Text(entry.text) for entry in line[-2:])
            grid.add_row(_name(row, before, stacked), *([] if stacked else [unit]), *cells, *ends)
            before = row.workload
        means = [
            form.mean("".join(each.means[span])) for form, span in zip(forms, targets, strict=True)
        ]
        grid.add_row(Text(_grid.MEAN, style="italic"), *([] if stacked else [""]), *means)
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

    def __init__(self, cells: Sequence[Sequence[Entry]], stacked: bool) -> None:
        """`cells` are all of the column: in each the value and, but for native, the overhead."""
        self._stacked = stacked
        self._absolute = max(len(each[0].text) for each in cells)
        self._relative = max(len(each[-1].told) for each in cells)
        self._marks = max(len(entry.marks) for each in cells for entry in each)

    def cell(self, entries: Sequence[Entry], figure: Figure, unit: str) -> Text:
        absolute, *rest = (entry.text for entry in entries)
        marks = "".join(entry.marks for entry in entries).ljust(self._marks, _BLANK)
        blank = _BLANK * self._marks
        if not any(rest):
            below = f"\n{unit}{blank}" if self._stacked and not rest else ""
            return Text(f"{absolute}{marks}{below}")
        if self._stacked:
            text = Text(f"{absolute}{blank}\n")
        else:
            text = Text(f"{absolute.rjust(self._absolute)}  ")
        relative = entries[-1].told
        text.append(relative if self._stacked else relative.rjust(self._relative), _style(figure))
        return text.append(marks)

    def mean(self, text: str) -> Text:
        return Text(text + _BLANK * self._marks, "italic") if text else Text()


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
