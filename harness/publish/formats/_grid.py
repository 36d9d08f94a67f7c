"""A resource's rows as a grid of texts under two lines of headers: what formats for people lay out.

The upper header names the target and is the same over its columns, the lower one tells what a
column holds. What the texts are is decided by `harness.report.numbers`, how they look by a format.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.report import numbers
from harness.report.table import Column, Figure, Group, Row, Section, Table

WORKLOAD, METRIC, UNIT = "workload", "metric", "unit"
VALUE, OVERHEAD = "value", "overhead"
N, DETECTABLE = "n", "Δ %"
MEAN = "geometric mean"


@dataclass(frozen=True, slots=True)
class Head:
    """A column of the grid. `over` is the target's header, "" where the column is of no target;
    `column` is then None, else the target's place in the section."""

    over: str
    name: str
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A text with what stands behind it: the verdict's `sign` ("" for none), the marks of notes.

    `strong`: the interval excludes "no difference". `verdict` is the verdict in words.
    """

    text: str
    sign: str = ""
    verdict: str = ""
    strong: bool = False
    notes: tuple[int, ...] = ()

    @property
    def marks(self) -> str:
        return " ".join(numbers.mark(number) for number in self.notes)

    @property
    def told(self) -> str:
        """The text and its sign, without the marks."""
        return f"{self.text} {self.sign}" if self.sign else self.text


@dataclass(frozen=True, slots=True)
class Grid:
    """`rows` has a line of entries for each row of the group, `means` the line below them; both
    are as long as `heads`."""

    heads: tuple[Head, ...]
    rows: tuple[tuple[Entry, ...], ...]
    means: tuple[str, ...]

    @property
    def spans(self) -> tuple[slice, ...]:
        """What stands below one upper header: the columns of a target together, every other by
        itself."""
        found: list[slice] = []
        for at, head in enumerate(self.heads):
            joins = found and head.column is not None and head.column == self.heads[at - 1].column
            first = found.pop().start if joins else at
            found.append(slice(first, at + 1))
        return tuple(found)

    @property
    def targets(self) -> tuple[slice, ...]:
        """The spans of the section's columns, in their order."""
        return tuple(span for span in self.spans if self.heads[span.start].column is not None)


def heading(table: Table, section: Section) -> str:
    """What stands above a section."""
    by = ", by architecture" if table.by_architecture else ""
    return f"{section.host} · {section.scenario}{by}"


def doubtful(doubts: Sequence[str]) -> str:
    """The line of what is doubtful."""
    return f"Doubtful: {'; '.join(doubts)}. The notes tell more."


def of_group(section: Section, group: Group, by_architecture: bool = False) -> Grid:
    """The grid of a resource: what describes a row, then each target, then n and Δ."""
    heads = [Head("", name) for name in (WORKLOAD, METRIC, UNIT)]
    for place, column in enumerate(section.columns):
        over = title(column, by_architecture)
        heads.append(Head(over, VALUE, place))
        if not column.native:
            heads.append(Head(over, OVERHEAD, place))
    heads += [Head("", N), Head("", DETECTABLE)]
    return Grid(
        heads=tuple(heads),
        rows=tuple(_row(section, row) for row in group.rows),
        means=tuple(_mean(group, head) for head in heads),
    )


def of_architectures(section: Section) -> tuple[tuple[str, ...], ...]:
    """The geometric means, a line a target: its architecture, its header, a mean a resource. The
    first line is the header."""
    lines = [("architecture", "target", *(f"{group.resource}: mean" for group in section.groups))]
    for each in section.architectures:
        for place in each.columns:
            summaries = (group.summaries[place] for group in section.groups)
            means = ("baseline" if one is None else numbers.mean_effect(one) for one in summaries)
            lines.append((each.name, section.columns[place].header, *means))
    return tuple(lines)


def title(column: Column, by_architecture: bool) -> str:
    """A target's header, with its architecture in front where that is asked for."""
    return f"{column.architecture}: {column.header}" if by_architecture else column.header


def _row(section: Section, row: Row) -> tuple[Entry, ...]:
    relative = numbers.relative_columns(section)
    entries = [Entry(row.workload), Entry(row.metric), Entry(numbers.unit(row))]
    for column, figure in zip(section.columns, row.figures, strict=True):
        entries += _figure(figure, column)
    n, effect = numbers.blocks(row, relative), numbers.detectable(row, relative)
    return (*entries, Entry(n), Entry(effect))


def _figure(figure: Figure, column: Column) -> list[Entry]:
    """The value of a target and, unless it is native, its overhead; the notes stand behind the
    last of them that says something."""
    cell = numbers.cell(figure, column.native)
    if column.native:
        return [Entry(cell.absolute, notes=figure.notes)]
    if not cell.relative:
        return [Entry(cell.absolute, verdict=figure.verdict, notes=figure.notes), Entry("")]
    sign = numbers.VERDICTS.get(figure.verdict, "") if figure.factor else ""
    text = cell.relative.removesuffix(sign).rstrip() if sign else cell.relative
    return [
        Entry(cell.absolute),
        Entry(text, sign, figure.verdict, figure.resolved, figure.notes),
    ]


def _mean(group: Group, head: Head) -> str:
    if head.name == WORKLOAD:
        return MEAN
    if head.name != OVERHEAD or head.column is None:
        return ""
    summary = group.summaries[head.column]
    return "" if summary is None else numbers.mean_effect(summary)
