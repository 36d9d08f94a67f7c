"""The table in a terminal: first what each target costs, in sentences, then a row a workload.

In full it has a row a metric, and the widest of two layouts that fits is taken: value and overhead
side by side, or one above the other. Where no layout fits there are as many tables as it takes to
show all targets, native in each. Colour follows the verdict, and nothing is cut off.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import groupby

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from harness.analyze.verdict import EQUIVALENT, SLOWER, SUSPECT
from harness.publish.formats import _grid
from harness.publish.formats._grid import Entry
from harness.publish.formats._screen import Screen
from harness.report import answer, numbers
from harness.report.provenance import provenance
from harness.report.table import Figure, Row, Section, Summary, Table

_A_SCREEN = 24
"""Lines; of what is longer the beginning is out of sight, so it is said again."""
_MORE = (
    "baremark table --full has every metric and value, --legend how to read them; so have the "
    "Markdown and the CSV."
)
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
        _answer(console, section)
        if table.by_architecture:
            console.print()
            console.print(_architectures(section))
        for grid in _layout(table, section, console.width):
            console.print()
            console.print(grid)
        console.print()
        for note in section.notes:
            _note(console, f"{numbers.mark(note.number)} " if note.number else "· ", note.text)
        console.print()
    for text in table.notes if table.legend else ():
        _note(console, "· ", text)
    for run in table.runs:
        _note(console, "· ", provenance(run))
    _note(console, "· ", _MORE)
    if len(screen.text().splitlines()) > _A_SCREEN:
        for section in table.sections:
            console.print()
            console.print(Text(_grid.heading(table, section), style="bold"))
            _answer(console, section)
    return "".join(f"{line.replace(_BLANK, ' ').rstrip()}\n" for line in screen.text().splitlines())


def _answer(console: Console, section: Section) -> None:
    """What each target costs, and in a line what is doubtful."""
    for text in answer.sentences(section):
        console.print(Text(text))
    if doubts := answer.doubts(section):
        console.print(Text(_grid.doubtful(doubts), "yellow"))


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
            grid.add_row(f"  {target}", *map(_in_lines, means))
    return grid


def _in_lines(mean: str) -> str:
    """A mean in three lines: the point, its interval with the verdict, what entered."""
    return mean.replace(" [", "\n[").replace(" (", "\n(")


def _layout(table: Table, section: Section, width: int) -> Iterator[Grid]:
    """The grids that show all targets, as many to each as fit into `width`."""
    native = [i for i, column in enumerate(section.columns) if column.native]
    others = [i for i, column in enumerate(section.columns) if not column.native]
    by = table.by_architecture
    forms: list[Callable[..., Grid]] = [_compact, partial(_compact, values=False)]
    if table.full:
        forms = [partial(_laid_out, stacked=False), partial(_laid_out, stacked=True)]
    for form in forms:
        grid = form(section.only(native + others), by=by)
        if _width(grid) <= width or not others:
            yield grid
            return
    while others:
        for take in range(len(others), 0, -1):
            grid = forms[-1](section.only(native + others[:take]), by=by)
            if _width(grid) <= width:
                break
        yield grid
        others = others[take:]


def _compact(section: Section, by: bool, values: bool = True) -> Grid:
    """A row a workload that was tried, under a row a resource that has what each target costs in
    it; with native's own `values`, unless there is nothing else to show."""
    others = [i for i, column in enumerate(section.columns) if not column.native]
    section = section if values or not others else section.only(others)
    grid = _headed(section, by, "")
    grid.add_column(_grid.N, justify="right", overflow="fold")
    for group in section.groups:
        if group is not section.groups[0]:
            grid.add_row("")
        means = [Text() if each is None else _mean(each) for each in group.summaries]
        grid.add_row(Text(group.resource, style="bold"), *means)
        made = _grid.of_group(section, group)
        for row, line in zip(group.rows, made.rows, strict=True):
            if row.headline and any(figure.trials for figure in row.figures):
                cells = [
                    _short(line[span], figure, line[2].text)
                    for span, figure in zip(made.targets, row.figures, strict=True)
                ]
                grid.add_row(f"  {row.workload}", *cells, Text(line[-2].text))
    return grid


def _headed(section: Section, by: bool, *first: str) -> Grid:
    """A grid with the columns `first` and then one a target."""
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for name in first:
        grid.add_column(name, overflow="fold")
    for column in section.columns:
        head = _folded("\n".join(numbers.header(column)).rstrip())
        head = f"{column.architecture}:\n{head}" if by else head
        grid.add_column(head, justify="right", overflow="fold")
    return grid


_WIDE = 24
"""Characters: what an overhead with its interval takes."""


def _folded(head: str) -> str:
    """A header whose second line, where it is wide, is broken after the first thing it tells."""
    name, _, label = head.partition("\n")
    return f"{name}\n{label.replace(', ', f',{chr(10)}', 1)}" if len(label) > _WIDE else head


def _mean(summary: Summary) -> Text:
    if summary.factor is None:
        return Text(f"{summary.verdict}{_BLANK}")
    sign = numbers.VERDICTS.get(summary.verdict, _BLANK)
    return Text(f"{numbers.effect(summary.factor)} {sign}", f"bold {_style(summary)}".rstrip())


def _short(entries: Sequence[Entry], figure: Figure, unit: str) -> Text:
    """Native's value, or a target's overhead; a target without one shows what it has."""
    absolute, *rest = entries
    told = rest[-1].told if rest else f"{absolute.text} {unit}"
    text = Text(told or f"{absolute.text} {_BLANK}", _style(figure) if rest else "")
    return text.append("".join(entry.marks for entry in entries))


def _width(grid: Grid) -> int:
    return Console(width=10_000, file=io.StringIO()).measure(grid).maximum


def _laid_out(section: Section, stacked: bool, by: bool) -> Grid:
    """All groups in one; `stacked`: the overhead below the value, and the unit below native's."""
    grid = _headed(section, by, "", *([] if stacked else ["unit"]))
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


_STYLES = {SLOWER: "red", EQUIVALENT: "green", SUSPECT: "yellow"}


def _style(figure: Figure | Summary) -> str:
    return _STYLES.get(figure.verdict, "dim") if figure.factor is not None else ""


def _note(console: Console, mark: str, text: str) -> None:
    grid = Grid.grid(padding=0)
    grid.add_column(width=len(mark))
    grid.add_column(overflow="fold")
    grid.add_row(mark, text)
    console.print(Padding(grid, 0))
