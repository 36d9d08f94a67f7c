"""The first page, which answers what virtualization costs here, and the page on the method."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from harness.analyze.verdict import EQUIVALENT_WITHIN, detectable_effect
from harness.publish.charts.heatmap import heatmap
from harness.publish.site import views
from harness.publish.site.history import Past
from harness.publish.site.pages import Pages, chart
from harness.publish.site.run import RunPage, Unread
from harness.publish.site.runs import newest_first
from harness.publish.site.trials import addresses
from harness.publish.site.urls import trials_page
from harness.report import notes

_LATEST = 10


def write(
    pages: Pages, newest: Sequence[RunPage], nights: Sequence[RunPage], past: Past,
    unread: Sequence[Unread],
) -> None:  # fmt: skip
    """The newest overhead matrix of each host, what shifted, and what could not be read."""
    pages.write(
        "index.html",
        "index.html",
        newest=[
            {
                "night": night,
                "section": night.section,
                "costs": views.costs(night.section),
                "picture": _matrix(night),
                "open": notes.unresolved(night.section.groups, 1 - night.table.level),
                "view": views.of_section(
                    night.section, addresses(night.manifest, trials_page(night.name))
                ),
            }
            for night in newest
        ],
        latest=newest_first(nights)[:_LATEST],
        runs=len(nights),
        past=past,
        shifts=past.shift_texts()[:_LATEST],
        unread=unread,
    )


def write_method(pages: Pages, newest: Sequence[RunPage], nights: Sequence[RunPage]) -> None:
    """The formulas, and how often the harness itself errs."""
    within: dict[float, list[str]] = {}
    for resource, margin in EQUIVALENT_WITHIN.items():
        within.setdefault(margin, []).append(str(resource))
    pages.write(
        "method.html",
        "method.html",
        newest=newest,
        nights=newest_first(nights),
        within=sorted(within.items()),
        detectable=_detectable(),
    )


def _detectable() -> list[tuple[int, float]]:
    """f of some numbers of blocks: the smallest overhead found, in deviations of d."""
    n = np.array([6, 10, 20, 30])
    return list(zip(n.tolist(), detectable_effect(n, np.ones(n.size)).tolist(), strict=True))


def _matrix(night: RunPage) -> Markup | None:
    section = night.section
    if all(column.native for column in section.columns):
        return None
    return chart(heatmap(section, alone=False))
