"""What all charts share: type, lines, and how a finished one becomes a specification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
from altair.utils.schemapi import disable_debug_mode

from harness.publish.charts.palette import LIGHT, SHAPES, series

# Altair looks at every part again whenever a chart grows: half the time of a site. The tests look
# at whole specifications instead.
disable_debug_mode()

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
SIZE = 12
_CHARACTER = 6.8
"""The mean width of a character of that size, generously: a reader's font may be a wide one."""
_SLACK = 28
"""Room for the same reason where text was measured in a narrow font, in pixels."""


def marks(values: Sequence[dict[str, Any]]) -> alt.Chart:
    """A chart of `values`, a mark a row, before it is told what to draw."""
    return alt.Chart(alt.InlineData(values=list(values)))


def finished(
    chart: alt.TopLevelMixin,
    description: str,
    title: str | None = None,
    below: Sequence[str] = (),
) -> dict[str, Any]:
    """The specification of `chart`: with the shared style, a description for those who cannot see
    it, and, where it shall stand by itself, a title and sentences under it."""
    heading = (
        {}
        if title is None
        else {"title": alt.TitleParams(text=title, subtitle=list(below), anchor="start")}
    )
    made = chart.properties(description=description, background=LIGHT["paper"], **heading)
    spec: dict[str, Any] = made.to_dict(validate=False)
    spec["config"] = _CONFIG
    around = 6 if title is None else 16
    beside = around + _SLACK
    spec["padding"] = {"left": beside, "right": beside, "top": around, "bottom": around}
    return spec


def lines_of(header: str) -> str:
    """A header over two lines: its name, and what stands in brackets; nothing is left out."""
    name, _, rest = header.partition(" (")
    return f"{name}\n({rest}" if rest else name


ITSELF = "native again (A/A)"
"""What native's second visit is called among the targets; it has none of their colours."""
LINES = "split(datum.label, '\\n')"
"""The expression of a label that has such lines."""


def width_of(text: str) -> float:
    """How wide the widest line of `text` is, about, in pixels."""
    return max(len(line) for line in text.split("\n")) * _CHARACTER


def colour(names: Sequence[str], order: Sequence[str] = (), named: bool = True) -> alt.Color:
    """The colour of each of `names`: that of its place in `order`, which holds all that are shown
    beside this chart, so that a target looks the same in each; those that are not in it come
    after. `named` by a legend, or where they stand."""
    scale = alt.Scale(domain=list(names), range=[each for each, _ in _looks(names, order)])
    return alt.Color("series:N", scale=scale, title=None, legend=_legend() if named else None)


def shape(names: Sequence[str], order: Sequence[str] = (), named: bool = True) -> alt.Shape:
    """The shape of each of `names`, chosen as its `colour` is; one legend with that."""
    scale = alt.Scale(domain=list(names), range=[each for _, each in _looks(names, order)])
    return alt.Shape("series:N", scale=scale, title=None, legend=_legend() if named else None)


def _looks(names: Sequence[str], order: Sequence[str]) -> list[tuple[str, str]]:
    known = [name for name in dict.fromkeys((*order, *names)) if name != ITSELF]
    places = {name: series(place) for place, name in enumerate(known)}
    return [places.get(name, (LIGHT["muted"], SHAPES[0])) for name in names]


def _legend() -> alt.Legend:
    return alt.Legend(
        orient="top",
        columns=2,
        labelLimit=0,
        symbolSize=70,
        symbolOpacity=1,
        columnPadding=1.5 * _SLACK,
        offset=8,
    )


_CONFIG: dict[str, Any] = {
    "aria": False,
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "labelColor": LIGHT["ink"],
        "titleColor": LIGHT["muted"],
        "titleFontWeight": "normal",
        "labelFontSize": SIZE,
        "titleFontSize": SIZE,
        "gridColor": LIGHT["line"],
        "domainColor": LIGHT["line"],
        "tickColor": LIGHT["line"],
        "labelLimit": 0,
        "titlePadding": 12,
    },
    "legend": {
        "labelColor": LIGHT["ink"],
        "labelFontSize": SIZE,
        "titleColor": LIGHT["muted"],
        "titleFontWeight": "normal",
    },
    "header": {
        "labelColor": LIGHT["muted"],
        "labelFontSize": SIZE,
        "labelFontWeight": "bold",
        "title": None,
    },
    "title": {
        "color": LIGHT["ink"],
        "fontSize": 16,
        "subtitleColor": LIGHT["muted"],
        "subtitleFontSize": SIZE,
        "subtitlePadding": 5,
        "offset": 14,
    },
}
