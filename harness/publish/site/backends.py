"""A page a backend: its targets, their releases, and what they cost in the newest runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.model.target import NATIVE_BACKEND
from harness.publish.charts.history import order_of
from harness.publish.charts.intervals import intervals, of_section
from harness.publish.site import urls, views
from harness.publish.site.history import Past, ShiftText
from harness.publish.site.pages import Pages, chart
from harness.publish.site.run import RunPage, newest
from harness.publish.site.trials import addresses
from harness.report.table import ARCHITECTURES


@dataclass(frozen=True, slots=True)
class _Here:
    """A backend on one host in the newest run that has it."""

    night: RunPage
    picture: Markup | None
    view: views.View
    targets: tuple[tuple[views.Head, str], ...]


def write(pages: Pages, nights: Sequence[RunPage], past: Past) -> None:
    """Every backend that any run has, native apart: it is what the others are measured by."""
    kinds: dict[str, dict[str, None]] = {}
    for night in nights:
        for column in night.section.columns:
            if column.backend != NATIVE_BACKEND:
                kinds.setdefault(column.backend, {})[column.architecture] = None
    for backend in sorted(kinds):
        found = [_here(night, backend, past) for night in _newest_with(nights, backend)]
        pages.write(
            urls.backend_page(backend),
            "backend.html",
            backend=backend,
            architectures=list(kinds[backend]),
            here=found,
            shifts=_shifts(past, backend),
            past=past,
        )
    order = list(ARCHITECTURES.values())
    pages.write(
        "backends/index.html",
        "backends.html",
        backends=[(backend, sorted(kinds[backend], key=order.index)) for backend in sorted(kinds)],
    )


def _newest_with(nights: Sequence[RunPage], backend: str) -> list[RunPage]:
    """Of each host and scenario the newest run that has the backend."""
    return newest(
        night
        for night in nights
        if any(column.backend == backend for column in night.section.columns)
    )


def _here(night: RunPage, backend: str, past: Past) -> _Here:
    section = night.section
    mine = {column.header for column in section.columns if column.backend == backend}
    places = [
        place
        for place, column in enumerate(section.columns)
        if column.native or column.backend == backend
    ]
    order = order_of(past.headers, section.host)
    about = f"{backend} on {section.host}"
    marks = [mark for mark in of_section(section, every_metric=False) if mark.series in mine]
    trials = addresses(night.manifest, f"../{urls.trials_page(night.name)}")
    seen = {each.target.name: each.fingerprint for each in night.manifest.targets}
    return _Here(
        night,
        chart(intervals(marks, about, alone=False, order=order)) if marks else None,
        views.of_section(section.only(places), trials),
        tuple(
            (
                views.head(section.columns[place]),
                seen[section.columns[place].target].release or "not observable",
            )
            for place in places
            if not section.columns[place].native
        ),
    )


def _shifts(past: Past, backend: str) -> list[ShiftText]:
    if past.nights.is_empty():
        return []
    targets = {
        (host, target)
        for host, target, of in past.nights.select("host", "target", "backend").iter_rows()
        if of == backend
    }
    return past.shift_texts([each for each in past.shifts if (each.host, each.target) in targets])
