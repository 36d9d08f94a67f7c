"""Releases of one backend side by side, where runs have several.

Nothing is judged here: overheads stand beside each other with their intervals, and what else
differs between their runs is told, for that may be what made the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from harness.model.facts import FACTS, text
from harness.model.run import Manifest
from harness.model.target import NATIVE_BACKEND
from harness.publish.charts.intervals import Mark, intervals
from harness.publish.site import urls, views
from harness.publish.site.pages import Pages, chart
from harness.publish.site.run import RunPage
from harness.publish.site.trials import addresses
from harness.report import numbers
from harness.report.table import Row

_Kind = tuple[str, str, str, str]
"""Host, scenario, backend and label: an emulated guest is no release of what it emulates."""


@dataclass(frozen=True, slots=True)
class Release:
    """The newest run in which a target had a release of its backend."""

    release: str
    head: views.Head
    night: RunPage
    place: int


@dataclass(frozen=True, slots=True)
class _Line:
    resource: str
    workload: str
    metric: str
    unit: str
    cells: tuple[views.CellView, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """The releases of a backend on one host. `confounded` is what else differs between their
    runs, empty where they stood in the same blocks (`together`)."""

    host: str
    scenario: str
    backend: str
    label: str
    releases: tuple[Release, ...]
    together: bool
    confounded: tuple[str, ...]
    warnings: tuple[str, ...]
    picture: Markup | None
    lines: tuple[_Line, ...]


def write(pages: Pages, nights: Sequence[RunPage]) -> None:
    """The page of all backends that have several releases on one host."""
    pages.write("releases.html", "releases.html", compared=compared(nights))


def compared(nights: Sequence[RunPage]) -> list[Compared]:
    """By host, scenario, backend and label; only where two releases or more were observed."""
    found: dict[_Kind, dict[tuple[str, str], Release]] = {}
    for night in sorted(nights, key=lambda each: (each.started, each.name)):
        seen = {each.target.name: each.fingerprint.release for each in night.manifest.targets}
        for place, column in enumerate(night.section.columns):
            release = seen.get(column.target)
            if release is None or column.native or column.backend == NATIVE_BACKEND:
                continue
            of = found.setdefault((*night.place, column.backend, column.label), {})
            of[column.target, release] = Release(release, views.head(column), night, place)
    return [
        _compared(kind, sorted(of.values(), key=_by_release))
        for kind, of in sorted(found.items())
        if len({each.release for each in of.values()}) > 1
    ]


def _by_release(each: Release) -> tuple[tuple[tuple[int, str], ...], str]:
    """Releases in the order of their numbers, so that 10 comes after 9."""
    parts = each.release.replace("-", ".").replace("+", ".").split(".")
    return tuple((int(p), "") if p.isdecimal() else (-1, p) for p in parts), each.head.name


def _compared(kind: _Kind, releases: Sequence[Release]) -> Compared:
    host, scenario, backend, label = kind
    manifests = {each.night.name: each.night.manifest for each in releases}
    rows: dict[tuple[str, str, str, str], list[Row | None]] = {}
    for number, each in enumerate(releases):
        for group in each.night.section.groups:
            for row in group.rows:
                if row.headline:
                    key = (group.resource, row.workload, row.metric, numbers.unit(row))
                    rows.setdefault(key, [None] * len(releases))[number] = row
    lines = []
    marks = []
    for (resource, workload, metric, unit), found in rows.items():
        cells = []
        for each, mine in zip(releases, found, strict=True):
            factor = None if mine is None else mine.figures[each.place].factor
            page = urls.trials_page(each.night.name)
            target = each.night.section.columns[each.place].target
            cells.append(
                views.effect(factor, addresses(each.night.manifest, page)(workload, target))
            )
            if factor is not None:
                series = f"{each.release}: {each.head.name} {each.head.label}".rstrip()
                marks.append(Mark(resource, workload, series, factor))
        lines.append(_Line(resource, workload, metric, unit, tuple(cells)))
    return Compared(
        host=host,
        scenario=scenario,
        backend=backend,
        label=label,
        releases=tuple(releases),
        together=len(manifests) == 1,
        confounded=_confounded(list(manifests.values())),
        warnings=_warnings(releases),
        picture=chart(intervals(marks, f"releases of {label} on {host}", alone=False))
        if marks
        else None,
        lines=tuple(lines),
    )


def _warnings(releases: Sequence[Release]) -> tuple[str, ...]:
    """What must be known of these targets, and of native, in any of their runs."""
    told: dict[str, None] = {}
    for each in releases:
        section = each.night.section
        shown = (i for i, of in enumerate(section.columns) if of.native or i == each.place)
        told |= dict.fromkeys(views.warnings(section.only(list(shown))))
    return tuple(told)


def _confounded(manifests: Sequence[Manifest]) -> tuple[str, ...]:
    """What differs between runs besides the release: each with its values, in the runs' order."""
    natives = [next(each for each in run.targets if each.target.native) for run in manifests]
    found = {
        "bundle": [run.bundle.rpartition(":")[2][:12] for run in manifests],
        "baremark": [run.baremark for run in manifests],
        "preset": [run.preset for run in manifests],
    }
    for name in sorted(set[str].intersection(*({*run.plan.seconds} for run in manifests))):
        found[f"seconds of a trial of {name}"] = [
            f"{run.plan.seconds[name]:g}" for run in manifests
        ]
    for fact in FACTS:
        values = [fact.of(native) for native in natives]
        if not all(fact.same(values[0], value) for value in values):
            found[f"native's {fact.title}"] = [text(value) for value in values]
    return tuple(
        f"{what}: {', '.join(values)}" for what, values in found.items() if len({*values}) > 1
    )
