"""The history as pages show it: charts, tables of nights, and what shifted or changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from markupsafe import Markup

from harness.analyze.history.history import History, Shift
from harness.publish.charts.history import CELL, header, history
from harness.publish.site import urls, views
from harness.publish.site.pages import chart
from harness.publish.site.run import RunPage
from harness.report import numbers
from harness.report.columns import Headers, headers


@dataclass(frozen=True, slots=True)
class ShiftText:
    """A shift in words."""

    when: datetime
    run: str
    series: str
    workload: str
    metric: str
    before: str
    after: str
    change: str
    interval: str
    moved: str
    changed: str
    status: str
    note: str


@dataclass(frozen=True, slots=True)
class NightLine:
    """A night of a cell: a cell for each series, and what changed."""

    when: datetime
    run: str
    page: str | None
    cells: tuple[views.CellView, ...]
    changed: str


@dataclass(frozen=True, slots=True)
class Course:
    """The history of one cell: its chart, its nights and its shifts."""

    host: str
    scenario: str
    version: int
    metric: str
    picture: Markup
    series: tuple[str, ...]
    nights: tuple[NightLine, ...]
    shifts: tuple[ShiftText, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """All that is known of the nights before; `why` says why there is nothing, if so, `left_out`
    which runs of this site are not in it."""

    nights: pl.DataFrame
    shifts: tuple[Shift, ...]
    headers: Headers
    pages: frozenset[str]
    why: str | None
    left_out: tuple[str, ...]

    def courses(self, workload: str) -> list[Course]:
        """Every cell of `workload` that has two nights or more."""
        if self.nights.is_empty():
            return []
        of = self.nights.filter(pl.col("workload") == workload)
        return [
            self._course(part)
            for part in of.partition_by(CELL, maintain_order=True)
            if part["run"].n_unique() > 1 and part["F"].is_not_null().any()
        ]

    def shift_texts(self, shifts: Sequence[Shift] | None = None) -> list[ShiftText]:
        """`shifts`, or all, the newest first."""
        found = self.shifts if shifts is None else shifts
        order = sorted(found, key=lambda s: (s.started, s.host, s.target, s.workload, s.metric))
        return [self._shift_text(each) for each in reversed(order)]

    def _shift_text(self, shift: Shift) -> ShiftText:
        change = views.effect(views.bare(shift.ratio, shift.low, shift.high))
        return ShiftText(
            when=shift.started,
            run=shift.run,
            series=self._series(shift.host, shift.target, shift.label),
            workload=shift.workload,
            metric=shift.metric,
            before=numbers.point(views.bare(shift.before)),
            after=numbers.point(views.bare(shift.after)),
            change=change.relative,
            interval=change.interval,
            moved=shift.moved,
            changed=shift.changed or "nothing that is known",
            status=shift.status,
            note=shift.told or "",
        )

    def _series(self, host: str, target: str, label: str) -> str:
        kinds = self.nights.filter(
            pl.col("host") == host, pl.col("target") == target, pl.col("label") == label
        )["class"]
        return header(
            self.headers, host, target, label, kinds[0] if len(kinds) else "class unknown"
        )

    def _course(self, part: pl.DataFrame) -> Course:
        rows = part.sort("started").to_dicts()
        first = rows[0]
        named = {
            (row["target"], row["label"], row["class"]): header(
                self.headers, row["host"], row["target"], row["label"], row["class"]
            )
            for row in rows
        }
        keys = sorted(named, key=lambda key: named[key])
        by_run: dict[str, dict[tuple[str, str, str], views.CellView]] = {}
        changes: dict[str, dict[str, None]] = {}
        for row in rows:
            run = row["run"]
            factor = None if row["F"] is None else views.bare(row["F"], row["F_low"], row["F_high"])
            key = (row["target"], row["label"], row["class"])
            by_run.setdefault(run, {})[key] = views.effect(factor)
            if row["changed"]:
                changes.setdefault(run, {})[f"{row['target']}: {row['changed']}"] = None
        keys_of = ("host", "scenario", "workload", "metric")
        return Course(
            host=first["host"],
            scenario=first["scenario"],
            version=first["workload_version"],
            metric=first["metric"],
            picture=chart(history(part, self.shifts, self.headers, alone=False)),
            series=tuple(named[key] for key in keys),
            nights=tuple(
                NightLine(
                    when=next(row["started"] for row in rows if row["run"] == run),
                    run=run,
                    page=urls.run_page(run) if run in self.pages else None,
                    cells=tuple(cells.get(key, views.effect(None)) for key in keys),
                    changed="; ".join(changes.get(run, ())),
                )
                for run, cells in reversed(by_run.items())
            ),
            shifts=tuple(
                self.shift_texts(
                    [s for s in self.shifts if all(getattr(s, k) == first[k] for k in keys_of)]
                )
            ),
        )


def of(found: History | None, why: str | None, nights: Sequence[RunPage]) -> Past:
    """The history as pages need it; the headers are those of the newest run that has the target."""
    names = headers(night.section for night in nights)
    pages = frozenset(night.name for night in nights)
    if found is None:
        return Past(pl.DataFrame(), (), names, pages, why, ())
    plain = found.nights.with_columns(pl.col(pl.Categorical).cast(pl.String))
    left_out = tuple(text for text in found.warnings if any(night.name in text for night in nights))
    return Past(plain, found.shifts, names, pages, why, left_out)
