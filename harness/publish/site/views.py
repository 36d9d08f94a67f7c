"""Tables as pages show them: the words of each cell, its tint, what it sorts by, where it leads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.model.estimate import Estimate
from harness.publish.charts import palette
from harness.report import notes, numbers
from harness.report.table import Column, Figure, Row, Section, Summary

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


def of_section(section: Section, trials: Trials, places: Sequence[int] | None = None) -> View:
    """The table of `section`, of all its columns or of those at `places`."""
    kept = list(range(len(section.columns))) if places is None else list(places)
    columns = [section.columns[place] for place in kept]
    apart = [place for place in kept if not section.columns[place].native] or kept
    lines = []
    means = []
    for group in section.groups:
        for row in group.rows:
            cells = tuple(
                _cell(row.figures[place], section.columns[place], row, trials) for place in kept
            )
            effects = [row.figures[place].detectable_percent for place in apart]
            known = [effect for effect in effects if effect is not None]
            lines.append(
                Line(
                    group.resource,
                    row.workload,
                    row.metric,
                    numbers.unit(row),
                    cells,
                    numbers.blocks(row, apart),
                    numbers.detectable(row, apart),
                    f"{max(known):.4g}" if known else None,
                )
            )
        means.append((group.resource, tuple(mean(group.summaries[place]) for place in kept)))
    return View(
        tuple(head(column) for column in columns),
        tuple(lines),
        tuple(means),
        tuple(group.resource for group in section.groups),
    )


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
    text, _, entered = numbers.mean_effect(summary).rpartition(" (")
    if summary.factor is None:
        return CellView(f"({entered}", text)
    return CellView(
        f"({entered}",
        text,
        step=palette.bin_of(summary.factor),
        sort=f"{summary.factor:.6g}",
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


def _cell(figure: Figure, column: Column, row: Row, trials: Trials) -> CellView:
    href = trials(row.workload, column.target) if figure.trials else None
    shown = numbers.cell(figure, column.native)
    if figure.factor is None or not shown.relative:
        number = figure.median if column.native or figure.factor is None else None
        sort = None if number is None else f"{number:.6g}"
        return CellView(shown.absolute, shown.relative, notes=figure.notes, sort=sort, href=href)
    mark = numbers.VERDICTS.get(figure.verdict, "")
    point, interval = _parts(figure.factor)
    return CellView(
        absolute=shown.absolute,
        relative=point,
        interval=interval,
        mark=mark,
        verdict=figure.verdict,
        notes=figure.notes,
        step=palette.bin_of(figure.factor.point),
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


def warnings(section: Section, places: Sequence[int] | None = None) -> list[str]:
    """What must be known before any figure of `section`, or of its columns at `places`, is read,
    in the sentences of its notes."""
    columns = section.columns if places is None else [section.columns[i] for i in places]
    told = [note.text for note in notes.about_host(columns, ())]
    if section.control is not None and not section.control.trusted:
        told += [note.text for note in notes.about_control(section.control)]
    return told
