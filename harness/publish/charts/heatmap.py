"""The heat map: what each target costs in each workload, at one look.

A cell's colour is the step of its slowdown; its text is the overhead with its verdict. What is not
resolved has a dashed frame as well, so that no colour is taken for a finding.
"""

from __future__ import annotations

from typing import Any

import altair as alt

from harness.publish.charts import nothing, palette, style
from harness.publish.charts.palette import LIGHT
from harness.report import numbers
from harness.report.table import Figure, Section

LEGEND = "▲ slower, ≈ equivalent, ‼ suspect, · and dashed: unresolved, which is not “no difference”"
_CELL_HEIGHT = 23
_LEAST_WIDTH = 96
_MOST_WIDTH = 168
_ROOM = 960
_ROOM_LEFT = 32
_LINE = 13


def heatmap(section: Section, alone: bool = True) -> dict[str, Any]:
    """The headline figures of `section`: a row a workload, a column a target other than native.

    `alone` gives it a title and a legend of its verdicts. Raises HarnessError where there is no
    target to compare with native.
    """
    places = [i for i, column in enumerate(section.columns) if not column.native]
    headers = [style.lines_of(section.columns[place].header) for place in places]
    cells = [
        {
            "resource": group.resource,
            "row": row.workload,
            "column": header,
            **_cell(row.figures[place]),
        }
        for group in section.groups
        for row in group.rows
        if row.headline
        for place, header in zip(places, headers, strict=True)
    ]
    if not cells:
        raise nothing(f"{section.host} has no target besides native")
    wide = max(
        _LEAST_WIDTH,
        min(_MOST_WIDTH, _ROOM / len(headers)),
        *(style.width_of(header) for header in headers),
    )
    base = style.marks(cells).encode(
        x=alt.X(
            "column:N",
            sort=headers,
            title=None,
            axis=alt.Axis(
                orient="top",
                labelAngle=0,
                labelExpr=style.LINES,
                labelPadding=_LINE + 5 if any("\n" in header for header in headers) else 5,
                ticks=False,
                domain=False,
            ),
            scale=alt.Scale(paddingInner=0.04, paddingOuter=0),
        ),
        y=alt.Y(
            "row:N",
            sort=list(dict.fromkeys(str(cell["row"]) for cell in cells)),
            title=None,
            axis=alt.Axis(ticks=False, domain=False, labelPadding=8),
            scale=alt.Scale(paddingInner=0.1, paddingOuter=0.05),
        ),
    )
    shade = alt.Color(
        "step:N",
        scale=alt.Scale(domain=list(palette.LABELS), range=[LIGHT[name] for name in palette.BINS]),
        legend=alt.Legend(
            title="overhead versus native",
            orient="bottom",
            columns=7,
            symbolType="square",
            symbolSize=180,
            labelLimit=0,
            columnPadding=26,
        ),
    )
    filled = base.transform_filter("datum.step != null").mark_rect(cornerRadius=2)
    dashed = base.transform_filter("datum.step != null && !datum.firm").mark_rect(
        cornerRadius=2, filled=False, strokeDash=[3, 3], strokeWidth=1, strokeOpacity=0.55
    )
    words = base.mark_text(fontSize=style.SIZE, baseline="middle")
    layers = alt.layer(
        filled.encode(color=shade),
        dashed.encode(stroke=alt.Stroke("ink:N", scale=None)),
        words.encode(
            text="text:N",
            color=alt.Color("ink:N", scale=None),
        ),
    ).properties(width=wide * len(headers), height=alt.Step(_CELL_HEIGHT))
    order = [group.resource for group in section.groups]
    chart = layers.facet(
        row=alt.Row(
            "resource:N",
            sort=order,
            header=alt.Header(labelAngle=0, labelAlign="left", labelPadding=_ROOM_LEFT),
        ),
        spacing=7,
    ).resolve_scale(y="independent")
    return style.finished(
        chart,
        f"Heat map of the overhead of {_counted(len(headers))} of {section.host} versus native",
        f"Overhead versus native on {section.host}" if alone else None,
        [LEGEND],
    )


def _counted(targets: int) -> str:
    return f"{targets} target{'' if targets == 1 else 's'}"


def _cell(figure: Figure) -> dict[str, Any]:
    if figure.factor is None:
        said = numbers.NO_RESULT if figure.median is None else numbers.cell(figure, False).relative
        return {
            "step": None,
            "firm": False,
            "text": said or numbers.ELSEWHERE,
            "ink": LIGHT["muted"],
        }
    name = palette.step(figure.factor.point, figure.verdict)
    mark = numbers.VERDICTS.get(figure.verdict, "")
    return {
        "step": palette.LABELS[palette.BINS.index(name)],
        "firm": figure.verdict in numbers.FIRM,
        "text": f"{numbers.point(figure.factor)} {mark}".rstrip(),
        "ink": LIGHT[f"on-{name}"],
    }
