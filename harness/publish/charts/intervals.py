"""Points and intervals: a row a workload and metric, a mark a target, on one axis of overhead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from harness.model.estimate import Estimate
from harness.publish.charts import axis, nothing, style
from harness.report.table import Section

_WIDTH = 720
_LEAST_STEP = 22
_A_SERIES = 11
_ROOM_LEFT = 20
"""Between the name of a group, which has one line, and those of its rows."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A point with its interval, as slowdown F, of what (`row`, in a `group`) and of whom."""

    group: str
    row: str
    series: str
    factor: Estimate


def of_section(section: Section, every_metric: bool = True) -> list[Mark]:
    """The overheads of `section`, in its order; of each workload the headline alone, or all."""
    return [
        Mark(
            group.resource,
            row.workload if not every_metric or row.headline else f"{row.workload} · {row.metric}",
            column.header,
            figure.factor,
        )
        for group in section.groups
        for row in group.rows
        if row.headline or every_metric
        for column, figure in zip(section.columns, row.figures, strict=True)
        if figure.factor is not None and not column.native
    ]


def intervals(
    marks: Sequence[Mark], about: str, alone: bool = True, order: Sequence[str] = ()
) -> dict[str, Any]:
    """The chart of `marks`, grouped and in their order; `about` says what they are of, `order` is
    what `style.colour` takes.

    Raises HarnessError where there is none.
    """
    if not marks:
        raise nothing(f"{about} has no overhead")
    names = list(dict.fromkeys(mark.series for mark in marks))
    values = [
        {
            "group": mark.group,
            "row": mark.row,
            "series": mark.series,
            "theta": axis.theta(mark.factor.point),
            "low": axis.theta(mark.factor.low),
            "high": axis.theta(mark.factor.high),
        }
        for mark in marks
    ]
    ends = axis.reach(
        x for mark in marks for x in (mark.factor.point, mark.factor.low, mark.factor.high)
    )
    groups = list(dict.fromkeys(mark.group for mark in marks))
    charts = [
        _group(
            [value for value in values if value["group"] == group],
            names,
            order,
            ends,
            last=group == groups[-1],
            extent=max(style.width_of(mark.row) for mark in marks),
        )
        for group in groups
    ]
    chart = alt.vconcat(*charts, spacing=8)
    level = marks[0].factor.level
    return style.finished(
        chart,
        f"Overhead versus native with {100 * level:g} % intervals: {about}",
        f"Overhead versus native, {about}" if alone else None,
        [f"Point and {100 * level:g} % interval of the slowdown; right of native is slower"],
    )


def _group(
    values: list[dict[str, Any]],
    names: list[str],
    order: Sequence[str],
    ends: tuple[float, float],
    last: bool,
    extent: float,
) -> alt.LayerChart | alt.FacetChart:
    """The rows of one group; the last has the axis, and all have one legend."""
    scale, ruler = axis.along(ends, title=axis.TITLE if last else None, labels=last)
    rows = list(dict.fromkeys(str(value["row"]) for value in values))
    base = style.marks(values).encode(
        y=alt.Y(
            "row:N",
            title=str(values[0]["group"]),
            axis=alt.Axis(
                ticks=False,
                domain=False,
                grid=False,
                labelPadding=8,
                minExtent=extent,
                titleAngle=0,
                titleAlign="right",
                titleBaseline="middle",
                titlePadding=_ROOM_LEFT,
            ),
            scale=alt.Scale(domain=rows, paddingInner=0.25),
        ),
        yOffset=alt.YOffset("series:N", scale=alt.Scale(domain=names)),
        color=style.colour(names, order),
    )
    rule = base.transform_filter("datum.low != null").mark_rule(strokeWidth=2.25)
    dot = base.mark_point(filled=True, size=46, opacity=1)
    return alt.layer(
        rule.encode(x=alt.X("low:Q", scale=scale, axis=ruler), x2="high:Q"),
        dot.encode(
            x=alt.X("theta:Q", scale=scale, axis=ruler),
            shape=style.shape(names, order),
        ),
    ).properties(width=_WIDTH, height=len(rows) * max(_LEAST_STEP, _A_SERIES * len(names)))
