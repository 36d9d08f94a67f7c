"""A page a workload: every block of the newest run, the interval, and the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from harness.model.workload import Workload
from harness.publish.charts.blocks import blocks
from harness.publish.charts.history import order_of
from harness.publish.site import urls, views
from harness.publish.site.history import Past
from harness.publish.site.pages import Pages, chart
from harness.publish.site.run import RunPage, newest, of_workload
from harness.publish.site.trials import addresses
from harness.report.table import Section


@dataclass(frozen=True, slots=True)
class _Here:
    """What a workload came to on one host in its newest run."""

    night: RunPage
    section: Section
    pictures: tuple[tuple[str, Markup], ...]
    view: views.View


def write(pages: Pages, nights: Sequence[RunPage], past: Past) -> None:
    """Every workload that any run has; the newest run that has it tells what it is."""
    known: dict[str, Workload] = {}
    for night in nights:
        known |= {each.name: each for each in night.manifest.workloads}
    for name in sorted(known):
        here = [_here(night, name, past) for night in _newest_with(nights, name)]
        pages.write(
            urls.workload_page(name),
            "workload.html",
            workload=known[name],
            here=here,
            courses=past.courses(name),
            past=past,
        )
    order = sorted(known.values(), key=lambda each: (str(each.resource), each.name))
    pages.write("workloads/index.html", "workloads.html", workloads=order)


def _newest_with(nights: Sequence[RunPage], workload: str) -> list[RunPage]:
    """Of each host and scenario the newest run that has the workload."""
    return newest(
        night for night in nights if any(each.name == workload for each in night.manifest.workloads)
    )


def _here(night: RunPage, workload: str, past: Past) -> _Here:
    found = list(of_workload(night, workload))
    metrics = list(dict.fromkeys(each.metric for each in found))
    about = f"{night.section.host}, run {night.name}"
    order = order_of(past.headers, night.section.host)
    pictures = []
    for metric in metrics:
        of = [each for each in found if each.metric == metric]
        if any(each.factors for each in of):
            pictures.append((metric, chart(blocks(of, about, alone=False, order=order))))
    section = _only(night.section, workload)
    trials = addresses(night.manifest, f"../{urls.trials_page(night.name)}")
    return _Here(night, section, tuple(pictures), views.of_section(section, trials))


def _only(section: Section, workload: str) -> Section:
    """The rows of one workload, and of the notes those that are about it or the whole."""
    groups = tuple(
        replace(group, rows=rows)
        for group in section.groups
        if (rows := tuple(row for row in group.rows if row.workload == workload))
    )
    told = {n for g in groups for row in g.rows for f in row.figures for n in f.notes}
    notes = tuple(note for note in section.notes if note.number is None or note.number in told)
    return replace(section, groups=groups, notes=notes)
