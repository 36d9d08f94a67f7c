"""Every block as a point: how an overhead is distributed, with the interval that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from harness.model.estimate import Estimate
from harness.publish.charts import axis, nothing, style
from harness.publish.charts.palette import LIGHT

_WIDTH = 720
_HEIGHT = 34
_COLUMNS = 2


@dataclass(frozen=True, slots=True)
class Distribution:
    """The slowdown F of one target in each block of one workload and metric, and its estimate
    (None where there is none, as of native against itself)."""

    workload: str
    metric: str
    series: str
    factors: tuple[float, ...]
    estimate: Estimate | None


def blocks(
    found: Sequence[Distribution], about: str, alone: bool = True, order: Sequence[str] = ()
) -> dict[str, Any]:
    """A chart a workload and metric of `found`, a line a target: its blocks as points over its
    estimate with the interval. `order` is what `style.colour` takes. Raises HarnessError where
    there is none."""
    rows = list(dict.fromkeys((each.workload, each.metric) for each in found if each.factors))
    if not rows:
        raise nothing(f"{about} has no block with a pair of target and native")
    charts = [
        _one(
            [each for each in found if (each.workload, each.metric) == row and each.factors], order
        )
        for row in rows
    ]
    if len(charts) == 1 and not alone:
        chart: alt.TopLevelMixin = charts[0]
    else:
        titled = [
            chart.properties(title=f"{workload} · {metric}")
            for chart, (workload, metric) in zip(charts, rows, strict=True)
        ]
        chart = alt.concat(*titled, columns=min(_COLUMNS, len(titled)), spacing=28)
    told = ", ".join(f"{workload} {metric}" for workload, metric in rows[:3])
    return style.finished(
        chart,
        f"Overhead of every block versus native, {about}: {told}",
        f"Every block, {about}" if alone else None,
        ["Points: the slowdown of a block's pair; below them the estimate with its interval"],
    )


def _one(found: Sequence[Distribution], order: Sequence[str]) -> alt.LayerChart | alt.FacetChart:
    names = [each.series for each in found]
    points = [
        {"series": each.series, "theta": axis.theta(factor)}
        for each in found
        for factor in each.factors
    ]
    estimates = [
        {
            "series": each.series,
            "theta": axis.theta(each.estimate.point),
            "low": axis.theta(each.estimate.low),
            "high": axis.theta(each.estimate.high),
        }
        for each in found
        if each.estimate is not None
    ]
    all_of = [x for each in found for x in each.factors]
    for each in found:
        if each.estimate is not None:
            all_of += [x for x in (each.estimate.low, each.estimate.high) if x is not None]
    scale, ruler = axis.along(axis.reach(all_of))
    across = alt.Y(
        "series:N",
        scale=alt.Scale(domain=names),
        title=None,
        axis=alt.Axis(labelExpr=style.LINES, ticks=False, domain=False, grid=False, labelPadding=8),
    )
    dots = (
        style.marks(points)
        .mark_point(filled=True, size=42, opacity=0.65, yOffset=-6)
        .encode(
            y=across,
            x=alt.X("theta:Q", scale=scale, axis=ruler),
            color=style.colour(names, order, named=False),
            shape=style.shape(names, order, named=False),
        )
    )
    whole = style.marks(estimates).encode(y=across)
    rule = whole.transform_filter("datum.low != null").mark_rule(
        strokeWidth=2.5, color=LIGHT["ink"], yOffset=7
    )
    middle = whole.mark_tick(thickness=2.5, size=11, color=LIGHT["ink"], yOffset=7)
    return alt.layer(
        dots,
        rule.encode(x=alt.X("low:Q", scale=scale, axis=ruler), x2="high:Q"),
        middle.encode(x=alt.X("theta:Q", scale=scale, axis=ruler)),
    ).properties(width=_WIDTH, height=alt.Step(_HEIGHT))
