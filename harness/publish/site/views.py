"""Tables as pages show them: the words of each cell, its tint, what it sorts by, where it leads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from harness.model.estimate import Estimate
from harness.publish.charts import palette
from harness.publish.formats import _grid
from harness.publish.formats._grid import Entry
from harness.report import notes, numbers
from harness.report.table import Column, Figure, Group, Section, Summary

Trials = Callable[[str, str], str | None]
"""The address of the trials of a workload on a target."""


@dataclass(frozen=True, slots=True)
class CellView:
    """A figure: `absolute` value, `relative` overhead with its `interval` and the `mark` of its
    verdict, the numbers of its notes, the `step` of the diverging scale, the number to `sort` by,
    and the address of its trials."""

    absolute: str
    relative: str = ""
    interval: str = ""
    mark: str = ""
    verdict: str = ""
    notes: tuple[int, ...] = ()
    step: str | None = None
    bold: bool = False
    sort: str | None = None
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a table; `cells` has one for each column."""

    resource: str
    workload: str
    metric: str
    unit: str
    cells: tuple[CellView, ...]
    n: str
    detectable: str
    detectable_sort: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """A column's header in two parts, which together are all of it."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class View:
    """A table of overhead, ready to be written."""

    heads: tuple[Head, ...]
    lines: tuple[Line, ...]
    means: tuple[tuple[str, tuple[CellView, ...]], ...]
    resources: tuple[str, ...]


def head(column: Column) -> Head:
    name, label = numbers.header(column)
    return Head(name, label)


def of_section(section: Section, trials: Trials) -> View:
    """The table of `section`."""
    return View(
        tuple(map(head, section.columns)),
        tuple(line for group in section.groups for line in _lines(section, group, trials)),
        tuple((group.resource, tuple(map(mean, group.summaries))) for group in section.groups),
        tuple(group.resource for group in section.groups),
    )


def _lines(section: Section, group: Group, trials: Trials) -> Iterator[Line]:
    made = _grid.of_group(section, group)
    for row, entries in zip(group.rows, made.rows, strict=True):
        links = [
            trials(row.workload, column.target) if figure.trials else None
            for column, figure in zip(section.columns, row.figures, strict=True)
        ]
        cells = tuple(
            _cell(entries[span], figure, href)
            for span, figure, href in zip(made.targets, row.figures, links, strict=True)
        )
        workload, metric, unit, *_, n, effect = (entry.text for entry in entries)
        effects = [row.figures[i].detectable_percent for i in numbers.relative_columns(section)]
        known = [each for each in effects if each is not None]
        sort = f"{max(known):.4g}" if known else None
        yield Line(group.resource, workload, metric, unit, cells, n, effect, sort)


def costs(section: Section) -> list[tuple[Head, tuple[CellView, ...]]]:
    """The geometric means of every target but native: a row a target, a cell a resource."""
    return [
        (head(column), tuple(mean(group.summaries[place]) for group in section.groups))
        for place, column in enumerate(section.columns)
        if not column.native
    ]


def mean(summary: Summary | None) -> CellView:
    """The geometric mean of a target in a resource; native is what it is relative to."""
    if summary is None:
        return CellView("baseline")
    if summary.factor is None:
        return CellView(numbers.entered(summary), summary.verdict)
    point, interval = _parts(summary.factor)
    return CellView(
        numbers.entered(summary),
        point,
        interval,
        numbers.VERDICTS.get(summary.verdict, ""),
        summary.verdict,
        step=palette.step(summary.factor.point, summary.verdict),
        sort=f"{summary.factor.point:.6g}",
    )


def effect(factor: Estimate | None, href: str | None = None) -> CellView:
    """An overhead by itself; without one the cell says so."""
    if factor is None:
        return CellView("–")
    return CellView(
        "",
        *_parts(factor),
        step=palette.bin_of(factor.point),
        sort=f"{factor.point:.6g}",
        href=href,
    )


def _cell(entries: Sequence[Entry], figure: Figure, href: str | None) -> CellView:
    """A target's value and, but for native, its overhead, with where they lead."""
    absolute, *rest = (entry.text for entry in entries)
    if figure.factor is None or not any(rest):
        number = figure.median if not rest or figure.factor is None else None
        sort = None if number is None else f"{number:.6g}"
        return CellView(absolute, "".join(rest), notes=figure.notes, sort=sort, href=href)
    point, interval = _parts(figure.factor)
    return CellView(
        absolute=absolute,
        relative=point,
        interval=interval,
        mark=entries[-1].sign,
        verdict=figure.verdict,
        notes=figure.notes,
        step=palette.step(figure.factor.point, figure.verdict),
        bold=figure.resolved,
        sort=f"{figure.factor.point:.6g}",
        href=href,
    )


def _parts(factor: Estimate) -> tuple[str, str]:
    """An overhead in words of the tables: the point, and what stands in brackets behind it."""
    point = numbers.point(factor)
    return point, numbers.effect(factor).removeprefix(point).strip()


def bare(point: float, low: float | None = None, high: float | None = None) -> Estimate:
    """A slowdown that is only to be written down: of it nothing is known but its figures."""
    return Estimate(point, low, high, 0.0, 0, "")


def warnings(section: Section) -> list[str]:
    """What must be known before any figure of `section` is read, in the sentences of its notes."""
    told = [note.text for note in notes.about_host(section.columns, ())]
    if section.control is not None and not section.control.trusted:
        told += [note.text for note in notes.about_control(section.control)]
    return told
