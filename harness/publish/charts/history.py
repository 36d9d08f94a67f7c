"""The history of an overhead: a line with its interval, the epochs, and what shifted.

The line is cut where something known changed, for what lies on both sides is not one series. Below
it native's own values, on the same time: where they move too, the host changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from harness.analyze.history.history import Shift
from harness.publish.charts import axis, nothing, style
from harness.publish.charts.palette import LIGHT
from harness.report.columns import Headers, called
from harness.text import shortened

_WIDTH = 820
_HEIGHT = 220
_NATIVE_HEIGHT = 52
_LONGEST = 45
_COLUMNS = 2
CELL = ("host", "scenario", "workload", "workload_version", "metric")
"""What the series of one chart have in common."""


def header(headers: Headers, host: str, target: str, label: str, kind: str) -> str:
    """What a series is called: as its column in a table, or by label and class."""
    return headers.get((host, target, label), called(target, label, kind))


def order_of(headers: Headers, host: str) -> list[str]:
    """The targets of `host` in the order that gives each its colour (`style.colour`)."""
    return [name for (of, _, _), name in headers.items() if of == host]


def history(
    nights: pl.DataFrame, shifts: Sequence[Shift], headers: Headers, alone: bool = True
) -> dict[str, Any]:
    """A chart for each cell (what agrees in `CELL`) of `nights`, which are rows of
    `History.nights`; a line a target.

    `shifts` may hold those of other cells, which are passed over. Raises HarnessError where no
    night has an overhead.
    """
    cells = [
        part
        for part in _text(nights).partition_by(CELL, maintain_order=True)
        if part["F"].is_not_null().any()
    ]
    if not cells:
        raise nothing("no night has an overhead there")
    charts = [_cell(part, shifts, headers, alone) for part in cells]
    hosts = ", ".join(dict.fromkeys(str(part["host"][0]) for part in cells))
    named = f"{cells[0]['workload'][0]} {cells[0]['metric'][0]}"
    more = f" and {len(cells) - 1} more" if len(cells) > 1 else ""
    chart: alt.TopLevelMixin = (
        charts[0] if len(charts) == 1 else alt.concat(*charts, columns=_COLUMNS, spacing=36)
    )
    return style.finished(
        chart,
        f"History of overhead versus native on {hosts}: {named}{more}",
        f"History of overhead on {hosts}" if alone else None,
        [
            "Overhead versus native with its interval, night by night; below it native's own value",
            "Dashed: something known changed. Triangles: a shift, filled where it was confirmed",
        ],
    )


def _cell(
    nights: pl.DataFrame, shifts: Sequence[Shift], headers: Headers, worded: bool
) -> alt.VConcatChart:
    rows = _rows(nights, headers)
    names = sorted({str(row["series"]) for row in rows})
    order = order_of(headers, rows[0]["host"])
    ends = axis.reach(x for row in rows for x in (row["F"], row["F_low"], row["F_high"]))
    above = alt.layer(
        *_lines(rows, names, order, ends),
        *_epochs(nights, worded),
        *_shifts(_of_cell(shifts, rows[0]), headers, names, order, rows),
    ).properties(width=_WIDTH, height=_HEIGHT)
    if worded:
        above = above.properties(title=f"{rows[0]['workload']} · {rows[0]['metric']}")
    both = alt.VConcatChart(vconcat=[above, _native(nights)], spacing=10)
    shared: alt.VConcatChart = both.resolve_scale(x="shared")
    return shared


def _rows(nights: pl.DataFrame, headers: Headers) -> list[dict[str, Any]]:
    return [
        {
            **row,
            "time": row["started"].isoformat(),
            "series": header(headers, row["host"], row["target"], row["label"], row["class"]),
            "theta": axis.theta(row["F"]),
            "low": axis.theta(row["F_low"]),
            "high": axis.theta(row["F_high"]),
        }
        for row in nights.filter(pl.col("F").is_not_null()).sort("started").to_dicts()
    ]


def _text(nights: pl.DataFrame) -> pl.DataFrame:
    return nights.with_columns(pl.col(pl.Categorical).cast(pl.String))


def _lines(
    rows: list[dict[str, Any]], names: list[str], order: list[str], ends: tuple[float, float]
) -> list[alt.Chart]:
    scale, ruler = axis.along(ends, orient="left", title="overhead versus native")
    kept = ("time", "series", "theta", "low", "high", "epoch")
    base = style.marks([{key: row[key] for key in kept} for row in rows]).encode(
        x=_time(labels=False), color=style.colour(names, order), detail="epoch:N"
    )
    up = alt.Y("theta:Q", scale=scale, axis=ruler)
    return [
        base.transform_filter("datum.low != null")
        .mark_area(opacity=0.16)
        .encode(y=alt.Y("low:Q", scale=scale, axis=ruler), y2="high:Q"),
        base.mark_line(strokeWidth=1.75).encode(y=up),
        base.mark_point(filled=True, size=26, opacity=1).encode(
            y=up, shape=style.shape(names, order)
        ),
    ]


def _epochs(nights: pl.DataFrame, worded: bool) -> list[alt.Chart]:
    """A rule on each night that began an epoch, with what changed."""
    begun = nights.filter(pl.col("changed").is_not_null())
    if begun.is_empty():
        return []
    told = [
        {"time": started.isoformat(), "text": shortened(str(changed), _LONGEST)}
        for started, changed in begun.select("started", "changed")
        .unique(maintain_order=True)
        .sort("started", "changed")
        .iter_rows()
    ]
    base = style.marks(told).encode(x=_time(labels=False))
    rules = base.mark_rule(strokeDash=[4, 4], color=LIGHT["muted"])
    if not worded:
        return [rules]
    words = base.mark_text(
        angle=270, align="right", baseline="bottom", dy=-3, dx=-4, color=LIGHT["muted"], fontSize=10
    ).encode(text="text:N", y=alt.value(0))
    return [rules, words]


def _shifts(
    shifts: Sequence[Shift],
    headers: Headers,
    names: list[str],
    order: list[str],
    rows: list[dict[str, Any]],
) -> list[alt.Chart]:
    """A triangle where a level begins: up for slower, down for faster; filled where confirmed."""
    classes = {(row["target"], row["label"]): row["class"] for row in rows}
    values = [
        {
            "time": each.started.isoformat(),
            "theta": axis.theta(each.after),
            "series": header(
                headers, each.host, each.target, each.label, classes[each.target, each.label]
            ),
            "way": "triangle-up" if each.ratio > 1 else "triangle-down",
            "firm": 1 if each.status == "confirmed" else 0,
            "text": f"{100 * (each.ratio - 1):+.1f} % {each.status}".replace("-", "−"),
        }
        for each in shifts
        if (each.target, each.label) in classes
    ]
    if not values:
        return []
    base = style.marks(values).encode(
        x=_time(labels=False),
        y="theta:Q",
        shape=alt.Shape("way:N", scale=None),
        color=style.colour(names, order),
    )
    firm = base.transform_filter("datum.firm").mark_point(filled=True, size=190, opacity=1)
    open_ = base.transform_filter("!datum.firm").mark_point(
        filled=False, fill=LIGHT["paper"], size=190, strokeWidth=2, opacity=1
    )
    text = style.marks(values).encode(x=_time(labels=False), y="theta:Q", text="text:N")
    paper = LIGHT["paper"]
    ground = text.mark_text(
        dy=-16, fontSize=11, fontWeight="bold", color=paper, stroke=paper, strokeWidth=4
    )
    words = text.mark_text(dy=-16, fontSize=11, fontWeight="bold", color=LIGHT["ink"])
    return [open_, firm, ground, words]


def _native(nights: pl.DataFrame) -> alt.LayerChart | alt.FacetChart:
    """Native's own values: one a night, whichever target's row bears it."""
    found = (
        nights.filter(pl.col("native_value").is_not_null())
        .unique(["run"], keep="first", maintain_order=True)
        .sort("started")
    )
    values = [
        {"time": started.isoformat(), "value": value}
        for started, value in found.select("started", "native_value").iter_rows()
    ]
    unit = str(nights["unit"][0])
    base = style.marks(values).encode(
        x=_time(labels=True),
        y=alt.Y(
            "value:Q",
            title=["native", unit],
            scale=alt.Scale(zero=False),
            axis=alt.Axis(tickCount=3, format=".4~s", grid=True),
        ),
    )
    line = base.mark_line(color=LIGHT["muted"], strokeWidth=1.25)
    dots = base.mark_point(filled=True, size=14, color=LIGHT["muted"], opacity=1)
    return alt.layer(line, dots).properties(width=_WIDTH, height=_NATIVE_HEIGHT)


def _time(labels: bool) -> alt.X:
    return alt.X(
        "time:T",
        title=None,
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(
            labels=labels,
            ticks=labels,
            grid=False,
            labelOverlap=True,
            labelSeparation=12,
            tickCount=7,
            format="%-d %b %Y",
        ),
    )


def _of_cell(shifts: Sequence[Shift], row: Mapping[str, Any]) -> list[Shift]:
    keys = ("host", "scenario", "workload", "metric")
    return [each for each in shifts if all(getattr(each, key) == row[key] for key in keys)]
